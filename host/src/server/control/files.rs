//! Files that are watched: the configuration, certificates, components of plugins, and lists of backends.

use std::path::PathBuf;
use std::sync::Arc;

use super::Control;
use super::plugins::Record;
use crate::plugin::Source;
use crate::server::watch::{Digest, Watched, Watcher};

impl Control {
    /// Watches the files that are to be watched now. Without anything to watch there is no watcher.
    pub(super) fn watch(&mut self) {
        let mut files = Vec::new();
        if self.config.server.watch {
            files.extend(self.path.clone().map(|path| Watched { path, used: self.used }));
            let watched = |(path, used): (&PathBuf, &Digest)| Watched { path: path.clone(), used: Some(*used) };
            files.extend(self.certificates.iter().map(watched));
        }
        for (_, record) in self.plugins.iter().filter(|(_, record)| record.policy.watch) {
            if let Source::File(path) = &record.policy.source {
                files.push(Watched { path: path.clone(), used: Some(record.configured) });
            }
        }
        files.extend(self.lists());
        if self.watcher.is_none() && !files.is_empty() {
            match Watcher::start() {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => tracing::warn!(%error, "files are not watched"),
            }
        }
        if let Some((watcher, _)) = &self.watcher {
            watcher.watch(files);
        }
    }

    /// The configuration is read again, also when a certificate has changed; components of plugins that are watched become their next generation, and lists
    /// of backends are read again.
    pub(super) fn on_files(&mut self, changed: Vec<PathBuf>) {
        let is_configured = |path: &PathBuf| self.path.as_ref() == Some(path) || self.certificates.contains_key(path);
        if self.config.server.watch && changed.iter().any(is_configured) {
            self.reload(None);
        }
        for path in changed {
            self.read_lists(&path);
            let is_watched = |record: &Record| {
                record.policy.watch && matches!(&record.policy.source, Source::File(file) if *file == path)
            };
            let plugins = self.plugins.iter().filter(|(_, record)| is_watched(record));
            let plugins: Vec<_> = plugins.map(|(plugin, record)| (Arc::clone(plugin), record.busy)).collect();
            for (plugin, busy) in plugins {
                tracing::info!(%plugin, path = %path.display(), "the component has changed");
                match self.plugins.get_mut(&plugin) {
                    Some(record) if busy => record.again = true,
                    _ => self.load(&plugin, Source::File(path.clone()), None),
                }
            }
        }
    }
}
