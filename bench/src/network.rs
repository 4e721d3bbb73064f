//! What the proxy of the network policy costs: requests and downloads by curl from a sandbox through the guest and the
//! proxy, beside curl on the host without any, and through tinyproxy if there is one.
//!
//! All ask the same server of this machine (Python's, HTTP and HTTPS), in turn. A request has a connection of its own.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use researchgym_core::isolation::Runtime;
use researchgym_core::network::{NetworkPolicy, Phase, Rules};
use researchgym_core::task::{Network, Resources};
use researchgym_engine::network::{Names, Policy, Proxy, environment};
use researchgym_engine::sandbox::{Capture, Sandbox, SandboxSpec, WorkingFolder};

use crate::Outcome;
use crate::options::Options;
use crate::place::Place;
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;

const TIME: Duration = Duration::from_secs(300);
/// How long a process that was started may take to be there.
const STARTING: Duration = Duration::from_secs(10);

const SERVER: &str = r#"
import http.server, ssl, sys, threading
mib = int(sys.argv[3])
piece = b"x" * (1 << 20)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        times, body = (mib, piece) if self.path == "/big" else (1, b"hello\n" * 30)
        self.send_response(200)
        self.send_header("Content-Length", str(times * len(body)))
        self.end_headers()
        for _ in range(times): self.wfile.write(body)
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
plain, secure = Server(("127.0.0.1", 0), Handler), Server(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=plain.serve_forever, daemon=True).start()
print(plain.server_port, secure.server_port, flush=True)
secure.serve_forever()
"#;

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let requests = options.number("requests", 200)?;
    let mib = options.number("mib", 256)?;
    let rounds = options.number("rounds", 5)?.max(1);
    let place = Place::new()?;
    let folder = place.scratch("servers")?;
    let servers = Servers::start(&folder, mib)?;
    let tinyproxy = Tinyproxy::start(options.text("tinyproxy"), &folder)?;
    let ours = Ours::start(&place, &servers).await?;
    for scheme in [Scheme::Http, Scheme::Https] {
        talk(&format!("{scheme:?}: {rounds} rounds of {requests} requests and {mib} MiB"));
        let mut measured: BTreeMap<&str, (Samples, Vec<f64>)> = BTreeMap::new();
        for _ in 0..rounds {
            for (what, times) in [("/small", requests), ("/big", 1)] {
                let mut add = |who, text: &str| {
                    let (latencies, speeds) = measured.entry(who).or_default();
                    for line in text.lines() {
                        let (seconds, speed) = line.split_once(' ').ok_or("curl says something else")?;
                        match what {
                            "/small" => latencies.push(Duration::from_secs_f64(seconds.parse()?)),
                            _ => speeds.push(speed.parse::<f64>()? / f64::from(1 << 20)),
                        }
                    }
                    Outcome::Ok(())
                };
                add("direct", &on_host(&servers.words(scheme, what, times))?)?;
                if let Some(tinyproxy) = &tinyproxy {
                    let proxied = format!("--proxy http://127.0.0.1:{} --noproxy ''", tinyproxy.port);
                    add(
                        "tinyproxy",
                        &on_host(&format!("{} {proxied}", servers.words(scheme, what, times)))?,
                    )?;
                }
                add("proxy", &ours.run(&inside(scheme, what, times)).await?)?;
            }
        }
        let direct = measured.get("direct").map(|(latencies, _)| latencies.median()).unwrap_or_default();
        for (who, (latencies, speeds)) in measured {
            let name = format!("{scheme:?}: {}", names(who));
            let figure = Figure::samples(&format!("{name}, a request"), Unit::Microseconds, &latencies);
            report.write(match who {
                "direct" => figure,
                _ => figure.beside_duration("direct, p50", Unit::Microseconds, direct),
            });
            let mut speeds = speeds;
            speeds.sort_by(f64::total_cmp);
            let median = speeds.get(speeds.len() / 2).copied().unwrap_or_default();
            report.write(
                Figure::number(&format!("{name}, a download"), "MiB/s", median).with("n", speeds.len()),
            );
        }
    }
    ours.sandbox.stop().await;
    Ok(())
}

fn names(who: &str) -> &str {
    match who {
        "direct" => "host without a proxy",
        "tinyproxy" => "host through tinyproxy",
        _ => "sandbox through guest and proxy",
    }
}

#[derive(Clone, Copy, Debug)]
enum Scheme {
    Http,
    Https,
}

/// Curl's words for the same address several times over. Each has a connection of its own.
fn curl(more: &str, address: &str, times: usize) -> String {
    let all = format!(" -o /dev/null {address}").repeat(times);
    format!("curl -sS -f -H 'Connection: close' -w '%{{time_total}} %{{speed_download}}\\n' {more}{all}")
}

fn inside(scheme: Scheme, what: &str, times: usize) -> String {
    match scheme {
        Scheme::Http => curl("", &format!("http://plain.example{what}"), times),
        Scheme::Https => curl("--cacert ca.pem", &format!("https://index.example{what}"), times),
    }
}

fn on_host(words: &str) -> Outcome<String> {
    let output = Command::new("sh").args(["-c", words]).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(format!("curl: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Servers {
    plain: u16,
    secure: u16,
    certificate: std::path::PathBuf,
    _process: Running,
}

impl Servers {
    fn start(folder: &Path, mib: usize) -> Outcome<Servers> {
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "2", "-subj", "/CN=throw-away", "-addext", "subjectAltName=DNS:index.example"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()?;
        if !made.status.success() {
            return Err(format!("openssl: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let mut process = Command::new("python3")
            .args(["-c", SERVER])
            .args([&certificate, &key])
            .arg(mib.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().ok_or("no pipe")?;
        let process = Running(process);
        let mut ports = String::new();
        std::io::BufReader::new(stdout).read_line(&mut ports)?;
        let (plain, secure) = ports.trim().split_once(' ').ok_or("the server did not start")?;
        Ok(Servers { plain: plain.parse()?, secure: secure.parse()?, certificate, _process: process })
    }

    /// Curl's words on the host.
    fn words(&self, scheme: Scheme, what: &str, times: usize) -> String {
        match scheme {
            Scheme::Http => curl("", &format!("http://127.0.0.1:{}{what}", self.plain), times),
            Scheme::Https => {
                let certificate = self.certificate.display();
                let place = format!("--connect-to index.example:443:127.0.0.1:{}", self.secure);
                let address = format!("https://index.example{what}");
                curl(&format!("--cacert {certificate} {place}"), &address, times)
            }
        }
    }
}

struct Tinyproxy {
    port: u16,
    _process: Running,
}

impl Tinyproxy {
    /// The one that is named, else the one in `PATH`, else none.
    fn start(named: Option<&str>, folder: &Path) -> Outcome<Option<Tinyproxy>> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = folder.join("tinyproxy.conf");
        let text = format!("Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 100\nLogLevel Critical\n");
        std::fs::write(&settings, text)?;
        let mut command = Command::new(named.unwrap_or("tinyproxy"));
        let started =
            command.args(["-d", "-c"]).arg(&settings).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = match started {
            Ok(process) => Running(process),
            Err(error) if named.is_none() => {
                talk(&format!("without tinyproxy ({error}); --tinyproxy names one"));
                return Ok(None);
            }
            Err(error) => return Err(format!("{}: {error}", named.unwrap_or_default()).into()),
        };
        let began = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > STARTING {
                return Err("tinyproxy does not listen".into());
            }
            std::thread::yield_now();
        }
        Ok(Some(Tinyproxy { port, _process: process }))
    }
}

/// A sandbox and its proxy.
struct Ours {
    sandbox: Sandbox,
    blobs: std::path::PathBuf,
    _proxy: Proxy,
}

impl Ours {
    async fn start(place: &Place, servers: &Servers) -> Outcome<Ours> {
        let network =
            Network { allow: vec!["plain.example".into(), "index.example".into()], ..Network::default() };
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let known = BTreeMap::from([
            (("plain.example".to_owned(), 80), address(servers.plain)),
            (("index.example".to_owned(), 443), address(servers.secure)),
        ]);
        let policy = Policy {
            phase: Phase::Agent,
            rules: Rules::of(NetworkPolicy::AllowList, &network)?,
            traffic: u64::MAX,
            names: Names::Fixed(Arc::new(known)),
        };
        let proxy = Proxy::on_socket(&place.scratch("proxy")?, policy)?;
        let workspace = place.scratch("workspace")?;
        std::fs::copy(&servers.certificate, workspace.join("ca.pem"))?;
        let fixed = [("HOME", "/tmp"), ("LANG", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];
        let mut variables = environment(&proxy);
        variables.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let spec = SandboxSpec {
            runtime: Runtime::Local,
            image: None,
            gpus: None,
            name: "network".to_owned(),
            working_folder: WorkingFolder::Writable { source: workspace },
            read_only: Vec::new(),
            environment: variables,
            resources: Resources::default(),
            session: false,
            gateway: None,
            proxy: proxy.socket().map(Path::to_path_buf),
        };
        let sandbox = Sandbox::start(&place.sandboxes, spec, Vec::new()).await?;
        Ok(Ours { sandbox, blobs: place.scratch("blobs")?, _proxy: proxy })
    }

    async fn run(&self, words: &str) -> Outcome<String> {
        let mut capture = Capture::new(&self.blobs);
        let outcome = self.sandbox.exec(words, TIME, &mut capture).await?;
        let (stdout, stderr) = capture.finish()?;
        match outcome.exit_code {
            Some(0) => Ok(stdout.text),
            _ => Err(format!("curl in the sandbox: {}", stderr.text).into()),
        }
    }
}
