//! Changes to a pool's backends at run time: from one snapshot to the next, as a plain function.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Condition, Origin, Pool, PoolMember, Snapshot};
use crate::config::Address;
use crate::decide::Readiness;
use crate::pool::Backend;

/// A change to one backend of one pool.
#[derive(Debug, Clone)]
pub struct Change {
    /// The pool's name.
    pub pool: Arc<str>,
    /// The backend's id.
    pub backend: Arc<str>,
    /// What is to be done.
    pub action: Action,
}

/// What is to be done with a backend.
#[derive(Debug, Clone)]
pub enum Action {
    /// Changes what is said and leaves the rest.
    Set {
        /// 0 to 65535.
        weight: Option<u32>,
        /// Ready, draining, or taken out.
        state: Option<Readiness>,
    },
    /// Adds it, or replaces what is there.
    Put {
        /// As written.
        address_text: Arc<str>,
        /// The same, parsed.
        address: Address,
        /// 0 to 65535.
        weight: u32,
        /// Only while no other backend is ready.
        backup: bool,
        /// For plugins.
        labels: BTreeMap<String, String>,
    },
    /// Takes it out of the pool.
    Remove,
}

/// The change asks for what is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No such pool.
    #[error("there is no pool `{0}`")]
    NoPool(Arc<str>),
    /// No such backend.
    #[error("pool `{0}` has no backend `{1}`")]
    NoBackend(Arc<str>, Arc<str>),
    /// Another backend has this address.
    #[error("pool `{0}` has this address already, as backend `{1}`")]
    SameAddress(Arc<str>, Arc<str>),
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// There is one more.
    Added,
    /// It was there and is different now.
    Changed,
    /// It is gone.
    Removed,
}

impl Snapshot {
    /// The snapshot after `change`. `workers` is the number of workers of the process.
    ///
    /// # Errors
    /// What the change names is not there.
    pub fn changed(&self, change: &Change, workers: usize) -> Result<(Self, Changed), ChangeError> {
        let number = self.pools.iter().position(|pool| pool.name == change.pool);
        let number = number.ok_or_else(|| ChangeError::NoPool(Arc::clone(&change.pool)))?;
        let (pool, changed) = self.pools[number].changed(change, workers)?;
        let mut pools = self.pools.clone();
        pools[number] = Arc::new(pool);
        let next = Self { pools, ..self.clone() };
        Ok((next, changed))
    }
}

impl Snapshot {
    /// The snapshot after these changes to the conditions of a pool's backends, in their order; none if they change
    /// nothing. Backends that are not there any more are passed over.
    pub fn conditioned<F: FnOnce(&mut Condition)>(
        &self,
        pool: &str,
        changes: impl IntoIterator<Item = (Arc<Backend>, F)>,
    ) -> Option<Self> {
        let number = self.pools.iter().position(|known| *known.name == *pool)?;
        let known = &self.pools[number];
        let mut members = known.members.clone();
        let positions = known.members.iter().enumerate();
        let positions: HashMap<_, _> = positions.map(|(at, member)| (Arc::as_ptr(&member.backend), at)).collect();
        for (backend, change) in changes {
            if let Some(position) = positions.get(&Arc::as_ptr(&backend)) {
                let condition = &mut members[*position].condition;
                change(condition);
                // What was found out under other settings.
                condition.keep_to(&known.policy);
            }
        }
        let differ = |(a, b): (&PoolMember, &PoolMember)| a.condition != b.condition;
        members.iter().zip(&known.members).any(differ).then(|| {
            let mut next = self.clone();
            next.pools[number] = Arc::new(known.with_members(members, false));
            next
        })
    }
}

impl Pool {
    /// The same with these members, `rebuilt` if they are others and not only in another condition.
    pub(crate) fn with_members(&self, members: Vec<PoolMember>, rebuilt: bool) -> Self {
        let rows = Self::rows(&members, &self.policy.recovery);
        let (membership, adjustment) = (self.membership + u64::from(rebuilt), self.adjustment + 1);
        // How plugins are told is not decided here.
        Self { members, rows, membership, adjustment, told: None, ..self.clone() }
    }

    fn changed(&self, change: &Change, workers: usize) -> Result<(Self, Changed), ChangeError> {
        let mut members = self.members.clone();
        let known = members.iter().position(|member| member.backend.id == change.backend);
        let missing = || ChangeError::NoBackend(Arc::clone(&self.name), Arc::clone(&change.backend));
        let (changed, rebuilt) = match &change.action {
            Action::Set { weight, state } => {
                let member = &mut members[known.ok_or_else(missing)?];
                member.weight = weight.unwrap_or(member.weight);
                member.state = state.unwrap_or(member.state);
                if let Origin::Discovered { weight: has_weight, state: has_state } = &mut member.origin {
                    *has_weight |= weight.is_some();
                    *has_state |= state.is_some();
                }
                (Changed::Changed, false)
            }
            Action::Remove => {
                members.remove(known.ok_or_else(missing)?);
                (Changed::Removed, true)
            }
            Action::Put { address_text, address, weight, backup, labels } => {
                let twin = members.iter().find(|m| m.backend.address == *address && m.backend.id != change.backend);
                if let Some(twin) = twin {
                    return Err(ChangeError::SameAddress(Arc::clone(&self.name), Arc::clone(&twin.backend.id)));
                }
                let same = known.map(|known| &members[known]).filter(|member| member.backend.address == *address);
                let same_condition = same.map(|member| member.condition);
                let same_limit = same.and_then(|member| member.max_requests);
                let backend = same.map(|member| Arc::clone(&member.backend)).unwrap_or_else(|| {
                    let (id, text) = (Arc::clone(&change.backend), Arc::clone(address_text));
                    Arc::new(Backend::new(id, text, address.clone(), workers))
                });
                let (weight, backup, labels) = (*weight, *backup, super::pool::labels(labels));
                // Who is known at this address is known as well or ill as before.
                let condition = same_condition.unwrap_or_default();
                // What the file names stays its own; what a source named is the API's from now on.
                let origin = match known.map(|known| members[known].origin) {
                    Some(Origin::Configured) => Origin::Configured,
                    _ => Origin::Added,
                };
                let (state, max_requests) = (Readiness::Ready, same_limit);
                let member = PoolMember { backend, weight, state, backup, labels, origin, condition, max_requests };
                match known {
                    Some(known) => members[known] = member,
                    None => members.push(member),
                }
                (if known.is_some() { Changed::Changed } else { Changed::Added }, true)
            }
        };
        Ok((self.with_members(members, rebuilt), changed))
    }
}
