//! Tables that plugins are told, made ready away from the workers: weighed by shapers, and built into fresh instances
//! where telling them in place would hold up requests.

use std::sync::Arc;
use std::time::Duration;

use crate::decide::{Fault, weighed};
use crate::plugin::{BuildError, BuildReason, Cost, Registry, RouterInstance, ShaperInstance};
use crate::snapshot::{Chain, Crossing, Element, Place, Pool, Seats, Told};

/// A table that takes longer than this to be told is told to fresh instances.
const LONG: Duration = Duration::from_millis(1);

/// What a pool starts with.
pub(super) struct Start {
    /// Of its shapers.
    pub(super) shapers: Shapers,
    /// What its plugins were told.
    pub(super) told: Arc<Told>,
    /// How that went.
    pub(super) experience: Experience,
}

/// The instances of a pool's shapers, as far as they are there.
pub(super) struct Shapers(Vec<Option<Box<ShaperInstance>>>);

impl Shapers {
    /// None yet: they are built when they are needed.
    pub(super) fn new(chain: &Chain) -> Self {
        Self(chain.shapers.iter().map(|_| None).collect())
    }
}

/// What kept a shaper from weighing. Its weights are missing then, and all else goes on.
pub(super) enum Problem {
    /// It could not be built.
    Build(BuildError),
    /// It failed: the position among the shapers, and how.
    Fault(usize, Fault),
}

impl Problem {
    /// Where it keeps a plugin from being used at all.
    pub(super) fn into_build_error(self, pool: &Pool) -> BuildError {
        match self {
            Self::Build(error) => error,
            Self::Fault(number, fault) => {
                let definition = &pool.chain.shapers[number].1.definition;
                BuildError::new(definition, format!("pool `{}`", pool.name), BuildReason::Update(fault))
            }
        }
    }
}

/// Has the pool's rows weighed by its shapers.
pub(super) async fn shape(
    registry: &Registry,
    pool: &Pool,
    shapers: &mut Shapers,
    workers: usize,
) -> (Told, Vec<Problem>) {
    let (mut rows, mut weights, mut problems) = (Arc::clone(&pool.rows), Vec::new(), Vec::new());
    for (number, (before, element)) in pool.chain.shapers.iter().enumerate() {
        let place = Place { name: &pool.name, worker: 0, workers, load: &pool.load, rows: &rows };
        let shaper = match shapers.0[number].take() {
            Some(shaper) => shaper,
            None => match registry.build::<ShaperInstance>(element.seat(&place)).await {
                Ok(shaper) => Box::new(shaper),
                Err(error) => {
                    problems.push(Problem::Build(error));
                    continue;
                }
            },
        };
        let start = std::time::Instant::now();
        let shaped = registry.shape(shaper, Arc::clone(&rows)).await;
        // Control is the only one that counts here.
        let decisions = element.decisions.of(0);
        decisions.times.observe(start.elapsed());
        match shaped {
            Some(Ok((shaper, answered))) => {
                shapers.0[number] = Some(shaper);
                rows = weighed(&rows, &answered);
                weights.push((*before, answered));
            }
            Some(Err(fault)) => {
                decisions.faults[fault.kind as usize].add(1);
                problems.push(Problem::Fault(number, fault));
            }
            None => {
                let place = format!("pool `{}`", pool.name);
                problems.push(Problem::Build(BuildError::new(&element.definition, place, BuildReason::NoAnswer)));
            }
        }
    }
    (pool.told(&weights), problems)
}

/// Builds the instances of one worker for a pool, with what they are told: those of elements that are `needed`.
async fn seats(
    registry: &Registry,
    pool: &Pool,
    told: &Arc<Told>,
    (worker, workers): (usize, usize),
    needed: &impl Fn(&Arc<Element>) -> bool,
) -> Result<Seats, BuildError> {
    let place = |rows| Place { name: &pool.name, worker, workers, load: &pool.load, rows };
    let seat = |element: &Element, rows| element.seat(&place(rows));
    let affinity = match pool.chain.affinity.as_ref().filter(|element| needed(element)) {
        Some(element) => Some(Box::new(registry.build(seat(element, &told.rows)).await?)),
        None => None,
    };
    let mut balancers = Vec::new();
    for (element, rows) in pool.chain.balancers.iter().zip(&told.shaped) {
        balancers.push(match needed(element) {
            true => Some(Box::new(registry.build(seat(element, rows)).await?)),
            false => None,
        });
    }
    Ok(Seats { told: Arc::clone(told), affinity, balancers })
}

/// Builds the instances of every worker for a pool: those of elements that are `needed`.
pub(super) async fn crews(
    registry: &Registry,
    pool: &Pool,
    told: &Arc<Told>,
    workers: usize,
    needed: impl Fn(&Arc<Element>) -> bool,
) -> Result<Vec<Seats>, BuildError> {
    let mut all = Vec::new();
    for worker in 0..workers {
        match seats(registry, pool, told, (worker, workers), &needed).await {
            Ok(seats) => all.push(seats),
            Err(error) => {
                // The other workers would only say the same.
                registry.dispose(all);
                return Err(error);
            }
        }
    }
    Ok(all)
}

/// The router's instances of every worker for a route.
pub(super) async fn routers(
    registry: &Registry,
    crossing: &Crossing,
    workers: usize,
) -> Result<Vec<Box<RouterInstance>>, BuildError> {
    let mut all = Vec::new();
    for worker in 0..workers {
        match registry.build(crossing.seat(worker, workers)).await {
            Ok(instance) => all.push(Box::new(instance)),
            Err(error) => {
                registry.dispose(all);
                return Err(error);
            }
        }
    }
    Ok(all)
}

/// What telling a pool's table has cost, to foresee what it will.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Experience {
    cost: Cost,
    rows: usize,
}

impl Experience {
    /// The instances of a worker were told a table of `rows` backends.
    pub(super) fn of(cost: Cost, rows: usize) -> Self {
        Self { cost, rows }
    }

    /// Each worker's instances were told a table of `rows` backends.
    pub(super) fn of_all(seats: &[Seats], rows: usize) -> Self {
        Self::of(seats.iter().map(Seats::cost).fold(Cost::default(), Cost::max), rows)
    }

    /// Whether to tell a table to fresh instances. Other weights may cost a plugin as much as other backends.
    pub(super) fn apart(&self, told: &Told, before: &Told) -> bool {
        self.foresees_long(told.rows.len(), told.membership != before.membership || told.is_reweighted(before))
    }

    fn foresees_long(&self, rows: usize, rebuilt: bool) -> bool {
        let took = if rebuilt { self.cost.update } else { self.cost.adjust.unwrap_or_default() };
        took.as_secs_f64() * rows as f64 / self.rows.max(1) as f64 > LONG.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_slow_at_one_size_is_slower_at_a_larger() {
        let cost = Cost { update: Duration::from_micros(300), adjust: Some(Duration::from_micros(20)) };
        let experience = Experience::of(cost, 100);
        assert!(!experience.foresees_long(100, true) && experience.foresees_long(1000, true));
        assert!(!experience.foresees_long(1000, false) && experience.foresees_long(10_000, false));
        assert!(!Experience::default().foresees_long(10_000, true), "nothing is known of nothing");
    }
}
