//! `researchgym connect HOST PORT` inside a sandbox: standard input and output over a tunnel of the proxy, for programs
//! such as ssh that know no proxies but can be given a command.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};

use crate::sandbox::PROXY_PORT;
use crate::sandbox::unisolated::MARKER;

/// The longest answer of the proxy before a tunnel.
const LONGEST_ANSWER: usize = 16 << 10;

/// Opens the tunnel and carries it to its end. Returns the exit status.
pub(crate) fn main(mut words: impl Iterator<Item = String>) -> i32 {
    let (Some(host), Some(port), None) = (words.next(), words.next(), words.next()) else {
        return complain("write: researchgym connect HOST PORT");
    };
    match carry(&host, &port) {
        Ok(()) => 0,
        Err(error) => complain(&error.to_string()),
    }
}

fn complain(text: &str) -> i32 {
    // Whoever does not listen does not care.
    let _ = writeln!(io::stderr(), "researchgym connect: {text}");
    1
}

fn carry(host: &str, port: &str) -> io::Result<()> {
    if std::env::var_os(MARKER).is_some() {
        return Err(io::Error::other(
            "the runtime `host` isolates nothing and has no proxy, the network is as it is: connect without this \
             command, or run with --runtime local or docker",
        ));
    }
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, PROXY_PORT))
        .map_err(|error| io::Error::new(error.kind(), format!("this sandbox has no proxy: {error}")))?;
    write!(server, "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n")?;
    let head = answer(&mut server)?;
    if !head.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        let mut reason = String::new();
        server.take(LONGEST_ANSWER as u64).read_to_string(&mut reason)?;
        return Err(io::Error::other(reason.trim().to_owned()));
    }
    let mut up = server.try_clone()?;
    // It ends with the process, if nobody says anything more.
    std::thread::spawn(move || {
        let said = io::copy(&mut io::stdin().lock(), &mut up);
        said.and_then(|_| up.shutdown(Shutdown::Write))
    });
    // Not locked and flushed by lines: what comes is for a program.
    let mut piece = [0; 16 << 10];
    let mut stdout = io::stdout().lock();
    loop {
        match server.read(&mut piece)? {
            0 => return Ok(()),
            length => {
                stdout.write_all(&piece[..length])?;
                stdout.flush()?;
            }
        }
    }
}

/// The head of the proxy's answer, byte by byte: what follows it belongs to the tunnel.
fn answer(server: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > LONGEST_ANSWER {
            return Err(io::Error::other("the proxy says something else"));
        }
        server.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
