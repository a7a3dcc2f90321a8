//! `trimtab plugin`: what is done with a plugin before it is let near traffic. Each command has a file of its own.

mod inspect;
mod test;

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
    /// Try whether a component keeps the contract, over thousands of random tables.
    Test(test::Arguments),
}

/// Runs one.
pub(super) fn run(command: Plugin) -> ExitCode {
    match command {
        Plugin::Inspect { file, json } => inspect::run(&file, json),
        Plugin::Test(arguments) => test::run(&arguments),
    }
}
