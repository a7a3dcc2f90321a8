//! One place of a chain on one worker, and who holds it: the instance that decides, the one of the generation before
//! that may come back, and the one of the next generation that is only compared.
//!
//! Changes of the chain come here: who stays, who follows whom, and what it takes over.

use std::sync::Arc;
use std::time::Duration;

use super::shadow::{Comparison, Shadow};
use super::{Element, Slot, Told, Wreck};
use crate::decide::{Fault, Row, Tabled};
use crate::plugin::{AffinityInstance, BalancerInstance, Cost, Definition, RouterInstance};

/// Control hears of a table that took longer to be told, and a fresh instance is not told another such on a worker.
pub(super) const NOTICED: Duration = Duration::from_micros(500);

/// One place of a chain on one worker.
pub(super) struct Post<I> {
    pub(super) element: Arc<Element>,
    /// None: the next in the chain decides, after the last the fallback.
    pub(super) held: Option<Held<I>>,
    /// Kept warm while the generation that decides is on probation.
    reserve: Option<(Arc<Element>, Held<I>)>,
    pub(super) shadow: Option<Box<Shadow<I>>>,
}

/// An instance, and what it was told.
pub(super) struct Held<I> {
    pub(super) instance: Box<I>,
    pub(super) told: Arc<Told>,
    /// It has not decided here yet.
    pub(super) fresh: bool,
}

/// What came of a change of posts, for control.
pub(super) struct Changes {
    /// Which post is changing.
    pub(super) slot: Slot,
    /// Who cannot take over leaves the post empty, so that another is built that begins without the state; else the one
    /// before decides on.
    pub(super) anew: bool,
    /// Instances that nobody needs any more.
    pub(super) retired: Vec<Wreck>,
    /// Faults of those that handed over or took over.
    pub(super) faults: Vec<(Slot, Arc<Element>, Fault)>,
    /// Shadows that failed: of this generation.
    pub(super) shadows: Vec<(Arc<Definition>, Fault, Wreck)>,
    /// Generations that could not take over; the one before decides on.
    pub(super) refused: Vec<Fault>,
}

impl Changes {
    /// Beginning with this post.
    pub(super) fn of(slot: Slot) -> Self {
        Self { slot, anew: false, retired: Vec::new(), faults: Vec::new(), shadows: Vec::new(), refused: Vec::new() }
    }

    fn fault(&mut self, element: &Arc<Element>, fault: Fault) {
        self.faults.push((self.slot.clone(), Arc::clone(element), fault));
    }
}

/// An instance that can be followed by another of the same plugin.
pub(super) trait Holder: Send + 'static {
    /// What it is an instance of.
    fn definition(&self) -> &Arc<Definition>;
    /// Whether it must not be entered any more.
    fn is_poisoned(&self) -> bool;
    /// Its state, if it hands over any.
    fn save(&mut self) -> Result<Option<Vec<u8>>, Fault>;
    /// Whether it takes state over.
    fn hands_over(&self) -> bool;
    /// Takes over.
    fn restore(&mut self, state: &[u8]) -> Result<(), Fault>;
}

/// One that has a table.
pub(super) trait TableHolder: Holder + Tabled {
    /// What the table last cost it.
    fn cost(&self) -> Cost;
}

impl TableHolder for AffinityInstance {
    fn cost(&self) -> Cost {
        Self::cost(self)
    }
}

impl TableHolder for BalancerInstance {
    fn cost(&self) -> Cost {
        Self::cost(self)
    }
}

macro_rules! holds {
    ($($instance:ident)*) => {$(
        impl Holder for $instance {
            fn definition(&self) -> &Arc<Definition> {
                $instance::definition(self)
            }

            fn is_poisoned(&self) -> bool {
                $instance::is_poisoned(self)
            }

            fn save(&mut self) -> Result<Option<Vec<u8>>, Fault> {
                $instance::save(self)
            }

            fn hands_over(&self) -> bool {
                $instance::hands_over(self)
            }

            fn restore(&mut self, state: &[u8]) -> Result<(), Fault> {
                $instance::restore(self, state)
            }
        }
    )*};
}

holds!(AffinityInstance BalancerInstance RouterInstance);

impl<I: Holder> Held<I> {
    /// An instance that comes new to its post.
    pub(super) fn fresh(instance: Box<I>, told: &Arc<Told>) -> Self {
        Self { instance, told: Arc::clone(told), fresh: true }
    }

    /// As something to be disposed of.
    pub(super) fn into_wreck(self) -> Wreck {
        self.instance
    }
}

/// Whether an instance knows the table.
pub(super) enum Learned {
    /// It does, or there is none.
    Known,
    /// It failed at being told.
    Failed(Fault),
    /// It would take long to be told, so it is out: another has to be built that knows the table.
    Outdated(Wreck),
}

impl<I: TableHolder> Held<I> {
    fn learn(&mut self, told: &Arc<Told>, rows: &[Row]) -> Result<(), Fault> {
        let before = std::mem::replace(&mut self.told, Arc::clone(told));
        if Arc::ptr_eq(&before, told) {
            Ok(())
        } else if before.membership == told.membership {
            self.instance.adjust(rows)
        } else {
            self.instance.update(rows)
        }
    }
}

impl<I: TableHolder> Post<I> {
    /// Tells this table to whoever does not know it.
    pub(super) fn learn(&mut self, told: &Arc<Told>, rows: &[Row], changes: &mut Changes) -> Learned {
        if let Some(mut shadow) = self.shadow.take() {
            match shadow.held.learn(told, rows) {
                Ok(()) => {
                    shadow.learn(told);
                    self.shadow = Some(shadow);
                }
                Err(fault) => {
                    let definition = Arc::clone(shadow.held.instance.definition());
                    changes.shadows.push((definition, fault, shadow.held.into_wreck()));
                }
            }
        }
        let Some(held) = &mut self.held else { return Learned::Known };
        // Control sees to it that who decides already is not told what takes long; a new one may come late.
        let late = std::mem::take(&mut held.fresh) && held.told.membership != told.membership;
        if late && held.instance.cost().update > NOTICED {
            return self.held.take().map_or(Learned::Known, |held| Learned::Outdated(held.into_wreck()));
        }
        held.learn(told, rows).map_or_else(Learned::Failed, |()| Learned::Known)
    }
}

impl<I: Holder> Post<I> {
    /// Held by `held`, if by anybody.
    pub(super) fn new(element: Arc<Element>, held: Option<Held<I>>) -> Self {
        Self { element, held, reserve: None, shadow: None }
    }

    /// The post of `element`: of those that there were, the one that is that already or can return to it, or the one
    /// that `held` follows in; else a new one.
    pub(super) fn of(
        element: &Arc<Element>,
        held: Option<Held<I>>,
        before: &mut Vec<Self>,
        changes: &mut Changes,
    ) -> Self {
        let mut take = |is: &dyn Fn(&Self) -> bool| before.iter().position(is).map(|found| before.remove(found));
        if let Some(mut post) = take(&|post| Arc::ptr_eq(&post.element, element)) {
            if let Some(held) = held {
                post.follow(held, changes);
            }
            return post;
        }
        let returns = |post: &Self| post.reserve.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, element));
        if let Some(mut post) = take(&returns) {
            let reserve = post.reserve.take().map(|(_, held)| held);
            post.retire(changes);
            return Self::new(Arc::clone(element), reserve);
        }
        let Some(mut post) = take(&|post| post.element.is_of(element.definition.name())) else {
            return Self::new(Arc::clone(element), held);
        };
        let Some(mut held) = held else {
            post.retire(changes);
            return Self::new(Arc::clone(element), None);
        };
        if let Some(now) = &mut post.held {
            match hand_over(&mut *now.instance, &mut *held.instance) {
                Ok(()) => {}
                Err(Handing::Save(fault)) => changes.fault(&post.element, fault),
                Err(Handing::Restore(fault)) => {
                    changes.refused.push(fault);
                    changes.retired.push(held.instance);
                    if changes.anew {
                        post.retire(changes);
                        return Self::new(Arc::clone(element), None);
                    }
                    return post;
                }
            }
        }
        let (mut next, now) = (Self::new(Arc::clone(element), Some(held)), post.held.take());
        next.reserve = now.filter(|now| !now.instance.is_poisoned()).map(|now| (Arc::clone(&post.element), now));
        post.retire(changes);
        next
    }

    /// `held`, which is of the same element, follows who holds it now, if anybody does.
    pub(super) fn follow(&mut self, mut held: Held<I>, changes: &mut Changes) {
        if let Some(mut now) = self.held.take() {
            match hand_over(&mut *now.instance, &mut *held.instance) {
                Ok(()) => {}
                Err(Handing::Save(fault) | Handing::Restore(fault)) => {
                    changes.fault(&self.element, fault);
                }
            }
            changes.retired.push(now.instance);
        }
        if held.instance.is_poisoned() {
            changes.retired.push(held.instance);
        } else {
            self.held = Some(held);
        }
    }

    /// Nobody of it is needed any more.
    pub(super) fn retire(self, changes: &mut Changes) {
        changes.retired.extend(self.held.map(Held::into_wreck));
        changes.retired.extend(self.reserve.map(|(_, held)| held.into_wreck()));
        changes.retired.extend(self.shadow.map(|shadow| shadow.held.into_wreck()));
    }

    /// Neither the generation before nor the next one is needed any more.
    pub(super) fn settle(&mut self, changes: &mut Changes) {
        changes.retired.extend(self.reserve.take().map(|(_, held)| held.into_wreck()));
        changes.retired.extend(self.shadow.take().map(|shadow| shadow.held.into_wreck()));
    }

    /// Compares the next generation from now on. Answers with one that was compared before.
    pub(super) fn be_shadowed(&mut self, held: Held<I>, comparison: &Arc<Comparison>, worker: usize) -> Option<Wreck> {
        let shadow = Shadow::new(held, Arc::clone(comparison), worker);
        self.shadow.replace(shadow).map(|shadow| shadow.held.into_wreck())
    }

    /// Whether nobody decides here.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    /// Gives an empty post to `held`, which is of `element`. Answers with it where the post is taken.
    pub(super) fn take_up(&mut self, element: &Arc<Element>, held: Held<I>) -> Option<Wreck> {
        if self.held.is_some() {
            return Some(held.into_wreck());
        }
        self.element = Arc::clone(element);
        self.held = Some(held);
        None
    }

    /// Takes out an instance that must not be entered again.
    pub(super) fn take_broken(&mut self) -> Option<Wreck> {
        let broken = self.held.take_if(|held| held.instance.is_poisoned());
        broken.map(Held::into_wreck)
    }
}

/// Which half of a handing over failed.
enum Handing {
    Save(Fault),
    Restore(Fault),
}

/// Has `to` take over the state of `from`, where both can.
fn hand_over<I: Holder>(from: &mut I, to: &mut I) -> Result<(), Handing> {
    if from.is_poisoned() || !from.hands_over() || !to.hands_over() {
        return Ok(());
    }
    match from.save().map_err(Handing::Save)? {
        Some(state) => to.restore(&state).map_err(Handing::Restore),
        None => Ok(()),
    }
}
