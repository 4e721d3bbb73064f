//! Settings that are refused, with the file, the line and the key.

use super::*;

#[test]
fn half_a_price_is_refused_with_its_place() {
    let check = |keys: &str, expected: &str| {
        let text = format!("[models.\"a/b\"]\nmax_output = 9\n{keys}");
        let error = registry_of(&text, &[], Options::default()).unwrap_err().to_string();
        let (file, said) = error.split_once("settings.toml:").unwrap();
        assert!(file.starts_with('/'), "{error}");
        let known = "and no list knows what the model costs: `input` and `output` are both needed";
        assert_eq!(said, format!("{expected}, {known}"));
    };
    check("input = 1", "3: [models.\"a/b\"] gives `input` but not `output`");
    check("\noutput = 1", "4: [models.\"a/b\"] gives `output` but not `input`");
    check("cache_read = 1", "3: [models.\"a/b\"] gives `cache_read` but not `input` and `output`");
    check("cache_read = 1\noutput = 2", "4: [models.\"a/b\"] gives `output` but not `input`");
    // A list file names its own place.
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.toml");
    std::fs::write(&list, "schema = 1\n[models.\"a/b\"]\ninput = 1\n").unwrap();
    let error = registry_of(&format!("prices = [{list:?}]"), &[], Options::default()).unwrap_err();
    let expected = format!("price list {}: line 2: model `a/b`: needs the key `output`", list.display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_host_beyond_ascii_is_refused_with_its_place() {
    for host in ["Bücher.Example", "BÜCHER.example", "bücher.example", "B%C3%BCcher.Example"] {
        let text =
            format!("[providers.b]\nwire = \"chat\"\nbase_url = \"https://{host}/v1\"\nlocal = true\n");
        let registry = registry_of(&text, &[], priced()).unwrap();
        let error = registry.resolve("b/m").unwrap_err().to_string();
        let (before, after) = error.split_once("settings.toml:3").unwrap();
        assert!(before.starts_with("the address of the provider `b`, from `base_url` of [providers.b] in /"));
        assert_eq!(after, ", names a host in letters beyond ASCII; write it as `xn--...`", "{host}");
    }
    let plain = "[providers.b]\nbase_url = \"https://B.Example/é\"\nlocal = true\n";
    assert!(registry_of(plain, &[], priced()).unwrap().resolve("b/m").is_ok());
}
