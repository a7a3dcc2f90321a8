//! Datagrams: which flow they belong to, where it goes, how they arrive, and who is dropped.

#[path = "udp/failing.rs"]
mod failing;
#[path = "udp/lasting.rs"]
mod lasting;
#[path = "udp/quic.rs"]
mod quic;

use std::collections::BTreeSet;
use std::time::Duration;

use trimtab_tests::{Asker, Folder, Host, Reflector, Setup, eventually, plugin};

const UDP: &str = "protocol = 'udp'";

/// A host that carries datagrams to these backends.
fn carrying(backends: &[&Reflector]) -> Setup {
    Setup::of(backends.iter().map(|backend| backend.entry())).listener(UDP)
}

fn asker(host: &Host) -> Asker {
    Asker::new(host.address())
}

fn dropped(host: &Host, why: &str) -> f64 {
    host.metrics().sum("trimtab_datagrams_dropped_total", &[("listener", "web"), ("reason", why)])
}

fn ended(host: &Host, end: &str) -> f64 {
    host.metrics().sum("trimtab_carried_connections_total", &[("listener", "web"), ("end", end)])
}

fn open(host: &Host) -> f64 {
    host.metrics().sum("trimtab_carried_connections", &[("listener", "web")])
}

/// Asks until somebody answers: what is lost on the way to who is gone is lost.
fn served_at_last(client: &Asker) -> String {
    let mut answer = None;
    eventually("somebody answers", || {
        client.tell("?");
        answer = (!client.hears_nothing_for(Duration::from_millis(50))).then(|| client.served());
        answer.is_some()
    });
    answer.expect("somebody")
}

#[test]
fn datagrams_go_both_ways_and_a_flow_stays_where_it_is() {
    let (a, b) = (Reflector::new("a"), Reflector::new("b"));
    let host = carrying(&[&a, &b]).start();
    let clients: Vec<_> = (0..8).map(|_| asker(&host)).collect();
    let first: Vec<_> = clients.iter().map(Asker::served).collect();
    assert_eq!(BTreeSet::from_iter(&first).len(), 2, "{first:?}");
    for _ in 0..5 {
        assert_eq!(clients.iter().map(Asker::served).collect::<Vec<_>>(), first);
    }
    assert_eq!(a.flows().len() + b.flows().len(), 8, "each has a port of its own");
    let count = |direction| host.metrics().sum("trimtab_datagrams_total", &[("pool", "web"), ("direction", direction)]);
    eventually("all are counted", || (count("upstream"), count("downstream")) == (48.0, 48.0));
    let bytes = |direction| host.metrics().sum("trimtab_carried_bytes_total", &[("direction", direction)]);
    assert_eq!((bytes("upstream"), bytes("downstream")), (48.0, 144.0));
    assert_eq!(open(&host), 8.0);
}

#[test]
fn datagrams_of_all_sizes_arrive_whole_and_in_order() {
    const SIZES: [usize; 8] = [0, 1, 64, 1200, 1452, 1500, 9000, 65_507];
    let a = Reflector::with("a", |told| vec![told.to_vec()]);
    let host = carrying(&[&a]).start();
    let client = asker(&host);
    let datagram = |number: usize, size: usize| vec![u8::try_from(number % 251).expect("small"); size];
    for (number, size) in SIZES.into_iter().enumerate() {
        assert_eq!(client.ask(datagram(number, size)), datagram(number, size), "{size}");
    }
    // Of one size, many go together; they are told apart, and those between them are where they were.
    for round in 0..20 {
        let sent: Vec<_> = (0..12)
            .map(|number| datagram(round * 12 + number, if number % 5 == 4 { 7 } else { 400 }))
            .chain([Vec::new(), datagram(round, 400)])
            .collect();
        sent.iter().for_each(|bytes| client.tell(bytes));
        let heard: Vec<_> = sent.iter().map(|_| client.hear().expect("an answer")).collect();
        assert!(heard == sent, "round {round}");
    }
}

#[test]
fn a_backend_may_say_many_things_to_one() {
    let a = Reflector::with("a", |_| (0..40_u8).map(|number| vec![number; 300]).collect());
    let host = carrying(&[&a]).start();
    let client = asker(&host);
    client.tell("all of them");
    let heard: Vec<_> = (0..40).map(|_| client.hear().expect("one of them")).collect();
    assert!(heard.iter().zip(0..).all(|(bytes, number)| *bytes == [number; 300]), "in their order");
}

#[test]
fn a_flow_ends_when_it_is_idle() {
    let a = Reflector::new("a");
    let host = carrying(&[&a]).listener("idle_timeout = '300ms'").start();
    let client = asker(&host);
    assert_eq!(client.served(), "a");
    eventually("it is over", || ended(&host, "idle") == 1.0 && open(&host) == 0.0);
    assert_eq!(client.served(), "a");
    assert_eq!(a.flows().len(), 2, "what comes later is another flow");
    let outcomes = || host.metrics().sum("trimtab_backend_requests_total", &[("backend", "a"), ("outcome", "success")]);
    eventually("who answered did well", || outcomes() == 2.0);
}

#[test]
fn a_flow_ends_with_its_last_response_where_they_are_counted() {
    let a = Reflector::new("a");
    let host = carrying(&[&a]).listener("responses = 1").start();
    let client = asker(&host);
    for round in 1..=3 {
        assert_eq!(client.served(), "a");
        eventually("it is over", || ended(&host, "finished") == f64::from(round) && open(&host) == 0.0);
    }
    assert_eq!(a.flows().len(), 3);
}

#[test]
fn who_should_answer_and_does_not_is_late() {
    let silent = Reflector::with("silent", |_| Vec::new());
    let host = carrying(&[&silent]).listener("responses = 1\nidle_timeout = '300ms'").start();
    asker(&host).tell("?");
    let late =
        || host.metrics().sum("trimtab_backend_requests_total", &[("backend", "silent"), ("outcome", "timeout")]);
    eventually("it is over", || ended(&host, "idle") == 1.0 && late() == 1.0);
}

#[test]
fn without_responses_nothing_is_kept_and_each_datagram_is_decided() {
    let (a, b) = (Reflector::new("a"), Reflector::new("b"));
    let host = carrying(&[&a, &b]).listener("responses = 0").pool("balancer = 'round-robin'").workers(1).start();
    let client = asker(&host);
    for number in 1..=6 {
        client.tell("metric:1|c");
        eventually("it has arrived", || a.heard().len() + b.heard().len() == number);
    }
    assert_eq!((a.heard().len(), b.heard().len()), (3, 3));
    assert_eq!((a.flows().len(), b.flows().len()), (1, 1), "all flows use one socket");
    assert!(client.hears_nothing_for(Duration::from_millis(100)));
    eventually("nothing is kept", || open(&host) == 0.0 && ended(&host, "finished") == 6.0);
}

#[test]
fn a_hash_without_flows_keeps_clients_where_they_are() {
    let backends = ["a", "b", "c"].map(Reflector::new);
    let host = carrying(&backends.each_ref())
        .listener("responses = 0")
        .pool("balancer = { plugin = 'maglev', key = 'client-address' }")
        .start();
    for client in 0..20_u8 {
        let name = client.to_string();
        let client = Asker::from([127, 0, 2, client + 1].into(), host.address());
        for _ in 0..3 {
            client.tell(&name);
        }
    }
    let heard = || backends.each_ref().map(Reflector::heard);
    eventually("all have arrived", || heard().iter().map(Vec::len).sum::<usize>() == 60);
    let clients = heard().map(|heard| heard.into_iter().collect::<BTreeSet<_>>());
    assert_eq!(clients.iter().map(BTreeSet::len).sum::<usize>(), 20, "each is at one of them: {clients:?}");
    assert!(clients.iter().all(|clients| !clients.is_empty()));
}

#[test]
fn there_are_only_so_many_flows() {
    let a = Reflector::new("a");
    let host = carrying(&[&a]).listener("max_connections = 2\nidle_timeout = '2s'").start();
    let (first, second, third) = (asker(&host), asker(&host), asker(&host));
    assert_eq!((first.served(), second.served()), ("a".to_owned(), "a".to_owned()));
    third.tell("?");
    eventually("it is dropped", || dropped(&host, "full") == 1.0);
    assert_eq!(first.served(), "a", "those that are there go on");
    eventually("they end when they are idle", || ended(&host, "idle") == 2.0);
    assert_eq!(third.served(), "a");
}

#[test]
fn whoever_may_not_come_is_dropped() {
    let a = Reflector::new("a");
    let host = carrying(&[&a]).listener("deny = ['127.0.3.0/24']").start();
    let stranger = Asker::from([127, 0, 3, 1].into(), host.address());
    stranger.tell("?");
    eventually("it is dropped", || dropped(&host, "denied") == 1.0);
    assert_eq!(asker(&host).served(), "a");
    assert_eq!(a.heard().len(), 1);
}

#[test]
fn what_a_plugin_refuses_is_dropped() {
    let (a, folder) = (Reflector::new("a"), Folder::new());
    folder.write("refusing.wasm", plugin::balancer("refuse.wat"));
    let mine = "[plugin.mine]\ncomponent = 'refusing.wasm'";
    let host = carrying(&[&a]).pool("balancer = 'mine'").more(mine).start_in(folder);
    let client = asker(&host);
    client.tell("?");
    eventually("it is told why", || ended(&host, "refused") == 1.0 && open(&host) == 0.0);
    assert!(client.hears_nothing_for(Duration::from_millis(100)));
    assert!(a.heard().is_empty());
}

#[test]
fn by_ipv6_and_by_both() {
    let a = Reflector::new("a");
    let six = carrying(&[&a]).text().replace("127.0.0.1:0\"\npool", "[::1]:0\"\npool");
    assert_eq!(asker(&Host::start(&six)).served(), "a");
    let both = carrying(&[&a]).listener("ipv6_only = false").text().replace("127.0.0.1:0\"\npool", "[::]:0\"\npool");
    let host = Host::start(&both);
    let port = host.address().port();
    assert_eq!(Asker::new(([0, 0, 0, 0, 0, 0, 0, 1], port).into()).served(), "a");
    assert_eq!(Asker::new(([127, 0, 0, 1], port).into()).served(), "a");
}

#[test]
fn answers_come_from_the_address_that_was_asked() {
    let a = Reflector::new("a");
    let any = carrying(&[&a]).text().replace("127.0.0.1:0\"\npool", "0.0.0.0:0\"\npool");
    let host = Host::start(&any);
    for last in [1, 7, 9] {
        // A socket that is connected hears nobody else.
        let client = Asker::from([127, 0, 0, 1].into(), ([127, 0, 0, last], host.address().port()).into());
        assert_eq!(client.served(), "a", "by 127.0.0.{last}");
        client.tell("1");
        client.tell("2");
        assert_eq!([client.hear().expect("an answer"), client.hear().expect("an answer")], [b"a:1", b"a:2"]);
    }
}

#[test]
fn a_backend_may_be_told_whom_a_flow_is_from() {
    let a = Reflector::new("a");
    let host = carrying(&[&a]).pool("proxy_protocol = 'v2'").start();
    let client = asker(&host);
    client.tell("one");
    client.tell("two");
    eventually("both are there", || a.heard().len() == 2);
    let heard = a.heard();
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x12";
    assert!(heard[0].starts_with(header) && heard[0].ends_with(b"one"), "{:?}", heard[0]);
    assert_eq!(heard[0][20 - 4..][..4], [127, 0, 0, 1]);
    let port = u16::from_be_bytes([heard[0][24], heard[0][25]]);
    assert_eq!(port, client.address().port());
    assert_eq!(heard[1], b"two");
}
