//! Datasets against a real HTTP server on this machine that cuts, lies and redirects on demand.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::scratch::Scratch;
use researchgym_core::digest::Digest;
use researchgym_core::failure::Failure;
use researchgym_core::task::Dataset;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::progress::Progress;

/// What the server does with one request.
#[derive(Clone, Copy)]
enum Answer {
    /// The file, or the part that is asked for.
    Serve,
    /// The same, but the connection ends after so many bytes of it.
    Cut(usize),
    /// The whole file, whatever part is asked for.
    Whole,
    /// Other bytes of the same length.
    Forge,
    /// As many bytes more.
    Longer(usize),
    /// A status and nothing else.
    Status(&'static str),
    /// Sends the client to `/elsewhere`.
    Redirect,
}

/// A server that gives one answer after the other, the last one for ever, and remembers what was asked.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: &[Answer]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://localhost:{}/data.bin", listener.local_addr().unwrap().port());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (heard, answers) = (requests.clone(), answers.to_vec());
        tokio::spawn(async move {
            for index in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, answers[index.min(answers.len() - 1)], &heard).await;
            }
        });
        Server { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads one request, answers it and closes the connection.
async fn serve(stream: TcpStream, answer: Answer, heard: &Mutex<Vec<String>>) {
    let mut stream = BufReader::new(stream);
    let (mut path, mut start) = (String::new(), None);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap().to_owned();
        }
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            start = Some(range.trim_end().trim_end_matches('-').parse::<usize>().unwrap());
        }
        if line.trim().is_empty() {
            break;
        }
    }
    heard.lock().unwrap().push(start.map_or(path.clone(), |start| format!("{path} from {start}")));
    let content = content();
    let from = start.unwrap_or(0);
    let (head, body) = match answer {
        Answer::Serve | Answer::Cut(_) if start.is_some() => (
            format!(
                "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}",
                content.len() - 1,
                content.len()
            ),
            content[from..].to_vec(),
        ),
        Answer::Serve | Answer::Cut(_) | Answer::Whole => ("200 OK".to_owned(), content),
        Answer::Forge => ("200 OK".to_owned(), vec![b'x'; content.len()]),
        Answer::Longer(more) => ("200 OK".to_owned(), [content, vec![b'x'; more]].concat()),
        Answer::Status(status) => (status.to_owned(), Vec::new()),
        Answer::Redirect => ("302 Found\r\nLocation: /elsewhere".to_owned(), Vec::new()),
    };
    let sent = match answer {
        Answer::Cut(bytes) => &body[..bytes.min(body.len())],
        _ => &body,
    };
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // The client may hang up as soon as it has seen enough.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(sent).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

fn content() -> Vec<u8> {
    (0..100_000_u32).map(|number| (number * 7 % 251) as u8).collect()
}

fn dataset(url: &str) -> Dataset {
    Dataset {
        name: "numbers".to_owned(),
        file: "data.bin".to_owned(),
        url: url.to_owned(),
        sha256: Digest::of(&content()),
        bytes: content().len() as u64,
        license: "CC0".to_owned(),
        prepare: vec!["python3".to_owned(), "split.py".to_owned()],
        visible: vec!["train.csv".to_owned()],
        hidden: vec!["answers/test.csv".to_owned()],
    }
}

const SILENT: Fetching<'_> = Fetching { data_dir: None, download: true, listener: &|_| {} };

async fn fetch(home: &Path, url: &str) -> Result<Vec<u8>, String> {
    match DatasetCache::new(home).ensure("sums", &dataset(url), SILENT).await {
        Ok(path) => Ok(fs::read(path).unwrap()),
        Err(error) => Err(error.to_string()),
    }
}

/// Fetches from a server with these answers, compares what was asked for, and gives what came.
async fn check(answers: &[Answer], requests: &[&str]) -> (TempDir, Result<Vec<u8>, String>) {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(answers).await;
    let fetched = fetch(home.path(), &server.address).await;
    assert_eq!(server.requests(), requests);
    (home, fetched.map_err(|error| error.replace(&server.address, "URL")))
}

fn kept(home: &TempDir) -> Vec<String> {
    let folder = home.path().join("datasets");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.ends_with(".lock"));
    names.iter_mut().for_each(|name| *name = name.replace(&Digest::of(&content()).to_string(), "HASH"));
    names
}

#[tokio::test]
async fn a_download_is_kept_and_not_repeated() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&[Answer::Serve]).await;
    let last = Mutex::new((0, 0));
    let listener = |progress: Progress<'_>| {
        if let Progress::Bytes { done, total } = progress {
            *last.lock().unwrap() = (done, total);
        }
    };
    let cache = DatasetCache::new(home.path());
    let wanted = dataset(&server.address);
    let fetching = Fetching { listener: &listener, ..SILENT };
    let (first, second) =
        tokio::join!(cache.ensure("sums", &wanted, fetching), cache.ensure("sums", &wanted, fetching));
    let path = first.unwrap();
    assert_eq!(path, second.unwrap());
    assert_eq!(fs::read(&path).unwrap(), content());
    assert_eq!(*last.lock().unwrap(), (100_000, 100_000));
    assert_eq!(cache.ensure("sums", &wanted, Fetching { download: false, ..SILENT }).await.unwrap(), path);
    assert_eq!(server.requests(), ["/data.bin"]);
    assert_eq!(kept(&home), ["HASH"]);

    // A damaged file of the cache is noticed and fetched again.
    fs::write(&path, vec![0; content().len()]).unwrap();
    assert_eq!(fs::read(cache.ensure("sums", &wanted, SILENT).await.unwrap()).unwrap(), content());
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_stopped() {
    let answers = [Answer::Cut(30_000), Answer::Cut(50_000), Answer::Serve];
    let requests = ["/data.bin", "/data.bin from 30000", "/data.bin from 80000"];
    let (home, fetched) = check(&answers, &requests).await;
    assert_eq!(fetched, Ok(content()));
    assert_eq!(kept(&home), ["HASH"]);
}

#[tokio::test]
async fn a_server_that_cannot_continue_sends_the_whole() {
    let answers = [Answer::Cut(30_000), Answer::Whole];
    assert_eq!(check(&answers, &["/data.bin", "/data.bin from 30000"]).await.1, Ok(content()));
    let answers = [Answer::Cut(30_000), Answer::Status("416 Range Not Satisfiable"), Answer::Serve];
    let requests = ["/data.bin", "/data.bin from 30000", "/data.bin"];
    assert_eq!(check(&answers, &requests).await.1, Ok(content()));
}

#[tokio::test]
async fn a_second_attempt_uses_what_the_first_left() {
    let answers = [Answer::Cut(30_000), Answer::Cut(0)];
    let (home, fetched) = check(&answers, &["/data.bin", "/data.bin from 30000"]).await;
    assert!(fetched.unwrap_err().starts_with("cannot fetch URL: "));
    assert_eq!(kept(&home), ["HASH.part"]);
    let server = Server::start(&[Answer::Serve]).await;
    assert_eq!(fetch(home.path(), &server.address).await, Ok(content()));
    assert_eq!(server.requests(), ["/data.bin from 30000"]);
    assert_eq!(kept(&home), ["HASH"]);
}

#[tokio::test]
async fn redirects_are_followed() {
    let (_, fetched) = check(&[Answer::Redirect, Answer::Serve], &["/data.bin", "/elsewhere"]).await;
    assert_eq!(fetched, Ok(content()));
}

#[tokio::test]
async fn other_content_is_refused_and_not_kept() {
    let (home, fetched) = check(&[Answer::Forge], &["/data.bin"]).await;
    let (forged, right) = (Digest::of(&vec![b'x'; content().len()]), Digest::of(&content()));
    assert_eq!(fetched, Err(format!("URL has the SHA-256 {forged}, but dataset `numbers` has {right}")));
    assert_eq!(kept(&home), [""; 0]);

    let (home, fetched) = check(&[Answer::Longer(5)], &["/data.bin"]).await;
    assert_eq!(fetched, Err("URL has 100005 bytes or more, but dataset `numbers` has 100000".to_owned()));
    assert_eq!(fs::metadata(home.path().join(format!("datasets/{right}.part"))).unwrap().len(), 0);
}

#[tokio::test]
async fn refusals_and_unknown_hosts_are_named() {
    let (_, fetched) = check(&[Answer::Status("404 Not Found")], &["/data.bin"]).await;
    assert_eq!(fetched, Err("cannot fetch URL: the server answers 404 Not Found".to_owned()));

    let home = tempfile::tempdir().unwrap();
    let error = fetch(home.path(), "http://no-such-host.invalid/data.bin").await.unwrap_err();
    assert!(error.contains("the name `no-such-host.invalid` is not known"), "{error}");
}

#[tokio::test]
async fn nothing_is_downloaded_unasked() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&[Answer::Serve]).await;
    let fetching = Fetching { download: false, ..SILENT };
    let outcome = DatasetCache::new(home.path()).ensure("sums", &dataset(&server.address), fetching).await;
    let failure = Failure::from(outcome.expect_err("it is nowhere"));
    assert_eq!(failure.message, "dataset `numbers` of task `sums` is not on this machine");
    let hint = "`researchgym task fetch sums` downloads it; `--data-dir FOLDER` takes files that you have";
    assert_eq!(failure.hint.as_deref(), Some(hint));
    assert_eq!(server.requests(), [""; 0]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn own_files_are_found_by_content_and_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let own = tempfile::tempdir().unwrap();
    fs::create_dir(own.path().join("deeper")).unwrap();
    fs::write(own.path().join("deeper/renamed.bin"), content()).unwrap();
    fs::write(own.path().join("other.bin"), vec![0; content().len()]).unwrap();
    let fetching = Fetching { data_dir: Some(own.path()), download: false, ..SILENT };
    let cache = DatasetCache::new(home.path());
    let wanted = dataset("http://no-such-host.invalid/");
    assert_eq!(cache.ensure("sums", &wanted, fetching).await.unwrap(), own.path().join("deeper/renamed.bin"));

    fs::remove_file(own.path().join("deeper/renamed.bin")).unwrap();
    fs::write(own.path().join("data.bin"), "older").unwrap();
    let error =
        cache.ensure("sums", &wanted, fetching).await.expect_err("the content is another").to_string();
    let (found, right) = (Digest::of(b"older"), wanted.sha256);
    let path = own.path().join("data.bin");
    assert_eq!(
        error,
        format!("{} has the SHA-256 {found}, but dataset `numbers` has {right}", path.display())
    );
}

/// A workplace in which a `prepare` command did its work.
fn workplace(prepared: &Prepared) -> Scratch {
    let workplace = prepared.workplace().unwrap();
    fs::write(workplace.path().join("train.csv"), "train").unwrap();
    fs::create_dir(workplace.path().join("answers")).unwrap();
    fs::write(workplace.path().join("answers/test.csv"), "answers").unwrap();
    fs::write(workplace.path().join("scratch"), "dropped").unwrap();
    workplace
}

#[test]
fn prepared_files_appear_all_at_once_and_apart() {
    let home = tempfile::tempdir().unwrap();
    let wanted = dataset("http://localhost/");
    let cache = DatasetCache::new(home.path());
    let prepared = cache.prepared(&wanted, Digest::of(b"grader"));
    assert!(!prepared.exists());
    let (one, other) = (workplace(&prepared), workplace(&prepared));
    prepared.publish(one, &wanted).unwrap();
    prepared.publish(other, &wanted).unwrap();
    assert!(prepared.exists());
    assert_eq!(fs::read_to_string(prepared.visible().join("train.csv")).unwrap(), "train");
    assert_eq!(fs::read_to_string(prepared.hidden().join("answers/test.csv")).unwrap(), "answers");
    assert_eq!(fs::read_dir(prepared.visible()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(home.path().join("datasets/prepared")).unwrap().count(), 1);

    assert_ne!(cache.prepared(&wanted, Digest::of(b"changed")), prepared);
    let changed = Dataset { prepare: vec!["python3".to_owned()], ..wanted };
    assert_ne!(cache.prepared(&changed, Digest::of(b"grader")), prepared);
}

#[test]
fn links_and_missing_files_are_not_published() {
    let home = tempfile::tempdir().unwrap();
    let wanted = dataset("http://localhost/");
    let prepared = DatasetCache::new(home.path()).prepared(&wanted, Digest::ZERO);
    let check = |workplace: Scratch, file: &str| {
        let error =
            prepared.publish(workplace, &wanted).expect_err("a file is not as it must be").to_string();
        assert_eq!(error, format!("the prepare command of dataset `numbers` wrote no regular file `{file}`"));
        assert!(!prepared.exists());
        assert_eq!(fs::read_dir(home.path().join("datasets/prepared")).unwrap().count(), 0);
    };
    let missing = workplace(&prepared);
    fs::remove_file(missing.path().join("train.csv")).unwrap();
    check(missing, "train.csv");

    let link = workplace(&prepared);
    fs::remove_file(link.path().join("train.csv")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", link.path().join("train.csv")).unwrap();
    check(link, "train.csv");

    let linked_folder = workplace(&prepared);
    fs::remove_dir_all(linked_folder.path().join("answers")).unwrap();
    std::os::unix::fs::symlink(home.path(), linked_folder.path().join("answers")).unwrap();
    fs::write(home.path().join("test.csv"), "outside").unwrap();
    check(linked_folder, "answers/test.csv");

    let fifo = workplace(&prepared);
    fs::remove_file(fifo.path().join("train.csv")).unwrap();
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, fifo.path().join("train.csv"), rustix::fs::FileType::Fifo, mode, 0)
        .unwrap();
    check(fifo, "train.csv");
}
