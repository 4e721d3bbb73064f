//! Downloads one file over HTTP, going on where an earlier attempt stopped.
//!
//! The client is made when a download starts, never before. Like other programs it follows the proxy settings of the
//! environment (`HTTPS_PROXY`, `NO_PROXY`).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode};
use researchgym_core::task::Dataset;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::DatasetError;
use super::cache::blocking;
use super::resolve::SystemNames;
use crate::catalogue::file_digest;
use crate::progress::{Listener, Progress};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Completes the file `part` and checks its content; a wrong one is removed.
pub(super) async fn download(
    dataset: &Dataset,
    part: &Path,
    listener: Listener<'_>,
) -> Result<(), DatasetError> {
    let client = client()?;
    let unusable = |source| DatasetError::File { path: part.to_owned(), source };
    let mut file =
        OpenOptions::new().create(true).truncate(false).write(true).open(part).await.map_err(unusable)?;
    let mut done = file.metadata().await.map_err(unusable)?.len();
    if done > dataset.bytes {
        file.set_len(0).await.map_err(unusable)?;
        done = 0;
    }
    while done < dataset.bytes {
        let before = done;
        let outcome = attempt(&client, dataset, &mut file, &mut done, part, listener).await;
        match outcome {
            Ok(()) if done == dataset.bytes => break,
            // A connection that broke off but brought something is worth another try.
            Ok(()) | Err(DatasetError::Request { .. }) if done > before => {}
            Ok(()) => return Err(DatasetError::Cut { url: dataset.url.clone(), done, total: dataset.bytes }),
            Err(error) => return Err(error),
        }
    }
    file.sync_all().await.map_err(unusable)?;
    let path = part.to_owned();
    let found =
        blocking(move || file_digest(&path).map_err(|source| DatasetError::File { path, source })).await?;
    if found != dataset.sha256 {
        tokio::fs::remove_file(part).await.map_err(unusable)?;
        return Err(DatasetError::Hash {
            url: dataset.url.clone(),
            dataset: dataset.name.clone(),
            found,
            expected: dataset.sha256,
        });
    }
    Ok(())
}

fn client() -> Result<Client, DatasetError> {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("researchgym/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .dns_resolver(Arc::new(SystemNames))
        .build()
        .map_err(DatasetError::Client)
}

/// Asks for what is missing and appends what comes, until the server ends.
async fn attempt(
    client: &Client,
    dataset: &Dataset,
    file: &mut File,
    done: &mut u64,
    part: &Path,
    listener: Listener<'_>,
) -> Result<(), DatasetError> {
    let unreachable = |source| DatasetError::Request { url: dataset.url.clone(), source };
    let unusable = |source| DatasetError::File { path: part.to_owned(), source };
    let mut request = client.get(&dataset.url);
    if *done > 0 {
        request = request.header(RANGE, format!("bytes={done}-"));
    }
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if !status.is_success() && status != StatusCode::RANGE_NOT_SATISFIABLE {
        return Err(DatasetError::Status { url: dataset.url.clone(), status });
    }
    if status != StatusCode::PARTIAL_CONTENT || range_start(&response) != Some(*done) {
        // The server does not continue: begin anew.
        file.set_len(0).await.map_err(unusable)?;
        *done = 0;
        if !matches!(status, StatusCode::OK) {
            response = client.get(&dataset.url).send().await.map_err(unreachable)?;
            if response.status() != StatusCode::OK {
                return Err(DatasetError::Status { url: dataset.url.clone(), status: response.status() });
            }
        }
    }
    let other_size = |found| DatasetError::Size {
        url: dataset.url.clone(),
        dataset: dataset.name.clone(),
        found,
        expected: dataset.bytes,
    };
    if let Some(offered) = response.content_length().map(|length| length + *done)
        && offered != dataset.bytes
    {
        return Err(other_size(offered));
    }
    file.seek(std::io::SeekFrom::Start(*done)).await.map_err(unusable)?;
    listener(Progress::Bytes { done: *done, total: dataset.bytes });
    loop {
        let chunk = response.chunk().await;
        if let Ok(Some(bytes)) = &chunk {
            let length = *done + bytes.len() as u64;
            if length > dataset.bytes {
                return Err(other_size(length));
            }
            file.write_all(bytes).await.map_err(unusable)?;
            *done = length;
            listener(Progress::Bytes { done: *done, total: dataset.bytes });
            continue;
        }
        // What was counted must be in the file before the next attempt asks for the rest.
        file.flush().await.map_err(unusable)?;
        return chunk.map(drop).map_err(unreachable);
    }
}

/// The first byte that the server sends.
fn range_start(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
