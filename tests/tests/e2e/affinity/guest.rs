//! Affinities written for one test: `fixtures/affinity.wat` with parts of its own.

use trimtab_tests::{Backend, Folder, Host, Setup, plugin};

/// Where the headers are that `bind` answers by `$headers`; allocation stays below.
const DATA: usize = 0x1_0000;

/// Parts of the fixture, as text; what is empty passes, or adds nothing.
#[derive(Debug, Default)]
pub(crate) struct Guest<'a> {
    /// Imports and globals.
    pub(crate) head: &'a str,
    /// The body of `update`.
    pub(crate) update: &'a str,
    /// The body of `adjust`.
    pub(crate) adjust: &'a str,
    /// Runs first in `find`: `(return (call $backend (i32.const 0)))`.
    pub(crate) find: &'a str,
    /// Runs first in `bind`.
    pub(crate) bind: &'a str,
    /// What `bind` answers, where it gets that far.
    pub(crate) headers: &'a [(&'a str, &'a [u8])],
}

impl Guest<'_> {
    /// The component.
    pub(crate) fn component(&self) -> Vec<u8> {
        let bind = format!("{} {}", self.bind, self.answer());
        let parts = [
            ("head", self.head),
            ("update", self.update),
            ("adjust", self.adjust),
            ("find", self.find),
            ("bind", &bind),
            ("data", &self.data()),
        ];
        plugin::component(&plugin::placed("affinity.wat", &parts), "affinity-plugin", None)
    }

    fn answer(&self) -> String {
        match self.headers.len() {
            0 => String::new(),
            count => format!("(return (call $headers (i32.const {DATA}) (i32.const {count})))"),
        }
    }

    /// The headers, then their bytes.
    fn data(&self) -> String {
        let (mut words, mut bytes) = (Vec::new(), Vec::new());
        let texts = DATA + self.headers.len() * 16;
        for part in self.headers.iter().flat_map(|(name, value)| [name.as_bytes(), value]) {
            for word in [texts + bytes.len(), part.len()] {
                words.extend(u32::try_from(word).expect("a small fixture").to_le_bytes());
            }
            bytes.extend_from_slice(part);
        }
        let all: String = words.iter().chain(&bytes).map(|byte| format!("\\{byte:02x}")).collect();
        format!("(data (i32.const {DATA}) \"{all}\")")
    }

    /// A host of one worker with it as the affinity `mine` of the pool `web`, and further lines of `[plugin.mine]`.
    pub(super) fn before(&self, backends: &[&Backend], lines: &str) -> Host {
        self.before_entries(backends.iter().map(|backend| backend.entry()), lines)
    }

    /// The same with these entries of `backends`.
    pub(super) fn before_entries(&self, backends: impl IntoIterator<Item = String>, lines: &str) -> Host {
        let folder = Folder::new();
        folder.write("mine.wasm", self.component());
        let section = format!("[plugin.mine]\ncomponent = 'mine.wasm'\n{lines}");
        Setup::of(backends).pool("affinity = 'mine'").more(&section).workers(1).start_in(folder)
    }
}

/// Faults of this kind of the affinity `mine`.
pub(super) fn faults_of(host: &Host, kind: &str) -> f64 {
    let labels = [("plugin", "mine"), ("pool", "web"), ("role", "affinity"), ("kind", kind)];
    let metrics = host.metrics();
    assert!(metrics.has("trimtab_plugin_faults_total", &labels), "{kind} in {:?}", metrics.all);
    metrics.sum("trimtab_plugin_faults_total", &labels)
}
