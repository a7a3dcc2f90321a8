//! `trimtab plugin inspect`: what a file is, what it asks for, and whether this host would admit it.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::PluginLimits;
use crate::plugin::{Answer, Inspection, Registry, RegistryOptions, Shape, Trial};

/// Instances at a time: the one that is tried.
const INSTANCES: u32 = 2;

/// Prints what is known of the file. Success: it would be admitted.
pub(super) fn run(path: &Path, json: bool) -> ExitCode {
    let inspection = match inspect(path) {
        Ok(inspection) => inspection,
        Err(error) => {
            complain!("error: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    };
    if json {
        say!("{:#}", as_json(path, &inspection));
    } else {
        say!("{}", as_text(path, &inspection).trim_end());
    }
    if inspection.refused.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn inspect(path: &Path) -> io::Result<Inspection> {
    // A pipe or a device might never end, or never begin.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let bytes = std::fs::read(path)?;
    let registry = Registry::new(RegistryOptions { max_instances: INSTANCES, ..RegistryOptions::default() })?;
    let inspection = registry.inspect_blocking(bytes.into(), PluginLimits::default());
    inspection.ok_or_else(|| io::Error::other("the builder gave no answer"))
}

fn as_text(path: &Path, inspection: &Inspection) -> String {
    let mut text = format!("{}\n\n", path.display());
    line(&mut text, "size", &format!("{} bytes", inspection.size));
    line(&mut text, "digest", &format!("sha256:{}", hex(&inspection.digest)));
    if let Some(Shape { imports, exports, versions, memories }) = &inspection.shape {
        line(&mut text, "WIT", &none_or(&versions.iter().map(|v| format!("trimtab:plugin@{v}")).collect::<Vec<_>>()));
        let imports =
            imports.iter().map(|(name, offered)| name.clone() + if *offered { "" } else { "  (not offered)" });
        line(&mut text, "imports", &none_or(&imports.collect::<Vec<_>>()));
        line(&mut text, "exports", &none_or(exports));
        if let Some((count, pages)) = memories {
            line(
                &mut text,
                "memories",
                &format!("{count}, the largest of {pages} pages ({}) at first", kib(*pages << 16)),
            );
        }
    }
    if let Some(Trial { memory, memory_limit, roles }) = &inspection.trial {
        let (memory, limit) = (kib(*memory as u64), kib(*memory_limit as u64));
        line(&mut text, "started", &format!("with {memory} of the {limit} that are the default limit"));
        let roles = roles.iter().map(|(role, answer)| format!("{role}, {}", described(answer)));
        line(&mut text, "roles", &none_or(&roles.collect::<Vec<_>>()));
    }
    let verdict = inspection.refused.as_ref().map_or("yes".to_owned(), |reason| format!("no: {reason}"));
    line(&mut text, "admitted", &verdict);
    text
}

fn as_json(path: &Path, inspection: &Inspection) -> Value {
    let shape = inspection.shape.as_ref().map(|Shape { imports, exports, versions, memories }| {
        let imports: Vec<_> =
            imports.iter().map(|(name, offered)| json!({ "name": name, "offered": offered })).collect();
        let memories = memories.map(|(count, pages)| json!({ "count": count, "largest_initial_pages": pages }));
        json!({ "wit_versions": versions, "imports": imports, "exports": exports, "memories": memories })
    });
    let trial = inspection.trial.as_ref().map(|Trial { memory, memory_limit, roles }| {
        let roles: serde_json::Map<_, _> =
            roles.iter().map(|(role, answer)| ((*role).to_owned(), answer_json(answer))).collect();
        json!({ "memory_bytes": memory, "memory_limit_bytes": memory_limit, "roles": roles })
    });
    json!({
        "file": path.display().to_string(),
        "size": inspection.size,
        "sha256": hex(&inspection.digest),
        "component": shape,
        "trial": trial,
        "admitted": inspection.refused.is_none(),
        "reason": inspection.refused.as_ref().map(ToString::to_string),
    })
}

fn answer_json(answer: &Answer) -> Value {
    match answer {
        Answer::Plan { keys, observe, tick_ms } => {
            json!({ "plan": { "keys": keys, "observe": observe, "tick_ms": tick_ms } })
        }
        Answer::Accepted => json!({ "plan": null }),
        Answer::Refused(reason) => json!({ "refused": reason }),
    }
}

/// What a role makes of empty settings, in words.
fn described(answer: &Answer) -> String {
    match answer {
        Answer::Plan { keys, observe, tick_ms } => {
            let mut wants = Vec::new();
            if !keys.is_empty() {
                wants.push(format!("the keys {}", keys.join(", ")));
            }
            if *observe {
                wants.push("outcomes".to_owned());
            }
            if *tick_ms > 0 {
                wants.push(format!("a tick every {tick_ms} ms"));
            }
            if wants.is_empty() {
                "which asks for nothing".to_owned()
            } else {
                format!("which asks for {}", wants.join("; "))
            }
        }
        Answer::Accepted => "which accepts empty settings".to_owned(),
        Answer::Refused(reason) => format!("which cannot do with empty settings: {reason}"),
    }
}

/// A heading and its lines, which begin in one column.
fn line(text: &mut String, heading: &str, lines: &str) {
    let lines = lines.replace('\n', &format!("\n{:12}", ""));
    // Writing into a string does not fail.
    let _ = writeln!(text, "{heading:12}{lines}");
}

fn none_or(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join("\n") }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes >> 10)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
