//! The same plugins decide for every protocol: a table of protocols and plugins, and what plugins do to a connection.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::{Domain, Socket, Type};
use trimtab_tests::wire::Wire;
use trimtab_tests::{Asker, Backend, Folder, Greeter, Host, Reflector, Setup, eventually, plugin};

use super::{TCP, ended, greeted, greeting, outcomes};

/// Protocols, which are also the names of their listeners.
const PROTOCOLS: [&str; 4] = ["http", "tcp", "tls-passthrough", "udp"];

/// Backends `a`, `b` and `c` that speak HTTP, others that greet, and others that answer datagrams.
struct Fleet {
    requests: [Backend; 3],
    connections: [Greeter; 3],
    datagrams: [Reflector; 3],
}

impl Fleet {
    fn new() -> Self {
        let names = ["a", "b", "c"];
        Self {
            requests: names.map(Backend::echo),
            connections: names.map(Greeter::new),
            datagrams: names.map(Reflector::new),
        }
    }

    /// One listener for each protocol, and pools with these lines.
    fn host(&self, pool: &str) -> Host {
        let [a, b, c] = self.requests.each_ref().map(Backend::entry);
        let [d, e, f] = self.connections.each_ref().map(Greeter::entry);
        let [g, h, i] = self.datagrams.each_ref().map(Reflector::entry);
        let listener = |protocol: &str, pool: &str| {
            format!(
                "[[listener]]\nname = '{protocol}'\naddress = '127.0.0.1:0'\nprotocol = '{protocol}'\npool = '{pool}'\n"
            )
        };
        let more = format!(
            "{}{}{}{}[pool.carried]\nbackends = [{d}, {e}, {f}]\n{pool}\n[pool.datagrams]\nbackends = [{g}, {h}, {i}]\n{pool}\n",
            listener("http", "web"),
            listener("tcp", "carried"),
            listener("tls-passthrough", "carried"),
            listener("udp", "datagrams"),
        );
        Setup::of([a, b, c]).pool(pool).more(&more).start()
    }
}

/// Who serves a client of this address.
fn served(host: &Host, protocol: &str, client: IpAddr) -> String {
    if protocol == "udp" {
        return Asker::from(client, host.address_of(protocol)).served();
    }
    let mut wire = connected(host.address_of(protocol), client);
    match protocol {
        "http" => {
            wire.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").expect("sent");
            let answer = String::from_utf8(wire.rest().expect("an answer")).expect("text");
            let (_, rest) = answer.split_once("\"backend\":\"").unwrap_or_else(|| panic!("{answer}"));
            rest[..1].to_owned()
        }
        "tls-passthrough" => {
            wire.send(hello()).expect("sent");
            greeting(&mut wire).expect("a backend greets")
        }
        _ => greeting(&mut wire).expect("a backend greets"),
    }
}

fn connected(to: SocketAddr, from: IpAddr) -> Wire {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(from, 0).into()).expect("loopback has many addresses");
    socket.connect(&to.into()).expect("connected");
    Wire::tcp(socket.into())
}

/// What a client says first; the backends here take no notice.
fn hello() -> Vec<u8> {
    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("test.example").expect("a name");
    let mut said = Vec::new();
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    client.write_tls(&mut said).expect("written");
    said
}

fn address(number: usize) -> IpAddr {
    IpAddr::from([127, 0, 1, u8::try_from(number + 1).expect("few")])
}

/// Every protocol has been decided, and by the plugin alone.
fn decided(host: &Host, plugin: &str) {
    eventually("it was asked for both pools", || {
        let metrics = host.metrics();
        ["web", "carried", "datagrams"]
            .iter()
            .all(|pool| metrics.sum("trimtab_decision_seconds_count", &[("plugin", plugin), ("pool", pool)]) > 0.0)
    });
    assert_eq!(host.metrics().sum("trimtab_fallbacks_total", &[]), 0.0, "{plugin}");
}

#[test]
fn each_balancer_that_spreads_reaches_all_backends_by_every_protocol() {
    let fleet = Fleet::new();
    for balancer in ["round-robin", "weighted-round-robin", "least-connections", "p2c", "peak-ewma", "random"] {
        let host = fleet.host(&format!("balancer = '{balancer}'"));
        for protocol in PROTOCOLS {
            let mut seen = BTreeSet::new();
            eventually(&format!("{balancer} by {protocol} reaches all"), || {
                seen.insert(served(&host, protocol, address(0)));
                seen.len() == 3
            });
        }
        decided(&host, balancer);
    }
}

#[test]
fn each_balancer_that_hashes_knows_a_client_by_every_protocol() {
    let fleet = Fleet::new();
    for balancer in ["ip-hash", "maglev", "ring-hash", "rendezvous"] {
        let chosen = match balancer {
            "ip-hash" => format!("balancer = '{balancer}'"),
            _ => format!("balancer = {{ plugin = '{balancer}', key = 'client-address' }}"),
        };
        let host = fleet.host(&chosen);
        let by_protocol = PROTOCOLS.map(|protocol| {
            let picks: Vec<_> = (0..24).map(|client| served(&host, protocol, address(client))).collect();
            let again: Vec<_> = (0..24).map(|client| served(&host, protocol, address(client))).collect();
            assert_eq!(picks, again, "{balancer} by {protocol}");
            assert_eq!(BTreeSet::from_iter(&picks).len(), 3, "{balancer} by {protocol}: {picks:?}");
            picks
        });
        // The tables differ in nothing but ports, and two of the protocols share one.
        assert_eq!(by_protocol[1], by_protocol[2], "{balancer}");
        decided(&host, balancer);
    }
}

#[test]
fn each_balancer_that_prefers_stays_with_the_first_by_every_protocol() {
    let fleet = Fleet::new();
    for balancer in ["first", "priority"] {
        let host = fleet.host(&format!("balancer = ['{balancer}', 'first']"));
        for protocol in PROTOCOLS {
            assert!((0..4).all(|client| served(&host, protocol, address(client)) == "a"), "{balancer} by {protocol}");
        }
        decided(&host, "first");
    }
}

#[test]
fn an_affinity_by_address_binds_by_every_protocol() {
    let fleet = Fleet::new();
    let host = fleet.host("balancer = 'random'\naffinity = 'client-address'");
    for protocol in PROTOCOLS {
        let bound: Vec<_> = (0..12).map(|client| served(&host, protocol, address(client))).collect();
        for _ in 0..3 {
            let again: Vec<_> = (0..12).map(|client| served(&host, protocol, address(client))).collect();
            assert_eq!(again, bound, "{protocol}");
        }
    }
    let found = |pool: &str| host.metrics().sum("trimtab_affinity_found_total", &[("pool", pool)]);
    let all = || [found("web") >= 36.0, found("carried") >= 84.0, found("datagrams") >= 36.0];
    eventually("they were found", || all() == [true; 3]);
}

#[test]
fn a_shaper_weighs_for_connections_too() {
    let fleet = Fleet::new();
    let host = fleet.host("balancer = [{ plugin = 'subset', size = 1 }, 'round-robin']");
    for protocol in PROTOCOLS {
        let seen: BTreeSet<_> = (0..6).map(|client| served(&host, protocol, address(client))).collect();
        assert_eq!(seen.len(), 1, "{protocol}: {seen:?}");
    }
}

#[test]
fn a_router_picks_the_pool_of_a_connection() {
    let (a, b) = (Greeter::new("a"), Greeter::new("b"));
    let more = format!(
        "[pool.b]\nbackends = [{}]\n[[route]]\nlistener = 'web'\npool = 'web'\n\
         router = {{ plugin = 'split', pools = ['web', 'b'], percent = 50 }}",
        b.entry()
    );
    let host = Setup::of([a.entry()]).listener(TCP).more(&more).start();
    let mut seen = BTreeSet::new();
    eventually("both are picked", || {
        seen.insert(greeted(&host).1);
        seen.len() == 2
    });
}

#[test]
fn a_plugin_that_refuses_closes_the_connection() {
    let (a, folder) = (Greeter::new("a"), Folder::new());
    folder.write("refusing.wasm", plugin::balancer("refuse.wat"));
    let mine = "[plugin.mine]\ncomponent = 'refusing.wasm'";
    let host = Setup::of([a.entry()]).listener(TCP).pool("balancer = 'mine'").more(mine).start_in(folder);
    let mut client = host.client();
    assert_eq!(client.send("unread").wire.rest().expect("an end in order"), b"");
    eventually("it is told why", || ended(&host, "refused") == 1.0);
    assert_eq!(host.metrics().sum("trimtab_refusals_total", &[("pool", "web")]), 1.0);
    assert_eq!(a.accepted(), 0);
}

#[test]
fn backends_that_break_off_early_are_ejected() {
    let bad = Greeter::with("bad", |wire| {
        wire.exact(1)?;
        Err(std::io::ErrorKind::Other.into())
    });
    let good = Greeter::new("good");
    let outlier = "outlier = { consecutive_connect_errors = 3, ejection = '600s', max_ejected = 50 }";
    let host = Setup::of([bad.entry(), good.entry()]).listener(TCP).pool(outlier).start();
    eventually("it has had its chances", || {
        let mut client = host.client();
        let _ = client.wire.send("x");
        client.wire.finish();
        let _ = client.wire.rest();
        outcomes(&host, "bad", "reset") >= 3.0
    });
    eventually("it is out", || host.metrics().sum("trimtab_backend_ejected", &[("backend", "bad")]) == 1.0);
    assert!((0..8).all(|_| greeted(&host).1 == "good"));
}
