//! A pool that changes all the time, under load and with a plugin that keeps failing: what is true holds at once, and
//! nobody's answer is taken for another table than it was made for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use trimtab_tests::{Backend, Client, Folder, Host, Setup, eventually, plugin};

/// Changes that are made, one after the other.
const CHANGES: usize = 400;
/// Ids that come and go; the first stays, and is always ready.
const IDS: usize = 30;

/// Draws the same numbers in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 += 1;
        (xxhash_rust::xxh64::xxh64(&self.0.to_le_bytes(), 1) % limit as u64) as usize
    }
}

/// What the pool must look like: state and weight of each backend, by address.
type Model = BTreeMap<String, (&'static str, usize)>;

fn address(n: usize, port: u16) -> String {
    format!("127.2.0.{}:{port}", n + 1)
}

/// Makes one change, and writes it into the model.
fn change(host: &Host, draw: &mut Draw, model: &mut Model, port: u16) {
    let id = address(1 + draw.below(IDS - 1), port);
    let path = format!("/pools/web/backends/{id}");
    let weight = draw.below(4);
    match (model.contains_key(&id), draw.below(5)) {
        (false, _) => {
            let body = format!(r#"{{"address":"{id}","weight":{weight},"labels":{{"zone":"x"}}}}"#);
            assert_eq!(host.admin("PUT", &path, &body).0, 201);
            model.insert(id, ("ready", weight));
        }
        (true, 0) => {
            assert_eq!(host.admin("DELETE", &path, "").0, 204);
            model.remove(&id);
        }
        (true, 1) => {
            host.set_backend("web", &id, &format!(r#"{{"weight":{weight}}}"#));
            model.entry(id).and_modify(|backend| backend.1 = weight);
        }
        (true, _) => {
            let state = ["ready", "draining", "down"][draw.below(3)];
            host.set_backend("web", &id, &format!(r#"{{"state":"{state}"}}"#));
            model.entry(id).and_modify(|backend| backend.0 = state);
        }
    }
}

fn survives(chain: &str, affinity: &str) {
    let everywhere = Backend::everywhere();
    let port = everywhere.address().port();
    let folder = Folder::new();
    folder.write("mine.wasm", plugin::balancer("trap-second.wat"));
    let (first, draw) = (address(0, port), &mut Draw(0));
    let mut model = Model::from([(first.clone(), ("ready", 1))]);
    let host = Setup::of([format!("{{ address = '{first}', labels = {{ zone = 'x' }} }}")])
        .pool(&format!("max_idle = 0\nbalancer = {chain}\n{affinity}"))
        .more("[plugin.mine]\ncomponent = 'mine.wasm'")
        .start_in(folder);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for asker in 0..2 {
            let (host, done) = (&host, &done);
            scope.spawn(move || {
                let mut client: Client = host.client();
                for number in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let lines =
                        if number % 3 == 0 { String::new() } else { format!("x-user: {asker}-{}\r\n", number % 50) };
                    let response = client.get_with("/", &lines);
                    assert_eq!(response.status, 200, "request {number}: {}", response.text());
                }
            });
        }
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 0..CHANGES {
                change(&host, draw, &mut model, port);
                for lines in [String::new(), format!("x-user: mine-{}\r\n", number % 20)] {
                    let response = host.client().get_with("/", &lines);
                    assert_eq!(response.status, 200, "after change {number}: {}", response.text());
                    let state = model.get(response.backend()).map(|(state, _)| *state);
                    // A client that is bound may go on with a backend that drains.
                    let may = state == Some("ready")
                        || state == Some("draining") && !affinity.is_empty() && !lines.is_empty();
                    assert!(may, "after change {number}: {} is {state:?}", response.backend());
                }
            }
        }));
        done.store(true, Ordering::Relaxed);
        worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let (_, pools) = host.admin("GET", "/pools", "");
    let backends = pools[0]["backends"].as_array().cloned().unwrap_or_default();
    let shown = |backend: &serde_json::Value| {
        let text = |key: &str| backend[key].as_str().unwrap_or_default().to_owned();
        (text("id"), (text("state"), backend["weight"].as_u64().unwrap_or_default() as usize))
    };
    let shown: BTreeMap<_, _> = backends.iter().map(shown).collect();
    let expected = model.iter().map(|(id, (state, weight))| (id.clone(), ((*state).to_owned(), *weight))).collect();
    assert_eq!(shown, expected);
    eventually("in the end all know who has no weight", || {
        (0..50).all(|n| {
            let answer = host.client().get_with("/", &format!("x-user: last-{n}\r\n"));
            model.get(answer.backend()).is_some_and(|(state, weight)| *state == "ready" && *weight > 0)
        })
    });
    let metrics = host.metrics();
    let faults = |labels: &[(&str, &str)]| metrics.sum("trimtab_plugin_faults_total", labels);
    assert_eq!(faults(&[]), faults(&[("plugin", "mine"), ("kind", "trap")]), "{chain}: {}", host.log());
}

#[test]
fn a_hash_and_a_balancer() {
    survives("[{ plugin = 'maglev', key = 'header:x-user' }, 'mine', 'least-connections']", "");
}

#[test]
fn a_shaper_before_them() {
    survives("[{ plugin = 'zone', zone = 'x' }, { plugin = 'ring-hash', key = 'header:x-user' }, 'mine', 'p2c']", "");
}

#[test]
fn bound_clients() {
    survives("['mine', 'peak-ewma']", "affinity = { plugin = 'header', name = 'x-user' }");
}
