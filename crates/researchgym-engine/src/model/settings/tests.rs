use schemars::schema_for;

use super::*;

fn merged(texts: &[(&str, &str)]) -> Result<Merged, SettingsError> {
    let texts: Vec<(PathBuf, String)> =
        texts.iter().map(|(file, text)| (PathBuf::from(file), (*text).to_owned())).collect();
    merge::merge(&texts)
}

#[test]
fn later_files_win_key_by_key_and_values_know_their_place() {
    let user = "prices = [\"p.toml\"]\n[providers.a]\nbase_url = \"http://user/v1\"\nkey_file = \"k\"\nheaders = { X = \"1\", Y = \"2\" }\n";
    let project = "[models.\"a/m\"]\ninput = 0.1\n[providers.a]\nbase_url = \"http://project/v1\"\nheaders = { Y = \"3\" }\n";
    let merged = merged(&[("/u/settings.toml", user), ("/p/researchgym.toml", project)]).unwrap();
    let shown: Vec<String> = merged
        .entries
        .iter()
        .map(|entry| format!("{} = {} {}:{}", entry.key, entry.value, entry.file.display(), entry.line))
        .collect();
    assert_eq!(
        shown,
        [
            "models.\"a/m\".input = 0.1 /p/researchgym.toml:2",
            "prices = [\"/u/p.toml\"] /u/settings.toml:1",
            "providers.a.base_url = \"http://project/v1\" /p/researchgym.toml:4",
            "providers.a.headers.X = (set) /u/settings.toml:5",
            "providers.a.headers.Y = (set) /p/researchgym.toml:5",
            "providers.a.key_file = \"/u/k\" /u/settings.toml:4",
        ]
    );
    let provider = &merged.settings.providers["a"];
    assert_eq!(provider.headers, BTreeMap::from([("X".into(), "1".into()), ("Y".into(), "3".into())]));
    assert_eq!(provider.key_file.as_deref(), Some(Path::new("/u/k")));
    assert_eq!(merged.settings.models["a/m"].input, Some(UsdPerMillion(100_000)));
    assert_eq!(merged.warnings, Vec::<String>::new());
}

#[test]
fn nobody_vouches_for_their_own_project() {
    let text = "trusted_projects = [\"/p\", \"q\"]\n";
    let own = merged(&[("/u/settings.toml", text)]).unwrap();
    assert_eq!(own.settings.trusted_projects, [PathBuf::from("/p"), PathBuf::from("/u/q")]);
    assert_eq!(own.warnings, Vec::<String>::new());
    let both =
        merged(&[("/u/settings.toml", text), ("/p/researchgym.toml", "trusted_projects = []")]).unwrap();
    assert_eq!(both.settings, own.settings);
    let warning = "/p/researchgym.toml:1: `trusted_projects` has an effect in the user's own file only";
    assert_eq!(both.warnings, [warning]);
}

#[test]
fn a_project_says_of_jobs_what_is_harmless_and_no_more_unless_it_is_trusted() {
    let refused = "/p/researchgym.toml:3: `program` of [slurm] has an effect in a project's file only if the project is trusted";
    let project = "[slurm]\npartition = \"gpu\"\nprogram = \"/tmp/evil\"\n";
    let own = "trusted_projects = [\"/p\"]\n[slurm]\nprogram = \"/opt/researchgym\"\n";
    let cases = [
        (vec![("/p/researchgym.toml", "[slurm]\npartition = \"gpu\"\n")], false, Ok(None)),
        (vec![("/p/researchgym.toml", project)], false, Err(refused)),
        (vec![("/p/researchgym.toml", project)], true, Ok(Some("/tmp/evil"))),
        (vec![("/u/settings.toml", own)], false, Ok(Some("/opt/researchgym"))),
        (vec![("/u/settings.toml", own), ("/p/researchgym.toml", project)], false, Ok(Some("/tmp/evil"))),
    ];
    for (files, trusts, expected) in cases {
        let merged = merged(&files).unwrap();
        let said = merged.slurm(Path::new("/p"), trusts);
        let said = said.map(|slurm| slurm.program.as_deref()).map_err(|error| error.to_string());
        assert_eq!(said.as_ref().map(|program| *program).map_err(String::as_str), expected, "{files:?}");
    }
}

#[test]
fn a_job_of_a_cluster_asks_for_something() {
    for key in ["cpus", "memory_mib", "minutes", "poll_s"] {
        let problem = merged(&[("/f", &format!("[slurm]\n{key} = 0\n"))]).unwrap_err().to_string();
        let expected =
            format!("/f:2: `{key}` of [slurm] must be 1 or more; leave it out for what the task says");
        assert_eq!(problem, expected);
    }
}

#[test]
fn unknown_keys_are_warned_of_with_the_nearest() {
    let check = |text: &str, expected: &str| {
        assert_eq!(merged(&[("/f", text)]).unwrap().warnings, [expected.to_owned()]);
    };
    check("provider = 1", "/f:1: `provider` is not known and has no effect; did you mean `providers`?");
    check(
        "\n[providers.a]\nbaseurl = \"x\"",
        "/f:3: `baseurl` of [providers.a] is not known and has no effect; did you mean `base_url`?",
    );
    check(
        "[providers.a]\napi_key = \"sk-secret\"",
        "/f:2: `api_key` of [providers.a] is not known and has no effect; keys do not belong here: name a variable with `key_env` or a file with `key_file`",
    );
    check(
        "[quantum]\nx = 1",
        "/f:1: `quantum` is not known and has no effect; known are providers, models, prices, trusted_projects, docker, slurm",
    );
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let check = |text: &str, expected: &str| {
        let error = merged(&[("/f", text)]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check("\n[providers", "/f:2: ");
    // The value is not repeated.
    check(
        "[providers.a]\nkey_env = \"sk-1234\"",
        "/f:2: `key_env` of [providers.a] must be the name of a variable, not a key",
    );
    check("[providers.a]\nlocal = 3", "/f:2: invalid type: integer `3`, expected a boolean");
    check("[models.\"a/b\"]\n\ninput = \"cheap\"", "/f:3: the price \"cheap\" is not a decimal number");
    check("[models.\"a/b\"]\ninput = true", "/f:2: expected US dollars as a number or a decimal text");
    check("[models.\"a/b\"]\ninput = -1.5", "/f:2: the price \"-1.5\" is negative");
    check("\n[models.gpt]\ninput = 1", "/f:3: [models.\"gpt\"]: a model is named `provider/model`");
    check("[providers.\"a/b\"]\nwire = \"chat\"", "/f:2: `a/b` cannot be the name of a provider");
    check("[providers.scripted]\nwire = \"chat\"", "/f:2: `scripted` cannot be the name of a provider");
}

#[test]
fn prices_are_exact() {
    let check = |written: &str, expected: u64| {
        let merged = merged(&[("/f", &format!("[models.\"a/b\"]\ninput = {written}"))]).unwrap();
        assert_eq!(merged.settings.models["a/b"].input, Some(UsdPerMillion(expected)), "{written}");
    };
    check("3", 3_000_000);
    check("0.15", 150_000);
    check("0.075", 75_000);
    check("0.1", 100_000);
    check("1e-3", 1_000);
    check("\"1.1\"", 1_100_000);
}

#[test]
fn the_lists_of_known_keys_are_those_of_the_types() {
    let schema = schema_for!(Settings).to_value();
    let keys = |pointer: &str| -> Vec<String> {
        schema.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect()
    };
    let sorted = |known: &[&str]| {
        let mut known: Vec<String> = known.iter().map(|key| (*key).to_owned()).collect();
        known.sort();
        known
    };
    assert_eq!(keys("/properties"), sorted(&merge::TOP));
    assert_eq!(keys("/$defs/ProviderSettings/properties"), sorted(&merge::PROVIDER));
    assert_eq!(keys("/$defs/DockerSettings/properties"), sorted(&merge::DOCKER));
    assert_eq!(keys("/$defs/ModelSettings/properties"), sorted(&merge::MODEL));
}

#[test]
fn files_are_looked_for_in_the_usual_places() {
    let here = Path::new("/here");
    let check = |variables: &[(&str, &str)], expected: &[&str]| {
        let variable = |name: &str| {
            variables.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(files(&variable, here), expected.iter().map(PathBuf::from).collect::<Vec<_>>());
    };
    let user = "/home/me/.config/researchgym/settings.toml";
    let project = "/here/researchgym.toml";
    check(&[("HOME", "/home/me")], &[user, project]);
    check(&[("HOME", "/home/me"), ("XDG_CONFIG_HOME", "relative")], &[user, project]);
    check(&[("HOME", "/home/me"), ("XDG_CONFIG_HOME", "/x")], &["/x/researchgym/settings.toml", project]);
    check(&[], &[project]);
}

#[test]
fn a_file_that_is_not_there_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(load(&[folder.path().join("none.toml")]).unwrap(), Merged::default());
    let problem = load(&[folder.path().to_owned()]).unwrap_err();
    assert_eq!((problem.file.as_path(), problem.line), (folder.path(), None));
}
