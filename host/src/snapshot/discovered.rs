//! What a pool's source of backends has found: from one snapshot to the next, as a plain function.
//!
//! When a source is asked, and what of its failures, is not known here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::pool::labels;
use super::{Condition, Origin, Pool, PoolMember, Snapshot};
use crate::config;
use crate::decide::Readiness;
use crate::pool::Backend;

/// How many backends came and went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Difference {
    /// That were not there.
    pub added: usize,
    /// That are not there any more.
    pub removed: usize,
}

impl Snapshot {
    /// The snapshot in which a pool's source has found these backends, and what that adds and removes; none if nothing
    /// changes. `workers` is the number of workers of the process, `anew` what is known of backends that nobody knows.
    pub fn discovered(
        &self,
        pool: &str,
        found: &[config::Backend],
        workers: usize,
        anew: Condition,
    ) -> Option<(Self, Difference)> {
        let number = self.pools.iter().position(|known| *known.name == *pool)?;
        let (pool, difference) = self.pools[number].discovered(found, workers, anew)?;
        let mut next = self.clone();
        next.pools[number] = Arc::new(pool);
        Some((next, difference))
    }
}

impl Pool {
    /// The pool with these backends of its source in place of those that it had of it; none if nothing changes.
    ///
    /// Who stays keeps his place, his numbers and his condition; new ones come last, in the order of `found`. What the
    /// configuration or the admin API named is as it was, and a backend found with the id or the address of one of these,
    /// or of one found before it, is left out.
    fn discovered(&self, found: &[config::Backend], workers: usize, anew: Condition) -> Option<(Self, Difference)> {
        let mut offered = offered(&self.members, found);
        let mut difference = Difference::default();
        let (mut rebuilt, mut adjusted) = (false, false);
        let mut members = Vec::with_capacity(self.members.len().max(found.len()));
        for known in &self.members {
            if !known.origin.is_discovered() {
                members.push(known.clone());
                continue;
            }
            // Another address is another backend, even of the same id.
            let same = |(_, found): &(usize, &config::Backend)| found.address == known.backend.address;
            let Some((_, found)) = offered.get(&*known.backend.id).copied().filter(same) else {
                difference.removed += 1;
                continue;
            };
            offered.remove(&*known.backend.id);
            let next = renewed(known, found);
            rebuilt |= next.labels != known.labels || next.backup != known.backup;
            adjusted |= next.weight != known.weight || next.state != known.state;
            adjusted |= next.max_requests != known.max_requests;
            members.push(next);
        }
        let mut new: Vec<_> = offered.into_values().collect();
        new.sort_unstable_by_key(|(position, _)| *position);
        difference.added = new.len();
        members.extend(new.into_iter().map(|(_, found)| made(found, workers, anew)));
        rebuilt |= difference != Difference::default();
        (rebuilt || adjusted).then(|| (self.with_members(members, rebuilt), difference))
    }
}

/// Those of `found` that may be in the pool, by id, with their positions.
fn offered<'a>(members: &[PoolMember], found: &'a [config::Backend]) -> HashMap<&'a str, (usize, &'a config::Backend)> {
    let own = members.iter().filter(|member| !member.origin.is_discovered()).map(|member| &member.backend);
    let mut ids: HashSet<&str> = own.clone().map(|backend| &*backend.id).collect();
    let mut addresses: HashSet<&config::Address> = own.map(|backend| &backend.address).collect();
    let free = found.iter().enumerate().filter(|(_, found)| {
        let is_free = !ids.contains(&*found.id) && !addresses.contains(&found.address);
        is_free && ids.insert(&found.id) && addresses.insert(&found.address)
    });
    free.map(|(position, found)| (&*found.id, (position, found))).collect()
}

/// Who was there and was found again.
fn renewed(known: &PoolMember, found: &config::Backend) -> PoolMember {
    let Origin::Discovered { weight, state } = known.origin else { return known.clone() };
    let labels = labels(&found.labels);
    PoolMember {
        weight: if weight { known.weight } else { found.weight },
        state: if state { known.state } else { said(found) },
        backup: found.backup,
        max_requests: found.max_requests,
        labels: if labels == known.labels { Arc::clone(&known.labels) } else { labels },
        ..known.clone()
    }
}

fn made(found: &config::Backend, workers: usize, anew: Condition) -> PoolMember {
    let text = found.address.to_string().into();
    PoolMember {
        backend: Arc::new(Backend::new(Arc::clone(&found.id), text, found.address.clone(), workers)),
        weight: found.weight,
        state: said(found),
        backup: found.backup,
        labels: labels(&found.labels),
        origin: Origin::Discovered { weight: false, state: false },
        condition: anew,
        max_requests: found.max_requests,
    }
}

fn said(found: &config::Backend) -> Readiness {
    if found.draining { Readiness::Draining } else { Readiness::Ready }
}

#[cfg(test)]
mod tests;
