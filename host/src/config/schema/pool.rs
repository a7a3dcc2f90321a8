//! `[pool.NAME]` and its backends.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::plugin::Plugins;
use super::table::Table;
use super::value::Value;
use super::{
    address, capacity, discovery, feedback, health, outlier, protocol, proxy_protocol, recovery, retry, sockets, tls,
    values,
};
use crate::config::report::{Finding, Sink};
use crate::config::{Address, Backend, Capacity, Pool, Protocol};

/// What picks where nothing is configured.
const DEFAULT_BALANCER: &str = "round-robin";
/// What to do against bindings that end with the process.
const SECRET: &str = "add `secret_file` to `[server]`: at least 16 random bytes, the same for fellow balancers";

/// `[pool.NAME]`; `header` is where the name is written. `forgets` says that the process has no `secret_file`; relative
/// paths start at `folder`.
pub(super) fn pool(
    mut table: Table<'_>,
    header: Range<usize>,
    plugins: &Plugins<'_>,
    forgets: bool,
    folder: &Path,
) -> Option<Pool> {
    let balancer = match table.take("balancer") {
        Some(value) => plugins.chain(value),
        None => plugins.default(DEFAULT_BALANCER, header.clone(), table.sink()).map(|used| vec![used]),
    };
    // Outer none: it has errors.
    let affinity = match table.take("affinity") {
        Some(value) => {
            if forgets {
                let finding =
                    Finding::warning(value.span(), "without a secret, clients are bound until a restart only");
                table.sink().push(finding.absence().help(SECRET));
            }
            plugins.used(value).map(Some)
        }
        None => Some(None),
    };
    let written = table.take("backends");
    let backends = written.and_then(|value| backends(value, table.sink()));
    let source = table.take("discover");
    let discover = source.and_then(|value| discovery::discover(value, folder));
    let feedback = table.or("feedback", None, feedback::feedback);
    if source.is_none() && (written.is_none() || backends.as_ref().is_some_and(Vec::is_empty)) {
        let finding = Finding::warning(header, "this pool has no backends: requests to it get 503");
        table.sink().push(finding.absence().help("add `backends = [\"10.0.0.1:80\"]`"));
    }
    let timeout = || values::duration(values::TIMEOUT);
    let connect_timeout = table.or("connect_timeout", Duration::from_secs(5), timeout());
    let response_timeout = table.or("response_timeout", Duration::from_secs(60), timeout());
    let idle_timeout = table.or("idle_timeout", Duration::from_secs(60), timeout());
    let max_idle = table.or("max_idle", 256, values::whole(0..=65_535));
    let request_timeout = table.or("request_timeout", None, values::or_false(timeout()));
    let tunnel_timeout = table.or("tunnel_timeout", Some(Duration::from_secs(60 * 60)), values::or_false(timeout()));
    let retry = retry::retry(&mut table);
    let tcp = sockets::tcp_options(&mut table);
    let introduction = table.take("proxy_protocol");
    let posing = table.take("transparent");
    let transparent = posing.and_then(|value| value.boolean()).unwrap_or(false);
    let proxy_protocol = introduction.and_then(proxy_protocol::sent).flatten();
    let health = table.optional("health", |value| health::health(value, proxy_protocol, folder));
    let outlier = table.or("outlier", None, outlier::outlier);
    let recovery = recovery::recovery(&mut table);
    let limits = table.optional("limits", capacity::limits).unwrap_or_default();
    let tls_written = table.take("tls");
    let tls = tls_written.and_then(|value| tls::tls(value, folder));
    // With errors of its own, it is there.
    let has_tls = tls_written.is_some() && tls != Some(None);
    let protocol = protocol::protocol(&mut table, has_tls);
    let limits =
        Capacity { streams: if let Protocol::Http2 { max_streams } = protocol { max_streams } else { 1 }, ..limits };
    if let (Some(value), Some(_), true) = (introduction, proxy_protocol, protocol != Protocol::Http1) {
        let _: Option<()> = value.reject_with(
            "with HTTP/2, requests of all clients share a connection, which a PROXY header tells to be from one",
            "remove it, or write `protocol = \"http/1.1\"`",
        );
    }
    if let (Some(value), true, true) = (posing, transparent, protocol != Protocol::Http1) {
        let _: Option<()> = value.reject_with(
            "with HTTP/2, requests of all clients share a connection, which comes from one address",
            "remove it, or write `protocol = \"http/1.1\"`",
        );
    }
    let is_local = |backend: &Backend| matches!(backend.address, Address::Unix(_));
    if let (Some(value), true, Some(true)) =
        (posing, transparent, backends.as_ref().map(|all| all.iter().any(is_local)))
    {
        let _: Option<()> = value.reject_with(
            "a connection to a Unix socket comes from no address, and this pool has a backend of that kind",
            "remove it, or tell backends by `proxy_protocol`",
        );
    }
    table.finish();
    let backends = if written.is_some() { backends? } else { Vec::new() };
    Some(Pool {
        balancer: balancer?,
        affinity: affinity?,
        backends,
        discover,
        feedback,
        connect_timeout,
        response_timeout,
        idle_timeout,
        max_idle,
        request_timeout,
        retry,
        health,
        outlier,
        recovery,
        limits,
        tls: tls.flatten(),
        tunnel_timeout,
        tcp,
        proxy_protocol,
        transparent,
        protocol,
    })
}

/// A backend, and where it says what must be unique.
struct Written {
    backend: Backend,
    id: Range<usize>,
    address: Range<usize>,
}

/// A list of backends, no two of the same id or address.
pub(super) fn backends(value: Value<'_>, sink: &Sink) -> Option<Vec<Backend>> {
    let read: Vec<Option<Written>> = value.list("a list of backends", "[\"10.0.0.1:80\"]")?.map(backend).collect();
    let complete = read.iter().all(Option::is_some);
    let written: Vec<Written> = read.into_iter().flatten().collect();
    report_duplicates(&written, sink);
    complete.then(|| written.into_iter().map(|written| written.backend).collect())
}

fn report_duplicates(written: &[Written], sink: &Sink) {
    let mut ids: BTreeMap<&str, &Written> = BTreeMap::new();
    let mut addresses: HashMap<&Address, &Written> = HashMap::new();
    for this in written {
        // The same address without ids is one mistake, not two.
        if let Some(first) = addresses.get(&this.backend.address) {
            let finding = Finding::error(this.address.clone(), "this pool has two backends of this address");
            sink.push(
                finding.related(first.address.clone(), "the first is here").help("give one of them more `weight`"),
            );
        } else if let Some(first) = ids.get(&*this.backend.id) {
            let message = format!("this pool has two backends with the id `{}`", this.backend.id);
            let finding = Finding::error(this.id.clone(), message);
            sink.push(finding.related(first.id.clone(), "the first is here").help("an id is unique in its pool"));
        }
        ids.entry(&this.backend.id).or_insert(this);
        addresses.entry(&this.backend.address).or_insert(this);
    }
}

/// `"10.0.0.1:8080"`, or a table.
fn backend(value: Value<'_>) -> Option<Written> {
    match value.raw() {
        DeValue::String(text) => {
            let address = address::backend(value)?;
            let backend = Backend {
                id: (&**text).into(),
                address,
                weight: 1,
                backup: false,
                draining: false,
                labels: BTreeMap::new(),
                max_requests: None,
            };
            Some(Written { backend, id: value.span(), address: value.span() })
        }
        DeValue::Table(_) => backend_table(value.table("a backend")?),
        _ => value
            .wrong_type("a list of backends", "write `\"10.0.0.1:80\"` or `{ address = \"10.0.0.1:80\", weight = 3 }`"),
    }
}

fn backend_table(mut table: Table<'_>) -> Option<Written> {
    let address = table.required("address", "address = \"10.0.0.1:80\"", |value| {
        let text: Arc<str> = value.raw().as_str().unwrap_or_default().into();
        address::backend(value).map(|address: Address| (address, text, value.span()))
    });
    let has_id = table.take("id");
    let id = has_id.and_then(values::name);
    let states = [("ready", false), ("draining", true)];
    let weight = table.or("weight", 1, values::whole(0..=65_535));
    let backup = table.or("backup", false, |value| value.boolean());
    let draining = table.or("state", false, values::word(&states));
    let labels = table.optional("labels", |value| values::texts(value, |name, _| Some(name.to_owned())));
    let max_requests = table.optional("max_requests", values::whole(capacity::LIMIT));
    table.finish();
    let labels = labels.unwrap_or_default().into_iter().map(|(name, text)| (name, text.as_ref().to_owned())).collect();
    let (address, text, address_span) = address?;
    let (id, id_span) = match has_id {
        Some(value) => (id?, value.span()),
        None => (text, address_span.clone()),
    };
    let backend = Backend { id, address, weight, backup, draining, labels, max_requests };
    Some(Written { backend, id: id_span, address: address_span })
}
