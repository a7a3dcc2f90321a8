//! A plugin that was not asked for a while is tried again, on one worker, after delays that grow.

use std::time::Instant;

use trimtab_tests::eventually;

use super::arena::{Arena, Stranger};
use super::breakers::{open, opened};
use crate::affinity::guest::Guest;

/// Opens at the fifth fault, and is tried again soon.
const FOR_SHORT: &str = "{ faults = 5, window = '10s', delay = '200ms', max_delay = '1s' }";
/// New connections that reach both workers; that they do not is as likely as 2^-31.
const MANY: usize = 32;

/// Asks for the header `x-mood`, and traps where there is one.
const ASK: &str = r#"(import "trimtab:plugin/request@0.1.0" "header" (func $header (param i32 i32 i32)))
                     (data (i32.const 512) "x-mood")"#;
const MOOD: &str = r#"(call $header (i32.const 512) (i32.const 6) (i32.const 528))
                      (if (i32.load8_u (i32.const 528)) (then unreachable))"#;

/// What a plugin can be to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Balancer,
    Affinity,
    Router,
}

pub(super) const ROLES: [Role; 3] = [Role::Balancer, Role::Affinity, Role::Router];

impl Role {
    /// Its place in words.
    pub(super) fn place(self) -> &'static str {
        if self == Self::Router { "route `hostile`" } else { "pool `web`" }
    }
}

/// A plugin that traps where a request has the header `x-mood`, and otherwise always answers the same: the backend `a`,
/// or the pool `next`, where `spare` is.
pub(super) fn moody(role: Role) -> Stranger {
    match role {
        Role::Balancer => Stranger::of(&[("head", ASK), ("pick", MOOD)]),
        Role::Affinity => {
            let find = format!("{MOOD} (return (call $backend (i32.const 0)))");
            Stranger::affinity(Guest { head: ASK, find: &find, ..Guest::default() }.component())
        }
        Role::Router => Stranger::router(ASK, &format!("{MOOD} (i32.store (i32.const 68) (i32.const 1))")),
    }
}

/// Brings it to fail until it is not asked any more.
fn break_it(arena: &Arena) {
    let before = opened(&arena.host);
    arena.load_with(200, "x-mood: bad\r\n", 200, || {
        eventually("it opens", || opened(&arena.host) > before);
    });
}

/// Of many new connections, those on which the plugin decides each time.
fn steered(arena: &Arena) -> usize {
    let by_plugin = |_: &usize| {
        let mut client = arena.host.client();
        (0..6).all(|_| {
            let response = client.get("/hostile");
            assert_eq!(response.status, 200);
            response.backend() == arena.plugins_choice()
        })
    };
    (0..MANY).filter(by_plugin).count()
}

#[test]
fn it_is_tried_on_one_worker_and_then_asked_by_all() {
    std::thread::scope(|scope| {
        for role in ROLES {
            scope.spawn(move || {
                let arena = moody(role).breaker(FOR_SHORT).enter();
                assert_eq!(steered(&arena), MANY, "{role:?}");
                break_it(&arena);
                eventually("it is tried again", || open(&arena.host) == 0.5);
                // It is for a second at least from here on; before that second is over this is done, or says nothing.
                let begin = Instant::now();
                let mut some = 0;
                eventually("the worker that tries it has it", || {
                    some = steered(&arena);
                    some > 0
                });
                let half = open(&arena.host) == 0.5;
                eprintln!("{role:?}: {some} of {MANY} while it is half-open, after {:?}", begin.elapsed());
                assert!(!half || some < MANY, "{role:?}: one worker of two, and {some} connections of {MANY}");
                eventually("it closes", || open(&arena.host) == 0.0);
                eventually("all workers ask it", || steered(&arena) == MANY);
                assert!(arena.host.log().contains("works again: asked by all workers"), "{}", arena.host.log());
                let ready = arena.host.admin_response("GET", "/readyz", "");
                assert!(!ready.text().contains("degraded"), "{}", ready.text());
            });
        }
    });
}

#[test]
fn delays_grow_while_it_goes_on_failing_and_the_fallback_serves_for_good() {
    std::thread::scope(|scope| {
        for role in ROLES {
            scope.spawn(move || {
                let arena = moody(role).breaker(FOR_SHORT).enter();
                arena.load_with(500, "x-mood: bad\r\n", 200, || {
                    eventually("it has been tried and failed four times", || opened(&arena.host) >= 5.0);
                });
                let log = arena.host.log();
                let delays: Vec<_> = log
                    .lines()
                    .filter_map(|line| line.split("not asked for ").nth(1)?.split('"').next())
                    .take(5)
                    .collect();
                assert_eq!(delays, ["200ms", "400ms", "800ms", "1s", "1s"], "{role:?}");
                let (opened, faults) = (opened(&arena.host), arena.faults());
                assert!(faults < 40.0 + 3.0 * opened, "{role:?}: {faults} faults for {opened} openings");
                arena.has_fault("trap");
            });
        }
    });
}
