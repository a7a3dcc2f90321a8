//! Error pages: by reason, status and class, of routes, listeners and the server, and in place of backends' errors.

use trimtab_tests::{Backend, Folder, Host, Setup};

fn folder() -> Folder {
    let folder = Folder::new();
    for (name, text) in [
        ("404.html", "<p>nowhere"),
        ("5xx.html", "<p>broken"),
        ("5xx.json", "{\"broken\":true}"),
        ("denied.html", "<p>no"),
    ] {
        folder.write(name, text);
    }
    folder
}

fn host(backend: &Backend, listener: &str) -> Host {
    let routes = "[[route]]\npath = '/closed'\npool = 'web'\ndeny = ['0.0.0.0/0']\n\
                  [[route]]\npath = '/empty'\npool = 'none'\nerror_pages = { no-backend = '404.html' }\n\
                  [[route]]\npath = '/none'\npool = 'none'\n[pool.none]\nbackends = []";
    Setup::over(&[backend])
        .server("error_pages = { 404 = '404.html', denied = 'denied.html' }")
        .listener("paths = 'strict'\nerror_pages = { 5xx = ['5xx.html', '5xx.json'] }")
        .listener(listener)
        .more(routes)
        .start_in(folder())
}

#[test]
fn errors_have_the_page_that_is_nearest() {
    let a = Backend::echo("a");
    let host = host(&a, "");
    for (target, status, reason, page) in [
        ("/none", 503, "no-backend", "<p>broken"),
        ("/empty", 503, "no-backend", "<p>nowhere"),
        ("/closed", 403, "denied", "<p>no"),
    ] {
        let response = host.get(target);
        assert_eq!((response.status, response.reason(), response.text().as_str()), (status, reason, page), "{target}");
        assert_eq!(response.headers.get("content-type"), Some("text/html; charset=utf-8"));
    }
    let plain = host.get("/a//b");
    assert_eq!((plain.status, plain.reason()), (400, "bad-path"));
    assert_eq!(plain.headers.get("content-type"), Some("text/plain; charset=utf-8"), "where there is none");
}

#[test]
fn the_client_says_which_of_several_it_takes() {
    let a = Backend::echo("a");
    let host = host(&a, "");
    let response = host.client().get_with("/none", "accept: application/json\r\n");
    assert_eq!(
        (response.headers.get("content-type"), response.text().as_str()),
        (Some("application/json"), "{\"broken\":true}")
    );
    let grpc = "POST /none HTTP/1.1\r\nhost: test\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(host.client().send(grpc).response().headers.get("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn a_head_request_gets_no_page_but_its_length() {
    let a = Backend::echo("a");
    let host = host(&a, "");
    let mut client = host.client();
    let response = client.send("HEAD /none HTTP/1.1\r\nhost: test\r\n\r\n").response_to("HEAD");
    assert_eq!((response.status, response.headers.get("content-length")), (503, Some("9")));
    assert_eq!(client.get("/").status, 200, "the connection is in step");
}

#[test]
fn backends_errors_are_their_own_unless_they_are_intercepted() {
    let a = Backend::new("a", |exchange| {
        exchange.respond(404, "content-type: text/x\r\netag: \"a\"\r\nset-cookie: a=b\r\n", "the backend's")
    });
    assert_eq!(host(&a, "").get("/").text(), "the backend's");
    let host = host(&a, "intercept_errors = true");
    let mut client = host.client();
    for _ in 0..3 {
        let response = client.get("/");
        assert_eq!((response.status, response.text().as_str(), response.reason()), (404, "<p>nowhere", ""));
        assert_eq!(response.headers.get("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(response.headers.get("etag"), None);
        assert_eq!(response.headers.get("set-cookie"), Some("a=b"));
    }
}
