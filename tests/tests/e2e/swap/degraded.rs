//! A swap is the cure of a plugin that is not asked any more.

use trimtab_tests::{Backend, eventually};

use super::{all_answer, behind, constant, picker, put};

#[test]
fn a_good_generation_ends_what_the_bad_one_began() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let broken = picker("unreachable");
    let host =
        behind(&broken, &[&a, &b], "probation = false\nbreaker = { faults = 3, delay = '1h', max_delay = '1h' }");
    let mut client = host.client();
    eventually("it is not asked any more", || {
        assert_eq!(client.get("/").status, 200, "the fallback answers");
        host.plugin("mine")["degraded"] == true
    });
    put(&host, "mine", &constant(1));
    all_answer(&host, "b");
    let shown = host.plugin("mine");
    assert!(shown["degraded"] == false && shown["breakers"].as_array().is_some_and(Vec::is_empty), "{shown}");
    let ready = host.admin_response("GET", "/readyz", "");
    assert!(!ready.text().contains("breaker"), "{}", ready.text());
    // Its own breaker is a new one.
    host.set_backend("web", "b", r#"{"state":"draining"}"#);
    assert_eq!(host.get("/").backend(), "a");
    host.set_backend("web", "b", r#"{"state":"ready"}"#);
    all_answer(&host, "b");
}
