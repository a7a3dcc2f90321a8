//! TCP Fast Open on both sides, by curl, in a network where it is allowed: one of our own, as most systems allow it towards
//! servers only.

use std::env;
use std::fs;
use std::process::Command;

use trimtab_tests::script::run;
use trimtab_tests::{Backend, Setup};

/// Says that this process is in such a network.
const INSIDE: &str = "TRIMTAB_FAST_OPEN";

/// Connections so far that sent with their first packet: of those who connected, and of those who accepted.
fn counted() -> (u64, u64) {
    let text = fs::read_to_string("/proc/net/netstat").expect("counters");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let value = |name: &str| {
        let position = names.split(' ').position(|known| known == name).expect(name);
        values.split(' ').nth(position).and_then(|value| value.parse().ok()).expect(name)
    };
    (value("TCPFastOpenActive"), value("TCPFastOpenPassive"))
}

/// This test once more, in a network that nobody else is in.
fn go_inside() {
    let this = env::current_exe().expect("this program");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c"]);
    command.arg("ip link set lo up && echo 3 >/proc/sys/net/ipv4/tcp_fastopen && exec \"$@\"");
    command.arg("inside").arg(this).args(["--exact", "--include-ignored", "--nocapture"]);
    command.arg("clients::fast_open::what_is_sent_first_goes_with_the_first_packet").env(INSIDE, "yes");
    let said = run(&mut command);
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn what_is_sent_first_goes_with_the_first_packet() {
    if env::var_os(INSIDE).is_none() {
        return go_inside();
    }
    let backend = Backend::echo("a");
    let asked = |asked: bool| {
        let option = format!("tcp_fast_open = {asked}");
        let behind = Setup::of([backend.entry()]).listener(&option).start();
        let entry = format!("'{}'", behind.address());
        let host = Setup::of([entry]).listener(&option).pool(&option).pool("max_idle = 0").start();
        let before = counted();
        for _ in 0..4 {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", "--fail", "--tcp-fastopen"])
                .arg(format!("http://{}/", host.address()));
            assert!(run(&mut curl).contains("GET"));
        }
        let after = counted();
        assert!(!host.log().contains("not allowed"), "{}", host.log());
        (after.0 - before.0, after.1 - before.1)
    };
    // curl's first has no cookie yet, and the kernel remembers it for all who connect to this address.
    assert_eq!(asked(true), (3 + 4, 3 + 4));
    assert_eq!(asked(false).1, 0, "who does not ask for it has it not");
}
