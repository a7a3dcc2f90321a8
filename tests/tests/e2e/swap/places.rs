//! Every place that a plugin can have: each is swapped, and what stands beside it goes on as it was.

use std::collections::BTreeSet;

use trimtab_tests::{Backend, Folder, Setup, Tally, eventually, plugin, under_load_with};

use super::{all_answer, built_in, constant, faults, picker, put};

#[test]
fn clients_that_an_affinity_has_bound_stay() {
    let backends: Vec<_> = (0..5).map(|n| Backend::echo(&format!("b{n}"))).collect();
    let all: Vec<_> = backends.iter().collect();
    let host = Setup::over(&all).pool("affinity = { plugin = 'header', name = 'x-user' }\nbalancer = 'random'").start();
    let bound = |n: usize| host.client().get_with("/", &format!("x-user: {n}\r\n")).backend().to_owned();
    let before: Vec<_> = (0..40).map(bound).collect();
    for _ in 0..3 {
        put(&host, "header", &built_in("header"));
        assert_eq!((0..40).map(bound).collect::<Vec<_>>(), before);
    }
    assert_eq!(faults(&host), 0.0);

    let host = Setup::over(&all).pool("affinity = 'cookie'\nbalancer = 'random'").start();
    let cookies: Vec<_> = (0..20)
        .map(|_| {
            let response = host.get("/");
            let cookie = response.headers.get("set-cookie").and_then(|c| c.split(';').next()).expect("a cookie");
            (response.backend().to_owned(), format!("cookie: {cookie}\r\n"))
        })
        .collect();
    let cookie = |n: usize| cookies[n % cookies.len()].1.clone();
    under_load_with(host.address(), cookie, || (0..10).for_each(|_| put(&host, "cookie", &built_in("cookie"))));
    for (backend, line) in &cookies {
        let response = host.client().get_with("/", line);
        assert_eq!((response.backend(), response.headers.get("set-cookie")), (&**backend, None), "no secret is new");
    }
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn a_router_is_swapped_on_every_route_that_has_it() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    let to = |position: u32| {
        let answer = format!("(i32.store (i32.const 68) (i32.const {position}))");
        plugin::component(&plugin::filled("destination.wat", &[("DESTINATION", &answer)]), "router-plugin", None)
    };
    folder.write("mine.wasm", to(0));
    let route = |name: &str, path: &str| {
        format!(
            "[[route]]\nname = '{name}'\npath = '{path}'\npool = 'web'\nrouter = {{ plugin = 'mine', pools = ['web', 'next'] }}"
        )
    };
    let setup = Setup::over(&[&a]).more(&route("one", "/")).more(&route("two", "/two/"));
    let setup = setup.more(&format!("[pool.next]\nbackends = [{}]", b.entry()));
    let host = setup.more("[plugin.mine]\ncomponent = 'mine.wasm'").start_in(folder);
    let go = |backend: &str| {
        for path in ["/", "/two/"].repeat(16) {
            assert_eq!(host.get(path).backend(), backend, "{path}");
        }
    };
    go("a");
    let components = [to(1), to(0)];
    under_load_with(
        host.address(),
        |_| String::new(),
        || {
            (0..11).for_each(|swap| put(&host, "mine", &components[swap % 2]));
        },
    );
    go("b");
    assert_eq!(host.swap("mine", &to(7)).status, 422, "a pool that is not in its list");
    assert_eq!(host.admin_response("POST", "/plugins/mine/rollback", "").status, 200);
    go("a");
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn a_shaper_weighs_anew_when_it_is_swapped() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    // Weighs the first 0; the other one weighs the last 0.
    let text = plugin::filled("shaper.wat", &[("SECOND", "nop")]);
    let last = "(i32.ne (local.get $number) (i32.sub (local.get $length) (i32.const 1)))";
    let other = text.replace("(i32.ne (local.get $number) (i32.const 0))", last);
    assert_ne!(text, other);
    let [first, last] = [text, other].map(|text| plugin::component(&text, "shaper-plugin", None));
    let folder = Folder::new();
    folder.write("mine.wasm", first);
    let setup = Setup::over(&[&a, &b, &c]).pool("balancer = ['mine', 'weighted-round-robin']");
    let host = setup.more("[plugin.mine]\ncomponent = 'mine.wasm'").start_in(folder);
    let used = || Tally::of(&host, 24).0.into_keys().collect::<String>();
    assert_eq!(used(), "bc");
    put(&host, "mine", &last);
    eventually("the new weights", || used() == "ab");
    assert_eq!(host.admin_response("POST", "/plugins/mine/rollback", "").status, 200);
    eventually("the weights before", || used() == "bc");
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn the_others_of_a_chain_keep_their_instances() {
    let backends = ["a", "b", "c"].map(Backend::echo);
    let [a, b, c] = &backends;
    let folder = Folder::new();
    // The first passes, the second has a sequence of its own.
    folder.write("pass.wasm", plugin::balancer("pass.wat"));
    folder.write("count.wasm", picker("(return (call $backend (i32.sub (global.get $calls) (i32.const 1))))"));
    let setup = Setup::over(&[a, b, c]).workers(1).pool("balancer = ['pass', 'count', 'round-robin']");
    let more = "[plugin.pass]\ncomponent = 'pass.wasm'\n[plugin.count]\ncomponent = 'count.wasm'";
    let host = setup.more(more).start_in(folder);
    let mut order = Vec::new();
    for swap in 0..6 {
        order.extend((0..2).map(|_| host.get("/").backend().to_owned()));
        match swap % 2 {
            0 => put(&host, "pass", &plugin::balancer("pass.wat")),
            _ => put(&host, "round-robin", &built_in("round-robin")),
        }
    }
    assert_eq!(order, ["a", "b", "c"].repeat(4));
    put(&host, "pass", &constant(2));
    all_answer(&host, "c");
    assert_eq!(host.admin_response("POST", "/plugins/pass/rollback", "").status, 200);
    assert_eq!(host.get("/").backend(), "a", "it was not asked, and goes on");
}

#[test]
fn many_pools_change_at_once() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", constant(0));
    let mut setup = Setup::over(&[&a, &b]).pool("balancer = 'mine'").more("[plugin.mine]\ncomponent = 'mine.wasm'");
    for pool in 0..20 {
        let entries = [a.entry(), b.entry()].join(", ");
        setup = setup
            .more(&format!("[pool.p{pool}]\nbalancer = ['mine', 'mine']\nbackends = [{entries}]"))
            .more(&format!("[[route]]\nname = 'r{pool}'\npath = '/{pool}/'\npool = 'p{pool}'"));
    }
    let host = setup.start_in(folder);
    let paths = || (0..20).map(|pool| format!("/{pool}/")).chain(["/".to_owned()]);
    let answers = || paths().map(|path| host.get(&path).backend().to_owned()).collect::<BTreeSet<_>>();
    for (position, backend) in [(1, "b"), (0, "a"), (1, "b")] {
        put(&host, "mine", &constant(position));
        assert_eq!(answers(), BTreeSet::from([backend.to_owned()]));
    }
    assert_eq!(host.admin_response("POST", "/plugins/mine/rollback", "").status, 200);
    assert_eq!(answers(), BTreeSet::from(["a".to_owned()]));
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn a_pool_of_three_thousand_is_swapped_while_it_changes() {
    let everywhere = Backend::everywhere();
    let port = everywhere.address().port();
    let address = |n: usize| format!("127.1.{}.{}:{port}", n / 250, n % 250 + 1);
    let setup = Setup::of((0..3000).map(|n| format!("'{}'", address(n))));
    let host = setup.pool("max_idle = 0\nbalancer = { plugin = 'maglev', key = 'header:x-user' }").start();
    let owner = |key: &str| host.client().get_with("/", &format!("x-user: {key}\r\n")).backend().to_owned();
    let keys: Vec<_> = (0..50).map(|n| format!("key-{n}")).collect();
    let before: Vec<_> = keys.iter().map(|key| owner(key)).collect();
    let component = built_in("maglev");
    under_load_with(
        host.address(),
        |n| format!("x-user: {n}\r\n"),
        || {
            for round in 0..3 {
                let path = format!("/pools/web/backends/{}", address(3000 + round));
                let body = format!(r#"{{"address":"{}"}}"#, address(3000 + round));
                assert_eq!(host.admin("PUT", &path, &body).0, 201);
                put(&host, "maglev", &component);
                assert_eq!(host.admin("DELETE", &path, "").0, 204);
                put(&host, "maglev", &component);
            }
        },
    );
    eventually("every key has its owner", || keys.iter().map(|key| owner(key)).eq(before.iter().cloned()));
    assert_eq!(faults(&host), 0.0, "{}", host.log());
}
