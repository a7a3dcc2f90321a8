//! Header rules, redirects, fixed responses, error pages and paths: what they may be, and what is said of mistakes.

use super::{config, lines, minimal, read, report};
use crate::config::*;

fn text(route: &str) -> String {
    format!("{}[[route]]\npath = \"/v1/x\"\n{route}\n", minimal("", ""))
}

fn route(more: &str) -> Route {
    config(&text(more)).routes.remove(0)
}

/// What is said of the only mistake, without its place.
#[track_caller]
fn complaint(more: &str) -> String {
    let lines = lines(&report(&text(more)));
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].split_once(' ').expect("place").1.to_owned()
}

fn set(value: &str) -> String {
    format!("pool = \"web\"\nrequest_headers = {{ set = {{ x-a = \"{value}\" }} }}")
}

#[test]
fn templates_have_text_and_variables() {
    let template = |value: &str| route(&set(value)).request_headers.set.remove(0).1;
    let text = |text: &str| Part::Text(text.into());
    assert_eq!(template("a {{b}}"), Template::Plain("a {b}".parse().expect("value")));
    assert_eq!(
        template("{client-address}-{path}{query}!"),
        Template::Parts(
            [
                Part::Variable(Variable::ClientAddress),
                text("-"),
                Part::Variable(Variable::Path),
                Part::Variable(Variable::Query),
                text("!"),
            ]
            .into()
        )
    );
    assert!(complaint(&set("{clint-address}")).starts_with("there is no variable `{clint-address}` | did you mean"));
    for broken in ["{path", "path}", "{", "a{{b}"] {
        let problem = "`x-a` has a brace without its other half | write `{{` or `}}` for a brace";
        assert_eq!(complaint(&set(broken)), problem, "{broken}");
    }
    assert!(complaint(&set("a\\r\\nb: c")).contains("holds what a header cannot"));
    assert!(complaint(&set("é")).contains("holds what a header cannot"));
}

#[test]
fn rules_leave_alone_what_frames_a_message() {
    for name in ["connection", "Content-Length", "transfer-encoding", "te", "upgrade"] {
        for rule in [
            format!("set = {{ {name} = \"1\" }}"),
            format!("add = {{ {name} = \"1\" }}"),
            format!("remove = [\"{name}\"]"),
        ] {
            let said = complaint(&format!("pool = \"web\"\nrequest_headers = {{ {rule} }}"));
            assert!(said.contains("is not a matter of rules"), "{said}");
        }
    }
    let host = "request_headers = { set = { host = \"a\" } }";
    assert_eq!(route(&format!("pool = \"web\"\n{host}")).request_headers.set.len(), 1);
    for rules in ["request_headers = { remove = [\"host\"] }", "response_headers = { set = { host = \"a\" } }"] {
        assert!(complaint(&format!("pool = \"web\"\n{rules}")).starts_with("`host` cannot be added or removed"));
    }
}

#[test]
fn a_route_has_a_pool_or_an_answer() {
    let Some(Answer::Redirect { status, .. }) = route("redirect = \"/new{rest}\"").answer else {
        panic!("no redirect")
    };
    assert_eq!(status.as_u16(), 308);
    assert!(
        complaint("redirect = \"/new\"\npool = \"web\"")
            .starts_with("nothing of this route goes to a backend, so `pool`")
    );
    assert!(complaint("redirect = \"/new\"\nstrip_prefix = true").contains("so `strip_prefix` means nothing"));
    assert_eq!(
        complaint("redirect = \"/new\"\nrespond = {}"),
        "a route has either `redirect` or `respond` | remove one of them"
    );
    assert_eq!(
        complaint("redirect = { to = \"/\", status = 200 }"),
        "a redirect has a status of 301, 302, 303, 307 or 308 | write `308`, or `307` if it may change"
    );
    assert!(complaint("redirect = { status = 301 }").contains("has no `to`"));
}

#[test]
fn a_redirect_leads_where_it_says() {
    for to in ["https://example.com", "http://{host}:8080{path}", "{scheme}://{host}{rest}", "/", "/x{query}", "{path}"]
    {
        assert!(route(&format!("redirect = \"{to}\"")).answer.is_some(), "{to}");
    }
    for to in [
        "",
        "example.com",
        "//example.com",
        "/\\\\example.com",
        "ftp://a",
        "https://{path}",
        "https://",
        "{query}",
        "https://a@b",
        "javascript:x",
    ] {
        assert!(complaint(&format!("redirect = \"{to}\"")).contains("is nowhere to go to"), "{to}");
    }
}

#[test]
fn fixed_responses() {
    let Some(Answer::Respond { status, content }) = route("respond = { file = \"a.html\" }").answer else {
        panic!("none")
    };
    assert_eq!((status.as_u16(), content.kind.to_str().ok()), (200, Some("text/html; charset=utf-8")));
    assert_eq!(content.source, Source::File("/etc/trimtab/a.html".into()));
    assert!(complaint("respond = { body = \"a\", file = \"b\" }").starts_with("a response has a `body` or a `file`"));
    assert!(complaint("respond = { status = 204, body = \"a\" }").starts_with("a response of 204 has no body"));
    assert!(complaint("respond = { body = \"a\", type = \"html\" }").starts_with("\"html\" is no media type"));
    assert!(complaint("respond = { status = 100 }").contains("from 200 to 599"));
}

#[test]
fn error_pages_are_by_status_class_or_reason() {
    let pages = route(
        "pool = \"web\"\nerror_pages = { 502 = \"a.html\", 4xx = [\"b\", { file = \"c\", type = \"a/b\" }], no-route = \"d\" }",
    );
    let occasions: Vec<_> = pages.error_pages.iter().map(|(occasion, pages)| (occasion.clone(), pages.len())).collect();
    assert_eq!(occasions, [(Occasion::Class(4), 2), (Occasion::Status(502), 1), (Occasion::Reason("no-route"), 1)]);
    assert!(complaint("pool = \"web\"\nerror_pages = { 200 = \"a\" }").contains("write a status from 400 to 599"));
    assert!(complaint("pool = \"web\"\nerror_pages = { no-bakend = \"a\" }").contains("no-backend"));
    assert!(complaint("pool = \"web\"\nerror_pages = { 404 = [] }").contains("is a file, or a list of files"));
}

#[test]
fn prefixes() {
    let prefixes = |more: &str| {
        let route = route(&format!("pool = \"web\"\n{more}"));
        (route.strip_prefix, route.add_prefix)
    };
    assert_eq!(prefixes("strip_prefix = true"), (Some("/v1/x".into()), None));
    assert_eq!(prefixes("strip_prefix = \"/v1/\"\nadd_prefix = \"/a/\""), (Some("/v1".into()), Some("/a".into())));
    assert_eq!(prefixes("strip_prefix = false\nadd_prefix = false"), (None, None));
    for wrong in ["/v", "/v2", "/v1/x/y", "v1"] {
        assert!(
            complaint(&format!("pool = \"web\"\nstrip_prefix = \"{wrong}\"")).contains("does not begin with"),
            "{wrong}"
        );
    }
    for wrong in ["a", "//a", "/a?b", "/é", "/a b"] {
        let said = complaint(&format!("pool = \"web\"\nadd_prefix = \"{wrong}\""));
        assert!(said.contains("nothing that can go in front"), "{wrong}");
    }
}

#[test]
fn who_is_kept_out_of_a_path_should_not_find_another_way() {
    let guarded = |policy: &str| {
        let text =
            format!("{}[[route]]\npath = \"/admin\"\npool = \"web\"\ndeny = [\"10.0.0.0/8\"]\n", minimal(policy, ""));
        read(&text).map(|loaded| lines(&loaded.warnings)).unwrap_or_default()
    };
    assert_eq!(guarded("paths = \"strict\""), [""; 0]);
    let [warning] = &guarded("paths = \"normalise\"")[..] else { panic!("no warning") };
    assert!(warning.contains("%2F"), "{warning}");
    let [warning] = &guarded("")[..] else { panic!("no warning") };
    assert!(warning.contains("this route keeps clients out of a path that they can write in other ways"), "{warning}");
}
