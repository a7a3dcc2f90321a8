//! `POST /plugins/NAME/rollback`: back to the generation before, by hand.

use trimtab_tests::{Backend, Host, Response, Setup, Tally, eventually};

use super::{all_answer, behind, constant, picker, put};

fn roll_back(host: &Host, plugin: &str) -> Response {
    host.admin_response("POST", &format!("/plugins/{plugin}/rollback"), "")
}

#[test]
fn it_goes_back_and_forth_and_needs_something_to_go_back_to() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "");
    let nothing = roll_back(&host, "mine");
    assert_eq!(nothing.status, 409, "{}", nothing.text());
    assert_eq!(roll_back(&host, "other").status, 404);
    put(&host, "mine", &constant(1));
    for (backend, generation) in [("a", 1), ("b", 2), ("a", 1)] {
        let back = roll_back(&host, "mine");
        assert_eq!(back.status, 200, "{}", back.text());
        all_answer(&host, backend);
        assert_eq!(host.generation("mine"), generation);
        assert_eq!(host.plugin("mine")["uploaded"], generation == 2);
    }
    put(&host, "mine", &constant(1));
    assert_eq!(host.generation("mine"), 3, "no number is given twice");
}

#[test]
fn within_probation_it_finds_the_generation_before_as_it_was() {
    let backends = ["a", "b", "c"].map(Backend::echo);
    let [a, b, c] = &backends;
    // Each instance has a sequence of its own: with one worker there is one.
    let counting = picker("(return (call $backend (i32.sub (global.get $calls) (i32.const 1))))");
    let folder = trimtab_tests::Folder::new();
    folder.write("mine.wasm", counting);
    let setup = Setup::over(&[a, b, c]).workers(1).pool("balancer = 'mine'");
    let host = setup.more("[plugin.mine]\ncomponent = 'mine.wasm'").start_in(folder);
    let mut client = host.client();
    assert_eq!(["/"; 4].map(|target| client.get(target).backend().to_owned()), ["a", "b", "c", "a"]);
    put(&host, "mine", &constant(0));
    assert_eq!(client.get("/").backend(), "a");
    assert_eq!(roll_back(&host, "mine").status, 200);
    assert_eq!(client.get("/").backend(), "b", "it goes on where it was");
}

#[test]
fn after_probation_it_is_built_again() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "probation = '1s'");
    put(&host, "mine", &constant(1));
    assert_eq!(host.plugin("mine")["stage"], "probation");
    eventually("the probation is over", || host.plugin("mine")["stage"] == "steady");
    all_answer(&host, "b");
    assert_eq!(roll_back(&host, "mine").status, 200);
    all_answer(&host, "a");
}

#[test]
fn what_backends_became_meanwhile_the_generation_before_knows() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).start();
    put(&host, "round-robin", &constant(0));
    let body = format!(r#"{{"address":"{}"}}"#, c.address());
    assert_eq!(host.admin("PUT", "/pools/web/backends/c", &body).0, 201);
    assert_eq!(host.admin("DELETE", "/pools/web/backends/a", "").0, 204);
    assert_eq!(roll_back(&host, "round-robin").status, 200);
    let tally = Tally::of(&host, 40);
    assert_eq!((tally.by("b"), tally.by("c")), (20, 20), "{tally:?}");
    assert_eq!(host.metrics().sum("trimtab_fallbacks_total", &[]), 0.0);
}
