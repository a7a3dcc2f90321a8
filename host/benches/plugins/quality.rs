//! How even picks are, and which clients move when a backend goes: the component itself, over many picks.
//!
//! The load is a closed one: a hundred requests are always in flight, and each step ends one of them, whichever, before
//! the next is picked. So all backends are equally fast, and what is in flight at each is the balancer's doing.

use std::sync::Arc;

use http::HeaderValue;
use trimtab::decide::{
    Balancer as _, Destination, Observer as _, Outcome, OutcomeKind, PoolLoad, Readiness, Router as _, Row, Verdict,
};
use trimtab::plugin::{AffinityInstance, BalancerInstance, Registry, RouterInstance};

use super::cases::{Affinity, Balancer};
use super::decisions;
use super::world::{Clock, Place, Weights, request, rows};

const PICKS: u32 = 1_000_000;
const BACKENDS: usize = 10;
const IN_FLIGHT: usize = 100;
/// Keys asked for before and after a backend goes.
const KEYS: u32 = 100_000;
const CLIENTS: u32 = 10_000;

/// How even a million picks over ten equal backends are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evenness {
    /// Picks of the busiest backend by those of the mean.
    pub(crate) picks: f64,
    /// Of requests in flight, the most at a backend by the mean: the mean of that over time.
    pub(crate) in_flight: f64,
}

/// Runs the closed load. Weights count: a backend's picks and requests are taken by its weight.
pub(crate) fn evenness(registry: &Registry, case: &Balancer) -> Evenness {
    let (rows, load) = (rows(BACKENDS, case.weights), Arc::new(PoolLoad::new(1)));
    let mut instance: BalancerInstance = case.place().seat(registry, &rows, &load);
    let (mut clock, mut facts) = (Clock::new(), request(0));
    let (mut picks, mut running, mut outcomes) = ([0u32; BACKENDS], Vec::new(), Vec::new());
    let (mut peaks, mut steps) = (0.0, 0u32);
    for client in 0..PICKS {
        if running.len() == IN_FLIGHT {
            let ended = clock.random().usize(..running.len());
            let (backend, began): (u32, u64) = running.swap_remove(ended);
            rows[backend as usize].load.end();
            load.end(0);
            let latency_us = (clock.now_us() - began) as u32;
            rows[backend as usize].load.sample(latency_us, clock.now_us());
            let (kind, at_us) = (OutcomeKind::Success, clock.now_us());
            outcomes.push(Outcome { backend, kind, status: 200, latency_us, attempt: 0, key: None, at_us });
            if outcomes.len() == trimtab::decide::outcome::BATCH {
                if instance.observes() {
                    instance.observe(&outcomes, clock.now_us()).unwrap();
                }
                instance.tick(clock.now_us()).unwrap();
                outcomes.clear();
            }
        }
        name(&mut facts, client);
        let moment = clock.moment(&instance, &facts);
        let answer;
        (facts, answer) = instance.pick(moment, facts);
        let Verdict::Backend(backend) = answer.unwrap() else { continue };
        picks[backend as usize] += 1;
        rows[backend as usize].load.begin();
        load.begin(0);
        running.push((backend, clock.now_us()));
        // Not while it fills.
        if client % 64 == 0 && running.len() == IN_FLIGHT {
            peaks += over_mean(&rows, |at| f64::from(rows[at].load.in_flight()));
            steps += 1;
        }
    }
    Evenness { picks: over_mean(&rows, |at| f64::from(picks[at])), in_flight: peaks / f64::from(steps.max(1)) }
}

/// The highest of all backends by the mean, each by its weight.
fn over_mean(rows: &[Row], count: impl Fn(usize) -> f64) -> f64 {
    let total: f64 = (0..rows.len()).map(&count).sum();
    let weights: f64 = rows.iter().map(|row| f64::from(row.weight)).sum();
    let highest = (0..rows.len()).map(|at| count(at) / f64::from(rows[at].weight)).fold(0.0, f64::max);
    highest / (total / weights)
}

/// The request becomes that of another client.
fn name(facts: &mut trimtab::decide::Facts, client: u32) {
    let value = HeaderValue::from_str(&format!("user-{client}.example")).unwrap();
    facts.headers.insert("x-user", value);
    facts.client = Some(std::net::SocketAddr::from((std::net::Ipv4Addr::from(0x0b00_0000 + client), 40_000)));
}

/// Shares of keys, or clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved {
    /// That have another backend.
    pub(crate) all: f64,
    /// Of these, that had a backend which is still there.
    pub(crate) needless: f64,
}

/// What happens to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It leaves the pool.
    Removed,
    /// It is down.
    Down,
}

/// Which keys move when one of so many backends goes.
pub(crate) fn keys_moved(registry: &Registry, case: &Balancer, backends: usize, loss: Loss) -> Moved {
    let (rows, load) = (rows(backends, Weights::Equal), Arc::new(PoolLoad::new(1)));
    let mut instance: BalancerInstance = case.place().seat(registry, &rows, &load);
    let mut clock = Clock::new();
    let mut all = |instance: &mut BalancerInstance| -> Vec<u32> {
        let mut facts = request(0);
        let pick = |client| {
            name(&mut facts, client);
            let moment = clock.moment(instance, &facts);
            let (back, answer) = instance.pick(moment, std::mem::take(&mut facts));
            facts = back;
            match answer.unwrap() {
                Verdict::Backend(backend) => backend,
                other => panic!("{other:?}"),
            }
        };
        (0..KEYS).map(pick).collect()
    };
    let before = all(&mut instance);
    let gone = lose(&mut instance, rows, loss);
    let after = all(&mut instance);
    moved(before.into_iter().zip(after.into_iter().map(Some)), gone, loss)
}

/// Which clients move when one of so many backends goes; clients of the lost one are not counted as moved where
/// they are not bound any more.
pub(crate) fn clients_moved(registry: &Registry, case: &Affinity, backends: usize, loss: Loss) -> Moved {
    let (rows, load) = (rows(backends, Weights::Equal), Arc::new(PoolLoad::new(1)));
    let mut instance: AffinityInstance = case.place().seat(registry, &rows, &load);
    let mut clock = Clock::new();
    let visit = |client| decisions::visit(&mut instance, case, &rows, client, &mut clock);
    let mut visits: Vec<_> = (0..CLIENTS).map(visit).collect();
    let gone = lose(&mut instance, rows, loss);
    let pairs = visits.iter_mut().map(|visit| (visit.backend, decisions::find(&mut instance, visit, &mut clock)));
    moved(pairs, gone, loss)
}

/// Tells the loss of a backend in the middle, and answers which.
fn lose(instance: &mut impl trimtab::decide::Tabled, mut rows: Vec<Row>, loss: Loss) -> u32 {
    let gone = rows.len() / 2;
    match loss {
        Loss::Removed => {
            rows.remove(gone);
            instance.update(&rows).unwrap();
        }
        Loss::Down => {
            rows[gone].readiness = Readiness::Down;
            instance.adjust(&rows).unwrap();
        }
    }
    gone as u32
}

fn moved(pairs: impl Iterator<Item = (u32, Option<u32>)>, gone: u32, loss: Loss) -> Moved {
    let (mut total, mut all, mut needless) = (0u32, 0u32, 0u32);
    for (before, after) in pairs {
        let expected = if loss == Loss::Removed && before > gone { before - 1 } else { before };
        let lost = before == gone;
        total += 1;
        all += u32::from(lost || after != Some(expected));
        needless += u32::from(!lost && after != Some(expected));
    }
    Moved { all: f64::from(all) / f64::from(total), needless: f64::from(needless) / f64::from(total) }
}

/// What `split` gives to a canary of 5 %, and the keys that move when it becomes 10 %.
pub(crate) fn canary(registry: &Registry) -> (f64, f64) {
    let mut shares = [r#"{"percent": 5}"#, r#"{"percent": 10}"#].map(|settings| {
        let pools = &["web", "canary"];
        let place = Place { plugin: "split", settings, key: Some("header:x-user"), pools };
        place.seat::<RouterInstance>(registry, &[], &Arc::new(PoolLoad::new(1)))
    });
    let (mut clock, mut facts, mut canary, mut moved) = (Clock::new(), request(0), 0u32, 0u32);
    for client in 0..PICKS {
        name(&mut facts, client);
        let answers = shares.each_mut().map(|instance| {
            let moment = clock.moment(instance, &facts);
            let (back, answer) = instance.route(moment, std::mem::take(&mut facts));
            facts = back;
            answer.unwrap()
        });
        canary += u32::from(answers[0] == Destination::Pool(1));
        moved += u32::from(answers[0] != answers[1]);
    }
    (f64::from(canary) / f64::from(PICKS), f64::from(moved) / f64::from(PICKS))
}
