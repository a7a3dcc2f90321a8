//! Which backends a pool has when its configuration is put in place: those that the file names, and what stays of those
//! that came at run time.

use std::collections::HashSet;
use std::sync::Arc;

use crate::config;
use crate::decide::Readiness;
use crate::pool::Backend;
use crate::snapshot::{Condition, Origin, Pool, PoolMember, pool::labels};

/// The members of a pool, and whether they are those that it has. `before` is what it was made from and what it is.
///
/// What was changed at run time holds until the file says something else. What a source has found holds until another
/// source, or the same one, has answered; without one it goes.
pub(super) fn members(
    pool: &config::Pool,
    workers: usize,
    before: Option<(&config::Pool, &Pool)>,
) -> (Vec<PoolMember>, bool) {
    let anew = condition(pool);
    let Some((config, known)) = before else {
        return (pool.backends.iter().map(|backend| configured(backend, workers, anew, &[])).collect(), false);
    };
    let stays = |member: &&PoolMember| pool.discover.is_some() || !member.origin.is_discovered();
    if config.backends == pool.backends {
        let members: Vec<_> = known.members.iter().filter(stays).cloned().collect();
        let unchanged = members.len() == known.members.len();
        return (members, unchanged);
    }
    let mut members: Vec<_> =
        pool.backends.iter().map(|backend| configured(backend, workers, anew, &known.members)).collect();
    let ids: HashSet<_> = pool.backends.iter().map(|backend| &backend.id).collect();
    let addresses: HashSet<_> = pool.backends.iter().map(|backend| &backend.address).collect();
    let is_free =
        |member: &&PoolMember| !ids.contains(&member.backend.id) && !addresses.contains(&member.backend.address);
    let found = known.members.iter().filter(|member| member.origin.is_discovered());
    members.extend(found.filter(stays).filter(is_free).cloned());
    (members, false)
}

/// What is known of a backend that is new to a pool: where checks are to bring it in, it waits for them.
pub(super) fn condition(pool: &config::Pool) -> Condition {
    let unhealthy = pool.health.as_ref().is_some_and(|health| health.initially_down);
    Condition { unhealthy, ..Condition::default() }
}

/// One that the file names. Who was there at this address stays who he is.
fn configured(backend: &config::Backend, workers: usize, anew: Condition, before: &[PoolMember]) -> PoolMember {
    let is_same = |known: &&PoolMember| known.backend.id == backend.id && known.backend.address == backend.address;
    let same = before.iter().find(is_same);
    let made = || {
        let text = backend.address.to_string().into();
        Arc::new(Backend::new(Arc::clone(&backend.id), text, backend.address.clone(), workers))
    };
    PoolMember {
        backend: same.map_or_else(made, |same| Arc::clone(&same.backend)),
        condition: same.map_or(anew, |same| same.condition),
        weight: backend.weight,
        max_requests: backend.max_requests,
        state: if backend.draining { Readiness::Draining } else { Readiness::Ready },
        backup: backend.backup,
        labels: labels(&backend.labels),
        origin: Origin::Configured,
    }
}
