//! Sources of backends: who asks them, and what becomes of their answers.
//!
//! An answer replaces all that its source named before, in one change. A source that fails leaves its pool as it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, spawn_local};

use super::{Control, Done};
use crate::admin::SourceStatus;
use crate::config::{Backend, Discovery, DnsSource, listed};
use crate::pool::discovery::{Answer, Asker, schedule};
use crate::server::membership::condition;
use crate::server::watch::{Digest, Watched, digest};
use crate::snapshot::discovered::Difference;

/// How long `/readyz` waits for the first answers: pools without backends are of little use.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sources that are asked, by pool.
#[derive(Default)]
pub(super) struct Sources {
    by_pool: HashMap<Arc<str>, Source>,
    /// Grows with each that is begun.
    begun: u64,
    /// What was found while changes wait.
    held: HashMap<Arc<str>, Found>,
    /// `/readyz` waits for the first answers.
    is_waited_for: bool,
}

/// One that is asked.
struct Source {
    discovery: Discovery,
    /// What is found counts by this; it is another for each time that a file is read.
    number: u64,
    status: SourceStatus,
    standing: Standing,
    /// Of a file: what was read; nothing but zeros where there was nothing to read.
    read: Option<Digest>,
    /// Asks DNS until this is dropped.
    _asking: Option<Asking>,
}

/// How a source was when it was last heard of: changes are news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    New,
    Well,
    Partial,
    Failing,
}

/// A task that ends with this.
struct Asking(AbortHandle);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a source has answered, or why it has not.
pub(super) struct Found {
    pool: Arc<str>,
    /// Of the source: it may not be the pool's any more.
    number: u64,
    outcome: Result<Answer, String>,
    /// As in [`Source`].
    read: Option<Digest>,
}

impl Control {
    /// Asks the sources that the configuration has, anew where they are others than before.
    pub(super) fn discover(&mut self) {
        let config = Arc::clone(&self.config);
        let wanted = |pool: &Arc<str>| config.pools.get(pool).and_then(|pool| pool.discover.as_ref());
        let overview = &self.overview;
        self.sources.by_pool.retain(|pool, source| {
            let stays = wanted(pool) == Some(&source.discovery);
            if !stays {
                overview.show_source(pool, None);
            }
            stays
        });
        for (pool, discovery) in config.pools.iter().filter_map(|(name, pool)| Some((name, pool.discover.as_ref()?))) {
            if self.sources.by_pool.contains_key(pool) {
                continue;
            }
            self.sources.begun += 1;
            let number = self.sources.begun;
            let asking = match discovery {
                Discovery::Dns(source) => Some(ask(source, pool, number, &self.done.0)),
                Discovery::File(path) => {
                    read_list(path, pool, number, &self.done.0);
                    None
                }
            };
            let status = SourceStatus { source: discovery.to_string(), ..SourceStatus::default() };
            self.overview.show_source(pool, Some(status.clone()));
            let (discovery, standing) = (discovery.clone(), Standing::New);
            let source = Source { discovery, number, status, standing, read: None, _asking: asking };
            self.sources.by_pool.insert(Arc::clone(pool), source);
        }
    }

    /// Says that it is ready, once each source has answered or failed, or has had its time.
    pub(super) fn be_ready(&mut self) {
        self.sources.is_waited_for = true;
        self.later(PATIENCE, Done::Ready);
        self.look_whether_ready();
    }

    fn look_whether_ready(&mut self) {
        let is_due = |source: &Source| source.status.answers == 0 && source.status.failures == 0;
        if self.sources.is_waited_for && !self.sources.by_pool.values().any(is_due) {
            self.sources.is_waited_for = false;
            self.overview.set_ready(true);
        }
    }

    /// A source has answered, or not.
    pub(super) fn on_found(&mut self, found: Found) {
        if self.sources.by_pool.get(&found.pool).is_none_or(|source| source.number != found.number) {
            return;
        }
        if self.holding {
            // A reload that is put in place would not know of it. The newest counts, but no failure for an answer.
            let answered = self.sources.held.get(&found.pool).is_some_and(|held| held.outcome.is_ok());
            if found.outcome.is_ok() || !answered {
                self.sources.held.insert(Arc::clone(&found.pool), found);
            }
            return;
        }
        let Found { pool, number, outcome, read } = found;
        let Some(source) = self.sources.by_pool.get_mut(&pool).filter(|source| source.number == number) else { return };
        let is_first_look = read.is_some() && source.read.is_none();
        source.read = read.or(source.read);
        match outcome {
            Ok(Answer { backends, missing, .. }) => {
                source.answered(&pool, backends.len(), missing);
                self.overview.show_source(&pool, Some(source.status.clone()));
                self.take_backends(&pool, &backends);
            }
            Err(error) => {
                source.failed(&pool, error);
                self.overview.show_source(&pool, Some(source.status.clone()));
            }
        }
        if is_first_look {
            // From what was read on: no change of the file is missed.
            self.watch();
        }
        self.look_whether_ready();
    }

    fn take_backends(&mut self, pool: &Arc<str>, backends: &[Backend]) {
        let anew = self.config.pools.get(pool).map(condition).unwrap_or_default();
        let next = self.snapshot.discovered(pool, backends, self.workers.len(), anew);
        let Some((next, difference)) = next else { return };
        let Difference { added, removed } = difference;
        tracing::info!(%pool, added, removed, "the source of backends names others now");
        self.publish(next, std::slice::from_ref(pool));
    }

    /// Changes need not wait any more.
    pub(super) fn go_on(&mut self) {
        self.holding = false;
        for (_, found) in std::mem::take(&mut self.sources.held) {
            self.on_found(found);
        }
    }

    /// Lists of backends, to be watched. Those that were not read yet are watched when they were.
    pub(super) fn lists(&self) -> Vec<Watched> {
        let lists = self.sources.by_pool.values().filter_map(|source| match &source.discovery {
            Discovery::File(path) => Some(Watched { path: path.clone(), used: Some(source.read?) }),
            Discovery::Dns(_) => None,
        });
        let mut lists: Vec<_> = lists.collect();
        // Two pools may have the same.
        lists.sort_by(|a, b| a.path.cmp(&b.path));
        lists.dedup_by(|a, b| a.path == b.path);
        lists
    }

    /// Reads this file again where it is a list of backends.
    pub(super) fn read_lists(&mut self, changed: &Path) {
        for (pool, source) in &mut self.sources.by_pool {
            if matches!(&source.discovery, Discovery::File(path) if path == changed) {
                // What is being read already is older.
                self.sources.begun += 1;
                source.number = self.sources.begun;
                read_list(changed, pool, source.number, &self.done.0);
            }
        }
    }
}

impl Source {
    /// Notes an answer, and says so where that is news.
    fn answered(&mut self, pool: &str, backends: usize, missing: Option<String>) {
        let source = &*self.status.source;
        let now = if missing.is_some() { Standing::Partial } else { Standing::Well };
        match (std::mem::replace(&mut self.standing, now), &missing) {
            (Standing::New, None) => tracing::info!(pool, source, backends, "backends were found"),
            (Standing::Partial | Standing::Failing, None) => {
                tracing::info!(pool, source, backends, "backends are found again");
            }
            (Standing::New | Standing::Well | Standing::Failing, Some(missing)) => {
                tracing::warn!(pool, source, backends, "backends were found in part: {missing}");
            }
            (Standing::Well, None) | (Standing::Partial, Some(_)) => {}
        }
        self.status.answers += 1;
        self.status.answered = Some(Instant::now());
        self.status.error = missing;
    }

    /// Notes a failure, and says so where that is news: each one of a file is, since somebody wrote it.
    fn failed(&mut self, pool: &str, error: String) {
        let source = &*self.status.source;
        let before = std::mem::replace(&mut self.standing, Standing::Failing);
        if before != Standing::Failing || matches!(self.discovery, Discovery::File(_)) {
            let stay = if self.status.answers > 0 { "those that were found stay" } else { "there are none yet" };
            tracing::warn!(pool, source, "no backends were found, {stay}: {error}");
        }
        self.status.failures += 1;
        self.status.error = Some(error);
    }
}

/// Asks until what is answered is dropped.
fn ask(source: &DnsSource, pool: &Arc<str>, number: u64, done: &UnboundedSender<Done>) -> Asking {
    let (holds, mut asker) = (source.holds, Asker::new(source.clone()));
    let (pool, done) = (Arc::clone(pool), done.clone());
    let task = spawn_local(async move {
        let mut failures = 0;
        loop {
            let outcome = asker.ask().await;
            let wait = match &outcome {
                Ok(answer) => {
                    failures = 0;
                    schedule::after_answer(holds, answer.ttl, fastrand::f64())
                }
                Err(_) => {
                    failures += 1;
                    schedule::after_failure(holds, failures, fastrand::f64())
                }
            };
            let found = Found { pool: Arc::clone(&pool), number, outcome, read: None };
            if done.send(Done::Found(Box::new(found))).is_err() {
                // The process ends.
                return;
            }
            tokio::time::sleep(wait).await;
        }
    });
    Asking(task.abort_handle())
}

/// Reads a list on a thread that may block.
fn read_list(path: &Path, pool: &Arc<str>, number: u64, done: &UnboundedSender<Done>) {
    let (path, pool, done) = (PathBuf::from(path), Arc::clone(pool), done.clone());
    let read = tokio::task::spawn_blocking(move || {
        // Before the content: whatever is written after that is noticed.
        let digest = digest(&path).unwrap_or_default();
        (digest, listed::load(&path).map_err(|report| report.to_string()))
    });
    spawn_local(async move {
        let Ok((digest, listed)) = read.await else { return };
        let outcome = listed.map(|backends| Answer { backends, ttl: Duration::MAX, missing: None });
        // Nobody listens any more only when the process ends.
        let _ = done.send(Done::Found(Box::new(Found { pool, number, outcome, read: Some(digest) })));
    });
}
