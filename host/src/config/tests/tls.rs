//! `certificates`, `tls` and `redirect_to_https`.

use std::time::Duration;

use super::{config, lines, listener, minimal, pool, report};
use crate::config::{ClientCertificates, HttpsRedirect, Identity, ServerTls, Tls, Versions};

const ONE: &str = "certificates = [{ cert = \"a.pem\", key = \"/k/a.key\" }]";

fn tls(settings: &str) -> ServerTls {
    listener(&format!("{ONE}\ntls = {{ {settings} }}")).tls.expect("TLS")
}

#[track_caller]
fn refused(listener: &str, expected: &[&str]) {
    assert_eq!(lines(&report(&minimal(listener, ""))), expected);
}

#[test]
fn defaults() {
    let expected = ServerTls {
        certificates: vec![Identity { cert: "/etc/trimtab/a.pem".into(), key: "/k/a.key".into() }],
        versions: Versions::Both,
        handshake_timeout: Duration::from_secs(10),
        clients: ClientCertificates::None,
        tickets: true,
        alpn: vec![],
    };
    assert_eq!(listener(ONE).tls, Some(expected.clone()));
    assert_eq!(tls(""), expected);
    assert_eq!(listener("").tls, None);
    assert_eq!(listener("").redirect_to_https, None);
    assert_eq!(pool("").tls, None);
}

#[test]
fn settings() {
    assert_eq!(tls("min_version = \"1.3\"").versions, Versions::Only13);
    assert_eq!(tls("max_version = \"1.2\"").versions, Versions::Only12);
    assert_eq!(tls("min_version = \"1.2\", max_version = \"1.3\"").versions, Versions::Both);
    assert_eq!(tls("handshake_timeout = \"3s\"").handshake_timeout, Duration::from_secs(3));
    assert!(!tls("tickets = false").tickets);
    let ca = || "/etc/trimtab/ca.pem".into();
    assert_eq!(tls("client_ca = \"ca.pem\"").clients, ClientCertificates::Required(ca()));
    let optional = tls("client_ca = \"ca.pem\", client_certificate = \"optional\"").clients;
    assert_eq!(optional, ClientCertificates::Optional(ca()));
    assert_eq!(tls("client_certificate = \"none\"").clients, ClientCertificates::None);
    assert_eq!(pool("tls = true").tls, Some(Tls::default()));
}

#[test]
fn redirects() {
    assert_eq!(listener("redirect_to_https = false").redirect_to_https, None);
    let redirect = |text: &str| listener(&format!("redirect_to_https = {text}")).redirect_to_https;
    assert_eq!(redirect("true"), Some(HttpsRedirect { port: 443, status: 308 }));
    assert_eq!(redirect("{ port = 8443, status = 301 }"), Some(HttpsRedirect { port: 8443, status: 301 }));
    // It leads somewhere without a pool.
    let alone = "[[listener]]\naddress = \"127.0.0.1:0\"\nredirect_to_https = true";
    assert_eq!(config(alone).listeners[0].pool, None);
}

#[test]
fn mistakes() {
    refused(
        "tls = { tickets = true }",
        &[
            "4:7 `tls` without `certificates` cannot be served | add `certificates = [{ cert = \"a.pem\", key = \"a.key\" }]`",
        ],
    );
    refused("certificates = []", &["4:16 `certificates` is empty | add one, or remove the key to serve without TLS"]);
    refused("certificates = [{ cert = \"a.pem\" }]", &["4:17 a certificate has no `key` | add `key = \"a.key\"`"]);
    refused(
        &format!("{ONE}\ntls = {{ min_version = \"1.3\", max_version = \"1.2\" }}"),
        &["5:23 `min_version` is above `max_version` | remove one of them"],
    );
    refused(
        &format!("{ONE}\ntls = {{ client_certificate = \"required\" }}"),
        &["5:30 without `client_ca`, no certificate of a client can be checked | add `client_ca = \"ca.pem\"`"],
    );
    refused(
        &format!("{ONE}\ntls = {{ client_ca = \"ca.pem\", client_certificate = \"none\" }}"),
        &["5:21 `client_ca` is of no use where clients are not asked for a certificate | remove one of them"],
    );
    refused(
        &format!("{ONE}\nredirect_to_https = true"),
        &[
            "5:21 this listener has `certificates`: it serves HTTPS already | write `redirect_to_https` on the listener \
           without TLS",
        ],
    );
    refused(
        "redirect_to_https = { status = 303 }",
        &["4:32 303 does not redirect | write 308 or 307, which keep the method, or 301 or 302"],
    );
}
