//! WebSockets, by a library of Node's and one of Python's. The first can be put on a stream of HTTP/2 (RFC 8441).

use trimtab_tests::script::run;

use super::every_way;

#[test]
#[ignore = "needs clients that tests/run installs"]
fn ws() {
    every_way("ws", "tests/clients/server.js", |between, way| {
        run(&mut between.client("tests/clients/websocket.js", way))
    });
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn websockets() {
    every_way("websockets", "tests/clients/server.js", |between, way| {
        run(&mut between.client("tests/clients/websocket.py", way))
    });
}
