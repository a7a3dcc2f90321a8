//! Server-sent events. Each comes only when the client has confirmed the one before, so that none can be held back.

use trimtab_tests::script::run;

use super::every_way;

#[test]
#[ignore = "needs clients that tests/run installs"]
fn eventsource() {
    every_way("eventsource", "tests/clients/server.js", |between, way| {
        run(&mut between.client("tests/clients/events.js", way))
    });
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn httpx_sse() {
    every_way("httpx-sse", "tests/clients/server.js", |between, way| {
        run(&mut between.client("tests/clients/events.py", way))
    });
}
