//! What the same plugin costs in each language: what `trimtab plugin new` makes, built by `trimtab plugin build` and measured by one
//! `trimtab plugin bench`. Each is in a folder of its own, as somebody new would have it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what this program is for")]

#[expect(dead_code, reason = "its page is another")]
mod page;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::Value;
use trimtab_tests::Folder;

use page::Page;

/// Compares the languages of plugins, and prints a Markdown table.
#[derive(Parser)]
#[command(name = "tests/bench/languages")]
struct Options {
    /// The languages
    #[arg(long, value_delimiter = ',', default_value = "rust,c,zig,go,javascript,typescript,python")]
    only: Vec<String>,
    /// Turns of each
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Put the table onto examples/README.md
    #[arg(long)]
    write: bool,
}

/// A component, and how long it took to be built.
struct Built {
    language: String,
    file: String,
    /// From what `new` made.
    first: Duration,
    /// After a change.
    again: Duration,
}

/// A built-in of the same kind, to compare with.
const BESIDE: &str = "random";

fn main() -> Result<()> {
    let options = Options::parse();
    let page = Page::begin_on("languages", "../examples/README.md");
    let folder = Folder::new();
    let built = options.only.iter().map(|language| build(&folder, language)).collect::<Result<Vec<_>>>()?;
    let Some((first, others)) = built.split_first() else { bail!("--only names no language") };
    eprintln!("measuring");
    let mut against = others.iter().map(|built| built.file.as_str()).collect::<Vec<_>>();
    against.push(BESIDE);
    let rounds = options.rounds.to_string();
    let arguments = ["plugin", "bench", &first.file, "--json", "--rounds", &rounds, "--against", &against.join(",")];
    let output = succeed(&folder, "", &arguments)?;
    let measured: Value = serde_json::from_slice(&output).context("what `plugin bench` says")?;
    page.publish(&table(&built, &measured["roles"][0]["plugins"])?, options.write)
}

/// Makes a project and builds it.
fn build(folder: &Folder, language: &str) -> Result<Built> {
    eprintln!("building {language}");
    succeed(folder, "", &["plugin", "new", language, "--lang", language])?;
    let time = || -> Result<Duration> {
        let start = Instant::now();
        succeed(folder, language, &["plugin", "build"])?;
        Ok(start.elapsed())
    };
    let first = time()?;
    let source = source(folder, language)?;
    let text = fs::read_to_string(&source)?;
    // A comment would do for most, and for none of them is it a change of what it does.
    fs::write(&source, text + "\n")?;
    let again = time()?;
    let file = folder.path(&format!("{language}/{language}.wasm")).display().to_string();
    Ok(Built { language: language.to_owned(), file, first, again })
}

/// The source of the plugin.
fn source(folder: &Folder, language: &str) -> Result<std::path::PathBuf> {
    let names = ["src/lib.rs", "plugin.c", "plugin.zig", "plugin.go", "plugin.ts", "plugin.js", "plugin.py"];
    let paths = names.map(|name| folder.path(&format!("{language}/{name}")));
    paths.into_iter().find(|path| path.is_file()).with_context(|| format!("no source in {language}"))
}

fn succeed(folder: &Folder, inside: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let program = env::var_os("TRIMTAB_BIN").unwrap_or_else(|| OsString::from("trimtab"));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder.path(inside)).stdin(Stdio::null());
    let output = command.output().context("trimtab does not start")?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("trimtab {}: {}", arguments.join(" "), String::from_utf8_lossy(&said).trim());
    }
    Ok(output.stdout)
}

fn table(built: &[Built], measured: &Value) -> Result<String> {
    let mut text =
        "| language | component | first build, then | compile | start | memory at first, of 10 000 backends \
                    | `pick`, 3 backends | 100 | 10 000 | `update` of 10 000 |\n"
            .to_owned();
    text += "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    let named = built.iter().map(|built| (Some(built), built.file.as_str()));
    for (built, name) in named.chain([(None, BESIDE)]) {
        let plugins = measured.as_array().context("a list of plugins")?;
        let of = plugins.iter().find(|plugin| plugin["name"] == name).with_context(|| format!("no {name}"))?;
        let number = |value: &Value| value.as_f64().with_context(|| format!("a figure is missing of {name}"));
        let pick = |backends: u64| {
            let mut decisions = of["decisions"].as_array().into_iter().flatten();
            let decision = decisions.find(|decision| decision["backends"] == backends);
            number(decision.map_or(&Value::Null, |decision| &decision["median_ns"])).map(nanoseconds)
        };
        let title = built.map_or_else(|| format!("`{BESIDE}`, built in (Rust)"), |built| title(&built.language));
        let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
        let builds = built.map(|built| format!("{}, {} s", seconds(built.first), seconds(built.again)));
        let cells = [
            title,
            bytes(number(&of["size"])?),
            builds.unwrap_or_default(),
            time(number(&of["compile_us"])?),
            time(number(&of["start_us"])?),
            format!("{}, {}", bytes(number(&of["memory_at_first_bytes"])?), bytes(number(&of["memory_bytes"])?)),
            pick(3)?,
            pick(100)?,
            pick(10_000)?,
            time(number(&of["table"]["update_us"])?),
        ];
        text += &format!("| {} |\n", cells.join(" | "));
    }
    Ok(text)
}

fn title(language: &str) -> String {
    match language {
        "javascript" => "JavaScript".to_owned(),
        "typescript" => "TypeScript".to_owned(),
        other => other[..1].to_uppercase() + &other[1..],
    }
}

fn nanoseconds(time: f64) -> String {
    if time < 10_000.0 { format!("{time:.0} ns") } else { format!("{:.1} µs", time / 1e3) }
}

/// Of microseconds.
fn time(micros: f64) -> String {
    match micros {
        less if less < 1e3 => format!("{less:.0} µs"),
        less if less < 1e6 => format!("{:.1} ms", less / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}

fn bytes(count: f64) -> String {
    let kibi = count / 1024.0;
    if kibi < 1024.0 { format!("{kibi:.0} KiB") } else { format!("{:.1} MiB", kibi / 1024.0) }
}
