//! A configuration that cannot be: nothing of it holds, and answer and log say why.

use std::net::TcpListener;

use trimtab_tests::{Backend, Folder, Setup, eventually, plugin, under_load};

use crate::swap::constant;

#[test]
fn nothing_changes() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let folder = Folder::new();
    folder.write("mine.wasm", constant(0));
    folder.write("bad.wasm", "not wasm");
    folder.write("err.wasm", plugin::balancer("configure-error.wat"));
    folder.write("trap.wasm", plugin::balancer("configure-trap.wat"));
    let good = || {
        Setup::over(&[&a, &b]).pool("balancer = 'mine'\nmax_idle = 0").more("[plugin.mine]\ncomponent = 'mine.wasm'")
    };
    let host = good().start_in(folder);
    let instead = |component: &str| good().text().replace("mine.wasm", component);
    let listener = format!("[[listener]]\nname = 'more'\naddress = '127.0.0.1:{port}'\npool = 'web'");
    let free = "[[listener]]\nname = 'free'\naddress = '127.0.0.1:0'\npool = 'web'";
    let cases = [
        ("[pool".to_owned(), "trimtab.toml"),
        (good().text() + "\n[pool.next]\nbackends = ['127.0.0.1:1']\nbalancer = 'nobody'", "nobody"),
        (good().server("drain_timeut = '1s'").text(), "drain_timeut"),
        (good().more(free).more(&listener).text(), "more"),
        (instead("absent.wasm"), "absent.wasm"),
        (instead("bad.wasm"), "is no WebAssembly component"),
        (instead("err.wasm"), "does not accept its settings"),
        (instead("trap.wasm"), "`configure`"),
        (good().pool("affinity = { plugin = 'cookie', nonsense = 1 }").text(), "nonsense"),
    ];
    let descriptors = || host.descriptors();
    let before = descriptors();
    under_load(host.address(), || {
        for (text, why) in &cases {
            // Something good beside what is bad: it must not hold either.
            let text = text.replace(&a.entry(), &a.entry_with("weight = 7"));
            let response = host.reload(&text);
            assert_eq!(response.status, 422, "{why}: {}", response.text());
            for said in ["nothing has changed", why] {
                assert!(response.text().contains(said), "{said} is missing: {}", response.text());
            }
            eventually("the log says why", || host.log().contains(why));
            assert_eq!(host.backend("web", "a")["weight"], 1, "{why}");
            assert_eq!((host.generation("mine"), host.get("/").backend()), (1, "a"));
        }
    });
    eventually("no socket stays", || descriptors() <= before + 4);
    host.reloaded(&good().text());
    assert_eq!(host.get("/").backend(), "a");
}

#[test]
fn what_is_on_disk_counts_and_not_what_was_read_before() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", constant(0));
    let setup = Setup::over(&[&a, &b]).pool("balancer = 'mine'").more("[plugin.mine]\ncomponent = 'mine.wasm'");
    let host = setup.start_in(folder);
    host.folder.write("mine.wasm", "not wasm");
    let response = host.reload(&setup.text());
    assert_eq!(response.status, 422, "{}", response.text());
    assert_eq!((host.generation("mine"), host.get("/").backend()), (1, "a"));
    host.folder.write("mine.wasm", constant(1));
    host.reloaded(&setup.text());
    assert_eq!((host.generation("mine"), host.get("/").backend()), (2, "b"));
}
