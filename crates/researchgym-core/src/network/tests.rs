//! Entries, verdicts, greetings and counts.

use proptest::prelude::*;

use super::*;
use crate::task::Network;

fn network(allow: &[&str], blocked: &[&str]) -> Network {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Network { allow: owned(allow), blocked_urls: owned(blocked), ..Network::default() }
}

#[track_caller]
fn tunnel(policy: NetworkPolicy, network: &Network, host: &str, port: u16) -> Result<Tunnel, Refusal> {
    let host = HostName::parse(host).expect("a name");
    Rules::of(policy, network).expect("rules").tunnel(&host, port)
}

#[track_caller]
fn plain(policy: NetworkPolicy, network: &Network, url: &str) -> Result<(), Refusal> {
    let address = crate::web::Address::parse(url).expect("an address");
    Rules::of(policy, network).expect("rules").plain(&address).map(drop)
}

#[test]
fn names_have_one_spelling_and_addresses_are_none() {
    let name = |text| HostName::parse(text).map(|name| name.to_string());
    assert_eq!(name("Files.PythonHosted.ORG."), Ok("files.pythonhosted.org".to_owned()));
    assert_eq!(name("xn--bcher-kva.example"), Ok("xn--bcher-kva.example".to_owned()));
    for address in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "[::1]", "::1", "1.2.3.4."] {
        assert_eq!(name(address), Err(NotAName::Address), "{address}");
    }
    for text in [
        "",
        ".",
        "a..b",
        "-a.org",
        "a_b\n.org",
        "a b",
        "b\u{fc}cher.example",
        "user@a.org",
        "a.org:80",
        "a/b",
    ] {
        assert_eq!(name(text), Err(NotAName::Malformed), "{text}");
    }
}

#[test]
fn entries_that_are_wrong_say_how() {
    let error = |entry: &str| AllowList::parse(&[entry.to_owned()]).err().map(|(_, error)| error);
    assert_eq!(error("pypy"), Some(AllowError::UnknownSource { near: Some("pypi".into()) }));
    assert_eq!(error("localhost"), Some(AllowError::UnknownSource { near: None }));
    assert_eq!(error("10.0.0.1"), Some(AllowError::Host(NotAName::Address)));
    assert_eq!(error("*.org"), Some(AllowError::Wide));
    assert_eq!(error("*"), Some(AllowError::Wide));
    for suffix in ["co.uk", "org.au", "github.io", "storage.googleapis.com"] {
        let expected = AllowError::Public { suffix: suffix.to_owned() };
        assert_eq!(error(&format!("*.{suffix}")), Some(expected), "{suffix}");
    }
    for host in ["*.example.co.uk", "*.example.org", "co.uk", "*.co.com", "*.ox.ac.uk", "me.github.io"] {
        assert_eq!(error(host), None, "{host}");
    }
    assert_eq!(error("pypi:443"), Some(AllowError::SourcePort { source_name: "pypi".into() }));
    assert_eq!(error("https://example.org"), Some(AllowError::Path));
    assert_eq!(error("example.org/path"), Some(AllowError::Path));
    assert_eq!(error("example.org:0"), Some(AllowError::Port));
    assert_eq!(error("example.org:ssh"), Some(AllowError::Port));
    assert_eq!(error("*.example.org:8443"), None);
    for source in sources() {
        assert_eq!(error(source.name), None, "{}", source.name);
    }
}

#[test]
fn a_list_allows_its_hosts_on_its_ports() {
    let network = network(&["pypi", "example.org", "*.wide.example", "odd.example:8443"], &[]);
    let check = |host, port, expected| {
        assert_eq!(tunnel(NetworkPolicy::AllowList, &network, host, port), expected, "{host}:{port}");
    };
    check("pypi.org", 443, Ok(Tunnel::Tls));
    check("files.pythonhosted.org", 443, Ok(Tunnel::Tls));
    check("example.org", 80, Ok(Tunnel::Tls));
    check("example.org", 22, Err(Refusal::Port));
    check("www.example.org", 443, Err(Refusal::NotAllowed));
    check("badexample.org", 443, Err(Refusal::NotAllowed));
    check("wide.example", 443, Ok(Tunnel::Tls));
    check("deep.er.wide.example", 443, Ok(Tunnel::Tls));
    check("notwide.example", 443, Err(Refusal::NotAllowed));
    check("odd.example", 8443, Ok(Tunnel::Tls));
    check("odd.example", 443, Err(Refusal::Port));
}

#[test]
fn what_is_blocked_is_blocked_under_every_policy() {
    let mut network = network(
        &["example.org", "whole.org", "shared.org"],
        &["whole.org", "shared.org/paper", "2301.12345"],
    );
    for policy in [NetworkPolicy::AllowList, NetworkPolicy::Open] {
        assert_eq!(tunnel(policy, &network, "whole.org", 443), Err(Refusal::Blocked));
        assert_eq!(tunnel(policy, &network, "shared.org", 443), Err(Refusal::BlockedPaths));
        assert_eq!(plain(policy, &network, "http://shared.org/paper/1"), Err(Refusal::Blocked));
        assert_eq!(plain(policy, &network, "http://shared.org/%70aper"), Err(Refusal::Blocked));
        assert_eq!(plain(policy, &network, "http://shared.org/other"), Ok(()));
        assert_eq!(plain(policy, &network, "http://example.org/abs/2301.12345"), Err(Refusal::Blocked));
        assert_eq!(plain(policy, &network, "http://127.0.0.1/"), Err(Refusal::IpAddress));
    }
    network.unchecked_paths = vec!["shared.org".to_owned(), "whole.org".to_owned()];
    assert_eq!(tunnel(NetworkPolicy::AllowList, &network, "shared.org", 443), Ok(Tunnel::Tls));
    assert_eq!(tunnel(NetworkPolicy::AllowList, &network, "whole.org", 443), Err(Refusal::Blocked));
}

#[test]
fn the_strict_policies_let_nothing_through_and_the_open_one_every_port() {
    let network = network(&["example.org"], &[]);
    for policy in [NetworkPolicy::None, NetworkPolicy::Gateway] {
        assert_eq!(tunnel(policy, &network, "example.org", 443), Err(Refusal::NotAllowed));
    }
    assert_eq!(tunnel(NetworkPolicy::Open, &network, "other.org", 443), Ok(Tunnel::Tls));
    assert_eq!(tunnel(NetworkPolicy::Open, &network, "other.org", 22), Ok(Tunnel::Any));
}

#[test]
fn queries_are_not_recorded_and_long_addresses_are_cut() {
    assert_eq!(shown_url("http://a.org/x?key=secret"), "http://a.org/x?...");
    assert_eq!(shown_url("http://me:secret@a.org:81/x"), "http://a.org:81/x");
    assert_eq!(shown_url("/only/a@path"), "/only/a@path");
    let long = shown_url(&format!("http://a.org/{}?q", "x".repeat(1000)));
    assert_eq!((long.len(), &long[497..]), (507, "xxx...?..."));
}

/// A greeting with these extensions, in one record.
fn greeting(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let block16 = |content: &[u8]| [&(content.len() as u16).to_be_bytes()[..], content].concat();
    let listed: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &block16(content)].concat())
        .collect();
    let body = [&[3, 3][..], &[7; 32], &[0], &block16(&[0x13, 1]), &[1, 0], &block16(&listed)].concat();
    let length = (body.len() as u32).to_be_bytes();
    let message = [&[1][..], &length[1..], &body].concat();
    [&[22, 3, 1][..], &block16(&message)].concat()
}

fn named(name: &str) -> (u16, Vec<u8>) {
    let name = name.as_bytes();
    let entry = [&[0][..], &(name.len() as u16).to_be_bytes(), name].concat();
    (0, [&(entry.len() as u16).to_be_bytes()[..], &entry].concat())
}

fn greets(name: Option<&str>, is_hidden: bool) -> Hello {
    Hello::Greets { name: name.map(|name| HostName::parse(name).expect("a name")), is_hidden }
}

#[test]
fn a_greeting_names_its_host() {
    assert_eq!(read_hello(&greeting(&[named("Example.org")])), greets(Some("example.org"), false));
    assert_eq!(read_hello(&greeting(&[(43, vec![2, 3, 4])])), greets(None, false));
    assert_eq!(read_hello(&greeting(&[named("a.org"), (0xfe0d, vec![0])])), greets(Some("a.org"), true));
    for odd in [
        greeting(&[named("a.org"), named("b.org")]),
        greeting(&[named("127.0.0.1")]),
        greeting(&[(0, vec![0, 4, 0, 0, 9, b'a'])]),
        greeting(&[(0, vec![])]),
        b"GET / HTTP/1.1\r\n".to_vec(),
        b"SSH-2.0-x".to_vec(),
        vec![22, 3, 1, 0, 0],
        vec![22, 3, 1, 255, 255],
        vec![22, 3, 1, 0, 4, 2, 0, 0, 0],
        // Whether the record is whole makes no difference.
        vec![22, 3, 1, 0, 3, 111],
        vec![22, 3, 1, 0, 3, 111, 0, 1],
        vec![22, 3, 1, 0, 4, 1, 255, 255, 255],
    ] {
        assert_eq!(read_hello(&odd), Hello::NotTls, "{odd:?}");
    }
}

proptest! {
    #[test]
    fn a_greeting_is_read_however_it_is_cut_up(cuts in prop::collection::vec(1usize..40, 1..40), end in 0usize..500) {
        let whole = greeting(&[(10, vec![1; 200]), named("files.example.org"), (11, vec![2; 60])]);
        let message = &whole[5..];
        let (mut records, mut at) = (Vec::new(), 0);
        for cut in cuts.iter().cycle() {
            let part = &message[at..(at + cut).min(message.len())];
            records.extend_from_slice(&[22, 3, 3]);
            records.extend_from_slice(&(part.len() as u16).to_be_bytes());
            records.extend_from_slice(part);
            at += part.len();
            if at == message.len() { break; }
        }
        prop_assert_eq!(read_hello(&records), greets(Some("files.example.org"), false));
        // What follows the greeting, as early data does, changes nothing; what is missing is waited for.
        prop_assert_eq!(read_hello(&[&records[..], &[23, 3, 3, 0, 1, 0]].concat()), greets(Some("files.example.org"), false));
        if end < records.len() {
            prop_assert_eq!(read_hello(&records[..end]), Hello::Unfinished);
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read_hello(&bytes);
        let mut records = vec![22, 3, 1];
        records.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        records.extend_from_slice(&bytes);
        if let Hello::Greets { name: Some(name), .. } = read_hello(&records) {
            prop_assert!(HostName::parse(name.as_str()).is_ok());
        }
    }

    #[test]
    fn a_changed_greeting_never_names_a_host_that_is_not_in_it(place in 5usize..120, byte: u8) {
        let mut bytes = greeting(&[named("example.org"), (43, vec![2, 3, 4])]);
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Hello::Greets { name: Some(name), .. } = read_hello(&bytes) {
            let lower = bytes.to_ascii_lowercase();
            prop_assert!(lower.windows(name.as_str().len()).any(|window| window == name.as_str().as_bytes()));
        }
    }

    #[test]
    fn any_text_is_a_name_or_is_not(text in "\\PC{0,80}") {
        if let Ok(name) = HostName::parse(&text) {
            prop_assert_eq!(HostName::parse(name.as_str()), Ok(name.clone()));
            let address = crate::web::Address::parse(&format!("http://{name}/"));
            prop_assert!(address.is_ok_and(|address| address.ip().is_none()));
        }
    }

    #[test]
    fn a_flood_is_counted_to_the_last_and_takes_few_lines(hosts in 1u64..3000, requests in 1u64..20_000) {
        let mut tally = Tally::default();
        let mut written = Vec::new();
        for number in 0..requests {
            let host = format!("h{}.example", number % hosts);
            written.extend(tally.take(request(&host, number)));
        }
        written.extend(tally.rest());
        let mut sums = NetworkUse::default();
        written.iter().for_each(|line| sums.add(line));
        prop_assert_eq!((sums.allowed, sums.bytes_up, sums.bytes_down), (requests, requests, requests * (requests - 1) / 2));
        prop_assert!(written.len() < 9000, "{} lines", written.len());
        prop_assert_eq!(tally.rest(), Vec::new());
    }
}

fn request(host: &str, bytes_down: u64) -> NetworkRequested {
    NetworkRequested {
        phase: Phase::Agent,
        method: "CONNECT".into(),
        host: host.into(),
        port: 443,
        url: None,
        verdict: Verdict::Allowed,
        bytes_up: 1,
        bytes_down,
        took_ms: 2,
        times: 1,
    }
}

#[test]
fn a_request_that_repeats_itself_is_written_ten_times_and_then_counted() {
    let mut tally = Tally::default();
    let times: Vec<u64> =
        (0..100).filter_map(|_| tally.take(request("a.org", 3))).map(|written| written.times).collect();
    assert_eq!(times, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 10, 20, 40]);
    let rest = tally.rest();
    let expected =
        NetworkRequested { times: 20, bytes_up: 20, bytes_down: 60, took_ms: 40, ..request("a.org", 0) };
    assert_eq!(rest, [expected]);
}

#[test]
fn requests_that_differ_each_time_are_counted_together() {
    let mut tally = Tally::default();
    let mut lines = Vec::new();
    for number in 0..100_000 {
        lines.extend(tally.take(request(&format!("h{number}.example"), 0)));
    }
    lines.extend(tally.rest());
    assert!(lines.len() < 1000, "{} lines", lines.len());
    assert!(lines.iter().any(|line| line.host == "*" && line.method == "*" && line.port == 0));
    assert_eq!(lines.iter().map(|line| line.times).sum::<u64>(), 100_000);
}

#[test]
fn the_guide_shows_the_table_of_sources() {
    let guide = include_str!("../../../../docs/guide/network.md");
    for Source { name, hosts, used_by } in sources() {
        let hosts: Vec<String> = hosts.iter().map(|host| format!("`{host}`")).collect();
        let row = format!("| `{name}` | {} | {used_by} |", hosts.join(", "));
        assert!(guide.contains(&row), "{row}");
    }
}
