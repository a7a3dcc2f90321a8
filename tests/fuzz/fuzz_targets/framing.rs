//! Bytes of a client's HTTP/1.1 connection: how they are cut makes no difference.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab::proxy::http1::framing::Framing;

fuzz_target!(|bytes: &[u8]| {
    let whole = Framing::default().look(bytes).map(|_| ()).map_err(|violation| violation.error);
    let mut framing = Framing::default();
    let mut pieces = bytes.chunks(1 + bytes.len() % 7);
    let cut = pieces.try_for_each(|piece| framing.look(piece).map(|_| ()));
    assert_eq!(cut.map_err(|violation| violation.error), whole);
});
