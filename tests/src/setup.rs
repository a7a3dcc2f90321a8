//! The configuration that most tests start from: one listener `web`, one pool `web`, two workers.

use crate::backend::Backend;
use crate::folder::Folder;
use crate::host::Host;

/// Parts of a configuration; each is TOML lines of its section.
#[derive(Default)]
pub struct Setup {
    /// Further lines of `[server]`.
    pub server: String,
    /// Further lines of the listener `web`.
    pub listener: String,
    /// Further lines of `[pool.web]`.
    pub pool: String,
    /// Entries of the pool's `backends`.
    pub backends: Vec<String>,
    /// Further sections.
    pub more: String,
    /// Serving threads, in place of two.
    pub workers: Option<usize>,
}

impl Setup {
    /// With these backends, their names as ids.
    #[must_use]
    pub fn over(backends: &[&Backend]) -> Self {
        Self::of(backends.iter().map(|backend| backend.entry()))
    }

    /// With these entries of `backends`.
    #[must_use]
    pub fn of(entries: impl IntoIterator<Item = String>) -> Self {
        Self { backends: entries.into_iter().collect(), ..Self::default() }
    }

    /// Adds lines to `[server]`.
    #[must_use]
    pub fn server(mut self, lines: &str) -> Self {
        self.server = [&self.server, lines, "\n"].concat();
        self
    }

    /// Adds lines to the listener.
    #[must_use]
    pub fn listener(mut self, lines: &str) -> Self {
        self.listener = [&self.listener, lines, "\n"].concat();
        self
    }

    /// Adds lines to the pool.
    #[must_use]
    pub fn pool(mut self, lines: &str) -> Self {
        self.pool = [&self.pool, lines, "\n"].concat();
        self
    }

    /// Adds sections.
    #[must_use]
    pub fn more(mut self, sections: &str) -> Self {
        self.more = [&self.more, sections, "\n"].concat();
        self
    }

    /// Sets the number of workers.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { server, listener, pool, backends, more, workers } = self;
        let (workers, backends) = (workers.unwrap_or(2), backends.join(", "));
        format!(
            "[server]\nworkers = {workers}\n{server}\n\
             [[listener]]\nname = \"web\"\naddress = \"127.0.0.1:0\"\npool = \"web\"\n{listener}\n\
             [pool.web]\nbackends = [{backends}]\n{pool}\n{more}\n"
        )
    }

    /// Starts the host with it.
    #[must_use]
    pub fn start(&self) -> Host {
        Host::start(&self.text())
    }

    /// The same, in a folder that has files which the configuration names.
    #[must_use]
    pub fn start_in(&self, folder: Folder) -> Host {
        Host::start_in(folder, &self.text())
    }
}
