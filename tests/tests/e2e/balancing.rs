//! Who gets the next request: the built-in balancers, seen from outside.

use trimtab_tests::{Backend, Host, Setup};

fn order(host: &Host, requests: usize) -> String {
    (0..requests).map(|_| host.get("/").backend().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn round_robin_is_exact_over_several_workers() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = Setup::over(&[&a, &b, &c]).pool("balancer = 'round-robin'").workers(4).start();
    assert_eq!(order(&host, 6), "a b c a b c");
}

#[test]
fn round_robin_is_the_default() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = Setup::over(&[&a, &b, &c]).start();
    assert_eq!(order(&host, 6), "a b c a b c");
}

#[test]
fn round_robin_on_one_connection() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = Setup::over(&[&a, &b, &c]).start();
    let mut client = host.client();
    let order: Vec<_> = (0..6).map(|_| client.get("/").backend().to_owned()).collect();
    assert_eq!(order.join(" "), "a b c a b c");
}

#[test]
fn weighted_round_robin_is_smooth() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let entries = [a.entry_with("weight = 5"), b.entry_with("weight = 1"), c.entry_with("weight = 1")];
    let host = Setup::of(entries).pool("balancer = 'weighted-round-robin'").workers(1).start();
    assert_eq!(order(&host, 14), "a a b a c a a a a b a c a a");
}

#[test]
fn weighted_round_robin_over_several_workers_keeps_the_sequence() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let entries = [a.entry_with("weight = 5"), b.entry_with("weight = 1"), c.entry_with("weight = 1")];
    let host = Setup::of(entries).pool("balancer = 'weighted-round-robin'").workers(4).start();
    assert_eq!(order(&host, 7), "a a b a c a a");
}

#[test]
fn a_backend_of_weight_0_gets_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::of([a.entry_with("weight = 0"), b.entry()]).pool("balancer = 'weighted-round-robin'").start();
    assert_eq!(order(&host, 3), "b b b");
}

#[test]
fn pools_take_turns_apart() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Backend::echo);
    let other =
        format!("[[route]]\npath = '/other'\npool = 'other'\n[pool.other]\nbackends = [{}, {}]", c.entry(), d.entry());
    let host = Setup::over(&[&a, &b]).more(&other).start();
    let order: Vec<_> =
        ["/", "/other", "/other", "/", "/", "/other"].map(|path| host.get(path).backend().to_owned()).into();
    assert_eq!(order.join(" "), "a c d b a c");
}
