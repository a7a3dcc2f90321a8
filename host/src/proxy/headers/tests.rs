//! Headers on their way through, by example and by property.

use super::*;
use proptest::prelude::*;

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).expect("name"),
            HeaderValue::from_str(value).expect("value"),
        );
    }
    headers
}

fn nets(nets: &[&str]) -> Peers {
    Peers { blocks: nets.iter().map(|net| net.parse().expect("net")).collect(), unix: false }
}

fn peer(address: &str, trusted: &Peers) -> Peer {
    Peer::new(Some(address.parse().expect("address")), trusted, false)
}

#[test]
fn hop_by_hop_headers_end_here() {
    let mut headers = map(&[
        ("connection", "close, X-Secret"),
        ("connection", "x-other"),
        ("x-secret", "1"),
        ("x-other", "2"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip, trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("x-kept", "3"),
    ]);
    assert!(!end_hop(&mut headers));
    let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(headers["te"], "trailers");
    assert_eq!(headers["x-kept"], "3");
}

#[test]
fn an_upgrade_passes() {
    let mut headers = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
    assert!(end_hop(&mut headers));
    assert_eq!(headers["connection"], "upgrade");
    assert_eq!(headers["upgrade"], "websocket");
    let mut headers = map(&[("connection", "upgrade")]);
    assert!(!end_hop(&mut headers), "nothing to upgrade to");
    assert!(headers.is_empty());
}

#[test]
fn the_host_cannot_be_listed_away() {
    let mut headers = map(&[("connection", "host, content-type"), ("host", "a"), ("content-type", "x")]);
    end_hop(&mut headers);
    assert_eq!(headers["host"], "a");
    assert!(!headers.contains_key("content-type"));
}

#[test]
fn forged_headers_of_an_untrusted_peer_are_replaced() {
    let mut headers = map(&[
        ("host", "a.example"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("forwarded", "for=10.0.0.1"),
    ]);
    let client = forward(&mut headers, &peer("192.0.2.7:999", &nets(&[])), &nets(&[]), false);
    assert_eq!(client.expect("the peer").to_string(), "192.0.2.7:999");
    assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
    assert!(only_one(&headers, &X_FORWARDED_FOR));
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-forwarded-host"], "a.example");
    assert!(!headers.contains_key("forwarded"));
}

#[test]
fn a_trusted_proxy_is_believed_up_to_the_first_stranger() {
    let trusted = nets(&["10.0.0.0/8"]);
    let mut headers = map(&[
        ("host", "a"),
        ("x-forwarded-for", "203.0.113.66, 198.51.100.1"),
        ("x-forwarded-for", "10.1.1.1"),
        ("x-forwarded-proto", "https"),
    ]);
    let client = forward(&mut headers, &peer("10.0.0.9:1", &trusted), &trusted, true);
    assert_eq!(client.expect("told").ip().to_string(), "198.51.100.1");
    assert_eq!(headers["x-forwarded-for"], "203.0.113.66, 198.51.100.1, 10.1.1.1, 10.0.0.9");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["forwarded"], "for=10.0.0.9;host=\"a\";proto=http");
}

#[test]
fn forwarded_is_read_where_there_is_no_x_forwarded_for() {
    let trusted = nets(&["10.0.0.0/8"]);
    let mut headers = map(&[("forwarded", "for=\"[2001:db8::7]:4711\";proto=https, for=10.2.2.2")]);
    let client = forward(&mut headers, &peer("10.0.0.9:1", &trusted), &trusted, false);
    assert_eq!(client.expect("told").to_string(), "[2001:db8::7]:4711");
    assert_eq!(headers["forwarded"], "for=\"[2001:db8::7]:4711\";proto=https, for=10.2.2.2, for=10.0.0.9;proto=http");
}

#[test]
fn a_unix_socket_has_no_address_to_tell() {
    let nobody = Peers::default();
    let mut headers = map(&[("host", "a"), ("x-forwarded-for", "203.0.113.66")]);
    assert_eq!(forward(&mut headers, &Peer::new(None, &nobody, false), &nobody, true), None);
    assert!(!headers.contains_key("x-forwarded-for"), "it was forged");
    assert_eq!(headers["forwarded"], "for=unknown;host=\"a\";proto=http");

    let trusted = Peers { unix: true, ..nets(&["10.0.0.0/8"]) };
    let mut headers = map(&[("x-forwarded-for", "203.0.113.66, 198.51.100.1, 10.0.0.9")]);
    let client = forward(&mut headers, &Peer::new(None, &trusted, false), &trusted, false);
    assert_eq!(client.expect("told").ip().to_string(), "198.51.100.1");
    assert_eq!(headers["x-forwarded-for"], "203.0.113.66, 198.51.100.1, 10.0.0.9");
    let mut headers = HeaderMap::new();
    assert_eq!(forward(&mut headers, &Peer::new(None, &trusted, false), &trusted, false), None);
    assert!(!headers.contains_key("x-forwarded-for"));
}

#[test]
fn request_ids_are_kept_or_made() {
    let mut headers = map(&[("x-request-id", "abc-123")]);
    request_id(&mut headers, || unreachable!("there is one"));
    assert_eq!(headers["x-request-id"], "abc-123");
    for bad in ["", "a b"] {
        let mut headers = map(&[("x-request-id", bad)]);
        request_id(&mut headers, || 0xab);
        assert_eq!(headers["x-request-id"], "ba000000000000000000000000000000");
    }
}

proptest! {
    /// Whatever a client sends: nothing hop-by-hop passes, and what an untrusted peer claims is gone.
    #[test]
    fn nothing_of_the_hop_passes(
        pairs in proptest::collection::vec((
            prop_oneof![
                Just("connection"), Just("upgrade"), Just("te"), Just("keep-alive"), Just("transfer-encoding"),
                Just("proxy-connection"), Just("x-a"), Just("x-b"), Just("host"), Just("x-forwarded-for"), Just("forwarded"),
            ],
            "[ -~]{0,24}|x-a, x-b|upgrade|trailers|close",
        ), 0..12),
        trusted in any::<bool>(),
    ) {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut headers = map(&pairs);
        let listed: Vec<String> = texts(&headers, &CONNECTION).map(|t| t.trim().to_ascii_lowercase()).collect();
        let upgrade = end_hop(&mut headers);
        for name in ["keep-alive", "proxy-connection", "transfer-encoding"] {
            prop_assert!(!headers.contains_key(name), "{name}");
        }
        prop_assert_eq!(headers.contains_key("connection"), upgrade);
        prop_assert_eq!(headers.contains_key("upgrade"), upgrade);
        for name in ["x-a", "x-b"] {
            if listed.iter().any(|l| l == name) {
                prop_assert!(!headers.contains_key(name), "{name} was listed");
            }
        }
        if headers.contains_key("te") {
            prop_assert_eq!(&headers["te"], "trailers");
        }
        let nets = if trusted { nets(&["10.0.0.0/8"]) } else { Peers::default() };
        let peer = peer("10.0.0.9:1", &nets);
        let client = forward(&mut headers, &peer, &nets, false);
        prop_assert!(headers["x-forwarded-for"].as_bytes().ends_with(b"10.0.0.9"));
        if !trusted {
            prop_assert_eq!(client, peer.address);
            prop_assert_eq!(&headers["x-forwarded-for"], "10.0.0.9");
            prop_assert!(!headers.contains_key("forwarded"));
        }
    }
}
