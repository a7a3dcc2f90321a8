//! `discover = { … }`: where a pool's backends come from. What is found there is not known here.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::table::Table;
use super::value::Value;
use super::{address, path, values};
use crate::config::{Address, Discovery, DnsQuestion, DnsSource, Holds};

/// What an answer may hold: a name server must not be asked all the time, and a day is meant to be for ever.
const HOLD: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(24 * 60 * 60);
const MIN_TTL: Duration = Duration::from_secs(1);
const MAX_TTL: Duration = Duration::from_secs(5 * 60);
const EXAMPLE: &str = "{ dns = \"app.internal:8080\" }";
/// The port that name servers listen on.
const DNS_PORT: u16 = 53;

/// `discover = { dns = "app.internal:8080" }`, `{ srv = … }` or `{ file = … }`.
pub(super) fn discover(value: Value<'_>, folder: &Path) -> Option<Discovery> {
    if !matches!(value.raw(), DeValue::Table(_)) {
        return value.wrong_type("a table", format_args!("write `{EXAMPLE}`"));
    }
    let mut table = value.table("`discover = { … }`")?;
    let sources = [table.take("dns"), table.take("srv"), table.take("file")];
    let found = match sources {
        [Some(_), Some(other), _] | [Some(_), None, Some(other)] | [None, Some(_), Some(other)] => {
            other.reject_with("a pool has one source of backends", "write one of `dns`, `srv` and `file`")
        }
        [Some(dns), None, None] => {
            let weight = table.or("weight", 1, values::whole(0..=65_535));
            dns_source(&mut table, addresses(dns), weight)
        }
        [None, Some(srv), None] => {
            if let Some(weight) = table.take("weight") {
                let _: Option<()> = weight.reject_with("SRV records have weights of their own", "remove `weight`");
            }
            dns_source(&mut table, services(srv), 1)
        }
        [None, None, Some(file)] => path(file, folder).map(Discovery::File),
        [None, None, None] => value.reject_with(
            "`discover` has neither `dns` nor `srv` nor `file`",
            format_args!(
                "write `{EXAMPLE}`, `{{ srv = \"_http._tcp.app.internal\" }}` or `{{ file = \"backends.json\" }}`"
            ),
        ),
    };
    if found.is_some() || sources.iter().flatten().count() == 1 {
        table.finish();
    }
    found
}

fn dns_source(table: &mut Table<'_>, question: Option<DnsQuestion>, weight: u32) -> Option<Discovery> {
    let resolvers = table.or("resolver", Vec::new(), resolvers);
    let labels = table.optional("labels", |value| values::texts(value, |name, _| Some(name.to_owned())));
    let labels = labels.unwrap_or_default().into_iter().map(|(name, text)| (name, text.as_ref().to_owned())).collect();
    let holds = holds(table)?;
    let question = question?;
    Some(Discovery::Dns(DnsSource { question, resolvers, holds, weight, labels }))
}

/// `min_ttl` and `max_ttl`, or `refresh`.
fn holds(table: &mut Table<'_>) -> Option<Holds> {
    let [refresh, min, max] = ["refresh", "min_ttl", "max_ttl"].map(|key| table.take(key));
    let read = |value: Value<'_>| values::duration(HOLD)(value);
    if let Some(refresh) = refresh {
        if let Some(ttl) = min.or(max) {
            return ttl.reject_with(
                format_args!("with `refresh` the records' TTL counts for nothing, nor does `{}`", ttl.key()),
                "remove one of them",
            );
        }
        return read(refresh).map(Holds::Always);
    }
    let least = min.map_or(Some(MIN_TTL), read);
    let longest = match max {
        Some(max) => read(max),
        None => Some(MAX_TTL.max(least.unwrap_or_default())),
    };
    let (least, longest) = (least?, longest?);
    match (min.or(max), longest < least) {
        (Some(value), true) => value.reject_with(
            "`min_ttl` is longer than `max_ttl`",
            format_args!("the default of `min_ttl` is {}", humantime::format_duration(MIN_TTL)),
        ),
        _ => Some(Holds::ItsTtl { min: least, max: longest }),
    }
}

/// `"app.internal:8080"`
fn addresses(value: Value<'_>) -> Option<DnsQuestion> {
    match address::backend(value)? {
        Address::Name(name, port) => Some(DnsQuestion::Addresses(name, port)),
        address => value.reject_with(
            format_args!("\"{address}\" is no name: there is nothing to ask for"),
            format_args!("write `backends = [\"{address}\"]` instead of `discover`"),
        ),
    }
}

/// `"_http._tcp.app.internal"`
fn services(value: Value<'_>) -> Option<DnsQuestion> {
    let text = value.string("a name", "_http._tcp.app.internal")?;
    if let Some((name, _)) = text.split_once(':') {
        return value.reject_with(
            format_args!("\"{text}\" has a port, and so have the records"),
            format_args!("write `\"{name}\"`, or `dns` in place of `srv`"),
        );
    }
    if text.is_empty() || !address::is_name(text) || text.parse::<IpAddr>().is_ok() {
        return value.reject_with(
            format_args!("\"{text}\" is no name"),
            "write a name that has SRV records, such as `\"_http._tcp.app.internal\"`",
        );
    }
    Some(DnsQuestion::Services(text.to_ascii_lowercase().into()))
}

/// `["10.0.0.53", "[::1]:5353"]`
fn resolvers(value: Value<'_>) -> Option<Vec<SocketAddr>> {
    let example = match value.raw().as_str() {
        Some(text) => format!("[\"{text}\"]"),
        None => "[\"10.0.0.53\"]".to_owned(),
    };
    let list: Vec<Option<SocketAddr>> = value.list("a list of addresses", &example)?.map(resolver).collect();
    if list.is_empty() {
        return value.reject_with("there is no name server to ask", "name one, or remove `resolver` for the system's");
    }
    list.into_iter().collect()
}

fn resolver(value: Value<'_>) -> Option<SocketAddr> {
    let text = value.string("the address of a name server", "10.0.0.53")?;
    let read = text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse().ok()?, DNS_PORT)));
    match read {
        Some(address) if address.port() != 0 => Some(address),
        _ => value.reject_with(
            format_args!("\"{text}\" is no address of a name server"),
            "write `\"10.0.0.53\"`, or with a port `\"10.0.0.53:5353\"`",
        ),
    }
}
