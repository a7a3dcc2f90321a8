//! What the table of plugins costs, without a guest: `cargo bench -p trimtab --bench table`.
//!
//! Wall time of short batches, on one thread and on two at once; percentiles, as a busy machine spoils the high ones.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and may stop")]

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use trimtab::decide::{LocalTable, Table};

const BATCHES: usize = 2_000;
const CALLS: usize = 200;
/// Keys that fit the processor's caches, and keys that do not.
const FEW: u64 = 1_000;
const MANY: u64 = 100_000;
const HOUR: u64 = 3_600_000;

type Call = fn(&LocalTable, u64);

fn main() {
    println!("{:<34}{:>9}{:>8}{:>8}{:>8}   ns a call", "", "threads", "median", "p10", "p1");
    let calls: [(&str, usize, Call); 8] = [
        ("get, of 1 000", 64 << 20, |table, n| hold(table.get(&key(n % FEW), 1))),
        ("get, of 100 000", 64 << 20, |table, n| hold(table.get(&key(n % MANY), 1))),
        ("get, absent", 64 << 20, |table, n| hold(table.get(&key(MANY + n), 1))),
        ("put, one of 1 000", 64 << 20, |table, n| hold(table.put(&key(n % FEW), b"backend1", HOUR, 1))),
        ("put-new, one of 1 000, there", 64 << 20, |table, n| {
            hold(table.put_new(&key(n % FEW), b"backend2", HOUR, 1));
        }),
        ("add, one of 1 000", 64 << 20, |table, n| hold(table.add(&key(n % FEW), 1, HOUR, 1))),
        ("add, one", 64 << 20, |table, _| hold(table.add(&key(0), 1, HOUR, 1))),
        ("put, new, another goes", 4 << 20, |table, n| hold(table.put(&key(n), b"backend1", HOUR, 1))),
    ];
    for (name, quota, call) in calls {
        let table = LocalTable::new(quota);
        for n in 0..MANY {
            table.put(&key(n), b"backend1", HOUR, 1);
        }
        for threads in [1, 2] {
            let mut times = run(&table, threads, call);
            times.sort_unstable_by(f64::total_cmp);
            let [median, p10, p1] = [2, 10, 100].map(|part| times[times.len() / part]);
            println!("{name:<34}{threads:>9}{median:>8.0}{p10:>8.0}{p1:>8.0}");
        }
    }
}

/// Nanoseconds a call, of each batch of each thread.
fn run(table: &LocalTable, threads: u64, call: Call) -> Vec<f64> {
    let start = Barrier::new(threads as usize);
    let work = |thread: u64| {
        let mut random = fastrand::Rng::with_seed(thread);
        start.wait();
        let batch = |_| {
            let begin = Instant::now();
            (0..CALLS).for_each(|_| call(table, random.u64(..1 << 40)));
            begin.elapsed().as_nanos() as f64 / CALLS as f64
        };
        (0..BATCHES).map(batch).collect::<Vec<_>>()
    };
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// An answer that somebody wants.
fn hold<T>(answer: T) {
    black_box(answer);
}

/// 16 bytes, as of a session.
fn key(n: u64) -> [u8; 16] {
    let mut key = *b"________-session";
    key[..8].copy_from_slice(&n.to_le_bytes());
    key
}
