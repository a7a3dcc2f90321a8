//! A backend that speaks HTTP/2, by hyper; and HTTP/1.1 where ALPN settles on that.
//!
//! What it answers is for the path to say: see [`Streams::start`]. It counts connections and the requests that run on them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;

use crate::backend::entry;
use crate::websocket;

/// A server that listens until it is dropped.
pub struct Streams {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    name: String,
    tls: Option<Arc<ServerConfig>>,
    max_streams: u32,
    /// Without TLS, it is HTTP/2 that is spoken.
    is_http2: bool,
    /// It takes an extended CONNECT.
    takes_connect: bool,
    /// Requests to `/wait` are answered.
    is_open: watch::Sender<bool>,
    /// Grows when all connections are to be left.
    leaves: watch::Sender<usize>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    running: AtomicUsize,
    most_running: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `HTTP/2.0`
    pub version: String,
    /// With scheme and authority.
    pub target: String,
    /// Its method.
    pub method: String,
    /// Its headers.
    pub headers: HeaderMap,
}

/// Counts until it is dropped.
struct Count<'a>(&'a AtomicUsize);

impl<'a> Count<'a> {
    fn new(counter: &'a AtomicUsize) -> (Self, usize) {
        (Self(counter), counter.fetch_add(1, SeqCst) + 1)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Streams {
    /// Answers with its name in `x-backend`, and with the body and trailers that it gets, as they come; to a path of
    /// `/wait` only when [`release`](Self::release) was called, of `/status/CODE` with a `grpc-status` in its trailers, of
    /// `/large` with 4 MiB. Takes `max_streams` requests at a time on each connection.
    #[must_use]
    pub fn start(name: &str, tls: Option<Arc<ServerConfig>>, max_streams: u32) -> Self {
        Self::serving(name, tls, max_streams, true, false)
    }

    /// The same, which opens WebSockets too and echoes their bytes: by extended CONNECT where it `takes_connect`, by an
    /// upgrade where HTTP/1.1 is spoken. That is by ALPN, or without TLS unless it `is_http2`. At a path of `/closed` it opens
    /// none, and answers 403.
    #[must_use]
    pub fn websockets(name: &str, tls: Option<Arc<ServerConfig>>, is_http2: bool, takes_connect: bool) -> Self {
        Self::serving(name, tls, 100, is_http2, takes_connect)
    }

    fn serving(
        name: &str,
        tls: Option<Arc<ServerConfig>>,
        max_streams: u32,
        is_http2: bool,
        takes_connect: bool,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let address = listener.local_addr().expect("a listener has an address");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let (accepted, open, running, most_running) = Default::default();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            tls,
            max_streams,
            is_http2,
            takes_connect,
            is_open: watch::Sender::new(false),
            leaves: watch::Sender::new(0),
            accepted,
            open,
            running,
            most_running,
            seen: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let listener = TcpListener::from_std(listener).expect("a listener");
                    tokio::select! {
                        () = shared.accept(&listener) => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        Self { shared, address, stop: Some(stop), thread: Some(thread) }
    }

    /// It as an entry of `backends = […]`, with its name as id.
    #[must_use]
    pub fn entry(&self) -> String {
        entry(&self.shared.name, self.address, "")
    }

    /// Answers requests to `/wait`, those that come later too.
    pub fn release(&self) {
        self.shared.is_open.send_replace(true);
    }

    /// Sends a GOAWAY on each connection there is, and finishes what runs.
    pub fn leave(&self) {
        self.shared.leaves.send_modify(|leaves| *leaves += 1);
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }

    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(SeqCst)
    }

    /// Requests that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.running.load(SeqCst)
    }

    /// The most that ran at a time.
    #[must_use]
    pub fn most_running(&self) -> usize {
        self.shared.most_running.load(SeqCst)
    }

    /// The requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    async fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            self.accepted.fetch_add(1, SeqCst);
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                let _open = Count::new(&shared.open);
                shared.serve(stream).await;
            });
        }
    }

    /// That a connection breaks is the client's concern.
    async fn serve(self: &Arc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.converse(stream, self.is_http2).await,
            Some(config) => {
                if let Ok(stream) = TlsAcceptor::from(Arc::clone(config)).accept(stream).await {
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    self.converse(stream, is_http2).await;
                }
            }
        }
    }

    async fn converse(self: &Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool) {
        let answer = hyper::service::service_fn(|request| {
            let shared = Arc::clone(self);
            async move { shared.answer(request).await }
        });
        if !http2 {
            let builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.serve_connection(TokioIo::new(stream), answer).with_upgrades().await;
            return;
        }
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(self.max_streams);
        if self.takes_connect {
            builder.enable_connect_protocol();
        }
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answer));
        let mut leaves = self.leaves.subscribe();
        tokio::select! {
            _ = &mut connection => return,
            _ = leaves.changed() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
        let (_running, running) = Count::new(&self.running);
        self.most_running.fetch_max(running, SeqCst);
        let socket = websocket::answer(&mut request);
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let (version, target) = (format!("{:?}", head.version), head.uri.to_string());
        let seen = Seen { version, target, method: head.method.to_string(), headers: head.headers };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        if path == "/wait" {
            let _ = self.is_open.subscribe().wait_for(|is_open| *is_open).await;
        }
        let whole = |body: Bytes| Full::new(body).map_err(|never| match never {});
        if let Some((mut response, opened)) = socket.filter(|_| path != "/closed") {
            let shared = Arc::clone(&self);
            tokio::spawn(async move {
                let _running = Count::new(&shared.running);
                websocket::echo(opened).await;
            });
            response.headers_mut().insert("x-backend", HeaderValue::from_str(&self.name).expect("a value"));
            return Ok(response.map(|()| whole(Bytes::new()).boxed()));
        }
        let body = if let Some(status) = path.strip_prefix("/status/") {
            let status = HeaderValue::from_str(status).expect("a status");
            let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), status)]);
            whole(Bytes::from_static(&[0; 5])).with_trailers(async { Some(Ok(trailers)) }).boxed()
        } else if path == "/large" {
            whole(vec![b'x'; 4 << 20].into()).boxed()
        } else {
            body.boxed()
        };
        let status = if path == "/closed" { 403 } else { 200 };
        let response = Response::builder()
            .status(status)
            .header("x-backend", &self.name)
            .header("content-type", "application/grpc");
        Ok(response.body(body).expect("a response"))
    }
}
