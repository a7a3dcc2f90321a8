//! `cargo plugins`: builds the guests of the workspace into components. See the library for how.

#![allow(clippy::print_stdout)] // a command-line tool: its lines are its output

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use trimtab_build::{Guest, Kind, Toolchain, build, digest, guest};

/// Builds plugins/* to plugins/dist/NAME.wasm, and examples/rust-* into their own folders.
#[derive(Parser)]
#[command(name = "cargo plugins", bin_name = "cargo plugins")]
struct Arguments {
    /// Guests to build, by folder name; all if none is given
    names: Vec<String>,
    /// Write the components to this folder instead, without digests
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    out: Option<PathBuf>,
    /// Build nothing: check that the committed components are those of their sources
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let here = std::env::current_dir().context("no current folder")?;
    let root = guest::root(&here)?;
    let guests = guest::named(&root, &arguments.names)?;
    if arguments.check {
        return Ok(check(&root, &guests));
    }
    let toolchain = Toolchain::find()?;
    println!("building with {}", toolchain.describe());
    for guest in &guests {
        let out = arguments.out.as_ref().map(|folder| here.join(folder));
        let built = build(&root, guest, &toolchain, out.as_deref())?;
        let path = built.path.strip_prefix(&root).unwrap_or(&built.path);
        println!("{} ({} bytes): exports {}", path.display(), built.size, built.exports.join(", "));
        println!("    imports {}", built.imports.join(", "));
    }
    Ok(true)
}

/// All of them, so that one run tells everything.
fn check(root: &std::path::Path, guests: &[Guest]) -> bool {
    let mut good = true;
    for guest in guests.iter().filter(|guest| guest.kind == Kind::BuiltIn) {
        match digest::check(root, guest) {
            Ok(()) => println!("{}: of its sources", guest.name),
            Err(error) => {
                eprintln!("error: {error:#}");
                good = false;
            }
        }
    }
    good
}
