//! TLS towards a backend: `tls`.
//!
//! Only what may be written; the files that it names are not touched here.

use std::path::Path;
use std::sync::Arc;

use toml::de::DeValue;

use super::table::Table;
use super::value::Value;
use super::{address, path};
use crate::config::report::Finding;
use crate::config::{Identity, Tls};

/// `true`, `false`, or `{ ca = "ca.pem", server_name = "app.internal" }`.
pub(super) fn tls(value: Value<'_>, folder: &Path) -> Option<Option<Tls>> {
    match value.raw() {
        DeValue::Boolean(false) => Some(None),
        DeValue::Boolean(true) => Some(Some(Tls::default())),
        DeValue::Table(_) => tls_table(value.table("`tls = { … }`")?, folder).map(Some),
        _ => value.wrong_type("true, false or a table", "write `true`, `false` or `{ ca = \"ca.pem\" }`"),
    }
}

fn tls_table(mut table: Table<'_>, folder: &Path) -> Option<Tls> {
    let ca_written = table.take("ca");
    let ca = ca_written.and_then(|value| path(value, folder));
    let server_name = table.optional("server_name", server_name);
    let (cert_written, key_written) = (table.take("cert"), table.take("key"));
    let [cert, key] = [cert_written, key_written].map(|written| written.and_then(|value| path(value, folder)));
    let insecure = table.or("insecure", false, |value| value.boolean());
    let (span, sink) = (table.span(), table.sink());
    table.finish();
    for (has, misses, example) in [
        (cert_written, key_written, "add `key = \"client.key\"`, its private key"),
        (key_written, cert_written, "add `cert = \"client.pem\"`, the certificate that it belongs to"),
    ] {
        if let (Some(has), None) = (has, misses) {
            let finding = Finding::error(span.clone(), format_args!("`{}` alone shows nobody who we are", has.key()));
            sink.push(finding.help(example));
        }
    }
    if let (true, Some(ca)) = (insecure, ca_written) {
        return ca.reject_with("with `insecure`, any certificate is taken, whatever `ca` is", "remove one of them");
    }
    let identity = cert.zip(key).map(|(cert, key)| Identity { cert, key });
    Some(Tls { ca, server_name, identity, insecure })
}

/// A name or an IP address, as a certificate has it.
fn server_name(value: Value<'_>) -> Option<Arc<str>> {
    let text = value.string("a name in quotes", "app.internal")?;
    if address::is_name(text) || text.parse::<std::net::IpAddr>().is_ok() {
        return Some(text.to_ascii_lowercase().into());
    }
    value.reject_with(
        format_args!("\"{text}\" is no name that a certificate can have"),
        "write a host's name, such as `\"app.internal\"`, without port",
    )
}
