//! The ring of `ring-hash` against recorded answers of a real nginx: the head of `nginx.txt` says how they were made.

use ring_hash::RingHash;
use trimtab_sdk::testing::Keys;
use trimtab_sdk::{Backend, Readiness};

const RECORDED: &str = include_str!("nginx.txt");

#[test]
fn every_key_goes_where_nginx_sends_it() {
    let mut pools: Vec<_> = RECORDED.lines().filter_map(|line| line.strip_prefix("table ")).map(pool).collect();
    assert_eq!(pools.len(), 5);
    let mut keys = 0;
    for (key, answers) in RECORDED.lines().filter_map(|line| line.split_once('\t')) {
        keys += 1;
        for ((name, pool), answer) in pools.iter_mut().zip(answers.split(' ')) {
            assert_eq!(pool.pick(key, &[]).as_deref(), Some(answer), "{key} in table {name}");
        }
    }
    assert_eq!(keys, 600);
}

/// Ids are the positions that the answers name. `NAME ADDRESS,WEIGHT[,down] …`
fn pool(line: &str) -> (&str, Keys<RingHash>) {
    let (name, servers) = line.split_once(' ').expect("servers");
    let backend = |(position, server): (usize, &str)| {
        let mut parts = server.split(',');
        Backend {
            id: position.to_string(),
            address: parts.next().expect("an address").to_owned(),
            weight: parts.next().and_then(|weight| weight.parse().ok()).expect("a weight"),
            readiness: if parts.next().is_some() { Readiness::Down } else { Readiness::Ready },
            labels: Vec::new(),
        }
    };
    (name, Keys::new("{}", servers.split(' ').enumerate().map(backend).collect()))
}
