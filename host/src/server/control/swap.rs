//! Another generation of a plugin in place of the one that decides: loaded and tried elsewhere, built beside it, put in
//! between two decisions, and watched for a while.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::context::{Build, Context};
use super::plugins::Stage;
use super::turn::{Operation, Then};
use super::{Control, Done};
use crate::admin::{SwapError, Swapped};
use crate::decide::Fault;
use crate::plugin::{BuildError, BuildReason, Definition, LoadError, Source};
use crate::server::gate::Unproven;
use crate::server::preparation::Shapers;
use crate::snapshot::{Crew, Element, Slot, Told};
use crate::worker::Changeover;

/// Who asked, and is told.
pub(super) type Reply = Option<oneshot::Sender<Result<Swapped, SwapError>>>;

/// A swap that is to be done.
pub(super) struct Swap {
    pub(super) definition: Arc<Definition>,
    /// Back to the generation before, within its probation.
    pub(super) back: bool,
    /// To be compared first.
    pub(super) compare: bool,
    /// What a person is told besides.
    pub(super) why: String,
    pub(super) loaded: Instant,
    pub(super) reply: Reply,
}

/// A swap that is being put in place.
pub(super) struct Place {
    pub(super) swap: Swap,
    /// What decided in its place.
    before: HashMap<Slot, Arc<Element>>,
    baseline: (u64, u64),
}

impl Control {
    /// Has another generation loaded. What decides now goes on until it is there, and after it if it is no good.
    pub(super) fn load(&mut self, plugin: &Arc<str>, source: Source, reply: Reply) {
        let Some(record) = self.plugins.get_mut(plugin) else {
            return answer(reply, Err(SwapError::Unused(Arc::clone(plugin))));
        };
        if record.busy {
            return answer(reply, Err(SwapError::Busy(Arc::clone(plugin))));
        }
        record.busy = true;
        let limits = record.policy.limits;
        self.show(plugin);
        let (registry, done, plugin) = (Rc::clone(&self.registry), self.done.0.clone(), Arc::clone(plugin));
        spawn_local(async move {
            let loaded = registry.load(Arc::clone(&plugin), source, limits).await;
            // Nobody listens any more only when the process ends.
            let _ = done.send(Done::Loaded { plugin, loaded, reply });
        });
    }

    pub(super) fn on_loaded(&mut self, plugin: &Arc<str>, loaded: Result<Arc<Definition>, LoadError>, reply: Reply) {
        match loaded {
            Ok(definition) => {
                if let (Source::File(_) | Source::BuiltIn, Some(record)) =
                    (definition.source(), self.plugins.get_mut(plugin))
                {
                    record.configured = *definition.digest();
                }
                let swap =
                    Swap { definition, back: false, compare: true, why: String::new(), loaded: Instant::now(), reply };
                self.enqueue(Operation::Swap(swap));
            }
            Err(error) => self.give_up(plugin, reply, error.into()),
        }
    }

    /// Has a generation compared that was loaded with a configuration.
    pub(super) fn compare_next(&mut self, definition: Arc<Definition>) {
        let Some(record) = self.plugins.get_mut(definition.name()) else { return };
        record.busy = true;
        record.configured = *definition.digest();
        let (loaded, why) = (Instant::now(), String::new());
        self.enqueue(Operation::Swap(Swap { definition, back: false, compare: true, why, loaded, reply: None }));
    }

    /// Back to the generation before.
    pub(super) fn roll_back(&mut self, plugin: &Arc<str>, why: String, reply: Reply) {
        let Some(record) = self.plugins.get_mut(plugin) else {
            return answer(reply, Err(SwapError::Unused(Arc::clone(plugin))));
        };
        if record.shadow().is_some() {
            let generation = record.definition.generation();
            self.abandon(plugin, "called off");
            return answer(reply, Ok(Swapped::Returned { generation }));
        }
        if record.busy {
            return answer(reply, Err(SwapError::Busy(Arc::clone(plugin))));
        }
        let Some(definition) = record.previous.clone() else {
            return answer(reply, Err(SwapError::NoPrevious(Arc::clone(plugin))));
        };
        record.busy = true;
        let back = matches!(record.stage, Stage::Probation(_));
        let loaded = Instant::now();
        self.enqueue(Operation::Swap(Swap { definition, back, compare: false, why, loaded, reply }));
    }

    /// It is its turn.
    pub(super) fn begin_swap(&mut self, swap: Swap) {
        let plugin = Arc::clone(swap.definition.name());
        let Some(record) = self.plugins.get(&plugin) else {
            // The configuration does not use it any more.
            answer(swap.reply, Err(SwapError::Unused(plugin)));
            return self.end();
        };
        let unproven = self.gate.unproven(&self.config, self.workers.len(), |name| {
            (*name == *plugin).then(|| Arc::clone(&swap.definition))
        });
        if !unproven.is_empty() {
            return self.admit_first(swap, unproven);
        }
        if swap.back
            && let Stage::Probation(probation) = &record.stage
            // What was reloaded meanwhile needs other instances.
            && self.places(&plugin).all(|(slot, now)| probation.before.get(&slot).is_some_and(|then| then.is_used_as(&now)))
        {
            let build = self.build_back(&probation.before, &plugin);
            return self.put(swap, build);
        }
        let shadow = if swap.compare { record.policy.shadow } else { None };
        if !matches!(record.stage, Stage::Steady) && swap.compare {
            // A later generation ends what is going on with the one before.
            self.settle(&plugin);
        }
        let (registry, snapshot, workers) = (Rc::clone(&self.registry), Arc::clone(&self.snapshot), self.workers.len());
        let told = self.told();
        let done = self.done.0.clone();
        spawn_local(async move {
            let context = Context { registry: &registry, snapshot: &snapshot, told: &told, workers };
            // One that was tried before it was compared is not tried again.
            let tried = match swap.compare {
                true => context.try_out(&swap.definition).await,
                false => Ok(()),
            };
            let built = match (tried, shadow) {
                (Err(error), _) => Err(error),
                (Ok(()), None) => context.build(&swap.definition).await.map(Built::Instances),
                (Ok(()), Some(time)) => {
                    let shadows = super::shadowing::build(&context, &swap.definition).await;
                    shadows.map(|shadows| Built::Shadows(time, shadows))
                }
            };
            let _ = done.send(Done::Built(Box::new((swap, built))));
        });
    }

    /// Has a generation pass that has to, while others have their turns.
    fn admit_first(&mut self, swap: Swap, unproven: Vec<Unproven>) {
        self.end();
        let (gate, registry, done) = (Rc::clone(&self.gate), Rc::clone(&self.registry), self.done.0.clone());
        spawn_local(async move {
            let _ = done.send(match gate.admit(&registry, unproven).await {
                Ok(()) => Done::Admitted(Operation::Swap(swap)),
                Err(error) => Done::Barred(Box::new((swap, error))),
            });
        });
    }

    pub(super) fn on_barred(&mut self, swap: Swap, error: BuildError) {
        let plugin = Arc::clone(swap.definition.name());
        self.give_up(&plugin, swap.reply, error.into());
    }

    pub(super) fn on_built(&mut self, swap: Swap, built: Result<Built, BuildError>) {
        match built {
            Ok(Built::Instances(build)) => self.put(swap, build),
            Ok(Built::Shadows(time, shadows)) => {
                self.compare(swap, time, shadows);
                self.end();
            }
            Err(error) => {
                let plugin = Arc::clone(swap.definition.name());
                self.give_up(&plugin, swap.reply, error.into());
                self.end();
            }
        }
    }

    /// Puts what was built in place.
    fn put(&mut self, swap: Swap, build: Build) {
        let Build { replaced, crews } = build;
        let plugin = Arc::clone(swap.definition.name());
        let place = Place { before: self.places(&plugin).collect(), baseline: self.refusals(&plugin), swap };
        let reshaped: Vec<_> = replaced
            .chains
            .iter()
            .filter(|(_, chain)| chain.shapers.iter().any(|(_, element)| element.is_of(&plugin)))
            .map(|(pool, chain)| (Arc::clone(pool), Arc::clone(chain)))
            .collect();
        let next = self.snapshot.with(&replaced);
        let changeovers = crews.into_iter().map(|crew| Changeover { crew, ..Changeover::default() }).collect();
        self.change_over(next, changeovers, Then::Swapped(Box::new(place)));
        for (pool, chain) in reshaped {
            self.reshape(&pool, Shapers::new(&chain));
        }
    }

    /// All workers decide with it, unless one refused.
    pub(super) fn on_swapped(&mut self, place: Place, refused: Option<Fault>) {
        if let Some(fault) = refused {
            let build = self.build_back(&place.before, place.swap.definition.name());
            let next = self.snapshot.with(&build.replaced);
            let changeovers = self.workers.iter().map(|_| Changeover::default()).collect();
            return self.change_over(next, changeovers, Then::Reverted(Box::new(place), fault));
        }
        let Place { swap, before, baseline } = place;
        let Swap { definition, back, why, loaded, reply, .. } = swap;
        let (plugin, generation) = (Arc::clone(definition.name()), definition.generation());
        let placed = loaded.elapsed();
        let Some(record) = self.plugins.get_mut(&plugin) else {
            answer(reply, Err(SwapError::Unused(plugin)));
            return self.end();
        };
        record.busy = false;
        let left = std::mem::replace(&mut record.definition, definition);
        // What came back by itself is not left again by hand for what failed.
        record.previous = if back && reply.is_none() { None } else { Some(left) };
        let verb = if back { "is back" } else { "decides" };
        let because = if why.is_empty() { why } else { format!(": {why}") };
        record.last = Some(format!("generation {generation} {verb}{because}"));
        tracing::info!(%plugin, generation, ?placed, "{verb}{because}");
        if back {
            self.settle(&plugin);
        } else {
            self.watch_over(&plugin, before, baseline);
        }
        let swapped = match back {
            true => Swapped::Returned { generation },
            false => Swapped::Decides { generation, placed },
        };
        answer(reply, Ok(swapped));
        self.finish(&plugin);
        self.end();
    }

    /// The generation before decides again, since the next could not take over.
    pub(super) fn on_reverted(&mut self, place: Place, fault: Fault) {
        let plugin = Arc::clone(place.swap.definition.name());
        let error =
            BuildError::new(&place.swap.definition, "a worker".to_owned(), BuildReason::Trial("restore", fault));
        self.settle(&plugin);
        self.give_up(&plugin, place.swap.reply, error.into());
        self.end();
    }

    /// Nothing has changed.
    pub(super) fn give_up(&mut self, plugin: &Arc<str>, reply: Reply, error: SwapError) {
        tracing::warn!(%plugin, %error, "not swapped; the generation before goes on");
        if let Some(record) = self.plugins.get_mut(plugin) {
            record.busy = false;
            record.last = Some(format!("not swapped: {error}"));
        }
        answer(reply, Err(error));
        self.finish(plugin);
    }

    /// Shows how a plugin is now, and reads its file once more if that changed meanwhile.
    pub(super) fn finish(&mut self, plugin: &Arc<str>) {
        self.show(plugin);
        let Some(record) = self.plugins.get_mut(plugin) else { return };
        if std::mem::take(&mut record.again) {
            let source = record.policy.source.clone();
            self.load(plugin, source, None);
        }
    }

    /// Where a plugin is used, and as what.
    pub(super) fn places(&self, plugin: &str) -> impl Iterator<Item = (Slot, Arc<Element>)> {
        let slots = self.snapshot.slots().filter(|(_, element)| element.is_of(plugin));
        slots.map(|(slot, element)| (slot, Arc::clone(element))).collect::<Vec<_>>().into_iter()
    }

    /// What brings these elements back.
    fn build_back(&self, before: &HashMap<Slot, Arc<Element>>, plugin: &str) -> Build {
        let element = |slot: &Slot, now: &Arc<Element>| match before.get(slot) {
            Some(before) if now.is_of(plugin) => Arc::clone(before),
            _ => Arc::clone(now),
        };
        let crews = self.workers.iter().map(|_| Crew::default()).collect();
        Build { replaced: self.snapshot.replaced(plugin, element), crews }
    }

    /// What plugins of each pool were told.
    pub(super) fn told(&self) -> HashMap<Arc<str>, Arc<Told>> {
        self.tables.iter().map(|(pool, table)| (Arc::clone(pool), Arc::clone(&table.told))).collect()
    }

    /// Has the admin API tell how a plugin is now.
    pub(super) fn show(&self, plugin: &Arc<str>) {
        self.overview.show_plugin(plugin, self.plugins.get(plugin).map(super::plugins::Record::status));
    }
}

/// What was built for a swap.
pub(super) enum Built {
    /// To decide.
    Instances(Build),
    /// To be compared for this time.
    Shadows(Duration, super::shadowing::Shadows),
}

/// Tells who asked, if anybody did and is still there.
pub(super) fn answer(reply: Reply, with: Result<Swapped, SwapError>) {
    if let Some(reply) = reply {
        let _ = reply.send(with);
    }
}
