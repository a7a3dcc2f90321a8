//! How attempts end: what the WIT's `observer` is told.

/// Outcomes that a plugin is told in one call, at most.
pub const BATCH: usize = 256;

/// How an attempt ended: the WIT's `outcome-kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// A response below 400.
    Success,
    /// A response of 400 to 499.
    ClientError,
    /// A response of 500 to 599.
    ServerError,
    /// No connection could be made.
    ConnectError,
    /// The connection broke before the response head was complete.
    Reset,
    /// No response head, or no connection, in time.
    Timeout,
    /// The client went away first.
    Cancelled,
}

impl OutcomeKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 7] = [
        Self::Success,
        Self::ClientError,
        Self::ServerError,
        Self::ConnectError,
        Self::Reset,
        Self::Timeout,
        Self::Cancelled,
    ];

    /// The label's value in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ClientError => "client-error",
            Self::ServerError => "server-error",
            Self::ConnectError => "connect-error",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }

    /// The kind of a response with this status.
    pub fn of_status(status: u16) -> Self {
        match status {
            ..400 => Self::Success,
            400..500 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

/// One attempt that ended: the WIT's `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Position in the table last given.
    pub backend: u32,
    /// How it ended.
    pub kind: OutcomeKind,
    /// HTTP status, 0 where there was none.
    pub status: u16,
    /// From the start of the attempt to the response head, or to its end without one, in microseconds.
    pub latency_us: u32,
    /// 0 for the first try.
    pub attempt: u32,
    /// Hash of the decision's key, by the keys of the one who is told.
    pub key: Option<u64>,
    /// Unix time in microseconds.
    pub at_us: u64,
}
