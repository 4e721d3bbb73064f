//! The proxy of the network policy from inside: real programs through it, and every way around it that we know of.
//!
//! The servers are this machine's and bear names that only the proxy knows.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use researchgym_core::isolation::Runtime;
use researchgym_core::network::{NetworkPolicy, NetworkRequested, Phase, Refusal, Rules, Verdict};
use researchgym_core::task::Network;
use researchgym_engine::network::{Names, Policy, Proxy, environment};
use researchgym_engine::sandbox::PROXY_PORT;

use crate::bench::{Bench, Shown, Tested};

/// A server of HTTP and one of HTTPS with a certificate of their own, and in it a package that can be downloaded.
const SERVER: &str = r#"
import base64, hashlib, http.server, io, ssl, sys, threading, zipfile
content = io.BytesIO()
with zipfile.ZipFile(content, "w") as wheel:
    wheel.writestr("thing.py", "answer = 42\n")
    wheel.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    wheel.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("thing-1.0.dist-info/RECORD", "")
wheel = content.getvalue()
name = "thing-1.0-py3-none-any.whl"
pages = {
    "/simple/thing/": ("text/html", f'<a href="/files/{name}#sha256={hashlib.sha256(wheel).hexdigest()}">{name}</a>'.encode()),
    f"/files/{name}": ("application/zip", wheel),
    "/hello": ("text/plain", b"hello\n"),
}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, body = pages.get(self.path.split("?")[0], ("text/plain", b""))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
secure = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
secure.socket = context.wrap_socket(secure.socket, server_side=True)
threading.Thread(target=plain.serve_forever, daemon=True).start()
print(plain.server_port, secure.server_port, flush=True)
secure.serve_forever()
"#;

struct Servers {
    process: Child,
    plain: SocketAddr,
    secure: SocketAddr,
    certificate: String,
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Servers {
    fn start(bench: &Bench) -> Servers {
        let (certificate, key) = (bench.path("certificate.pem"), bench.path("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "2", "-subj", "/CN=throw-away", "-addext", "subjectAltName=DNS:index.example"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("openssl is there");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut process = Command::new("python3")
            .args(["-c", SERVER])
            .args([&certificate, &key])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let mut ports = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        std::io::BufReader::new(stdout).read_line(&mut ports).expect("its ports");
        let ports: Vec<u16> = ports.split_whitespace().map(|port| port.parse().expect("a port")).collect();
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let certificate = std::fs::read_to_string(certificate).expect("a certificate");
        Servers { process, plain: address(ports[0]), secure: address(ports[1]), certificate }
    }

    fn names(&self) -> Names {
        let known = [
            (("plain.example".to_owned(), 80), self.plain),
            (("index.example".to_owned(), 443), self.secure),
            (("other.example".to_owned(), 443), self.secure),
        ];
        Names::Fixed(Arc::new(BTreeMap::from(known)))
    }
}

fn proxy(bench: &Bench, policy: NetworkPolicy, allow: &[&str], names: Names) -> Proxy {
    let allow = allow.iter().map(|host| (*host).to_owned()).collect();
    let network = Network { allow, ..Network::default() };
    let rules = Rules::of(policy, &network).unwrap();
    let policy = Policy { phase: Phase::Agent, rules, traffic: 1 << 30, names };
    Proxy::on_socket(&bench.path("proxies"), policy).unwrap()
}

async fn start(bench: &Bench, proxy: &Proxy) -> Tested {
    let mut spec = bench.spec();
    spec.proxy = proxy.socket().map(std::path::Path::to_path_buf);
    spec.environment.extend(environment(proxy));
    bench.start_with(spec).await
}

async fn python(sandbox: &Tested, script: &str) -> Shown {
    sandbox.sandbox.write_file("client.py", script.as_bytes(), 0o644).await.unwrap().unwrap();
    sandbox.exec("python3 client.py").await
}

fn check(shown: &Shown, expected: &str) {
    assert_eq!((shown.code, &*shown.stdout), (Some(0), expected), "{shown:?}");
}

/// Method, host, port and verdict of each.
fn told(requests: Vec<NetworkRequested>) -> Vec<(String, String, u16, Verdict)> {
    requests
        .into_iter()
        .map(|request| (request.method, request.host, request.port, request.verdict))
        .collect()
}

fn of(method: &str, host: &str, port: u16, refusal: Option<Refusal>) -> (String, String, u16, Verdict) {
    let verdict = refusal.map_or(Verdict::Allowed, |reason| Verdict::Refused { reason });
    (method.to_owned(), host.to_owned(), port, verdict)
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_clients_reach_what_is_allowed_and_nothing_else() {
    let Some(bench) = Bench::local() else { return };
    let servers = Servers::start(&bench);
    let allowed = ["index.example", "plain.example"];
    let proxy = proxy(&bench, NetworkPolicy::AllowList, &allowed, servers.names());
    let sandbox = start(&bench, &proxy).await;
    let certificate = servers.certificate.as_bytes();
    sandbox.sandbox.write_file("ca.pem", certificate, 0o644).await.unwrap().unwrap();
    check(&sandbox.exec("curl -sS http://plain.example/hello?q=1").await, "hello\n");
    check(&sandbox.exec("curl -sS --cacert ca.pem https://index.example/hello").await, "hello\n");
    let shown = sandbox.exec("curl -sS -o /dev/null -w '%{http_connect}' https://other.example/").await;
    assert_eq!((shown.code, &*shown.stdout), (Some(56), "403"), "{shown:?}");
    let script = r#"
import ssl, urllib.error, urllib.request as u
body = bytes(range(256)) * 40000
print(u.urlopen("http://plain.example/echo", data=body).read() == body)
context = ssl.create_default_context(cafile="ca.pem")
print(u.urlopen("https://index.example/echo", data=body, context=context).read() == body)
try: u.urlopen("http://other.example/")
except urllib.error.HTTPError as error: print(error.code, error.read().decode().strip())
"#;
    let expected =
        "True\nTrue\n403 researchgym network policy: other.example: this task does not allow this host\n";
    check(&python(&sandbox, script).await, expected);
    sandbox.sandbox.stop().await;
    let expected = [
        of("GET", "plain.example", 80, None),
        of("CONNECT", "index.example", 443, None),
        of("CONNECT", "other.example", 443, Some(Refusal::NotAllowed)),
        of("POST", "plain.example", 80, None),
        of("CONNECT", "index.example", 443, None),
        of("GET", "other.example", 80, Some(Refusal::NotAllowed)),
    ];
    let requests = proxy.close().await;
    let posted = requests.iter().find(|request| request.method == "POST").expect("it was told of");
    assert_eq!((posted.bytes_up, posted.bytes_down), (256 * 40_000, 256 * 40_000));
    assert_eq!(requests[0].url.as_deref(), Some("http://plain.example/hello?..."));
    // A tunnel is told of when it closes: the next request may overtake it.
    let sorted = |mut told: Vec<(String, String, u16, Verdict)>| {
        told.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        told
    };
    assert_eq!(sorted(told(requests)), sorted(expected.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn pip_downloads_from_an_index_that_is_allowed() {
    let Some(bench) = Bench::local() else { return };
    let servers = Servers::start(&bench);
    let proxy = proxy(&bench, NetworkPolicy::AllowList, &["index.example"], servers.names());
    let sandbox = start(&bench, &proxy).await;
    let certificate = servers.certificate.as_bytes();
    sandbox.sandbox.write_file("ca.pem", certificate, 0o644).await.unwrap().unwrap();
    // Debian's Python has pip as a package or makes it with an environment.
    let found = "python3 -m pip --version >/dev/null 2>&1 && echo python3 || { python3 -m venv /tmp/venv && echo /tmp/venv/bin/python; }";
    let python = sandbox.exec(found).await.stdout;
    let Some(python) = python.lines().last() else {
        eprintln!("skipped: there is no pip here");
        sandbox.sandbox.stop().await;
        return;
    };
    let download = format!(
        "{python} -m pip download -q --cert ca.pem --index-url https://index.example/simple/ --dest got thing && ls got"
    );
    let shown = sandbox.exec(&download).await;
    assert_eq!((shown.code, &*shown.stdout), (Some(0), "thing-1.0-py3-none-any.whl\n"), "{shown:?}");
    sandbox.sandbox.stop().await;
    let requests = told(proxy.close().await);
    assert!(!requests.is_empty());
    assert!(
        requests.iter().all(|request| *request == of("CONNECT", "index.example", 443, None)),
        "{requests:?}"
    );
}

/// Fronting: a tunnel to a host that is allowed, and in it a greeting for one that is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_for_another_host_ends_the_tunnel() {
    let Some(bench) = Bench::local() else { return };
    let servers = Servers::start(&bench);
    let proxy = proxy(&bench, NetworkPolicy::AllowList, &["index.example"], servers.names());
    let sandbox = start(&bench, &proxy).await;
    let script = r#"
import socket, ssl
context = ssl._create_unverified_context()
for name in ("index.example", "other.example", None):
    s = socket.create_connection(("127.0.0.1", 8788))
    s.sendall(b"CONNECT index.example:443 HTTP/1.1\r\nHost: index.example:443\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"): head += s.recv(1)
    try: print(context.wrap_socket(s, server_hostname=name).version())
    except ssl.SSLError as error: print(error.reason)
"#;
    check(&python(&sandbox, script).await, "TLSv1.3\nTLSV1_ALERT_ACCESS_DENIED\nTLSV1_ALERT_ACCESS_DENIED\n");
    sandbox.sandbox.stop().await;
    let refused = of("CONNECT", "index.example", 443, Some(Refusal::ServerName));
    let expected = [of("CONNECT", "index.example", 443, None), refused.clone(), refused];
    let mut requests = told(proxy.close().await);
    requests.sort_by_key(|request| request.3);
    assert_eq!(requests, expected);
}

/// What ssh is given as its way to a host.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_policy_carries_what_is_no_http() {
    let Some(bench) = Bench::local() else { return };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let known = BTreeMap::from([(("any.example".to_owned(), 22), listener.local_addr().unwrap())]);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            stream.write_all(b"SSH-2.0-server\r\n").await.unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).await.unwrap();
            stream.write_all(heard.to_uppercase().as_bytes()).await.unwrap();
        }
    });
    let proxy = proxy(&bench, NetworkPolicy::Open, &[], Names::Fixed(Arc::new(known)));
    let sandbox = start(&bench, &proxy).await;
    check(
        &sandbox.exec("echo hello | researchgym connect any.example 22").await,
        "SSH-2.0-server\r\nHELLO\n",
    );
    let shown = sandbox.exec("researchgym connect other.example 22 < /dev/null").await;
    let said =
        "researchgym connect: researchgym network policy: other.example: this name cannot be resolved\n";
    assert_eq!((shown.code, &*shown.stderr), (Some(1), said));
    let shown = sandbox.exec("echo \"$GIT_SSH_COMMAND\"").await;
    check(&shown, "ssh -o ProxyCommand='/researchgym/bin/researchgym connect %h %p'\n");
    sandbox.sandbox.stop().await;
    let expected = [
        of("CONNECT", "any.example", 22, None),
        of("CONNECT", "other.example", 22, Some(Refusal::Unresolved)),
    ];
    assert_eq!(told(proxy.close().await), expected);
}

/// Services of the host that listen where a sandbox must not come. What they hold is worth nothing.
struct Bait {
    tcp: std::net::TcpListener,
    tcp6: Option<std::net::TcpListener>,
    udp: std::net::UdpSocket,
    abstract_name: String,
    _abstract_socket: std::os::unix::net::UnixListener,
}

impl Bait {
    fn new(bench: &Bench) -> Bait {
        let folder = bench.folder.path().file_name().expect("a name").to_string_lossy();
        let abstract_name = format!("researchgym-bait-{folder}");
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&abstract_name).unwrap();
        Bait {
            tcp: std::net::TcpListener::bind("0.0.0.0:0").unwrap(),
            tcp6: std::net::TcpListener::bind("[::1]:0").ok(),
            udp: std::net::UdpSocket::bind("127.0.0.1:0").unwrap(),
            abstract_name,
            _abstract_socket: std::os::unix::net::UnixListener::bind_addr(&address).unwrap(),
        }
    }

    fn script(&self) -> String {
        let port = self.tcp.local_addr().unwrap().port();
        let port6 = self.tcp6.as_ref().map_or(9, |listener| listener.local_addr().unwrap().port());
        let udp = self.udp.local_addr().unwrap().port();
        let name = &self.abstract_name;
        format!(
            r#"
import fcntl, os, socket, struct, subprocess
def attempt(what, act):
    try: act()
    except OSError: return
    print("reached:", what)
def tcp(host, port, family=socket.AF_INET):
    def act():
        s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(2); s.connect((host, port))
    return act
def udp(host, port, family=socket.AF_INET):
    def act():
        s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(0.3)
        s.connect((host, port)); s.send(b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1"); s.recv(512)
    return act
attempt("the host's loopback", tcp("127.0.0.1", {port}))
attempt("the host's loopback by another address", tcp("127.0.0.2", {port}))
attempt("the host's loopback by 0.0.0.0", tcp("0.0.0.0", {port}))
attempt("the host's IPv6 loopback", tcp("::1", {port6}, socket.AF_INET6))
attempt("the host's UDP", udp("127.0.0.1", {udp}))
attempt("a UDP name server", udp("192.0.2.53", 53))
attempt("a UDP name server of the loopback", udp("127.0.0.53", 53))
attempt("an IPv6 name server", udp("2001:db8::53", 53, socket.AF_INET6))
attempt("a TCP address", tcp("192.0.2.1", 80))
attempt("a private address", tcp("10.0.0.1", 80))
attempt("an IPv6 address", tcp("2001:db8::1", 80, socket.AF_INET6))
attempt("cloud metadata", tcp("169.254.169.254", 80))
attempt("IPv6 link-local", tcp("fe80::1", 80, socket.AF_INET6))
attempt("multicast", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("224.0.0.251", 5353)))
attempt("a name", lambda: socket.getaddrinfo("example.org", 80))
attempt("the name of the proxy's host", lambda: socket.getaddrinfo("index.example", 443))
attempt("an abstract socket", lambda: socket.socket(socket.AF_UNIX).connect("\0{name}"))
attempt("a raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("a packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("a VM socket", lambda: socket.socket(40, socket.SOCK_STREAM).connect((2, 1)))
def up():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(s, 0x8914, struct.pack("16sH14s", b"lo", 0, b""))
attempt("the interface's switch", up)
def command(text):
    def act():
        if subprocess.run(["sh", "-c", text], capture_output=True).returncode: raise OSError
    return act
for text in ("ip link add x type dummy", "ip route add default dev lo", "unshare -n true", "nsenter -t 1 -n true"):
    attempt(text, command(text))
attempt("other sockets of ours", lambda: [os.stat("/run/docker.sock")])
print(sorted(os.listdir("/run/researchgym")))
"#
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_around_the_proxy() {
    let Some(bench) = Bench::local() else { return };
    let bait = Bait::new(&bench);
    for policy in [NetworkPolicy::AllowList, NetworkPolicy::Open] {
        let proxy = proxy(&bench, policy, &["index.example"], Names::Machine);
        let sandbox = start(&bench, &proxy).await;
        check(&python(&sandbox, &bait.script()).await, "['proxy.sock', 'session.sock']\n");
        // Through the proxy neither: these lead to this machine and its neighbours.
        let port = bait.tcp.local_addr().unwrap().port();
        let targets =
            ["localhost", "127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "0x7f000001", "0.0.0.0"];
        for target in targets {
            for url in [format!("http://{target}:{port}/"), format!("https://{target}:{port}/")] {
                let shown = sandbox.exec(&format!("curl -sS --noproxy '' -g -f '{url}'")).await;
                assert_ne!(shown.code, Some(0), "{url}: {shown:?}");
            }
        }
        sandbox.sandbox.stop().await;
        let requests = told(proxy.close().await);
        assert!(requests.iter().all(|request| request.3 != Verdict::Allowed), "{requests:?}");
        assert!(requests.len() >= targets.len(), "{requests:?}");
    }
    bait.tcp.set_nonblocking(true).unwrap();
    let reached = bait.tcp.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(reached, Err(std::io::ErrorKind::WouldBlock));
    // The bait is good: without isolation it is reached.
    bait.tcp.set_nonblocking(false).unwrap();
    let host = Bench::all().into_iter().find(|bench| bench.runtime == Runtime::Host).unwrap();
    let sandbox = host.start().await;
    let script = bait.script().replace("/run/researchgym", "/tmp");
    let reached = python(&sandbox, &script).await.stdout;
    for what in ["the host's loopback", "an abstract socket"] {
        assert!(reached.contains(&format!("reached: {what}\n")), "{reached}");
    }
    sandbox.sandbox.stop().await;
}

#[tokio::test]
async fn the_proxy_is_all_that_listens_and_nothing_does_without_a_policy() {
    let Some(bench) = Bench::local() else { return };
    let listening =
        "cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 | awk '$1 ~ /:$/ {print $2, $4}'";
    let proxy = proxy(&bench, NetworkPolicy::AllowList, &["pypi"], Names::Machine);
    let sandbox = start(&bench, &proxy).await;
    check(&sandbox.exec(listening).await, &format!("0100007F:{PROXY_PORT:04X} 0A\n"));
    check(
        &sandbox.exec("tail -n +2 /proc/net/route; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").await,
        "lo\n",
    );
    sandbox.sandbox.stop().await;
    drop(proxy);
    let sandbox = bench.start().await;
    check(&sandbox.exec(listening).await, "");
    sandbox.sandbox.stop().await;
}

/// What a program sends in haste costs the proxy connections that wait, and the log few lines.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_is_served_and_counted() {
    let Some(bench) = Bench::local() else { return };
    let proxy = proxy(&bench, NetworkPolicy::AllowList, &["pypi"], Names::Machine);
    let sandbox = start(&bench, &proxy).await;
    let script = r#"
import socket
from concurrent.futures import ThreadPoolExecutor
def ask(number):
    s = socket.create_connection(("127.0.0.1", 8788))
    s.sendall(b"CONNECT h%d.example:443 HTTP/1.1\r\n\r\n" % (number % 20))
    return s.recv(12)
with ThreadPoolExecutor(30) as pool: print(set(pool.map(ask, range(2000))))
"#;
    check(&python(&sandbox, script).await, "{b'HTTP/1.1 403'}\n");
    sandbox.sandbox.stop().await;
    let requests = proxy.close().await;
    assert_eq!(requests.iter().map(|request| request.times).sum::<u64>(), 2000);
    assert!(requests.len() <= 20 * 15, "{}", requests.len());
}
