//! Random tables, requests and retries, as a worker might have them.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use http::header::{COOKIE, HeaderName, HeaderValue};
use http::{Method, Uri};

use crate::decide::{Facts, PoolLoad, Readiness, Row};
use crate::lab::world;

/// What requests are made of, all from a seed.
pub(super) struct Chance(pub(super) fastrand::Rng);

impl Chance {
    /// From a seed, and what it is for: groups do not share it.
    pub(super) fn new(seed: u64, group: &str) -> Self {
        let mixed = group.bytes().fold(seed, |mixed, byte| mixed.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte));
        Self(fastrand::Rng::with_seed(mixed))
    }

    /// A table of one to some hundred backends: some draining, down or without weight, with labels and with something to do.
    pub(super) fn rows(&mut self) -> Vec<Row> {
        let count = match self.0.u8(..10) {
            0 => 1,
            1..=6 => self.0.usize(2..=12),
            7..=8 => self.0.usize(13..=64),
            _ => self.0.usize(65..=300),
        };
        let first = self.0.usize(..1000);
        (0..count).map(|at| self.row(first + at)).collect()
    }

    /// One of them.
    pub(super) fn row(&mut self, number: usize) -> Row {
        let labels: &[(&str, &str)] = match self.0.u8(..4) {
            0 => &[],
            1 => &[("zone", "a")],
            2 => &[("canary", "yes"), ("priority", "1"), ("zone", "b")],
            _ => &[("region", "north"), ("zone", "c")],
        };
        let row = world::row(number, &format!("b{number}"), self.weight(), labels);
        for _ in 0..self.0.u32(..4) {
            row.load.begin();
        }
        if self.0.bool() {
            row.load.sample(self.0.u32(100..200_000), world::BEGINNING);
        }
        if self.0.u8(..8) == 0 {
            row.load.failed();
        }
        Row { readiness: self.readiness(), ..row }
    }

    fn weight(&mut self) -> u32 {
        match self.0.u8(..20) {
            0..=1 => 0,
            2..=11 => 1,
            12..=18 => self.0.u32(2..=100),
            _ => 65_535,
        }
    }

    fn readiness(&mut self) -> Readiness {
        match self.0.u8(..10) {
            0 => Readiness::Draining,
            1..=2 => Readiness::Down,
            _ => Readiness::Ready,
        }
    }

    /// What health, drains and feedback change: weights and readiness of some.
    pub(super) fn adjust(&mut self, rows: &mut [Row]) {
        for _ in 0..1 + rows.len() / 8 {
            let Some(at) = self.0.choice(0..rows.len()) else { return };
            (rows[at].weight, rows[at].readiness) = (self.weight(), self.readiness());
        }
    }

    /// Backends come and go, and change places.
    pub(super) fn update(&mut self, rows: &mut Vec<Row>) {
        for _ in 0..1 + rows.len() / 8 {
            match self.0.u8(..3) {
                0 if rows.len() > 1 => drop(rows.swap_remove(self.0.usize(..rows.len()))),
                1 => {
                    let number = self.0.usize(2000..1_000_000);
                    if rows.len() < 400 && !rows.iter().any(|row| *row.id == *format!("b{number}")) {
                        let row = self.row(number);
                        rows.insert(self.0.usize(..=rows.len()), row);
                    }
                }
                _ => self.0.shuffle(rows),
            }
        }
    }

    /// A request as it may come: by another protocol, of another address, to another path, with more headers.
    fn request(&mut self, client: u32) -> Box<Facts> {
        let mut facts = world::request(client);
        if self.0.u8(..3) == 0 {
            (facts.protocol, facts.alpn) = ("h2", Some("h2".into()));
        }
        if self.0.u8(..3) == 0 {
            let address = Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(client));
            facts.client = Some(SocketAddr::from((address, 40_000)));
        }
        if self.0.u8(..3) == 0 {
            facts.method = [Method::POST, Method::HEAD, Method::CONNECT, Method::OPTIONS][self.0.usize(..4)].clone();
        }
        if self.0.u8(..3) == 0 {
            let path = ["/", "*", "/a%20b/../c?x=1&y", "/long/".repeat(300).as_str()][self.0.usize(..4)].to_owned();
            facts.uri = Uri::try_from(path).unwrap_or_default();
        }
        if self.0.u8(..4) == 0 {
            facts.headers.append(COOKIE, HeaderValue::from_static("=; ;;a==b; \"; session=!!; trimtab="));
            (0..40u16).for_each(|number| _ = facts.headers.append("x-many", HeaderValue::from(number)));
            // Not all headers are text.
            facts
                .headers
                .extend(HeaderValue::from_bytes(b"\xff\xfe").ok().map(|odd| (HeaderName::from_static("x-odd"), odd)));
        }
        facts
    }

    /// A request of some client, or a connection of which nothing else is known; on a retry with what was tried.
    pub(super) fn facts(&mut self, rows: &[Row]) -> Box<Facts> {
        let client = self.0.u32(..100_000);
        let mut facts = match self.0.u8(..10) {
            0 => Facts::of_connection("tcp", &Arc::from("web"), world::request(client).client),
            1 => Facts::of_connection("udp", &Arc::from("web"), None),
            2 => Box::new(Facts { protocol: "http/1.1", listener: "web".into(), ..Facts::default() }),
            _ => self.request(client),
        };
        if !rows.is_empty() && self.0.u8(..4) == 0 {
            for _ in 0..self.0.usize(1..=3) {
                let tried = self.0.usize(..rows.len()) as u32;
                if !facts.tried.contains(&tried) {
                    facts.tried.push(tried);
                }
            }
        }
        facts
    }
}

/// Numbers of a pool with this table.
pub(super) fn load(rows: &[Row]) -> Arc<PoolLoad> {
    let load = PoolLoad::new(1);
    load.set_ready(rows.iter().filter(|row| row.readiness == Readiness::Ready).count());
    for row in rows {
        (0..row.load.in_flight()).for_each(|_| load.begin(0));
    }
    Arc::new(load)
}
