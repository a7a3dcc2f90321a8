//! Who waits, and whose turn it is when something is free: the longest waiting who can use it.
//!
//! Plain data: what is free is asked of a [`Room`], and nobody is woken here.

use std::collections::BTreeMap;

use smallvec::SmallVec;

/// What a waiter needs.
#[derive(Debug, Clone)]
pub struct Wish<B> {
    /// It has its place in the pool already, and needs a backend only.
    pub placed: bool,
    /// Only this backend will do.
    pub bound: Option<B>,
    /// These will not do: they were tried.
    pub tried: SmallVec<[B; 2]>,
    /// Neither will these, until something changes: they were offered and were of no use.
    pub useless: SmallVec<[B; 2]>,
}

/// One backend of the pool.
#[derive(Debug, Clone)]
pub struct Spot<B> {
    /// Which.
    pub backend: B,
    /// Requests that it takes at a time; none: any number.
    pub limit: Option<u32>,
    /// Whether it takes new clients, not only those that are bound to it.
    pub open: bool,
}

/// What was freed.
#[derive(Debug)]
pub enum Freed<'a, B> {
    /// One request less at this backend.
    Backend(&'a B),
    /// One request less in the pool.
    Place,
    /// Whatever: all is looked at.
    Anything,
}

/// What is free. Taking succeeds only where it is.
pub trait Room<B> {
    /// Takes a place in the pool.
    fn enter(&mut self) -> bool;
    /// Gives it back.
    fn leave(&mut self);
    /// Takes a slot at a backend that takes `limit` requests.
    fn occupy(&mut self, backend: &B, limit: u32) -> bool;
}

/// Whose turn it is, and what was taken for it: a place unless it had one, and a slot unless none is needed.
#[derive(Debug)]
pub struct Served<B, W> {
    /// Its number.
    pub number: u64,
    /// The backend where a slot was taken.
    pub backend: Option<B>,
    /// A place was taken.
    pub place: bool,
    /// What it left to be woken by.
    pub waker: W,
}

/// The waiters of one pool, in the order of their numbers.
#[derive(Debug)]
pub struct Order<B, W> {
    waiting: BTreeMap<u64, (Wish<B>, W)>,
    next: u64,
    spots: Vec<Spot<B>>,
    /// Where a slot was freed last: the likeliest to be free when a place is.
    recent: Option<B>,
}

impl<B: Clone + PartialEq, W> Order<B, W> {
    /// Nobody waits yet.
    pub fn new(spots: Vec<Spot<B>>) -> Self {
        Self { waiting: BTreeMap::new(), next: 0, spots, recent: None }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A number behind all that were given before.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Waits from now on, in the order of `number`. Nothing is taken: see [`Order::serve`].
    pub fn join(&mut self, number: u64, wish: Wish<B>, waker: W) {
        self.waiting.insert(number, (wish, waker));
    }

    /// What a waiter left to be woken by; none when it does not wait.
    pub fn waker(&mut self, number: u64) -> Option<&mut W> {
        self.waiting.get_mut(&number).map(|(_, waker)| waker)
    }

    /// Any backend will do from now on.
    pub fn unbind(&mut self, number: u64) {
        if let Some((wish, _)) = self.waiting.get_mut(&number) {
            wish.bound = None;
        }
    }

    /// Waits no more. Answers whether it did.
    pub fn leave(&mut self, number: u64) -> bool {
        self.waiting.remove(&number).is_some()
    }

    /// The backends of the pool from now on. Whoever is bound to one that is gone is content with any. Answers who has
    /// none left to wait for, and waits no more.
    pub fn set(&mut self, spots: Vec<Spot<B>>) -> Vec<(u64, W)> {
        self.spots = spots;
        self.recent = None;
        let spots = &self.spots;
        for (wish, _) in self.waiting.values_mut() {
            wish.useless.clear();
            if wish.bound.as_ref().is_some_and(|bound| !spots.iter().any(|spot| spot.backend == *bound)) {
                wish.bound = None;
            }
        }
        self.waiting
            .extract_if(.., |_, (wish, _)| is_hopeless(spots, wish))
            .map(|(number, (_, waker))| (number, waker))
            .collect()
    }

    /// Whether there is no backend that such a one could wait for.
    pub fn is_hopeless(&self, wish: &Wish<B>) -> bool {
        is_hopeless(&self.spots, wish)
    }

    /// Any backend will do from now on, if there is one; else it waits no more. Answers whether it does not.
    pub fn unbind_or_leave(&mut self, number: u64) -> bool {
        self.unbind(number);
        let is_hopeless = self.waiting.get(&number).is_some_and(|(wish, _)| self.is_hopeless(wish));
        is_hopeless && self.leave(number)
    }

    /// Takes for waiters what they need of what was freed, in their order. They wait no more.
    pub fn serve(&mut self, freed: Freed<'_, B>, room: &mut impl Room<B>) -> Vec<Served<B, W>> {
        if let Freed::Backend(backend) = freed {
            self.recent = Some(backend.clone());
        }
        let mut found = Vec::new();
        let (mut closed, mut nowhere) = (false, false);
        for (number, (wish, _)) in &self.waiting {
            let anywhere = wish.bound.is_none() && wish.tried.is_empty() && wish.useless.is_empty();
            if anywhere && nowhere || !wish.placed && closed {
                continue;
            }
            let place = !wish.placed;
            if place && !room.enter() {
                closed = true;
                continue;
            }
            match self.spot(wish, &freed, room) {
                Some(backend) => found.push((*number, backend, place)),
                None => {
                    nowhere |= anywhere;
                    if place {
                        room.leave();
                    }
                    continue;
                }
            }
            // One thing was freed; who had a place used something else.
            let is_used = match freed {
                Freed::Backend(_) => true,
                Freed::Place => place,
                Freed::Anything => false,
            };
            if is_used {
                break;
            }
        }
        let served = found.into_iter().filter_map(|(number, backend, place)| {
            let (_, waker) = self.waiting.remove(&number)?;
            Some(Served { number, backend, place, waker })
        });
        served.collect()
    }

    /// Takes a slot for a waiter. Inner none: one with room for everybody, where no slot is needed.
    fn spot(&self, wish: &Wish<B>, freed: &Freed<'_, B>, room: &mut impl Room<B>) -> Option<Option<B>> {
        let will_do = |spot: &&Spot<B>| {
            let backend = &spot.backend;
            let open = wish.bound.as_ref().map_or(spot.open, |bound| bound == backend);
            open && !wish.tried.contains(backend) && !wish.useless.contains(backend)
        };
        let mut take = |spot: &Spot<B>| match spot.limit {
            None => Some(None),
            Some(limit) => room.occupy(&spot.backend, limit).then(|| Some(spot.backend.clone())),
        };
        let first = match freed {
            Freed::Backend(backend) => Some(*backend),
            _ => self.recent.as_ref(),
        };
        let first = first.and_then(|first| self.spots.iter().find(|spot| spot.backend == *first));
        let taken = first.filter(will_do).and_then(&mut take);
        if taken.is_some() || matches!(freed, Freed::Backend(_)) {
            return taken;
        }
        self.spots.iter().filter(will_do).find_map(take)
    }
}

fn is_hopeless<B: PartialEq>(spots: &[Spot<B>], wish: &Wish<B>) -> bool {
    wish.bound.is_none() && !spots.iter().any(|spot| spot.open && !wish.tried.contains(&spot.backend))
}

#[cfg(test)]
mod tests;
