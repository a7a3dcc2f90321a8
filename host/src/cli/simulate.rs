//! `trimtab simulate`: the wind tunnel. The report is of the seed alone; how fast it went is told on stderr.

use std::error::Error;
use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::lab::simulation::scenario::{Entrant, Scenario};
use crate::lab::simulation::{Figures, check, page, report, simulate};
use crate::plugin::{Registry, RegistryOptions};

/// The command line.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The world, a TOML file
    scenario: PathBuf,
    /// Balancers to compare, instead of those of the file: built-ins, or components
    #[arg(long, value_delimiter = ',', value_name = "NAME|FILE")]
    plugin: Vec<String>,
    /// Where the keys of `--plugin` come from, as `key` of a configuration
    #[arg(long, requires = "plugin")]
    key: Option<String>,
    /// What all chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated time, instead of that of the file
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Write a page with plots, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Simulates, and prints the report.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match compare(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("error: {}: {error}", arguments.scenario.display());
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut scenario = Scenario::read(&arguments.scenario)?;
    if let Some(duration) = arguments.duration {
        scenario.duration = duration.max(Duration::from_millis(1));
    }
    if !arguments.plugin.is_empty() {
        let entrant = |called: &String| Entrant { key: arguments.key.clone(), ..Entrant::of(called) };
        scenario.entrants = arguments.plugin.iter().map(entrant).collect();
    }
    if scenario.entrants.is_empty() {
        return Err("nobody takes part: add a [[plugin]], or say --plugin".into());
    }
    // Each worker has its plugins, and one more is asked what has moved.
    let most = scenario.entrants.iter().map(|entrant| entrant.chain().count()).max().unwrap_or_default() as u32;
    let max_instances = 8 + (2 * most + 2) * (scenario.workers + 1);
    let registry = Registry::new(RegistryOptions { max_instances, ..RegistryOptions::default() })?;
    let _activity = registry.activity();
    // Before the first of them takes its time.
    scenario.entrants.iter().try_for_each(|entrant| check(&registry, &scenario, entrant))?;
    let mut all: Vec<Figures> = Vec::new();
    for entrant in &scenario.entrants {
        let began = Instant::now();
        let figures = simulate(&registry, &scenario, entrant, arguments.seed, |passed| show(&entrant.title(), passed))?;
        let took = began.elapsed().as_secs_f64();
        complain!("{}: {} requests in {took:.1} s", entrant.title(), figures.requests);
        all.push(figures);
    }
    if arguments.json {
        say!("{:#}", report::json(arguments.seed, &all));
    } else {
        say!("{}", report::text(&all).trim_end());
    }
    if let Some(path) = &arguments.html {
        let title = arguments.scenario.file_stem().unwrap_or_default().to_string_lossy();
        let page = page::html(&title, arguments.seed, scenario.duration.as_secs_f64(), &all);
        fs::write(path, page).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

/// A bar, where somebody looks.
fn show(title: &str, passed: f64) {
    const WIDTH: usize = 30;
    if std::io::stderr().is_terminal() {
        let done = (passed * WIDTH as f64) as usize;
        let end = if passed >= 1.0 { "\r\x1b[K" } else { "" };
        eprint!("\r{title} [{}{}] {:3.0} %{end}", "#".repeat(done), " ".repeat(WIDTH - done), passed * 100.0);
    }
}
