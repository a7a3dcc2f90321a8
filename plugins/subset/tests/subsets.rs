//! The subsets of many processes, natively: even over the backends, and stable when those come and go.

use proptest::prelude::*;
use subset::Subset;
use trimtab_sdk::testing::{Shaping, assert_shapes, backends, instance};
use trimtab_sdk::{Backend, Readiness, Shaper};

fn table(count: usize) -> Vec<Backend> {
    let ids: Vec<_> = (0..count).map(|nth| format!("10.0.{}.{}:8080", nth / 250, nth % 250)).collect();
    backends(&ids.iter().map(|id| (id.as_str(), 3)).collect::<Vec<_>>())
}

fn shaping(size: usize, process: usize) -> Shaping<Subset> {
    Shaping::new(&format!(r#"{{"size":{size},"process":"lb-{process}"}}"#))
}

/// The ids in the subset of a process.
fn subset(size: usize, process: usize, table: &[Backend]) -> Vec<String> {
    let weights = shaping(size, process).shape(table);
    let members = weights.iter().zip(table).filter(|(weight, _)| **weight > 0);
    members.map(|(_, backend)| backend.id.clone()).collect()
}

/// How many of `before` are not in `after`.
fn lost(before: &[String], after: &[String]) -> usize {
    before.iter().filter(|id| !after.contains(id)).count()
}

#[test]
fn over_many_processes_backends_are_in_about_equally_many_subsets() {
    let table = table(100);
    let mut counts = [0u32; 100];
    for process in 0..1_000 {
        let weights = shaping(20, process).shape(&table);
        assert_eq!(weights.iter().filter(|weight| **weight == 3).count(), 20);
        counts.iter_mut().zip(weights).for_each(|(count, weight)| *count += weight.min(1));
    }
    // 200 with a standard deviation of 12.6: none of a hundred is as far as 50 off.
    assert!(counts.iter().all(|count| (150..250).contains(count)), "{counts:?}");
}

#[test]
fn a_backend_that_leaves_is_replaced_by_one_other_where_it_was() {
    let before = table(200);
    let gone = before[17].id.clone();
    let after: Vec<_> = before.iter().filter(|backend| backend.id != gone).cloned().collect();
    for process in 0..300 {
        let (old, new) = (subset(20, process, &before), subset(20, process, &after));
        let expected = usize::from(old.contains(&gone));
        assert_eq!((lost(&old, &new), lost(&new, &old)), (expected, expected), "process {process}");
    }
}

#[test]
fn who_is_down_is_replaced_until_it_is_back() {
    let mut shaping = shaping(5, 1);
    let mut table = table(50);
    let before = shaping.shape(&table);
    let members: Vec<_> = (0..50).filter(|at| before[*at] > 0).collect();
    table[members[0]].readiness = Readiness::Down;
    table[members[1]].readiness = Readiness::Draining;
    table[members[2]].weight = 0;
    let during = shaping.shape(&table);
    assert_eq!(during.iter().filter(|weight| **weight > 0).count(), 5);
    assert!(members[..3].iter().all(|at| during[*at] == 0) && members[3..].iter().all(|at| during[*at] == 3));
    for at in &members[..3] {
        (table[*at].readiness, table[*at].weight) = (Readiness::Ready, 3);
    }
    assert_eq!(shaping.shape(&table), before, "and the replacements leave");
}

#[test]
fn a_small_pool_is_used_whole() {
    assert_eq!(shaping(20, 1).shape(&table(20)), [3; 20]);
    assert_eq!(shaping(20, 1).shape(&table(2)), [3; 2]);
    assert!(shaping(20, 1).shape(&[]).is_empty());
}

#[test]
fn the_name_decides_and_not_where_it_is_said() {
    let table = table(100);
    let weights = |settings: &str| Shaping::<Subset>::new(settings).shape(&table);
    let one = weights(r#"{"size":10,"process":"1"}"#);
    assert_eq!(one, weights(r#"{"size":10,"balancer":1,"process":"lb"}"#));
    assert_eq!(one, weights(r#"{"size":10,"balancer":"1"}"#));
    assert_ne!(one, weights(r#"{"size":10,"balancer":2}"#));
}

#[test]
fn the_contract_is_kept() {
    assert_shapes::<Subset>(r#"{"size":100,"process":"lb"}"#);
}

#[test]
fn wrong_settings_are_named() {
    for (settings, word) in [
        (r#"{"process":"lb"}"#, "size"),
        (r#"{"size":0,"process":"lb"}"#, "size"),
        (r#"{"size":-1,"process":"lb"}"#, "-1"),
        (r#"{"size":5}"#, "balancer"),
        (r#"{"size":5,"sizes":5}"#, "sizes"),
    ] {
        let error = Subset::configure(settings, &instance(0, 1)).map(|_| ()).expect_err(settings);
        assert!(error.contains(word), "{error}");
    }
}

proptest! {
    /// Whatever comes, goes and fails: `size` of the candidates are in the subset, or all of them, and of the old
    /// members only those leave that must, or for whom somebody came.
    #[test]
    fn a_change_moves_only_what_it_must(
        before in proptest::collection::vec((any::<bool>(), any::<bool>()), 60),
        after in proptest::collection::vec((any::<bool>(), any::<bool>()), 60),
        size in 1usize..20,
        process in 0usize..1_000,
    ) {
        let all = table(60);
        let present = |rows: &[(bool, bool)]| -> Vec<Backend> {
            let rows = all.iter().zip(rows).filter(|(_, (present, _))| *present);
            let readiness = |is_ready: &bool| if *is_ready { Readiness::Ready } else { Readiness::Down };
            rows.map(|(backend, (_, ready))| Backend { readiness: readiness(ready), ..backend.clone() }).collect()
        };
        let candidates = |table: &[Backend]| -> Vec<String> {
            table.iter().filter(|b| b.is_candidate()).map(|b| b.id.clone()).collect()
        };
        let (old_table, new_table) = (present(&before), present(&after));
        let (old, new) = (subset(size, process, &old_table), subset(size, process, &new_table));
        prop_assert_eq!(new.len(), size.min(candidates(&new_table).len()));
        let had_to_leave = lost(&old, &candidates(&new_table));
        let came = lost(&new, &candidates(&old_table));
        prop_assert!(lost(&old, &new) <= had_to_leave + came);
    }
}
