//! The shapers and balancers of an entrant, in the order in which they are asked, and the table that each of them is told.

use std::sync::Arc;

use super::{BadEntrant, load, seat};
use crate::decide::{PoolLoad, Row, Shaper as _, Table, weighed};
use crate::lab::simulation::scenario::Entrant;
use crate::lab::subject::{Place, Subject, own_table};
use crate::plugin::{BalancerInstance, BuildError, Registry, ShaperInstance};

/// All of them.
pub(super) struct Chain {
    shapers: Vec<Shaper>,
    balancers: Vec<(Subject, Arc<dyn Table>)>,
    /// What each balancer is told: the pool's table, with the weights of the shapers before it.
    tables: Vec<Arc<[Row]>>,
}

/// One for all workers, as on a host.
struct Shaper {
    /// Balancers before it.
    after: usize,
    subject: Subject,
    instance: Option<ShaperInstance>,
}

impl Chain {
    /// Those of an entrant, before any table.
    ///
    /// # Errors
    /// One cannot be loaded, or the last one picks nothing.
    pub(super) fn new(registry: &Registry, entrant: &Entrant) -> Result<Self, BadEntrant> {
        let (mut shapers, mut balancers, mut last) = (Vec::new(), Vec::new(), None);
        for used in entrant.chain() {
            let subject = load(registry, &used.plugin, &used.settings, used.key.as_deref())?;
            let roles = subject.definition.roles();
            last = None;
            if roles.contains(&"shaper") && !roles.contains(&"balancer") {
                last = Some(used.plugin);
                let subject = Subject { keys: Vec::new(), ..subject };
                shapers.push(Shaper { after: balancers.len(), subject, instance: None });
            } else {
                balancers.push((subject, own_table()));
            }
        }
        match last {
            Some(shaper) => Err(BadEntrant::NoBalancer(shaper)),
            None => Ok(Self { shapers, balancers, tables: Vec::new() }),
        }
    }

    /// Has a table weighed, and answers how many faults that made: whose weights are not known changes none.
    ///
    /// # Errors
    /// A shaper cannot be had.
    pub(super) fn weigh(&mut self, rows: &[Row], load: &Arc<PoolLoad>, workers: u32) -> Result<u64, BuildError> {
        let (mut rows, mut faults) = (Arc::from(rows), 0);
        let mut shapers = self.shapers.iter_mut().peekable();
        self.tables.clear();
        for balancer in 0..self.balancers.len() {
            while let Some(shaper) = shapers.next_if(|shaper| shaper.after <= balancer) {
                let mut instance = match shaper.instance.take() {
                    Some(instance) => instance,
                    None => seat(&shaper.subject, Place { workers, ..Place::of(&rows, load) })?,
                };
                match instance.shape(&rows) {
                    Ok(weights) => {
                        rows = weighed(&rows, &weights);
                        shaper.instance = Some(instance);
                    }
                    Err(_) => faults += 1,
                }
            }
            self.tables.push(Arc::clone(&rows));
        }
        Ok(faults)
    }

    /// The tables of the balancers, as they were last weighed.
    pub(super) fn tables(&self) -> &[Arc<[Row]>] {
        &self.tables
    }

    /// A worker's balancers, with their tables.
    ///
    /// # Errors
    /// One cannot be had.
    pub(super) fn seats(
        &self,
        load: &Arc<PoolLoad>,
        (worker, workers): (u32, u32),
    ) -> Result<Vec<BalancerInstance>, BuildError> {
        (0..self.balancers.len()).map(|number| self.seat(number, load, (worker, workers))).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// It cannot be had.
    pub(super) fn seat(
        &self,
        number: usize,
        load: &Arc<PoolLoad>,
        (worker, workers): (u32, u32),
    ) -> Result<BalancerInstance, BuildError> {
        let (subject, table) = &self.balancers[number];
        let table = Some(Arc::clone(table));
        seat(subject, Place { worker, workers, table, ..Place::of(&self.tables[number], load) })
    }
}
