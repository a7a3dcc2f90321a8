//! The page of the figures, mostly `README.md` here: each benchmark has a place on it, under the command that filled it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where the figures of a benchmark go.
pub(crate) struct Page {
    name: &'static str,
    /// The page, from the folder of the tests.
    path: &'static str,
    machine: String,
}

impl Page {
    /// Before anything is measured: how busy the machine is already is told with the figures.
    pub(crate) fn begin(name: &'static str) -> Self {
        Self { name, path: "bench/README.md", machine: machine() }
    }

    /// The same on another page, which is there from the folder of the tests.
    #[allow(dead_code, reason = "most are on the page here")]
    pub(crate) fn begin_on(name: &'static str, path: &'static str) -> Self {
        Self { name, path, machine: machine() }
    }

    /// Prints this Markdown under the command that was given, and with `write` puts both onto the page.
    pub(crate) fn publish(&self, figures: &str, write: bool) -> Result<()> {
        let arguments: String =
            std::env::args().skip(1).filter(|word| word != "--write").map(|word| format!(" {word}")).collect();
        let text = format!("`tests/bench/{}{arguments}` on {}.\n\n{}\n", self.name, self.machine, figures.trim());
        println!("{text}");
        if write {
            self.put(&text)?;
        }
        Ok(())
    }

    fn put(&self, text: &str) -> Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.path);
        let page = fs::read_to_string(&path)?;
        let [begin, end] = ["begin", "end"].map(|mark| format!("<!-- {}: {mark} -->", self.name));
        let (before, rest) = page.split_once(&begin).with_context(|| format!("no {begin} on the page"))?;
        let (_, after) = rest.split_once(&end).with_context(|| format!("no {end} on the page"))?;
        fs::write(&path, format!("{before}{begin}\n\n{text}\n{end}{after}"))?;
        Ok(())
    }
}

/// What is measured on.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpus, kernel, load) = (read("/proc/cpuinfo"), read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (model, kernel) = (model.trim_start_matches([' ', '\t', ':']), kernel.trim());
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores of {model}, Linux {kernel}; load average before the run: {load}")
}
