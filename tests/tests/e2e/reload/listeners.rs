//! Listeners over a reload: those that stay lose no connection, those that go finish what they have.

use std::net::{SocketAddr, TcpListener, TcpStream};

use trimtab_tests::{Backend, Client, Host, Setup, eventually, under_load};

/// A listener as the configuration has it.
fn listener(name: &str, address: SocketAddr, pool: &str) -> String {
    format!("[[listener]]\nname = '{name}'\naddress = '{address}'\npool = '{pool}'\n")
}

/// Addresses that nobody listens on, for configurations that name a port. Not those of 127.0.0.1, of which other tests
/// take some all the time.
fn free<const N: usize>() -> [SocketAddr; N] {
    let sockets = [(); N].map(|()| TcpListener::bind("127.5.0.1:0").expect("a port"));
    sockets.map(|socket| socket.local_addr().expect("bound"))
}

/// Two pools of one backend each, and these listeners beside `web`.
fn pools(a: &Backend, b: &Backend, listeners: &[String]) -> String {
    let next = format!("[pool.next]\nbackends = [{}]\n", b.entry());
    Setup::over(&[a]).more(&(listeners.concat() + &next)).text()
}

fn answer(address: SocketAddr) -> String {
    Client::connect(address).get("/").backend().to_owned()
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err()
}

#[test]
fn one_comes_and_goes_while_the_other_serves() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let [address] = free();
    let without = pools(&a, &b, &[]);
    let with = pools(&a, &b, &[listener("more", address, "next")]);
    let host = Host::start(&without);
    let ((), requests) = under_load(host.address(), || {
        for _ in 0..10 {
            host.reloaded(&with);
            let mut kept = Client::connect(address);
            assert_eq!(kept.get("/").backend(), "b");
            host.reloaded(&without);
            eventually("nobody is accepted", || is_refused(address));
            assert!(kept.wire.ended(), "an idle connection of it is closed in order");
        }
    });
    assert!(requests > 20, "{requests} requests");
}

#[test]
fn one_that_goes_finishes_its_requests() {
    let gate = trimtab_tests::Gate::default();
    let (a, b) = (gate.backend("a"), Backend::echo("b"));
    let [address] = free();
    let host = Host::start(&pools(&a, &b, &[listener("more", address, "web")]));
    let mut client = Client::connect(address);
    client.send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n");
    eventually("it is held", || a.requests() == 1);
    host.reloaded(&pools(&b, &a, &[]));
    gate.open();
    let response = client.response();
    assert_eq!((response.backend(), response.headers.get("connection")), ("a", Some("close")));
    assert!(client.wire.ended());
}

#[test]
fn one_that_is_renamed_or_gets_another_pool_keeps_its_connections() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let [address] = free();
    let mut host = Host::start(&pools(&a, &b, &[listener("more", address, "next")]));
    let mut client = Client::connect(address);
    under_load(address, || {
        for (name, pool, backend) in [("more", "web", "a"), ("other", "web", "a"), ("more", "next", "b")] {
            host.reloaded(&pools(&a, &b, &[listener(name, address, pool)]));
            assert_eq!(client.get("/").backend(), backend, "{name}");
            host.find_listeners();
            assert_eq!(host.address_of(name), address);
        }
    });
}

#[test]
fn two_exchange_their_addresses() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let [one, two] = free();
    let texts = [(one, two), (two, one)]
        .map(|(one, two)| pools(&a, &b, &[listener("one", one, "web"), listener("two", two, "next")]));
    let mut host = Host::start(&texts[0]);
    let mut client = Client::connect(one);
    for round in 1..6 {
        assert_eq!((answer(one).as_str(), answer(two).as_str()), if round % 2 == 1 { ("a", "b") } else { ("b", "a") });
        host.reloaded(&texts[round % 2]);
        assert_eq!(client.get("/").backend(), if round % 2 == 1 { "b" } else { "a" }, "round {round}");
        host.find_listeners();
        let wanted = if round % 2 == 1 { [two, one] } else { [one, two] };
        assert_eq!(["one", "two"].map(|name| host.address_of(name)), wanted);
    }
    host.reloaded(&pools(&a, &b, &[]));
    eventually("both are closed", || is_refused(one) && is_refused(two));
}

#[test]
fn one_that_moves_to_another_address_leaves_the_old_one() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let [one, two, three] = free();
    let mut host = Host::start(&pools(&a, &b, &[listener("one", one, "web"), listener("two", two, "next")]));
    host.reloaded(&pools(&a, &b, &[listener("one", three, "web"), listener("two", two, "next")]));
    assert_eq!((answer(three).as_str(), answer(two).as_str()), ("a", "b"));
    eventually("the old one is closed", || is_refused(one));
    host.find_listeners();
    assert_eq!((host.address_of("one"), host.address_of("two")), (three, two));
    // `two` takes the place of `one`, which moves back.
    host.reloaded(&pools(&a, &b, &[listener("one", one, "web"), listener("two", three, "next")]));
    assert_eq!((answer(one).as_str(), answer(three).as_str()), ("a", "b"));
    eventually("what nobody has any more is closed", || is_refused(two));
    host.find_listeners();
    assert_eq!((host.address_of("one"), host.address_of("two")), (one, three));
}
