//! Backends that come and go by themselves: from DNS, from a file, and what admin API and reloads make of them.

#[path = "discovery/dns.rs"]
mod dns;
#[path = "discovery/file.rs"]
mod file;
#[path = "discovery/orders.rs"]
mod orders;
#[path = "discovery/reload.rs"]
mod reload;

use serde_json::Value;
use trimtab_tests::{Backend, Host, NameServer, Setup, eventually};

/// A name server, and backends at every address of loopback.
struct Site {
    names: NameServer,
    backends: Backend,
}

impl Site {
    fn new() -> Self {
        Self { names: NameServer::new(), backends: Backend::everywhere() }
    }

    fn port(&self) -> u16 {
        self.backends.address().port()
    }

    /// The backend at 127.2.0.N.
    fn at(&self, n: u8) -> String {
        format!("127.2.0.{n}:{}", self.port())
    }

    /// `app.test` has these addresses now: 127.2.0.N.
    fn set(&self, numbers: &[u8]) {
        let addresses: Vec<String> = numbers.iter().map(|n| format!("127.2.0.{n}")).collect();
        self.names.set("app.test", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// `discover = …` for `app.test`, which is asked for again after 50 ms.
    fn discover(&self, keys: &str) -> String {
        let (port, resolver) = (self.port(), self.names.resolver());
        format!("discover = {{ dns = 'app.test:{port}', {resolver}, min_ttl = '50ms'{keys} }}")
    }

    fn setup(&self) -> Setup {
        Setup::of([]).pool(&self.discover(""))
    }
}

/// The ids of the pool `web`, in their order.
fn ids(host: &Host) -> Vec<String> {
    let pool = web(host);
    let backends = pool["backends"].as_array().cloned().unwrap_or_default();
    backends.iter().filter_map(|backend| Some(backend["id"].as_str()?.to_owned())).collect()
}

/// The pool `web`, as `/pools` has it.
fn web(host: &Host) -> Value {
    let (_, pools) = host.admin("GET", "/pools", "");
    pools[0].clone()
}

/// What is wrong with its source.
fn error(host: &Host) -> String {
    web(host)["discovery"]["error"].as_str().unwrap_or_default().to_owned()
}

/// Its log has so many lines with this, once what it wrote has been read.
#[track_caller]
fn is_logged(host: &Host, what: &str, times: usize) {
    eventually(&format!("{times} times in the log: {what}"), || host.log().matches(what).count() == times);
}

#[track_caller]
fn eventually_has(host: &Host, expected: &[String]) {
    eventually(&format!("the pool has {expected:?}"), || {
        let mut ids = ids(host);
        ids.sort();
        ids == expected
    });
}
