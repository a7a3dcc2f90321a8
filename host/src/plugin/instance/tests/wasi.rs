//! WASI, called by guests: nothing is out there, nobody waits, and a print is a line of the log.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::*;

const CLOCK: &str = r#"
  (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now_ns (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-instant" (func $at (param i64) (result i32)))
  (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $timer (param i64) (result i32)))
  (import "wasi:io/poll@0.2.6" "[method]pollable.ready" (func $ready (param i32) (result i32)))
  (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.6" "[resource-drop]pollable" (func $drop (param i32)))
  (import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))"#;

const STREAMS: &str = r#"
  (import "wasi:cli/stdin@0.2.6" "get-stdin" (func $stdin (result i32)))
  (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stderr@0.2.6" "get-stderr" (func $stderr (result i32)))
  (import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
  (data (i32.const 256) "one\ntwo\n\nthree")"#;

/// Answers `backend(n)`, `n` being an `i32` on the stack.
const ANSWER: &str = "(local.set $attempt) (i32.store8 (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (local.get $attempt)) (i32.const 64)";

/// The text of a fixture.
fn fixture(name: &str) -> String {
    let path = format!("{}/../tests/fixtures/{name}.wat", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn of_fixture(bed: &Bed, name: &str) -> BalancerInstance {
    let component = crate::plugin::fixtures::component_of("wasi-balancer-plugin", &fixture(name));
    let seat = bed.seat(&Guest::PASS, PluginLimits::default());
    let load = bed.registry.load_blocking(name.into(), Source::Bytes(component), PluginLimits::default());
    bed.try_build(Seat { definition: load.unwrap(), ..seat }).unwrap()
}

fn instance(bed: &Bed, head: &str, body: &str) -> BalancerInstance {
    bed.build(&Guest { head, pick: &format!("{body} {ANSWER}"), ..Guest::PASS })
}

fn fault_in(head: &str, body: &str) -> Fault {
    let bed = Bed::new();
    let fault = pick(&mut instance(&bed, head, body)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap, "{fault}");
    fault
}

fn pick_at(instance: &mut BalancerInstance, moment: Moment) -> Verdict {
    instance.pick(moment, Box::default()).1.unwrap()
}

/// What is logged while `run` runs.
fn logged<T>(run: impl FnOnce() -> T) -> (T, String) {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let done = tracing::subscriber::with_default(subscriber, run);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (done, text)
}

#[test]
fn the_types_are_those_of_wasi() {
    let stream = |method: &str, params: &str| {
        format!(r#"(import "wasi:io/streams@0.2.6" "[method]{method}" (func (param {params})))"#)
    };
    let reads = ["read", "blocking-read", "skip", "blocking-skip"];
    let reads = reads.map(|read| stream(&format!("input-stream.{read}"), "i32 i64 i32"));
    let writes = ["write", "blocking-write-and-flush"];
    let writes = writes.map(|write| stream(&format!("output-stream.{write}"), "i32 i32 i32 i32"));
    let zeroes = ["write-zeroes", "blocking-write-zeroes-and-flush"];
    let zeroes = zeroes.map(|write| stream(&format!("output-stream.{write}"), "i32 i64 i32"));
    let others = ["check-write", "flush", "blocking-flush"];
    let others = others.map(|name| stream(&format!("output-stream.{name}"), "i32 i32"));
    let splices = ["splice", "blocking-splice"];
    let splices = splices.map(|name| stream(&format!("output-stream.{name}"), "i32 i32 i64 i32"));
    let methods = [&reads[..], &writes, &zeroes, &others, &splices].concat().concat();
    let head = format!(
        r#"{methods}
      (import "wasi:io/streams@0.2.6" "[method]input-stream.subscribe" (func (param i32) (result i32)))
      (import "wasi:io/streams@0.2.6" "[method]output-stream.subscribe" (func (param i32) (result i32)))
      (import "wasi:io/error@0.2.6" "[method]error.to-debug-string" (func (param i32 i32)))
      (import "wasi:io/error@0.2.6" "[resource-drop]error" (func (param i32)))
      (import "wasi:cli/exit@0.2.6" "exit-with-code" (func (param i32)))
      (import "wasi:cli/terminal-stdin@0.2.6" "get-terminal-stdin" (func (param i32)))
      (import "wasi:cli/terminal-stdout@0.2.6" "get-terminal-stdout" (func (param i32)))
      (import "wasi:cli/terminal-stderr@0.2.6" "get-terminal-stderr" (func (param i32)))
      (import "wasi:clocks/monotonic-clock@0.2.6" "resolution" (func (result i64)))
      (import "wasi:clocks/wall-clock@0.2.6" "now" (func (param i32)))
      (import "wasi:clocks/wall-clock@0.2.6" "resolution" (func (param i32)))
      (import "wasi:random/insecure@0.2.6" "get-insecure-random-bytes" (func (param i64 i32)))
      (import "wasi:random/insecure@0.2.6" "get-insecure-random-u64" (func (result i64)))
      (import "wasi:random/insecure-seed@0.2.6" "insecure-seed" (func (param i32)))
      {CLOCK} {STREAMS}"#
    );
    let bed = Bed::new();
    assert_eq!(pick(&mut instance(&bed, &head, "(i32.const 3)")).unwrap(), Verdict::Backend(3));
}

#[test]
fn nothing_is_out_there() {
    let bed = Bed::new();
    let mut surroundings = of_fixture(&bed, "surroundings");
    for _ in 0..3 {
        assert_eq!(pick(&mut surroundings).unwrap(), Verdict::Pass);
    }
    let network = r#"(import "wasi:sockets/instance-network@0.2.6" "instance-network" (func $network (result i32)))"#;
    let fault = fault_in(network, "(call $network)");
    let said = "called `wasi:sockets/instance-network@0.2.6` `instance-network`, which a plugin may not";
    assert!(fault.message.starts_with(said), "{fault}");
}

#[test]
fn an_exit_is_a_fault_and_what_was_begun_is_said() {
    let bed = Bed::new();
    let fault = pick(&mut of_fixture(&bed, "exit")).unwrap_err();
    assert!(fault.message.starts_with("exited with failure, which a plugin may not"), "{fault}");
    let body = "(call $write (call $stderr) (i32.const 256) (i32.const 3) (i32.const 96)) (call $exit (i32.const 0))";
    let mut talks = instance(&bed, STREAMS, &format!("{body} (i32.const 0)"));
    let (fault, log) = logged(|| pick(&mut talks).unwrap_err());
    assert!(fault.message.starts_with("exited with success"), "{fault}");
    assert!(log.contains("WARN") && log.contains("one"), "{log}");
}

#[test]
fn nobody_waits() {
    let bed = Bed::new();
    for name in ["sleep", "poll"] {
        let fault = pick(&mut of_fixture(&bed, name)).unwrap_err();
        assert!(fault.message.starts_with("would wait (`wasi:io/poll`), which a plugin may not"), "{name}: {fault}");
    }
    let none = fault_in(CLOCK, "(call $poll (i32.const 0) (i32.const 0) (i32.const 96)) (i32.const 0)");
    assert!(none.message.starts_with("would wait"), "{none}");
}

#[test]
fn what_is_ready_is_found() {
    let bed = Bed::new();
    let body = "(call $block (call $timer (i64.const 0)))
      (i32.store (i32.const 128) (call $timer (i64.const 1)))
      (i32.store (i32.const 132) (call $at (call $now_ns)))
      (call $poll (i32.const 128) (i32.const 2) (i32.const 96))
      (call $drop (i32.load (i32.const 128)))
      (i32.add (i32.mul (i32.load (i32.const 100)) (i32.const 10)) (i32.load (i32.load (i32.const 96))))";
    assert_eq!(pick(&mut instance(&bed, CLOCK, body)).unwrap(), Verdict::Backend(11), "one, the second");
    let body = "(if (i32.eqz (global.get $kept)) (then (global.set $kept (call $timer (i64.const 1000000)))))
      (call $ready (global.get $kept))";
    let head = format!("{CLOCK} (global $kept (mut i32) (i32.const 0))");
    let mut later = instance(&bed, &head, body);
    let at = |now_us| Moment { now_us, ..moment() };
    let answers = [5_000, 5_999, 6_000].map(|now_us| pick_at(&mut later, at(now_us)));
    assert_eq!(answers, [Verdict::Backend(0), Verdict::Backend(0), Verdict::Backend(1)], "a millisecond later");
}

#[test]
fn both_clocks_are_the_moments() {
    let bed = Bed::new();
    let head = format!(r#"{CLOCK} (import "wasi:clocks/wall-clock@0.2.6" "now" (func $wall (param i32)))"#);
    let body = "(call $wall (i32.const 96))
      (if (i64.ne (i64.load (i32.const 96)) (i64.const 1700000000)) (then (unreachable)))
      (if (i32.ne (i32.load (i32.const 104)) (i32.const 123456000)) (then (unreachable)))
      (i64.eq (call $now_ns) (i64.const 1700000000123456000))";
    let moment = Moment { now_us: 1_700_000_000_123_456, ..moment() };
    assert_eq!(pick_at(&mut instance(&bed, &head, body), moment), Verdict::Backend(1));
}

#[test]
fn prints_are_lines_of_the_log() {
    let bed = Bed::new();
    let mut print = of_fixture(&bed, "print");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // On a thread that an executor runs on, as a worker's is.
    let (answers, log) = logged(|| runtime.block_on(async { [pick(&mut print), pick(&mut print)] }));
    for answer in answers {
        assert_eq!(answer.unwrap(), Verdict::Backend(0));
    }
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 4, "{log}");
    assert!(lines[0].contains("INFO") && lines[0].contains("from stdout") && lines[0].contains("print"), "{log}");
    assert!(lines[1].contains("WARN") && lines[1].contains("from stderr"), "{log}");
}

#[test]
fn lines_are_whole_and_bounded() {
    let bed = Bed::new();
    let body = |from, len| {
        format!("(call $write (call $stdout) (i32.const {from}) (i32.const {len}) (i32.const 96)) (i32.const 0)")
    };
    let mut talks = instance(&bed, STREAMS, &body(256, 14));
    let (_, log) = logged(|| pick(&mut talks).unwrap());
    assert_eq!(log.lines().count(), 2, "an empty line is none, and the last has not ended: {log}");
    let (_, log) = logged(|| pick(&mut talks).unwrap());
    assert!(log.contains("threeone"), "{log}");
    let mut fills = instance(&bed, STREAMS, &body(512, 4000));
    let (_, log) = logged(|| (pick(&mut fills).unwrap(), pick(&mut fills).unwrap()));
    assert_eq!(log.lines().count(), 1, "a line that does not end is cut: {}", log.len());
    let fault = fault_in(STREAMS, &body(512, 4097));
    assert!(fault.message.starts_with("wrote 4097 bytes to a stream at once; 4096 are allowed"), "{fault}");
}

#[test]
fn a_flood_of_prints_is_cut() {
    let bed = Bed::new();
    let body = "(local.set $attempt (i32.const 1000))
      (loop $again
        (call $write (global.get $out) (i32.const 256) (i32.const 4) (i32.const 96))
        (br_if $again (local.tee $attempt (i32.sub (local.get $attempt) (i32.const 1)))))
      (i32.const 0)";
    let head = format!("{STREAMS} (global $out (mut i32) (i32.const 0))");
    let configure = "(global.set $out (call $stdout)) (call $ok)";
    let pick_body = format!("{body} {ANSWER}");
    let mut floods = bed.build(&Guest { head: &head, configure, pick: &pick_body, ..Guest::PASS });
    let (_, log) = logged(|| pick(&mut floods).unwrap());
    assert!((100..110).contains(&log.lines().count()), "{}", log.lines().count());
}

#[test]
fn chance_is_the_moments() {
    let head = r#"
      (import "wasi:random/random@0.2.6" "get-random-u64" (func $draw (result i64)))
      (import "wasi:random/random@0.2.6" "get-random-bytes" (func $bytes (param i64 i32)))
      (global $configured (mut i32) (i32.const 0))"#;
    let draw = "(i32.wrap_i64 (i64.add (call $draw) (i64.const 0)))";
    let bed = Bed::new();
    let mut draws = instance(&bed, head, draw);
    let of = |instance: &mut BalancerInstance, random| pick_at(instance, Moment { random, ..moment() });
    let first = of(&mut draws, 7);
    assert_ne!(of(&mut draws, 8), first);
    assert_eq!(of(&mut draws, 7), first, "the same moment, the same chance");

    let configure = format!("(global.set $configured {draw}) (call $ok)");
    let body = format!("(global.get $configured) {ANSWER}");
    let seat = bed.seat(&Guest { head, configure: &configure, pick: &body, ..Guest::PASS }, PluginLimits::default());
    let one = pick(&mut bed.try_build(seat.clone()).unwrap()).unwrap();
    assert_eq!(pick(&mut bed.try_build(seat.clone()).unwrap()).unwrap(), one, "the same seat, the same chance");
    assert_ne!(pick(&mut bed.try_build(Seat { worker: 1, ..seat }).unwrap()).unwrap(), one);

    let fault = fault_in(head, "(call $bytes (i64.const 0x100000000) (i32.const 96)) (i32.const 0)");
    assert!(fault.message.starts_with("asked for 4294967296 random bytes at once"), "{fault}");
}

#[test]
fn handles_are_bounded() {
    let bed = Bed::new();
    let mut leaks = of_fixture(&bed, "leak");
    let (picks, fault) = (0..).find_map(|n| pick(&mut leaks).err().map(|fault| (n, fault))).unwrap();
    assert_eq!(picks, 10, "a hundred handles each");
    assert!(fault.message.contains("handle limit exceeded"), "{fault}");
    let forever = "(loop $again (drop (call $stdout)) (br $again)) (i32.const 0)";
    let streams = fault_in(STREAMS, forever);
    assert!(streams.message.contains("handle limit exceeded"), "{streams}");
    // One that gives them back may have as many as it likes.
    let body = "(local.set $attempt (i32.const 5000))
      (loop $again
        (call $drop (call $timer (i64.const 1)))
        (br_if $again (local.tee $attempt (i32.sub (local.get $attempt) (i32.const 1)))))
      (i32.const 0)";
    pick(&mut instance(&bed, CLOCK, body)).unwrap();
}
