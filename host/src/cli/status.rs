//! `trimtab status`: what a running process says of itself, as a table.

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use serde::de::DeserializeOwned;

use crate::admin::{BackendReport, ListenerReport, PluginReport, PoolReport};
use crate::config::{Address, TcpOptions};
use crate::pool::connect::connect;

/// How long the process may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

struct Reports {
    listeners: Vec<ListenerReport>,
    pools: Vec<PoolReport>,
    plugins: Vec<PluginReport>,
}

/// Prints the state of the process whose admin API is at `admin`; rates are measured over a time.
pub(super) fn run(admin: &Address, json: bool, over: Duration) -> ExitCode {
    let reported = fetch(admin).and_then(|first| {
        sleep(over);
        Ok((first, fetch(admin)?))
    });
    match reported {
        Ok((_, now)) if json => {
            let all = serde_json::json!({ "listeners": now.listeners, "pools": now.pools, "plugins": now.plugins });
            say!("{all:#}");
            ExitCode::SUCCESS
        }
        Ok((first, now)) => {
            say!("{}", render(&first, &now, over).trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain!("error: the admin API at {admin} does not answer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn fetch(admin: &Address) -> Result<Reports, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        Ok(Reports {
            listeners: get(admin, "/listeners").await?,
            pools: get(admin, "/pools").await?,
            plugins: get(admin, "/plugins").await?,
        })
    })
}

async fn get<T: DeserializeOwned>(admin: &Address, path: &str) -> Result<T, Box<dyn Error>> {
    let (mut sender, connection) =
        handshake(connect(admin, None, None, &[], &TcpOptions::default(), PATIENCE).await?).await?;
    let driver = tokio::spawn(connection);
    let request = Request::get(path).header("host", "localhost").body(Empty::<Bytes>::new())?;
    let response = tokio::time::timeout(PATIENCE, sender.send_request(request)).await??;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    driver.abort();
    if !status.is_success() {
        return Err(format!("{path}: {}", String::from_utf8_lossy(&body).trim()).into());
    }
    Ok(serde_json::from_slice(&body)?)
}

fn render(first: &Reports, now: &Reports, over: Duration) -> String {
    let rate = |before: u64, after: u64| {
        format!("{:.0}/s", after.saturating_sub(before) as f64 / over.as_secs_f64().max(0.001))
    };
    let mut rows = vec![row(["LISTENER", "ADDRESS", "CONNECTIONS", "REQUESTS", "RATE"])];
    for listener in &now.listeners {
        let before = first.listeners.iter().find(|known| known.name == listener.name).map_or(0, |known| known.requests);
        rows.push(row([
            &listener.name,
            &listener.address,
            &listener.connections.to_string(),
            &listener.requests.to_string(),
            &rate(before, listener.requests),
        ]));
    }
    let mut text = table(&rows);
    let before: HashMap<_, _> = first
        .pools
        .iter()
        .flat_map(|pool| pool.backends.iter().map(|backend| ((&pool.name, &backend.id), backend.requests)))
        .collect();
    let mut rows = vec![row([
        "POOL",
        "BACKEND",
        "ADDRESS",
        "WEIGHT",
        "STATE",
        "HEALTH",
        "IN FLIGHT",
        "LATENCY",
        "REQUESTS",
        "FAILED",
        "RATE",
    ])];
    for pool in &now.pools {
        for backend in &pool.backends {
            let before = before.get(&(&pool.name, &backend.id)).copied().unwrap_or(0);
            let latency = backend.latency_us.map_or("-".into(), |us| format!("{:.1} ms", f64::from(us) / 1e3));
            rows.push(row([
                &pool.name,
                &backend.id,
                &backend.address,
                &backend.weight.to_string(),
                &state(backend),
                checked(backend),
                &backend.in_flight.to_string(),
                &latency,
                &backend.requests.to_string(),
                &backend.failures.to_string(),
                &rate(before, backend.requests),
            ]));
        }
    }
    text += "\n";
    text += &table(&rows);
    let mut rows =
        vec![row(["PLUGIN", "GENERATION", "STATE", "SOURCE", "POOLS", "DECISIONS", "EACH", "FAULTS", "RATE"])];
    for plugin in &now.plugins {
        let before = first.plugins.iter().find(|known| known.name == plugin.name).map_or(0, |known| known.decisions);
        rows.push(row([
            &plugin.name,
            &plugin.generation.to_string(),
            if plugin.degraded { "degraded" } else { &plugin.stage },
            &plugin.source,
            &plugin.pools.join(" "),
            &plugin.decisions.to_string(),
            &plugin.decision_ns.map_or("-".into(), |ns| format!("{ns} ns")),
            &plugin.faults.values().sum::<u64>().to_string(),
            &rate(before, plugin.decisions),
        ]));
    }
    text + "\n" + &table(&rows)
}

/// `ready (backup, slow start: 40 %)`
fn state(backend: &BackendReport) -> String {
    let backup = backend.backup.then_some("backup");
    let more: Vec<_> = backup.into_iter().chain(backend.because.iter().map(String::as_str)).collect();
    if more.is_empty() { backend.state.clone() } else { format!("{} ({})", backend.state, more.join(", ")) }
}

/// Why the last check failed, or what checks say.
fn checked(backend: &BackendReport) -> &str {
    backend.health.as_ref().map_or("-", |health| health.last.as_deref().unwrap_or(&health.state))
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// Columns as wide as their widest cell.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
