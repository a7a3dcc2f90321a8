//! TLS towards clients: `certificates`, `tls`, `alpn` and `redirect_to_https` of a listener.
//!
//! Only what may be written; the files that it names are not touched here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::table::Table;
use super::value::Value;
use super::{path, values};
use crate::config::report::Finding;
use crate::config::{ClientCertificates, HttpsRedirect, Identity, ServerTls, Versions};

/// What asks for a client's certificate.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    None,
    Optional,
    Required,
}

/// `certificates`, `tls` and `alpn` of a listener; outer none: they have errors. Elsewhere than with TCP, `alpn` is an
/// error already.
pub(super) fn server_tls(table: &mut Table<'_>, is_tcp: bool, folder: &Path) -> Option<Option<ServerTls>> {
    let written = table.take("certificates");
    let certificates = written.map(|value| certificates(value, folder));
    let settings = table.take("tls");
    let offered = table.take("alpn");
    let Some(written) = written else {
        if let Some(value) = offered.filter(|_| is_tcp) {
            let _: Option<()> = value.reject_with(
                "`alpn` is agreed on in a handshake, and this listener has no TLS",
                "add `certificates = [{ cert = \"a.pem\", key = \"a.key\" }]`, or remove it",
            );
        }
        return match settings {
            None => Some(None),
            Some(settings) => settings.reject_with(
                "`tls` without `certificates` cannot be served",
                "add `certificates = [{ cert = \"a.pem\", key = \"a.key\" }]`",
            ),
        };
    };
    let tls = match settings {
        None => Some(ServerTls::default()),
        Some(value) => value.table("`tls = { … }`").and_then(|table| settings_table(table, folder)),
    };
    let alpn = offered.map_or(Some(Vec::new()), alpn);
    let certificates = certificates??;
    if certificates.is_empty() {
        return written.reject_with("`certificates` is empty", "add one, or remove the key to serve without TLS");
    }
    Some(Some(ServerTls { certificates, alpn: alpn?, ..tls? }))
}

/// `["postgresql", "h2"]`: names as a handshake takes them (RFC 7301 §3.1), of text.
fn alpn(value: Value<'_>) -> Option<Vec<Arc<str>>> {
    const LONGEST: usize = 255;
    const MOST: usize = 32;
    let name = |value: Value<'_>| {
        let name = value.string("the name of a protocol", "postgresql")?;
        let is_name = (1..=LONGEST).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        if is_name {
            return Some(Arc::from(name));
        }
        value.reject_with(
            format_args!("{name:?} is no name of a protocol"),
            format_args!("1 to {LONGEST} visible characters, such as `\"postgresql\"`"),
        )
    };
    let names: Vec<_> = value.list("a list of protocols", "[\"postgresql\"]")?.map(name).collect();
    let names: Vec<Arc<str>> = names.into_iter().collect::<Option<_>>()?;
    if names.len() > MOST {
        return value.reject(format_args!("`alpn` has {} names, and {MOST} are the most", names.len()));
    }
    match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        Some((_, twice)) => value.reject(format_args!("`alpn` has \"{twice}\" twice")),
        None => Some(names),
    }
}

/// `[{ cert = "a.pem", key = "a.key" }, …]`
fn certificates(value: Value<'_>, folder: &Path) -> Option<Vec<Identity>> {
    const EXAMPLE: &str = "[{ cert = \"a.pem\", key = \"a.key\" }]";
    // All of them are read, so that all errors are found.
    let read: Vec<_> = value.list("a list of certificates", EXAMPLE)?.map(|value| certificate(value, folder)).collect();
    read.into_iter().collect()
}

fn certificate(value: Value<'_>, folder: &Path) -> Option<Identity> {
    let mut table = value.table("a certificate")?;
    let cert = table.required("cert", "cert = \"a.pem\"", |value| path(value, folder));
    let key = table.required("key", "key = \"a.key\"", |value| path(value, folder));
    table.finish();
    Some(Identity { cert: cert?, key: key? })
}

fn settings_table(mut table: Table<'_>, folder: &Path) -> Option<ServerTls> {
    let default = ServerTls::default();
    let version = || values::word(&[("1.2", 2_u8), ("1.3", 3)]);
    let [min_written, max_written] = ["min_version", "max_version"].map(|key| table.take(key));
    let min = min_written.map_or(Some(2), version());
    let max = max_written.map_or(Some(3), version());
    let handshake_timeout = table.or("handshake_timeout", default.handshake_timeout, values::duration(values::TIMEOUT));
    let clients = clients(&mut table, folder);
    let tickets = table.or("tickets", default.tickets, |value| value.boolean());
    table.finish();
    let versions = match (min?, max?) {
        (2, 2) => Versions::Only12,
        (3, 3) => Versions::Only13,
        (2, 3) => Versions::Both,
        _ => {
            return min_written?.reject_with("`min_version` is above `max_version`", "remove one of them");
        }
    };
    Some(ServerTls { versions, handshake_timeout, clients: clients?, tickets, ..ServerTls::default() })
}

fn clients(table: &mut Table<'_>, folder: &Path) -> Option<ClientCertificates> {
    let (ca_written, asks_written) = (table.take("client_ca"), table.take("client_certificate"));
    let words = [("none", Asks::None), ("optional", Asks::Optional), ("required", Asks::Required)];
    let default = if ca_written.is_some() { Asks::Required } else { Asks::None };
    let asks = asks_written.map_or(Some(default), values::word(&words));
    let ca = ca_written.map(|value| path(value, folder));
    match (asks?, ca) {
        (Asks::None, None) => Some(ClientCertificates::None),
        (Asks::None, Some(_)) => ca_written?.reject_with(
            "`client_ca` is of no use where clients are not asked for a certificate",
            "remove one of them",
        ),
        (_, None) => asks_written?.reject_with(
            "without `client_ca`, no certificate of a client can be checked",
            "add `client_ca = \"ca.pem\"`",
        ),
        (Asks::Optional, Some(ca)) => ca.map(ClientCertificates::Optional),
        (Asks::Required, Some(ca)) => ca.map(ClientCertificates::Required),
    }
}

/// `true`, or `{ port = 8443, status = 301 }`. `secure` says that the listener has certificates.
pub(super) fn redirect(value: Value<'_>, secure: bool) -> Option<Option<HttpsRedirect>> {
    let redirect = match value.raw() {
        DeValue::Boolean(false) => return Some(None),
        _ => values::switched(value, HttpsRedirect::default(), "{ port = 8443, status = 301 }", redirect_table)?,
    };
    if secure {
        let finding = Finding::error(value.span(), "this listener has `certificates`: it serves HTTPS already");
        value.sink().push(finding.help("write `redirect_to_https` on the listener without TLS"));
        return None;
    }
    Some(Some(redirect))
}

fn redirect_table(mut table: Table<'_>) -> Option<HttpsRedirect> {
    let default = HttpsRedirect::default();
    let port = table.or("port", default.port, values::whole(1..=65_535));
    let status = table.or("status", default.status, |value| match value.whole(300..=399)? {
        status @ (301 | 302 | 307 | 308) => u16::try_from(status).ok(),
        other => value.reject_with(
            format_args!("{other} does not redirect"),
            "write 308 or 307, which keep the method, or 301 or 302",
        ),
    });
    table.finish();
    Some(HttpsRedirect { port, status })
}

impl Default for HttpsRedirect {
    fn default() -> Self {
        Self { port: 443, status: 308 }
    }
}

impl Default for ServerTls {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            versions: Versions::Both,
            handshake_timeout: Duration::from_secs(10),
            clients: ClientCertificates::None,
            tickets: true,
            alpn: Vec::new(),
        }
    }
}
