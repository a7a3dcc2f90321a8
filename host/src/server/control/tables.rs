//! Changes of pools, and how plugins are told: at once by the workers, or when the table has been prepared.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::{Control, Done};
use crate::plugin::{BuildError, Cost};
use crate::server::preparation::{self, Experience, Problem, Shapers, Start};
use crate::snapshot::change::{Change, ChangeError, Changed};
use crate::snapshot::{Pool, Seats, Slot, Snapshot, Told, Wreck, condition};
use crate::worker::Command;

/// Time after which a table is prepared again, when a plugin failed at it; doubled with each failure in a row…
const AGAIN: Duration = Duration::from_secs(1);
/// …so many times.
const DOUBLED: u32 = 5;

/// Time in which workers and requests let go of a snapshot, as a rule. What they have longer is swept with the next change.
const SWEEP: Duration = Duration::from_secs(1);

/// Where it is told how a change went.
pub(super) type Reply = oneshot::Sender<Result<Changed, ChangeError>>;

/// What plugins of one pool were told, and how that went.
pub(super) struct PoolTable {
    /// The last that the workers were sent.
    pub(super) told: Arc<Told>,
    pub(super) experience: Experience,
    /// None while a preparation has them.
    shapers: Option<Shapers>,
    /// The pool changed since the preparation that runs began.
    changed: bool,
    /// Preparations in a row at which a plugin failed, and whether another is waited for.
    failures: u32,
    again: bool,
}

/// A table that is ready to be told.
pub(super) struct Prepared {
    pool: Arc<Pool>,
    told: Arc<Told>,
    /// For each worker, where it is not to be told in place.
    seats: Option<Result<Vec<Seats>, BuildError>>,
    shapers: Shapers,
    problems: Vec<Problem>,
}

impl PoolTable {
    /// Of a pool that starts.
    pub(super) fn new(start: Start) -> Self {
        let Start { shapers, told, experience } = start;
        Self { told, experience, shapers: Some(shapers), changed: false, failures: 0, again: false }
    }

    /// Whether a table is being prepared.
    pub(super) fn is_preparing(&self) -> bool {
        self.shapers.is_none()
    }

    /// A worker was told a table of `rows` backends, which cost that.
    pub(super) fn learn(&mut self, cost: Cost, rows: usize) {
        self.experience = Experience::of(cost, rows);
    }
}

impl Control {
    /// Changes a pool. What is true holds at once for every request; what plugins know may follow.
    pub(super) fn on_change(&mut self, change: &Change, reply: Reply) {
        let done = self.snapshot.changed(change, self.workers.len()).map(|(next, changed)| {
            tracing::info!(pool = %change.pool, backend = %change.backend, action = ?change.action, "backend changed");
            self.publish(next, std::slice::from_ref(&change.pool));
            changed
        });
        // Who asked may have gone.
        let _ = reply.send(done);
    }

    /// Publishes a snapshot in which these pools have changed.
    pub(super) fn publish(&mut self, mut next: Snapshot, names: &[Arc<str>]) {
        let mut prepared = Vec::new();
        for name in names {
            let Some(pool) = next.pools.iter_mut().find(|pool| pool.name == *name) else { continue };
            self.admit_later(pool);
            self.start_slowly(pool);
            if let Some(table) = self.tables.get_mut(name) {
                // At once, with the weights that shapers gave before: readiness must not wait for new ones.
                let told = pool.told_as(&table.told);
                let apart = table.experience.apart(&told, &table.told);
                if apart || table.shapers.is_none() || !pool.chain.shapers.is_empty() {
                    prepared.push(name);
                }
                if !apart {
                    let told = Arc::new(told);
                    Arc::make_mut(pool).told = Some(Arc::clone(&told));
                    self.superseded.table(std::mem::replace(&mut table.told, told));
                }
            }
            pool.count();
        }
        self.install(next);
        for worker in &self.workers {
            worker.tell(Command::Apply(Arc::clone(&self.snapshot), None));
        }
        prepared.into_iter().for_each(|name| self.prepare(name));
        self.sweep_later();
    }

    /// Backends of this pool that have become ready, compared to what is published, start slowly.
    fn start_slowly(&mut self, pool: &mut Arc<Pool>) {
        // Without it, no member has a share less than whole: see `Condition::keep_to`.
        let Some(before) = self.pool(&pool.name).filter(|_| pool.policy.recovery.slow_start.is_some()) else { return };
        let mut members = pool.members.clone();
        let begun = condition::begin_slowly(&mut members, &before.members, &pool.policy.recovery);
        if members.iter().zip(&pool.members).any(|(now, known)| now.condition != known.condition) {
            *pool = Arc::new(pool.with_members(members, false));
        }
        self.climb(pool, &begun);
    }

    /// Makes a snapshot the one that control and the admin API see. The workers are to be told.
    pub(super) fn install(&mut self, next: Snapshot) {
        self.superseded.snapshot(std::mem::replace(&mut self.snapshot, Arc::new(next)));
        self.published.send_replace(Arc::clone(&self.snapshot));
        self.follow_health();
        self.sweep_later();
    }

    /// A pool goes on with what was prepared for another configuration.
    pub(super) fn superseded_table(&mut self, pool: &Arc<str>, start: Start) {
        if let Some(before) = self.tables.insert(Arc::clone(pool), PoolTable::new(start)) {
            self.superseded.table(before.told);
            self.registry.dispose(before.shapers);
        }
    }

    /// Other shapers weigh this pool from now on.
    pub(super) fn reshape(&mut self, pool: &Arc<str>, shapers: Shapers) {
        let Some(table) = self.tables.get_mut(pool) else { return };
        // Those that are at work are dropped when they are done, and these take their place.
        if table.shapers.is_some() {
            table.shapers = Some(shapers);
            table.failures = 0;
        }
        self.prepare(pool);
    }

    /// Sweeps now what earlier changes left, and in a while what this one did.
    pub(super) fn sweep_later(&mut self) {
        self.superseded.sweep(&self.registry);
        self.later(SWEEP, Done::Sweep);
    }

    /// Has this pool's table prepared, once more if that is going on already.
    pub(super) fn prepare(&mut self, name: &Arc<str>) {
        let Some(pool) = self.snapshot.pools.iter().find(|pool| pool.name == *name).cloned() else { return };
        let Some(table) = self.tables.get_mut(name) else { return };
        let Some(mut shapers) = table.shapers.take() else {
            table.changed = true;
            return;
        };
        table.changed = false;
        let (experience, before) = (table.experience, Arc::clone(&table.told));
        let (registry, done, workers) = (Rc::clone(&self.registry), self.done.0.clone(), self.workers.len());
        spawn_local(async move {
            let (told, problems) = preparation::shape(&registry, &pool, &mut shapers, workers).await;
            let told = Arc::new(told);
            let seats = match experience.apart(&told, &before) {
                true => Some(preparation::crews(&registry, &pool, &told, workers, |_| true).await),
                false => None,
            };
            // Nobody listens any more only when the process ends.
            let _ = done.send(Done::Prepared(Box::new(Prepared { pool, told, seats, shapers, problems })));
        });
    }

    pub(super) fn on_prepared(&mut self, prepared: Prepared) {
        let Prepared { pool, told, seats, shapers, problems } = prepared;
        let name = &pool.name;
        let now = self.snapshot.pools.iter().find(|now| now.name == *name);
        if let Some(now) = now.filter(|now| !Arc::ptr_eq(&now.chain, &pool.chain)) {
            // Its plugins are others now.
            let fresh = Shapers::new(&now.chain);
            self.registry.dispose((seats, shapers));
            if let Some(table) = self.tables.get_mut(name) {
                table.shapers = Some(fresh);
                self.prepare(name);
            }
            return;
        }
        problems.iter().for_each(|problem| self.say(&pool, problem));
        let Some(table) = self.tables.get_mut(name) else { return };
        table.shapers = Some(shapers);
        let mut failed = !problems.is_empty();
        match seats.transpose() {
            // The plugins know more already.
            Ok(seats) if told.adjustment < table.told.adjustment => self.registry.dispose(seats),
            Ok(seats) => self.tell(&pool, &told, seats),
            Err(error) => {
                tracing::warn!(%error, "the plugins go on with the table that they know");
                failed = true;
            }
        }
        let Some(table) = self.tables.get_mut(name) else { return };
        table.failures = if failed { table.failures.saturating_add(1) } else { 0 };
        if table.changed {
            self.prepare(name);
        } else if failed {
            self.prepare_later(name);
        }
        self.sweep_later();
    }

    /// Tells the workers, with instances that know it already where there are any.
    fn tell(&mut self, pool: &Pool, told: &Arc<Told>, mut seats: Option<Vec<Seats>>) {
        if let Some(seats) = &mut seats {
            self.spare(pool, seats);
        }
        let Some(table) = self.tables.get_mut(&pool.name) else { return };
        if let Some(seats) = &seats {
            table.experience = Experience::of_all(seats, told.rows.len());
        }
        self.superseded.table(std::mem::replace(&mut table.told, Arc::clone(told)));
        let mut seats = seats.map(Vec::into_iter);
        for worker in &self.workers {
            let (pool, told) = (Arc::clone(&pool.name), Arc::clone(told));
            worker.tell(Command::Tell { pool, told, seats: seats.as_mut().and_then(Iterator::next) });
        }
    }

    /// Who is not to be asked for now is not seated either.
    fn spare(&self, pool: &Pool, seats: &mut [Seats]) {
        let mut spared: Vec<Wreck> = Vec::new();
        if !self.is_asked_by_all(&Slot::Affinity(Arc::clone(&pool.name))) {
            spared.extend(seats.iter_mut().filter_map(|seats| seats.affinity.take()).map(|instance| instance as Wreck));
        }
        for number in 0..pool.chain.balancers.len() {
            if !self.is_asked_by_all(&Slot::Balancer(Arc::clone(&pool.name), number)) {
                let instances = seats.iter_mut().filter_map(|seats| seats.balancers.get_mut(number)?.take());
                spared.extend(instances.map(|instance| instance as Wreck));
            }
        }
        if !spared.is_empty() {
            self.registry.dispose(spared);
        }
    }

    fn say(&mut self, pool: &Pool, problem: &Problem) {
        match problem {
            Problem::Build(error) => tracing::warn!(%error, "no shaper; its weights are missing"),
            Problem::Fault(number, fault) => {
                let plugin = pool.chain.shapers[*number].1.definition.name();
                let slot = Slot::Shaper(Arc::clone(&pool.name), *number);
                if let Some(unsaid) = self.faults.say(&slot, fault.kind, Instant::now()) {
                    let message = &fault.message;
                    tracing::warn!(%plugin, pool = %pool.name, kind = %fault.kind, unsaid, "a shaper failed: {message}");
                }
            }
        }
    }

    /// Has the table prepared again after a while, unless that is waited for already.
    fn prepare_later(&mut self, pool: &Arc<str>) {
        let Some(table) = self.tables.get_mut(pool).filter(|table| !table.again) else { return };
        table.again = true;
        let delay = AGAIN * (1 << table.failures.saturating_sub(1).min(DOUBLED));
        self.later(delay, Done::PrepareAgain(Arc::clone(pool)));
    }

    /// That while is over.
    pub(super) fn prepare_again(&mut self, pool: &Arc<str>) {
        if let Some(table) = self.tables.get_mut(pool) {
            table.again = false;
            self.prepare(pool);
        }
    }
}
