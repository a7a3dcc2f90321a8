//! Connections to backends that come from the addresses of clients. Those of this machine will do: a packet that says to
//! be from elsewhere has no way on loopback.

use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Socket, Type};
use trimtab_tests::{Client, Folder, Greeter, Host, Setup};

const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// Whether this process, and so the host, may do it.
fn is_permitted() -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_ip_transparent_v4(true).is_ok()
}

/// Answers requests with the address that its connection comes from.
fn telling() -> Greeter {
    Greeter::with("a", |wire| {
        let from = wire.peer()?.ip().to_string();
        while wire.head()?.is_some() {
            wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{from}", from.len()))?;
        }
        Ok(())
    })
}

/// Beside `web`, listeners that carry, that are told, and of IPv6.
fn setup(a: &Greeter) -> Setup {
    let listener = |name: &str, address: &str, more: &str| {
        format!("[[listener]]\nname = '{name}'\naddress = '{address}:0'\npool = 'web'\n{more}\n")
    };
    let more = [
        listener("carried", "127.0.0.1", "protocol = 'tcp'"),
        listener("told", "127.0.0.1", "protocol = 'tcp'\nproxy_protocol = true"),
        listener("other", "[::1]", ""),
    ];
    Setup::of([a.entry()]).pool("transparent = true").workers(1).more(&more.concat())
}

/// Where a request comes from at the backend.
fn seen(mut client: Client, before: &str) -> String {
    client.send([before, GET].concat()).response().text()
}

#[test]
fn backends_see_the_addresses_of_clients() {
    let a = telling();
    let setup = setup(&a);
    if !is_permitted() {
        let mut host = Host::spawn(Folder::new(), &setup.text());
        assert_ne!(host.wait().code(), Some(0));
        assert!(host.log().contains("pool `web` is `transparent`, and this process may not be"), "{}", host.log());
        return;
    }
    let host = setup.start();
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    for from in ["127.0.3.1", "127.0.3.2", "127.0.3.1"] {
        for listener in ["web", "carried"] {
            let to: SocketAddr = host.address_of(listener);
            assert_eq!(seen(Client::connect_from(address(from), to), ""), from, "{listener}");
        }
    }
    // A header says whom a connection is from.
    let line = "PROXY TCP4 127.0.4.4 127.0.0.1 1000 443\r\n";
    assert_eq!(seen(Client::connect(host.address_of("told")), line), "127.0.4.4");
    // There is no address of IPv6 for a connection of IPv4.
    assert_eq!(seen(Client::connect(host.address_of("other")), ""), "127.0.0.1");
}

#[test]
fn a_kept_connection_is_for_the_client_that_it_comes_from() {
    if !is_permitted() {
        // The other test has told what is said then.
        return;
    }
    let a = telling();
    let host = setup(&a).start();
    let mut clients = ["127.0.3.1", "127.0.3.2"]
        .map(|from| (from, Client::connect_from(from.parse().expect("an address"), host.address())));
    for _ in 0..3 {
        for (from, client) in &mut clients {
            assert_eq!(client.get("/").text(), *from);
        }
    }
    assert_eq!(a.accepted(), 2, "each was kept");
}
