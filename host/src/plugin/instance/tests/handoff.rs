//! The export `handoff`: state that goes from one instance to another, and every way in which that fails.

use std::path::Path;

use super::*;
use crate::decide::Router as _;
use crate::plugin::LoadReason;
use crate::plugin::fixtures::component;

/// What affinities and routers need beside their own exports; the memory at 0 is all zero, which is an answer for all.
const REST: &str = r#"
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "trimtab:plugin/handoff@0.1.0#save") (result i32)
    (i32.store (i32.const 80) (i32.const 96)) (i32.store (i32.const 84) (i32.const 3)) (i32.const 80))
  (func (export "trimtab:plugin/handoff@0.1.0#restore") (param i32 i32) (result i32)
    (i32.store8 (i32.const 96) (i32.load8_u (local.get 0))) (i32.const 0))"#;

/// A component of `world` out of the text of a core module, which exports `handoff` beside.
fn handing_over(world: &str, core: &str) -> Arc<[u8]> {
    let beside = format!(
        "package trimtab:fixture; world beside {{ include trimtab:plugin/{world}@0.1.0; \
         export trimtab:plugin/handoff@0.1.0; }}"
    );
    component("beside", Some(&beside), core)
}

/// A balancer out of a core module's text, with a `handoff` of other functions: `save`, and what `more` says in WIT.
/// None of them takes or answers anything.
fn with_handoff_of(more: &str, core: &str) -> Arc<[u8]> {
    let wit = format!(
        "package fixture:plugin@0.1.0; interface handoff {{ save: func(); {more} }} \
         world beside {{ include trimtab:plugin/balancer-plugin@0.1.0; export handoff; }}"
    );
    let functions = ["save", "restore"].into_iter().filter(|name| *name == "save" || more.contains(name));
    let exports: Vec<_> =
        functions.map(|name| format!(r#"(func (export "fixture:plugin/handoff@0.1.0#{name}"))"#)).collect();
    let core = core.trim_end().strip_suffix(')').expect("a module ends so");
    let component = component("beside", Some(&wit), &format!("{core}{})", exports.concat()));
    // The contract's own types cannot be other ones, so the name is put in at the end.
    let (from, to) = (b"fixture:plugin/handoff", b"trimtab:plugin/handoff");
    let mut bytes = component.to_vec();
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes.into()
}

/// The text of a file in the fixtures of the end-to-end tests.
fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    std::fs::read_to_string(path).expect("the fixture is there")
}

/// An instance of a fixture.
fn instance(bed: &Bed, fixture: &str) -> BalancerInstance {
    instance_with(bed, fixture, PluginLimits::default())
}

fn instance_with(bed: &Bed, fixture: &str, limits: PluginLimits) -> BalancerInstance {
    let component = handing_over("balancer-plugin", &text(fixture));
    let mut instance = bed.try_build(bed.seat_of(component, limits)).unwrap();
    instance.update(&rows(3)).unwrap();
    instance
}

/// Limits under which a loop ends soon.
fn hasty() -> PluginLimits {
    PluginLimits { update_deadline: Duration::from_millis(20), ..PluginLimits::default() }
}

fn picks(instance: &mut BalancerInstance, times: usize) -> Vec<Verdict> {
    (0..times).map(|_| pick(instance).unwrap()).collect()
}

#[test]
fn the_next_generation_goes_on_where_the_one_before_was() {
    let bed = Bed::new();
    let mut old = instance(&bed, "handoff.wat");
    assert!(old.hands_over() && old.definition().hands_over());
    picks(&mut old, 4);
    let state = old.save().unwrap().unwrap();
    assert_eq!(state, [4, 0, 0, 0]);
    let mut new = instance(&bed, "handoff.wat");
    new.restore(&state).unwrap();
    assert_eq!(picks(&mut new, 3), [1, 2, 0].map(Verdict::Backend));
    assert_eq!(pick(&mut old).unwrap(), Verdict::Backend(1), "who saved may go on");
}

#[test]
fn who_does_not_export_it_has_no_state_and_takes_none() {
    let bed = Bed::new();
    let mut instance = bed.build(&Guest::PASS);
    assert!(!instance.hands_over() && !instance.definition().hands_over());
    assert_eq!(instance.save().unwrap(), None);
    instance.restore(b"state").unwrap();
    assert_eq!(pick(&mut instance).unwrap(), Verdict::Pass);
}

#[test]
fn a_state_that_is_not_accepted_is_told_in_the_plugins_words() {
    let bed = Bed::new();
    for (fixture, words) in [("restore-error.wat", "is of another time"), ("handoff.wat", "is no counter")] {
        let mut instance = instance(&bed, fixture);
        let fault = instance.restore(b"state").unwrap_err();
        assert_eq!(fault.kind, FaultKind::Invalid);
        assert_eq!(fault.message, format!("`restore` does not accept the state: {words}"));
        assert!(!instance.is_poisoned());
    }
}

#[test]
fn a_state_of_more_than_a_mebibyte_is_invalid() {
    let bed = Bed::new();
    let mut instance = instance(&bed, "save-large.wat");
    let fault = instance.save().unwrap_err();
    assert_eq!((fault.kind, instance.is_poisoned()), (FaultKind::Invalid, false));
    assert!(fault.message.contains("2097152 bytes"), "{fault}");
    pick(&mut instance).unwrap();
}

#[test]
fn traps_and_loops_are_faults() {
    let bed = Bed::new();
    for (fixture, kind) in [("save-trap.wat", FaultKind::Trap), ("save-loop.wat", FaultKind::Deadline)] {
        let mut instance = instance_with(&bed, fixture, hasty());
        assert_eq!(instance.save().unwrap_err().kind, kind, "{fixture}");
        assert!(instance.is_poisoned());
        assert!(instance.save().unwrap_err().message.starts_with("not entered again"));
    }
    for (fixture, kind) in [("restore-trap.wat", FaultKind::Trap), ("restore-loop.wat", FaultKind::Deadline)] {
        let mut instance = instance_with(&bed, fixture, hasty());
        assert_eq!(instance.save().unwrap(), Some(Vec::new()), "nothing is a state too");
        assert_eq!(instance.restore(&[]).unwrap_err().kind, kind, "{fixture}");
        assert!(instance.is_poisoned());
    }
}

#[test]
fn affinities_and_routers_hand_over_too() {
    let bed = Bed::new();
    let affinity = format!(
        r#"(module {REST}
          (func (export "trimtab:plugin/affinity@0.1.0#configure") (param i32 i32 i32 i32 i32 i32 i64) (result i32)
            (i32.const 0))
          (func (export "trimtab:plugin/affinity@0.1.0#update") (param i32 i32))
          (func (export "trimtab:plugin/affinity@0.1.0#adjust") (param i32 i32 i32 i32))
          (func (export "trimtab:plugin/affinity@0.1.0#find") (param i32 i64 i64 i64 i32) (result i32) (i32.const 0))
          (func (export "trimtab:plugin/affinity@0.1.0#bind")
            (param i32 i64 i64 i64 i32 i32 i32 i32) (result i32) (i32.const 0)))"#
    );
    let seat = bed.seat_of(handing_over("affinity-plugin", &affinity), PluginLimits::default());
    let mut affinity = AffinityInstance::seat(seat).unwrap();
    affinity.restore(&[7]).unwrap();
    assert_eq!((affinity.hands_over(), affinity.save().unwrap()), (true, Some(vec![7, 0, 0])));

    let router = format!(
        r#"(module {REST}
          (func (export "trimtab:plugin/router@0.1.0#configure")
            (param i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32) (i32.const 0))
          (func (export "trimtab:plugin/router@0.1.0#route") (param i32 i64 i64 i64 i32) (result i32) (i32.const 0)))"#
    );
    let seat = bed.seat_of(handing_over("router-plugin", &router), PluginLimits::default());
    let mut router = RouterInstance::seat(seat).unwrap();
    router.restore(&[8]).unwrap();
    assert_eq!((router.hands_over(), router.save().unwrap()), (true, Some(vec![8, 0, 0])));
    router.route(moment(), Box::default()).1.unwrap();
}

/// First tries and retries of `weighted-round-robin`, which is swapped now and then if there is a way to do so.
fn built_in_picks(bed: &Bed, swap: Option<fn(&mut BalancerInstance, &mut BalancerInstance)>) -> Vec<Verdict> {
    let name = "weighted-round-robin";
    let definition = bed.registry.load_blocking(name.into(), Source::BuiltIn, PluginLimits::default()).unwrap();
    assert!(definition.hands_over());
    let seat = Seat { definition, rows: weighted(&[5, 1, 1, 3]), ..bed.seat(&Guest::PASS, PluginLimits::default()) };
    let mut instance = bed.try_build(seat.clone()).unwrap();
    let mut verdicts = Vec::new();
    for nth in 0..60 {
        if let Some(swap) = swap.filter(|_| nth % 7 == 0) {
            let mut next = bed.try_build(seat.clone()).unwrap();
            swap(&mut instance, &mut next);
            instance = next;
        }
        verdicts.push(pick(&mut instance).unwrap());
        let facts = Facts { tried: [nth % 2].into_iter().collect(), ..Facts::default() };
        verdicts.push(instance.pick(Moment { attempt: 1, ..moment() }, Box::new(facts)).1.unwrap());
    }
    verdicts
}

fn weighted(weights: &[u32]) -> Arc<[Row]> {
    rows(weights.len()).into_iter().zip(weights).map(|(row, weight)| Row { weight: *weight, ..row }).collect()
}

#[test]
fn a_swapped_weighted_round_robin_goes_on_exactly_where_it_was() {
    let bed = Bed::new();
    let whole = built_in_picks(&bed, None);
    let swapped = built_in_picks(&bed, Some(|old, new| new.restore(&old.save().unwrap().unwrap()).unwrap()));
    assert_eq!(swapped, whole);
    assert_ne!(built_in_picks(&bed, Some(|_, _| ())), whole, "without it the retries begin anew");
}

#[test]
fn a_handoff_of_other_types_does_not_load() {
    let bed = Bed::new();
    let load = |functions: &str| {
        let bytes = Source::Bytes(with_handoff_of(functions, &Guest::PASS.text()));
        bed.registry.load_blocking("mine".into(), bytes, PluginLimits::default()).unwrap_err()
    };
    let error = load("");
    assert!(matches!(error.reason, LoadReason::Exports(_)), "{error}");
    assert!(error.to_string().contains("`trimtab:plugin/handoff@0.1.0` has no function `restore`"), "{error}");
    let error = load("restore: func();");
    assert!(error.to_string().contains("`restore` of `trimtab:plugin/handoff@0.1.0` is of another type"), "{error}");
}
