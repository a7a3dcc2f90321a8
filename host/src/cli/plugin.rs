//! `trimtab plugin`: what is done with a plugin before it is let near traffic. Each command has a file of its own.

mod inspect;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

/// The commands.
#[derive(Subcommand)]
pub(super) enum Plugin {
    /// Say what a component imports, exports and asks for, and whether it would be admitted.
    Inspect {
        /// The component.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs one.
pub(super) fn run(command: Plugin) -> ExitCode {
    match command {
        Plugin::Inspect { file, json } => inspect::run(&file, json),
    }
}
