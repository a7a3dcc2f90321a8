//! What is built for a generation: seats, trials and instances in every place of a plugin.

use std::collections::HashMap;
use std::sync::Arc;

use crate::decide::PoolLoad;
use crate::plugin::{BuildError, BuildReason, Definition, Registry, Seat};
use crate::server::preparation;
use crate::server::trial::{Role, trial};
use crate::snapshot::{Crew, Crossing, Element, Place, Pool, Replaced, Slot, Snapshot, Told};

/// What a swap puts into the snapshot.
pub(super) struct Build {
    pub(super) replaced: Replaced,
    pub(super) crews: Vec<Crew>,
}

/// What a generation is built for.
pub(super) struct Context<'a> {
    pub(super) registry: &'a Registry,
    pub(super) snapshot: &'a Snapshot,
    pub(super) told: &'a HashMap<Arc<str>, Arc<Told>>,
    pub(super) workers: usize,
}

impl Context<'_> {
    /// A seat in each place of the plugin.
    pub(super) fn seats(&self, definition: &Arc<Definition>, worker: usize) -> Vec<(Slot, Role, Seat)> {
        let places = self.snapshot.slots().filter(|(_, element)| element.is_of(definition.name()));
        let seat = |(slot, element): (Slot, &Arc<Element>)| {
            let element = element.with(definition);
            if let Slot::Router(route) = &slot {
                let mut crossings = self.snapshot.crossings.iter().flatten();
                let crossing = crossings.find(|crossing| crossing.name == *route)?;
                let seat = Crossing { element, ..Crossing::clone(crossing) }.seat(worker, self.workers);
                return Some((slot, Role::Router, seat));
            }
            let pool = self.snapshot.pools.iter().find(|pool| pool.name == *slot.name())?;
            let told = self.told.get(slot.name())?;
            let (role, rows) = match &slot {
                Slot::Balancer(_, number) => (Role::Balancer, told.shaped.get(*number)?),
                Slot::Shaper(..) => (Role::Shaper, &pool.rows),
                _ => (Role::Affinity, &told.rows),
            };
            let load: &Arc<PoolLoad> = &pool.load;
            let place = Place { name: &pool.name, worker, workers: self.workers, load, rows };
            Some((slot, role, element.seat(&place)))
        };
        places.filter_map(seat).collect()
    }

    /// Tries it in each place.
    pub(super) async fn try_out(&self, definition: &Arc<Definition>) -> Result<(), BuildError> {
        for (_, role, seat) in self.seats(definition, 0) {
            let lost = BuildError::new(definition, format!("`{}`", seat.pool), BuildReason::NoAnswer);
            self.registry.work(move || trial(role, seat)).await.unwrap_or(Err(lost))?;
        }
        Ok(())
    }

    /// Builds an instance for every worker and place.
    pub(super) async fn build(&self, definition: &Arc<Definition>) -> Result<Build, BuildError> {
        let with = |_: &Slot, element: &Arc<Element>| match element.is_of(definition.name()) {
            true => element.with(definition),
            false => Arc::clone(element),
        };
        let replaced = self.snapshot.replaced(definition.name(), with);
        let mut crews: Vec<Crew> = (0..self.workers).map(|_| Crew::default()).collect();
        for (name, chain) in &replaced.chains {
            let (Some(pool), Some(told)) =
                (self.snapshot.pools.iter().find(|pool| pool.name == *name), self.told.get(name))
            else {
                continue;
            };
            let pool = Pool { chain: Arc::clone(chain), ..Pool::clone(pool) };
            let needed = |element: &Arc<Element>| element.is_of(definition.name());
            let seats = preparation::crews(self.registry, &pool, told, self.workers, needed).await?;
            for (crew, seats) in crews.iter_mut().zip(seats) {
                crew.pools.insert(Arc::clone(name), seats);
            }
        }
        for (route, crossing) in &replaced.crossings {
            let instances = preparation::routers(self.registry, crossing, self.workers).await?;
            for (crew, instance) in crews.iter_mut().zip(instances) {
                crew.routers.insert(Arc::clone(route), instance);
            }
        }
        Ok(Build { replaced, crews })
    }
}
