//! A snapshot as one worker serves it.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::{Event, Seated, Snapshot, Steering};

/// A snapshot, with this worker's steering of each of its pools.
pub struct View {
    /// What all workers share.
    pub snapshot: Arc<Snapshot>,
    /// One for each pool of the snapshot, at the same position.
    pub steering: Vec<Rc<Steering>>,
}

impl View {
    /// The view of `snapshot` that follows on `before`: pools that stay keep their instances, their idle
    /// connections and their place in the cycle. `instances` are for pools that are new or got a new plugin.
    pub fn next(
        worker: usize,
        before: Option<&Self>,
        snapshot: Arc<Snapshot>,
        mut instances: HashMap<Arc<str>, Seated>,
        events: &UnboundedSender<Event>,
    ) -> Self {
        let steering = snapshot
            .pools
            .iter()
            .map(|pool| {
                let instance = instances.remove(&pool.name);
                match before.and_then(|before| before.find(&pool.name)) {
                    Some(steering) => {
                        steering.apply(Arc::clone(pool));
                        steering.replace(instance);
                        Rc::clone(steering)
                    }
                    None => Steering::new(worker, events.clone(), Arc::clone(pool), instance),
                }
            })
            .collect();
        let view = Self { snapshot, steering };
        for gone in before.iter().flat_map(|before| &before.steering) {
            if view.find(&gone.pool().name).is_none() {
                gone.members().iter().for_each(|member| member.retire());
            }
        }
        view
    }

    /// The steering of the pool of this name.
    pub fn find(&self, pool: &str) -> Option<&Rc<Steering>> {
        let position = self.snapshot.pools.iter().position(|known| *known.name == *pool)?;
        self.steering.get(position)
    }
}
