//! How even picks of the built-ins are, and which clients move when a backend goes: the component itself, over many picks.

use trimtab::decide::{Destination, Router as _};
use trimtab::lab::spread::{self, Evenness, Ground, Loss, Moved};
use trimtab::lab::world::{Clock, name, request};
use trimtab::plugin::{AffinityInstance, BalancerInstance, Registry, RouterInstance};

use super::cases::{Affinity, Balancer};
use super::world::{Place, Weights, rows};

const PICKS: u32 = 1_000_000;
const BACKENDS: usize = 10;
/// Keys asked for before and after a backend goes.
const KEYS: u32 = 100_000;
const CLIENTS: u32 = 10_000;

/// How even a million picks over ten equal backends are.
pub(crate) fn evenness(registry: &Registry, case: &Balancer) -> Evenness {
    let mut ground = Ground::new(rows(BACKENDS, case.weights), 1);
    let mut instance: BalancerInstance = case.place().seat(registry, &ground.rows, &ground.load);
    spread::evenness(&mut instance, &mut ground, PICKS).unwrap()
}

/// Which keys move when one of so many backends goes.
pub(crate) fn keys_moved(registry: &Registry, case: &Balancer, backends: usize, loss: Loss) -> Moved {
    let mut ground = Ground::new(rows(backends, Weights::Equal), 1);
    let mut instance: BalancerInstance = case.place().seat(registry, &ground.rows, &ground.load);
    spread::keys_moved(&mut instance, &mut ground, KEYS, loss).unwrap()
}

/// Which clients move when one of so many backends goes; clients of the lost one are not counted as moved where
/// they are not bound any more.
pub(crate) fn clients_moved(registry: &Registry, case: &Affinity, backends: usize, loss: Loss) -> Moved {
    let mut ground = Ground::new(rows(backends, Weights::Equal), 1);
    let mut instance: AffinityInstance = case.place().seat(registry, &ground.rows, &ground.load);
    spread::clients_moved(&mut instance, &mut ground, CLIENTS, loss).unwrap().expect("it binds")
}

/// What `split` gives to a canary of 5 %, and the keys that move when it becomes 10 %.
pub(crate) fn canary(registry: &Registry) -> (f64, f64) {
    let mut shares = [r#"{"percent": 5}"#, r#"{"percent": 10}"#].map(|settings| {
        let pools = &["web", "canary"];
        let place = Place { plugin: "split", settings, key: Some("header:x-user"), pools };
        place.seat::<RouterInstance>(registry, &[], &Ground::new(Vec::new(), 1).load)
    });
    let (mut clock, mut facts, mut canary, mut moved) = (Clock::new(1), request(0), 0u32, 0u32);
    for client in 0..PICKS {
        name(&mut facts, client);
        let answers = shares.each_mut().map(|instance| {
            clock.now_us += 10;
            let moment = clock.moment(instance, &facts);
            let (back, answer) = instance.route(moment, std::mem::take(&mut facts));
            facts = back;
            answer.unwrap()
        });
        canary += u32::from(answers[0] == Destination::Pool(1));
        moved += u32::from(answers[0] != answers[1]);
    }
    (f64::from(canary) / f64::from(PICKS), f64::from(moved) / f64::from(PICKS))
}
