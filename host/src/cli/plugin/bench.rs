//! `trimtab plugin bench`: what a plugin costs, beside built-ins of its role in the same run.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::subject::Used;
use crate::config::PluginLimits;
use crate::lab::bench::timing::{Cost, ROUNDS, Telling};
use crate::lab::bench::{BenchError, Entry, Figures, measure, usual};
use crate::lab::subject::Subject;
use crate::plugin::{BUILT_IN, Registry, RegistryOptions};

/// The command line.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    used: Used,
    /// Nothing beside it
    #[arg(long, conflicts_with = "against")]
    only: bool,
    /// These beside it, in place of some built-ins: names of built-ins, or files
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    against: Vec<String>,
    /// Turns of each; the best counts
    #[arg(long, default_value_t = ROUNDS, value_parser = rounds)]
    rounds: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures a plugin in its roles.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match bench(arguments) {
        Ok(measured) => {
            if arguments.json {
                let roles = measured.iter().map(|(role, figures)| {
                    json!({ "role": role, "plugins": figures.iter().map(as_json).collect::<Vec<_>>() })
                });
                let roles = roles.collect::<Vec<_>>();
                say!("{:#}", json!({ "component": arguments.used.component, "roles": roles }));
            } else {
                let texts = measured.iter().map(|(role, figures)| as_text(role, figures));
                say!("{}", texts.collect::<Vec<_>>().join("\n\n"));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &Arguments) -> Result<Vec<(&'static str, Vec<Figures>)>, String> {
    let registry = Registry::new(RegistryOptions::default()).map_err(|error| error.to_string())?;
    let used = &arguments.used;
    let start = Instant::now();
    let subject = used.load(&registry).map_err(|error| error.to_string())?;
    let compiled = start.elapsed();
    let _activity = registry.activity();
    let pools: Arc<[Arc<str>]> = used.pools.iter().map(|pool| Arc::from(&**pool)).collect();
    let mut measured = Vec::new();
    for role in used.roles(&subject)? {
        let subject = Subject { keys: used.keys_as(role), ..subject.clone() };
        let mut entries = vec![Entry { name: used.component.clone(), subject, pools: Arc::clone(&pools), compiled }];
        for name in beside(arguments, role) {
            if name.is_empty() {
                return Err("--against has a name that is empty".to_owned());
            }
            entries.push(other(&registry, name, role, used.limits())?);
        }
        let shows = std::io::stderr().is_terminal();
        let begun = |round| {
            if shows {
                complain!("{role}: round {round} of {} …", arguments.rounds);
            }
        };
        let figures = measure(&entries, role, arguments.rounds, begun);
        measured.push((role, figures.map_err(|error| reason(used, role, &error))?));
    }
    Ok(measured)
}

fn reason(used: &Used, role: &str, error: &BenchError) -> String {
    match error {
        BenchError::Build(name, reason) if *name == used.component => used.unfit(role, reason),
        error => error.to_string(),
    }
}

/// What is measured beside it.
fn beside<'a>(arguments: &'a Arguments, role: &str) -> impl Iterator<Item = &'a str> {
    let usual: &[&str] = match role {
        _ if arguments.only || !arguments.against.is_empty() => &[],
        "balancer" => &["round-robin", "random", "p2c", "least-connections", "maglev"],
        "affinity" => &["cookie", "client-address"],
        "router" => &["split", "header-router"],
        _ => &["zone", "priority"],
    };
    let names = arguments.against.iter().map(String::as_str).chain(usual.iter().copied());
    names.filter(|name| *name != arguments.used.component)
}

/// Another, with the same limits.
fn other(registry: &Registry, name: &str, role: &str, limits: PluginLimits) -> Result<Entry, String> {
    let start = Instant::now();
    let subject = Subject::load(registry, name, limits).map_err(|error| error.to_string())?;
    let compiled = start.elapsed();
    if !subject.definition.roles().contains(&role) {
        return Err(format!("`{name}` is no {role}, so it is not measured beside one"));
    }
    let (settings, key) = if BUILT_IN.contains(&name) { usual(name) } else { ("{}", None) };
    // They are all well-formed: see `usual`.
    let keys = key.iter().filter_map(|key| key.parse().ok()).collect();
    let subject = Subject { settings: settings.into(), keys, ..subject };
    let pools = ["a", "b"].map(Arc::from).into();
    Ok(Entry { name: name.to_owned(), subject, pools, compiled })
}

/// A table of decisions, and one of all else.
fn as_text(role: &str, all: &[Figures]) -> String {
    let asked: Vec<_> =
        all.first().into_iter().flat_map(|figures| &figures.decisions).map(|(q, s, _)| (*q, *s)).collect();
    let mut questions: Vec<_> = asked.iter().map(|(question, _)| *question).collect();
    questions.dedup();
    let mut text = format!("{role}\n");
    for question in questions {
        let sizes: Vec<_> = asked.iter().filter(|(of, _)| *of == question).map(|(_, size)| *size).collect();
        let head = sizes.iter().map(|size| if *size == 0 { "ns".to_owned() } else { format!("ns of {size}") });
        let mut rows = vec![[question.to_owned()].into_iter().chain(head).collect::<Vec<_>>()];
        for figures in all {
            let of = figures.decisions.iter().filter(|(of, ..)| *of == question);
            let cells = of.map(|(.., cost)| format!("{:.0} ({:.0})", cost.median, cost.p99));
            rows.push([short_name(&figures.name)].into_iter().chain(cells).collect());
        }
        text += &format!("\n{}", columns(&rows));
    }
    let head = ["", "component", "compile", "start", "memory", "of 10000", "first update", "update", "adjust"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for figures in all {
        let told = |time: fn(&Telling) -> Duration| figures.telling.as_ref().map_or("-".to_owned(), |t| ms(time(t)));
        rows.push(vec![
            short_name(&figures.name),
            kib(figures.size),
            ms(figures.compiled),
            format!("{:.1} µs", figures.start.as_secs_f64() * 1e6),
            kib(figures.memory_at_first),
            kib(figures.memory),
            told(|told| told.first),
            told(|told| told.update),
            told(|told| told.adjust),
        ]);
    }
    format!("{text}\n{}\n{NOTE}", columns(&rows))
}

const NOTE: &str = "ns: median of short batches, in parentheses what 99 % of them stay below, of so many backends, in the best of the rounds
start: instantiate, configure and an empty table; memory: then, and with 10000 backends; changes are of these";

fn kib(bytes: usize) -> String {
    format!("{} KiB", bytes >> 10)
}

/// 1 to 1000.
fn rounds(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rounds @ 1..=1000) => Ok(rounds),
        _ => Err("a number of rounds is from 1 to 1000".to_owned()),
    }
}

/// Of a path, the file.
fn short_name(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Columns as wide as they have to be: the first begins to the left, the others end to the right.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("  {cell:width$}"),
            _ => format!("  {cell:>width$}"),
        });
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn as_json(figures: &Figures) -> Value {
    let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
    let decision = |(question, backends, cost): &(&str, usize, Cost)| {
        json!({
            "what": question,
            "backends": backends,
            "median_ns": cost.median,
            "p10_ns": cost.p10,
            "p99_ns": cost.p99,
        })
    };
    let told = figures.telling.map(|told| {
        json!({
            "first_update_us": microseconds(told.first),
            "update_us": microseconds(told.update),
            "adjust_us": microseconds(told.adjust),
        })
    });
    json!({
        "name": figures.name,
        "size": figures.size,
        "compile_us": microseconds(figures.compiled),
        "start_us": microseconds(figures.start),
        "memory_at_first_bytes": figures.memory_at_first,
        "memory_bytes": figures.memory,
        "decisions": figures.decisions.iter().map(decision).collect::<Vec<_>>(),
        "table": told,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["name".to_owned(), "100".to_owned()]];
        assert_eq!(columns(&rows), "  a       1\n  name  100\n");
    }
}
