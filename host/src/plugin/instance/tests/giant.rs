//! Guests that hand over more than anybody can mean: capped, before the host has a copy.

use super::*;
use crate::decide::{Affinity, Head};
use crate::plugin::AffinityInstance;
use crate::plugin::fixtures::component_of;

const TOO_MUCH: &str = "too much data is being copied between the host and the guest";

#[test]
fn headers_of_bind() {
    let bed = Bed::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/giant-bind.wat");
    let component = component_of("affinity-plugin", &std::fs::read_to_string(path).unwrap());
    let loaded = bed.registry.load_blocking("giant".into(), Source::Bytes(component), PluginLimits::default());
    let seat = Seat { definition: loaded.unwrap(), ..bed.seat(&Guest::PASS, PluginLimits::default()) };
    let mut instance: AffinityInstance = bed.registry.build_blocking(seat).unwrap();
    let (_, _, answer) = instance.bind(moment(), Box::default(), Box::<Head>::default(), 0, None);
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap, "{fault}");
    assert!(fault.message.contains(TOO_MUCH), "{fault}");
    assert!(instance.is_poisoned());
}

#[test]
fn the_plan_of_configure() {
    let bed = Bed::new();
    // 100 000 keys, all of them empty.
    let configure = "(drop (memory.grow (i32.const 32)))
        (i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 131072))
        (i32.store (i32.const 24) (i32.const 100000)) (i32.const 16)";
    let error = bed.try_build(bed.seat(&Guest { configure, ..Guest::PASS }, PluginLimits::default())).unwrap_err();
    assert!(matches!(&error.reason, BuildReason::Fault(fault) if fault.message.contains(TOO_MUCH)), "{error}");
}

#[test]
fn a_line_for_the_log() {
    let head = r#"(import "trimtab:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let bed = Bed::new();
    // A gigabyte, of a memory that may be as large.
    let body = "(drop (memory.grow (i32.const 16384)))
        (call $log (i32.const 0) (i32.const 0) (i32.const 0x40000000)) (i32.const 64)";
    let limits = PluginLimits { memory: 2 << 30, ..PluginLimits::default() };
    let mut instance = bed.build_with(&Guest { head, pick: body, ..Guest::PASS }, limits);
    let fault = pick(&mut instance).unwrap_err();
    assert!(fault.message.contains(TOO_MUCH), "{fault}");
}

#[test]
fn a_value_for_the_table() {
    let head = r#"(import "trimtab:plugin/table@0.1.0" "put" (func $put (param i32 i32 i32 i32 i64) (result i32)))"#;
    let body = "(drop (memory.grow (i32.const 64)))
        (drop (call $put (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 4000000) (i64.const 1000)))
        (i32.const 64)";
    let bed = Bed::new();
    let fault = pick(&mut bed.build(&Guest { head, pick: body, ..Guest::PASS })).unwrap_err();
    assert!(fault.message.contains(TOO_MUCH), "{fault}");
}
