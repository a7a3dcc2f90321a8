//! A balancer that traps at every pick and is otherwise what a compiler made: as large, and as much work to instantiate.

use anyhow::{Context, Result};
use wasmparser::{Encoding, ExternalKind, Parser, Payload, TypeRef};

const PICK: &str = "trimtab:plugin/balancer@0.1.0#pick";
/// The instructions that are put in: a trap, and what fills the rest of the function.
const UNREACHABLE: u8 = 0x00;
const NOP: u8 = 0x01;
const END: u8 = 0x0b;

/// This component with a trap in place of the body of its `pick`; no byte moves.
///
/// # Errors
/// When it is no balancer that was compiled to WebAssembly.
pub(crate) fn trapping(mut component: Vec<u8>) -> Result<Vec<u8>> {
    let body = pick(&component)?.context("no module of the component exports `pick`")?;
    let body = component.get_mut(body).context("the body of `pick` is cut off")?;
    let [locals, trap, rest @ .., end] = body else { anyhow::bail!("`pick` is empty") };
    // No locals: their list has no entry. What follows a trap may be of any type.
    (*locals, *trap, *end) = (0, UNREACHABLE, END);
    rest.fill(NOP);
    Ok(component)
}

/// Where the body of `pick` is, its list of locals included.
fn pick(component: &[u8]) -> Result<Option<std::ops::Range<usize>>> {
    // Functions of the module being read: those that it imports have the first numbers.
    let (mut function, mut pick) = (0, None);
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { encoding: Encoding::Module, .. } => (function, pick) = (0, None),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    function += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ExternalKind::Func && export.name == PICK {
                        pick = Some(export.index);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                if pick == Some(function) {
                    let range = body.range();
                    return Ok(Some(usize::try_from(range.start)?..usize::try_from(range.end)?));
                }
                function += 1;
            }
            _ => {}
        }
    }
    Ok(None)
}
