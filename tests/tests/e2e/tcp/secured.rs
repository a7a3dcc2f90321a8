//! TLS that ends here, and TLS towards backends, with bytes between that nobody looks at.

use trimtab_tests::{Authority, Caller, Folder, Greeter, Setup, eventually, greeter, plugin};

use super::{TCP, ended, greeting};

const CERTIFICATES: &str = "certificates = [{ cert = \"test.pem\", key = \"test.key\" }]";

fn authority() -> (Authority, Folder) {
    let (authority, folder) = (Authority::new(), Folder::new());
    authority.issue(&["test"]).write(&folder, "test");
    (authority, folder)
}

#[test]
fn tls_ends_in_front_of_a_backend_without_it() {
    let (authority, folder) = authority();
    let a = Greeter::new("a");
    let host = Setup::of([a.entry()]).listener(TCP).listener(CERTIFICATES).start_in(folder);
    // What the client speaks is between it and the backend: what it offers by ALPN is left open.
    let mut client = Caller::trusting(&authority).offering(&["postgresql"]).call(host.address());
    assert_eq!(client.wire.session().protocol, None);
    assert_eq!(greeting(&mut client.wire).expect("a greeting"), "a");
    client.send("over TLS").wire.finish();
    assert_eq!(client.wire.rest().expect("the echo, and the end"), b"over TLS");
    eventually("it is over", || ended(&host, "finished") == 1.0);
}

#[test]
fn what_both_sides_speak_is_agreed_on_and_told() {
    let (authority, folder) = authority();
    // Tells the last of what its connection begins with: a header of version 2, of which the fields are a protocol and a name.
    let fields = b"\x01\x00\x0apostgresql\x02\x00\x04test";
    let a = Greeter::with("a", move |wire| {
        let head = wire.exact(16 + 12 + fields.len())?;
        wire.send(if head.ends_with(fields) { "told\n".to_owned() } else { format!("{head:?}\n") })?;
        greeter::echo(wire)
    });
    let setup = Setup::of([a.entry()]).listener(TCP).listener(CERTIFICATES).pool("proxy_protocol = 'v2'");
    let host = setup.listener("alpn = ['postgresql', 'h2']").start_in(folder);
    let caller = Caller::trusting(&authority);
    // The host's order counts.
    let mut client = caller.clone().offering(&["h2", "postgresql"]).call(host.address());
    assert_eq!(client.wire.session().protocol.as_deref(), Some("postgresql"));
    assert_eq!(greeting(&mut client.wire).expect("a greeting"), "told");
    let session = caller.clone().offering(&["other", "h2"]).call(host.address()).wire.session();
    assert_eq!(session.protocol.as_deref(), Some("h2"));
    assert_eq!(caller.clone().call(host.address()).wire.session().protocol, None, "who offers nothing is served");
    assert!(caller.offering(&["other"]).connect(host.address()).is_err(), "nothing in common");
}

#[test]
fn a_plugin_sees_what_was_agreed_on() {
    let (authority, folder) = authority();
    let [a, b] = ["a", "b"].map(Greeter::new);
    // It picks the backend that has the place of the protocol's letter in the alphabet.
    let head = r#"(import "trimtab:plugin/request@0.1.0" "alpn" (func $alpn (param i32)))"#;
    let pick = "(call $alpn (i32.const 512)) (if (i32.load8_u (i32.const 512)) (then (return (call $backend \
                (i32.sub (i32.load8_u (i32.load (i32.const 516))) (i32.const 97))))))";
    let text = plugin::placed("balancer.wat", &[("head", head), ("pick", pick)]);
    folder.write("by-alpn.wasm", plugin::component(&text, "balancer-plugin", None));
    let setup = Setup::of([a.entry(), b.entry()]).listener(TCP).listener(CERTIFICATES).pool("balancer = 'mine'");
    let setup = setup.listener("alpn = ['b', 'a']").more("[plugin.mine]\ncomponent = 'by-alpn.wasm'");
    let host = setup.start_in(folder);
    for protocol in ["a", "b"] {
        let mut client = Caller::trusting(&authority).offering(&[protocol]).call(host.address());
        assert_eq!(greeting(&mut client.wire).expect("a greeting"), protocol);
    }
}

#[test]
fn tls_begins_towards_a_backend() {
    let (authority, folder) = authority();
    authority.write(&folder);
    let a = Greeter::secured("a", authority.server(&authority.issue(&["127.0.0.1"]), &["other"], false));
    let tls = format!("tls = {{ ca = '{}' }}", authority.write(&folder).display());
    let host = Setup::of([a.entry()]).listener(TCP).pool(&tls).start_in(folder);
    let mut client = host.client();
    assert_eq!(greeting(&mut client.wire).expect("a greeting"), "a");
    client.send("there and back").wire.finish();
    assert_eq!(client.wire.rest().expect("the echo, and the end"), b"there and back");
}

#[test]
fn a_route_may_go_by_the_name_that_was_asked_for() {
    let (authority, folder) = authority();
    let (a, b) = (Greeter::new("a"), Greeter::new("b"));
    let more = format!("[pool.b]\nbackends = [{}]\n[[route]]\nsni = 'test'\npool = 'b'", b.entry());
    let host = Setup::of([a.entry()]).listener(TCP).listener(CERTIFICATES).more(&more).start_in(folder);
    let mut client = Caller::trusting(&authority).call(host.address());
    assert_eq!(greeting(&mut client.wire).expect("a greeting"), "b");
}

#[test]
fn who_speaks_no_tls_gets_nowhere() {
    let (_, folder) = authority();
    let a = Greeter::new("a");
    let host = Setup::of([a.entry()]).listener(TCP).listener(CERTIFICATES).start_in(folder);
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    // No answer in HTTP: nobody said that it is spoken here.
    assert_eq!(client.wire.rest().unwrap_or_default(), b"");
    assert_eq!(a.accepted(), 0);
}
