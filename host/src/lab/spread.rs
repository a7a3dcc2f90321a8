//! How even a plugin spreads, and whom it moves without need when one of its backends goes: figures of many decisions.
//!
//! The load is a closed one: a hundred requests are always in flight, and each step ends one of them, whichever, before the
//! next is picked. So all backends are equally fast, and what is in flight at each is the balancer's doing.

pub mod balancer;

use std::sync::Arc;

use super::clients::Client;
use super::world::{self, Clock};
use crate::decide::{
    Affinity, Balancer, Facts, Fault, Keyed, Moment, Observer, Outcome, OutcomeKind, PoolLoad, Readiness, Row, Tabled,
    Verdict, outcome,
};
use crate::plugin::{AffinityInstance, BalancerInstance, Built};

const IN_FLIGHT: usize = 100;
/// Time from one decision to the next.
const MICROSECONDS: u64 = 10;
/// The cookie of the application.
const SESSION: &str = "JSESSIONID";

/// What decisions are made about: a table that all of them share, time and chance.
pub struct Ground {
    /// What the instance was told.
    pub rows: Vec<Row>,
    /// The numbers of the pool.
    pub load: Arc<PoolLoad>,
    /// Time and chance.
    pub clock: Clock,
}

impl Ground {
    /// Over these backends, with nothing in flight.
    pub fn new(rows: Vec<Row>, seed: u64) -> Self {
        let load = Arc::new(PoolLoad::new(1));
        load.set_ready(rows.iter().filter(|row| row.readiness == Readiness::Ready).count());
        Self { rows, load, clock: Clock::new(seed) }
    }

    fn moment(&mut self, instance: &impl Keyed, facts: &Facts) -> Moment {
        self.clock.now_us += MICROSECONDS;
        self.clock.moment(instance, facts)
    }
}

/// How even picks over equal backends are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evenness {
    /// Picks of the busiest backend by those of the mean; none: nothing was picked.
    pub picks: Option<f64>,
    /// Of requests in flight, the most at a backend by the mean: the mean of that over time.
    pub in_flight: f64,
    /// Decisions without an opinion, of all.
    pub passes: f64,
    /// Bytes by which its memories grew in the second half.
    pub grown: usize,
}

/// Whom the loss of a backend moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moved {
    /// Of all, those who are elsewhere, those of the lost backend among them.
    pub all: f64,
    /// Of all, those who are elsewhere although their backend is there.
    pub needless: f64,
}

/// How a backend is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It is not in the table any more.
    Removed,
    /// It is down.
    Down,
}

/// Runs the closed load for so many picks, each of another client.
///
/// # Errors
/// The fault of the plugin.
pub fn evenness(instance: &mut BalancerInstance, ground: &mut Ground, picks: u32) -> Result<Evenness, Fault> {
    let (mut counts, mut running, mut outcomes) = (vec![0u32; ground.rows.len()], Vec::new(), Vec::new());
    let (mut peaks, mut steps, mut passes, mut facts) = (0.0, 0u32, 0u32, world::request(0));
    let load: Arc<PoolLoad> = Arc::clone(&ground.load);
    let mut half = 0;
    for client in 0..picks {
        if client == picks / 2 {
            half = instance.memory();
        }
        if running.len() == IN_FLIGHT {
            let (backend, began): (u32, u64) = running.swap_remove(ground.clock.random.usize(..IN_FLIGHT));
            let at = &ground.rows[backend as usize].load;
            let latency_us = u32::try_from(ground.clock.now_us - began).unwrap_or(u32::MAX);
            at.end();
            load.end(0);
            at.sample(latency_us, ground.clock.now_us);
            let (kind, at_us) = (OutcomeKind::Success, ground.clock.now_us);
            outcomes.push(Outcome { backend, kind, status: 200, latency_us, attempt: 0, key: None, at_us });
            if outcomes.len() == outcome::BATCH {
                if instance.observes() {
                    instance.observe(&outcomes, ground.clock.now_us)?;
                }
                instance.tick(ground.clock.now_us)?;
                outcomes.clear();
            }
        }
        world::name(&mut facts, client);
        let moment = ground.moment(instance, &facts);
        let (back, answer) = instance.pick(moment, facts);
        facts = back;
        let Some(backend) = of_table(answer?, &ground.rows) else {
            passes += 1;
            continue;
        };
        counts[backend as usize] += 1;
        ground.rows[backend as usize].load.begin();
        load.begin(0);
        running.push((backend, ground.clock.now_us));
        // Not while it fills.
        if client % 64 == 0 && running.len() == IN_FLIGHT {
            peaks += over_mean(&ground.rows, |at| ground.rows[at].load.in_flight()).unwrap_or_default();
            steps += 1;
        }
    }
    let in_flight = peaks / f64::from(steps.max(1));
    let grown = instance.memory().saturating_sub(half);
    Ok(Evenness { picks: over_mean(&ground.rows, |at| counts[at]), in_flight, passes: share(passes, picks), grown })
}

fn of_table(verdict: Verdict, rows: &[Row]) -> Option<u32> {
    match verdict {
        Verdict::Backend(backend) if (backend as usize) < rows.len() => Some(backend),
        _ => None,
    }
}

/// The highest of all backends by the mean, each by its weight; none where all are 0.
fn over_mean(rows: &[Row], count: impl Fn(usize) -> u32) -> Option<f64> {
    let total: u64 = (0..rows.len()).map(|at| u64::from(count(at))).sum();
    let weights: u64 = rows.iter().map(|row| u64::from(row.weight)).sum();
    if total == 0 || weights == 0 {
        return None;
    }
    let fair = |row: &Row| total as f64 * f64::from(row.weight) / weights as f64;
    let shares = rows.iter().enumerate().map(|(at, row)| f64::from(count(at)) / fair(row).max(f64::MIN_POSITIVE));
    shares.reduce(f64::max)
}

fn share(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole.max(1))
}

/// Where each of so many clients is picked to go, without any load.
fn picked(instance: &mut BalancerInstance, ground: &mut Ground, clients: u32) -> Result<Vec<Option<u32>>, Fault> {
    let mut facts = world::request(0);
    let pick = |client| {
        world::name(&mut facts, client);
        let moment = ground.moment(instance, &facts);
        let (back, answer) = instance.pick(moment, std::mem::take(&mut facts));
        facts = back;
        Ok(of_table(answer?, &ground.rows))
    };
    (0..clients).map(pick).collect()
}

/// Which of so many clients a balancer moves when one of its backends goes.
///
/// # Errors
/// The fault of the plugin.
pub fn keys_moved(
    instance: &mut BalancerInstance,
    ground: &mut Ground,
    clients: u32,
    loss: Loss,
) -> Result<Moved, Fault> {
    let before = picked(instance, ground, clients)?;
    let gone = lose(instance, ground, loss)?;
    let after = picked(instance, ground, clients)?;
    Ok(moved(before.into_iter().zip(after), gone, loss))
}

/// Which of so many clients an affinity does not know any more, or knows elsewhere, when one of its backends goes. Those
/// whom it did not know before do not count.
///
/// # Errors
/// The fault of the plugin.
pub fn clients_moved(
    instance: &mut AffinityInstance,
    ground: &mut Ground,
    clients: u32,
    loss: Loss,
) -> Result<Option<Moved>, Fault> {
    let mut known = Vec::new();
    for number in 0..clients {
        let mut client = Client::new(number);
        let backend = match found(instance, ground, &client)? {
            (Some(backend), _) => backend,
            (None, moment) => {
                let backend = number % u32::try_from(ground.rows.len()).unwrap_or(1);
                let head = client.response(&ground.rows[backend as usize].id, SESSION);
                let (_, head, added) = instance.bind(moment, client.facts(), head, backend, None);
                client.keep(&head, &added?);
                backend
            }
        };
        if let (Some(again), _) = found(instance, ground, &client)?
            && again == backend
        {
            known.push((client, backend));
        }
    }
    if known.is_empty() {
        return Ok(None);
    }
    let gone = lose(instance, ground, loss)?;
    let mut pairs = Vec::new();
    for (client, before) in &known {
        pairs.push((Some(*before), found(instance, ground, client)?.0));
    }
    Ok(Some(moved(pairs.into_iter(), gone, loss)))
}

fn found(
    instance: &mut AffinityInstance,
    ground: &mut Ground,
    client: &Client,
) -> Result<(Option<u32>, Moment), Fault> {
    let facts = client.facts();
    let moment = ground.moment(instance, &facts);
    let (_, answer) = instance.find(moment, facts);
    Ok((of_table(answer?, &ground.rows), moment))
}

/// Tells the loss of a backend in the middle, and answers which.
fn lose(instance: &mut impl Tabled, ground: &mut Ground, loss: Loss) -> Result<u32, Fault> {
    let gone = ground.rows.len() / 2;
    match loss {
        Loss::Removed => {
            ground.rows.remove(gone);
            ground.load.set_ready(ground.rows.len());
            instance.update(&ground.rows)?;
        }
        Loss::Down => {
            ground.rows[gone].readiness = Readiness::Down;
            ground.load.set_ready(ground.rows.len() - 1);
            instance.adjust(&ground.rows)?;
        }
    }
    Ok(u32::try_from(gone).unwrap_or(u32::MAX))
}

fn moved(pairs: impl Iterator<Item = (Option<u32>, Option<u32>)>, gone: u32, loss: Loss) -> Moved {
    let (mut total, mut all, mut needless) = (0u32, 0u32, 0u32);
    for (before, after) in pairs {
        let Some(before) = before else { continue };
        let expected = if loss == Loss::Removed && before > gone { before - 1 } else { before };
        let lost = before == gone;
        total += 1;
        all += u32::from(lost || after != Some(expected));
        needless += u32::from(!lost && after != Some(expected));
    }
    Moved { all: share(all, total), needless: share(needless, total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_move_is_told_apart() {
        let pairs = |after: [u32; 4]| [0, 1, 2, 3].map(Some).into_iter().zip(after.map(Some));
        assert_eq!(moved(pairs([0, 0, 1, 2]), 1, Loss::Removed), Moved { all: 0.25, needless: 0.0 });
        assert_eq!(moved(pairs([0, 2, 2, 0]), 1, Loss::Down), Moved { all: 0.5, needless: 0.25 });
    }

    #[test]
    fn the_mean_is_1() {
        let mut rows = world::rows(3);
        assert_eq!(over_mean(&rows, |_| 5), Some(1.0));
        assert_eq!(over_mean(&rows, |at| [30, 0, 0][at]), Some(3.0));
        assert_eq!(over_mean(&rows, |_| 0), None);
        rows[0].weight = 2;
        assert_eq!(over_mean(&rows, |at| [10, 5, 5][at]), Some(1.0), "by weight");
    }
}
