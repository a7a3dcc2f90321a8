//! `trimtab plugin test`: whether a component keeps the contract, before it is let near traffic.

use std::io::IsTerminal;
use std::process::ExitCode;

use http::{HeaderName, HeaderValue, Uri};
use serde_json::{Value, json};

use super::subject::Used;
use crate::lab::conformance::{Finding, Options, Report, Status, examine};
use crate::lab::spread::balancer::Spread;
use crate::plugin::{Registry, RegistryOptions};

/// Instances at a time.
const INSTANCES: u32 = 16;

/// The command line.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    used: Used,
    /// What all chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Random tables of each group of properties
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    tables: u32,
    /// What it goes by: every other request has this header; may be given more than once
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// What it goes by: every other request has this path
    #[arg(long, value_name = "PATH", value_parser = path)]
    path: Option<Uri>,
    /// What is doubtful is a failure
    #[arg(long)]
    strict: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A header as it is written in a request.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written `NAME: VALUE`")?;
    let name = name.trim().parse().map_err(|_| format!("`{}` is no name of a header", name.trim()))?;
    let value = value.trim().parse().map_err(|_| format!("`{}` is no value of a header", value.trim()))?;
    Ok((name, value))
}

/// A path, with its query.
fn path(text: &str) -> Result<Uri, String> {
    let path = text.starts_with('/').then(|| text.parse().ok()).flatten();
    path.ok_or_else(|| "a path begins with `/`, and has no characters that a request would have to escape".to_owned())
}

/// What is known in the end, in one role.
struct Tested {
    report: Report,
    spread: Option<Spread>,
}

/// Tries all of it. Success: nothing failed.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match test(arguments) {
        Ok(tested) => {
            if arguments.json {
                say!("{:#}", as_json(arguments, &tested));
            } else {
                say!("{}", as_text(arguments, &tested).trim_end());
            }
            let passes = tested.iter().all(|tested| tested.report.passes(arguments.strict));
            if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn test(arguments: &Arguments) -> Result<Vec<Tested>, Box<dyn std::error::Error>> {
    let registry = Registry::new(RegistryOptions { max_instances: INSTANCES, ..RegistryOptions::default() })?;
    let _activity = registry.activity();
    let used = &arguments.used;
    let mut subject = used.load(&registry)?;
    let options = Options {
        seed: arguments.seed,
        tables: arguments.tables,
        pools: used.pools.clone(),
        asked_headers: arguments.header.clone(),
        asked_path: arguments.path.clone(),
        ..Options::default()
    };
    let mut all = Vec::new();
    for role in used.roles(&subject)? {
        subject.keys = used.keys_as(role);
        let shows = std::io::stderr().is_terminal();
        let begun = |property| {
            if shows {
                complain!("{role}: {property} …");
            }
        };
        let mut report = examine(&subject, role, &options, begun).map_err(|reason| used.unfit(role, &reason))?;
        let spread = match role {
            "balancer" if report.passes(false) => {
                let spread = Spread::of(&subject, arguments.seed);
                report.findings.extend(Spread::finding(&spread));
                spread.ok()
            }
            _ => None,
        };
        all.push(Tested { report, spread });
    }
    Ok(all)
}

fn as_text(arguments: &Arguments, tested: &[Tested]) -> String {
    let mut text = format!("{}, seed {}\n", arguments.used.component, arguments.seed);
    for Tested { report, spread } in tested {
        text += &format!("\n{}\n", report.role);
        for Finding { property, status, evidence } in &report.findings {
            // A backtrace has lines of its own.
            let evidence = evidence.replace('\n', &format!("\n{:26}", ""));
            text += &format!("  {:9} {property:13} {evidence}\n", mark(*status));
        }
        if let Some(spread) = spread {
            text += &format!("  {:9} {:13} {}\n", "", "spread", spread.in_words());
        }
        text += match (report.passes(false), report.passes(true)) {
            (true, true) => "  it keeps the contract, as far as was tried\n",
            (true, false) if arguments.strict => "  what is doubtful is refused by --strict\n",
            (true, false) => "  it keeps the contract, as far as was tried; something is doubtful\n",
            _ => "  it does not keep the contract\n",
        };
    }
    text
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Holds => "✓ holds",
        Status::Doubtful => "! doubt",
        Status::Fails => "✗ FAILS",
        Status::Skipped => "- n/a",
    }
}

fn as_json(arguments: &Arguments, tested: &[Tested]) -> Value {
    let finding = |finding: &Finding| json!({ "property": finding.property, "status": finding.status.as_str(), "evidence": finding.evidence });
    let role = |Tested { report, spread }: &Tested| {
        let worst = &report.worst;
        json!({
            "role": report.role,
            "passes": report.passes(arguments.strict),
            "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
            "worst": {
                "decision_us": worst.decision.0.as_secs_f64() * 1e6,
                "decision_deadline_us": worst.decision.1.as_secs_f64() * 1e6,
                "update_us": worst.update.0.as_secs_f64() * 1e6,
                "update_deadline_us": worst.update.1.as_secs_f64() * 1e6,
                "memory_bytes": worst.memory.0,
                "memory_limit_bytes": worst.memory.1,
            },
            "spread": spread.as_ref().map(|spread| json!({
                "imbalance_of_picks": spread.picks,
                "imbalance_in_flight": spread.in_flight,
                "moved_when_one_of_ten_goes": spread.moved.map(|moved| moved.all),
                "moved_needlessly": spread.moved.map(|moved| moved.needless),
            })),
        })
    };
    json!({
        "component": arguments.used.component,
        "seed": arguments.seed,
        "tables": arguments.tables,
        "strict": arguments.strict,
        "passes": tested.iter().all(|tested| tested.report.passes(arguments.strict)),
        "roles": tested.iter().map(role).collect::<Vec<_>>(),
    })
}
