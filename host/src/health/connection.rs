//! The connection of one check: TCP or a Unix socket, with TLS or without.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{Failure, Stage};
use crate::config::{Address, ProxyVersion, TcpOptions};
use crate::pool::connect::{self, ConnectError};
use crate::proxy_protocol::{Told, header};
use crate::tls::Connector;

/// An open connection, and whether TLS secures it.
pub(super) struct Connection(Box<dyn Socket>, bool);

trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket for T {}

impl Connection {
    /// Connects, and shakes hands where there is TLS.
    pub(super) async fn open(
        target: &Address,
        tls: Option<&Connector>,
        version: Option<ProxyVersion>,
        stage: &Cell<Stage>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        // It is from nobody but us.
        let introduction = version.map(|version| header(&Told::default(), version)).unwrap_or_default();
        let stream = connect::connect(target, None, None, &introduction, &TcpOptions::default(), timeout)
            .await
            .map_err(|error| match error {
                ConnectError::Io(error) | ConnectError::Tls(error) => Failure::Connect(error),
                ConnectError::Timeout(timeout) | ConnectError::Limit(timeout) => Failure::NoConnection(timeout),
            })?;
        let Some(tls) = tls else { return Ok(Self(Box::new(stream), false)) };
        stage.set(Stage::Shaking);
        let stream = tls.connect(&connect::host(target), stream).await.map_err(Failure::Tls)?;
        Ok(Self(Box::new(stream), true))
    }

    /// Whether TLS secures it.
    pub(super) fn is_secure(&self) -> bool {
        self.1
    }

    /// Closes it in order. That it may be closed already is nobody's fault.
    pub(super) async fn close(mut self) {
        let _ = self.0.shutdown().await;
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
