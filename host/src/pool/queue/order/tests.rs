//! The order against a model that looks for the longest waiting who can use what is free, one by one.

use proptest::prelude::*;

use super::*;

const BACKENDS: u8 = 4;

/// What is taken, and what may be.
#[derive(Debug, Clone, Default)]
struct House {
    limit: Option<u32>,
    requests: u32,
    in_flight: [u32; BACKENDS as usize],
}

impl Room<u8> for House {
    fn enter(&mut self) -> bool {
        let room = self.limit.is_none_or(|limit| self.requests < limit);
        self.requests += u32::from(room);
        room
    }

    fn leave(&mut self) {
        self.requests -= 1;
    }

    fn occupy(&mut self, backend: &u8, limit: u32) -> bool {
        let in_flight = &mut self.in_flight[usize::from(*backend)];
        let room = *in_flight < limit;
        *in_flight += u32::from(room);
        room
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Somebody begins to wait.
    Join { placed: bool, bound: Option<u8>, tried: Vec<u8> },
    /// The nth who waits leaves.
    Leave(usize),
    /// The nth who was served is done, first with the backend and then with the pool.
    Done(usize),
    /// The nth who waits takes any backend from now on.
    Unbind(usize),
    /// Other backends, or other limits.
    Set(Vec<Spot<u8>>, Option<u32>),
}

fn spots() -> impl Strategy<Value = Vec<Spot<u8>>> {
    let spot = |backend| {
        (prop::option::weighted(0.9, 0u32..3), any::<bool>(), any::<bool>())
            .prop_map(move |(limit, open, there)| there.then_some(Spot { backend, limit, open }))
    };
    (0..BACKENDS).map(spot).collect::<Vec<_>>().prop_map(|spots| spots.into_iter().flatten().collect())
}

fn step() -> impl Strategy<Value = Step> {
    let tried = prop::collection::vec(0..BACKENDS, 0..2);
    let join = (prop::bool::weighted(0.2), prop::option::weighted(0.3, 0..BACKENDS), tried);
    prop_oneof![
        5 => join.prop_map(|(placed, bound, tried)| Step::Join { placed, bound, tried }),
        1 => (0usize..8).prop_map(Step::Leave),
        4 => (0usize..8).prop_map(Step::Done),
        1 => (0usize..8).prop_map(Step::Unbind),
        1 => (spots(), prop::option::of(0u32..5)).prop_map(|(spots, limit)| Step::Set(spots, limit)),
    ]
}

/// The order, the model, and who was served.
struct Both {
    order: Order<u8, ()>,
    house: House,
    spots: Vec<Spot<u8>>,
    waiting: Vec<(u64, Wish<u8>)>,
    served: Vec<Served<u8, ()>>,
}

impl Both {
    fn usable<'a>(&'a self, wish: &'a Wish<u8>) -> impl Iterator<Item = &'a Spot<u8>> {
        let will_do = |spot: &&Spot<u8>| match wish.bound {
            Some(bound) => spot.backend == bound,
            None => spot.open,
        };
        self.spots.iter().filter(will_do).filter(|spot| !wish.tried.contains(&spot.backend))
    }

    /// The longest waiting who can use anything.
    fn next(&self, house: &House) -> Option<u64> {
        let can = |(_, wish): &&(u64, Wish<u8>)| {
            let place = wish.placed || house.limit.is_none_or(|limit| house.requests < limit);
            let is_free =
                |spot: &Spot<u8>| spot.limit.is_none_or(|limit| house.in_flight[usize::from(spot.backend)] < limit);
            place && self.usable(wish).any(is_free)
        };
        self.waiting.iter().find(can).map(|(number, _)| *number)
    }

    /// Lets the order serve, and looks whether the model would have served the same.
    fn serve(&mut self, freed: Freed<'_, u8>) {
        let mut replayed = self.house.clone();
        for served in self.order.serve(freed, &mut self.house) {
            assert_eq!(self.next(&replayed), Some(served.number), "somebody else was before it");
            if let Some(backend) = served.backend {
                replayed.in_flight[usize::from(backend)] += 1;
            }
            replayed.requests += u32::from(served.place);
            self.waiting.retain(|(number, _)| *number != served.number);
            self.served.push(served);
        }
        assert_eq!(replayed.in_flight, self.house.in_flight);
        assert_eq!(replayed.requests, self.house.requests);
        assert_eq!(self.next(&self.house), None, "somebody waits beside what he could use");
        assert_eq!(self.order.waiting(), self.waiting.len());
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Join { placed, bound, tried } => {
                let number = self.order.number();
                let wish = Wish { placed, bound, tried: tried.into(), useless: SmallVec::new() };
                self.order.join(number, wish.clone(), ());
                self.waiting.push((number, wish));
                self.serve(Freed::Anything);
            }
            Step::Leave(nth) if nth < self.waiting.len() => {
                let (number, _) = self.waiting.remove(nth);
                assert!(self.order.leave(number) && !self.order.leave(number));
            }
            Step::Done(nth) if nth < self.served.len() => {
                let Served { backend, place, .. } = self.served.remove(nth);
                if let Some(backend) = backend {
                    self.house.in_flight[usize::from(backend)] -= 1;
                    self.serve(Freed::Backend(&backend));
                }
                if place {
                    self.house.requests -= 1;
                    self.serve(Freed::Place);
                }
            }
            Step::Unbind(nth) if nth < self.waiting.len() => {
                self.order.unbind(self.waiting[nth].0);
                self.waiting[nth].1.bound = None;
                self.serve(Freed::Anything);
            }
            Step::Leave(_) | Step::Done(_) | Step::Unbind(_) => {}
            Step::Set(spots, limit) => {
                self.house.limit = limit;
                self.spots.clone_from(&spots);
                let hopeless = self.order.set(spots);
                for (_, wish) in &mut self.waiting {
                    wish.bound = wish.bound.filter(|bound| self.spots.iter().any(|spot| spot.backend == *bound));
                }
                let is_hopeless = |(_, wish): &&(u64, Wish<u8>)| wish.bound.is_none() && self.usable(wish).count() == 0;
                let expected: Vec<_> = self.waiting.iter().filter(is_hopeless).map(|(number, _)| *number).collect();
                assert_eq!(hopeless.iter().map(|(number, ())| *number).collect::<Vec<_>>(), expected);
                self.waiting.retain(|(number, _)| !expected.contains(number));
                self.serve(Freed::Anything);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_longest_waiting_who_can_use_it_is_served(
        spots in spots(),
        limit in prop::option::of(0u32..5),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let house = House { limit, ..House::default() };
        let (waiting, served) = (Vec::new(), Vec::new());
        let mut both = Both { order: Order::new(spots.clone()), house, spots, waiting, served };
        for step in steps {
            both.step(step);
        }
    }
}

#[test]
fn what_was_of_no_use_is_not_offered_again_until_something_changes() {
    let spots = || vec![Spot { backend: 0, limit: Some(1), open: true }];
    let (mut order, mut house) = (Order::new(spots()), House::default());
    let number = order.number();
    let useless = SmallVec::from_slice(&[0]);
    order.join(number, Wish { placed: true, bound: None, tried: SmallVec::new(), useless }, ());
    assert!(order.serve(Freed::Anything, &mut house).is_empty());
    assert!(order.set(spots()).is_empty());
    assert_eq!(order.serve(Freed::Anything, &mut house).len(), 1);
}
