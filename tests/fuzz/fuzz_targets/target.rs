//! What requests ask for: what is passed on has the one form, with one valid `Host`, and asks for the same. Once in that form,
//! it stays so.

#![no_main]

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use libfuzzer_sys::fuzz_target;
use trimtab::config::PathPolicy::{AsSent, Normalise, Strict};
use trimtab::decide::Facts;
use trimtab::proxy::target::normalise;

fuzz_target!(|parts: (u8, Vec<&str>, &str)| {
    let (form, mut hosts, target) = parts;
    let target = [["", "/", "http://", "https://a.example/"][usize::from(form) % 4], target].concat();
    let Ok(sent) = target.parse::<Uri>() else { return };
    let authority = sent.authority().map(|authority| authority.as_str().to_ascii_uppercase());
    hosts.extend(authority.as_deref().filter(|_| form & 4 > 0));
    let hosts: HeaderMap = hosts.iter().filter_map(|host| Some((HOST, host.parse().ok()?))).collect();
    for method in [Method::GET, Method::OPTIONS, Method::CONNECT] {
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            for policy in [AsSent, Normalise, Strict] {
                let (method, uri, headers) = (method.clone(), sent.clone(), hosts.clone());
                let mut facts = Facts { method, uri, headers, ..Facts::default() };
                if normalise(&mut facts, version, policy).is_err() {
                    continue;
                }
                assert!(facts.method != Method::CONNECT);
                assert!(facts.uri.scheme().is_none() && facts.uri.authority().is_none());
                let target = facts.uri.to_string();
                assert!(target.starts_with('/') || (target == "*" && facts.method == Method::OPTIONS));
                assert_eq!(facts.uri.query(), sent.query());
                assert!(policy == Normalise || facts.uri.path() == sent.path());

                let passed_on: Vec<_> = facts.headers.get_all(HOST).iter().map(HeaderValue::as_bytes).collect();
                assert!(passed_on.len() == 1 || (passed_on.is_empty() && version == Version::HTTP_10));
                assert!(passed_on.iter().all(|host| !host.is_empty()
                    && host.iter().all(|byte| byte.is_ascii_graphic() && !b"/\\@?#%\",<>".contains(byte))));
                let asked = sent.authority().map(|authority| authority.as_str().as_bytes());
                assert!(asked.is_none_or(|asked| passed_on == [asked]));
                let said = hosts.get(HOST).map(HeaderValue::as_bytes);
                let is_said = said.is_none_or(|said| passed_on[0].eq_ignore_ascii_case(said));
                assert!(is_said || (asked.is_some() && version < Version::HTTP_2));

                let (uri, headers) = (facts.uri.clone(), facts.headers.clone());
                assert_eq!(normalise(&mut facts, version, policy), Ok(()));
                assert_eq!((facts.uri, facts.headers), (uri, headers));
            }
        }
    }
});
