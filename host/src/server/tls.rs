//! TLS of a configuration, made ready: files are read here, each time that a configuration is put in place.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::StartError;
use super::assembly::Before;
use super::watch::{Digest, digest};
use crate::config::{self, Config, ServerTls, Tls};
use crate::plugin::Registry;
use crate::tls::{Acceptor, Connector, Protocol, alpn};

/// What listeners and pools secure their connections with, by name.
#[derive(Default)]
pub(super) struct Secured {
    pub(super) listeners: BTreeMap<Arc<str>, Arc<Acceptor>>,
    pub(super) pools: BTreeMap<Arc<str>, Arc<Connector>>,
    /// Digests of the files that were read.
    pub(super) files: BTreeMap<PathBuf, Digest>,
}

/// Reads all files. A pool of which nothing has changed keeps what it has, and so its connections to backends; clients of
/// a listener can go on with their sessions.
///
/// # Errors
/// Every listener and pool of which a file cannot be used.
pub(super) async fn load(
    config: &Config,
    registry: &Registry,
    before: Option<&Before<'_>>,
) -> Result<Secured, Vec<StartError>> {
    let (mut secured, mut errors) = (Secured::default(), Vec::new());
    let files: Vec<_> = files(config).cloned().collect();
    if !files.is_empty() {
        // Before they are read for use: a change since then is one to be noticed.
        let noted = move || files.into_iter().filter_map(|path| digest(&path).map(|digest| (path, digest))).collect();
        secured.files = registry.work(noted).await.unwrap_or_default();
    }
    for listener in &config.listeners {
        let Some(tls) = listener.tls.clone() else { continue };
        let known = before.and_then(|before| before.listener(listener)).and_then(|known| known.tls.clone());
        let name = Arc::clone(&listener.name);
        let warn = move |problem: String| tracing::warn!(listener = %name, "{problem}");
        let protocols = match listener.http2 {
            // What is spoken is between the client and its backend.
            _ if listener.protocol.carried().is_some() => {
                tls.alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
            }
            Some(_) => alpn(&[Protocol::Http2, Protocol::Http1]),
            None => alpn(&[Protocol::Http1]),
        };
        let made = registry.work(move || Acceptor::new(&tls, protocols, known.as_deref(), warn)).await;
        let name = Arc::clone(&listener.name);
        match made {
            Some(Ok(acceptor)) => drop(secured.listeners.insert(name, Arc::new(acceptor))),
            Some(Err(error)) => errors.push(StartError::ListenerTls { listener: name, error }),
            None => errors.push(lost()),
        }
    }
    for (name, pool) in &config.pools {
        let Some(tls) = pool.tls.clone() else { continue };
        let name = Arc::clone(name);
        let protocols: &[_] = match pool.protocol {
            _ if !config.has_requests(&name) => &[],
            config::Protocol::Http1 => &[Protocol::Http1],
            config::Protocol::Http2 { .. } => &[Protocol::Http2],
            config::Protocol::Auto { .. } => &[Protocol::Http2, Protocol::Http1],
        };
        match registry.work(move || Connector::new(&tls, protocols)).await {
            Some(Ok(connector)) => {
                if connector.is_insecure() {
                    tracing::warn!(pool = %name, "`insecure`: backends are not verified, anybody can pretend to be one");
                }
                let known = before.and_then(|before| before.pool(&name)?.policy.tls.clone());
                let same = known.filter(|known| **known == connector);
                secured.pools.insert(name, same.unwrap_or_else(|| Arc::new(connector)));
            }
            Some(Err(error)) => errors.push(StartError::PoolTls { pool: name, error }),
            None => errors.push(lost()),
        }
    }
    if errors.is_empty() { Ok(secured) } else { Err(errors) }
}

fn files(config: &Config) -> impl Iterator<Item = &PathBuf> {
    let listeners = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let pools = config.pools.values().filter_map(|pool| pool.tls.as_ref());
    listeners.flat_map(ServerTls::files).chain(pools.flat_map(Tls::files))
}

fn lost() -> StartError {
    io::Error::other("the builder gave no answer").into()
}
