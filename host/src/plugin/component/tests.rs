//! What is refused as a component, and how that is said.

use super::*;
use crate::config::PluginLimits;
use crate::plugin::fixtures::{Guest, component_of};
use crate::plugin::{Definition, Registry, RegistryOptions, Source};

fn registry() -> Registry {
    Registry::new(RegistryOptions { max_instances: 2, max_component_size: 64 << 10, code_cache: None }).unwrap()
}

fn load(registry: &Registry, source: Source) -> Result<Arc<Definition>, LoadError> {
    registry.load_blocking("mine".into(), source, PluginLimits::default())
}

fn reason(bytes: &[u8]) -> String {
    let error = load(&registry(), Source::Bytes(bytes.into())).unwrap_err().to_string();
    assert!(error.starts_with("plugin `mine` ("), "{error}");
    error
}

fn text(component: &str) -> Vec<u8> {
    wat::parse_str(component).unwrap()
}

#[test]
fn what_is_no_component_is_named() {
    assert!(reason(b"").contains("is no WebAssembly component"));
    assert!(reason(b"\x7fELF and so on").contains("is no WebAssembly component"));
    assert!(reason(b"\0asm").contains("is no WebAssembly component"));
    assert!(reason(b"  (component)").contains("is WebAssembly text"));
    assert!(reason(&text("(module)")).contains("is a core WebAssembly module"));
    assert!(reason(&vec![0; 100 << 10]).contains("larger than max_component_size (65536 bytes)"));
    let mut broken = Guest::PASS.component().to_vec();
    broken.truncate(broken.len() / 2);
    assert!(reason(&broken).contains("does not compile"));
}

#[test]
fn what_is_no_plugin_is_told_apart() {
    let error = reason(&text("(component)"));
    assert!(error.contains("exports none of `trimtab:plugin/balancer@0.1.0`"), "{error}");
    assert!(error.ends_with("; it exports nothing"), "{error}");
    let router = r#"(module (memory (export "memory") 1)
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
      (func (export "trimtab:plugin/router@0.1.0#configure")
        (param i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32) (i32.const 0))
      (func (export "trimtab:plugin/router@0.1.0#route") (param i32 i64 i64 i64 i32) (result i32) (i32.const 0)))"#;
    let router = load(&registry(), Source::Bytes(component_of("router-plugin", router))).unwrap();
    assert_eq!(router.roles(), ["router"]);
    let error = reason(&text(r#"(component (instance $i) (export "trimtab:plugin/balancer@0.2.0" (instance $i)))"#));
    assert!(error.contains("exports `trimtab:plugin/balancer@0.2.0`, but this host speaks"), "{error}");
    let error = reason(&text(r#"(component (instance $i) (export "trimtab:plugin/balancer@0.1.0" (instance $i)))"#));
    assert!(error.contains("has no function `configure`"), "{error}");
    let error = reason(&text(
        r#"(component
            (core module $m (func (export "f"))) (core instance $c (instantiate $m))
            (func $f (canon lift (core func $c "f")))
            (instance $i (export "configure" (func $f)) (export "update" (func $f))
              (export "adjust" (func $f)) (export "pick" (func $f)))
            (export "trimtab:plugin/balancer@0.1.0" (instance $i)))"#,
    ));
    assert!(error.contains("`configure` of `trimtab:plugin/balancer@0.1.0` is of another type"), "{error}");
}

#[test]
fn imports_that_are_not_offered_are_named() {
    let error = reason(&text(r#"(component (import "trimtab:plugin/disk@0.1.0" (instance (export "read" (func)))))"#));
    assert!(error.contains("imports `trimtab:plugin/disk@0.1.0`, which this host does not offer"), "{error}");
    let error = reason(&text(r#"(component (import "wasi:nn/graph@0.2.0" (instance (export "load" (func)))))"#));
    assert!(error.contains("imports `wasi:nn/graph@0.2.0`") && error.contains("wasi:cli"), "{error}");
    let error = reason(&text(
        r#"(component (import "trimtab:plugin/load@0.1.0" (instance (export "turns" (func))))
            (instance $i) (export "trimtab:plugin/balancer@0.1.0" (instance $i)))"#,
    ));
    assert!(error.contains("does not fit this host") && error.contains("turns"), "{error}");
}

#[test]
fn a_component_that_traps_when_it_starts_is_refused() {
    let guest = Guest { head: "(func $boom (unreachable)) (start $boom)", ..Guest::PASS };
    let error = reason(&guest.component());
    assert!(error.contains("cannot be started: trap: ") && error.contains("boom"), "{error}");
}

#[test]
fn files_are_read_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry();
    let path = folder.path().join("mine.wasm");
    let error = load(&registry, Source::File(path.clone())).unwrap_err().to_string();
    assert!(error.contains("mine.wasm): cannot be read: "), "{error}");
    let error = load(&registry, Source::File(folder.path().into())).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
    let bytes = Guest::PASS.component();
    std::fs::write(&path, &bytes).unwrap();
    let definition = load(&registry, Source::File(path)).unwrap();
    assert_eq!((definition.size(), definition.generation()), (bytes.len(), 1));
    let error = load(&registry, Source::BuiltIn).unwrap_err();
    assert!(matches!(error.reason, LoadReason::NoBuiltIn));
}

#[test]
fn generations_count_what_was_loaded_and_code_is_shared() {
    let registry = registry();
    let bytes = Guest::PASS.component();
    let first = load(&registry, Source::Bytes(Arc::clone(&bytes))).unwrap();
    load(&registry, Source::Bytes(Arc::from(&b"garbage"[..]))).unwrap_err();
    let second = load(&registry, Source::Bytes(bytes)).unwrap();
    assert_eq!((first.generation(), second.generation()), (1, 2));
    assert!(Arc::ptr_eq(&first.compiled, &second.compiled));
    assert_eq!(first.digest(), second.digest());
}
