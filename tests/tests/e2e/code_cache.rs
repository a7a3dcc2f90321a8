//! Compiled code outlives a restart: a host that has seen its plugins before is ready at once.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use trimtab_tests::{Backend, Folder, Setup, plugin};

const BUILT_INS: [&str; 8] =
    ["weighted-round-robin", "rendezvous", "p2c", "random", "maglev", "least-connections", "peak-ewma", "ring-hash"];

/// A component of about `size` bytes that picks the first backend. A share of it is code, `functions` of about 1 KiB;
/// the rest is data, as what language runtimes bring along.
fn large(size: usize, functions: usize, seed: u32) -> Vec<u8> {
    let mut more = String::new();
    for number in 0..functions {
        function(&mut more, number, seed);
    }
    let data: String = (0..size.saturating_sub(functions * 1024)).map(|at| letter(at as u32 ^ seed)).collect();
    let pages = 2 + size / 65536;
    let text = plugin::text("first.wat")
        .replace("(memory (export \"memory\") 1)", &format!("(memory (export \"memory\") {pages})"));
    let end = text.rfind(')').expect("a module ends");
    let module = format!("{} {more} (data (i32.const 65536) \"{data}\"))", &text[..end]);
    plugin::component(&module, "balancer-plugin", None)
}

fn letter(at: u32) -> char {
    char::from(b'a' + (at.wrapping_mul(2_654_435_761).rotate_right(13) % 26) as u8)
}

/// A function with a loop, memory, branches and calls.
fn function(text: &mut String, number: usize, seed: u32) {
    let _ = write!(text, "(func $f{number} (param $a i32) (param $b i32) (result i32) (local $c i32) (local $d i64)");
    for step in 0..16u32 {
        let constant = (number as u32).wrapping_mul(31).wrapping_add(step).wrapping_mul(2_654_435_761) ^ seed;
        let offset = constant % 60_000;
        let _ = write!(
            text,
            "(local.set $c (i32.add (i32.xor (local.get $a) (i32.const {constant})) (i32.load offset={offset} (i32.and (local.get $b) (i32.const 1023)))))
             (local.set $d (i64.mul (i64.extend_i32_u (local.get $c)) (i64.const {constant})))
             (if (i32.lt_u (local.get $c) (local.get $a)) (then (local.set $b (i32.rotl (local.get $b) (i32.const {step}))))
               (else (i64.store offset={offset} (i32.and (local.get $a) (i32.const 1023)) (local.get $d))))
             (local.set $a (i32.add (local.get $a) (i32.wrap_i64 (i64.shr_u (local.get $d) (i64.const 7)))))"
        );
    }
    let callee = number.saturating_sub(1);
    let _ = write!(text, "(call $f{callee} (local.get $a) (local.get $b)))");
}

/// Ten plugins, two of them as large as language runtimes are.
#[test]
fn a_second_start_does_not_compile() {
    let mut folder = Folder::new();
    folder.write("js.wasm", large(12 << 20, 300, 1));
    folder.write("py.wasm", large(18 << 20, 450, 2));
    let a = Backend::echo("a");
    let built_ins = BUILT_INS.map(|name| format!("'{name}'")).join(", ");
    let setup = Setup::over(&[&a])
        .server("code_cache = 'cache'")
        .pool(&format!("balancer = ['js', 'py', {built_ins}]"))
        .more("[plugin.js]\ncomponent = 'js.wasm'\n[plugin.py]\ncomponent = 'py.wasm'");
    let mut times = Vec::new();
    // Twice with a full cache: one of them may have had to wait for other tests.
    for _ in 0..3 {
        let begin = Instant::now();
        let mut host = setup.start_in(folder);
        times.push(begin.elapsed());
        assert_eq!(host.get("/").backend(), "a");
        assert_eq!(host.stop().code(), Some(0));
        folder = std::mem::replace(&mut host.folder, Folder::new());
    }
    eprintln!("ready after, with an empty cache and then a full one: {times:?}");
    let full = times[1..].iter().min().copied().unwrap_or(Duration::MAX);
    assert!(full * 3 < times[0], "{times:?}");
}

#[test]
fn a_cache_that_others_can_write_to_is_not_used() {
    let a = Backend::echo("a");
    let folder = Folder::new();
    let cache = folder.path("cache");
    fs::create_dir(&cache).expect("a folder");
    fs::set_permissions(&cache, Permissions::from_mode(0o777)).expect("its mode");
    let host = Setup::over(&[&a]).server("code_cache = 'cache'").start_in(folder);
    assert_eq!(host.get("/").status, 200);
    let log = host.log();
    assert!(log.contains(&cache.display().to_string()) && log.contains("can be written to by others"), "{log}");
    assert_eq!(fs::read_dir(&cache).expect("the folder").count(), 0);
}
