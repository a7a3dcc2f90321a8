//! `trimtab plugin`: what is done with a plugin before it is let near traffic. Each command has a file of its own.

mod bench;
mod build;
mod inspect;
mod new;
mod subject;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

/// The commands.
#[derive(Subcommand)]
pub(super) enum Plugin {
    /// Make a small project that builds and steers.
    New {
        /// Its name: lower-case letters, digits and `-`.
        name: String,
        /// The language; without it, those that there are.
        #[arg(long, value_name = "LANGUAGE")]
        lang: Option<String>,
        /// What it decides as: `balancer`, `affinity`, `router` or `shaper`.
        #[arg(long, default_value = "balancer")]
        role: String,
        /// Where, if not in a folder of its name.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Make the component of a project, with the tools of its language.
    Build {
        /// The folder that `plugin.toml` is in.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
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
    /// Measure what a component costs, beside built-ins of its role in the same run.
    Bench(bench::Arguments),
}

/// Runs one.
pub(super) fn run(command: Plugin) -> ExitCode {
    match command {
        Plugin::New { name, lang, role, folder } => new::run(&name, lang.as_deref(), &role, folder),
        Plugin::Build { folder } => build::run(&folder),
        Plugin::Inspect { file, json } => inspect::run(&file, json),
        Plugin::Test(arguments) => test::run(&arguments),
        Plugin::Bench(arguments) => bench::run(&arguments),
    }
}
