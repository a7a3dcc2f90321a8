//! Paths by each policy: one form only, and no way up in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab::config::PathPolicy;
use trimtab::proxy::path::apply;

fuzz_target!(|path: &str| {
    let strict = apply(PathPolicy::Strict, path).is_ok();
    let Ok(form) = apply(PathPolicy::Normalise, path) else {
        assert!(!strict);
        return;
    };
    assert!(!strict || form == path);
    assert_eq!(apply(PathPolicy::Normalise, &form).as_deref(), Ok(&*form));
    assert!(form.starts_with('/') && !form.contains("//") && !form.split('/').any(|segment| segment == ".."));
});
