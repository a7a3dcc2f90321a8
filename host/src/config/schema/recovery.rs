//! How a pool's backends come and go: `panic`, `slow_start`, `drain_timeout`.
//!
//! Only what may be written; who acts on it is not known here.

use std::time::Duration;

use super::table::Table;
use super::value::Value;
use super::values::{self, or_false};
use crate::config::{Panic, Recovery, Serve};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Takes the keys from `[pool.NAME]`.
pub(super) fn recovery(table: &mut Table<'_>) -> Recovery {
    let default = Recovery::default();
    let slow_start = or_false(values::duration(Duration::from_millis(100)..=HOUR));
    Recovery {
        panic: table.or("panic", default.panic, or_false(panic)),
        slow_start: table.or("slow_start", default.slow_start, slow_start),
        drain_timeout: table.or("drain_timeout", default.drain_timeout, or_false(values::duration(values::TIMEOUT))),
    }
}

/// `true`, or `{ below = 50, serve = "all" }`.
fn panic(value: Value<'_>) -> Option<Panic> {
    let default = Panic { below: 50, serve: Serve::All };
    values::switched(value, default, "{ below = 50, serve = \"all\" }", |mut table| {
        let below = table.or("below", default.below, values::percent(1..=100));
        let serve = table.or("serve", default.serve, values::word(&[("all", Serve::All), ("none", Serve::Nobody)]));
        table.finish();
        Some(Panic { below, serve })
    })
}
