//! The affinity `client-address`: an address or network is a client, as trusted proxies tell it.

use trimtab_tests::{Backend, Host, Setup};

use super::{entries, faults};

fn start(backends: &[&Backend], listener: &str, settings: &str) -> Host {
    let affinity = format!("affinity = {{ plugin = 'client-address'{settings} }}");
    Setup::over(backends).listener(listener).pool(&affinity).start()
}

const TRUSTED: &str = "trusted_proxies = ['127.0.0.1']";

/// Whom the client of this address gets, by way of a proxy.
fn home(host: &Host, address: &str) -> String {
    host.client().get_with("/", &format!("x-forwarded-for: {address}\r\n")).backend().to_owned()
}

#[test]
fn behind_a_trusted_proxy_each_address_is_a_client() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], TRUSTED, "");
    let addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.1", "2001:db8::1", "2001:db8::2"];
    let homes = addresses.map(|address| home(&host, address));
    for _ in 0..8 {
        assert_eq!(addresses.map(|address| home(&host, address)), homes);
    }
    assert_eq!((entries(&host, "client-address"), faults(&host)), (6.0, 0.0));
    assert_eq!(home(&host, "203.0.113.9, 192.0.2.1"), homes[0], "the last that is not trusted");
    assert_eq!(entries(&host, "client-address"), 6.0);
}

#[test]
fn nobody_else_is_believed() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], "", "");
    let one = host.get("/").backend().to_owned();
    for number in 0..16 {
        assert_eq!(home(&host, &format!("192.0.2.{number}")), one, "all come from the same address");
    }
    assert_eq!(entries(&host, "client-address"), 1.0);
}

#[test]
fn a_network_is_one_client() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = start(&[&a, &b, &c], TRUSTED, ", network = '/24', network6 = '/56'");
    for network in ["192.0.2.", "198.51.100.", "2001:db8:0:0:", "2001:db8:0:100:"] {
        let home = |host_part: u8| {
            let separator = if network.contains(':') { ":" } else { "" };
            home(&host, &format!("{network}{separator}{host_part}"))
        };
        let one = home(1);
        assert!((2..10).all(|host_part| home(host_part) == one), "{network}");
    }
    assert_eq!(entries(&host, "client-address"), 4.0);
}
