//! Runs natively, without Wasm, by the test kit of the SDK: `cargo test`.

use trimtab_sdk::testing::{Shaping, backends};
use {{snake}}::Steer;

#[test]
fn a_canary_has_half_its_weight() {
    let mut table = backends(&[("b1", 10), ("b2", 10), ("b3", 5), ("b4", 0)]);
    for backend in &mut table[1..] {
        backend.labels.push(("canary".to_owned(), "yes".to_owned()));
    }
    let mut shaping = Shaping::<Steer>::new("{}");
    assert_eq!(shaping.shape(&table), [10, 5, 3, 0]);
    assert_eq!(shaping.shape(&[]), []);
}
