//! Servers that speak TLS or HTTP/2, which the harness does not do by itself: hyper and rustls answer here.
//!
//! [`Service::grpc`] is the health service of gRPC. What is asked of one is counted; how it answers can be changed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::backend::entry;

/// The largest request that is taken, in bytes.
const MOST: usize = 1 << 20;

/// A server that listens until it is dropped.
pub struct Service {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    name: String,
    http2: bool,
    tls: Option<Arc<ServerConfig>>,
    status: Mutex<u16>,
    services: Mutex<BTreeMap<String, i32>>,
    connections: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

/// A request that was answered.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its target: of HTTP/2, with scheme and authority.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Of a call of gRPC's health service: the service asked for.
    pub service: Option<String>,
}

/// `grpc.health.v1.HealthCheckRequest`
#[derive(Clone, PartialEq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`
#[derive(Clone, PartialEq, Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl Service {
    /// HTTP/1.1 over TLS; answers 200.
    #[must_use]
    pub fn https(name: &str, tls: Arc<ServerConfig>) -> Self {
        Self::start(name, false, Some(tls))
    }

    /// gRPC's health service over HTTP/2, with TLS or without: the whole server is serving, and knows no others.
    #[must_use]
    pub fn grpc(name: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let service = Self::start(name, true, tls);
        service.set_serving("", 1);
        service
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// It as an entry of `backends = […]`, with its name as id.
    #[must_use]
    pub fn entry(&self) -> String {
        entry(&self.shared.name, self.address, "")
    }

    /// Answers with this status from now on.
    pub fn set_status(&self, status: u16) {
        *lock(&self.shared.status) = status;
    }

    /// From now on, `service` has this `ServingStatus` (1: SERVING, 2: NOT_SERVING).
    pub fn set_serving(&self, service: &str, status: i32) {
        lock(&self.shared.services).insert(service.to_owned(), status);
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The requests that were answered.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    fn start(name: &str, http2: bool, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let address = listener.local_addr().expect("a listener has an address");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let (status, name) = (Mutex::new(200), name.to_owned());
        let (services, connections, seen) = Default::default();
        let shared = Arc::new(Shared { name, http2, tls, status, services, connections, seen });
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
}

impl Drop for Service {
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
            self.connections.fetch_add(1, Ordering::SeqCst);
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.serve(stream).await });
        }
    }

    /// That a connection breaks is the client's concern.
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        match &self.tls {
            None => self.converse(stream).await,
            Some(config) => {
                if let Ok(stream) = TlsAcceptor::from(Arc::clone(config)).accept(stream).await {
                    self.converse(stream).await;
                }
            }
        }
    }

    async fn converse(self: &Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let answer = hyper::service::service_fn(|request| {
            let shared = Arc::clone(self);
            async move { shared.answer(request).await }
        });
        let _ = match self.http2 {
            true => {
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder.serve_connection(TokioIo::new(stream), answer).await
            }
            false => hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await,
        };
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = http_body_util::Limited::new(body, MOST).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let (method, target, headers) = (head.method.to_string(), head.uri.to_string(), head.headers);
        let mut seen = Seen { method, target, headers, service: None };
        let mut response = Response::builder().status(*lock(&self.status)).header("x-backend", &self.name);
        let body = if self.http2 {
            let call = body.get(5..).and_then(|message| HealthCheckRequest::decode(message).ok());
            let service = call.unwrap_or_default().service;
            let status = lock(&self.services).get(&service).copied();
            seen.service = Some(service);
            response = response.header("content-type", "application/grpc");
            health(status)
        } else {
            Full::from(self.name.clone()).boxed()
        };
        lock(&self.seen).push(seen);
        Ok(response.body(body).expect("a response"))
    }
}

/// A message with the status, or the status of a call that failed: the service is not known.
fn health(status: Option<i32>) -> BoxBody<Bytes, Infallible> {
    let message = status.map(|status| {
        let message = HealthCheckResponse { status }.encode_to_vec();
        let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
        [&[0][..], &length, &message].concat()
    });
    let code = HeaderValue::from_static(if message.is_some() { "0" } else { "5" });
    let trailers = HeaderMap::from_iter([(hyper::header::HeaderName::from_static("grpc-status"), code)]);
    Full::from(message.unwrap_or_default()).with_trailers(async { Some(Ok(trailers)) }).boxed()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
