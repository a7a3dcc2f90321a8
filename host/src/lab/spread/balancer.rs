//! How a balancer spreads, in a few figures: what is told of one that is tested.

use super::{Ground, Loss, Moved, evenness, keys_moved};
use crate::decide::{Fault, Keyed};
use crate::lab::conformance::{Finding, Status};
use crate::lab::subject::{Place, Subject};
use crate::lab::world;
use crate::plugin::{BalancerInstance, BuildReason};

const BACKENDS: usize = 10;
const PICKS: u32 = 100_000;
const KEYS: u32 = 20_000;
/// Bytes that are no leak: a heap may have its pages in steps.
const LEAK: usize = 512 << 10;

/// How a balancer spreads over ten equal backends.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// Picks of the busiest backend by those of the mean.
    pub picks: f64,
    /// The most in flight at a backend by the mean, over time.
    pub in_flight: f64,
    /// Bytes by which its memories grew in the second half of `PICKS`.
    pub grown: usize,
    /// Of a balancer that decides by a key: what moves when one of the ten is removed; a tenth has to.
    pub moved: Option<Moved>,
}

/// What stands in the way of figures.
#[derive(Debug, thiserror::Error)]
pub enum NoSpread {
    /// There is no instance.
    #[error(transparent)]
    Build(#[from] BuildReason),
    /// It failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It always passes, and another decides; the bytes by which its memories grew meanwhile.
    #[error("it has no opinion")]
    Passes(usize),
}

impl Spread {
    /// Measures a balancer, on the calling thread; see [`Subject::seat`].
    ///
    /// # Errors
    /// It cannot be seated, faults, or picks nothing.
    pub fn of(subject: &Subject, seed: u64) -> Result<Self, NoSpread> {
        let (mut instance, mut ground) = seat(subject, seed)?;
        let even = evenness(&mut instance, &mut ground, PICKS)?;
        let moved = if instance.keys().is_empty() {
            None
        } else {
            // Without what is in flight from before.
            let (mut instance, mut ground) = seat(subject, seed)?;
            Some(keys_moved(&mut instance, &mut ground, KEYS, Loss::Removed)?)
        };
        Ok(Self {
            picks: even.picks.ok_or(NoSpread::Passes(even.grown))?,
            in_flight: even.in_flight,
            grown: even.grown,
            moved,
        })
    }

    /// What so many picks of one instance show beside figures; none: nothing.
    pub fn finding(spread: &Result<Self, NoSpread>) -> Option<Finding> {
        let (status, evidence) = match spread {
            Err(NoSpread::Fault(fault)) => (Status::Fails, format!("over ten backends, of {PICKS} picks: {fault}")),
            Ok(Self { grown, .. }) | Err(NoSpread::Passes(grown)) if *grown > LEAK => {
                let grown = grown >> 10;
                (Status::Doubtful, format!("its memory grew by {grown} KiB in the second half of {PICKS} picks"))
            }
            _ => return None,
        };
        Some(Finding { property: "endurance", status, evidence })
    }

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

fn seat(subject: &Subject, seed: u64) -> Result<(BalancerInstance, Ground), BuildReason> {
    let ground = Ground::new(world::rows(BACKENDS), seed);
    Ok((subject.seat(Place::of(&ground.rows, &ground.load))?, ground))
}
