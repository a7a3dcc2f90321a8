//! How evenly a balancer spreads, and which keys move when a backend goes. Figures, not verdicts: they may be what is wanted.
//!
//! The load is a closed one: a hundred requests are always in flight, and each step ends one of them, whichever, before the
//! next is picked. So all backends are equally fast, and what is in flight at each is the balancer's doing.

use std::sync::Arc;

use super::subject::{Place, Subject};
use super::world::{self, Clock};
use crate::decide::{Balancer, Facts, Fault, Keyed, PoolLoad, Row, Tabled, Verdict};
use crate::plugin::BalancerInstance;

const BACKENDS: usize = 10;
const IN_FLIGHT: usize = 100;
const PICKS: u32 = 100_000;
const KEYS: u32 = 20_000;

/// How a balancer spreads over ten equal backends.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// Picks of the busiest backend by those of the mean.
    pub picks: f64,
    /// The most in flight at a backend by the mean, over time.
    pub in_flight: f64,
    /// Of a balancer that decides by a key: what moves when one of the ten goes.
    pub moved: Option<Moved>,
}

/// Shares of keys, 0 to 1.
#[derive(Debug, Clone, Copy)]
pub struct Moved {
    /// That have another backend; a tenth has to.
    pub all: f64,
    /// Of these, that had a backend which is still there.
    pub needless: f64,
}

impl Spread {
    /// In one line.
    pub fn in_words(&self) -> String {
        let mut words = format!(
            "over ten equal backends max ÷ mean is {:.3} of picks, {:.2} in flight",
            self.picks, self.in_flight
        );
        if let Some(Moved { all, needless }) = self.moved {
            words +=
                &format!("; {:.2} % of keys move when one goes, {:.2} % needlessly", all * 100.0, needless * 100.0);
        }
        words
    }
}

/// What stands in the way of a figure.
#[derive(Debug, thiserror::Error)]
pub enum NoSpread {
    /// There is no instance.
    #[error(transparent)]
    Build(#[from] crate::plugin::BuildReason),
    /// It failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It passes, and another decides.
    #[error("it has no opinion")]
    Passes,
}

/// Measures a balancer, on the calling thread; see [`Subject::seat`].
///
/// # Errors
/// It cannot be seated, faults, or picks nothing.
pub fn of_balancer(subject: &Subject, seed: u64) -> Result<Spread, NoSpread> {
    let (rows, load) = (world::rows(BACKENDS), Arc::new(PoolLoad::new(1)));
    load.set_ready(BACKENDS);
    let mut instance: BalancerInstance = subject.seat(Place::of(&rows, &load))?;
    let (mut clock, mut facts) = (Clock::new(seed), world::request(0));
    let (mut picks, mut running) = ([0u32; BACKENDS], Vec::new());
    let (mut peaks, mut steps) = (0.0, 0u32);
    for client in 0..PICKS {
        if running.len() == IN_FLIGHT {
            let ended = clock.random.usize(..running.len());
            let (backend, began): (u32, u64) = running.swap_remove(ended);
            let row: &Row = &rows[backend as usize];
            row.load.end();
            load.end(0);
            row.load.sample((clock.now_us - began) as u32, clock.now_us);
        }
        let Some(backend) = pick(&mut instance, &mut clock, &mut facts, client)? else { return Err(NoSpread::Passes) };
        picks[backend as usize] += 1;
        rows[backend as usize].load.begin();
        load.begin(0);
        running.push((backend, clock.now_us));
        if client % 64 == 0 && running.len() == IN_FLIGHT {
            let most = rows.iter().map(|row| row.load.in_flight()).max().unwrap_or_default();
            peaks += f64::from(most) * BACKENDS as f64 / IN_FLIGHT as f64;
            steps += 1;
        }
    }
    let most = picks.iter().max().copied().unwrap_or_default();
    let moved = if instance.keys().is_empty() { None } else { Some(moved(subject, seed)?) };
    Ok(Spread {
        picks: f64::from(most) * BACKENDS as f64 / f64::from(PICKS),
        in_flight: peaks / f64::from(steps.max(1)),
        moved,
    })
}

/// Which keys move when the one in the middle is removed.
fn moved(subject: &Subject, seed: u64) -> Result<Moved, NoSpread> {
    let (mut rows, load) = (world::rows(BACKENDS), Arc::new(PoolLoad::new(1)));
    let mut instance: BalancerInstance = subject.seat(Place::of(&rows, &load))?;
    let gone = (BACKENDS / 2) as u32;
    let all = |instance: &mut BalancerInstance| -> Result<Vec<Option<u32>>, Fault> {
        let (mut clock, mut facts) = (Clock::new(seed), world::request(0));
        (0..KEYS).map(|client| pick(instance, &mut clock, &mut facts, client)).collect()
    };
    let before = all(&mut instance)?;
    rows.remove(gone as usize);
    instance.update(&rows)?;
    let after = all(&mut instance)?;
    let (mut moved, mut needless) = (0u32, 0u32);
    for (before, after) in before.into_iter().zip(after) {
        let lost = before == Some(gone);
        let expected = before.map(|before| before - u32::from(before > gone));
        moved += u32::from(lost || after != expected);
        needless += u32::from(!lost && after != expected);
    }
    let share = |count: u32| f64::from(count) / f64::from(KEYS);
    Ok(Moved { all: share(moved), needless: share(needless) })
}

fn pick(
    instance: &mut BalancerInstance,
    clock: &mut Clock,
    facts: &mut Box<Facts>,
    client: u32,
) -> Result<Option<u32>, Fault> {
    world::name(facts, client);
    clock.now_us += 10;
    let moment = clock.moment(instance, facts);
    let (back, answer) = instance.pick(moment, std::mem::take(facts));
    *facts = back;
    Ok(if let Verdict::Backend(backend) = answer? { Some(backend) } else { None })
}
