//! One host with a pool that a stranger steers, and another beside it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use trimtab_tests::backend::entry;
use trimtab_tests::unreachable::Refusing;
use trimtab_tests::{Backend, Folder, Host, Setup, eventually, plugin};

/// Connections to each pool. That a worker has none of them all happens once in 30 000 times, and fails no test.
const CONNECTIONS: usize = 8;
/// Requests to each pool where a test does not say otherwise.
const REQUESTS: usize = 1000;

/// A plugin, and where it stands.
pub(super) struct Stranger {
    component: Vec<u8>,
    place: Place,
    lines: String,
    breaker: String,
}

#[derive(Clone, Copy)]
enum Place {
    Balancer,
    Affinity,
    Router,
}

impl Stranger {
    /// The balancer of the pool.
    pub(super) fn balancer(component: Vec<u8>) -> Self {
        Self { component, place: Place::Balancer, lines: String::new(), breaker: "false".to_owned() }
    }

    /// A fixture as the balancer of the pool.
    pub(super) fn fixture(fixture: &str) -> Self {
        Self::balancer(plugin::balancer(fixture))
    }

    /// `balancer.wat` with these parts as the balancer of the pool.
    pub(super) fn of(parts: &[(&str, &str)]) -> Self {
        Self::balancer(written(parts))
    }

    /// The affinity of the pool.
    pub(super) fn affinity(component: Vec<u8>) -> Self {
        Self { place: Place::Affinity, ..Self::balancer(component) }
    }

    /// The router of the route, where this is the body of `route`.
    pub(super) fn router(head: &str, route: &str) -> Self {
        let text = plugin::placed("destination.wat", &[("head", head)]).replace("DESTINATION", route);
        Self { place: Place::Router, ..Self::balancer(plugin::component(&text, "router-plugin", None)) }
    }

    /// Further lines of `[plugin.mine]`.
    pub(super) fn with(mut self, lines: &str) -> Self {
        self.lines = [&self.lines, lines, "\n"].concat();
        self
    }

    /// Its breaker, which there is none of otherwise: faults go on for as long as the load does.
    pub(super) fn breaker(mut self, breaker: &str) -> Self {
        self.breaker = breaker.to_owned();
        self
    }

    /// Lets it in.
    pub(super) fn enter(self) -> Arena {
        Arena::start(self, |setup| setup)
    }

    /// The same with a first backend that refuses connections.
    pub(super) fn enter_with_refusing(self) -> (Arena, Refusing) {
        let refusing = Refusing::new();
        let first = entry("gone", refusing.address(), "");
        let arena = Arena::start(self, |mut setup| {
            setup.backends.insert(0, first);
            setup
        });
        (arena, refusing)
    }

    /// The same with so many of it in a row.
    pub(super) fn enter_chain(self, length: usize) -> Arena {
        let chain = vec!["'mine'"; length].join(", ");
        Arena::start(self, |mut setup| {
            setup.pool = format!("balancer = [{chain}]\n");
            setup
        })
    }
}

/// `balancer.wat` with these parts.
pub(super) fn written(parts: &[(&str, &str)]) -> Vec<u8> {
    plugin::component(&plugin::placed("balancer.wat", parts), "balancer-plugin", None)
}

/// Two pools behind two routes, two workers: `web` with `a` and `b`, steered by the plugin `mine`, under `/hostile`, and
/// `calm` with `c` and `d`, in turn, under `/calm`. A router may choose between `web` and `next` with `spare`.
pub(super) struct Arena {
    pub(super) host: Host,
    hostile: [Backend; 3],
    calm: [Backend; 2],
    place: Place,
    begin: Instant,
}

impl Arena {
    fn start(stranger: Stranger, change: impl FnOnce(Setup) -> Setup) -> Self {
        let (hostile, calm) = (["a", "b", "spare"].map(Backend::echo), ["c", "d"].map(Backend::echo));
        let Stranger { component, place, lines, breaker } = stranger;
        let (pool, router) = match place {
            Place::Balancer => ("balancer = 'mine'", ""),
            Place::Affinity => ("affinity = 'mine'", ""),
            Place::Router => ("", "router = { plugin = 'mine', pools = ['web', 'next'] }"),
        };
        let folder = Folder::new();
        folder.write("mine.wasm", component);
        let plugin = format!("[plugin.mine]\ncomponent = 'mine.wasm'\nbreaker = {breaker}\n{lines}");
        let routes = format!(
            "[[route]]\nname = 'hostile'\npath = '/hostile'\npool = 'web'\n{router}\n\
             [[route]]\nname = 'calm'\npath = '/calm'\npool = 'calm'"
        );
        let pools = format!(
            "[pool.calm]\nbackends = [{}, {}]\n[pool.next]\nbackends = [{}]",
            calm[0].entry(),
            calm[1].entry(),
            hostile[2].entry()
        );
        let setup = Setup::over(&[&hostile[0], &hostile[1]]).pool(pool).more(&routes).more(&pools).more(&plugin);
        let begin = Instant::now();
        Self { host: change(setup).start_in(folder), hostile, calm, place, begin }
    }

    /// Requests to both pools, each of which must be answered with 200.
    pub(super) fn load(&self) {
        self.load_of(REQUESTS);
    }

    /// So many to each.
    pub(super) fn load_of(&self, requests: usize) {
        self.load_with(requests, "", 200, || ());
    }

    /// Requests to both pools for as long as `act` takes, and the usual number at least.
    pub(super) fn load_during<T>(&self, act: impl FnOnce() -> T) -> T {
        self.load_with(REQUESTS, "", 200, act)
    }

    /// The same, with these header lines and this status of what goes to the stranger's pool.
    pub(super) fn load_with<T>(&self, requests: usize, lines: &str, status: u16, act: impl FnOnce() -> T) -> T {
        let acting = AtomicBool::new(true);
        let left = [(); 2].map(|()| AtomicUsize::new(requests));
        let connection = |(path, pool, status): (&str, usize, u16)| {
            let mut client = self.host.client();
            let spend = |left: usize| left.checked_sub(1);
            while left[pool].fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
                || acting.load(Ordering::Relaxed)
            {
                let response = client.get_with(path, lines);
                assert_eq!(response.status, status, "{path}: {}", response.text());
                let by = response.backend();
                let ours = [&self.hostile[..], &self.calm][pool].iter().any(|backend| backend.name() == by);
                assert!(ours || status != 200, "{path} by {by}");
            }
        };
        thread::scope(|scope| {
            let _done = Done(&acting);
            for _ in 0..CONNECTIONS {
                scope.spawn(|| connection(("/hostile", 0, status)));
                scope.spawn(|| connection(("/calm", 1, 200)));
            }
            act()
        })
    }

    /// Who answers where a plugin decides that always answers the first backend, or the second pool.
    pub(super) fn plugins_choice(&self) -> &'static str {
        if matches!(self.place, Place::Router) { "spare" } else { "a" }
    }

    /// A backend that is not in the stranger's pool yet.
    pub(super) fn spare(&self) -> SocketAddr {
        self.hostile[2].address()
    }

    /// Faults of the stranger so far.
    pub(super) fn faults(&self) -> f64 {
        self.host.metrics().sum("trimtab_plugin_faults_total", &[("plugin", "mine")])
    }

    /// It failed, always in this way, and metrics and log say so.
    pub(super) fn has_fault(&self, kind: &str) {
        // Of one moment: an observer may fail once more after the load.
        let metrics = self.host.metrics();
        let count = |labels: &[_]| metrics.sum("trimtab_plugin_faults_total", labels);
        let (all, of_kind) = (count(&[("plugin", "mine")]), count(&[("plugin", "mine"), ("kind", kind)]));
        assert!(all > 0.0 && all == of_kind, "{of_kind} faults of kind {kind}, {all} in all\n{}", self.host.log());
        self.said(kind);
        self.calm_is_untouched();
    }

    /// It did not fail.
    pub(super) fn has_no_fault(&self) {
        assert_eq!(self.faults(), 0.0, "{}", self.host.log());
        self.calm_is_untouched();
    }

    /// Lines of the log about faults of this kind.
    fn said_of(&self, kind: &str) -> Vec<Value> {
        let log = self.host.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["kind"] == kind).collect()
    }

    /// The log names plugin, generation, place and kind, and not more often than once a second.
    fn said(&self, kind: &str) {
        eventually("the log says what happened", || !self.said_of(kind).is_empty());
        let (lines, seconds) = (self.said_of(kind), self.begin.elapsed().as_secs());
        for line in &lines {
            assert_eq!((&line["plugin"], &line["generation"]), (&"mine".into(), &1.into()), "{line}");
            assert!(line["place"] == "pool `web`" || line["place"] == "route `hostile`", "{line}");
        }
        assert!(lines.len() as u64 <= seconds + 1, "{} lines in {seconds} s: {lines:?}", lines.len());
    }

    /// The pool beside it: no fault, no fallback, its backends exactly in turn.
    fn calm_is_untouched(&self) {
        let metrics = self.host.metrics();
        for counted in ["trimtab_plugin_faults_total", "trimtab_fallbacks_total", "trimtab_refusals_total"] {
            assert_eq!(metrics.sum(counted, &[("pool", "calm")]), 0.0, "{counted}");
        }
        let [c, d] = self.calm.each_ref().map(Backend::requests);
        assert!(c > 0 && c.abs_diff(d) <= 1, "in turn: {c} and {d}");
        assert!(!self.host.log().contains("panicked"), "{}", self.host.log());
    }
}

/// Says that the act is over, even where it panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
