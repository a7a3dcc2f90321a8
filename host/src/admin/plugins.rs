//! Calls that replace plugins or the configuration. They answer when it is done, or with the reason why nothing has
//! changed.

use std::sync::Arc;

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::oneshot;

use super::answer::{Answer, refuse, text};
use super::{Order, State, SwapError, Swapped};

/// Bytes beyond the largest component that are read before the connection is given up.
const MOST_DISCARDED: usize = 1 << 30;

/// `PUT /plugins/NAME`: the next generation of a plugin is the component in the body.
pub(super) async fn swap(state: &State, plugin: Arc<str>, request: Request<Incoming>) -> Answer {
    // One byte more than may be, so that the registry says that it is too large.
    let component = match beginning(request.into_body(), state.max_component_size + 1).await {
        Ok(component) => component,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let (reply, done) = oneshot::channel();
    ask(state, Order::Swap(plugin, component.into(), reply), done).await
}

/// `POST /plugins/NAME/rollback`: the generation before.
pub(super) async fn roll_back(state: &State, plugin: Arc<str>) -> Answer {
    let (reply, done) = oneshot::channel();
    ask(state, Order::RollBack(plugin, reply), done).await
}

/// `POST /reload`: the configuration, read again.
pub(super) async fn reload(state: &State) -> Answer {
    let (reply, done) = oneshot::channel();
    if state.orders.send(Order::Reload(reply)).await.is_err() {
        return stopping();
    }
    match done.await {
        Ok(Ok(summary)) => text(StatusCode::OK, &summary),
        Ok(Err(why)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, &format!("nothing has changed\n{why}")),
        Err(_) => stopping(),
    }
}

/// At most so many bytes of a body. Who is still sending does not read: so the rest is taken too, and thrown away, or the
/// answer would be lost with the connection.
async fn beginning(mut body: Incoming, most: usize) -> Result<Vec<u8>, String> {
    let (mut kept, mut rest) = (Vec::new(), MOST_DISCARDED);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the component did not come whole: {error}"))?;
        let Ok(data) = frame.into_data() else { continue };
        let keep = data.len().min(most.saturating_sub(kept.len()));
        kept.extend_from_slice(&data[..keep]);
        let Some(left) = rest.checked_sub(data.len() - keep) else { break };
        rest = left;
    }
    Ok(kept)
}

async fn ask(state: &State, order: Order, done: oneshot::Receiver<Result<Swapped, SwapError>>) -> Answer {
    if state.orders.send(order).await.is_err() {
        return stopping();
    }
    match done.await {
        Ok(Ok(swapped)) => told(swapped),
        Ok(Err(error)) => {
            let status = match error {
                SwapError::Unused(_) => StatusCode::NOT_FOUND,
                SwapError::Busy(_) | SwapError::NoPrevious(_) => StatusCode::CONFLICT,
                SwapError::Load(_) | SwapError::Build(_) => StatusCode::UNPROCESSABLE_ENTITY,
            };
            refuse(status, &error.to_string())
        }
        Err(_) => stopping(),
    }
}

fn told(swapped: Swapped) -> Answer {
    match swapped {
        Swapped::Decides { generation, placed } => {
            let ms = placed.as_secs_f64() * 1e3;
            text(StatusCode::OK, &format!("generation {generation} decides, {ms:.1} ms after it was compiled\n"))
        }
        Swapped::Compared { generation, time } => {
            text(StatusCode::ACCEPTED, &format!("generation {generation} is compared for {time:?}, then it decides\n"))
        }
        Swapped::Returned { generation } => text(StatusCode::OK, &format!("generation {generation} decides again\n")),
    }
}

fn stopping() -> Answer {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "stopping")
}
