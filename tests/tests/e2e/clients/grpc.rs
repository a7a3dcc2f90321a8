//! gRPC by its own library: unary calls and streams of each kind, deadlines, cancellation, status codes and metadata.

use trimtab_tests::script::run;

use super::every_way;

#[test]
#[ignore = "needs clients that tests/run installs"]
fn grpcio() {
    every_way("grpcio", "tests/clients/talk_server.py", |between, way| {
        run(&mut between.client("tests/clients/talk_client.py", way))
    });
}
