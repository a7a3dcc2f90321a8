//! Paths that can be written in several ways: what each policy of a listener makes of them, for routes and backends alike.

use trimtab_tests::{Backend, Host, Setup};

/// A host that keeps everybody out of `/admin`.
fn guarded(backend: &Backend, policy: &str) -> Host {
    let route = "[[route]]\npath = '/admin'\npool = 'web'\ndeny = ['0.0.0.0/0']";
    Setup::over(&[backend]).listener(&format!("paths = '{policy}'")).more(route).start()
}

const WAYS_IN: [&str; 12] = [
    "/admin",
    "/admin/",
    "/admin/x?y",
    "//admin",
    "/./admin",
    "/x/../admin",
    "/%61dmin",
    "/%2e/admin",
    "/x/%2E%2e/admin/",
    "/x/..//admin",
    "/x/..;/admin",
    "/x\\..\\admin",
];

#[test]
fn a_denied_path_cannot_be_walked_around() {
    for policy in ["normalise", "strict"] {
        let a = Backend::echo("a");
        let host = guarded(&a, policy);
        for way in WAYS_IN {
            let status = host.get(way).status;
            assert!(matches!(status, 400 | 403), "{policy}: {way} got {status}");
        }
        assert_eq!(a.requests(), 0, "{policy}");
        assert_eq!(host.get("/x/administrator").status, 200, "{policy}");
    }
}

#[test]
fn backends_get_the_path_that_routes_have_matched() {
    let a = Backend::echo("a");
    let host = guarded(&a, "normalise");
    for (sent, got) in [
        ("/a/./b/../c//d?x=/../y", "/a/c/d?x=/../y"),
        ("/%7euser/%e2%82%ac?%61", "/~user/%E2%82%AC?%61"),
        ("/a%2fb", "/a%2Fb"),
        ("/a?", "/a?"),
        ("/?b", "/?b"),
    ] {
        assert_eq!(host.get(sent).json()["uri"], got);
    }
    let response = host.get("/a%2f..%2fb");
    assert_eq!((response.status, response.reason()), (400, "bad-path"));
}

#[test]
fn strictly_nothing_is_changed_and_what_would_be_is_refused() {
    let a = Backend::echo("a");
    let host = guarded(&a, "strict");
    for sent in ["/a%20b/c?d=/../e", "/%C3%A9", "/.hidden/x..y"] {
        assert_eq!(host.get(sent).json()["uri"], sent);
    }
    for sent in ["/a//b", "/a%2Fb", "/%41", "/a/%zz", "/a%00", "/%c3%a9", "/a;b"] {
        assert_eq!(host.get(sent).status, 400, "{sent}");
    }
}
