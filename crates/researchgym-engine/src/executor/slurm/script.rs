//! What is handed to `sbatch`: its options, and a script that finds the job's folder and becomes this program.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use researchgym_core::executor::SlurmSpec;

use super::super::Needs;

/// What of a job's environment the program is given: who and where it is, and which devices are its own.
const PASSED: &str = "SLURM_JOB_ID SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID SLURM_RESTART_COUNT SLURM_CLUSTER_NAME SLURM_CONF \
                      SLURM_JOB_PARTITION SLURM_CPUS_ON_NODE SLURM_MEM_PER_NODE SLURM_JOB_GPUS SLURM_GPUS_ON_NODE \
                      SLURMD_NODENAME CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES GPU_DEVICE_ORDINAL ZE_AFFINITY_MASK TMPDIR";

/// Jobs with equal needs that are handed over together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    /// What users see: letters, digits and `-`.
    pub(super) name: &'a str,
    /// By which the jobs are found again.
    pub(super) mark: &'a str,
    /// The job's folder, or that of the array: by it whoever sees the job in the queue knows what it is for.
    pub(super) place: &'a Path,
    /// What each needs.
    pub(super) needs: &'a Needs,
    /// How many they are.
    pub(super) jobs: usize,
    /// How many may work at once.
    pub(super) at_once: Option<usize>,
    /// Only when these have ended, however they did.
    pub(super) after: Option<u64>,
}

impl Shape<'_> {
    /// The options of `sbatch`, without the script. The user's own come last: what is given twice is theirs.
    pub(super) fn options(&self, spec: &SlurmSpec) -> Vec<String> {
        let needs = self.needs;
        let mut options: Vec<String> = vec![
            "--parsable".to_owned(),
            format!("--job-name={}", self.name),
            format!("--comment={}", self.mark),
            "--nodes=1".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={}", spec.cpus.unwrap_or(needs.cpus).max(1)),
        ];
        let mut add = |option: Option<String>| options.extend(option);
        // Nought would mean the whole node.
        add(Some(spec.memory_mib.unwrap_or(needs.memory_mib))
            .filter(|mib| *mib > 0)
            .map(|mib| format!("--mem={mib}M")));
        add(spec.minutes.or(needs.time.map(minutes)).map(|minutes| format!("--time={minutes}")));
        add(spec
            .gres
            .clone()
            .or((needs.gpus > 0).then(|| format!("gpu:{}", needs.gpus)))
            .map(|gres| format!("--gres={gres}")));
        add(spec.partition.as_ref().map(|partition| format!("--partition={partition}")));
        add(spec.account.as_ref().map(|account| format!("--account={account}")));
        add(spec.qos.as_ref().map(|qos| format!("--qos={qos}")));
        if self.jobs > 1 {
            let throttle = self.at_once.filter(|at_once| *at_once < self.jobs);
            let throttle = throttle.map_or(String::new(), |at_once| format!("%{}", at_once.max(1)));
            add(Some(format!("--array=0-{}{throttle}", self.jobs - 1)));
        }
        add(self.after.map(|job| format!("--dependency=afterany:{job}")));
        options.extend(
            // All of an environment that holds nothing: `NIL` is unknown before Slurm 23.02, and `NONE` loads the login
            // environment on the node, with what keys a user's profile may hold.
            ["--requeue", "--open-mode=append", "--output=/dev/null", "--export=ALL"].map(str::to_owned),
        );
        options.push(format!("--chdir={}", self.place.display()));
        options.extend(spec.options.iter().cloned());
        options
    }
}

/// Whole minutes, as Slurm counts.
fn minutes(time: Duration) -> u64 {
    time.as_secs().div_ceil(60).max(1)
}

/// Where a script finds its job's folder.
#[derive(Clone, Copy, Debug)]
pub(super) enum Folders<'a> {
    /// It is this.
    One(&'a Path),
    /// In a list, one a line, in the order of the array.
    List(&'a Path),
}

/// The script of a job or an array. It becomes `program job FOLDER`, so that signals for the job reach the program, with what
/// it says in `output.log` of the folder.
pub(super) fn script(program: &Path, folders: Folders<'_>) -> String {
    let folder = match folders {
        Folders::One(folder) => quoted(folder),
        Folders::List(list) => format!("$(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" {})", quoted(list)),
    };
    let mut text = String::from("#!/bin/sh\n");
    let _ = write!(
        text,
        "folder={folder}\n\
         [ -n \"$folder\" ] && cd \"$folder\" || exit 66\n\
         exec </dev/null >>output.log 2>&1\n\
         set --\n\
         for name in {PASSED}; do\n\
         \x20   eval \"is_set=\\${{$name+yes}} value=\\${{$name-}}\"\n\
         \x20   [ -z \"$is_set\" ] || set -- \"$@\" \"$name=$value\"\n\
         done\n\
         exec env -i PATH=\"${{PATH:-/usr/local/bin:/usr/bin:/bin}}\" \"$@\" {program} job \"$folder\"\n",
        program = quoted(program),
    );
    text
}

/// A path as one word of `sh`.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs() -> Needs {
        Needs { cpus: 2, memory_mib: 512, gpus: 0, time: Some(Duration::from_secs(61)) }
    }

    fn options(
        spec: &SlurmSpec,
        needs: &Needs,
        jobs: usize,
        at_once: Option<usize>,
        after: Option<u64>,
    ) -> String {
        let shape = Shape { name: "n", mark: "m", place: Path::new("/p"), needs, jobs, at_once, after };
        let options = shape.options(spec).join(" ");
        let (head, tail) = (
            "--parsable --job-name=n --comment=m --nodes=1 --ntasks=1 ",
            "--requeue --open-mode=append --output=/dev/null --export=ALL --chdir=/p",
        );
        options.strip_prefix(head).unwrap().replace(tail, "...")
    }

    #[test]
    fn options_say_what_a_job_needs() {
        let plain = SlurmSpec::default();
        assert_eq!(options(&plain, &needs(), 1, None, None), "--cpus-per-task=2 --mem=512M --time=2 ...");
        let gpus = Needs { gpus: 2, time: None, memory_mib: 0, cpus: 0 };
        assert_eq!(
            options(&plain, &gpus, 3, Some(9), None),
            "--cpus-per-task=1 --gres=gpu:2 --array=0-2 ..."
        );
        assert_eq!(
            options(&plain, &needs(), 10, Some(4), Some(12)),
            "--cpus-per-task=2 --mem=512M --time=2 --array=0-9%4 --dependency=afterany:12 ..."
        );
        let spec = SlurmSpec {
            partition: Some("p".to_owned()),
            account: Some("a".to_owned()),
            qos: Some("q".to_owned()),
            gres: Some("gpu:a100:1".to_owned()),
            cpus: Some(8),
            memory_mib: Some(9000),
            minutes: Some(30),
            options: vec!["--constraint=a100".to_owned(), "--nice=5".to_owned()],
            ..SlurmSpec::default()
        };
        assert_eq!(
            options(&spec, &gpus, 1, None, None),
            "--cpus-per-task=8 --mem=9000M --time=30 --gres=gpu:a100:1 --partition=p --account=a --qos=q ... --constraint=a100 --nice=5"
        );
    }

    #[test]
    fn a_script_becomes_the_program_with_little_of_the_environment() {
        let place = tempfile::tempdir().unwrap();
        let folders = [place.path().join("a"), place.path().join("it's b")];
        folders.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
        let list = place.path().join("list");
        std::fs::write(&list, format!("{}\n{}\n", folders[0].display(), folders[1].display())).unwrap();
        let program = place.path().join("the program's");
        std::fs::write(&program, "#!/bin/sh\necho \"$1 $2\"; env | sed 's/=.*//' | sort >environment\n")
            .unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = place.path().join("script");
        let places = [Folders::One(&folders[1]), Folders::List(&list)];
        for place in places {
            std::fs::write(&path, script(&program, place)).unwrap();
            let status = std::process::Command::new("sh")
                .arg(&path)
                .env_clear()
                .envs([
                    ("PATH", "/usr/bin:/bin"),
                    ("SLURM_ARRAY_TASK_ID", "1"),
                    ("SLURM_JOB_ID", "7"),
                    ("MY_KEY", "secret"),
                ])
                .envs([("SLURM_SECRET", "secret"), ("HOME", "/"), ("CUDA_VISIBLE_DEVICES", "")])
                .status();
            assert!(status.unwrap().success());
        }
        let said = std::fs::read_to_string(folders[1].join("output.log")).unwrap();
        assert_eq!(said, format!("job {}\n", folders[1].display()).repeat(2));
        let environment = std::fs::read_to_string(folders[1].join("environment")).unwrap();
        let mut names: Vec<&str> =
            environment.lines().filter(|name| !["PWD", "_", "OLDPWD", "SHLVL"].contains(name)).collect();
        names.dedup();
        assert_eq!(names, ["CUDA_VISIBLE_DEVICES", "PATH", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID"]);
    }
}
