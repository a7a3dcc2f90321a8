//! TLS towards clients: `certificates`, `tls` and `redirect_to_https` of a listener.
//!
//! Only what may be written; the files that it names are not touched here.

use std::path::Path;
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

/// `certificates` and `tls` of a listener; outer none: they have errors.
pub(super) fn server_tls(table: &mut Table<'_>, folder: &Path) -> Option<Option<ServerTls>> {
    let written = table.take("certificates");
    let certificates = written.map(|value| certificates(value, folder));
    let settings = table.take("tls");
    let Some(written) = written else {
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
    let certificates = certificates??;
    if certificates.is_empty() {
        return written.reject_with("`certificates` is empty", "add one, or remove the key to serve without TLS");
    }
    Some(Some(ServerTls { certificates, ..tls? }))
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
    Some(ServerTls { certificates: Vec::new(), versions, handshake_timeout, clients: clients?, tickets })
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
        }
    }
}
