//! Swaps in a row by `PUT /plugins/NAME`, and how long each took. It looks at no request of the load.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use trimtab_tests::{Host, plugin, wait};

/// The plugin that is replaced.
pub(crate) const PLUGIN: &str = "round-robin";
/// The built-ins that take turns in its place.
pub(crate) const COMPONENTS: [&str; 2] = ["p2c", "round-robin"];

/// One swap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Swap {
    /// From the first byte of `PUT` to the last of its answer.
    pub(crate) answered: Duration,
    /// From the end of compilation until all workers decide with it, as the answer says.
    pub(crate) placed: Duration,
}

/// Puts components in turn.
pub(crate) struct Swapper<'a> {
    host: &'a Host,
    components: [Vec<u8>; 2],
    made: usize,
}

impl<'a> Swapper<'a> {
    /// Reads the components. The host has compiled both when this is done.
    pub(crate) fn new(host: &'a Host) -> Result<Self> {
        let read = |name| std::fs::read(plugin::root().join(format!("plugins/dist/{name}.wasm")));
        let components = [read(COMPONENTS[0])?, read(COMPONENTS[1])?];
        let mut swapper = Self { host, components, made: 0 };
        swapper.make(2, None)?;
        Ok(swapper)
    }

    /// So many swaps in a row, each when the one before was answered; with `every` not before its time has come.
    ///
    /// # Errors
    /// When one is refused.
    pub(crate) fn make(&mut self, count: usize, every: Option<Duration>) -> Result<Vec<Swap>> {
        let start = Instant::now();
        let swap = |number: usize| {
            wait::until(start + every.unwrap_or_default() * u32::try_from(number)?);
            let component = &self.components[self.made % 2];
            self.made += 1;
            let start = Instant::now();
            let response = self.host.swap(PLUGIN, component);
            let (answered, text) = (start.elapsed(), response.text());
            ensure!(response.status == 200, "swap {number}: {} {text}", response.status);
            let placed = placed(&text).with_context(|| format!("no time in {text:?}"))?;
            Ok(Swap { answered, placed })
        };
        (0..count).map(swap).collect()
    }
}

/// `generation 7 decides, 1.5 ms after it was compiled`.
fn placed(answer: &str) -> Option<Duration> {
    let (_, rest) = answer.trim_end().split_once(", ")?;
    let ms: f64 = rest.strip_suffix(" ms after it was compiled")?.parse().ok()?;
    Duration::try_from_secs_f64(ms / 1e3).ok()
}
