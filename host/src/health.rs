//! Asking a backend's address whether it is well: one question, one connection, one answer.
//!
//! When is asked, and what follows from the answers, is decided elsewhere (`server/health`, `pool/health`).

mod connection;
mod failure;
mod grpc;
mod http;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::USER_AGENT;
use ::http::request::Builder;

use self::connection::Connection;
pub use self::failure::Failure;
use crate::config::{Address, Probe, Question};
use crate::tls::{Connector, Protocol, TlsError};

/// A question that is ready to be asked.
#[derive(Debug)]
pub struct Check {
    question: Arc<Question>,
    tls: Option<Connector>,
}

/// Whom backends see in their logs.
const AGENT: &str = concat!("trimtab/", env!("CARGO_PKG_VERSION"), " (health check)");

/// How far a check has come.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Connecting,
    Shaking,
    Waiting,
    /// The answer is there. What is left is to close the connection in order, and cannot change it.
    Judged(Result<(), Failure>),
}

/// How long a connection may take to end in order once the answer is there.
const PARTING: Duration = Duration::from_millis(100);

impl Check {
    /// Reads the files that its TLS needs. Blocks.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn new(question: &Question) -> Result<Self, TlsError> {
        let protocols = match question.probe {
            Probe::Http(_) => &[Protocol::Http1][..],
            Probe::Grpc(_) => &[Protocol::Http2],
            // What is spoken inside is not known here.
            Probe::Tcp => &[],
        };
        let tls = question.tls.as_ref().map(|tls| Connector::new(tls, protocols)).transpose()?;
        Ok(Self { question: Arc::new(question.clone()), tls })
    }

    /// What is asked.
    pub fn question(&self) -> &Arc<Question> {
        &self.question
    }

    /// Where a backend at `address` is asked.
    pub fn target(&self, address: &Address) -> Address {
        match (address, self.question.port) {
            (Address::Socket(address), Some(port)) => Address::Socket((address.ip(), port).into()),
            (Address::Name(name, _), Some(port)) => Address::Name(Arc::clone(name), port),
            _ => address.clone(),
        }
    }

    /// Asks at `target`, on a connection of its own. A name is resolved now. To be called within a `LocalSet`.
    ///
    /// # Errors
    /// Why it is not well.
    pub async fn ask(&self, target: &Address) -> Result<(), Failure> {
        let (stage, timeout) = (Cell::default(), self.question.timeout);
        if let Ok(Err(failure)) = tokio::time::timeout(timeout, self.converse(target, &stage)).await {
            return Err(failure);
        }
        match stage.into_inner() {
            Stage::Connecting => Err(Failure::NoConnection(timeout)),
            Stage::Shaking => Err(Failure::NoHandshake(timeout)),
            Stage::Waiting => Err(Failure::NoAnswer(timeout)),
            Stage::Judged(answer) => answer,
        }
    }

    async fn converse(&self, target: &Address, stage: &Cell<Stage>) -> Result<(), Failure> {
        let Question { proxy_protocol, timeout, .. } = *self.question;
        let connection = Connection::open(target, self.tls.as_ref(), proxy_protocol, stage, timeout).await?;
        stage.set(Stage::Waiting);
        match &self.question.probe {
            Probe::Tcp => {
                stage.set(Stage::Judged(Ok(())));
                connection.close().await;
                Ok(())
            }
            Probe::Http(probe) => http::ask(probe, target, connection, stage).await,
            Probe::Grpc(probe) => grpc::ask(probe, target, self.question.timeout, connection, stage).await,
        }
    }
}

/// The name of a target for `Host` and `:authority`.
fn authority(target: &Address) -> String {
    match target {
        Address::Socket(_) | Address::Name(..) => target.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}

/// Adds the configured headers, and who we are unless they say so.
fn with_headers(mut request: Builder, headers: &[(Arc<str>, Arc<str>)]) -> Builder {
    if !headers.iter().any(|(name, _)| **name == *USER_AGENT.as_str()) {
        request = request.header(USER_AGENT, AGENT);
    }
    headers.iter().fold(request, |request, (name, value)| request.header(&**name, &**value))
}
