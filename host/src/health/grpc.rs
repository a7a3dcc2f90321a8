//! A check by gRPC: `grpc.health.v1.Health/Check` over HTTP/2, with prior knowledge or by ALPN.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md> and `PROTOCOL-HTTP2.md` beside it. One unary call
//! needs no library of gRPC: it is a POST with a five-byte prefix before the message, and a status in the trailers.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::{Failure, PARTING, Stage, authority, with_headers};
use crate::config::retry::GRPC_STATUSES;
use crate::config::{Address, GrpcProbe};

const PATH: &str = "/grpc.health.v1.Health/Check";
/// Largest response, in bytes: a serving status takes two.
const MOST_BODY: usize = 4 << 10;
/// Length of a message's prefix: whether it is compressed, and its length (big-endian).
const PREFIX: usize = 5;
/// `HealthCheckResponse.ServingStatus`, by number.
const SERVING_STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

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

/// Calls, and leaves its judgement in `stage`. The answer must come within `timeout`, which the service is told.
///
/// # Errors
/// There can be no call.
pub(super) async fn ask(
    probe: &GrpcProbe,
    target: &Address,
    timeout: Duration,
    connection: Connection,
    stage: &Cell<Stage>,
) -> Result<(), Failure> {
    let request = request(probe, target, connection.is_secure(), timeout)?;
    let tasks = Tasks::default();
    let _end = End(tasks.clone());
    let handshake = http2::handshake(tasks.clone(), TokioIo::new(connection));
    let (mut sender, connection) = handshake.await.map_err(Failure::Broken)?;
    tasks.execute(async move { drop(connection.await) });
    stage.set(Stage::Judged(match sender.send_request(request).await {
        Ok(response) => judge(response).await,
        Err(error) => Err(Failure::Broken(error)),
    }));
    // Without a sender the connection says goodbye, and all of it ends.
    drop(sender);
    let ended = poll_fn(|cx| {
        let mut tasks = tasks.0.borrow_mut();
        while ready!(tasks.poll_join_next(cx)).is_some() {}
        Poll::Ready(())
    });
    let _ = tokio::time::timeout(PARTING, ended).await;
    Ok(())
}

fn request(
    probe: &GrpcProbe,
    target: &Address,
    is_secure: bool,
    timeout: Duration,
) -> Result<Request<Full<Bytes>>, Failure> {
    let scheme = if is_secure { "https" } else { "http" };
    let host = probe.host.as_deref().map_or_else(|| authority(target), str::to_owned);
    let request = Request::post(format!("{scheme}://{host}{PATH}"))
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", format!("{}m", timeout.as_millis().clamp(1, 99_999_999)));
    let message = HealthCheckRequest { service: probe.service.to_string() };
    Ok(with_headers(request, &probe.headers).body(Full::new(framed(&message)))?)
}

/// Uncompressed, behind its prefix.
fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(PREFIX + length);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    framed.put_slice(&message.encode_to_vec());
    framed.freeze()
}

async fn judge(response: http::Response<Incoming>) -> Result<(), Failure> {
    let (head, body) = response.into_parts();
    let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if head.status != http::StatusCode::OK {
        return Err(Failure::NotGrpc(format!("status {}", head.status.as_u16())));
    }
    if !content_type.starts_with("application/grpc") {
        return Err(Failure::NotGrpc(format!("content type {content_type:?}")));
    }
    // A call that fails at once has all of it in the head.
    if let Some(status) = grpc_status(&head.headers) {
        status?;
    }
    let (data, trailers) = read(body).await?;
    match trailers.as_ref().and_then(grpc_status) {
        Some(status) => status?,
        None => return Err(Failure::NotGrpc("it has no grpc-status".to_owned())),
    }
    serving(&data)
}

/// Whether the call went well; none where that is not said.
fn grpc_status(headers: &HeaderMap) -> Option<Result<(), Failure>> {
    let text = headers.get("grpc-status")?.to_str().unwrap_or_default();
    if text == "0" {
        return Some(Ok(()));
    }
    let name = text.parse::<usize>().ok().and_then(|number| GRPC_STATUSES.get(number));
    let message = headers.get("grpc-message").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = [name.map_or(text, |name| name), message].join(": ");
    Some(Err(Failure::GrpcStatus(said.trim_end_matches(": ").chars().take(200).collect())))
}

async fn read(mut body: Incoming) -> Result<(BytesMut, Option<HeaderMap>), Failure> {
    let (mut data, mut trailers) = (BytesMut::new(), None);
    while let Some(frame) = body.frame().await {
        match frame.map_err(Failure::Broken)?.into_data() {
            Ok(more) if data.len() + more.len() <= MOST_BODY => data.extend_from_slice(&more),
            Ok(_) => return Err(Failure::NotGrpc(format!("it has more than {MOST_BODY} bytes"))),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((data, trailers))
}

/// Whether the response's one message says that it serves.
fn serving(data: &[u8]) -> Result<(), Failure> {
    let message = match data.split_at_checked(PREFIX) {
        Some(([0, a, b, c, d], message)) if u32::from_be_bytes([*a, *b, *c, *d]) as usize == message.len() => message,
        _ => return Err(Failure::NotGrpc("its body is not one uncompressed message".to_owned())),
    };
    let decoded = HealthCheckResponse::decode(message).map_err(|error| Failure::NotGrpc(error.to_string()))?;
    let name = usize::try_from(decoded.status).ok().and_then(|status| SERVING_STATUSES.get(status));
    match name {
        Some(&"SERVING") => Ok(()),
        Some(name) => Err(Failure::NotServing(name)),
        None => Err(Failure::NotGrpc(format!("there is no serving status {}", decoded.status))),
    }
}

/// Runs what hyper needs beside the call.
#[derive(Clone, Default)]
struct Tasks(Rc<RefCell<JoinSet<()>>>);

impl<F: Future<Output = ()> + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.0.borrow_mut().spawn_local(task);
    }
}

/// Ends what runs with the check, whatever became of it. The tasks know their set, so it would not end by itself.
struct End(Tasks);

impl Drop for End {
    fn drop(&mut self) {
        self.0.0.borrow_mut().abort_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_protoc_makes_them() {
        let request = HealthCheckRequest { service: "shop".to_owned() };
        assert_eq!(&framed(&request)[..], b"\0\0\0\0\x06\x0a\x04shop");
        assert_eq!(&framed(&HealthCheckRequest::default())[..], b"\0\0\0\0\0");
        assert!(serving(b"\0\0\0\0\x02\x08\x01").is_ok());
        let said = |data: &[u8]| serving(data).expect_err("not serving").to_string();
        assert_eq!(said(b"\0\0\0\0\x02\x08\x02"), "the service is NOT_SERVING");
        // The default of protocol buffers is not written.
        assert_eq!(said(b"\0\0\0\0\0"), "the service is UNKNOWN");
        assert_eq!(said(b"\0\0\0\0\x02\x08\x09"), "no gRPC response: there is no serving status 9");
        for odd in [&b""[..], b"\x01\0\0\0\x02\x08\x01", b"\0\0\0\0\x03\x08\x01", b"\0\xff\xff\xff\xff"] {
            assert_eq!(said(odd), "no gRPC response: its body is not one uncompressed message");
        }
    }
}
