//! What is known of a backend beside what was configured, and what that makes of it for plugins: readiness and weight.
//!
//! Plain functions. Who finds out (checks, outlier detection, the backend itself) is elsewhere.

use super::PoolMember;
use crate::config::{Panic, Recovery, Serve};
use crate::decide::Readiness;

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

    /// Configured, or said by itself.
    fn full_weight(&self) -> u32 {
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
    let with_backups =
        |(member, own): (&PoolMember, Readiness)| if member.backup && backups_wait { Readiness::Down } else { own };
    members.iter().zip(own).map(with_backups).collect()
}

/// The weight of each member as plugins see it. While any of them starts slowly, all are larger by a factor, so that a
/// share of a weight of 1 can be told.
pub(super) fn weights(members: &[PoolMember]) -> impl Iterator<Item = u32> + '_ {
    const FACTOR: u32 = 100;
    const MAX_WEIGHT: u32 = 65_535;
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
    let was_ready = |member: &PoolMember| {
        let known = before.iter().find(|known| std::sync::Arc::ptr_eq(&known.backend, &member.backend));
        known.is_some_and(|known| known.readiness() == Readiness::Ready && known.condition.ejection != Ejection::Trial)
    };
    let mut begun = Vec::new();
    for (position, member) in next.iter_mut().enumerate() {
        let is_ready = member.readiness() == Readiness::Ready;
        if !is_ready {
            member.condition.ramp = None;
        } else if !was_ready(member) && member.condition.ramp.is_none() {
            member.condition.ramp = Some(LEAST);
            begun.push(position);
        }
    }
    begun
}

/// The percentage that a slow start begins with, as Envoy's `min_weight_percent`.
pub const LEAST: u8 = 10;
