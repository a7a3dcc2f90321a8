//! Calls into real sandboxes, and every way in which they fail.

mod giant;
mod handoff;
mod table;
mod wasi;

use super::*;
use crate::config::PluginLimits;
use crate::decide::table::LocalTable;
use crate::decide::{BackendLoad, Balancer, Facts, FaultKind, Keyed, Moment, Readiness, Tabled, Verdict, check};
use crate::plugin::budget;
use crate::plugin::fixtures::Guest;
use crate::plugin::{Activity, Registry, RegistryOptions, Source};

const LOAD: &str = "trimtab:plugin/load@0.1.0";
const REQUEST: &str = "trimtab:plugin/request@0.1.0";

struct Bed {
    registry: Registry,
    _activity: Activity,
}

impl Bed {
    fn new() -> Self {
        let registry = Registry::new(RegistryOptions { max_instances: 4, ..RegistryOptions::default() }).unwrap();
        let activity = registry.activity();
        Self { registry, _activity: activity }
    }

    fn seat(&self, guest: &Guest<'_>, limits: PluginLimits) -> Seat {
        self.seat_of(guest.component(), limits)
    }

    fn seat_of(&self, component: Arc<[u8]>, limits: PluginLimits) -> Seat {
        Seat {
            definition: self.registry.load_blocking("mine".into(), Source::Bytes(component), limits).unwrap(),
            pool: "web".into(),
            worker: 0,
            workers: 2,
            settings: "{}".into(),
            keys: Vec::new(),
            load: Arc::new(PoolLoad::new(2)),
            rows: Arc::new([]),
            pools: Arc::new([]),
            table: Arc::new(LocalTable::new(1 << 16)),
        }
    }

    fn build(&self, guest: &Guest<'_>) -> BalancerInstance {
        self.build_with(guest, PluginLimits::default())
    }

    fn build_with(&self, guest: &Guest<'_>, limits: PluginLimits) -> BalancerInstance {
        self.try_build(self.seat(guest, limits)).unwrap()
    }

    fn try_build(&self, seat: Seat) -> Result<BalancerInstance, BuildError> {
        self.registry.build_blocking(seat)
    }
}

fn moment() -> Moment {
    Moment { key: None, random: 0, now_us: 1, attempt: 0 }
}

fn rows(n: usize) -> Vec<Row> {
    let row = |i| Row {
        id: format!("b{i}").into(),
        address: format!("10.0.0.{i}:80").into(),
        weight: 1,
        readiness: Readiness::Ready,
        labels: Arc::new([("zone".to_owned(), "a".to_owned())]),
        load: Arc::new(BackendLoad::default()),
    };
    (0..n).map(row).collect()
}

fn pick(instance: &mut BalancerInstance) -> Result<Verdict, Fault> {
    let facts = Facts { protocol: "http/1.1", ..Facts::default() };
    let (facts, answer) = instance.pick(moment(), Box::new(facts));
    assert_eq!(facts.protocol, "http/1.1", "the facts come back, whatever happens");
    answer
}

/// A `pick` that goes wrong in the way of `body`, and what a worker then sees.
fn fault_of(body: &str, limits: PluginLimits) -> Fault {
    let bed = Bed::new();
    let mut instance = bed.build_with(&Guest { pick: body, ..Guest::PASS }, limits);
    instance.update(&rows(2)).unwrap();
    let fault = pick(&mut instance).unwrap_err();
    assert!(instance.is_poisoned());
    for again in [pick(&mut instance).map(drop), instance.update(&rows(1)), instance.adjust(&rows(1))] {
        assert!(again.unwrap_err().message.starts_with("not entered again"));
    }
    bed.registry.dispose(instance);
    fault
}

fn round_robin() -> String {
    format!(r#"(import "{LOAD}" "turn" (func $turn (result i64))) (global $n (mut i32) (i32.const 0))"#)
}

const TAKE_TURN: &str = "(i32.store8 (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (i32.wrap_i64 (i64.rem_u (call $turn) (i64.extend_i32_u (global.get $n)))))
    (i32.const 64)";

#[test]
fn instances_may_be_sent() {
    fn sent<T: Send>() {}
    sent::<BalancerInstance>();
}

#[test]
fn picks_in_turn_over_instances() {
    let bed = Bed::new();
    let head = round_robin();
    let guest = Guest { head: &head, update: "(global.set $n (local.get $len))", pick: TAKE_TURN, ..Guest::PASS };
    let seat = bed.seat(&guest, PluginLimits::default());
    let mut one = bed.try_build(seat.clone()).unwrap();
    let mut two = bed.try_build(Seat { worker: 1, ..seat }).unwrap();
    let rows = rows(3);
    one.update(&rows).unwrap();
    two.update(&rows).unwrap();
    one.adjust(&rows).unwrap();
    for i in 0..9 {
        let verdict = pick(if i % 2 == 0 { &mut one } else { &mut two }).unwrap();
        assert_eq!(verdict, Verdict::Backend(i % 3));
        check(verdict, &[Readiness::Ready; 3], &[]).unwrap();
    }
}

#[test]
fn moment_and_verdict_cross_unharmed() {
    let bed = Bed::new();
    let body = "(i32.store8 (i32.const 64) (i32.const 2))
        (i32.store16 (i32.const 68) (i32.add (i32.const 400) (i32.add (local.get $attempt) (i32.add (local.get $keyed)
          (i32.wrap_i64 (i64.add (local.get $key) (i64.add (local.get $random) (local.get $now))))))))
        (i32.const 64)";
    let mut instance = bed.build(&Guest { pick: body, ..Guest::PASS });
    let moment = Moment { key: Some(20), random: 30, now_us: 40, attempt: 5 };
    assert_eq!(instance.pick(moment, Box::default()).1.unwrap(), Verdict::Refuse(496));
    let mut instance = bed.build(&Guest::PASS);
    assert_eq!(pick(&mut instance).unwrap(), Verdict::Pass);
}

#[test]
fn a_trap_is_a_fault_with_a_backtrace() {
    let fault = fault_of("(unreachable)", PluginLimits::default());
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.contains("unreachable"), "{fault}");
    assert!(fault.message.contains("in pick") || fault.message.contains("#pick"), "{fault}");
    assert!(!fault.message.contains('\n'), "{fault}");
}

#[test]
fn a_loop_ends_at_its_deadline() {
    let limits = PluginLimits { deadline: Duration::from_millis(20), ..PluginLimits::default() };
    let before = budget::thread_time();
    let fault = fault_of("(loop $l (br $l)) (unreachable)", limits);
    let used = budget::thread_time() - before;
    assert_eq!(fault.kind, FaultKind::Deadline, "{fault}");
    assert!(used >= limits.deadline, "{used:?}");
}

#[test]
fn memory_beyond_the_limit_is_a_fault_of_that_kind() {
    let limits = PluginLimits { memory: 1 << 20, ..PluginLimits::default() };
    let fault = fault_of(
        "(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then (unreachable))) (i32.const 64)",
        limits,
    );
    assert_eq!(fault.kind, FaultKind::Memory, "{fault}");
    let too_small = PluginLimits { memory: 1 << 16, ..PluginLimits::default() };
    let bed = Bed::new();
    let refused = bed.registry.load_blocking("mine".into(), Source::Bytes(Guest::PASS.component()), too_small);
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("plugin `mine`") && error.contains("memory"), "{error}");
}

#[test]
fn endless_recursion_is_a_trap() {
    let fault = fault_of(
        "(call $pick (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)) (drop) (i32.const 64)",
        PluginLimits::default(),
    );
    assert_eq!(fault.kind, FaultKind::Trap, "{fault}");
    assert!(fault.message.contains("stack"), "{fault}");
    assert!(fault.message.len() < 2048, "{fault}");
}

#[test]
fn an_answer_that_is_no_verdict_is_a_trap() {
    let fault = fault_of("(i32.store8 (i32.const 64) (i32.const 9)) (i32.const 64)", PluginLimits::default());
    assert_eq!(fault.kind, FaultKind::Trap, "{fault}");
}

#[test]
fn a_panic_of_the_host_is_caught() {
    let bed = Bed::new();
    let (mut guest, _) = Guarded::instantiate(&bed.seat(&Guest::PASS, PluginLimits::default())).unwrap();
    let deadline = Duration::from_millis(5);
    let fault = guest.call(deadline, |_| -> wasmtime::Result<()> { panic!("a test's") }).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Panic);
    assert!(fault.message.contains("a test's"));
    assert!(guest.call(deadline, |_| Ok(())).unwrap_err().message.starts_with("not entered again"));
}

#[test]
fn facts_exist_during_decisions_only() {
    let bed = Bed::new();
    let head = format!(r#"(import "{REQUEST}" "client-port" (func $port (result i32)))"#);
    let body = "(i32.store8 (i32.const 64) (i32.const 0)) (i32.store (i32.const 68) (call $port)) (i32.const 64)";
    let update = "(if (local.get $len) (then (drop (call $port))))";
    let mut instance = bed.build(&Guest { head: &head, update, pick: body, ..Guest::PASS });
    let facts = Facts { client: Some("192.0.2.7:4711".parse().unwrap()), ..Facts::default() };
    assert_eq!(instance.pick(moment(), Box::new(facts)).1.unwrap(), Verdict::Backend(4711));
    let fault = instance.update(&rows(1)).unwrap_err();
    assert!(fault.message.contains("outside a decision"), "{fault}");
}

#[test]
fn headers_are_found_and_compared_without_case() {
    let bed = Bed::new();
    let head =
        format!(r#"(import "{REQUEST}" "header" (func $header (param i32 i32 i32))) (data (i32.const 256) "X-User")"#);
    let body = "(call $header (i32.const 256) (i32.const 6) (i32.const 128))
        (i32.store8 (i32.const 64) (i32.eqz (i32.load8_u (i32.const 128))))
        (i32.store (i32.const 68) (i32.load8_u (i32.load (i32.const 132)))) (i32.const 64)";
    let mut instance = bed.build(&Guest { head: &head, pick: body, ..Guest::PASS });
    let mut facts = Facts::default();
    facts.headers.insert("x-user", http::HeaderValue::from_static("anna"));
    let (mut facts, answer) = instance.pick(moment(), Box::new(facts));
    assert_eq!(answer.unwrap(), Verdict::Backend(u32::from(b'a')));
    facts.headers.clear();
    assert_eq!(instance.pick(moment(), facts).1.unwrap(), Verdict::Pass);
}

#[test]
fn loads_are_those_of_the_rows_last_given() {
    let bed = Bed::new();
    let head = format!(
        r#"(import "{LOAD}" "in-flight" (func $in-flight (param i32) (result i32)))
           (import "{LOAD}" "in-flight-total" (func $total (result i32)))"#
    );
    let body = "(i32.store8 (i32.const 64) (i32.const 0))
        (i32.store (i32.const 68) (i32.add (i32.mul (call $total) (i32.const 100))
          (i32.add (i32.mul (call $in-flight (i32.const 1)) (i32.const 10)) (call $in-flight (i32.const 9)))))
        (i32.const 64)";
    let seat = bed.seat(&Guest { head: &head, pick: body, ..Guest::PASS }, PluginLimits::default());
    let load = Arc::clone(&seat.load);
    let mut instance = bed.try_build(seat).unwrap();
    let rows = rows(2);
    instance.update(&rows).unwrap();
    rows[1].load.begin();
    rows[1].load.begin();
    load.begin(0);
    load.begin(1);
    load.begin(1);
    assert_eq!(pick(&mut instance).unwrap(), Verdict::Backend(320));
}

#[test]
fn refused_settings_are_told_in_the_plugins_words() {
    let bed = Bed::new();
    let guest = Guest {
        head: r#"(data (i32.const 256) "percent is\nmissing")"#,
        configure: "(i32.store (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (i32.const 256))
            (i32.store (i32.const 24) (i32.const 18)) (i32.const 16)",
        ..Guest::PASS
    };
    let error = bed.try_build(bed.seat(&guest, PluginLimits::default())).unwrap_err();
    assert!(matches!(error.reason, BuildReason::Configure(_)));
    let text = error.to_string();
    assert!(text.starts_with("plugin `mine` ("), "{text}");
    let end = "for pool `web`: `configure` does not accept its settings: percent is\\nmissing";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn the_plans_keys_are_read_and_overridden() {
    let bed = Bed::new();
    let guest = |name: &'static str| {
        (
            format!(r#"(data (i32.const 256) "{name}")"#),
            format!(
                "(i32.store (i32.const 300) (i32.const 256)) (i32.store (i32.const 304) (i32.const {}))
             (i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 300))
             (i32.store (i32.const 24) (i32.const 1)) (i32.const 16)",
                name.len()
            ),
        )
    };
    let (head, configure) = guest("header:X-User");
    let mut seat = bed.seat(&Guest { head: &head, configure: &configure, ..Guest::PASS }, PluginLimits::default());
    let instance = bed.try_build(seat.clone()).unwrap();
    assert_eq!(instance.keys(), [Key::Header("x-user".into())]);
    seat.keys = vec![Key::Path];
    assert_eq!(bed.try_build(seat).unwrap().keys(), [Key::Path]);
    let (head, configure) = guest("footer:x");
    let seat = bed.seat(&Guest { head: &head, configure: &configure, ..Guest::PASS }, PluginLimits::default());
    let error = bed.try_build(seat).unwrap_err();
    assert!(matches!(&error.reason, BuildReason::Key(_)) && error.to_string().contains("footer:x"), "{error}");
}

#[test]
fn a_configure_that_loops_is_stopped() {
    let bed = Bed::new();
    let limits = PluginLimits { configure_deadline: Duration::from_millis(10), ..PluginLimits::default() };
    let guest = Guest { configure: "(loop $l (br $l)) (unreachable)", ..Guest::PASS };
    let error = bed.try_build(bed.seat(&guest, limits)).unwrap_err();
    assert!(matches!(&error.reason, BuildReason::Fault(fault) if fault.kind == FaultKind::Deadline), "{error}");
}

#[test]
fn a_full_house_is_a_clear_refusal() {
    let bed = Bed::new();
    let seat = bed.seat(&Guest::PASS, PluginLimits::default());
    let mut instances: Vec<_> = (0..4).map(|_| bed.try_build(seat.clone()).unwrap()).collect();
    let error = bed.try_build(seat.clone()).unwrap_err();
    assert!(matches!(error.reason, BuildReason::Full(_)), "{error}");
    instances.pop();
    bed.try_build(seat).unwrap();
}

#[test]
fn a_panic_unwinds_through_the_guest() {
    let bed = Bed::new();
    let head = r#"(import "trimtab:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let body = "(call $log (i32.const 0) (i32.const 0) (i32.const 5)) (i32.const 64)";
    let mut instance = bed.build(&Guest { head, pick: body, ..Guest::PASS });
    let log = tracing_subscriber::fmt().with_writer(|| -> std::io::Sink { panic!("the log is broken") }).finish();
    let fault = tracing::subscriber::with_default(log, || pick(&mut instance)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Panic);
    assert!(fault.message.contains("the log is broken"), "{fault}");
}
