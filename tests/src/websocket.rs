//! The opening of WebSockets, of both sides and both versions of HTTP, up to the bytes that follow; their frames are those
//! of libraries, which are tried elsewhere.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::caller::Caller;
use crate::message::{Fields, Response as Head};
use crate::wait::PATIENCE;

/// The key of RFC 6455's example, and what it is answered with.
pub const EXAMPLE: (&str, &str) = ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

/// What a key is answered with (RFC 6455 §4.2.2).
#[must_use]
pub fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
}

/// A server's answer to a client that opens a WebSocket, by either version; none: it does not.
pub(crate) fn answer(request: &mut Request<Incoming>) -> Option<(Response<()>, OnUpgrade)> {
    let mut response = Response::new(());
    if request.extensions().get::<Protocol>().is_none() {
        request.headers().get(UPGRADE)?;
        let key = request.headers().get(SEC_WEBSOCKET_KEY)?.to_str().ok()?;
        let accept = HeaderValue::from_str(&accept(key)).ok()?;
        *response.status_mut() = hyper::StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    Some((response, hyper::upgrade::on(request)))
}

/// Sends back all that comes.
pub(crate) async fn echo(opened: OnUpgrade) {
    let Ok(upgraded) = opened.await else { return };
    let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

/// A client's stream of HTTP/2.
pub struct Connected {
    /// The response's head.
    pub head: Head,
    bytes: Option<TokioIo<Upgraded>>,
    runtime: Runtime,
}

impl Connected {
    /// Opens a stream by extended CONNECT, with these fields. With TLS, `caller` offers `h2`.
    ///
    /// # Panics
    /// If there is no response.
    #[must_use]
    pub fn open(address: SocketAddr, caller: Option<&Caller>, path: &str, fields: &[(&str, &str)]) -> Self {
        Self::open_as("websocket", address, caller, path, fields)
    }

    /// The same for another protocol.
    ///
    /// # Panics
    /// If there is no response.
    #[must_use]
    pub fn open_as(
        protocol: &str,
        address: SocketAddr,
        caller: Option<&Caller>,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut request = Request::builder().method(Method::CONNECT).extension(Protocol::from(protocol));
        request = request.header("sec-websocket-version", "13");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let scheme = if caller.is_some() { "https" } else { "http" };
        let request = request.uri(format!("{scheme}://test{path}")).body(Empty::<Bytes>::new()).expect("a request");
        let response = within(&runtime, async {
            let stream = TcpStream::connect(address).await.expect("a connection");
            match caller {
                None => send(stream, request).await,
                Some(caller) => {
                    let (config, name) = caller.parts();
                    let secured = TlsConnector::from(config).connect(name, stream).await.expect("a handshake");
                    send(secured, request).await
                }
            }
        });
        let mut response = response.unwrap_or_else(|error| panic!("no response: {error}"));
        let is_open = response.status() == 200;
        let opened = hyper::upgrade::on(&mut response);
        let bytes = is_open.then(|| TokioIo::new(within(&runtime, opened).expect("a stream")));
        let (status, headers) = (response.status().as_u16(), fields_of(response.headers()));
        Self { head: Head { status, headers, ..Head::default() }, bytes, runtime }
    }

    fn bytes(&mut self) -> (&Runtime, &mut TokioIo<Upgraded>) {
        (&self.runtime, self.bytes.as_mut().expect("the stream is open"))
    }

    /// Writes all of it.
    pub fn send(&mut self, bytes: &[u8]) {
        let (runtime, stream) = self.bytes();
        within(runtime, stream.write_all(bytes)).expect("the stream takes what we send");
    }

    /// Ends our direction.
    pub fn finish(&mut self) {
        let (runtime, stream) = self.bytes();
        within(runtime, stream.shutdown()).expect("the end is told");
    }

    /// Exactly so many bytes.
    ///
    /// # Errors
    /// The stream has ended before.
    pub fn exact(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let (runtime, stream) = self.bytes();
        let mut read = vec![0; count];
        within(runtime, stream.read_exact(&mut read))?;
        Ok(read)
    }

    /// All until the end.
    ///
    /// # Errors
    /// The connection's.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let (runtime, stream) = self.bytes();
        let mut read = Vec::new();
        within(runtime, stream.read_to_end(&mut read))?;
        Ok(read)
    }
}

/// Within the patience of the tests.
fn within<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let limit: Duration = PATIENCE;
    runtime.block_on(async { tokio::time::timeout(limit, future).await }).expect("it does not take that long")
}

async fn send<S>(stream: S, request: Request<Empty<Bytes>>) -> hyper::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender.send_request(request).await
}

fn fields_of(headers: &HeaderMap) -> Fields {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Fields(headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
}
