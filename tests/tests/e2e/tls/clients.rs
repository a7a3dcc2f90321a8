//! Clients that show a certificate: who is let in, and what backends are told.

use serde_json::Value;
use trimtab_tests::{Authority, Backend, Caller, Client, Host, Response, eventually};

use super::{authority, handshakes, secured};

const FORGED: &str = "client-cert: :AAAA:\r\nx-client-cert-subject: CN=root\r\nx-client-cert-verified: yes\r\n\
                      client-cert-chain: :AAAA:\r\nX_Client_Cert_Subject: CN=root\r\n";

/// Headers of a client's certificate as the backend has seen them.
fn told(response: &Response) -> Vec<(String, String)> {
    let seen = response.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let headers = seen["headers"].as_array().expect("headers").iter().map(|pair| (text(&pair[0]), text(&pair[1])));
    headers.filter(|(name, _)| name.replace('_', "-").contains("client-cert")).collect()
}

fn asking(folder: trimtab_tests::Folder, authority: &Authority, backend: &Backend, how: &str) -> Host {
    authority.write(&folder);
    let tls = format!("tls = {{ client_ca = \"ca.pem\", client_certificate = \"{how}\" }}");
    secured(folder, &[backend], &format!("{tls}\ntrusted_proxies = [\"127.0.0.0/8\"]"))
}

/// With TLS 1.3 a client learns that it was refused only when it reads.
fn refused(connected: std::io::Result<Client>) -> bool {
    connected.is_err() || connected.is_ok_and(|mut client| client.try_get().is_none())
}

#[test]
fn who_must_show_one_and_does_is_known_to_backends() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = asking(folder, &authority, &a, "required");
    let shown = authority.issue_to("Zo\u{eb}, \"the\" client");
    let mut client = Caller::showing(&authority, &shown).call(host.address());
    for _ in 0..2 {
        let told = told(&client.get_with("/", FORGED));
        let value = |name: &str| told.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(value("x-client-cert-subject"), Some("CN=Zo\\c3\\ab\\, \\\"the\\\" client,O=Tests"));
        let fingerprint = value("x-client-cert-fingerprint").expect("a fingerprint");
        assert_eq!(fingerprint.len(), 64);
        assert!(value("x-client-cert-serial").is_some_and(|serial| !serial.is_empty()));
        let certificate = value("client-cert").expect("the certificate");
        assert!(certificate.starts_with(":MII") && certificate.ends_with(':'), "{certificate}");
        assert_eq!(told.len(), 4, "and nothing that was forged: {told:?}");
    }
}

#[test]
fn who_must_show_one_and_does_not_is_turned_away() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = asking(folder, &authority, &a, "required");
    assert!(refused(Caller::trusting(&authority).connect(host.address())));
    let stranger = Authority::new().issue_to("stranger");
    assert!(refused(Caller::showing(&authority, &stranger).connect(host.address())));
    let expired = authority.issue_expired(&["client"]);
    assert!(refused(Caller::showing(&authority, &expired).connect(host.address())));
    let counted = || (handshakes(&host, "no-certificate"), handshakes(&host, "bad-certificate"));
    eventually("all are counted", || counted() == (1.0, 2.0));
    assert_eq!(a.requests(), 0);
}

#[test]
fn who_may_show_one_and_does_not_is_nobody() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = asking(folder, &authority, &a, "optional");
    // The peer is a trusted proxy, and even so.
    assert_eq!(told(&Caller::trusting(&authority).call(host.address()).get_with("/", FORGED)), []);
    let shown = authority.issue_to("client");
    assert_eq!(told(&Caller::showing(&authority, &shown).call(host.address()).get("/")).len(), 4);
    let stranger = Authority::new().issue_to("stranger");
    assert!(refused(Caller::showing(&authority, &stranger).connect(host.address())), "shown and not believed");
}

#[test]
fn a_session_that_goes_on_has_the_certificate_it_began_with() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = asking(folder, &authority, &a, "required");
    let caller = Caller::showing(&authority, &authority.issue_to("client"));
    let first = told(&caller.call(host.address()).get("/"));
    let mut again = caller.call(host.address());
    assert_eq!(told(&again.get("/")), first);
    assert!(again.wire.session().resumed);
}

#[test]
fn where_nobody_is_asked_only_trusted_proxies_say_so() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "");
    assert_eq!(told(&Caller::trusting(&authority).call(host.address()).get_with("/", FORGED)), []);
}
