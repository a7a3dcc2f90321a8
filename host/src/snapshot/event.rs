//! What workers tell control about the plugins' instances, and what they get in return.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{Element, Told};
use crate::decide::Fault;
use crate::plugin::{AffinityInstance, BalancerInstance, Cost, Definition, RouterInstance};
use crate::pool::Backend;
use crate::pool::report::Report;

/// Which of the instances of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The affinity of this pool.
    Affinity(Arc<str>),
    /// A balancer of this pool, by its number.
    Balancer(Arc<str>, usize),
    /// A shaper of this pool, by its number. It sits on no worker.
    Shaper(Arc<str>, usize),
    /// The router of this route.
    Router(Arc<str>),
}

impl Slot {
    /// `pool` or `route`.
    pub fn kind(&self) -> &'static str {
        if matches!(self, Self::Router(_)) { "route" } else { "pool" }
    }

    /// The pool, or the route.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Affinity(name) | Self::Balancer(name, _) | Self::Shaper(name, _) | Self::Router(name) => name,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind(), self.name())
    }
}

/// A fresh instance for an empty [`Slot`].
pub struct Replacement {
    /// What it is an instance of.
    pub element: Arc<Element>,
    /// The instance.
    pub instance: Fresh,
}

/// An instance that has not decided yet.
pub enum Fresh {
    /// Of an affinity, with what it was told.
    Affinity(Box<AffinityInstance>, Arc<Told>),
    /// Of a balancer, with what it was told.
    Balancer(Box<BalancerInstance>, Arc<Told>),
    /// Of a router.
    Router(Box<RouterInstance>),
}

impl Fresh {
    /// As something to be disposed of.
    pub fn into_wreck(self) -> Wreck {
        match self {
            Self::Affinity(instance, _) => instance,
            Self::Balancer(instance, _) => instance,
            Self::Router(instance) => instance,
        }
    }
}

/// What nobody enters again, to be disposed of elsewhere.
pub type Wreck = Box<dyn Any + Send>;

/// What a worker tells control.
pub enum Event {
    /// A plugin failed.
    Faulted {
        /// Where.
        worker: usize,
        /// Which of its instances.
        slot: Slot,
        /// What that is an instance of.
        element: Arc<Element>,
        /// What happened.
        fault: Fault,
        /// The instance, when it must not be entered again: to be replaced.
        wreck: Option<Wreck>,
    },
    /// The next generation of a plugin failed while it was compared.
    Shadowed {
        /// That generation.
        definition: Arc<Definition>,
        /// What happened.
        fault: Fault,
        /// The instance: it is out.
        wreck: Wreck,
    },
    /// Instances that are not needed any more.
    Retired(Wreck),
    /// Nobody decides in a place, where somebody should.
    Vacant {
        /// Where.
        worker: usize,
        /// Which of its instances.
        slot: Slot,
        /// One that came too late for the table as it is now.
        wreck: Option<Wreck>,
    },
    /// Telling a table on a worker took long enough to be noticed.
    Slow {
        /// The pool.
        pool: Arc<str>,
        /// Backends in the table.
        rows: usize,
        /// What it took.
        cost: Cost,
    },
    /// A backend is to be looked at.
    Reported {
        /// Its pool.
        pool: Arc<str>,
        /// The backend.
        backend: Arc<Backend>,
        /// What was seen of it.
        report: Report,
    },
    /// A worker serves its first snapshot, or could not.
    Started {
        /// Which.
        worker: usize,
    },
    /// A worker has nothing left to do and ends.
    Stopped {
        /// Which.
        worker: usize,
        /// Connections that were cut off.
        cut: usize,
    },
}
