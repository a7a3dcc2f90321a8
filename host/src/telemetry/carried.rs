//! What is counted of connections, and of flows of datagrams, that are carried as they are.

use super::counters::{Counter, Histogram};

/// Bounds of their durations, in nanoseconds: from 10 ms to a day.
pub const DURATION_BOUNDS: [u64; 9] = [
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    60_000_000_000,
    600_000_000_000,
    3_600_000_000_000,
    21_600_000_000_000,
    86_400_000_000_000,
];

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides said all they had to say.
    Finished,
    /// The client broke off.
    ClientReset,
    /// The backend broke off.
    BackendReset,
    /// Nothing moved for too long.
    Idle,
    /// Its backend was to be left.
    BackendLeft,
    /// This process stops.
    Stopped,
    /// The client left before it was known where it goes.
    ClientLeft,
    /// What the client said first cannot be understood.
    Malformed,
    /// The client did not say in time what has to be known.
    HandshakeTimeout,
    /// The client may not use the route.
    Denied,
    /// Beyond a rate limit.
    RateLimited,
    /// A plugin refused it.
    Refused,
    /// No route matches, and the listener has no pool.
    NoRoute,
    /// No backend was ready, or there was no room in time.
    NoBackend,
    /// No backend could be connected to.
    ConnectError,
    /// No backend could be connected to in time.
    ConnectTimeout,
    /// There was no descriptor left.
    Descriptors,
}

impl End {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 17] = [
        Self::Finished,
        Self::ClientReset,
        Self::BackendReset,
        Self::Idle,
        Self::BackendLeft,
        Self::Stopped,
        Self::ClientLeft,
        Self::Malformed,
        Self::HandshakeTimeout,
        Self::Denied,
        Self::RateLimited,
        Self::Refused,
        Self::NoRoute,
        Self::NoBackend,
        Self::ConnectError,
        Self::ConnectTimeout,
        Self::Descriptors,
    ];

    /// The label's value in metrics, and the word in the access log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::ClientReset => "client-reset",
            Self::BackendReset => "backend-reset",
            Self::Idle => "idle",
            Self::BackendLeft => "backend-left",
            Self::Stopped => "stopped",
            Self::ClientLeft => "client-left",
            Self::Malformed => "malformed",
            Self::HandshakeTimeout => "handshake-timeout",
            Self::Denied => "denied",
            Self::RateLimited => "rate-limited",
            Self::Refused => "refused",
            Self::NoRoute => "no-route",
            Self::NoBackend => "no-backend",
            Self::ConnectError => "connect-error",
            Self::ConnectTimeout => "connect-timeout",
            Self::Descriptors => "out-of-descriptors",
        }
    }
}

/// Why a datagram was not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Its sender may not use the listener.
    Denied,
    /// There are as many flows as there may be.
    Full,
    /// It would begin a flow on a listener that is closed.
    Closed,
    /// Too many wait already until it is known where their flow goes.
    Waiting,
    /// The socket's buffer is full.
    Busy,
    /// It is longer than the way takes.
    TooLong,
    /// The system cannot send it for another reason.
    Failed,
}

impl Dropped {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 7] =
        [Self::Denied, Self::Full, Self::Closed, Self::Waiting, Self::Busy, Self::TooLong, Self::Failed];

    /// The label's value in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Full => "full",
            Self::Closed => "closed",
            Self::Waiting => "waiting",
            Self::Busy => "busy",
            Self::TooLong => "too-long",
            Self::Failed => "failed",
        }
    }
}

/// What one worker saw of one listener and pool.
#[derive(Debug)]
pub struct Carried {
    /// Connections that ended, by [`End`].
    pub ends: [Counter; End::ALL.len()],
    /// Connections that are open.
    pub open: Counter,
    /// Bytes that went to backends.
    pub upstream: Counter,
    /// Bytes that went to clients.
    pub downstream: Counter,
    /// From accept to the end.
    pub durations: Histogram<9>,
    /// Datagrams that went to backends.
    pub datagrams_upstream: Counter,
    /// Datagrams that went to clients.
    pub datagrams_downstream: Counter,
    /// Datagrams that did not go on, by [`Dropped`].
    pub dropped: [Counter; Dropped::ALL.len()],
}

impl Default for Carried {
    fn default() -> Self {
        let (ends, open, upstream, downstream) = Default::default();
        let (datagrams_upstream, datagrams_downstream, dropped) = Default::default();
        let durations = Histogram::new(&DURATION_BOUNDS);
        Self { ends, open, upstream, downstream, durations, datagrams_upstream, datagrams_downstream, dropped }
    }
}
