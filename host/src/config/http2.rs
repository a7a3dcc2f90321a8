//! HTTP/2 with clients: `http2` of a listener.

/// `http2 = true`, or `{ max_streams = 128 }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http2 {
    /// `max_streams`: requests at a time on one connection (default 128, 1 to 10000).
    pub max_streams: u32,
    /// `stream_window`: what a client may send of one request's body before it is taken, in bytes (default 256 KiB, 64 KiB to
    /// 16 MiB).
    pub stream_window: u32,
    /// `connection_window`: the same of all together (default 1 MiB, 64 KiB to 64 MiB, at least `stream_window`).
    pub connection_window: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self { max_streams: 128, stream_window: 256 << 10, connection_window: 1 << 20 }
    }
}
