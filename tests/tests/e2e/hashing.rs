//! Balancers that hash a key: the same key, the same backend, over all workers and while the pool changes.

use std::collections::BTreeMap;

use trimtab_tests::{Backend, Gate, Host, Setup, Tally, eventually};

/// Those with a key of the configuration, and the largest part of the keys of others that may move with a backend.
const HASHES: [(&str, f64); 3] = [("ring-hash", 0.0), ("maglev", 0.1), ("rendezvous", 0.0)];

/// Keys that are asked for.
const KEYS: usize = 90;

/// Who has each key.
type Owners = BTreeMap<String, String>;

fn keyed(plugin: &str, settings: &str) -> String {
    format!("balancer = {{ plugin = '{plugin}', key = 'header:x-user'{settings} }}")
}

fn header(key: &str) -> String {
    format!("x-user: {key}\r\n")
}

/// Asks twice for every key, each time on a new connection: some worker, and the other.
fn owners(host: &Host) -> Owners {
    let owner = |key: usize| {
        let key = format!("user-{key}");
        let [one, two] = [(); 2].map(|()| host.client().get_with("/", &header(&key)).backend().to_owned());
        assert_eq!(one, two, "{key} has one backend");
        assert!(!one.is_empty(), "{key} was answered");
        (key, one)
    };
    (0..KEYS).map(owner).collect()
}

/// The same after a change of the pool's members, which may be told to the workers one after the other.
fn settled(host: &Host) -> Owners {
    let ask = |key: usize| host.client().get_with("/", &header(&format!("user-{key}"))).backend().to_owned();
    let mut last = Vec::new();
    eventually("all workers know the new table", || {
        let now: Vec<_> = (0..KEYS).chain(0..KEYS).map(ask).collect();
        let same = now[..KEYS] == now[KEYS..] && now == last;
        last = now;
        same
    });
    owners(host)
}

/// The part of the keys that `gone` did not have and that have another backend now.
fn moved(before: &Owners, after: &Owners, gone: &str) -> f64 {
    let others: Vec<_> = before.iter().filter(|(_, owner)| *owner != gone).collect();
    let moved = others.iter().filter(|(key, owner)| after[*key] != **owner).count();
    moved as f64 / others.len() as f64
}

fn shares(owners: &Owners) -> BTreeMap<&str, usize> {
    let mut shares = BTreeMap::new();
    owners.values().for_each(|owner| *shares.entry(owner.as_str()).or_default() += 1);
    shares
}

#[test]
fn a_key_has_one_backend_and_a_removed_backend_moves_its_own_keys() {
    for (plugin, tolerated) in HASHES {
        let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
        let host = Setup::over(&[&a, &b, &c]).pool(&keyed(plugin, "")).start();
        let before = owners(&host);
        let shares = shares(&before);
        assert!(shares.len() == 3 && shares.values().all(|share| *share >= KEYS / 9), "{plugin}: {shares:?}");
        assert_eq!(host.admin("DELETE", "/pools/web/backends/b", "").0, 204);
        let after = settled(&host);
        assert!(after.values().all(|owner| owner != "b"), "{plugin}");
        assert!(moved(&before, &after, "b") <= tolerated, "{plugin}: {before:?}\n{after:?}");
    }
}

#[test]
fn keys_of_a_draining_backend_walk_on_and_come_back() {
    for (plugin, _) in HASHES {
        let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
        let host = Setup::over(&[&a, &b, &c]).pool(&keyed(plugin, "")).start();
        let before = owners(&host);
        for state in ["draining", "down"] {
            host.set_backend("web", "b", &format!(r#"{{"state":"{state}"}}"#));
            let without = owners(&host);
            assert_eq!(moved(&before, &without, "b"), 0.0, "{plugin}: nobody else's key moves");
            let walked: BTreeMap<_, _> = without.iter().filter(|(key, _)| before[*key] == "b").collect();
            assert!(walked.values().all(|owner| *owner != "b"), "{plugin}, {state}");
            assert!(
                walked.values().any(|owner| *owner == "a") && walked.values().any(|owner| *owner == "c"),
                "{plugin}: each key walks its own way: {walked:?}"
            );
            host.set_backend("web", "b", r#"{"state":"ready"}"#);
            assert_eq!(owners(&host), before, "{plugin}: they come back");
        }
    }
}

#[test]
fn keys_are_spread_by_weight() {
    for (plugin, _) in HASHES {
        let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
        let entries = [a.entry_with("weight = 6"), b.entry(), c.entry()];
        let host = Setup::of(entries).pool(&keyed(plugin, "")).start();
        let tally = Tally::with(&host, 800, |n| header(&format!("user-{n}")));
        // A ring of few points is not even; three quarters, give or take some.
        assert!((500..700).contains(&tally.by("a")), "{plugin}: {tally:?}");
    }
}

#[test]
fn without_a_key_the_next_decides() {
    for (plugin, _) in HASHES {
        let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
        let host = Setup::over(&[&a, &b, &c]).pool(&keyed(plugin, "")).start();
        let mut client = host.client();
        let order: Vec<_> = (0..6).map(|_| client.get("/").backend().to_owned()).collect();
        assert!(
            order[..3] == order[3..] && order[0] != order[1] && order[1] != order[2],
            "{plugin}: in turn: {order:?}"
        );
        let fallbacks = host.metrics().sum("trimtab_fallbacks_total", &[("pool", "web")]);
        let faults = host.metrics().sum("trimtab_plugin_faults_total", &[("plugin", plugin)]);
        assert_eq!((fallbacks, faults), (6.0, 0.0), "{plugin}");
    }
}

#[test]
fn bounded_load_spreads_a_hot_key() {
    for (plugin, _) in HASHES {
        let gate = Gate::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| gate.backend(name));
        let host = Setup::over(&[&a, &b, &c]).pool(&keyed(plugin, ", bounded_load = 1.25")).start();
        let idle = Tally::with(&host, 32, |_| header("hot"));
        assert_eq!(idle.0.len(), 1, "{plugin}: while it is idle, one backend has the key: {idle:?}");
        let held = gate.hold(&host, 12, &header("hot"));
        let in_flight = ["a", "b", "c"].map(|id| host.backend("web", id)["in_flight"].as_u64().unwrap_or_default());
        // 1.25 times the mean of twelve over three is five.
        assert!(in_flight.iter().all(|held| (2..=5).contains(held)), "{plugin}: {in_flight:?}");
        gate.open();
        held.into_iter().for_each(|mut client| assert_eq!(client.response().status, 200));
        eventually("nothing is in flight", || host.metrics().sum("trimtab_backend_in_flight", &[]) == 0.0);
        assert_eq!(Tally::with(&host, 32, |_| header("hot")), idle, "{plugin}: it comes back");
    }
}

#[test]
fn without_a_bound_a_hot_key_stays() {
    for (plugin, _) in HASHES {
        let gate = Gate::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| gate.backend(name));
        let host = Setup::over(&[&a, &b, &c]).pool(&keyed(plugin, "")).start();
        let _held = gate.hold(&host, 6, &header("hot"));
        let in_flight = ["a", "b", "c"].map(|id| host.backend("web", id)["in_flight"].as_u64().unwrap_or_default());
        assert_eq!(in_flight.iter().max(), Some(&6), "{plugin}: {in_flight:?}");
    }
}

#[test]
fn ip_hash_pins_the_address_behind_trusted_proxies() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let client = |host: &Host, address: &str| {
        host.client().get_with("/", &format!("x-forwarded-for: {address}\r\n")).backend().to_owned()
    };
    let owners = |host: &Host| -> Owners {
        let owner = |n| {
            let address = format!("198.51.{n}.7");
            let owner = client(host, &address);
            assert_eq!(client(host, &address), owner, "{address}");
            (address, owner)
        };
        (0..60).map(owner).collect()
    };
    let setup = |plugin: &str| Setup::over(&[&a, &b, &c]).listener("trusted_proxies = ['127.0.0.0/8']").pool(plugin);
    let host = setup("balancer = 'ip-hash'").start();
    let before = owners(&host);
    assert!(shares(&before).values().all(|share| *share >= 5) && shares(&before).len() == 3, "{before:?}");
    assert_eq!(host.admin("DELETE", "/pools/web/backends/c", "").0, 204);
    assert_eq!(moved(&before, &owners(&host), "c"), 0.0, "only the clients of `c` move");

    let host = setup("balancer = { plugin = 'ip-hash', network = 24 }").start();
    for n in 0..20 {
        let of_network = client(&host, &format!("203.0.{n}.1"));
        assert!([2, 77, 254].into_iter().all(|last| client(&host, &format!("203.0.{n}.{last}")) == of_network));
    }

    let host = Setup::over(&[&a, &b, &c]).pool("balancer = 'ip-hash'").start();
    assert_eq!(shares(&owners(&host)).len(), 1, "who is not trusted is the client");
}
