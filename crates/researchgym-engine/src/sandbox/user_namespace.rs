//! A user namespace in which root is root, for set-up and the guest, and 1000 is an unprivileged user of the host.
//!
//! Only needed as root. The namespace is made by a short-lived helper process (`researchgym userns`), because a
//! process with several threads cannot make one for itself; we write its maps and keep it open.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use researchgym_core::wire::User;

use crate::sys;

/// The agent's user id as it is seen inside.
pub(super) const INSIDE: u32 = 1000;

/// Makes one. Blocks for a millisecond or two.
pub(super) fn create(executable: &Path, user: User) -> io::Result<OwnedFd> {
    let mut helper = Command::new(executable)
        .arg("userns")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let result = join(&mut helper, user);
    drop(helper.stdin.take());
    helper.wait()?;
    result
}

fn join(helper: &mut std::process::Child, user: User) -> io::Result<OwnedFd> {
    let mut answer = [0];
    let heard = helper.stdout.as_mut().map(|stdout| stdout.read_exact(&mut answer));
    if !matches!(heard, Some(Ok(()))) {
        return Err(io::Error::other("the kernel does not let us make a user namespace"));
    }
    let folder = Path::new("/proc").join(helper.id().to_string());
    std::fs::write(folder.join("uid_map"), format!("0 0 1\n{INSIDE} {} 1\n", user.uid))?;
    std::fs::write(folder.join("gid_map"), format!("0 0 1\n{INSIDE} {} 1\n", user.gid))?;
    Ok(File::open(folder.join("ns/user"))?.into())
}

/// The helper's `main`: makes the namespace, says so, and stays in it until its standard input ends.
pub(crate) fn helper() -> i32 {
    if sys::unshare_user_namespace().is_err() {
        return 1;
    }
    let told = io::stdout().write_all(b"k").and_then(|()| io::stdout().flush());
    let waited = io::stdin().read_to_end(&mut Vec::new());
    i32::from(told.is_err() || waited.is_err())
}
