//! What moves much goes through pipes, within the kernel, and only while it moves.

use trimtab_tests::wire::Wire;
use trimtab_tests::{Client, Greeter, Host, eventually};

use super::carrying;

/// Connections that move much at the same time: more than twice what a worker keeps of pipes.
const MANY: usize = 40;

/// What each of them moves, in bytes: more than the sockets on its way hold.
const MUCH: usize = 12 << 20;

/// Descriptors of pipes that the one worker keeps for the next who moves much.
const KEPT: usize = 2 * 16;

/// Much to say, and then whatever the client says.
fn talker() -> Greeter {
    let much = vec![b'm'; MUCH];
    Greeter::with("a", move |wire: &mut Wire| {
        wire.send(&much)?;
        trimtab_tests::greeter::echo(wire)
    })
}

fn downstream(host: &Host) -> f64 {
    host.metrics().sum("trimtab_carried_bytes_total", &[("pool", "web"), ("direction", "downstream")])
}

#[test]
fn pipes_are_held_while_bytes_move_and_no_longer() {
    let a = talker();
    let host = carrying(&[&a]).workers(1).start();
    let before = host.pipes();
    let mut clients: Vec<Client> = (0..MANY).map(|_| host.client()).collect();
    // Nobody reads yet, so what is on its way stays there.
    eventually("much is in pipes", || host.pipes() > before + KEPT + MANY / 2);
    for client in &mut clients {
        assert_eq!(client.wire.exact(MUCH).expect("all of it").len(), MUCH);
    }
    eventually("the pipes are closed, but for a few", || host.pipes() <= before + KEPT);
    assert_eq!(host.metrics().sum("trimtab_carried_connections", &[]), MANY as f64, "and nobody has left");
    // Little goes without one, and what had one goes on.
    for client in &mut clients {
        assert_eq!(client.send("x").wire.exact(1).expect("the echo"), b"x");
    }
    assert!(host.pipes() <= before + KEPT);
    eventually("all is counted", || downstream(&host) == (MANY * (MUCH + 1)) as f64);
}

#[test]
fn who_breaks_off_leaves_no_pipe_behind() {
    let a = talker();
    let host = carrying(&[&a]).workers(1).start();
    let before = host.pipes();
    let clients: Vec<Client> = (0..MANY).map(|_| host.client()).collect();
    eventually("much is in pipes", || host.pipes() > before + KEPT + MANY / 2);
    for client in &clients {
        client.wire.reset_on_drop();
    }
    drop(clients);
    eventually("all are over", || a.open() == 0 && host.metrics().sum("trimtab_carried_connections", &[]) == 0.0);
    assert!(host.pipes() <= before + KEPT, "{} pipes", host.pipes());
}
