//! What is known of a backend beside what was configured, and what that makes of it for plugins: readiness and weight.
//!
//! Plain functions. Who finds out (checks, outlier detection, the backend itself) is elsewhere.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Policy, PoolMember};
use crate::config::{Panic, Recovery, Serve};
use crate::decide::{MAX_WEIGHT, Readiness};

/// What is known of a backend beside what was configured or said by the admin API. Kept over reloads with the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Condition {
    /// Active checks say so.
    pub unhealthy: bool,
    /// Its outcomes say so.
    pub ejection: Ejection,
    /// It says itself that it drains.
    pub leaving: bool,
    /// The weight that it says itself, in place of the configured one.
    pub weight: Option<u32>,
    /// Slow start: percent of its weight. None: all of it.
    pub ramp: Option<u8>,
}

/// How outlier detection stands to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ejection {
    /// Nothing against it.
    #[default]
    None,
    /// Out for a while.
    Ejected,
    /// One request may go there, and decides.
    Trial,
}

impl Condition {
    /// Forgets what a pool with this policy does not look for: it would never be taken back.
    pub fn keep_to(&mut self, policy: &Policy) {
        if policy.outlier.is_none() {
            self.ejection = Ejection::None;
        }
        if policy.recovery.slow_start.is_none() {
            self.ramp = None;
        }
        if policy.feedback.is_none() {
            (self.leaving, self.weight) = (false, None);
        }
    }
}

impl PoolMember {
    /// What it is on its own, whatever the others are.
    pub fn readiness(&self) -> Readiness {
        let Condition { unhealthy, ejection, leaving, .. } = self.condition;
        match self.state {
            Readiness::Down => Readiness::Down,
            _ if unhealthy || ejection == Ejection::Ejected => Readiness::Down,
            Readiness::Ready if leaving => Readiness::Draining,
            state => state,
        }
    }

    /// Whether it would be ready if it were well.
    fn is_meant_to_be_ready(&self) -> bool {
        self.state == Readiness::Ready && !self.condition.leaving
    }

    /// Its weight but for a slow start: configured or set, or said by itself.
    pub fn full_weight(&self) -> u32 {
        self.condition.weight.unwrap_or(self.weight)
    }
}

/// What each member is to plugins: backups are down while another backend is ready, and in a panic all are ready, or
/// all down.
///
/// A panic is when the ready ones are fewer than a share of those that are meant to be (Envoy's panic threshold). Before
/// it comes to that, backups that are well join in.
pub(super) fn readiness(members: &[PoolMember], panic: Option<Panic>) -> Vec<Readiness> {
    let own: Vec<_> = members.iter().map(PoolMember::readiness).collect();
    let ready = |backup: bool| {
        members.iter().zip(&own).filter(|(m, own)| m.backup == backup && **own == Readiness::Ready).count()
    };
    let (primaries, backups) = (ready(false), ready(true));
    let meant = members.iter().filter(|member| !member.backup && member.is_meant_to_be_ready()).count();
    let is_short = |ready: usize| panic.is_some_and(|panic| ready * 100 < meant * usize::from(panic.below));
    if let Some(panic) = panic.filter(|_| is_short(primaries + backups)) {
        let all = match panic.serve {
            Serve::All => Readiness::Ready,
            Serve::Nobody => Readiness::Down,
        };
        let in_panic =
            |(member, own): (&PoolMember, &Readiness)| if member.is_meant_to_be_ready() { all } else { *own };
        return members.iter().zip(&own).map(in_panic).collect();
    }
    let backups_wait = primaries > 0 && !is_short(primaries);
    let with_backups = |(member, own): (&PoolMember, Readiness)| match own {
        Readiness::Ready if member.backup && backups_wait => Readiness::Down,
        own => own,
    };
    members.iter().zip(own).map(with_backups).collect()
}

/// The weight of each member as plugins see it. While any of them starts slowly, all are larger by a factor, so that a
/// share of a weight of 1 can be told.
pub(super) fn weights(members: &[PoolMember]) -> impl Iterator<Item = u32> + '_ {
    const FACTOR: u32 = 100;
    let is_ramping = members.iter().any(|member| member.condition.ramp.is_some());
    let largest = members.iter().map(PoolMember::full_weight).max().unwrap_or_default().max(1);
    let factor = if is_ramping { FACTOR.min(MAX_WEIGHT / largest).max(1) } else { 1 };
    members.iter().map(move |member| {
        let whole = member.full_weight() * factor;
        match member.condition.ramp {
            // Who has a weight gets something.
            Some(percent) => (whole * u32::from(percent) / 100).max(u32::from(whole > 0)),
            None => whole,
        }
    })
}

/// The members of `next` that have become ready, compared to `before`, begin at the least share of their weight, if the
/// pool starts backends slowly. Answers which.
pub(crate) fn begin_slowly(next: &mut [PoolMember], before: &[PoolMember], recovery: &Recovery) -> Vec<usize> {
    if recovery.slow_start.is_none() {
        return Vec::new();
    }
    let is_in =
        |member: &PoolMember| member.readiness() == Readiness::Ready && member.condition.ejection != Ejection::Trial;
    let ready = before.iter().filter(|member| is_in(member)).map(|member| Arc::as_ptr(&member.backend));
    let ready: HashSet<_> = ready.collect();
    let mut begun = Vec::new();
    for (position, member) in next.iter_mut().enumerate() {
        // A trial is not the return yet.
        if !is_in(member) {
            member.condition.ramp = None;
        } else if member.condition.ramp.is_none() && !ready.contains(&Arc::as_ptr(&member.backend)) {
            member.condition.ramp = Some(LEAST);
            begun.push(position);
        }
    }
    begun
}

/// The percentage that a slow start begins with, as Envoy's `min_weight_percent`.
pub const LEAST: u8 = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pool::Backend;
    use crate::snapshot::Origin;

    fn member(state: Readiness, backup: bool, weight: u32, condition: Condition) -> PoolMember {
        let backend = Arc::new(Backend::new("b".into(), "b:80".into(), "b:80".parse().expect("address"), 1));
        let (origin, max_requests) = (Origin::Configured, None);
        PoolMember { backend, weight, state, backup, labels: Arc::new([]), origin, condition, max_requests }
    }

    fn well() -> PoolMember {
        member(Readiness::Ready, false, 1, Condition::default())
    }

    fn ill() -> PoolMember {
        member(Readiness::Ready, false, 1, Condition { unhealthy: true, ..Condition::default() })
    }

    fn backup(of: PoolMember) -> PoolMember {
        PoolMember { backup: true, ..of }
    }

    /// One letter for each member: r(eady), d(raining), - (down).
    fn seen(members: &[PoolMember], panic: Option<Panic>) -> String {
        let letter = |readiness| match readiness {
            Readiness::Ready => 'r',
            Readiness::Draining => 'd',
            Readiness::Down => '-',
        };
        readiness(members, panic).into_iter().map(letter).collect()
    }

    #[test]
    fn conditions_and_configuration_together() {
        let with = |state, condition| member(state, false, 1, condition).readiness();
        let none = Condition::default();
        let leaving = Condition { leaving: true, ..none };
        assert_eq!(with(Readiness::Ready, leaving), Readiness::Draining);
        assert_eq!(with(Readiness::Draining, none), Readiness::Draining);
        let ejected = |ejection| Condition { ejection, ..none };
        assert_eq!(with(Readiness::Ready, ejected(Ejection::Ejected)), Readiness::Down);
        assert_eq!(with(Readiness::Ready, ejected(Ejection::Trial)), Readiness::Ready);
        let unhealthy = Condition { unhealthy: true, ..leaving };
        assert_eq!(with(Readiness::Draining, unhealthy), Readiness::Down, "nobody is bound to what does not answer");
    }

    #[test]
    fn backups_come_in_before_a_panic() {
        let panic = |serve| Some(Panic { below: 50, serve });
        let all = panic(Serve::All);
        assert_eq!(seen(&[well(), ill(), backup(well())], None), "r--", "one is enough without a panic");
        assert_eq!(seen(&[ill(), ill(), backup(well())], None), "--r");
        assert_eq!(seen(&[well(), ill()], all), "r-", "half is not below half");
        assert_eq!(seen(&[well(), ill(), ill()], all), "rrr");
        assert_eq!(seen(&[well(), ill(), ill()], panic(Serve::Nobody)), "---");
        assert_eq!(seen(&[well(), ill(), ill(), backup(well())], all), "r--r", "with the backup it is enough");
        assert_eq!(seen(&[ill(), ill(), ill(), backup(well())], all), "rrrr");
        let down = member(Readiness::Down, false, 1, Condition::default());
        let drains = member(Readiness::Draining, false, 1, Condition::default());
        assert_eq!(
            seen(&[down, drains, ill(), well(), well()], all),
            "-d-rr",
            "who was taken out on purpose does not count"
        );
        assert_eq!(seen(&[], all), "");
    }

    #[test]
    fn a_share_of_a_weight_of_one_can_be_told() {
        let ramp = |percent| Condition { ramp: Some(percent), ..Condition::default() };
        let of = |members: &[PoolMember]| weights(members).collect::<Vec<_>>();
        let slow = |weight, percent| member(Readiness::Ready, false, weight, ramp(percent));
        let whole = |weight| member(Readiness::Ready, false, weight, Condition::default());
        assert_eq!(of(&[whole(1), whole(3)]), [1, 3]);
        assert_eq!(of(&[whole(1), slow(1, 10), slow(3, 50)]), [100, 10, 150]);
        assert_eq!(of(&[whole(65_535), slow(1, 10)]), [65_535, 1], "who has a weight gets something");
        assert_eq!(of(&[whole(0), slow(0, 10)]), [0, 0]);
        let said = member(Readiness::Ready, false, 1, Condition { weight: Some(7), ..Condition::default() });
        assert_eq!(of(&[said]), [7]);
    }

    proptest! {
        /// Whoever is well and meant to be is ready or, as a backup, waits for primaries that are; nobody becomes ready who
        /// was taken out on purpose; and outside of a panic nobody is who is ill.
        #[test]
        fn nobody_is_shown_against_what_is_known(
            members in prop::collection::vec((0usize..3, any::<bool>(), any::<bool>()), 0..12),
            below in prop::option::of(1u8..=100),
        ) {
            let states = [Readiness::Ready, Readiness::Draining, Readiness::Down];
            let members: Vec<_> = members
                .into_iter()
                .map(|(state, backup, unhealthy)| member(states[state], backup, 1, Condition { unhealthy, ..Condition::default() }))
                .collect();
            let seen = readiness(&members, below.map(|below| Panic { below, serve: Serve::All }));
            let primaries_ready = members.iter().zip(&seen).any(|(member, seen)| !member.backup && *seen == Readiness::Ready);
            for (member, seen) in members.iter().zip(&seen) {
                prop_assert!(member.state == Readiness::Ready || *seen == member.readiness());
                if member.readiness() == Readiness::Ready {
                    prop_assert!(*seen == Readiness::Ready || member.backup && primaries_ready);
                } else if below.is_none() {
                    prop_assert_eq!(*seen, member.readiness());
                }
            }
        }
    }
}
