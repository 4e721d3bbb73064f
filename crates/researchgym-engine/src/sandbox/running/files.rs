//! Files of the working folder, read and written by the guest with the agent's rights.

use researchgym_core::wire::{Refusal, ToGuest};

use super::super::link::Reply;
use super::super::{Capture, FileRefusal, SandboxError};
use super::{Sandbox, permit};

impl Sandbox {
    /// Writes a file beneath the working folder with the agent's rights, making its parents.
    pub async fn write_file(
        &self,
        path: &str,
        content: &[u8],
        mode: u32,
    ) -> Result<Result<u64, FileRefusal>, SandboxError> {
        let (bytes, limit) = (content.len() as u64, self.workspace_bytes);
        if bytes > limit {
            return Ok(Err(FileRefusal::TooLarge { path: path.to_owned(), bytes, limit }));
        }
        if let Some(refusal) = impossible(path) {
            return Ok(Err(refusal));
        }
        let permit = permit(&self.files).await;
        let (id, mut replies) = self.link.request(Some(permit));
        self.link.send(&ToGuest::Write { id, path: path.to_owned(), mode, bytes });
        self.link.send_content(id, content).await;
        match replies.recv().await {
            Some(Reply::File { bytes, refusal: None }) => Ok(Ok(bytes)),
            Some(Reply::File { refusal: Some(refusal), .. }) => {
                Ok(Err(for_agent(refusal, path, bytes, limit)))
            }
            Some(_) => Err(self.broke_protocol()),
            None => Err(self.died()),
        }
    }

    /// Reads a regular file beneath the working folder with the agent's rights into `capture.stdout`.
    pub async fn read_file(
        &self,
        path: &str,
        capture: &mut Capture,
    ) -> Result<Result<(), FileRefusal>, SandboxError> {
        if let Some(refusal) = impossible(path) {
            return Ok(Err(refusal));
        }
        let permit = permit(&self.files).await;
        let (id, mut replies) = self.link.request(Some(permit));
        self.link.send(&ToGuest::Read { id, path: path.to_owned() });
        match self.receive(id, &mut replies, capture).await? {
            Reply::File { bytes, refusal: None } => {
                capture.stdout.drop_bytes(bytes.saturating_sub(capture.stdout.bytes()));
                Ok(Ok(()))
            }
            Reply::File { refusal: Some(refusal), .. } => {
                Ok(Err(for_agent(refusal, path, 0, self.workspace_bytes)))
            }
            Reply::Raw(..) | Reply::Ended(_) | Reply::Done | Reply::CpuTime { .. } => {
                Err(self.broke_protocol())
            }
        }
    }
}

fn impossible(path: &str) -> Option<FileRefusal> {
    let path = path.to_owned();
    if path.is_empty() || path.contains('\0') || path.ends_with('/') {
        return Some(FileRefusal::NotRegular { path });
    }
    (path.starts_with('/') || path.split('/').any(|name| name == ".."))
        .then_some(FileRefusal::Outside { path })
}

fn for_agent(refusal: Refusal, path: &str, bytes: u64, limit: u64) -> FileRefusal {
    let path = path.to_owned();
    match refusal {
        Refusal::Outside => FileRefusal::Outside { path },
        Refusal::NotFound => FileRefusal::NotFound { path },
        Refusal::NotRegular => FileRefusal::NotRegular { path },
        Refusal::Denied => FileRefusal::Denied { path },
        Refusal::TooLarge => FileRefusal::TooLarge { path, bytes, limit },
        Refusal::NoSpace => FileRefusal::NoSpace { path },
        Refusal::Other(reason) => FileRefusal::Other { path, reason: reason.chars().take(200).collect() },
    }
}
