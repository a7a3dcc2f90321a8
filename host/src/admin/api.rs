//! The paths of the admin API.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::answer::{Answer, json, not_allowed, refuse, text};
use super::report::{self, ListenerReport};
use super::{Order, State, metrics, plugins};
use crate::config::Address;
use crate::decide::Readiness;
use crate::snapshot::Pool;
use crate::snapshot::change::{Action, Change, ChangeError, Changed};

/// Largest body of a request, in bytes.
const MAX_BODY: usize = 64 << 10;

/// Answers one request.
pub(super) async fn answer(state: &State, request: Request<Incoming>) -> Answer {
    if let Err((status, why)) = state.guard.check(request.method(), request.headers()) {
        return refuse(status, why);
    }
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    match segments.as_slice() {
        ["healthz"] if get => text(StatusCode::OK, "ok\n"),
        ["readyz"] if get => ready(state),
        ["metrics"] if get => metrics(state),
        ["listeners"] if get => json(StatusCode::OK, &listeners(state)),
        ["pools"] if get => {
            let (snapshot, sources) = (state.overview.snapshot(), state.overview.sources.borrow());
            let report = |pool: &Arc<Pool>| report::pool(pool, sources.get(&pool.name));
            let pools: Vec<_> = snapshot.pools.iter().map(report).collect();
            json(StatusCode::OK, &pools)
        }
        ["plugins"] if get => {
            let (snapshot, statuses) = (state.overview.snapshot(), state.overview.plugins.borrow());
            json(StatusCode::OK, &report::plugins(&snapshot, &statuses))
        }
        ["plugins", name] if request.method() == Method::PUT => {
            plugins::swap(state, decode(name).into(), request).await
        }
        ["plugins", name, "rollback"] if request.method() == Method::POST => {
            plugins::roll_back(state, decode(name).into()).await
        }
        ["reload"] if request.method() == Method::POST => plugins::reload(state).await,
        ["pools", pool, "backends", id] => {
            let (pool, id) = (decode(pool).into(), decode(id));
            if id.is_empty() || id.chars().any(char::is_control) {
                return refuse(StatusCode::BAD_REQUEST, "an id is printable text");
            }
            let id = id.into();
            backend(state, pool, id, request).await
        }
        ["healthz" | "readyz" | "metrics" | "listeners" | "pools" | "plugins"] => not_allowed("GET, HEAD"),
        ["plugins", _] => not_allowed("PUT"),
        ["reload"] | ["plugins", _, "rollback"] => not_allowed("POST"),
        _ => refuse(
            StatusCode::NOT_FOUND,
            "there is nothing here; see /healthz /readyz /metrics /listeners /pools /plugins /reload",
        ),
    }
}

fn ready(state: &State) -> Answer {
    if !state.overview.ready.get() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "not ready: starting or draining\n");
    }
    // Whoever fails, the fallback goes on: that is no reason to send us no traffic.
    let mut answer = String::from("ready\n");
    for degraded in report::degraded(&state.overview.snapshot()) {
        answer.push_str(&format!("degraded: {degraded}\n"));
    }
    text(StatusCode::OK, &answer)
}

fn metrics(state: &State) -> Answer {
    let overview = &state.overview;
    let (plugins, sources) = (overview.plugins.borrow(), overview.sources.borrow());
    let text = metrics::render(&overview.snapshot(), &plugins, &sources, overview.started.elapsed());
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn listeners(state: &State) -> Vec<ListenerReport> {
    let snapshot = state.overview.snapshot();
    let bound = state.overview.listeners();
    let bound = bound.iter().zip(&snapshot.listeners);
    bound
        .map(|((name, address), listener)| ListenerReport {
            name: name.to_string(),
            address: address.to_string(),
            connections: listener.connections.sum(|counter| counter.get()),
            requests: listener
                .traffic
                .iter()
                .map(|traffic| traffic.sum(|cell| cell.classes.iter().map(|class| class.get()).sum()))
                .sum(),
        })
        .collect()
}

/// The body of `PATCH`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    weight: Option<u16>,
    state: Option<StateWord>,
}

/// The body of `PUT`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    address: String,
    #[serde(default = "one")]
    weight: u16,
    #[serde(default)]
    backup: bool,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

fn one() -> u16 {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StateWord {
    Ready,
    Draining,
    Down,
}

/// Changes a backend.
async fn backend(state: &State, pool: Arc<str>, id: Arc<str>, request: Request<Incoming>) -> Answer {
    let method = request.method().clone();
    let action = match method {
        Method::PATCH => read(request).await.map(|patch: Patch| {
            let state = patch.state.map(|word| match word {
                StateWord::Ready => Readiness::Ready,
                StateWord::Draining => Readiness::Draining,
                StateWord::Down => Readiness::Down,
            });
            Action::Set { weight: patch.weight.map(u32::from), state }
        }),
        Method::PUT => read(request).await.and_then(|put: Put| {
            let address: Address = put.address.parse().map_err(|error| format!("address: {error}"))?;
            let (weight, backup, labels) = (u32::from(put.weight), put.backup, put.labels);
            Ok(Action::Put { address_text: put.address.into(), address, weight, backup, labels })
        }),
        Method::DELETE => Ok(Action::Remove),
        _ => return not_allowed("PATCH, PUT, DELETE"),
    };
    let action = match action {
        Ok(action) => action,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let (reply, done) = oneshot::channel();
    let order = Order::Change(Change { pool, backend: id, action }, reply);
    if state.orders.send(order).await.is_err() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "stopping");
    }
    match done.await {
        Ok(Ok(Changed::Added)) => text(StatusCode::CREATED, "added\n"),
        Ok(Ok(Changed::Changed)) => text(StatusCode::OK, "changed\n"),
        Ok(Ok(Changed::Removed)) => text(StatusCode::NO_CONTENT, ""),
        Ok(Err(error @ ChangeError::SameAddress(..))) => refuse(StatusCode::CONFLICT, &error.to_string()),
        Ok(Err(error)) => refuse(StatusCode::NOT_FOUND, &error.to_string()),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    }
}

async fn read<T: serde::de::DeserializeOwned>(request: Request<Incoming>) -> Result<T, String> {
    let body = Limited::new(request.into_body(), MAX_BODY).collect().await.map_err(|error| error.to_string())?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| format!("the body is not what is wanted: {error}"))
}

/// Percent-decodes a segment; what is no UTF-8 then is left as it came.
fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| segment.to_owned())
}
