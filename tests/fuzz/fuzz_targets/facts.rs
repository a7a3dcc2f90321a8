//! What plugins and routes read of a request: `Host`, cookies and the query.

#![no_main]

use http::{HeaderValue, Uri, header};
use libfuzzer_sys::fuzz_target;
use trimtab::decide::Facts;

fuzz_target!(|parts: (Vec<u8>, Vec<u8>, String, String)| {
    let (host, cookie, query, name) = parts;
    let mut facts = Facts::default();
    for (key, value) in [(header::HOST, &host), (header::COOKIE, &cookie)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            facts.headers.insert(key, value);
        }
    }
    if let Ok(uri) = format!("/?{query}").parse::<Uri>() {
        facts.uri = uri;
    }
    assert!(facts.host().len() <= host.len());
    assert!(facts.cookie(&name).is_none_or(|value| value.len() <= cookie.len()));
    assert!(facts.query_value(&name).is_none_or(|value| facts.query().contains(value)));
});
