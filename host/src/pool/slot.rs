//! Room for one request: at a backend, and in the pool.

use std::rc::Rc;

use super::queue::Grant;
use super::{Member, Site};

/// What a request brings to a decision.
#[derive(Debug, Default)]
pub struct Claim {
    /// What was taken for it while it waited.
    pub grant: Option<Grant>,
    /// It would wait for the backend that its client is bound to, rather than be given another.
    pub is_loyal: bool,
}

/// A request's slot at a backend: it counts there until this is dropped.
pub struct Slot(Rc<Member>);

impl Slot {
    /// Takes a slot at `member`; none when all are taken. Takes the one that was granted, where it is one of this
    /// backend.
    pub fn take(member: &Rc<Member>, claim: &mut Claim) -> Option<Self> {
        let load = &member.backend.load;
        let limit = member.limit.get();
        if limit == u32::MAX {
            load.begin();
        } else {
            let is_granted = claim.grant.as_mut().is_some_and(|grant| grant.take_slot(&member.backend));
            if !is_granted && !load.try_begin(limit) {
                return None;
            }
        }
        let site = member.site();
        site.load.begin(site.worker);
        Some(Self(Rc::clone(member)))
    }

    /// Where it is.
    pub fn member(&self) -> &Rc<Member> {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let site = self.0.site();
        self.0.backend.load.end();
        site.load.end(site.worker);
        if site.is_limited.get() {
            site.capacity.freed(&self.0.backend);
        }
    }
}

/// A request's place in a pool that takes so many and no more, over all of its attempts.
pub struct Place(Rc<Site>);

impl Place {
    /// Takes one, if fewer than `limit` are taken and nobody waits for one.
    pub fn take(site: &Rc<Site>, limit: u32) -> Option<Self> {
        site.capacity.enter(limit).then(|| Self(Rc::clone(site)))
    }

    /// The one that was granted, if one was.
    pub fn granted(site: &Rc<Site>, grant: &mut Grant) -> Option<Self> {
        grant.take_place().then(|| Self(Rc::clone(site)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.capacity.leave();
    }
}
