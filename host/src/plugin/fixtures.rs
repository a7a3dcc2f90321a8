//! Components for tests and benchmarks: core modules written as text, made into components by the WIT in `wit/`.

use std::path::Path;
use std::sync::Arc;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A component of `world` out of the text of a core module.
pub(crate) fn component_of(world: &str, core: &str) -> Arc<[u8]> {
    component(world, None, core)
}

/// The same, where `world` is one of the contract or of `more`, a WIT package.
pub(crate) fn component(world: &str, more: Option<&str>, core: &str) -> Arc<[u8]> {
    let mut resolve = Resolve::default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut package, _) = resolve.push_dir(root.join("wit")).expect("the WIT parses");
    if let Some(more) = more {
        package = resolve.push_str("more.wit", more).expect("more WIT parses");
    } else if world.starts_with("wasi-") {
        package = resolve.push_file(root.join("tests/fixtures/wasi.wit")).expect("the WIT parses");
    }
    let world = resolve.select_world(&[package], Some(world)).expect("the world exists");
    let mut module = wat::parse_str(core).expect("the text parses");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).expect("metadata fits");
    let mut encoder = ComponentEncoder::default();
    let encoder = encoder.validate(true).module(&module).expect("the module fits the world");
    encoder.encode().expect("the component encodes").into()
}

/// A balancer out of its parts: imports and globals, the bodies of `configure`, `update`, `adjust` and `pick`.
///
/// `$ok` answers a `configure` with an empty plan. A `pick` leaves its verdict at 64 and answers 64: the case at 64,
/// the payload at 68. `$key` and so on are the parameters of `pick`. Allocation never frees, from 4096 on.
pub(crate) struct Guest<'a> {
    /// Imports and globals.
    pub(crate) head: &'a str,
    /// Body of `configure`.
    pub(crate) configure: &'a str,
    /// Body of `update`.
    pub(crate) update: &'a str,
    /// Body of `pick`.
    pub(crate) pick: &'a str,
}

impl Guest<'_> {
    /// Passes on everything.
    pub(crate) const PASS: Guest<'static> = Guest {
        head: "",
        configure: "(call $ok)",
        update: "",
        pick: "(i32.store8 (i32.const 64) (i32.const 1)) (i32.const 64)",
    };

    /// The component.
    pub(crate) fn component(&self) -> Arc<[u8]> {
        let world = if self.head.contains("\"wasi:") { "wasi-balancer-plugin" } else { "balancer-plugin" };
        component_of(world, &self.text())
    }

    /// The text of the core module.
    pub(crate) fn text(&self) -> String {
        let Self { head, configure, update, pick } = self;
        format!(
            r#"(module
  {head}
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 4096))
  (func $alloc (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (global.set $next (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (local.get $new)))
    (if (i32.gt_u (global.get $next) (i32.const 120000)) (then (global.set $next (i32.const 4096)))))
  (func $ok (result i32)
    (memory.fill (i32.const 16) (i32.const 0) (i32.const 32)) (i32.const 16))
  (func (export "trimtab:plugin/balancer@0.1.0#configure")
    (param $settings i32) (param $settings-len i32) (param $pool i32) (param $pool-len i32)
    (param $worker i32) (param $workers i32) (param $generation i64) (result i32)
    {configure})
  (func $update (export "trimtab:plugin/balancer@0.1.0#update") (param $backends i32) (param $len i32) {update})
  (func (export "trimtab:plugin/balancer@0.1.0#adjust") (param i32 i32 i32 i32))
  (func $pick (export "trimtab:plugin/balancer@0.1.0#pick")
    (param $keyed i32) (param $key i64) (param $random i64) (param $now i64) (param $attempt i32) (result i32)
    {pick}))"#
        )
    }
}
