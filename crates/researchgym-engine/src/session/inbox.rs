//! What an agent is to be told between its questions: the user's notes, and that the run goes on after a break.

use researchgym_core::failure::Failure;

use super::Session;

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The user says this.
    Note(String),
    /// The run was interrupted and goes on: files are as they were, shells are new, background jobs are gone.
    Resumed,
}

impl Session {
    /// What there is to be told now, each once. While the record answers there is nothing: what was told then is in the
    /// recorded conversation. To be called just before [`Session::ask`].
    ///
    /// # Errors
    /// A note's blob is missing.
    pub fn inbox(&mut self) -> Result<Vec<Notice>, Failure> {
        if self.is_replaying() {
            return Ok(Vec::new());
        }
        let mut notices = Vec::new();
        if std::mem::take(&mut self.was_interrupted) {
            notices.push(Notice::Resumed);
        }
        let told = self.told_until;
        let notes: Vec<_> =
            self.recorder.state.notes.iter().filter(|(seq, _)| *seq > told).cloned().collect();
        for (seq, text) in notes {
            let bytes = self.recorder.blobs.resolve(&text)?;
            notices.push(Notice::Note(String::from_utf8_lossy(&bytes).into_owned()));
            self.told_until = seq;
        }
        Ok(notices)
    }
}
