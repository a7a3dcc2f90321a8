//! The house is kept: technologies stay in their modules, imports point down, files stay small.
//!
//! These tests read the sources as text. What they cannot see (a path built by a macro, say) they let pass.

use std::fs;
use std::path::{Path, PathBuf};

use trimtab_tests::plugin::root;

/// A file may have as many lines; about 200 is the aim.
const LONGEST: usize = 450;

/// Crate, and the modules of the host that may know it (a module, or a folder of modules).
const TECHNOLOGIES: &[(&str, &[&str])] = &[
    ("wasmtime", &["plugin"]),
    ("rustls", &["tls"]),
    ("tokio_rustls", &["tls"]),
    ("prost", &["health/grpc", "pool/feedback"]),
    ("hyper", &["proxy", "pool/upstream", "pool/connect", "health", "admin", "cli/demo", "cli/status"]),
    ("h2", &["pool/upstream"]),
    ("serde", &["config/schema", "admin", "cli/status", "lab/simulation/scenario"]),
    ("toml", &["config/schema", "config/syntax", "lab/simulation/scenario"]),
    ("governor", &["rate"]),
    ("proxy_header", &["proxy_protocol"]),
    ("nix", &["proxy/relay/splice", "proxy/bare", "pool/connect", "pool/dial", "server/sockets"]),
    ("quinn_udp", &["proxy/udp"]),
    ("annotate_snippets", &["config"]),
    ("notify", &["server/watch"]),
    ("hickory_resolver", &["pool/discovery"]),
    ("clap", &["cli", "main"]),
    ("trimtab_build", &["cli/plugin"]),
    ("anyhow", &["main"]),
    ("rustc_demangle", &["plugin"]),
    ("rustix", &["server", "worker", "plugin", "telemetry", "admin", "config/schema/process", "health/failure"]),
];

/// Top-level module of the host, and those of its own crate that it may use.
const DOWN: &[(&str, &[&str])] = &[
    ("main", &["cli", "server", "config", "telemetry"]),
    ("cli", &["server", "admin", "config", "telemetry", "plugin", "pool", "lab", "decide"]),
    ("lab", &["plugin", "config", "decide"]),
    (
        "server",
        &[
            "lab",
            "health",
            "tls",
            "worker",
            "admin",
            "snapshot",
            "config",
            "plugin",
            "pool",
            "rate",
            "route",
            "decide",
            "telemetry",
            "proxy",
        ],
    ),
    ("admin", &["snapshot", "config", "plugin", "pool", "rate", "decide", "telemetry"]),
    ("worker", &["proxy", "snapshot", "route", "pool", "plugin", "decide", "config", "telemetry", "tls"]),
    ("proxy", &["snapshot", "route", "rate", "pool", "proxy_protocol", "tls", "decide", "config", "telemetry"]),
    ("snapshot", &["plugin", "pool", "rate", "route", "tls", "config", "decide", "telemetry"]),
    ("proxy_protocol", &["config"]),
    ("rate", &["config", "decide", "telemetry"]),
    ("route", &["config", "decide"]),
    ("pool", &["proxy_protocol", "tls", "decide", "config", "telemetry"]),
    ("plugin", &["decide", "config"]),
    ("telemetry", &["config", "decide"]),
    ("health", &["pool", "proxy_protocol", "tls", "config"]),
    ("tls", &["config"]),
    ("config", &["decide"]),
    ("decide", &[]),
];

/// A Rust source: its path below the folder asked for, without extension, and its code.
struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

impl Source {
    /// The code before the unit tests, without comments.
    fn code(&self) -> String {
        let before = self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        before.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }

    fn is_of(&self, module: &str) -> bool {
        self.module == module || self.module.strip_prefix(module).is_some_and(|rest| rest.starts_with('/'))
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let base = root().join(folder);
    let mut found = Vec::new();
    walk(&base, &mut |path| {
        let module = path.strip_prefix(&base).unwrap_or(path).with_extension("");
        let text = fs::read_to_string(path).expect("sources are text");
        found.push(Source { path: path.to_owned(), module: module.to_string_lossy().into_owned(), text });
    });
    found
}

fn walk(folder: &Path, each: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
            walk(&path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&path);
        }
    }
}

/// Whether `code` has `word` as a whole path segment in front of `::`, or in a `use` of its own.
fn uses(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let after = &code[at + word.len()..];
        let whole = !(before.is_alphanumeric() || before == '_' || before == ':');
        whole && (after.starts_with("::") || (after.starts_with(';') && code[..at].ends_with("use ")))
    })
}

fn none(what: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{what}:\n  {}", offenders.join("\n  "));
}

#[test]
fn technologies_stay_in_their_modules() {
    let mut offenders = Vec::new();
    for source in sources("host/src") {
        let code = source.code();
        for (technology, modules) in TECHNOLOGIES {
            if uses(&code, technology) && !modules.iter().any(|module| source.is_of(module)) {
                offenders.push(format!("{} knows {technology}", source.path.display()));
            }
        }
    }
    none("a technology outside its module", &offenders);
}

#[test]
fn imports_point_down() {
    let mut offenders = Vec::new();
    for source in sources("host/src").iter().filter(|source| source.module != "lib") {
        let top = source.module.split('/').next().unwrap_or_default();
        let Some((_, allowed)) = DOWN.iter().find(|(module, _)| *module == top) else {
            offenders.push(format!("{}: {top} has no place in the table", source.path.display()));
            continue;
        };
        for used in own_modules(&source.code(), top == "main") {
            if used != top && !allowed.contains(&used.as_str()) {
                offenders.push(format!("{} uses {used}", source.path.display()));
            }
        }
    }
    none("an import that does not point down", &offenders);
}

/// The top-level modules of the own crate that the code names.
fn own_modules(code: &str, outside: bool) -> Vec<String> {
    let prefix = if outside { "trimtab::" } else { "crate::" };
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.push(first_word(rest)),
        }
    }
    found.retain(|word| word.starts_with(char::is_lowercase));
    found
}

/// The first word of each item of a `use` group, inner groups passed over.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut item, mut heads) = (0, String::new(), Vec::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(first_word(std::mem::take(&mut item).trim())),
            _ => item.push(c),
        }
    }
    heads.push(first_word(item.trim()));
    heads
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn locks_are_where_no_request_comes_or_where_it_waits() {
    const LOCKS: &[&str] =
        &["plugin/registry", "plugin/builder", "plugin/ticker", "plugin/code_cache", "server/watch", "pool/queue"];
    let has_lock = |source: &Source| {
        let code = source.code();
        ["Mutex", "RwLock"].iter().any(|lock| code.contains(lock)) && !source.module.contains("/tests")
    };
    let offenders: Vec<_> = sources("host/src")
        .iter()
        .filter(|source| has_lock(source) && !LOCKS.iter().any(|module| source.is_of(module)))
        .map(|source| source.path.display().to_string())
        .collect();
    none("a lock", &offenders);
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let mut offenders = Vec::new();
    for folder in ["host/src", "sdk", "plugins", "tests"] {
        for source in sources(folder).iter().filter(|source| !source.module.split('/').any(|part| part == "tests")) {
            for (number, line) in source.code().lines().enumerate() {
                // Put together here, so that this line is not an offence itself.
                if line.contains(concat!(".unwrap", "()")) {
                    offenders.push(format!("{}:{}", source.path.display(), number + 1));
                }
            }
        }
    }
    none("an unwrap", &offenders);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut offenders = Vec::new();
    for folder in ["host", "sdk", "plugins", "examples", "tests"] {
        for source in sources(folder) {
            if !source.text.starts_with("//!") {
                offenders.push(source.path.display().to_string());
            }
        }
    }
    none("a file that does not begin with //!", &offenders);
}

#[test]
fn every_file_is_of_a_size_to_read() {
    let mut offenders = Vec::new();
    for folder in ["host", "sdk", "plugins", "examples", "tests"] {
        for source in sources(folder) {
            let lines = source.text.lines().count();
            if lines > LONGEST {
                offenders.push(format!("{} has {lines} lines", source.path.display()));
            }
        }
    }
    none("a file that tells more than one story", &offenders);
}

#[test]
fn names_say_something() {
    let mut offenders = Vec::new();
    for folder in ["host", "sdk", "plugins", "examples", "tests"] {
        for source in sources(folder) {
            let name = source.module.rsplit('/').next().unwrap_or_default();
            if matches!(name, "mod" | "utils" | "util" | "common" | "helpers" | "misc") {
                offenders.push(source.path.display().to_string());
            }
        }
    }
    none("a name that says nothing", &offenders);
}

#[test]
fn tests_do_not_sleep() {
    let mut offenders = Vec::new();
    for source in sources("tests").iter().filter(|source| source.module != "src/wait") {
        let code = source.code();
        // Parking with a timeout is a sleep, too.
        if code.contains(concat!("thread::", "sleep")) || code.contains(concat!("park_", "timeout")) {
            offenders.push(source.path.display().to_string());
        }
    }
    none("a sleep", &offenders);
}
