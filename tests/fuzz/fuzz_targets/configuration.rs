//! A configuration as text: what is wrong with it can be shown, whatever it is.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use trimtab::config::load::parse;

fuzz_target!(|text: &str| {
    if let Err(report) = parse(text, "fuzz.toml", Path::new("/"), &["round-robin", "cookie"]) {
        assert!(!report.render(false).is_empty());
    }
});
