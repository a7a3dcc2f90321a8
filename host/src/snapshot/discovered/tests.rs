//! Pools and what their sources find: whatever came before, the pool is what both together say.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::config::Recovery;
use crate::decide::PoolLoad;
use crate::pool::Capacity;
use crate::snapshot::change::{Action, Change};
use crate::snapshot::{Chain, Policy};
use crate::telemetry::counters::PerWorker;

fn backend(id: u8, address: u8, weight: u32) -> config::Backend {
    config::Backend {
        id: format!("b{id}").into(),
        address: format!("10.0.0.{address}:80").parse().unwrap(),
        weight,
        backup: false,
        draining: false,
        max_requests: None,
        labels: BTreeMap::new(),
    }
}

fn pool(configured: &[config::Backend]) -> Pool {
    let members = configured
        .iter()
        .map(|backend| PoolMember { origin: Origin::Configured, ..made(backend, 1, Condition::default()) });
    let members: Vec<_> = members.collect();
    let (recovery, limits) = (Recovery::default(), config::Capacity::default());
    let rows = Pool::rows(&members, &recovery);
    let capacity = Capacity::new(limits.at_pool(), Pool::spots(&members, &rows, &limits), 1, 1);
    let second = std::time::Duration::from_secs(1);
    Pool {
        name: "web".into(),
        rows,
        members,
        membership: 1,
        adjustment: 1,
        told: None,
        chain: Arc::new(Chain { affinity: None, balancers: Vec::new(), shapers: Vec::new() }),
        load: Arc::new(PoolLoad::new(1)),
        capacity,
        verdicts: Arc::new(PerWorker::new(1)),
        policy: Policy {
            connect_timeout: second,
            response_timeout: second,
            idle_timeout: second,
            max_idle: 1,
            request_timeout: None,
            retry: config::Retry::default(),
            outlier: None,
            recovery,
            feedback: None,
            limits,
            proxy_protocol: None,
            transparent: false,
            tcp: Default::default(),
            tunnel_timeout: None,
            tls: None,
            protocol: config::Protocol::Http1,
        },
    }
}

fn snapshot(pool: Pool) -> Snapshot {
    Snapshot {
        listeners: Vec::new(),
        routes: Arc::new(crate::route::Table::new(&[], |_| None, |_| None)),
        crossings: Arc::new([]),
        limiters: Arc::new([]),
        said: Arc::new([]),
        pools: vec![Arc::new(pool)],
        hash_seed: 0,
    }
}

fn find(snapshot: &Snapshot, found: &[config::Backend]) -> Snapshot {
    snapshot.discovered("web", found, 1, Condition::default()).map_or_else(|| snapshot.clone(), |(next, _)| next)
}

fn order(snapshot: &Snapshot, id: &str, action: Action) -> Snapshot {
    let change = Change { pool: "web".into(), backend: id.into(), action };
    snapshot.changed(&change, 1).map_or_else(|_| snapshot.clone(), |(next, _)| next)
}

fn put(address: u8) -> Action {
    let text = format!("10.0.0.{address}:80");
    let address = text.parse().unwrap();
    Action::Put { address_text: text.into(), address, weight: 5, backup: false, labels: BTreeMap::new() }
}

fn ids(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.pools[0].members.iter().map(|member| &*member.backend.id).collect()
}

#[test]
fn what_was_found_comes_behind_what_is_named_and_goes_with_its_source() {
    let first = find(&snapshot(pool(&[backend(0, 0, 1)])), &[backend(2, 2, 1), backend(1, 1, 7)]);
    assert_eq!(ids(&first), ["b0", "b2", "b1"]);
    assert!(
        first.discovered("web", &[backend(1, 1, 7), backend(2, 2, 1)], 1, Condition::default()).is_none(),
        "order is no change"
    );
    let (second, difference) =
        first.discovered("web", &[backend(3, 3, 1), backend(1, 1, 7)], 1, Condition::default()).unwrap();
    assert_eq!((ids(&second), difference), (vec!["b0", "b1", "b3"], Difference { added: 1, removed: 1 }));
    let backend_of = |snapshot: &Snapshot, at: usize| Arc::clone(&snapshot.pools[0].members[at].backend);
    assert!(Arc::ptr_eq(&backend_of(&first, 2), &backend_of(&second, 1)), "who stays is who he was");
    assert_eq!(second.pools[0].membership, first.pools[0].membership + 1);
    assert_eq!(ids(&find(&second, &[])), ["b0"]);
}

#[test]
fn what_was_set_holds_until_the_backend_goes() {
    let set = |weight, state| Action::Set { weight, state };
    let first = find(&snapshot(pool(&[])), &[backend(1, 1, 3), backend(2, 2, 3)]);
    let first = order(&first, "b1", set(Some(9), None));
    let second = find(&first, &[backend(1, 1, 4), backend(2, 2, 4)]);
    let weights = |snapshot: &Snapshot| -> Vec<u32> { snapshot.pools[0].rows.iter().map(|row| row.weight).collect() };
    assert_eq!(weights(&second), [9, 4]);
    assert_eq!(second.pools[0].membership, first.pools[0].membership, "weights are told by an adjust");
    let third = order(&second, "b2", set(None, Some(Readiness::Draining)));
    let fourth = find(&find(&third, &[backend(2, 2, 6)]), &[backend(1, 1, 4), backend(2, 2, 6)]);
    let states: Vec<_> = fourth.pools[0].members.iter().map(|member| (member.weight, member.state)).collect();
    assert_eq!(states, [(6, Readiness::Draining), (4, Readiness::Ready)]);
    let removed = order(&fourth, "b2", Action::Remove);
    assert_eq!(ids(&removed), ["b1"]);
    assert_eq!(ids(&find(&removed, &[backend(1, 1, 4), backend(2, 2, 6)])), ["b1", "b2"], "the next answer has it");
}

#[derive(Debug, Clone)]
enum Step {
    Find(Vec<(u8, u8, u32)>),
    Put(u8, u8),
    Remove(u8),
    Set(u8, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        vec((0..6u8, 0..6u8, 0..4u32), 0..8).prop_map(Step::Find),
        (0..8u8, 0..8u8).prop_map(|(id, address)| Step::Put(id, address)),
        (0..8u8).prop_map(Step::Remove),
        (0..8u8, 10..14u32).prop_map(|(id, weight)| Step::Set(id, weight)),
    ]
}

proptest! {
    /// Whatever happens: ids and addresses are unique, nobody but a source takes away what a source found, who is named
    /// otherwise stays, and whoever keeps id and address keeps his numbers.
    #[test]
    fn a_pool_is_what_its_source_and_its_orders_say(steps in vec(step(), 1..40)) {
        let mut now = snapshot(pool(&[backend(0, 0, 1), backend(1, 7, 1)]));
        for step in steps {
            let before = now.clone();
            let found = match &step {
                Step::Find(found) => {
                    let found: Vec<_> = found.iter().map(|(id, at, weight)| backend(*id, *at, *weight)).collect();
                    now = find(&now, &found);
                    Some(found)
                }
                Step::Put(id, at) => { now = order(&now, &format!("b{id}"), put(*at)); None }
                Step::Remove(id) => { now = order(&now, &format!("b{id}"), Action::Remove); None }
                Step::Set(id, weight) => {
                    let set = Action::Set { weight: Some(*weight), state: None };
                    now = order(&now, &format!("b{id}"), set);
                    None
                }
            };
            let (old, new) = (&before.pools[0], &now.pools[0]);
            let unique = |key: fn(&PoolMember) -> String| {
                new.members.iter().map(key).collect::<HashSet<_>>().len() == new.members.len()
            };
            prop_assert!(unique(|member| member.backend.id.to_string()));
            prop_assert!(unique(|member| member.backend.address.to_string()));
            prop_assert_eq!(new.rows.len(), new.members.len());
            let is_at = |a: &PoolMember, b: &PoolMember| {
                a.backend.id == b.backend.id && a.backend.address == b.backend.address
            };
            for known in &old.members {
                if let Some(same) = new.members.iter().find(|member| is_at(member, known)) {
                    prop_assert!(Arc::ptr_eq(&same.backend, &known.backend));
                }
            }
            let Some(found) = found else { continue };
            for member in old.members.iter().filter(|member| !member.origin.is_discovered()) {
                prop_assert!(new.members.iter().any(|now| is_at(now, member)));
            }
            for member in new.members.iter().filter(|member| member.origin.is_discovered()) {
                let named = found.iter().find(|found| {
                    found.id == member.backend.id && found.address == member.backend.address
                });
                prop_assert!(named.is_some());
                let kept = matches!(member.origin, Origin::Discovered { weight: true, .. });
                prop_assert!(kept || named.is_some_and(|named| named.weight == member.weight));
            }
            // What was found is there, unless something else has its id or its address.
            for found in &found {
                let is_there = new.members.iter().any(|member| {
                    member.backend.id == found.id || member.backend.address == found.address
                });
                prop_assert!(is_there);
            }
            prop_assert!(now.discovered("web", &found, 1, Condition::default()).is_none(), "the same once more is no change");
            prop_assert_eq!(new.membership > old.membership, ids(&now) != ids(&before) || {
                old.members.iter().zip(&new.members).any(|(a, b)| !Arc::ptr_eq(&a.backend, &b.backend))
            });
        }
    }
}
