//! Spellings of one address, and what entries block.

use proptest::prelude::*;

use super::*;

/// Whether the entry blocks the address.
#[track_caller]
fn blocked(entry: &str, address: &str) -> bool {
    let blocklist = Blocklist::parse(&[entry.to_owned()]).expect("an entry");
    blocklist.blocks(&Address::parse(address).unwrap_or_else(|error| panic!("{address}: {error}")))
}

#[track_caller]
fn check(entry: &str, is_blocked: bool, addresses: &[&str]) {
    for address in addresses {
        assert_eq!(blocked(entry, address), is_blocked, "`{entry}` and {address}");
    }
}

#[test]
fn one_address_has_many_spellings() {
    check(
        "https://www.Example.org/Papers/secret",
        true,
        &[
            "https://example.org/papers/secret",
            "http://example.org/papers/secret",
            "HTTPS://WWW.EXAMPLE.ORG/PAPERS/SECRET",
            "https://www.www.example.org/papers/secret",
            "https://example.org./papers/secret",
            "https://example.org:443/papers/secret",
            "http://example.org:443/papers/secret",
            "http://example.org:80/papers/secret",
            "https://example.org:8443/papers/secret",
            "https://example.org//papers///secret",
            "https://example.org/other/../papers/./secret",
            "https://example.org/other/%2e%2E/papers/secret",
            "https://example.org/other/%252e%252e/papers/secret",
            "https://example.org/p%61pers/s%65cret",
            "https://example.org/p%2561pers/secret",
            "https://example.org/papers%2Fsecret",
            "https://ex%61mple.org/papers/secret",
            "https:\\\\example.org\\papers\\secret",
            "https:example.org/papers/secret",
            "https:///example.org/papers/secret",
            "https://exam\tple.org/papers/sec\nret",
            "  https://example.org/papers/secret  ",
            "https://example.org/papers/secret?a=b",
            "https://example.org/papers/secret#part",
            "https://example.org/papers/secret.pdf",
            "https://example.org/papers/secretv2",
        ],
    );
    check(
        "https://www.Example.org/Papers/secret",
        false,
        &[
            "https://example.org/papers",
            "https://example.org/papers/other",
            "https://sub.example.org/papers/secret",
            "https://badexample.org/papers/secret",
            "https://example.org.evil.net/papers/secret",
        ],
    );
}

#[test]
fn a_host_is_one_host_and_a_star_all_below() {
    check(
        "example.org",
        true,
        &["https://example.org", "http://www.example.org/a?b", "https://example.org:8080/"],
    );
    check(
        "example.org",
        false,
        &["https://sub.example.org/", "https://myexample.org/", "https://example.organic/"],
    );
    check("*.example.org", true, &["https://example.org/", "https://a.b.example.org./x"]);
    check("*.example.org", false, &["https://myexample.org/", "https://example.org.net/"]);
    check("*.example.org/papers/1", true, &["https://mirror.example.org/papers/12"]);
    check("*.example.org/papers/1", false, &["https://mirror.example.org/papers/2"]);
    check("http://intranet/", true, &["https://intranet/page"]);
    check("xn--bcher-kva.example", true, &["https://xn--bcher-kva.example/"]);
}

#[test]
fn addresses_by_number_have_one_spelling() {
    let odd = [
        "http://192.0.2.1/",
        "http://3221225985/",
        "http://0300.0.02.01/",
        "http://0xC0.0x00.2.1/",
        "http://192.0.513/",
        "http://192.0.2.1./",
        "http://[::ffff:192.0.2.1]/",
        "http://[::ffff:c000:201]/",
    ];
    check("192.0.2.1", true, &odd);
    check("192.0.2.2", false, &odd);
    check("[2001:db8::1]", true, &["https://[2001:0DB8:0:0::0:1]/x", "http://[2001:db8::1]:80/"]);
}

#[test]
fn a_slash_at_the_end_ends_a_word() {
    check(
        "example.org/owner/code/",
        true,
        &[
            "https://example.org/owner/code",
            "https://example.org/owner/code/tree",
            "https://example.org/owner/code?x",
        ],
    );
    check(
        "example.org/owner/code/",
        false,
        &["https://example.org/owner/codebook", "https://example.org/owner/code-2"],
    );
    check("example.org/owner/code", true, &["https://example.org/owner/codebook"]);
    check("example.org?id=7", true, &["https://example.org/?id=7&page=1", "https://example.org/?id=%37"]);
}

#[test]
fn texts_are_found_anywhere() {
    check(
        "2301.12345",
        true,
        &[
            "https://arxiv.example/abs/2301.12345v2",
            "https://a.example/?id=2301%2E12345",
            "https://2301.12345.a.example/",
        ],
    );
    check("2301.12345", false, &["https://arxiv.example/abs/2301.12346"]);
    check(
        "a title of words",
        true,
        &["https://a.example/?q=A+Title%20of++words", "https://a.example/a%20title+of words"],
    );
    check("secret.pdf", true, &["https://a.example/files/secret.pdf"]);
}

#[test]
fn blocked_places_are_found_inside_other_addresses() {
    let inside = [
        "https://archive.example/web/2020/https://example.org/paper",
        "https://proxy.example/?u=https%3A%2F%2Fwww.example.org%2Fpaper%3Fx",
        "https://cache.example/example.org/paper",
        "https://proxy.example/?u=https%253A%252F%252Fexample.org%252Fpaper",
    ];
    check("example.org/paper", true, &inside);
    check("example.org", true, &inside);
    check(
        "example.org/paper",
        false,
        &["https://archive.example/myexample.org/paper", "https://a.example/paper"],
    );
}

#[test]
fn what_is_no_plain_address_is_refused() {
    let refusal = |text: &str| Address::parse(text).expect_err(text);
    for text in [
        "",
        "example.org/a",
        "//example.org/a",
        "https://",
        "https://./",
        "http://1.2.3.4.5/",
        "http://256.0.0.1/",
    ] {
        assert_eq!(refusal(text), AddressError::NotAnAddress, "{text}");
    }
    for text in [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://a.example",
        "javascript:alert(1)",
        "data:text/html,a",
    ] {
        assert_eq!(refusal(text), AddressError::Scheme, "{text}");
    }
    for text in [
        "https://user@example.org/",
        "https://user:word@example.org/",
        "https://example.org:pass@other.example/",
    ] {
        assert_eq!(refusal(text), AddressError::Credentials, "{text}");
    }
    assert_eq!(refusal(&format!("https://example.org/{}", "x".repeat(2000))), AddressError::Long);
    // Hosts in other letters are read in ASCII alone.
    for text in [
        "https://B\u{fc}cher.example/",
        "https://b%C3%BCcher.example/",
        "https://\u{ff45}xample.org/",
        "https://example\u{3002}org/",
        "htt\nps:/\t/B\u{fc}cher.example/",
        "\u{1}https://B\u{fc}cher.example/",
    ] {
        assert_eq!(refusal(text), AddressError::NotAnAddress, "{text}");
    }
    // The host is what stands before the backslash.
    assert!(blocked("example.org", "https://example.org\\@other.example/"));
    let address = Address::parse("https://example.org/a/b").expect("an address");
    for (location, joined) in [
        ("//other.example/c", "https://other.example/c"),
        ("/c", "https://example.org/c"),
        ("c?d", "https://example.org/a/c?d"),
        ("\\\\other.example\\c", "https://other.example/c"),
    ] {
        assert_eq!(address.join(location).expect("an address").to_string(), joined);
    }
    assert_eq!(address.join("/\t/B\u{fc}cher.example/"), Err(AddressError::NotAnAddress));
    assert!(address.join("/\u{fc}ber").is_ok());
    assert_eq!(address.join("file:///etc/passwd"), Err(AddressError::Scheme));
}

#[test]
fn queries_that_name_a_blocked_place_are_found() {
    let named = |entry: &str, query: &str| {
        Blocklist::parse(&[entry.to_owned()]).expect("an entry").is_named_in(query)
    };
    for query in [
        "summary of https://www.example.org/paper",
        "site:example.org paper",
        "(EXAMPLE.org)",
        "example%2Eorg",
        "\"http://example.org:8080/paper\"",
        "http://example%2Eorg.",
    ] {
        assert!(named("example.org", query), "{query}");
    }
    assert!(named("example.org/paper", "read example.org:443//paper"));
    assert!(named("2301.12345", "arxiv 2301.12345v1 explained"));
    for query in ["myexample.org", "example organic", "example.organic", ""] {
        assert!(!named("example.org", query), "{query}");
    }
}

#[test]
fn bad_entries_are_named() {
    let error =
        |entry: &str| Blocklist::parse(&["example.org".to_owned(), entry.to_owned()]).expect_err(entry);
    assert_eq!(error("  "), (1, EntryError::Empty));
    assert_eq!(error("ab"), (1, EntryError::Short));
    assert_eq!(error("example.*"), (1, EntryError::Star));
    assert_eq!(error("example.org/*"), (1, EntryError::Star));
    assert_eq!(error("*."), (1, EntryError::Star));
}

proptest! {
    #[test]
    fn any_text_is_an_address_or_refused(text in "\\PC{0,60}", entry in "\\PC{0,20}") {
        let blocklist = Blocklist::parse(&[entry]).unwrap_or_default();
        if let Ok(address) = Address::parse(&text) {
            blocklist.blocks(&address);
        }
        blocklist.is_named_in(&text);
    }

    #[test]
    fn any_host_is_read_or_refused(host in "(xn--)?[A-Za-z0-9.%:@\u{e4}\u{104b0}\\[-]{0,16}", location in "\\PC{0,12}") {
        if let Ok(address) = Address::parse(&format!("https://{host}/")) {
            let _ = address.join(&location);
            let _ = address.join(&format!("//{location}"));
        }
        let _ = Blocklist::parse(&[host]);
    }

    #[test]
    fn encoding_a_path_changes_nothing(path in "[a-z/]{1,12}", depth in 0usize..4) {
        let encode = |text: &str| {
            let once: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            once.replace('%', &format!("%{}", "25".repeat(depth)))
        };
        let below = format!("https://example.org/secret/{}", encode(&path));
        prop_assert!(blocked("example.org/secret/", &below), "{}", below);
        let itself = format!("https://example.org/{}", encode("secret"));
        prop_assert!(blocked("example.org/secret", &itself), "{}", itself);
    }
}
