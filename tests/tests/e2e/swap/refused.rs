//! What is not put in place: nothing changes then, and the answer says why.

use trimtab_tests::{Backend, Host, Setup, eventually, plugin, under_load};

use super::{all_answer, behind, built_in, constant, faults, picker};

/// Puts what must not be taken.
fn refused(host: &Host, component: &[u8], reasons: &[&str]) {
    let response = host.swap("mine", component);
    assert_eq!(response.status, 422, "{}", response.text());
    for reason in reasons {
        assert!(response.text().contains(reason), "{reason} is missing: {}", response.text());
        let shown = host.plugin("mine");
        assert!(shown["last"].as_str().is_some_and(|last| last.contains(reason)), "{shown}");
    }
    eventually("the log says so", || host.log().contains("not swapped; the generation before goes on"));
}

#[test]
fn what_is_no_balancer_or_does_not_start_changes_nothing() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "");
    under_load(host.address(), || {
        for (component, why) in [
            (b"not wasm".to_vec(), "is no WebAssembly component"),
            (Vec::new(), "is no WebAssembly component"),
            (plugin::component(&plugin::text("router.wat"), "router-plugin", None), "does not export"),
            (built_in("cookie"), "does not export"),
            (plugin::balancer("configure-error.wat"), "does not accept its settings"),
            (plugin::balancer("configure-trap.wat"), "`configure`"),
            (plugin::balancer("update-trap.wat"), "`update`"),
        ] {
            refused(&host, &component, &[why, "mine"]);
            assert_eq!(host.generation("mine"), 1);
        }
    });
    // Not under load: its deadline is of processor time, of which builders get what others leave.
    refused(&host, &plugin::balancer("configure-loop.wat"), &["`configure`", "mine"]);
    all_answer(&host, "a");
    let response = host.swap("other", &constant(1));
    assert_eq!(response.status, 404, "{}", response.text());
    assert_eq!(host.admin_response("DELETE", "/plugins/mine", "").status, 405);
    assert_eq!((host.plugin("mine")["stage"].as_str(), faults(&host)), (Some("steady"), 0.0));
}

#[test]
fn what_fails_in_its_trial_is_refused_with_function_and_reason() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "");
    let tenth =
        "(if (i32.eq (global.get $calls) (i32.const 10)) (then unreachable)) (return (call $backend (i32.const 1)))";
    refused(&host, &picker(tenth), &["`pick`", "unreachable"]);
    refused(&host, &picker("(loop $again (br $again))"), &["`pick`", "deadline"]);
    refused(&host, &picker("(return (call $verdict (i32.const 0) (i32.const 7)))"), &["`pick`", "7"]);
    refused(&host, &picker("(return (call $refuse (i32.const 200)))"), &["`pick`", "200"]);
    all_answer(&host, "a");
    assert_eq!(faults(&host), 0.0, "what fails in a trial failed for nobody");
}

#[test]
fn one_that_is_too_large_is_refused_before_it_is_read_whole() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).server("max_component_size = '64KiB'").start();
    let mut large = constant(1);
    // A custom section (id 0) of 100 kB, its length in LEB128.
    let content = [&[1, b'x'][..], &vec![0; 100_000 - 2]].concat();
    large.extend([&[0, 0xa0, 0x8d, 0x06][..], &content].concat());
    let response = host.swap("round-robin", &large);
    assert!(matches!(response.status, 413 | 422), "{}: {}", response.status, response.text());
    assert!(response.text().contains("max_component_size"), "{}", response.text());
    assert_eq!(host.swap("round-robin", &constant(1)).status, 200);
}

#[test]
fn while_one_is_put_in_place_another_is_a_conflict_or_comes_after_it() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "");
    let component = constant(1);
    let taken: u64 = std::thread::scope(|scope| {
        let puts: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let statuses: Vec<_> = (0..5).map(|_| host.swap("mine", &component).status).collect();
                    assert!(statuses.iter().all(|status| matches!(status, 200 | 409)), "{statuses:?}");
                    statuses.into_iter().filter(|status| *status == 200).count() as u64
                })
            })
            .collect();
        puts.into_iter().map(|put| put.join().expect("it puts")).sum()
    });
    assert!(taken >= 5, "{taken} of 20");
    assert_eq!(host.generation("mine"), 1 + taken);
    all_answer(&host, "b");
    assert_eq!(host.plugin("mine")["stage"], "probation");
}
