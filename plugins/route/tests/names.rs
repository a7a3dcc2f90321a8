//! Names of backends in what clients send to `route`, natively.

use proptest::prelude::*;
use route::Route;
use trimtab_sdk::testing::{BoundPool, Client, Request, instance, lines};
use trimtab_sdk::{Affinity, Readiness};

const WEB: [(&str, u32); 3] = [("web1", 1), ("web2", 1), ("web3", 1)];
const COOKIE: &str = r#"{"cookie": "JSESSIONID"}"#;

/// The backend that is named, where the balancer would pick the first.
fn found(pool: &mut BoundPool<Route>, request: Request) -> Option<String> {
    let visit = pool.send(&mut Client::with(request), "web1");
    assert!(visit.added.is_empty(), "it sets nothing");
    visit.found
}

fn session(value: &str) -> Request {
    Request::get("/").cookie("JSESSIONID", value)
}

#[test]
fn the_suffix_names_the_backend() {
    let mut pool = BoundPool::<Route>::with_workers(2, COOKIE, &WEB);
    assert_eq!(found(&mut pool, session("4711.web2")).as_deref(), Some("web2"));
    assert_eq!(found(&mut pool, session("47.11.web3")).as_deref(), Some("web3"), "after the last separator");
    assert_eq!(found(&mut pool, session(".web3")).as_deref(), Some("web3"), "as Apache's ROUTEID");
    for unnamed in ["4711", "web2", "4711.web9", "4711.", "4711.WEB2", "4711.web2.", ""] {
        assert_eq!(found(&mut pool, session(unnamed)), None, "{unnamed}");
    }
    assert_eq!(found(&mut pool, Request::get("/")), None);
}

#[test]
fn a_parameter_names_it_too() {
    let settings = r#"{"cookie": "JSESSIONID", "path_parameter": "jsessionid", "query": "route"}"#;
    let mut pool = BoundPool::<Route>::new(settings, &WEB);
    assert_eq!(found(&mut pool, Request::get("/cart;jsessionid=1.web2")).as_deref(), Some("web2"));
    let query = Request { query: "a=b&route=x.web3".to_owned(), ..Request::get("/") };
    assert_eq!(found(&mut pool, query.clone()).as_deref(), Some("web3"));
    assert_eq!(found(&mut pool, query.cookie("JSESSIONID", "1.web2")).as_deref(), Some("web2"), "the cookie first");

    let mut pool = BoundPool::<Route>::new(r#"{"query": "route", "separator": ""}"#, &WEB);
    let query = Request { query: "route=web2".to_owned(), ..Request::get("/") };
    assert_eq!(found(&mut pool, query).as_deref(), Some("web2"), "the whole value");
}

#[test]
fn a_label_may_be_the_name() {
    let mut pool = BoundPool::<Route>::new(r#"{"cookie": "s", "label": "route", "separator": "!"}"#, &WEB);
    pool.label("web2", "route", "node.7");
    assert_eq!(found(&mut pool, Request::get("/").cookie("s", "1!node.7")).as_deref(), Some("web2"));
    assert_eq!(found(&mut pool, Request::get("/").cookie("s", "1!web2")), None, "not by id");
}

#[test]
fn a_backend_that_is_not_there_is_no_binding() {
    let mut pool = BoundPool::<Route>::new(COOKIE, &WEB);
    pool.mark("web2", Readiness::Draining);
    assert_eq!(found(&mut pool, session("1.web2")).as_deref(), Some("web2"), "a draining one keeps its clients");
    pool.fail("web2");
    let visit = pool.send(&mut Client::with(session("1.web2")), "web3");
    assert_eq!((visit.backend.as_deref(), visit.found, visit.attempts), (Some("web3"), None, 2));
    pool.mark("web2", Readiness::Down);
    assert_eq!(found(&mut pool, session("1.web2")), None);
    pool.replace(&WEB[2..]);
    let visit = pool.send(&mut Client::with(session("1.web3")), "web3");
    assert_eq!(visit.found.as_deref(), Some("web3"), "of another index");
}

#[test]
fn settings_are_checked_and_odd_ids_told() {
    let error = |settings| Route::configure(settings, &instance(0, 1)).map(drop).expect_err("refused");
    assert!(error("{}").contains("`cookie`"));
    assert!(error(r#"{"stickysession": "JSESSIONID"}"#).contains("`stickysession`"));
    BoundPool::<Route>::new(COOKIE, &[("10.0.0.1:80", 1)]);
    assert!(lines().concat().contains("warn: `10.0.0.1:80`"));
}

proptest! {
    /// Whatever clients send, only a name at the end of it counts.
    #[test]
    fn only_a_suffix_counts(value in "[a-z0-9.]{0,12}", at in 0usize..3) {
        let mut pool = BoundPool::<Route>::new(COOKIE, &WEB);
        let suffix = value.rsplit_once('.').map(|(_, name)| name.to_owned());
        let name = suffix.filter(|name| WEB.iter().any(|(id, _)| id == name));
        prop_assert_eq!(found(&mut pool, session(&value)), name);
        let named = found(&mut pool, session(&format!("{value}.{}", WEB[at].0)));
        prop_assert_eq!(named.as_deref(), Some(WEB[at].0));
    }
}
