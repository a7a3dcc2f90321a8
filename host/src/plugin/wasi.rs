//! WASI 0.2, as far as the runtimes of languages need it to start, over a world that is empty: no files, no network,
//! no environment, no arguments, a clock that stands still within a call, and nobody to wait for.
//!
//! Of an interface that is offered, the functions that are written out here answer, and all others trap. They are
//! written by hand, as those of [`v0_1`](super::v0_1): the streams and pollables of the crate `wasmtime-wasi` are
//! futures that want an executor to wait in, which a worker's thread already is; and code that opens files and
//! sockets is best kept out of reach by not being there.

mod chance;
mod cli;
mod clocks;
mod closed;
mod filesystem;
mod output;
mod poll;
mod streams;

use std::borrow::Cow;

use wasmtime::StoreContextMut;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance};

use self::chance::Chance;
use self::output::Output;
use self::poll::Pollables;
use super::instance::Seat;
use super::sandbox::Sandbox;

/// Packages of which every interface may be imported.
const PACKAGES: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

type Guest<'a> = StoreContextMut<'a, Sandbox>;

/// What WASI remembers of one sandbox. Nothing in it allocates before the guest asks for something.
pub(super) struct Wasi {
    /// Outside decisions: one sequence for the life of the instance.
    seat: Chance,
    /// Within a decision: begun anew by each.
    moment: Chance,
    pollables: Pollables,
    stdout: Output,
    stderr: Output,
}

impl Wasi {
    /// For an instance in this seat. The same seat has the same chance.
    pub(super) fn new(seat: &Seat) -> Self {
        Self {
            seat: Chance::of_seat(seat),
            moment: Chance::of_moment(0),
            pollables: Pollables::default(),
            stdout: Output::new(tracing::Level::INFO),
            stderr: Output::new(tracing::Level::WARN),
        }
    }

    /// A decision begins, with the `random` of its moment.
    pub(super) fn begin(&mut self, random: u64) {
        self.moment = Chance::of_moment(random);
    }
}

/// Whether the import of this name is offered to plugins.
pub(super) fn offers(import: &str) -> bool {
    interface(import).is_some()
}

/// The imports that are offered, as people write them.
pub(super) fn offered() -> String {
    format!("wasi:{} @0.2", PACKAGES.join(", wasi:"))
}

/// The linker with all that `component` imports of WASI, under the versions that it asks for. For one that imports
/// nothing of it, this is the same linker.
///
/// # Errors
/// When the engine is out of memory.
pub(super) fn link<'a>(
    linker: &'a Linker<Sandbox>,
    component: &Component,
) -> wasmtime::Result<Cow<'a, Linker<Sandbox>>> {
    let (engine, ty) = (linker.engine(), component.component_type());
    let (mut linked, mut resources) = (Cow::Borrowed(linker), Vec::new());
    for (name, import) in ty.imports(engine) {
        if let (Some(interface), ComponentItem::ComponentInstance(wanted)) = (interface(name), &import.ty) {
            // What answers shadows what is closed.
            let mut offered = linked.to_mut().allow_shadowing(true).instance(name)?;
            closed::close(&mut offered, engine, name, wanted, &mut resources)?;
            open(interface, &mut offered)?;
        }
    }
    Ok(linked)
}

/// `cli/exit` of `wasi:cli/exit@0.2.6`, if its package and version are offered.
fn interface(import: &str) -> Option<&str> {
    let (interface, version) = import.strip_prefix("wasi:")?.split_once('@')?;
    let (package, _) = interface.split_once('/')?;
    let patch = version.strip_prefix("0.2.")?;
    (PACKAGES.contains(&package) && patch.parse::<u32>().is_ok()).then_some(interface)
}

/// Defines the functions of `interface` that answer.
fn open(interface: &str, offered: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    match interface {
        "cli/environment" => cli::environment(offered),
        "cli/exit" => cli::exit(offered),
        "cli/stdin" => cli::stdin(offered),
        "cli/stdout" => cli::stdout(offered),
        "cli/stderr" => cli::stderr(offered),
        "cli/terminal-input" => cli::terminal_input(offered),
        "cli/terminal-output" => cli::terminal_output(offered),
        "cli/terminal-stdin" => cli::terminal_stdin(offered),
        "cli/terminal-stdout" => cli::terminal_stdout(offered),
        "cli/terminal-stderr" => cli::terminal_stderr(offered),
        "clocks/monotonic-clock" => clocks::monotonic(offered),
        "clocks/wall-clock" => clocks::wall(offered),
        "filesystem/preopens" => filesystem::preopens(offered),
        "filesystem/types" => filesystem::types(offered),
        "io/error" => streams::error(offered),
        "io/poll" => poll::offer(offered),
        "io/streams" => streams::offer(offered),
        "random/random" => chance::random(offered),
        "random/insecure" => chance::insecure(offered),
        "random/insecure-seed" => chance::insecure_seed(offered),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_0_2_are_offered_and_no_others() {
        assert_eq!(interface("wasi:cli/exit@0.2.0"), Some("cli/exit"));
        assert_eq!(interface("wasi:io/streams@0.2.12"), Some("io/streams"));
        for other in [
            "wasi:cli/exit@0.3.0",
            "wasi:cli/exit@0.2.0-rc-1",
            "wasi:cli/exit",
            "wasi:nn/graph@0.2.0",
            "cli/exit@0.2.0",
        ] {
            assert!(!offers(other), "{other}");
        }
    }
}
