//! `/metrics`, in Prometheus' text format.

mod capacity;
mod carried;

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::time::Duration;

use super::{PluginStatus, SourceStatus};
use crate::decide::{FaultKind, OutcomeKind, Readiness};
use crate::snapshot::shadow::Compared;
use crate::snapshot::{BreakerState, Comparison, Ejection, Element, Listener, Slot, Snapshot, Used};
use crate::telemetry::counters::{DECISION_BOUNDS, Decisions, Histogram, REQUEST_BOUNDS};

/// Everything that is counted.
pub(super) fn render(
    snapshot: &Snapshot,
    plugins: &BTreeMap<Arc<str>, PluginStatus>,
    sources: &BTreeMap<Arc<str>, SourceStatus>,
    uptime: Duration,
) -> String {
    let mut page = Page(String::new());
    page.about("trimtab_info", "gauge", "Always 1; the version.");
    page.sample("trimtab_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.about("trimtab_uptime_seconds", "gauge", "Since the process started.");
    page.sample("trimtab_uptime_seconds", &[], uptime.as_secs_f64());
    requests(&mut page, snapshot);
    carried::carried(&mut page, snapshot);
    carried::datagrams(&mut page, snapshot);
    backends(&mut page, snapshot);
    nonsense(&mut page, snapshot);
    discovery(&mut page, snapshot, sources);
    capacity::capacity(&mut page, snapshot);
    decisions(&mut page, snapshot);
    shadows(&mut page, plugins);
    page.0
}

fn requests(page: &mut Page, snapshot: &Snapshot) {
    const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
    let name = "trimtab_requests_total";
    page.about(name, "counter", "Requests that ended, by class of status; none: the client left before a response.");
    for_traffic(snapshot, |listener, pool, traffic| {
        for (class, code) in CLASSES.into_iter().enumerate() {
            let count = traffic.sum(|cell| cell.classes[class].get());
            if count > 0 {
                page.sample(name, &[("listener", &listener.name), ("pool", pool), ("code", code)], count);
            }
        }
    });
    let name = "trimtab_request_duration_seconds";
    page.about(name, "histogram", "From the request's head to the end of the response.");
    for listener in &snapshot.listeners {
        let sum = |read: &dyn Fn(&crate::telemetry::counters::Traffic) -> u64| {
            listener.traffic.iter().map(|traffic| traffic.sum(read)).sum::<u64>()
        };
        let buckets = (0..=REQUEST_BOUNDS.len()).map(|position| sum(&|cell| cell.durations.bucket(position)));
        page.histogram(
            name,
            &[("listener", &listener.name)],
            &REQUEST_BOUNDS,
            buckets,
            sum(&|cell| cell.durations.sum_ns()),
        );
    }
    let name = "trimtab_requests_in_flight";
    page.about(name, "gauge", "Requests that are being answered.");
    for listener in &snapshot.listeners {
        let count: u64 = listener.traffic.iter().map(|traffic| traffic.sum(|cell| cell.in_flight.get())).sum();
        page.sample(name, &[("listener", &listener.name)], count);
    }
    let name = "trimtab_tunnels";
    page.about(name, "gauge", "Open upgraded connections, such as WebSockets.");
    for_traffic(snapshot, |listener, pool, traffic| {
        let count = traffic.sum(|cell| cell.tunnels.get());
        if count > 0 {
            page.sample(name, &[("listener", &listener.name), ("pool", pool)], count);
        }
    });
    let name = "trimtab_connections";
    page.about(name, "gauge", "Open client connections.");
    for listener in &snapshot.listeners {
        page.sample(name, &[("listener", &listener.name)], listener.connections.sum(|counter| counter.get()));
    }
}

fn for_traffic(
    snapshot: &Snapshot,
    mut each: impl FnMut(&Listener, &str, &crate::telemetry::counters::PerWorker<crate::telemetry::counters::Traffic>),
) {
    for listener in &snapshot.listeners {
        for (number, traffic) in listener.traffic.iter().enumerate() {
            each(listener, snapshot.pools.get(number).map_or("", |pool| &pool.name), traffic);
        }
    }
}

fn backends(page: &mut Page, snapshot: &Snapshot) {
    let name = "trimtab_backend_requests_total";
    page.about(name, "counter", "Attempts that ended, by outcome.");
    for_backends(snapshot, |labels, backend, _| {
        for kind in OutcomeKind::ALL {
            let [pool, id] = *labels;
            page.sample(name, &[pool, id, ("outcome", kind.as_str())], backend.outcomes(kind));
        }
    });
    let name = "trimtab_backend_in_flight";
    page.about(name, "gauge", "Requests in flight.");
    for_backends(snapshot, |labels, backend, _| page.sample(name, labels, backend.load.in_flight()));
    let name = "trimtab_backend_ready";
    page.about(name, "gauge", "1 when new clients may be given it.");
    for_backends(snapshot, |labels, _, state| page.sample(name, labels, u8::from(state == Readiness::Ready)));
    let name = "trimtab_backend_ejected";
    page.about(name, "gauge", "1 while its outcomes keep it out, 0.5 while one request is to try it, else 0.");
    for pool in &snapshot.pools {
        for member in &pool.members {
            let ejected = match member.condition.ejection {
                Ejection::None => 0.0,
                Ejection::Trial => 0.5,
                Ejection::Ejected => 1.0,
            };
            page.sample(name, &[("pool", &pool.name), ("backend", &member.backend.id)], ejected);
        }
    }
    checks(page, snapshot);
    let name = "trimtab_backend_latency_seconds";
    page.about(name, "gauge", "Average latency to the response head, sensitive to peaks.");
    for_backends(snapshot, |labels, backend, _| {
        if let Some(us) = backend.load.latency_us() {
            page.sample(name, labels, f64::from(us) / 1e6);
        }
    });
}

/// Of the backends that are checked.
fn checks(page: &mut Page, snapshot: &Snapshot) {
    let name = "trimtab_backend_healthy";
    page.about(
        name,
        "gauge",
        "1 while active checks find it well, 0 while they do not; nothing before the first result.",
    );
    for_backends(snapshot, |labels, backend, _| {
        if let Some(healthy) = backend.checkup.load().as_ref().and_then(|checkup| checkup.healthy) {
            page.sample(name, labels, u8::from(healthy));
        }
    });
    let name = "trimtab_health_checks_total";
    page.about(name, "counter", "Active checks, by result. Pools that ask the same of an address share a check.");
    for_backends(snapshot, |labels, backend, _| {
        if let Some(checkup) = backend.checkup.load().as_ref() {
            let [pool, id] = *labels;
            for (result, count) in [("passed", checkup.passed), ("failed", checkup.failed)] {
                page.sample(name, &[pool, id, ("result", result)], count);
            }
        }
    });
}

fn for_backends(snapshot: &Snapshot, mut each: impl FnMut(&[(&str, &str); 2], &crate::pool::Backend, Readiness)) {
    for pool in &snapshot.pools {
        for (member, row) in pool.members.iter().zip(&*pool.rows) {
            each(&[("pool", &pool.name), ("backend", &member.backend.id)], &member.backend, row.readiness);
        }
    }
}

fn decisions(page: &mut Page, snapshot: &Snapshot) {
    // A plugin may stand twice in one chain.
    let mut places: BTreeMap<[(&str, &str); 3], Vec<&Arc<Element>>> = BTreeMap::new();
    for used in snapshot.uses() {
        let labels = [("plugin", &**used.element.definition.name()), place(&used), ("role", used.role)];
        places.entry(labels).or_default().push(used.element);
    }
    let name = "trimtab_decision_seconds";
    page.about(name, "histogram", "Time of a decision, from setting its deadline to the checked answer.");
    for (labels, elements) in &places {
        let sum =
            |read: &dyn Fn(&Decisions) -> u64| elements.iter().map(|element| element.decisions.sum(read)).sum::<u64>();
        let buckets = (0..=DECISION_BOUNDS.len()).map(|position| sum(&|cell| cell.times.bucket(position)));
        page.histogram(name, labels, &DECISION_BOUNDS, buckets, sum(&|cell| cell.times.sum_ns()));
    }
    let name = "trimtab_plugin_faults_total";
    page.about(name, "counter", "Decisions that the plugin could not be had for, by kind.");
    for (labels, elements) in &places {
        for kind in FaultKind::ALL {
            let count: u64 =
                elements.iter().map(|element| element.decisions.sum(|cell| cell.faults[kind as usize].get())).sum();
            let [plugin, place, role] = *labels;
            page.sample(name, &[plugin, place, role, ("kind", kind.as_str())], count);
        }
    }
    let name = "trimtab_breaker_open";
    page.about(name, "gauge", "1 while nobody asks the plugin, 0.5 while one worker tries it again, else 0.");
    for (labels, elements) in &places {
        let state = elements.iter().map(|element| match element.health.state() {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 0.5,
            BreakerState::Open => 1.0,
        });
        page.sample(name, labels, state.fold(0.0, f64::max));
    }
    let name = "trimtab_breaker_opened_total";
    page.about(name, "counter", "How often the plugin failed so often that it was not asked for a while.");
    for (labels, elements) in &places {
        page.sample(name, labels, elements.iter().map(|element| element.health.opened()).sum::<u64>());
    }
    let name = "trimtab_plugin_generation";
    page.about(name, "gauge", "Number of the generation that decides.");
    for (labels, elements) in &places {
        let generation = elements.iter().map(|element| element.definition.generation()).max();
        page.sample(name, labels, generation.unwrap_or_default());
    }
    tables(page, snapshot);
    verdicts(page, snapshot);
}

/// How generations do that are compared.
fn shadows(page: &mut Page, plugins: &BTreeMap<Arc<str>, PluginStatus>) {
    let places = || {
        let each = |(plugin, status): (&'_ Arc<str>, &'_ PluginStatus)| {
            let plugin = plugin.to_string();
            let of = move |(slot, comparison): &(Slot, Arc<Comparison>)| {
                (plugin.clone(), slot.kind(), slot.name().to_string(), Arc::clone(comparison))
            };
            status.comparisons.iter().map(of).collect::<Vec<_>>()
        };
        plugins.iter().flat_map(each).collect::<Vec<_>>()
    };
    let places = places();
    if places.is_empty() {
        return;
    }
    let name = "trimtab_shadow_decisions_total";
    page.about(name, "counter", "Decisions that a generation made beside the one that decides, by whether they agree.");
    for (plugin, kind, place, comparison) in &places {
        let agreed = comparison.sum(|cell| cell.agreed.get());
        let differed = comparison.sum(|cell| cell.differed.get());
        for (word, count) in [("true", agreed), ("false", differed)] {
            page.sample(name, &[("plugin", plugin), (kind, place), ("agreed", word)], count);
        }
    }
    let name = "trimtab_shadow_decision_seconds";
    page.about(name, "histogram", "Time of a decision while two generations are compared.");
    for (plugin, kind, place, comparison) in &places {
        let labels = |which| [("plugin", plugin.as_str()), (*kind, place.as_str()), ("generation", which)];
        let buckets = |read: fn(&Compared) -> &Histogram<9>| {
            (0..=DECISION_BOUNDS.len()).map(move |bucket| comparison.sum(|cell| read(cell).bucket(bucket)))
        };
        let sum = |read: fn(&Compared) -> &Histogram<9>| comparison.sum(|cell| read(cell).sum_ns());
        let read: fn(&Compared) -> &Histogram<9> = |cell| &cell.deciding;
        page.histogram(name, &labels("deciding"), &DECISION_BOUNDS, buckets(read), sum(read));
        let read: fn(&Compared) -> &Histogram<9> = |cell| &cell.shadow;
        page.histogram(name, &labels("shadow"), &DECISION_BOUNDS, buckets(read), sum(read));
    }
    let name = "trimtab_shadow_answers_total";
    page.about(name, "counter", "Backends or pools that both generations answered.");
    for (plugin, kind, place, comparison) in &places {
        for (answer, counts) in comparison.answered() {
            for (which, count) in ["deciding", "shadow"].into_iter().zip(counts) {
                let labels = [("plugin", &**plugin), (*kind, &**place), ("answer", &**answer), ("generation", which)];
                page.sample(name, &labels, count);
            }
        }
    }
}

/// What backends say of themselves and makes no sense.
fn nonsense(page: &mut Page, snapshot: &Snapshot) {
    let name = "trimtab_backend_feedback_ignored_total";
    page.about(name, "counter", "Responses that say of their backend what makes no sense.");
    for pool in snapshot.pools.iter().filter(|pool| pool.policy.feedback.is_some()) {
        for backend in pool.members.iter().map(|member| &member.backend) {
            page.sample(name, &[("pool", &pool.name), ("backend", &backend.id)], backend.nonsense());
        }
    }
}

/// Where backends come from at run time.
fn discovery(page: &mut Page, snapshot: &Snapshot, sources: &BTreeMap<Arc<str>, SourceStatus>) {
    let name = "trimtab_discovery_answers_total";
    page.about(name, "counter", "Answers of a pool's source of backends.");
    for (pool, status) in sources {
        page.sample(name, &[("pool", pool)], status.answers);
    }
    let name = "trimtab_discovery_failures_total";
    page.about(name, "counter", "Times that a pool's source of backends did not answer, or with what cannot be used.");
    for (pool, status) in sources {
        page.sample(name, &[("pool", pool)], status.failures);
    }
    let name = "trimtab_discovery_backends";
    page.about(name, "gauge", "Backends that a pool has from its source.");
    for pool in snapshot.pools.iter().filter(|pool| sources.contains_key(&pool.name)) {
        let count = pool.members.iter().filter(|member| member.origin.is_discovered()).count();
        page.sample(name, &[("pool", &pool.name)], count);
    }
}

/// The label that says where a plugin decides.
fn place<'a>(used: &Used<'a>) -> (&'static str, &'a str) {
    if used.route.is_empty() { ("pool", used.pool) } else { ("route", used.route) }
}

/// What plugins share over workers.
fn tables(page: &mut Page, snapshot: &Snapshot) {
    // The uses of one plugin in one pool share a table.
    let mut tables = BTreeMap::new();
    for used in snapshot.uses().filter(|used| !used.element.table.is_empty()) {
        tables.insert([("plugin", &**used.element.definition.name()), place(&used)], &used.element.table);
    }
    page.about("trimtab_table_entries", "gauge", "Entries of a plugin's table.");
    for (labels, table) in &tables {
        page.sample("trimtab_table_entries", labels, table.len());
    }
    page.about("trimtab_table_bytes", "gauge", "What the entries of a plugin's table take of its quota.");
    for (labels, table) in &tables {
        page.sample("trimtab_table_bytes", labels, table.bytes());
    }
}

fn verdicts(page: &mut Page, snapshot: &Snapshot) {
    let places = || {
        let pools = snapshot.pools.iter().map(|pool| (("pool", &*pool.name), &pool.verdicts));
        pools.chain(snapshot.crossings.iter().flatten().map(|route| (("route", &*route.name), &route.verdicts)))
    };
    let name = "trimtab_fallbacks_total";
    page.about(name, "counter", "Decisions made by the fallback; of a route: by its own pool, as the router failed.");
    for (place, verdicts) in places() {
        page.sample(name, &[place], verdicts.sum(|cell| cell.fallbacks.get()));
    }
    let name = "trimtab_refusals_total";
    page.about(name, "counter", "Requests that a plugin refused.");
    for (place, verdicts) in places() {
        page.sample(name, &[place], verdicts.sum(|cell| cell.refusals.get()));
    }
    let name = "trimtab_retries_total";
    page.about(name, "counter", "Requests that were sent to another backend.");
    for pool in &snapshot.pools {
        page.sample(name, &[("pool", &pool.name)], pool.verdicts.sum(|cell| cell.retries.get()));
    }
    let name = "trimtab_retries_denied_total";
    page.about(name, "counter", "Requests that were not sent to another backend, as the budget was spent.");
    for pool in &snapshot.pools {
        page.sample(name, &[("pool", &pool.name)], pool.verdicts.sum(|cell| cell.unaffordable.get()));
    }
    let name = "trimtab_affinity_found_total";
    page.about(name, "counter", "Decisions made by the affinity: the client was bound.");
    for pool in snapshot.pools.iter().filter(|pool| pool.chain.affinity.is_some()) {
        page.sample(name, &[("pool", &pool.name)], pool.verdicts.sum(|cell| cell.found.get()));
    }
}

/// The text, line by line.
struct Page(String);

impl Page {
    fn about(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            self.0.push(if i == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn histogram(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        bounds_ns: &[u64],
        buckets: impl Iterator<Item = u64>,
        sum_ns: u64,
    ) {
        let mut total = 0;
        for (position, count) in buckets.enumerate() {
            total += count;
            let bound = bounds_ns.get(position).map_or("+Inf".to_owned(), |ns| (*ns as f64 / 1e9).to_string());
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.sample(&format!("{name}_bucket"), &labels, total);
        }
        self.sample(&format!("{name}_sum"), labels, sum_ns as f64 / 1e9);
        self.sample(&format!("{name}_count"), labels, total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_buckets_add_up() {
        let mut page = Page(String::new());
        page.sample("m", &[("a", "x\"y\\z\n"), ("b", "")], 1);
        page.histogram("h", &[], &[250, 1_000_000_000], [2, 0, 1].into_iter(), 1500);
        let expected = "m{a=\"x\\\"y\\\\z\\n\",b=\"\"} 1\nh_bucket{le=\"0.00000025\"} 2\nh_bucket{le=\"1\"} 2\n\
                        h_bucket{le=\"+Inf\"} 3\nh_sum 0.0000015\nh_count 3\n";
        assert_eq!(page.0, expected);
    }
}
