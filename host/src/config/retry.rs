//! When a request is sent to another backend: `retries` and `retry`.

use std::time::Duration;

/// `retry = { on = ["connect", "reset", "timeout", 503], budget = 20 }`.
///
/// A request that may have reached a backend is sent to another only if its method is idempotent (RFC 9110 §9.2.2) and
/// its body is kept; for gRPC, by the statuses that are named. A request that no backend has got may always go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// `retries` of the pool: further backends tried (default 2, 0 to 100).
    pub retries: u32,
    /// `"connect"` is in `on`: no connection could be made.
    pub connect: bool,
    /// `"reset"`: the connection broke before a response.
    pub reset: bool,
    /// `"timeout"`: no response within `per_try_timeout` or `response_timeout`.
    pub timeout: bool,
    /// Numbers from 400 to 599 in `on`: statuses of responses.
    pub statuses: Vec<u16>,
    /// `"grpc:unavailable"` and the like in `on`: gRPC statuses of responses that are nothing but trailers.
    pub grpc: Vec<u8>,
    /// `per_try_timeout`: for a response's head while another backend may be tried; the last try has `response_timeout`
    /// (none, the default: all have).
    pub per_try_timeout: Option<Duration>,
    /// `buffer`: largest body that is kept to be sent again, in bytes (default 64 KiB, 0 to 16 MiB).
    pub buffer: usize,
    /// `budget`: retries of requests that a backend may have got, in percent of all requests (default 20; 0 to 100). The
    /// rest fails at once, so that retries do not bring down those backends that are left (as Finagle's retry budget).
    pub budget: u8,
    /// `reserve`: such retries that are saved up at most while few are needed, for each worker; a process begins with
    /// a tenth of them (default 100, 0 to 100000).
    pub reserve: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            retries: 2,
            connect: true,
            reset: true,
            timeout: true,
            statuses: Vec::new(),
            grpc: Vec::new(),
            per_try_timeout: None,
            buffer: 64 << 10,
            budget: 20,
            reserve: 100,
        }
    }
}

/// The names of gRPC's statuses, by number (`google.rpc.Code`).
pub const GRPC_STATUSES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid-argument",
    "deadline-exceeded",
    "not-found",
    "already-exists",
    "permission-denied",
    "resource-exhausted",
    "failed-precondition",
    "aborted",
    "out-of-range",
    "unimplemented",
    "internal",
    "unavailable",
    "data-loss",
    "unauthenticated",
];
