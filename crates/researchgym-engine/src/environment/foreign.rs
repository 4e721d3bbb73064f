//! Environments for an interpreter that is not on this machine: the one of an image.
//!
//! `uv` resolves for a version and a platform without running that interpreter; wheels are only unpacked, so that none is
//! needed. The folder is laid out as a virtual environment whose `bin/python3` points to where the image has its own.

use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::EnvironmentError;

/// An interpreter, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// Its path.
    pub(super) executable: PathBuf,
    /// Such as `3.11.2`.
    pub(super) version: String,
    /// The platform in `uv`'s words.
    pub(super) platform: String,
}

impl Interpreter {
    /// Reads what [`super::DESCRIBE`] prints.
    pub(super) fn parse(described: &str) -> Result<Interpreter, EnvironmentError> {
        let fields: Vec<&str> = described.split(" | ").collect();
        let unusable = |reason: &str| EnvironmentError::NoPython {
            python: fields.first().copied().unwrap_or_default().into(),
            reason: reason.to_owned(),
        };
        // A version may have the separator in it: conda's do.
        let [executable, version, .., machine, library, number] = fields[..] else {
            return Err(unusable("it does not say what it is"));
        };
        let version = version.split_ascii_whitespace().next().unwrap_or_default().trim_end_matches('+');
        let machine = machine.strip_prefix("linux-").unwrap_or_default();
        let is_number =
            |text: &str| !text.is_empty() && text.split('.').all(|part| part.parse::<u32>().is_ok());
        if !is_number(version) || version.split('.').count() < 2 || !executable.starts_with('/') {
            return Err(unusable("it does not say which version it is"));
        }
        let wheels = (library == "glibc" && !machine.is_empty()).then(|| manylinux(number)).flatten();
        let Some(wheels) = wheels else {
            return Err(unusable("packages are only installed for interpreters built for Linux with glibc"));
        };
        let platform = format!("{machine}-{wheels}");
        Ok(Interpreter { executable: executable.into(), version: version.to_owned(), platform })
    }

    /// Such as `3.11`.
    pub(super) fn minor_version(&self) -> String {
        self.version.split('.').take(2).collect::<Vec<_>>().join(".")
    }

    /// Where packages go in an environment.
    pub(super) fn packages(&self, folder: &Path) -> PathBuf {
        folder.join(format!("lib/python{}/site-packages", self.minor_version()))
    }

    /// Makes what surrounds the packages.
    pub(super) fn lay_out(&self, folder: &Path) -> io::Result<()> {
        let home = self.executable.parent().unwrap_or(Path::new("/usr/bin"));
        let settings = format!(
            "home = {}\ninclude-system-site-packages = false\nversion = {}\n",
            home.display(),
            self.version
        );
        std::fs::write(folder.join("pyvenv.cfg"), settings)?;
        std::fs::create_dir_all(folder.join("bin"))?;
        std::fs::create_dir_all(self.packages(folder))?;
        symlink(&self.executable, folder.join("bin/python3"))?;
        symlink("python3", folder.join("bin/python"))
    }
}

/// Moves the programs of packages, which `uv` puts beside these, to where programs are looked for, and lets those in Python
/// start with the environment's own interpreter in place of the one that `uv` ran with.
pub(super) fn place_programs(packages: &Path, folder: &Path) -> io::Result<()> {
    let from = packages.join("bin");
    let entries = match std::fs::read_dir(&from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let target = folder.join("bin").join(entry.file_name());
        if target.symlink_metadata().is_ok() || !entry.file_type()?.is_file() {
            continue;
        }
        let content = std::fs::read(entry.path())?;
        std::fs::write(&target, with_interpreter(content))?;
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o755))?;
    }
    std::fs::remove_dir_all(&from)
}

/// A program in Python whose first lines name the environment's interpreter; all others as they are.
fn with_interpreter(content: Vec<u8>) -> Vec<u8> {
    // The way around the kernel's limit on the length of a first line.
    let long: &[u8] = b"#!/bin/sh\n'''exec' ";
    let end_of_long: &[u8] = b"\n' '''\n";
    let position = |text: &[u8]| content.windows(text.len()).position(|window| window == text);
    let rest = if content.starts_with(long) {
        position(end_of_long).map(|start| start + end_of_long.len())
    } else if content.starts_with(b"#!") {
        let end = content.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
        end.filter(|&end| content[..end].windows(6).any(|window| window == b"python"))
    } else {
        None
    };
    match rest {
        Some(rest) => [b"#!/environment/bin/python3\n", &content[rest..]].concat(),
        None => content,
    }
}

/// The newest of the platforms that `uv` knows whose wheels run with a version of glibc.
fn manylinux(version: &str) -> Option<String> {
    let minor: u32 = version.strip_prefix("2.")?.split('.').next()?.parse().ok()?;
    let known = match minor {
        31.. => minor.min(40),
        28.. => 28,
        17.. => 17,
        _ => return None,
    };
    Some(format!("manylinux_2_{known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_start_with_the_environments_interpreter() {
        let check = |before: &str, after: &str| {
            assert_eq!(String::from_utf8(with_interpreter(before.into())).unwrap(), after);
        };
        check("#!/root/env/bin/python\nimport x\n", "#!/environment/bin/python3\nimport x\n");
        let long = "#!/bin/sh\n'''exec' '/a/b/python3' \"$0\" \"$@\"\n' '''\nimport x\n";
        check(long, "#!/environment/bin/python3\nimport x\n");
        check("#!/bin/sh\necho\n", "#!/bin/sh\necho\n");
        check("\u{7f}ELF", "\u{7f}ELF");
    }

    #[test]
    fn an_interpreter_is_known_by_what_it_says() {
        let said = "/opt/conda/bin/python3 | 3.12.4 | packaged by conda | (main) [GCC 12.3.0] | linux-x86_64 | glibc | 2.29";
        let expected = Interpreter {
            executable: "/opt/conda/bin/python3".into(),
            version: "3.12.4".into(),
            platform: "x86_64-manylinux_2_28".into(),
        };
        assert_eq!(Interpreter::parse(said).unwrap(), expected);
        let said =
            "/usr/local/bin/python3 | 3.12.4 (main, Jun 1 2024) [GCC 12.2.0] | linux-x86_64 | glibc | 2.36";
        let expected = Interpreter {
            executable: "/usr/local/bin/python3".into(),
            version: "3.12.4".into(),
            platform: "x86_64-manylinux_2_36".into(),
        };
        assert_eq!(Interpreter::parse(said).unwrap(), expected);
        assert_eq!(expected.packages(Path::new("/e")), Path::new("/e/lib/python3.12/site-packages"));
        let musl = "/usr/bin/python3 | 3.12.4 (main) [GCC] | linux-x86_64 |  | ";
        assert!(Interpreter::parse(musl).unwrap_err().to_string().contains("glibc"));
    }
}
