//! A check by HTTP/1.1: one request, and a response whose status and body must be as expected.

use std::cell::Cell;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::connection::Connection;
use super::failure::{Failure, Statuses};
use super::{PARTING, Stage, authority, with_headers};
use crate::config::{Address, HttpProbe};

/// As much of a body is read, in bytes.
const MOST_BODY: usize = 64 << 10;

/// Asks, and leaves its judgement in `stage`.
///
/// # Errors
/// There was no response.
pub(super) async fn ask(
    probe: &HttpProbe,
    target: &Address,
    connection: Connection,
    stage: &Cell<Stage>,
) -> Result<(), Failure> {
    let request = request(probe, target)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(connection)).await.map_err(Failure::Broken)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(Failure::Broken)?;
        judge(probe, response).await
    };
    match select(pin!(exchange), pin!(connection)).await {
        Either::Left((judged, connection)) => {
            stage.set(Stage::Judged(judged));
            // It ends by itself when the response is whole.
            let _ = tokio::time::timeout(PARTING, connection).await;
            Ok(())
        }
        Either::Right((ended, exchange)) => match (exchange.await, ended) {
            // The connection's error says more than that there is none.
            (Err(Failure::Broken(error)), Err(cause)) if error.is_canceled() => Err(Failure::Broken(cause)),
            (judged, _) => {
                stage.set(Stage::Judged(judged));
                Ok(())
            }
        },
    }
}

fn request(probe: &HttpProbe, target: &Address) -> Result<Request<Empty<Bytes>>, Failure> {
    let method = if probe.head { Method::HEAD } else { Method::GET };
    let host = probe.host.as_deref().map_or_else(|| authority(target), str::to_owned);
    let mut request = Request::builder().method(method).uri(&*probe.path).header(HOST, host);
    request = request.header(CONNECTION, HeaderValue::from_static("close"));
    let request = with_headers(request, &probe.headers);
    Ok(request.body(Empty::new())?)
}

async fn judge(probe: &HttpProbe, response: http::Response<Incoming>) -> Result<(), Failure> {
    let status = response.status().as_u16();
    if !probe.expect_status.iter().any(|range| range.contains(&status)) {
        return Err(Failure::Status { status, expected: Statuses(probe.expect_status.clone()) });
    }
    let body = read(response.into_body()).await?;
    match &probe.expect_body {
        Some(text) if !contains(&body, text.as_bytes()) => Err(Failure::Body((&**text).into())),
        _ => Ok(()),
    }
}

/// The beginning of the body.
async fn read(mut body: Incoming) -> Result<BytesMut, Failure> {
    let mut read = BytesMut::new();
    while read.len() < MOST_BODY {
        let Some(frame) = body.frame().await else { break };
        if let Ok(data) = frame.map_err(Failure::Broken)?.into_data() {
            let room = MOST_BODY - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(read)
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}
