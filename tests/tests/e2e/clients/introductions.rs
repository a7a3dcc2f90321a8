//! HAProxy and nginx at both ends of the PROXY protocol: what they say is believed, and what is said to them is understood.
//!
//! Each sender stands before each listener, HTTP and TCP, and behind that each receiver: whom the receiver takes for the
//! client is whom the sender has accepted.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use socket2::{Domain, Socket, Type};
use trimtab_tests::program::{free, installed};
use trimtab_tests::wire::Wire;
use trimtab_tests::{Folder, Host, Program, Setup};

/// Who receives: the pool's name, and the version in which it is told. nginx and HAProxy know both.
const RECEIVERS: [(&str, &str); 4] =
    [("haproxy-v1", "v1"), ("haproxy-v2", "v2"), ("nginx-v1", "v1"), ("nginx-v2", "v2")];
/// Protocols of the listeners, each of which leads to each pool.
const PROTOCOLS: [&str; 2] = ["http", "tcp"];

const DEFAULTS: &str =
    "global\n  maxconn 200\ndefaults\n  timeout connect 20s\n  timeout client 20s\n  timeout server 20s\n";

fn haproxy(sections: &str, addresses: &[SocketAddr]) -> Program {
    let folder = Folder::new();
    let file = folder.write("haproxy.cfg", format!("{DEFAULTS}{sections}"));
    Program::start(folder, Command::new(installed("haproxy")).arg("-db").arg("-f").arg(file), addresses)
}

/// With these lines of the main context.
fn nginx(lines: &str, addresses: &[SocketAddr]) -> Program {
    let folder = Folder::new();
    let root = folder.root().display();
    // Debian has the module for streams in a file, others have it built in.
    let module = std::path::Path::new("/usr/lib/nginx/modules/ngx_stream_module.so");
    let load = if module.is_file() { format!("load_module {};", module.display()) } else { String::new() };
    let config = format!(
        "{load}\ndaemon off;\nmaster_process off;\npid {root}/pid;\nerror_log {root}/errors;\nevents {{}}\n{}",
        lines.replace("ROOT", &root.to_string())
    );
    let file = folder.write("nginx.conf", config);
    Program::start(folder, Command::new(installed("nginx")).arg("-c").arg(file).arg("-p").arg("."), addresses)
}

/// Both answer with whom they take for the client.
fn receivers() -> ([Program; 2], [SocketAddr; 2]) {
    let [haproxy_address, nginx_address] = free();
    let told = format!(
        "frontend told\n  mode http\n  bind {haproxy_address} accept-proxy\n  \
         http-request return status 200 content-type text/plain lf-string \"%[src]:%[src_port]\"\n"
    );
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path ROOT/{kind};"))
        .join("\n");
    let server = format!(
        "http {{\naccess_log off;\n{temporary}\nserver {{\nlisten {nginx_address} proxy_protocol;\nlocation / {{\n\
         default_type text/plain;\nreturn 200 \"$proxy_protocol_addr:$proxy_protocol_port\";\n}}\n}}\n}}\n"
    );
    let programs = [haproxy(&told, &[haproxy_address]), nginx(&server, &[nginx_address])];
    (programs, [haproxy_address, nginx_address])
}

/// A listener for each protocol and pool, named `PROTOCOL-POOL`, that believes who is on this machine.
fn host(receivers: [SocketAddr; 2]) -> Host {
    let mut more = String::new();
    for (pool, version) in RECEIVERS {
        let address = receivers[usize::from(pool.starts_with("nginx"))];
        more += &format!("[pool.{pool}]\nbackends = ['{address}']\nproxy_protocol = '{version}'\n");
        for protocol in PROTOCOLS {
            more += &format!(
                "[[listener]]\nname = '{protocol}-{pool}'\naddress = '127.0.0.1:0'\nprotocol = '{protocol}'\n\
                 pool = '{pool}'\nproxy_protocol = {{ from = ['127.0.0.0/8'] }}\n"
            );
        }
    }
    Setup::of([format!("'{}'", receivers[0])]).more(&more).start()
}

/// Whom the receiver takes for the client of a request that is sent there from this address, and our own end.
fn told(to: SocketAddr, from: IpAddr) -> (String, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(from, 0).into()).expect("loopback has many addresses");
    socket.connect(&to.into()).expect("connected");
    let local = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("bound");
    let mut wire = Wire::tcp(socket.into());
    wire.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").expect("sent");
    let answer = String::from_utf8(wire.rest().expect("an answer")).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    // A body may come in chunks.
    let line = body.lines().find(|line| line.contains(':')).unwrap_or_default();
    (line.to_owned(), local)
}

/// Asks by way of this sender, which stands before all listeners in their order.
fn check(sender: &str, host: &Host, addresses: &[SocketAddr]) {
    let from: IpAddr = [127, 0, 9, 7].into();
    for ((listener, _), address) in listeners(host).iter().zip(addresses) {
        let (told, local) = told(*address, from);
        assert_eq!(told, local.to_string(), "{sender} to {listener}");
    }
}

/// Listeners and where they are.
fn listeners(host: &Host) -> Vec<(String, SocketAddr)> {
    let names = PROTOCOLS.iter().flat_map(|protocol| RECEIVERS.map(|(pool, _)| format!("{protocol}-{pool}")));
    names.map(|name| (name.clone(), host.address_of(&name))).collect()
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn haproxy_and_nginx_say_and_are_told_whom_a_connection_is_from() {
    let (_receivers, addresses) = receivers();
    let host = host(addresses);
    for (sender, options) in [
        ("HAProxy, version 1", "send-proxy"),
        ("HAProxy, version 2", "send-proxy-v2"),
        ("HAProxy, version 2 with fields", "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
    ] {
        let here = free::<8>();
        let sections: String = listeners(&host)
            .iter()
            .zip(&here)
            .map(|((name, to), here)| {
                format!("listen {name}\n  mode tcp\n  bind {here}\n  unique-id-format %[uuid()]\n  server s {to} {options}\n")
            })
            .collect();
        let _sender = haproxy(&sections, &here);
        check(sender, &host, &here);
    }
    let here = free::<8>();
    let servers: String = listeners(&host)
        .iter()
        .zip(&here)
        .map(|((_, to), here)| format!("server {{\nlisten {here};\nproxy_pass {to};\nproxy_protocol on;\n}}\n"))
        .collect();
    let _sender = nginx(&format!("stream {{\n{servers}}}\n"), &here);
    check("nginx, version 1", &host, &here);
    let shed = host.metrics().sum("trimtab_shed_connections_total", &[("reason", "proxy-protocol")]);
    // Those that were only asked whether they listen said nothing.
    assert!(shed <= 40.0, "{shed}");
}
