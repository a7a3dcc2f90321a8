//! What a worker saw of a backend that control has to know. Rare: never once for each request.

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// As many failures in a row as the pool allows.
    Failing(Streak),
    /// How the one request went that an ejected backend was given.
    Tried {
        /// It went well.
        well: bool,
    },
    /// What it says of itself, and did not say before.
    Says(Said),
}

/// What a backend says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The weight that it wants, 0 to 65535.
    Weight(u32),
    /// Whether it wants no new clients.
    Leaving(bool),
    /// It reports its load, which plugins read.
    Load,
}

/// Failures of a kind, in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streak {
    /// Responses of 500 to 599.
    Errors,
    /// No connection, or one that broke before a response.
    ConnectErrors,
    /// No response in time.
    Timeouts,
}

impl Streak {
    /// All, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Errors, Self::ConnectErrors, Self::Timeouts];

    /// For the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::ConnectErrors => "connect errors",
            Self::Timeouts => "timeouts",
        }
    }
}
