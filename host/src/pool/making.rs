//! Makes a connection that speaks HTTP/2, or turns out to speak HTTP/1.1.
//!
//! One that is to be shared is made in a task of its own: it is there for those who wait for it though the request that
//! has asked for it leaves. No retries, and no limits: who asks has counted it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_local};

use super::Backend;
use super::connect::{ConnectError, Stream, connect};
use super::connections::Counted;
use super::sharing::{Opening, Sharing};
use super::upstream::http2::Lease;
use super::upstream::shared::{Shared, Unsettled};
use crate::config::{Protocol, TcpOptions};
use crate::tls::Connector;

/// What it takes to make one.
pub struct Making {
    /// Where to.
    pub backend: Arc<Backend>,
    /// Those who may use it.
    pub sharing: Rc<Sharing>,
    /// What it is secured by.
    pub tls: Option<Arc<Connector>>,
    /// Options of its socket.
    pub tcp: TcpOptions,
    /// What may be spoken: HTTP/2, or either.
    pub protocol: Protocol,
    /// Time for all of it.
    pub timeout: Duration,
}

/// What it has come to.
pub enum Made {
    /// A socket for HTTP/1.1.
    Socket(Stream, Counted),
    /// Room on a shared connection, which takes other requests from now on, too.
    Room(Lease),
}

impl Making {
    /// Makes it in a task that goes on though nobody waits for it any more. Until it ends, others wait for this one.
    pub fn for_all(self, counted: Counted, opening: Opening) -> JoinHandle<Result<Made, ConnectError>> {
        spawn_local(async move {
            let made = self.make(counted).await;
            drop(opening);
            made
        })
    }

    /// Makes it.
    ///
    /// # Errors
    /// As [`connect`]; also where the backend speaks nothing that it may be spoken to by.
    pub async fn make(self, counted: Counted) -> Result<Made, ConnectError> {
        let began = Instant::now();
        let tls = self.tls.as_deref();
        let stream = connect(&self.backend.address, None, tls, &[], &self.tcp, self.timeout).await?;
        if counted.tls.is_some() && !stream.is_http2() {
            return match self.protocol {
                Protocol::Auto { .. } => {
                    self.sharing.set_http1();
                    Ok(Made::Socket(stream, counted))
                }
                _ => Err(ConnectError::Io(io::Error::other(Unsettled))),
            };
        }
        let max_streams = self.protocol.max_streams().unwrap_or(1);
        let establishing = Shared::establish(stream, counted, max_streams, &self.sharing);
        let left = self.timeout.saturating_sub(began.elapsed());
        let Ok(established) = tokio::time::timeout(left, establishing).await else {
            return Err(ConnectError::Timeout(self.timeout));
        };
        let shared = established.map_err(io::Error::other)?;
        self.sharing.join(Rc::clone(&shared), max_streams);
        Ok(Made::Room(Lease::new(shared, self.sharing)))
    }
}
