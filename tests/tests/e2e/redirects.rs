//! What routes say without a backend: redirects and fixed responses.

use trimtab_tests::{Backend, Folder, Host, Setup};

fn host(backend: &Backend, routes: &str) -> Host {
    Setup::over(&[backend]).more(routes).start()
}

#[test]
fn a_redirect_takes_path_and_query_along() {
    let a = Backend::echo("a");
    let host = host(
        &a,
        "[[route]]\npath = '/old'\nredirect = { to = 'https://example.com/new{rest}{query}', status = 301 }\n\
         [[route]]\npath = '/all'\nredirect = 'https://{host}:8443{path}{query}'\n\
         [[route]]\npath = '/here'\nredirect = { to = '/there', status = 302 }",
    );
    for (target, status, location) in [
        ("/old", 301, "https://example.com/new"),
        ("/old/a/b?c=d&e", 301, "https://example.com/new/a/b?c=d&e"),
        ("/all/x", 308, "https://test:8443/all/x"),
        ("/here/y?z", 302, "/there"),
    ] {
        let response = host.get(target);
        assert_eq!((response.status, response.headers.get("location")), (status, Some(location)), "{target}");
        assert_eq!(response.body.len(), 0);
    }
    assert_eq!(host.get("/older").status, 200);
    assert_eq!(a.requests(), 1, "only what no redirect matches");
}

#[test]
fn a_client_cannot_say_where_a_redirect_leads() {
    let a = Backend::echo("a");
    let host = host(&a, "[[route]]\npath = '/'\nredirect = '{path}{query}'");
    for target in ["//evil.test/x", "/\\evil.test/x", "///evil.test/x"] {
        let location = host.get(target).headers.get("location").unwrap_or_default().to_owned();
        assert_eq!(location, "/evil.test/x", "{target}");
    }
    let location = host.get("/a%0d%0aset-cookie:b=c").headers.get("location").unwrap_or_default().to_owned();
    assert_eq!(location, "/a%0d%0aset-cookie:b=c", "escapes stay escapes");
}

#[test]
fn a_connection_goes_on_after_a_redirect_of_a_request_with_a_body() {
    let a = Backend::echo("a");
    let host = host(&a, "[[route]]\npath = '/old'\nredirect = '/new{rest}'");
    let mut client = host.client();
    assert_eq!(client.post("/old/x", "0123456789").headers.get("location"), Some("/new/x"));
    assert_eq!(client.get("/after").json()["uri"], "/after");
}

#[test]
fn a_fixed_response_is_text_or_a_file() {
    let a = Backend::echo("a");
    let folder = Folder::new();
    folder.write("robots.txt", "User-agent: *\n");
    folder.write("soon.html", "<p>soon");
    let routes = "[[route]]\npath_exact = '/robots.txt'\nrespond = { file = 'robots.txt' }\n\
                  [[route]]\npath = '/shop'\nrespond = { status = 503, file = 'soon.html' }\n\
                  response_headers = { set = { retry-after = '60' } }\n\
                  [[route]]\npath = '/ping'\nrespond = { body = '{}', type = 'application/json' }\n\
                  [[route]]\npath = '/gone'\nrespond = { status = 410 }";
    let host = Setup::over(&[&a]).more(routes).start_in(folder);
    for (target, status, kind, body) in [
        ("/robots.txt", 200, Some("text/plain; charset=utf-8"), "User-agent: *\n"),
        ("/shop/x", 503, Some("text/html; charset=utf-8"), "<p>soon"),
        ("/ping", 200, Some("application/json"), "{}"),
        ("/gone", 410, None, ""),
    ] {
        let response = host.get(target);
        assert_eq!(
            (response.status, response.headers.get("content-type"), response.text().as_str()),
            (status, kind, body)
        );
    }
    assert_eq!(host.get("/shop").headers.get("retry-after"), Some("60"));
    assert_eq!(a.requests(), 0);
}

#[test]
fn a_file_that_is_not_there_is_told_at_once() {
    let a = Backend::echo("a");
    let route = "[[route]]\npath = '/x'\nrespond = { file = 'nowhere.html' }";
    let mut host = Host::spawn(Folder::new(), &Setup::over(&[&a]).more(route).text());
    assert_eq!(host.wait().code(), Some(1));
    assert!(host.log().contains("nowhere.html"), "{}", host.log());
}
