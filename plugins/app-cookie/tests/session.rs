//! Sessions of `app-cookie`, natively: learned from the application, followed, forgotten.

use std::time::Duration;

use app_cookie::AppCookie;
use proptest::prelude::*;
use trimtab_sdk::testing::{BoundPool, Client, Request, Response, Visit, instance, pass, table_entries};
use trimtab_sdk::{Affinity, Readiness};

const ABC: [(&str, u32); 3] = [("a", 1), ("b", 1), ("c", 1)];
const JAVA: &str = r#"{"name": "JSESSIONID"}"#;

/// The backend that answered, and whether the session was known.
fn to(visit: &Visit) -> (Option<&str>, bool) {
    assert!(visit.added.is_empty(), "it sets nothing");
    (visit.backend.as_deref(), visit.found.is_some())
}

/// A session opened at a backend.
fn open(pool: &mut BoundPool<AppCookie>, session: &str, at: &str) -> Client {
    let mut client = Client::new();
    pool.response = Response::of(200).header("Set-Cookie", &format!("{session}; Path=/; HttpOnly"));
    assert_eq!(to(&pool.send(&mut client, at)), (Some(at), false));
    pool.response = Response::of(200);
    client
}

#[test]
fn a_session_is_followed_over_workers_restarts_and_changes_of_the_pool() {
    let mut pool = BoundPool::<AppCookie>::with_workers(3, JAVA, &ABC);
    let mut client = open(&mut pool, "JSESSIONID=s1", "b");
    assert_eq!(to(&pool.send(&mut client, "a")), (Some("b"), true));
    pool.mark("b", Readiness::Draining);
    pool.restart();
    assert_eq!(to(&pool.send(&mut client, "a")), (Some("b"), true));
    pool.replace(&[("c", 1), ("b", 1)]);
    assert_eq!(to(&pool.send(&mut client, "c")), (Some("b"), true));
}

#[test]
fn who_has_no_session_is_the_balancers_and_leaves_nothing() {
    let mut pool = BoundPool::<AppCookie>::new(JAVA, &ABC);
    let mut client = Client::new();
    assert_eq!(to(&pool.send(&mut client, "c")), (Some("c"), false));
    client.set_cookie("other", "s1");
    pool.response = Response::of(200).header("set-cookie", "JSESSIONID=; Max-Age=0");
    assert_eq!(to(&pool.send(&mut client, "a")), (Some("a"), false));
    assert_eq!(table_entries(), 0, "an empty value ends a session");
}

#[test]
fn a_session_moves_when_its_backend_is_not_there() {
    let mut pool = BoundPool::<AppCookie>::new(JAVA, &ABC);
    let mut client = open(&mut pool, "JSESSIONID=s1", "a");
    pool.fail("a");
    assert_eq!(to(&pool.send(&mut client, "a")), (Some("b"), false));
    assert_eq!(to(&pool.send(&mut client, "c")), (Some("b"), true), "learned from the request");
    pool.mark("b", Readiness::Down);
    assert_eq!(to(&pool.send(&mut client, "c")), (Some("c"), false));

    let mut pool = BoundPool::<AppCookie>::new(r#"{"name": "JSESSIONID", "request_learn": false}"#, &ABC);
    let mut client = open(&mut pool, "JSESSIONID=s1", "a");
    pool.mark("a", Readiness::Down);
    assert_eq!(to(&pool.send(&mut client, "b")), (Some("b"), false));
    assert_eq!(to(&pool.send(&mut client, "c")), (Some("c"), false), "only responses teach");
    pool.mark("a", Readiness::Ready);
    assert_eq!(to(&pool.send(&mut client, "c")), (Some("a"), true));
}

#[test]
fn a_session_is_forgotten_after_its_last_request() {
    let mut pool = BoundPool::<AppCookie>::new(r#"{"name": "JSESSIONID", "ttl": "10m"}"#, &ABC);
    let mut client = open(&mut pool, "JSESSIONID=s1", "b");
    for _ in 0..5 {
        pass(Duration::from_secs(500));
        assert_eq!(to(&pool.send(&mut client, "a")), (Some("b"), true));
    }
    pass(Duration::from_secs(601));
    assert_eq!(to(&pool.send(&mut client, "a")), (Some("a"), false));
}

#[test]
fn clients_without_cookies_have_it_in_the_path() {
    let settings = r#"{"name": "JSESSIONID", "path_parameter": "jsessionid"}"#;
    let mut pool = BoundPool::<AppCookie>::new(settings, &ABC);
    open(&mut pool, "JSESSIONID=s1", "b");
    let mut bare = Client::with(Request::get("/cart;x=1;jsessionid=s1/items"));
    assert_eq!(to(&pool.send(&mut bare, "a")), (Some("b"), true));
    let mut pool = BoundPool::<AppCookie>::new(JAVA, &ABC);
    open(&mut pool, "JSESSIONID=s1", "b");
    assert_eq!(to(&pool.send(&mut bare, "a")), (Some("a"), false), "only where the setting says so");
}

#[test]
fn names_may_end_differently_each_time() {
    let mut pool = BoundPool::<AppCookie>::new(r#"{"name": "ASPSESSIONID", "prefix": true}"#, &ABC);
    let mut client = open(&mut pool, "ASPSESSIONIDQQGR=s1", "b");
    client.request.cookies.insert(0, ("first".to_owned(), "1".to_owned()));
    assert_eq!(to(&pool.send(&mut client, "a")), (Some("b"), true));
    let mut other = Client::new();
    other.set_cookie("ASPSESSIONIDXXXX", "s1");
    assert_eq!(to(&pool.send(&mut other, "a")), (Some("a"), false), "the name is part of the session");
}

#[test]
fn settings_are_checked() {
    for (settings, word) in [
        ("{}", "`name`"),
        (r#"{"name": "a b"}"#, "`name`"),
        (r#"{"name": "a", "ttl": "0s"}"#, "`ttl`"),
        (r#"{"name": "a", "len": 52}"#, "`len`"),
    ] {
        let error = AppCookie::configure(settings, &instance(0, 1)).map(drop).expect_err("refused");
        assert!(error.contains(word), "{settings}: {error}");
    }
}

proptest! {
    /// Sessions of any value are followed, and none is taken for another.
    #[test]
    fn each_session_is_itself(
        sessions in proptest::collection::btree_map("[!#-+\\--:<-\\[\\]-~]{1,200}", 0usize..3, 1..9),
        workers in 1u32..4,
    ) {
        let mut pool = BoundPool::<AppCookie>::with_workers(workers, JAVA, &ABC);
        let open = |(value, at): (&String, &usize)| (open(&mut pool, &format!("JSESSIONID={value}"), ABC[*at].0), *at);
        let clients: Vec<_> = sessions.iter().map(open).collect();
        for (mut client, at) in clients {
            let visit = pool.send(&mut client, ABC[(at + 1) % 3].0);
            prop_assert_eq!(to(&visit), (Some(ABC[at].0), true));
        }
    }
}
