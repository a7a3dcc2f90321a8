//! Runs natively, without Wasm, by the test kit of the SDK: `cargo test`.

use trimtab_sdk::testing::{Request, Route};
use {{snake}}::Steer;

#[test]
fn the_header_names_the_pool() {
    let mut route = Route::<Steer>::new("{}", &["web", "next"]);
    assert_eq!(route.route(), None);
    for (named, pool) in [("next", Some("next")), ("web", Some("web")), ("other", None), ("", None)] {
        route.request = Request::get("/").header("x-pool", named);
        assert_eq!(route.route().as_deref(), pool, "{named}");
    }
}
