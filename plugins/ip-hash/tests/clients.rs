//! The clients of `ip-hash`, natively: which of them count as one, and that a change moves no others.

use std::net::IpAddr;

use ip_hash::{IpHash, Networks};
use proptest::prelude::*;
use trimtab_sdk::testing::{Keys, Request, backends, instance, moments, with_request};
use trimtab_sdk::{Balancer, Moment, Readiness, Verdict};

const ABC: [(&str, u32); 3] = [("a", 1), ("b", 2), ("c", 1)];

/// The keys that the host is asked for.
fn keys(settings: &str) -> Vec<String> {
    IpHash::configure(settings, &instance(0, 1)).expect(settings).1.keys
}

#[test]
fn the_host_cuts_addresses_where_a_key_can_say_how() {
    assert_eq!(keys("{}"), ["client-address"]);
    assert_eq!(keys(r#"{"network": 24}"#), ["client-network:/24"]);
    assert_eq!(keys(r#"{"network": 24, "network6": 56}"#), ["client-network:/24"]);
    assert_eq!(keys(r#"{"network6": 64}"#), ["client-network:/64"]);
    assert_eq!(keys(r#"{"network": 32}"#), ["client-network:/32"]);
    assert!(keys(r#"{"network": 24, "network6": 64}"#).is_empty(), "no key says both");
    assert!(keys(r#"{"network6": 32}"#).is_empty(), "to the host /32 is of IPv4");
}

#[test]
fn settings_are_checked() {
    let refused = |settings| IpHash::configure(settings, &instance(0, 1)).expect_err(settings);
    assert!(refused(r#"{"network": 0}"#).contains("1 to 32"));
    assert!(refused(r#"{"network": 33}"#).contains("1 to 32"));
    assert!(refused(r#"{"network6": 129}"#).contains("1 to 128"));
    assert!(refused(r#"{"prefix": 24}"#).contains("unknown field `prefix`"));
}

/// The backend of a client, where the plugin itself cuts the address.
fn pick(balancer: &mut IpHash, client: &str) -> Verdict {
    let request = Request { client_address: client.to_owned(), ..Request::get("/") };
    let moment = moments(1).next().expect("a moment");
    with_request(&request, || balancer.pick(Moment { key: Some(1), ..moment }))
}

#[test]
fn clients_of_a_network_have_one_backend() {
    let (mut balancer, _) = IpHash::configure(r#"{"network": 24, "network6": 48}"#, &instance(0, 1)).expect("settings");
    let ids: Vec<_> = (0..50).map(|n| format!("b{n}")).collect();
    balancer.update(&backends(&ids.iter().map(|id| (id.as_str(), 1)).collect::<Vec<_>>()));
    assert_eq!(pick(&mut balancer, "192.0.2.1"), pick(&mut balancer, "192.0.2.254"));
    assert_eq!(pick(&mut balancer, "192.0.2.1"), pick(&mut balancer, "::ffff:192.0.2.9"));
    assert_eq!(pick(&mut balancer, "2001:db8:1:2::3"), pick(&mut balancer, "2001:db8:1:ffff::"));
    assert_eq!(pick(&mut balancer, ""), Verdict::Pass, "a client on a Unix socket");
    let mut others: Vec<_> = (0..50).map(|n| format!("{:?}", pick(&mut balancer, &format!("10.0.{n}.1")))).collect();
    others.sort();
    others.dedup();
    assert!(others.len() > 20, "networks are spread: {others:?}");
}

#[test]
fn a_retry_goes_elsewhere_and_without_a_key_it_passes() {
    let mut keys = Keys::<IpHash>::new("{}", backends(&ABC));
    let first = keys.pick("\u{1}\u{2}\u{3}\u{4}", &[]).expect("a backend");
    let index = ABC.iter().position(|(id, _)| *id == &*first).expect("an id") as u32;
    assert_ne!(keys.pick("\u{1}\u{2}\u{3}\u{4}", &[index]), Some(first));
    assert_eq!(keys.pick("\u{1}\u{2}\u{3}\u{4}", &[0, 1, 2]), None);
    assert_eq!(keys.without_key(), Verdict::Pass);
}

#[test]
fn a_change_moves_the_clients_of_the_changed_backend() {
    let mut keys = Keys::<IpHash>::new("{}", backends(&ABC));
    let before = keys.places(2000);
    keys.adjust(|table| table[1].readiness = Readiness::Down);
    let down = keys.places(2000);
    keys.update(backends(&[("c", 1), ("a", 1)]));
    assert_eq!(down, keys.places(2000), "to leave is to be down for good");
    for (before, after) in before.iter().zip(&down) {
        assert!(before == after || before.as_deref() == Some("b"), "{before:?} moved to {after:?}");
    }
    keys.update(backends(&[("d", 1), ("a", 1), ("b", 2), ("c", 1)]));
    for (before, after) in before.iter().zip(keys.places(2000)) {
        assert!(*before == after || after.as_deref() == Some("d"), "{before:?} moved to {after:?}");
    }
}

proptest! {
    /// Against bits of the whole number.
    #[test]
    fn networks_are_those_of_their_bits(a: u32, b: u32, c: u128, d: u128, v4 in 1u8..=32, v6 in 1u8..=128) {
        let networks = Networks::new(Some(v4), Some(v6)).expect("lengths");
        // Half of the pairs share a prefix.
        let b = if b % 2 == 0 { a ^ (b >> (b % 32)) } else { b };
        let d = if d % 2 == 0 { c ^ (d >> (d % 128)) } else { d };
        let same = |one: IpAddr, two: IpAddr| networks.hash(one) == networks.hash(two);
        prop_assert_eq!(same(IpAddr::V4(a.into()), IpAddr::V4(b.into())), (a ^ b) >> (32 - v4) == 0);
        let (c, d) = (c | 1 << 127, d | 1 << 127); // none of IPv4
        prop_assert_eq!(same(IpAddr::V6(c.into()), IpAddr::V6(d.into())), (c ^ d) >> (128 - v6) == 0);
    }
}
