//! The health service of gRPC's own library, to which ours owes nothing.

use trimtab_tests::Setup;
use trimtab_tests::script::{Server, script};

use super::{QUICK, becomes, failure};

#[test]
#[ignore = "needs clients that tests/run installs"]
fn the_library_is_understood() {
    let mut server = Server::start(&mut script("tests/clients/health.py"));
    let port = server.port;
    let host = Setup::of([format!("{{ id = 'a', address = '127.0.0.1:{port}' }}")])
        .pool(&format!("health = {{ grpc = 'shop.Cart', {QUICK} }}"))
        .start();
    becomes(&host, "a", "unhealthy");
    assert!(failure(&host, "a").starts_with("gRPC status not-found"), "{}", failure(&host, "a"));
    server.tell("shop.Cart SERVING");
    becomes(&host, "a", "healthy");
    server.tell("shop.Cart NOT_SERVING");
    becomes(&host, "a", "unhealthy");
    assert_eq!(failure(&host, "a"), "the service is NOT_SERVING");
}
