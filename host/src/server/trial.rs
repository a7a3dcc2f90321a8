//! A generation before it decides: an instance of its own gets the real table and made-up requests, and whatever
//! goes wrong keeps it out. Runs guest code, so it belongs on builder threads.
//!
//! The trial has tables and turns of its own: nothing that decides notices it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{COOKIE, HOST, HeaderValue};
use http::{HeaderMap, Method, Uri};

use crate::decide::key;
use crate::decide::{
    Affinity, Balancer, Destination, Facts, Fault, Head, Key, Keyed, LocalTable, Moment, Observer, Outcome,
    OutcomeKind, Readiness, Router, Row, Shaper, Verdict, check, check_found, check_refusal,
};
use crate::plugin::{
    AffinityInstance, BalancerInstance, BuildError, BuildReason, Built, RouterInstance, Seat, ShaperInstance,
};

/// Made-up requests.
const REQUESTS: u32 = 256;

/// Room for what they leave in the plugin's table, in bytes. A large table takes milliseconds to be dropped.
const TABLE: usize = 1 << 20;

/// What a plugin is tried as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Affinity,
    Balancer,
    Shaper,
    Router,
}

/// Tries a plugin in this seat.
///
/// # Errors
/// What it did wrong.
pub(super) fn trial(role: Role, seat: Seat) -> Result<(), BuildError> {
    let (definition, place) = (Arc::clone(&seat.definition), place(&seat));
    let quota = if definition.uses_table() { definition.limits().table.min(TABLE) } else { 0 };
    let seat = Seat { table: Arc::new(LocalTable::new(quota)), load: Arc::new(seat.load.shadow()), ..seat };
    let tried = match role {
        Role::Affinity => affinity(seat),
        Role::Balancer => balancer(seat),
        Role::Shaper => shaper(seat),
        Role::Router => router(seat),
    };
    tried.map_err(|reason| BuildError::new(&definition, place, reason))
}

fn place(seat: &Seat) -> String {
    format!("{} `{}`", if seat.pools.is_empty() { "pool" } else { "route" }, seat.pool)
}

fn balancer(seat: Seat) -> Result<(), BuildReason> {
    let readiness: Vec<_> = seat.rows.iter().map(|row| row.readiness).collect();
    let mut instance = BalancerInstance::seat(seat.clone())?;
    let mut requests = Requests::default();
    for _ in 0..REQUESTS {
        let (moment, facts) = requests.next(instance.keys());
        let (facts, answer) = instance.pick(moment, facts);
        let checked = answer.and_then(|verdict| check(verdict, &readiness, &facts.tried).map(|()| verdict));
        let verdict = checked.map_err(|fault| BuildReason::Trial("pick", fault))?;
        if let Verdict::Backend(index) = verdict {
            // One that does not look at what was tried is no danger: on a retry the fallback stands in for it.
            let facts = Box::new(Facts { tried: [index].into_iter().collect(), ..*facts });
            let (_, answer) = instance.pick(Moment { attempt: 1, ..moment }, facts);
            answer.map_err(|fault| BuildReason::Trial("pick", fault))?;
        }
    }
    observed(&mut instance, &seat.rows, requests.now_us)?;
    let state = instance.save().map_err(|fault| BuildReason::Trial("save", fault))?;
    handed(state, || BalancerInstance::seat(seat), BalancerInstance::restore)
}

fn affinity(seat: Seat) -> Result<(), BuildReason> {
    let readiness: Vec<_> = seat.rows.iter().map(|row| row.readiness).collect();
    let ready = readiness.iter().position(|readiness| *readiness == Readiness::Ready);
    let mut instance = AffinityInstance::seat(seat.clone())?;
    let mut requests = Requests::default();
    for _ in 0..REQUESTS {
        let (moment, facts) = requests.next(instance.keys());
        let (facts, answer) = instance.find(moment, facts);
        let found = answer
            .and_then(|verdict| check_found(verdict, &readiness, &facts.tried).map(|()| verdict))
            .map_err(|fault| BuildReason::Trial("find", fault))?;
        let backend = match found {
            Verdict::Backend(index) => Some(index),
            _ => ready.and_then(|ready| u32::try_from(ready).ok()),
        };
        if let Some(backend) = backend {
            let head = Box::new(Head { status: 200, headers: HeaderMap::new() });
            let found = matches!(found, Verdict::Backend(_)).then_some(backend);
            let (_, _, answer) = instance.bind(moment, facts, head, backend, found);
            answer.map_err(|fault| BuildReason::Trial("bind", fault))?;
        }
    }
    observed(&mut instance, &seat.rows, requests.now_us)?;
    let state = instance.save().map_err(|fault| BuildReason::Trial("save", fault))?;
    handed(state, || AffinityInstance::seat(seat), AffinityInstance::restore)
}

fn router(seat: Seat) -> Result<(), BuildReason> {
    let pools = seat.pools.len();
    let mut instance = RouterInstance::seat(seat.clone())?;
    let mut requests = Requests::default();
    for _ in 0..REQUESTS {
        let (moment, facts) = requests.next(instance.keys());
        let (_, answer) = instance.route(moment, facts);
        let checked = answer.and_then(|destination| match destination {
            Destination::Pool(position) if position as usize >= pools => {
                Err(Fault::invalid(format!("answered pool {position} of a list of {pools}")))
            }
            Destination::Refuse(status) => check_refusal(status),
            _ => Ok(()),
        });
        checked.map_err(|fault| BuildReason::Trial("route", fault))?;
    }
    let state = instance.save().map_err(|fault| BuildReason::Trial("save", fault))?;
    handed(state, || RouterInstance::seat(seat), RouterInstance::restore)
}

fn shaper(seat: Seat) -> Result<(), BuildReason> {
    let rows = Arc::clone(&seat.rows);
    let mut instance = ShaperInstance::seat(seat)?;
    instance.shape(&rows).map(drop).map_err(|fault| BuildReason::Trial("shape", fault))
}

/// Outcomes and a tick, for one that observes.
fn observed(instance: &mut impl Observer, rows: &[Row], now_us: u64) -> Result<(), BuildReason> {
    let outcome = |backend| Outcome {
        backend,
        kind: OutcomeKind::Success,
        status: 200,
        latency_us: 1000,
        attempt: 0,
        key: None,
        at_us: now_us,
    };
    let outcomes: Vec<_> = (0..).take(rows.len().min(64)).map(outcome).collect();
    if instance.observes() {
        instance.observe(&outcomes, now_us).map_err(|fault| BuildReason::Trial("observe", fault))?;
    }
    instance.tick(now_us + 60_000_000).map_err(|fault| BuildReason::Trial("tick", fault))
}

/// State that was saved goes into another instance.
fn handed<I>(
    state: Option<Vec<u8>>,
    build: impl FnOnce() -> Result<I, BuildReason>,
    restore: impl FnOnce(&mut I, &[u8]) -> Result<(), Fault>,
) -> Result<(), BuildReason> {
    match state {
        Some(state) => restore(&mut build()?, &state).map_err(|fault| BuildReason::Trial("restore", fault)),
        None => Ok(()),
    }
}

/// Made-up requests, each from another client of the documentation's network (RFC 5737).
struct Requests {
    number: u32,
    random: fastrand::Rng,
    now_us: u64,
}

impl Default for Requests {
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        Self { number: 0, random: fastrand::Rng::with_seed(now_us), now_us }
    }
}

impl Requests {
    fn next(&mut self, keys: &[Key]) -> (Moment, Box<Facts>) {
        self.number += 1;
        self.now_us += 1000;
        let client = Ipv4Addr::new(192, 0, 2, self.number.to_le_bytes()[0]);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("trial.example"));
        if let Ok(cookie) = HeaderValue::try_from(format!("trial={}", self.number)) {
            headers.insert(COOKIE, cookie);
        }
        let facts = Facts {
            protocol: "http/1.1",
            listener: "trial".into(),
            client: Some(SocketAddr::new(client.into(), 49152)),
            method: Method::GET,
            uri: Uri::try_from(format!("/trial/{}?n={0}", self.number)).unwrap_or_default(),
            headers,
            ..Facts::default()
        };
        let key = key::hash(keys, &facts, 0);
        (Moment { key, random: self.random.u64(..), now_us: self.now_us, attempt: 0 }, Box::new(facts))
    }
}
