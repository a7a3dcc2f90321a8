//! Thousands of connections while configurations change and the process drains: none is lost.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use trimtab_tests::program::free;
use trimtab_tests::{Client, Host, Setup, Spawned, eventually};

use super::TCP;

/// Connections that are held, where the process may have as many descriptors: here one for each, in the host two.
const HELD: usize = 8000;

/// Descriptors that are for everything else.
const OTHERS: u64 = 3000;

/// Says so when it is dropped, also where a test fails.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn echoes(client: &mut Client) -> bool {
    client.wire.send("x").is_ok() && client.wire.exact(1).is_ok_and(|echo| echo == b"x")
}

/// How many may be held: what the system allows, after this process has asked for as much as it can have.
fn held() -> usize {
    let limits = getrlimit(Resource::Nofile);
    // What cannot be raised is not raised.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
    let most = limits.maximum.map_or(HELD as u64, |most| most.saturating_sub(OTHERS) / 2);
    HELD.min(usize::try_from(most).unwrap_or(HELD))
}

#[test]
fn thousands_outlive_reloads_and_the_drain_of_the_process() {
    let a = Spawned::echoing("a");
    let setup = || Setup::of([a.entry()]).listener(TCP).server("drain_timeout = '600s'");
    // A port of its own, so that a listener of another name is on the same.
    let [address] = free();
    let text = |setup: Setup| setup.text().replace("127.0.0.1:0", &address.to_string());
    let mut host = Host::start(&text(setup()));
    let mut clients: Vec<Client> = (0..held()).map(|_| host.client()).collect();
    let count = clients.len() as f64;
    assert!(clients.iter_mut().all(echoes), "all have a backend");
    let stopped = AtomicBool::new(false);
    let newcomers = std::thread::scope(|scope| {
        // Others come all the time, and each is served.
        let coming = scope.spawn(|| {
            let mut served = 0;
            while !stopped.load(Ordering::SeqCst) {
                let mut client = Client::connect(address);
                client.send("x").wire.finish();
                assert_eq!(client.wire.rest().expect("neither refused nor reset"), b"x");
                served += 1;
            }
            served
        });
        let end = Stopping(&stopped);
        // Another balancer, another timeout, another listener beside it, another name, and all of it back again.
        let beside = "[[listener]]\nname = 'beside'\naddress = '127.0.0.2:0'\npool = 'web'\nprotocol = 'tcp'";
        let changed = setup().pool("balancer = 'random'").listener("idle_timeout = '2h'").more(beside);
        for text in [text(changed), text(setup()).replace("name = \"web\"", "name = \"new\""), text(setup())]
            .iter()
            .cycle()
            .take(9)
        {
            host.reloaded(text);
        }
        drop(end);
        coming.join().expect("everybody was served")
    });
    assert!(newcomers > 0);
    assert!(clients.iter_mut().all(echoes), "none of {count} is lost");
    let open = || host.metrics().sum("trimtab_carried_connections", &[]);
    eventually("those who have left are gone", || open() == count);
    host.signal(Signal::TERM);
    eventually("new connections are refused", || TcpStream::connect(address).is_err());
    assert!(clients.iter_mut().all(echoes), "none of {count} is lost");
    for client in &mut clients {
        client.wire.finish();
    }
    assert!(
        clients.iter_mut().all(|client| client.wire.rest().is_ok_and(|rest| rest.is_empty())),
        "each ends in order"
    );
    assert_eq!(host.wait().code(), Some(0));
}
