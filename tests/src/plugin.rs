//! Components from text: a core module in `fixtures/`, joined with a world of the contract in `wit/`.
//!
//! A fixture is only its behaviour; types, imports and exports of the component come from the WIT, so
//! a fixture cannot fall behind the contract without its test saying so.

use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The fixture of this name as a `balancer-plugin`, with WASI if it imports that.
#[must_use]
pub fn balancer(fixture: &str) -> Vec<u8> {
    let core = text(fixture);
    if core.contains("(import \"wasi:") {
        component(&core, "wasi-balancer-plugin", Some(&text("wasi.wit")))
    } else {
        component(&core, "balancer-plugin", None)
    }
}

/// The fixture of this name as a `balancer-plugin` that exports `handoff` beside.
#[must_use]
pub fn handing_over(fixture: &str) -> Vec<u8> {
    handing_over_text(&text(fixture))
}

/// The same of a core module's text.
#[must_use]
pub fn handing_over_text(core: &str) -> Vec<u8> {
    const BESIDE: &str = "package test:handoff;\nworld beside {\n  include trimtab:plugin/balancer-plugin@0.1.0;\n  \
                          export trimtab:plugin/handoff@0.1.0;\n}";
    component(core, "beside", Some(BESIDE))
}

/// The core module `wat` as a component of `world`, which is one of the contract or of `more`, a WIT package.
#[must_use]
pub fn component(wat: &str, world: &str, more: Option<&str>) -> Vec<u8> {
    encode(wat, world, more).unwrap_or_else(|error| panic!("a fixture for {world}: {error:#}"))
}

/// A balancer out of `fixtures/picker.wat`, with this `pick`, and with memory for a table of 10 000.
#[must_use]
pub fn roomy_picker(pick: &str) -> Vec<u8> {
    let blanks = [
        ("(; pick ;)", pick),
        ("(memory (export \"memory\") 2)", "(memory (export \"memory\") 64)"),
        ("130000", "4000000"),
    ];
    component(&filled("picker.wat", &blanks), "balancer-plugin", None)
}

/// The text of a file in `fixtures/`.
#[must_use]
pub fn text(fixture: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same with its blanks filled in: words in capitals, and the text for each.
#[must_use]
pub fn filled(fixture: &str, blanks: &[(&str, &str)]) -> String {
    blanks.iter().fold(text(fixture), |text, (blank, with)| {
        assert!(text.contains(blank), "{fixture} has no blank {blank}");
        text.replace(blank, with)
    })
}

/// The same with its places filled in: `(; pick ;)` is the place `pick`. The others stay empty.
#[must_use]
pub fn placed(fixture: &str, parts: &[(&str, &str)]) -> String {
    parts.iter().fold(text(fixture), |text, (place, part)| {
        let place = format!("(; {place} ;)");
        assert_eq!(text.matches(&place).count(), 1, "{fixture}: {place}");
        text.replace(&place, part)
    })
}

fn encode(wat: &str, world: &str, more: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (mut package, _) = resolve.push_dir(root().join("wit"))?;
    if let Some(more) = more {
        package = resolve.push_str("more.wit", more)?;
    }
    let world = resolve.select_world(&[package], Some(world))?;
    let mut module = wat::parse_str(wat)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    ComponentEncoder::default().module(&module)?.validate(true).encode()
}

/// The folder of the whole project.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}
