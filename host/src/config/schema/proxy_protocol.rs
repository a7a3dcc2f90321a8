//! `proxy_protocol`, of a listener and towards backends.

use toml::de::DeValue;

use super::table::Table;
use super::value::Value;
use super::{address, values};
use crate::config::{Others, ProxyProtocol, ProxyVersion};

/// `true`, `false`, or `{ from = ["10.0.0.0/8"], others = "plain", timeout = "5s" }`.
pub(super) fn accepted(value: Value<'_>) -> Option<Option<ProxyProtocol>> {
    match value.raw() {
        DeValue::Boolean(false) => Some(None),
        _ => values::switched(value, ProxyProtocol::default(), "{ from = [\"10.0.0.0/8\"] }", table).map(Some),
    }
}

fn table(mut table: Table<'_>) -> Option<ProxyProtocol> {
    let default = ProxyProtocol::default();
    let from = table.required("from", "from = [\"10.0.0.0/8\"]", address::peers);
    let others = table.or("others", default.others, values::word(&OTHERS));
    let timeout = table.or("timeout", default.timeout, values::duration(values::TIMEOUT));
    table.finish();
    Some(ProxyProtocol { from: from?, others, timeout })
}

const OTHERS: [(&str, Others); 2] = [("refuse", Others::Refuse), ("plain", Others::Plain)];

/// `"v1"`, `"v2"`, or `false`.
pub(super) fn sent(value: Value<'_>) -> Option<Option<ProxyVersion>> {
    values::or_false(values::word(&[("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)]))(value)
}
