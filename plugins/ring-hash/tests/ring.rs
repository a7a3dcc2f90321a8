//! The ring of `ring-hash`, natively: how it follows changes, its bound, and its settings.

use proptest::prelude::*;
use ring_hash::{Ring, RingHash};
use trimtab_sdk::testing::hashing::{
    assert_bounded, assert_leaving_moves_its_own, assert_outage_moves_its_own, assert_walks_on, equal,
};
use trimtab_sdk::testing::spread::imbalance;
use trimtab_sdk::testing::{Keys, backends, instance};
use trimtab_sdk::{Backend, Balancer, Readiness};

#[test]
fn what_leaves_moves_its_own_share_alone() {
    assert_leaving_moves_its_own::<RingHash>("{}", 0.6..1.4);
}

#[test]
fn equal_backends_are_as_even_as_160_points_make_them() {
    for count in [10, 100] {
        let found = imbalance(&Keys::<RingHash>::new("{}", equal(count)).places(200_000), count);
        assert!(found < 1.4, "{count} backends: {found}");
    }
    let more = imbalance(&Keys::<RingHash>::new(r#"{"points": 2000}"#, equal(100)).places(200_000), 100);
    assert!(more < 1.15, "2000 points: {more}");
}

#[test]
fn a_large_pool_has_its_points_halved() {
    let mut ring = Ring::new(160, 1024);
    ring.update(&equal(6));
    assert_eq!(ring.len(), 960);
    ring.update(&equal(7));
    assert_eq!(ring.len(), 7 * 80);
    ring.update(&equal(5000));
    assert_eq!(ring.len(), 5000, "nobody is without a point");
    let mut heavy = equal(2);
    heavy[0].weight = 3;
    heavy[1].weight = 65_535;
    ring.update(&heavy);
    assert!((513..=1024).contains(&ring.len()), "{}", ring.len());
}

#[test]
fn an_address_of_two_ids_goes_from_one_to_the_other() {
    let mut table = backends(&[("one", 1), ("two", 1)]);
    table[1].address = table[0].address.clone();
    let mut keys = Keys::<RingHash>::new("{}", table);
    assert_eq!(keys.pick("key", &[]).as_deref(), Some("one"), "nginx keeps the first of points that collide");
    assert_eq!(keys.pick("key", &[0]).as_deref(), Some("two"));
    keys.adjust(|table| table[0].readiness = Readiness::Down);
    assert_eq!(keys.pick("key", &[]).as_deref(), Some("two"));
}

#[test]
fn a_retry_walks_on_and_without_a_key_it_passes() {
    assert_walks_on::<RingHash>("{}");
}

#[test]
fn the_bound_moves_what_is_too_much() {
    assert_bounded::<RingHash>(r#"{"bounded_load": 1.25}"#, 1.25);
}

#[test]
fn settings_are_checked() {
    let refused = |settings| RingHash::configure(settings, &instance(0, 1)).expect_err(settings);
    assert!(refused(r#"{"points": 0}"#).contains("1 to 10000"));
    assert!(refused(r#"{"max_points": 100}"#).contains("1024 to 4194304"));
    assert!(refused(r#"{"bounded_load": 0.9}"#).contains("must be 1 or more"));
    assert!(refused(r#"{"replicas": 3}"#).contains("unknown field `replicas`"));
}

/// Backend n of a table in which two and two share an address, so that all their points collide.
fn paired(n: u32, weight: u32) -> Backend {
    let mut backend = backends(&[(&format!("b{n}"), weight)]).remove(0);
    backend.address = format!("10.0.0.{}:80", n / 2);
    backend
}

proptest! {
    /// A ring that went through changes is the ring that is built of the last table.
    #[test]
    fn it_follows_changes_exactly(
        steps in proptest::collection::vec((0u32..9, 0u32..3, 0u32..5), 1..12),
        most in 1024u32..1500,
    ) {
        let mut table = vec![paired(0, 1), paired(1, 1), paired(2, 1)];
        let mut ring = Ring::new(160, most);
        ring.update(&table);
        for (number, weight, kind) in steps {
            let place = number as usize % (table.len() + 1);
            match (kind, table.iter().position(|backend| backend.id == format!("b{number}"))) {
                (0, Some(at)) => {
                    table[at].weight = weight;
                    ring.adjust(&table);
                }
                (1, _) => table.rotate_left(place),
                (2, _) => table.reverse(),
                (_, Some(at)) => drop(table.remove(at)),
                (_, None) => table.insert(place, paired(number, weight)),
            }
            ring.update(&table);
            let mut built = Ring::new(160, most);
            built.update(&table);
            prop_assert!(ring.order(0).eq(built.order(0)));
        }
    }

    /// Whatever the table: a key has a backend if there is a candidate, an outage moves the keys of who
    /// is out alone, and they come back.
    #[test]
    fn an_outage_moves_its_own_keys(
        rows in proptest::collection::vec((0u32..4, any::<bool>()), 1..12),
        out in any::<proptest::sample::Index>(),
    ) {
        assert_outage_moves_its_own::<RingHash>("{}", &rows, out.index(rows.len()));
    }
}
