//! The command line. Exit codes: 0 done, 1 it did not work (the configuration is wrong, nothing answers),
//! 2 the command line itself is wrong.

/// A line to stdout. Where nobody reads any more (`| head`), nothing is lost by saying nothing.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($text)*)));
    }};
}

/// The same to stderr.
macro_rules! complain {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($text)*)));
    }};
}

mod demo;
mod plugin;
mod simulate;
mod status;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::load::{Loaded, load};
use crate::config::{Address, Config};
use crate::plugin::BUILT_IN;
use crate::server::{StartError, control};
use crate::telemetry::logging;

/// A load balancer whose every decision is made by a sandboxed WebAssembly component.
#[derive(Parser)]
#[command(name = "trimtab", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until SIGTERM or SIGINT.
    Run {
        /// The configuration, a TOML file.
        config: PathBuf,
    },
    /// Say everything that is wrong with a configuration and its plugins.
    Check {
        /// The configuration, a TOML file.
        config: PathBuf,
    },
    /// Balance over three embedded backends and print what to try.
    Demo {
        /// Port of 127.0.0.1 to listen on; 0 takes a free one.
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// The plugin that picks.
        #[arg(long, default_value = "round-robin")]
        balancer: String,
    },
    /// Work on plugins.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Try plugins in a described world, in the time that it takes to compute it.
    Simulate(simulate::Arguments),
    /// Show pools, backends and plugins of a running process.
    Status {
        /// Its admin API: `127.0.0.1:9901` or `unix:/path`.
        #[arg(long, default_value = "127.0.0.1:9901")]
        admin: Address,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Time over which rates are measured.
        #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
        over: std::time::Duration,
    },
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run { config } => read(&config).map_or(ExitCode::FAILURE, |config_read| run(&config, config_read)),
        Command::Check { config } => check(&config),
        Command::Demo { port, balancer } => demo::run(port, &balancer),
        Command::Plugin(command) => plugin::run(command),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Status { admin, json, over } => status::run(&admin, json, over),
    }
}

/// Reads a configuration; what is wrong with it is printed.
fn read(path: &Path) -> Option<Config> {
    let color = std::io::stderr().is_terminal();
    match load(path, BUILT_IN) {
        Ok(Loaded { config, warnings }) => {
            if !warnings.is_empty() {
                complain!("{}", warnings.render(color));
            }
            Some(config)
        }
        Err(errors) => {
            complain!("{}", errors.render(color));
            None
        }
    }
}

fn run(path: &Path, config: Config) -> ExitCode {
    if let Err(error) = logging::start(&config.log) {
        complain!("error: {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    finish(path, control::run(config, Some(path)))
}

fn check(path: &Path) -> ExitCode {
    let Some(config) = read(path) else { return ExitCode::FAILURE };
    let (listeners, routes, pools) = (config.listeners.len(), config.routes.len(), config.pools.len());
    let checked = control::check(&config);
    if checked.is_ok() {
        say!("{}: good: {listeners} listener(s), {routes} route(s), {pools} pool(s)", path.display());
    }
    finish(path, checked)
}

fn finish(path: &Path, ended: Result<(), Vec<StartError>>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => {
            for error in errors {
                complain!("error: {}: {error}", path.display());
            }
            ExitCode::FAILURE
        }
    }
}
