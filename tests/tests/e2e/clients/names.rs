//! DNS by a server and a client of other people: one question, one answer, by UDP and, where that is too small, by TCP.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;

use trimtab_tests::program::{free, installed};
use trimtab_tests::script::run;
use trimtab_tests::{Folder, Host, Program, Setup, eventually};

/// A server that knows a few names, and what it is called by one of them.
fn server(name: &str) -> (Program, SocketAddr) {
    let [address] = free();
    let mut command = Command::new(installed("dnsmasq"));
    command.args(["--no-daemon", "--no-resolv", "--no-hosts", "--bind-interfaces", "--conf-file=/dev/null"]);
    command.args(["--user=root", "--group=root", "--pid-file", "--edns-packet-max=4096"]);
    command.args([&format!("--listen-address={}", address.ip()), &format!("--port={}", address.port())]);
    command.args(["--address=/host.test/192.0.2.7", &format!("--txt-record=name.test,{name}")]);
    // An answer of more than 512 bytes, and one of more than a datagram should have.
    for (record, strings) in [("large.test", 6), ("huge.test", 40)] {
        let text = vec!["x".repeat(200); strings].join(",");
        command.arg(format!("--txt-record={record},{text}"));
    }
    (Program::start(Folder::new(), &mut command, &[address]), address)
}

fn dig(to: SocketAddr, more: &[&str]) -> String {
    let mut command = Command::new(installed("dig"));
    command.args([&format!("@{}", to.ip()), "-p", &to.port().to_string(), "+tries=5", "+time=5"]).args(more);
    run(&mut command)
}

fn finished(host: &Host, listener: &str) -> f64 {
    host.metrics().sum("trimtab_carried_connections_total", &[("listener", listener), ("end", "finished")])
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn questions_and_answers() {
    let (_first, a) = server("first");
    let (_second, b) = server("second");
    let tcp = "[[listener]]\nname = 'tcp'\naddress = '127.0.0.1:0'\nprotocol = 'tcp'\npool = 'web'";
    let host = Setup::of([format!("'{a}'"), format!("'{b}'")])
        .listener("protocol = 'udp'\nresponses = 1")
        .pool("health = { tcp = true, interval = '200ms' }")
        .more(tcp)
        .start();
    assert_eq!(dig(host.address(), &["+short", "host.test", "A"]).trim(), "192.0.2.7");
    let mut seen = BTreeSet::new();
    eventually("both are asked", || {
        seen.insert(dig(host.address(), &["+short", "name.test", "TXT"]));
        seen.len() == 2
    });
    let large = dig(host.address(), &["+short", "+bufsize=4096", "large.test", "TXT"]);
    assert_eq!(large.matches('x').count(), 1200);
    let cut = dig(host.address(), &["+ignore", "+bufsize=512", "huge.test", "TXT"]);
    assert!(cut.contains(" tc "), "it is cut off: {cut}");
    let whole = dig(host.address_of("tcp"), &["+tcp", "+short", "huge.test", "TXT"]);
    assert_eq!(whole.matches('x').count(), 8000);
    eventually("each question is a flow that ends with its answer", || {
        let open = host.metrics().sum("trimtab_carried_connections", &[("listener", "web")]);
        open == 0.0 && finished(&host, "web") >= 5.0 && finished(&host, "tcp") >= 1.0
    });
}
