//! What holds for one caller, what holds for many at once, and that memory is bounded.

use std::collections::{HashMap, HashSet};
use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;

use super::*;

const QUOTA: usize = 1 << 20;
const SECOND: u64 = 1_000_000;
/// Some present.
const NOW: u64 = 1_700_000_000 * SECOND;
/// A time to live, in milliseconds.
const HOUR: u64 = 3_600_000;

fn table() -> LocalTable {
    LocalTable::new(QUOTA)
}

fn get(table: &LocalTable, key: &str, now_us: u64) -> Option<String> {
    table.get(key.as_bytes(), now_us).map(|value| String::from_utf8(value.to_vec()).expect("text"))
}

/// What must be left when every place has been given up: nothing.
fn check_accounts(table: &LocalTable) {
    assert!(table.bytes() <= table.quota, "{table:?}");
    while let Some(slot) = table.age.take() {
        assert!(table.vacate(&slot, |_| true));
    }
    assert_eq!((table.bytes(), table.len(), table.vacant.load(Ordering::Relaxed)), (0, 0, 0));
}

#[test]
fn entries_are_set_read_and_removed() {
    let table = table();
    assert!(table.is_empty());
    assert_eq!(get(&table, "a", NOW), None);
    assert!(table.put(b"a", b"1", HOUR, NOW));
    assert!(table.put(b"b", b"", HOUR, NOW));
    assert!(table.put(b"a", b"two", HOUR, NOW));
    assert_eq!((get(&table, "a", NOW), get(&table, "b", NOW)), (Some("two".into()), Some(String::new())));
    assert_eq!((table.len(), table.bytes()), (2, 2 * ENTRY_OVERHEAD + 2 + 3));
    table.remove(b"a");
    table.remove(b"a");
    table.remove(b"c");
    assert_eq!((get(&table, "a", NOW), table.len()), (None, 1));
    check_accounts(&table);
}

#[test]
fn entries_expire() {
    let table = table();
    table.put(b"a", b"1", 1000, NOW);
    assert_eq!(get(&table, "a", NOW + SECOND - 1), Some("1".into()));
    assert_eq!((get(&table, "a", NOW + SECOND), table.len()), (None, 0), "and go when they are met");
    assert!(table.put(b"b", b"1", 0, NOW));
    assert_eq!(get(&table, "b", NOW), None, "no time to live is none");
    assert!(table.put(b"c", b"1", u64::MAX, NOW));
    assert_eq!(get(&table, "c", u64::MAX - 1), Some("1".into()));
    table.put(b"d", b"1", 1000, NOW);
    table.put(b"d", b"2", 2000, NOW);
    assert_eq!(get(&table, "d", NOW + SECOND), Some("2".into()), "renewed");
    check_accounts(&table);
}

#[test]
fn the_first_of_new_ones_holds() {
    let table = table();
    let put_new = |value: &str, now_us| {
        String::from_utf8(table.put_new(b"a", value.as_bytes(), 1000, now_us).to_vec()).expect("text")
    };
    assert_eq!(put_new("1", NOW), "1");
    assert_eq!(put_new("2", NOW + SECOND / 2), "1");
    assert_eq!(put_new("3", NOW + SECOND), "3", "the first has expired, and the second did not renew it");
    check_accounts(&table);
}

#[test]
fn numbers_add_up() {
    let table = table();
    let add = |key: &[u8], delta, now_us| table.add(key, delta, 1000, now_us);
    assert_eq!((add(b"n", 5, NOW), add(b"n", -7, NOW + SECOND / 2)), (5, -2));
    assert_eq!(table.get(b"n", NOW).as_deref(), Some(&(-2i64).to_le_bytes()[..]));
    assert_eq!(add(b"n", 1, NOW + SECOND), -1, "it was renewed");
    assert_eq!(add(b"n", 1, NOW + 3 * SECOND), 1, "it has expired");
    assert_eq!((add(b"m", i64::MAX, NOW), add(b"m", 1, NOW)), (i64::MAX, i64::MAX));
    assert_eq!((add(b"l", i64::MIN, NOW), add(b"l", -1, NOW)), (i64::MIN, i64::MIN));
    table.put(b"text", b"1234567", HOUR, NOW);
    assert_eq!(add(b"text", 3, NOW), 3);
    check_accounts(&table);
}

#[test]
fn what_is_too_large_is_refused() {
    let table = table();
    let key = vec![b'k'; LONGEST_KEY];
    assert!(table.put(&key, &vec![0; LARGEST_ENTRY - LONGEST_KEY], HOUR, NOW));
    let value = vec![1; LARGEST_ENTRY - LONGEST_KEY + 1];
    assert!(!table.put(&key, &value, HOUR, NOW));
    assert_eq!(table.get(&key, NOW).map(|value| value.len()), Some(LARGEST_ENTRY - LONGEST_KEY), "as it was");
    table.remove(&key);
    assert_eq!(*table.put_new(&key, &value, HOUR, NOW), value[..]);
    let long = vec![b'k'; LONGEST_KEY + 1];
    assert!(!table.put(&long, b"", HOUR, NOW));
    assert_eq!(table.add(&long, 7, HOUR, NOW), 7);
    assert!(table.is_empty());
    let small = LocalTable::new(64 << 10);
    assert!(small.put(b"k", &[0; 4095], HOUR, NOW) && !small.put(b"k", &[0; 4096], HOUR, NOW), "a 16th of the quota");
    check_accounts(&table);
}

#[test]
fn the_oldest_goes_but_for_what_was_used() {
    let table = LocalTable::new(100 * (ENTRY_OVERHEAD + 2));
    let put = |n: u8| assert!(table.put(&[n], b"v", HOUR, NOW));
    (0..100).for_each(put);
    assert!(table.get(&[0], NOW).is_some());
    put(2);
    (100..104).for_each(put);
    let gone: Vec<u8> = (0..104).filter(|n| table.get(&[*n], NOW).is_none()).collect();
    assert_eq!(gone, [1, 3, 4, 5], "0 was read, 2 was renewed");
    check_accounts(&table);
}

#[test]
fn where_all_were_used_one_goes_all_the_same() {
    let table = LocalTable::new(1000 * (ENTRY_OVERHEAD + 3));
    (0..1000u16).for_each(|n| assert!(table.put(&n.to_le_bytes(), b"v", HOUR, NOW)));
    (0..1000u16).for_each(|n| assert!(table.get(&n.to_le_bytes(), NOW).is_some()));
    assert!(table.put(&1000u16.to_le_bytes(), b"v", HOUR, NOW));
    let spared = (0..1000u16).filter(|n| table.get(&n.to_le_bytes(), NOW).is_some()).count();
    assert_eq!(spared, 999);
    check_accounts(&table);
}

#[test]
fn a_flood_of_keys_stays_below_the_quota() {
    let table = LocalTable::new(64 << 10);
    for n in 0..1_000_000u64 {
        assert!(table.put(&n.to_le_bytes(), b"value", HOUR, NOW));
        assert!(table.bytes() <= 64 << 10);
    }
    assert_eq!(table.len(), (64 << 10) / (ENTRY_OVERHEAD + 13));
    assert!(table.get(&999_999u64.to_le_bytes(), NOW).is_some());
    check_accounts(&table);
}

#[test]
fn what_expires_is_reclaimed_by_writes() {
    let table = table();
    for n in 0..100_000u64 {
        table.put(&n.to_le_bytes(), b"v", 1000, NOW + n * SECOND / 100);
    }
    assert!((100..=110).contains(&table.len()), "a hundred live at a time: {table:?}");
    check_accounts(&table);
}

#[test]
fn one_that_is_renewed_for_ever_hides_nothing_that_expires() {
    let table = LocalTable::new(QUOTA);
    for now_ms in 0..1000 {
        let now_us = now_ms * 1000;
        assert!(table.put(b"busy", b"v", 20, now_us));
        assert!(table.put(format!("once-{now_ms}").as_bytes(), b"v", 20, now_us));
        assert!(table.len() <= 60, "{} entries after {now_ms} ms", table.len());
    }
    check_accounts(&table);
}

#[test]
fn removed_entries_crowd_nobody_out() {
    let table = LocalTable::new(200 * (ENTRY_OVERHEAD + 9));
    for n in 0..50u64 {
        table.put(&n.to_le_bytes(), b"v", HOUR, NOW);
    }
    for n in 50..100_000u64 {
        table.put(&n.to_le_bytes(), b"v", HOUR, NOW);
        table.remove(&n.to_le_bytes());
    }
    assert!((0..50u64).all(|n| table.get(&n.to_le_bytes(), NOW).is_some()), "{table:?}");
    check_accounts(&table);
}

/// Runs `work` on four threads at once, given their numbers.
fn at_once<T: Send>(work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(4);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (start, work) = (&start, &work);
                scope.spawn(move || {
                    start.wait();
                    work(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn one_of_many_new_ones_holds() {
    let table = LocalTable::new(16 << 20);
    let held = at_once(|thread| {
        let one = |n: u64| table.put_new(&n.to_le_bytes(), &thread.to_le_bytes(), HOUR, NOW);
        (0..20_000).map(one).collect::<Vec<_>>()
    });
    assert!(held.windows(2).all(|pair| pair[0] == pair[1]), "all threads were told the same");
    let winners: HashSet<_> = held[0].iter().collect();
    assert!(!winners.is_empty() && table.len() == 20_000);
    check_accounts(&table);
}

#[test]
fn no_addition_is_lost() {
    let table = table();
    let sums = at_once(|thread| {
        (0..20_000).map(|n| table.add(&[(n % 3) as u8], 1 + (thread as i64), HOUR, NOW)).collect::<Vec<_>>()
    });
    let last: i64 = (0..3u8).map(|key| table.add(&[key], 0, HOUR, NOW)).sum();
    assert_eq!(last, 20_000 * (1 + 2 + 3 + 4));
    assert!(sums.iter().all(|sums| (0..3).all(|key| sums.iter().skip(key).step_by(3).is_sorted())));
    check_accounts(&table);
}

#[test]
fn accounts_are_right_after_a_crowd() {
    let table = LocalTable::new(64 << 10);
    at_once(|thread| {
        let mut random = thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for step in 0..50_000u64 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (key, now_us) = ((random % 500).to_le_bytes(), NOW + step * 100);
            let value = vec![7; (random >> 16) as usize % 600];
            match (random >> 32) % 5 {
                0 => drop(table.get(&key, now_us)),
                1 => drop(table.put(&key, &value, (random >> 40) % 200, now_us)),
                2 => drop(table.put_new(&key, &value, (random >> 40) % 200, now_us)),
                3 => drop(table.add(&key, 1, 50, now_us)),
                _ => table.remove(&key),
            }
            assert!(table.bytes() <= 64 << 10);
        }
    });
    check_accounts(&table);
}

#[derive(Debug, Clone)]
enum Step {
    Get(u8),
    Put(u8, u8, u64),
    PutNew(u8, u8, u64),
    Add(u8, i8, u64),
    Remove(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let ttl = 0..2000u64;
    prop_oneof![
        (0..8u8).prop_map(Step::Get),
        (0..8u8, any::<u8>(), ttl.clone()).prop_map(|(key, value, ttl)| Step::Put(key, value, ttl)),
        (0..8u8, any::<u8>(), ttl.clone()).prop_map(|(key, value, ttl)| Step::PutNew(key, value, ttl)),
        (0..8u8, any::<i8>(), ttl).prop_map(|(key, delta, ttl)| Step::Add(key, delta, ttl)),
        (0..8u8).prop_map(Step::Remove),
        (0..1000u64).prop_map(|ms| Step::Wait(ms * 1000)),
    ]
}

proptest! {
    /// With room for all, it is a map whose entries expire.
    #[test]
    fn it_is_a_map_that_expires(steps in prop::collection::vec(step(), 0..200)) {
        let table = table();
        let mut model: HashMap<u8, (Vec<u8>, u64)> = HashMap::new();
        let mut now = NOW;
        for step in steps {
            model.retain(|_, (_, expires)| now < *expires);
            match step {
                Step::Get(key) => {
                    let expected = model.get(&key).map(|(value, _)| value.clone());
                    prop_assert_eq!(table.get(&[key], now).map(|value| value.to_vec()), expected);
                }
                Step::Put(key, value, ttl) => {
                    prop_assert!(table.put(&[key], &[value], ttl, now));
                    model.insert(key, (vec![value], now + ttl * 1000));
                }
                Step::PutNew(key, value, ttl) => {
                    let (holds, _) = model.entry(key).or_insert_with(|| (vec![value], now + ttl * 1000));
                    prop_assert_eq!(&*table.put_new(&[key], &[value], ttl, now), &**holds);
                }
                Step::Add(key, delta, ttl) => {
                    let held = model.get(&key).and_then(|(value, _)| <[u8; 8]>::try_from(&**value).ok());
                    let sum = held.map_or(0, i64::from_le_bytes) + i64::from(delta);
                    prop_assert_eq!(table.add(&[key], delta.into(), ttl, now), sum);
                    model.insert(key, (sum.to_le_bytes().into(), now + ttl * 1000));
                }
                Step::Remove(key) => {
                    table.remove(&[key]);
                    model.remove(&key);
                }
                Step::Wait(us) => now += us,
            }
        }
        check_accounts(&table);
    }
}
