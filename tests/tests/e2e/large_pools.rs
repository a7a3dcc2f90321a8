//! Pools of ten thousand backends: they start, they change, and meanwhile every request is answered.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use trimtab_tests::{Backend, Client, Folder, Host, Setup, eventually, trimtab};

/// Backends in the pool.
const MANY: usize = 10_000;

/// The nth backend's address, at the port of the one socket that answers for all.
fn address(n: usize, port: u16) -> String {
    format!("127.1.{}.{}:{port}", n / 250, n % 250 + 1)
}

/// A pool of them; no connection is kept, so that few descriptors are open.
fn pool(everywhere: &Backend, balancer: &str) -> Setup {
    let port = everywhere.address().port();
    Setup::of((0..MANY).map(|n| format!("'{}'", address(n, port))))
        .pool(&format!("max_idle = 0\nbalancer = {balancer}"))
}

fn keyed(plugin: &str) -> String {
    format!("{{ plugin = '{plugin}', key = 'header:x-user' }}")
}

/// Asks, with a key, on a connection of its own; answers who answered.
fn ask(host: &Host, key: &str) -> String {
    let response = host.client().get_with("/", &format!("x-user: {key}\r\n"));
    assert_eq!(response.status, 200, "{key}: {}", response.text());
    response.backend().to_owned()
}

/// Keeps asking on two connections until `work` is done, and answers how many requests that were. Each is answered.
fn while_asking(host: &Host, work: impl FnOnce()) -> usize {
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for asker in 0..2 {
            let (done, asked) = (&done, &asked);
            scope.spawn(move || {
                let mut client: Client = host.client();
                while !done.load(Ordering::Relaxed) {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    let response = client.get_with("/", &format!("x-user: {asker}-{number}\r\n"));
                    assert_eq!(response.status, 200, "request {number}: {}", response.text());
                }
            });
        }
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    asked.into_inner()
}

/// Changes the pool in every way, under load. `by_key`: the balancer goes by the key.
fn changes(balancer: &str, by_key: bool) {
    let everywhere = Backend::everywhere();
    let port = everywhere.address().port();
    let host = pool(&everywhere, balancer).start();
    let path = |id: &str| format!("/pools/web/backends/{id}");
    let asked = while_asking(&host, || {
        if by_key {
            let owner = ask(&host, "someone");
            assert_eq!(ask(&host, "someone"), owner, "over both workers");
            for (gone, back) in [
                (r#"{"state":"draining"}"#, r#"{"state":"ready"}"#),
                (r#"{"state":"down"}"#, r#"{"state":"ready"}"#),
                (r#"{"weight":0}"#, r#"{"weight":1}"#),
            ] {
                host.set_backend("web", &owner, gone);
                eventually("its key walks on", || (0..4).all(|_| ask(&host, "someone") != owner));
                host.set_backend("web", &owner, back);
                eventually("its key comes back", || (0..4).all(|_| ask(&host, "someone") == owner));
            }
            assert_eq!(host.admin("DELETE", &path(&owner), "").0, 204);
            eventually("its key is another's", || (0..4).all(|_| ask(&host, "someone") != owner));
        }
        // A tenth of all requests goes to the new one, once its weight counts.
        let new = address(MANY, port);
        let body = format!(r#"{{"address":"{new}","weight":1000}}"#);
        assert_eq!(host.admin("PUT", &path(&new), &body).0, 201);
        let keys = AtomicUsize::new(0);
        let key = || format!("new-{}", keys.fetch_add(1, Ordering::Relaxed));
        let share = || (0..100).filter(|_| ask(&host, &key()) == new).count();
        eventually("the new one is asked", || share() >= 3);
        host.set_backend("web", &new, r#"{"weight":0}"#);
        eventually("a weight of 0 ends that", || share() == 0);
        host.set_backend("web", &new, r#"{"weight":1000}"#);
        eventually("it is asked again", || share() >= 3);
        host.set_backend("web", &new, r#"{"state":"draining"}"#);
        assert_eq!(share(), 0, "readiness holds at once");
        assert_eq!(host.admin("DELETE", &path(&new), "").0, 204);
        assert_eq!(share(), 0);
        assert_eq!(host.admin("DELETE", &path(&new), "").0, 404);
    });
    assert!(asked > 100, "{asked} requests meanwhile");
    let metrics = host.metrics();
    assert_eq!(metrics.sum("trimtab_plugin_faults_total", &[]), 0.0, "{balancer}: {}", host.log());
    assert_eq!(metrics.sum("trimtab_requests_total", &[("code", "5xx")]), 0.0);
    let left: usize = if by_key { MANY - 1 } else { MANY };
    assert_eq!(metrics.sum("trimtab_backend_ready", &[]), left as f64);
    let log = host.log();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{balancer}: {log}");
}

#[test]
fn maglev_over_ten_thousand() {
    changes(&keyed("maglev"), true);
}

#[test]
fn ring_hash_over_ten_thousand() {
    changes(&keyed("ring-hash"), true);
}

#[test]
fn p2c_over_ten_thousand() {
    changes("'p2c'", false);
}

#[test]
fn a_subset_of_ten_thousand() {
    let everywhere = Backend::everywhere();
    let host = pool(&everywhere, "[{ plugin = 'subset', size = 5 }, 'random']").start();
    let used = || (0..60).map(|n| ask(&host, &n.to_string())).collect::<std::collections::BTreeSet<_>>();
    let before = used();
    assert_eq!(before.len(), 5, "{before:?}");
    let gone = before.first().expect("five");
    assert_eq!(host.admin("DELETE", &format!("/pools/web/backends/{gone}"), "").0, 204);
    eventually("one other takes its place", || {
        let now = used();
        now.len() == 5 && !now.contains(gone) && now.intersection(&before).count() == 4
    });
}

#[test]
fn a_file_of_ten_thousand_is_read_in_a_moment() {
    let everywhere = Backend::everywhere();
    let mut setup = pool(&everywhere, "'random'");
    let folder = Folder::new();
    let path = folder.write("large.toml", setup.text()).display().to_string();
    let start = Instant::now();
    let checked = trimtab(&["check", &path]);
    let took = start.elapsed();
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
    // The last is the first once more.
    setup.backends.push(setup.backends[0].clone());
    let path = folder.write("twice.toml", setup.text()).display().to_string();
    let twice = trimtab(&["check", &path]);
    assert_eq!(twice.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("two backends of this address"));
    assert!(took.as_secs() < 5, "{took:?}");
}
