//! The test kit plays the host: what it hands to plugins, and what it does with their answers.

use std::time::Duration;

use trimtab_sdk::testing::{
    BoundPool, Client, Pool, Request, Response, Route, Shaping, assert_hands_over, keys, pass, table_entries,
};
use trimtab_sdk::{
    Affinity, Backend, Balancer, Destination, Handoff, Instance, Moment, Observer, Outcome, OutcomeKind, Plan,
    Readiness, Router, Shaper, Verdict, load, pools, request, response, table,
};

/// Picks by the key, else the least loaded, and counts outcomes.
struct Keyed {
    backends: u64,
    seen: usize,
}

impl Balancer for Keyed {
    fn configure(_: &str, _: &Instance) -> Result<(Self, Plan), String> {
        Ok((Self { backends: 0, seen: 0 }, Plan { observe: true, tick_ms: 10, ..Plan::default() }))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.backends = backends.len() as u64;
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        match moment.key {
            Some(key) => key.checked_rem(self.backends).map_or(Verdict::Pass, |index| Verdict::Backend(index as u32)),
            None => (0..self.backends as u32)
                .min_by_key(|index| load::in_flight(*index))
                .map_or(Verdict::Pass, Verdict::Backend),
        }
    }
}

impl Observer for Keyed {
    fn observe(&mut self, outcomes: &[Outcome]) {
        self.seen += outcomes.len();
        assert!(outcomes.iter().all(|outcome| outcome.backend == 1 && outcome.status == 503));
    }
}

impl Handoff for Keyed {
    fn save(&mut self) -> Vec<u8> {
        vec![self.seen as u8]
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let [seen] = state else { return Err("is no number".to_owned()) };
        self.seen = usize::from(*seen);
        Ok(())
    }
}

#[test]
fn a_swap_hands_over_worker_by_worker() {
    let mut pool = Pool::<Keyed>::with_workers(2, "{}", &[("a", 1), ("b", 1)]);
    let outcome = pool.outcome("b", OutcomeKind::ServerError, 900);
    pool.observe(1, &[outcome; 3]);
    pool.hand_over_to(&[("b", 1)]);
    pool.hand_over();
    assert_eq!(pool.saved(0), [0]);
    assert_eq!(pool.saved(1), [3]);
    assert_eq!(pool.picks(2), "b b");
    assert_hands_over::<Keyed>("{}");
}

#[test]
fn a_pool_has_keys_and_loads_and_outcomes() {
    let mut pool = Pool::<Keyed>::new("{}", &[("a", 1), ("b", 1)]);
    pool.key = Some(5);
    assert_eq!(pool.picks(2), "b b");
    pool.key = None;
    let opened: Vec<_> = (0..4).filter_map(|_| pool.open()).collect();
    assert_eq!(opened.join(" "), "a b a b");
    pool.close("b");
    assert_eq!((pool.in_flight("a"), pool.in_flight("b")), (2, 1));
    assert_eq!(pool.pick().as_deref(), Some("b"));
    let outcome = pool.outcome("b", OutcomeKind::ServerError, 900);
    pool.observe(0, &[outcome]);
    pool.tick();
    assert!(keys(1).zip(keys(2)).take(9).all(|(one, other)| one != other));
}

/// Remembers in a cookie what the table has under the key.
struct Memory(Vec<Readiness>);

impl Affinity for Memory {
    fn configure(settings: &str, _: &Instance) -> Result<(Self, Plan), String> {
        assert!(settings.contains("\"secret\""), "{settings}");
        Ok((Self(Vec::new()), Plan { keys: vec!["header:x-user".to_owned()], ..Plan::default() }))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.0 = backends.iter().map(|backend| backend.readiness).collect();
    }

    fn find(&mut self, moment: Moment) -> Verdict {
        let known = request::key_bytes().and_then(|key| table::get(&key)).and_then(|value| value.first().copied());
        assert_eq!(moment.key.is_some(), request::key_bytes().is_some());
        match known.map(u32::from) {
            Some(index) if self.0[index as usize] != Readiness::Down && !request::tried(index) => {
                Verdict::Backend(index)
            }
            _ => Verdict::Pass,
        }
    }

    fn bind(&mut self, _: Moment, backend: u32, _: Option<u32>) -> Vec<(String, String)> {
        if let Some(key) = request::key_bytes() {
            table::put(&key, &[backend as u8], 60_000);
        }
        let session = response::set_cookie("session").unwrap_or_default();
        vec![("set-cookie".to_owned(), format!("seen={session}; Max-Age=60"))]
    }
}

#[test]
fn a_client_is_bound_through_retries_drains_restarts_and_expiry() {
    let mut pool = BoundPool::<Memory>::with_workers(3, "{}", &[("a", 1), ("b", 1), ("c", 1)]);
    pool.response = Response::of(200).header("set-cookie", "session=\"s1\"; Path=/");
    let mut client = Client::with(Request::get("/").header("X-User", "u1"));
    let visit = pool.send(&mut client, "b");
    assert_eq!((visit.backend.as_deref(), visit.found, visit.attempts), (Some("b"), None, 1));
    assert_eq!((client.cookie("session"), client.cookie("seen")), (Some("s1"), Some("s1")));

    pool.mark("b", Readiness::Draining);
    pool.restart();
    assert_eq!(pool.send(&mut client, "a").found.as_deref(), Some("b"), "on another worker");

    pool.fail("b");
    let visit = pool.send(&mut client, "b");
    assert_eq!((visit.backend.as_deref(), visit.found, visit.attempts), (Some("c"), None, 2));
    assert_eq!(pool.send(&mut client, "a").backend.as_deref(), Some("c"), "rebound");

    pass(Duration::from_secs(61));
    assert_eq!(table_entries(), 0);
    assert_eq!(pool.send(&mut client, "a").found, None);
    ["a", "b", "c"].into_iter().for_each(|id| pool.mark(id, Readiness::Down));
    assert_eq!(pool.send(&mut client, "a").status, 503);
}

#[test]
fn a_table_adds_and_keeps_what_was_first() {
    assert_eq!((table::add(b"n", 2, 1_000), table::add(b"n", -5, 1_000)), (2, -3));
    assert_eq!(table::put_new(b"k", b"1", 1_000), b"1");
    assert_eq!(table::put_new(b"k", b"2", 1_000), b"1");
    table::remove(b"k");
    assert_eq!(table::get(b"k"), None);
    assert!(!table::put(b"k", &vec![0; 1 << 20], 1_000), "too large");
}

/// The second pool while it has room, by chance of the key.
struct Overflow;

impl Router for Overflow {
    fn configure(_: &str, _: &Instance, pools: &[String]) -> Result<(Self, Plan), String> {
        assert_eq!(pools, ["main", "next"]);
        Ok((Self, Plan { keys: vec!["client-network:/24".to_owned()], ..Plan::default() }))
    }

    fn route(&mut self, moment: Moment) -> Destination {
        match moment.key {
            None => Destination::Refuse(400),
            Some(_) if pools::ready(1) == 0 => Destination::Pass,
            Some(_) => Destination::Pool(u32::from(pools::in_flight(1) < 2)),
        }
    }
}

#[test]
fn a_route_has_pools_with_numbers() {
    let mut route = Route::<Overflow>::new("{}", &["main", "next"]);
    assert_eq!(route.routes(2), "next next");
    route.set("next", 3, 2);
    assert_eq!(route.route().as_deref(), Some("main"));
    route.set("next", 0, 0);
    assert_eq!(route.route(), None);
    route.request.client_address.clear();
    assert_eq!(route.destination(), Destination::Refuse(400));
}

/// Halves.
struct Half;

impl Shaper for Half {
    fn configure(_: &str, _: &Instance) -> Result<Self, String> {
        Ok(Self)
    }

    fn shape(&mut self, backends: &[Backend]) -> Vec<u32> {
        backends.iter().map(|backend| backend.weight / 2).collect()
    }
}

#[test]
fn a_shaper_weighs_a_table() {
    let backends = trimtab_sdk::testing::backends(&[("a", 4), ("b", 1)]);
    assert_eq!(Shaping::<Half>::new("{}").shape(&backends), [2, 0]);
}

#[test]
fn parameters_of_path_and_query_are_found() {
    let mut asked = Request::get("/shop;id=1;x=/cart;y=2/id=3");
    asked.query = "a&b=&id=4&id=5".to_owned();
    trimtab_sdk::testing::with_request(&asked, || {
        let path = |name| request::path_parameter(name);
        assert_eq!(
            (path("id").as_deref(), path("y").as_deref(), path("x").as_deref()),
            (Some("1"), Some("2"), Some(""))
        );
        assert_eq!((path("d"), path("ID"), path("shop")), (None, None, None));
        let query = |name| request::query_value(name);
        assert_eq!((query("id").as_deref(), query("b").as_deref(), query("a")), (Some("4"), Some(""), None));
    });
}
