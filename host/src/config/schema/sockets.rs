//! `keepalive`, `tcp_user_timeout` and `tcp_fast_open`, of listeners and pools.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::table::Table;
use super::values;
use crate::config::TcpOptions;

/// What the kernel takes (`TCP_KEEPIDLE`).
const KEEPALIVE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(9 * 60 * 60);
const USER_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

/// Takes all of them.
pub(super) fn tcp_options(table: &mut Table<'_>) -> TcpOptions {
    let within = |range| values::or_false(values::duration(range));
    TcpOptions {
        keepalive: table.or("keepalive", None, within(KEEPALIVE)),
        user_timeout: table.or("tcp_user_timeout", None, within(USER_TIMEOUT)),
        fast_open: table.or("tcp_fast_open", false, |value| value.boolean()),
    }
}
