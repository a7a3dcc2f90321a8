//! The import `table`, called by guests.

use super::*;

const HEAD: &str = r#"
  (import "trimtab:plugin/table@0.1.0" "get" (func $get (param i32 i32 i32)))
  (import "trimtab:plugin/table@0.1.0" "put" (func $put (param i32 i32 i32 i32 i64) (result i32)))
  (import "trimtab:plugin/table@0.1.0" "put-new" (func $put-new (param i32 i32 i32 i32 i64 i32)))
  (import "trimtab:plugin/table@0.1.0" "add" (func $add (param i32 i32 i64 i64) (result i64)))
  (import "trimtab:plugin/table@0.1.0" "remove" (func $remove (param i32 i32)))
  (data (i32.const 1024) "keyvalueother")
  ;; "key", "value" and "other" are at 1024, 1027 and 1032; answers go to 512.
  (func $expect (param i32) (if (i32.eqz (local.get 0)) (then (unreachable))))"#;

/// Answers `backend(n)`, `n` being an `i32` on the stack.
const ANSWER: &str = "(local.set $attempt) (i32.store8 (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (local.get $attempt)) (i32.const 64)";

fn instance(bed: &Bed, body: &str) -> BalancerInstance {
    bed.build(&Guest { head: HEAD, pick: &format!("{body} {ANSWER}"), ..Guest::PASS })
}

fn pick_at(instance: &mut BalancerInstance, now_us: u64) -> Verdict {
    instance.pick(Moment { now_us, ..moment() }, Box::default()).1.unwrap()
}

#[test]
fn bytes_cross_unharmed() {
    let body = r#"
      (call $get (i32.const 1024) (i32.const 3) (i32.const 512))
      (call $expect (i32.eqz (i32.load8_u (i32.const 512)))) ;; none
      (call $expect (call $put (i32.const 1024) (i32.const 3) (i32.const 1027) (i32.const 5) (i64.const 1000)))
      (call $put-new (i32.const 1024) (i32.const 3) (i32.const 1032) (i32.const 5) (i64.const 1000) (i32.const 512))
      (call $expect (i32.eq (i32.load (i32.load (i32.const 512))) (i32.load (i32.const 1027)))) ;; "valu"
      (call $expect (i32.eq (i32.load (i32.const 516)) (i32.const 5)))
      (call $get (i32.const 1024) (i32.const 3) (i32.const 512))
      (call $expect (i32.load8_u (i32.const 512))) ;; some
      (call $expect (i32.eq (i32.load (i32.load (i32.const 516))) (i32.load (i32.const 1027))))
      (call $remove (i32.const 1024) (i32.const 3))
      (call $put-new (i32.const 1024) (i32.const 3) (i32.const 1032) (i32.const 5) (i64.const 1000) (i32.const 512))
      (call $expect (i32.eq (i32.load (i32.load (i32.const 512))) (i32.load (i32.const 1032)))) ;; "othe"
      (call $expect (i32.eqz ;; nothing as large is kept
        (call $put (i32.const 1024) (i32.const 3) (i32.const 0) (i32.const 65536) (i64.const 1000))))
      (call $remove (i32.const 1024) (i32.const 3))
      (i32.const 7)"#;
    let bed = Bed::new();
    let mut instance = instance(&bed, body);
    for _ in 0..100 {
        assert_eq!(pick_at(&mut instance, 1), Verdict::Backend(7));
    }
}

#[test]
fn entries_expire_by_the_time_of_the_decision() {
    let body = "(i32.wrap_i64 (call $add (i32.const 1024) (i32.const 3) (i64.const 2) (i64.const 1000)))";
    let bed = Bed::new();
    let mut instance = instance(&bed, body);
    let now_us = 1_700_000_000_000_000;
    let sums: Vec<_> =
        [0, 1, 1_000_000, 2_000_000].map(|after| pick_at(&mut instance, now_us + after)).into_iter().collect();
    assert_eq!(sums, [2, 4, 6, 2].map(Verdict::Backend), "the last came as the third expired");
}

#[test]
fn lists_beyond_the_memory_trap() {
    let body = "(i32.wrap_i64 (call $add (i32.const 131000) (i32.const 1000) (i64.const 2) (i64.const 1000)))";
    let bed = Bed::new();
    let mut instance = instance(&bed, body);
    assert_eq!(pick(&mut instance).unwrap_err().kind, FaultKind::Trap);
}
