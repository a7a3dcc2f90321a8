//! Clients of `client-address`, natively: one by address or network. `header` tests what is remembered.

use client_address::ClientAddress;
use proptest::prelude::*;
use trimtab_sdk::testing::{BoundPool, Request, instance, table_entries};
use trimtab_sdk::{Affinity, Readiness, Verdict};

const ALL: [(&str, u32); 3] = [("a", 1), ("b", 1), ("c", 1)];

fn from(address: &str) -> Request {
    Request { client_address: address.to_owned(), ..Request::get("/") }
}

/// How many clients these addresses are.
fn clients(settings: &str, addresses: &[&str]) -> usize {
    let mut pool = BoundPool::<ClientAddress>::new(settings, &ALL);
    for address in addresses {
        assert_ne!(pool.find_on(0, &from(address), &[]), Verdict::Pass, "{address}");
    }
    table_entries()
}

#[test]
fn networks_are_one_client() {
    let v4 = ["192.0.2.1", "192.0.2.200", "192.0.3.1", "192.0.2.1", "::ffff:192.0.2.1"];
    assert_eq!(clients("{}", &v4), 3);
    assert_eq!(clients(r#"{"network": 24}"#, &v4), 2);
    assert_eq!(clients(r#"{"network": "/16"}"#, &v4), 1);
    let v6 = ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1", "2001:db8:1::1"];
    assert_eq!(clients("{}", &v6), 4);
    assert_eq!(clients(r#"{"network": 24}"#, &v6), 2, "56 goes with it");
    assert_eq!(clients(r#"{"network6": "/64"}"#, &v6), 3);
    let both: Vec<_> = v4.into_iter().chain(v6).collect();
    assert_eq!(clients(r#"{"network": 24, "network6": 64}"#, &both), 2 + 3);
    assert_eq!(clients(r#"{"network6": 32}"#, &both), 3 + 1);
    assert_eq!(clients(r#"{"network": 32, "network6": 128}"#, &both), 3 + 4);
}

#[test]
fn plans_ask_the_host_where_it_knows_the_network() {
    let keys = |settings: &str| ClientAddress::configure(settings, &instance(0, 1)).expect("settings").1.keys.join(" ");
    assert_eq!(keys("{}"), "client-address");
    assert_eq!(keys(r#"{"network": "/24"}"#), "client-network:/24");
    assert_eq!(keys(r#"{"network": 24, "network6": 56}"#), "client-network:/24");
    assert_eq!(keys(r#"{"network6": 64}"#), "client-network:/64");
}

#[test]
fn a_tcp_client_is_bound_and_one_without_address_is_not() {
    let mut pool = BoundPool::<ClientAddress>::with_workers(2, "{}", &ALL);
    let request = Request { protocol: "tcp".to_owned(), ..from("203.0.113.9") };
    let Verdict::Backend(index) = pool.find_on(0, &request, &[]) else { panic!("an address") };
    pool.mark(ALL[index as usize].0, Readiness::Draining);
    assert_eq!(pool.find_on(1, &request, &[]), Verdict::Backend(index));
    pool.bind_on(1, &request, &[index], (index + 1) % 3, None);
    assert_eq!(pool.find_on(0, &request, &[]), Verdict::Backend((index + 1) % 3), "rebound after a failure");
    assert_eq!(pool.find_on(0, &from(""), &[]), Verdict::Pass, "a Unix socket");
}

#[test]
fn prefix_lengths_are_checked() {
    for (settings, word) in [
        (r#"{"network": 0}"#, "`network`"),
        (r#"{"network": 33}"#, "`network`"),
        (r#"{"network": "24/"}"#, "`network`"),
        (r#"{"network6": "/129"}"#, "`network6`"),
        (r#"{"network6": true}"#, "prefix length"),
        (r#"{"ttl": 0}"#, "`ttl`"),
        (r#"{"mask": 24}"#, "`mask`"),
    ] {
        let error = ClientAddress::configure(settings, &instance(0, 1)).map(drop).expect_err("refused");
        assert!(error.contains(word), "{settings}: {error}");
    }
}

proptest! {
    /// Addresses are one client exactly when their first bits are the same.
    #[test]
    fn a_network_is_its_first_bits(one: u32, flip in 0u32..32, network in 1u32..=32, v6: bool) {
        let other = one ^ 1 << (31 - flip);
        let text = |bits: u32| match v6 {
            false => std::net::Ipv4Addr::from(bits).to_string(),
            true => std::net::Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(bits)).to_string(),
        };
        let settings = match v6 {
            false => format!(r#"{{"network": {network}, "network6": 64}}"#),
            true => format!(r#"{{"network": 24, "network6": {}}}"#, 96 + network),
        };
        let same = flip >= network;
        prop_assert_eq!(clients(&settings, &[&text(one), &text(other)]), if same { 1 } else { 2 });
    }
}
