//! `[server]`, `[admin]` and `[log]`: the process as a whole.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use toml::de::DeValue;

use super::suggest::suggest;
use super::table::Table;
use super::value::Value;
use super::{address, path, rules, values};
use crate::config::report::Finding;
use crate::config::{AccessLog, Address, Admin, CodeCache, Log, LogFormat, Server};

/// Port of the admin API where none is configured.
const ADMIN_PORT: u16 = 9901;

/// `[server]`
pub(super) fn server(mut table: Table<'_>, folder: &Path) -> Server {
    let cores = available_parallelism().map_or(1, usize::from);
    let server = Server {
        workers: table.or("workers", cores, values::whole(1..=512)),
        drain_timeout: table.or("drain_timeout", Duration::from_secs(30), values::duration(values::WAIT)),
        hash_seed: table.or("hash_seed", 0, values::whole(0..=u64::MAX)),
        max_component_size: table.or("max_component_size", 32 << 20, values::memory_size(1 << 10..=1 << 30)),
        name: table.optional("name", values::name).unwrap_or_else(host_name),
        secret_file: table.optional("secret_file", |value| path(value, folder)),
        max_instances: table.optional("max_instances", values::whole(1..=8000)),
        watch: table.or("watch", false, |value| value.boolean()),
        code_cache: table.or("code_cache", CodeCache::Default, |value| code_cache(value, folder)),
        error_pages: table.or("error_pages", Vec::new(), |value| rules::error_pages(value, folder)),
    };
    table.finish();
    server
}

/// `true`, `false`, or a folder. A boolean in quotes is taken for a mistake, not for a folder of that name.
fn code_cache(value: Value<'_>, folder: &Path) -> Option<CodeCache> {
    match value.raw() {
        DeValue::Boolean(true) => Some(CodeCache::Default),
        DeValue::Boolean(false) => Some(CodeCache::Off),
        DeValue::String(text) if !matches!(&**text, "true" | "false") => path(value, folder).map(CodeCache::Folder),
        DeValue::String(text) => {
            value.wrong_type("true, false or a path", format_args!("write `{text}` without quotes"))
        }
        _ => value.wrong_type("true, false or a path", "write `true`, `false` or a folder in quotes"),
    }
}

/// The name of this machine, so far as it can be a name here.
fn host_name() -> Arc<str> {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().unwrap_or_default();
    values::name_problem(name).map_or(name, |_| "localhost").into()
}

/// `[admin]`
pub(super) fn admin(mut table: Table<'_>, folder: &Path) -> Admin {
    let default = || Address::Socket(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ADMIN_PORT));
    let written = table.take("listen");
    let listen = written.and_then(address::admin).unwrap_or_else(default);
    let token_file = table.take("token_file");
    if let (Some(written), None, false) = (written, token_file, is_private(&listen)) {
        table.sink().push(
            Finding::error(written.span(), "whoever reaches this address could replace backends and plugins")
                .absence()
                .help("add `token_file`, or listen on loopback or a Unix socket"),
        );
    }
    let token_file = token_file.and_then(|value| path(value, folder));
    table.finish();
    Admin { listen, token_file }
}

/// Whether only this machine reaches an address.
fn is_private(address: &Address) -> bool {
    match address {
        Address::Socket(socket) => socket.ip().to_canonical().is_loopback(),
        Address::Name(name, _) => &**name == "localhost",
        Address::Unix(_) => true,
    }
}

/// `[log]`
pub(super) fn log(mut table: Table<'_>, folder: &Path) -> Log {
    let formats = [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)];
    let log = Log {
        format: table.or("format", LogFormat::Auto, values::word(&formats)),
        level: table.or("level", "info".to_owned(), level),
        access: table.optional("access", |value| access(value, folder)),
    };
    table.finish();
    log
}

/// Levels, for all of the log or for a part of it: `info`, `warn,trimtab=debug`.
fn level(value: Value<'_>) -> Option<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let text = value.string("a level", "info")?;
    for directive in text.split(',') {
        let (target, level) =
            directive.split_once('=').map_or((None, directive), |(target, level)| (Some(target), level));
        if !LEVELS.contains(&level.trim().to_ascii_lowercase().as_str()) {
            return value.reject_with(
                format_args!("`level`: \"{}\" is no level", level.trim()),
                suggest(level.trim(), &LEVELS, "levels are"),
            );
        }
        let valid = |target: &str| {
            let target = target.trim();
            !target.is_empty() && target.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:".contains(&b))
        };
        if !target.is_none_or(valid) {
            return value.reject_with(
                format_args!("`level`: \"{directive}\" sets the level of nothing"),
                "write `\"info\"`, or with the level of a part, `\"info,trimtab::proxy=debug\"`",
            );
        }
    }
    Some(text.to_owned())
}

/// `"stdout"`, or a path. What has no `/` is taken for a mistyped word: a file is easily written with one.
fn access(value: Value<'_>, folder: &Path) -> Option<AccessLog> {
    let text = value.string("\"stdout\" or a path", "stdout")?;
    match text {
        "stdout" => Some(AccessLog::Stdout),
        _ if text.contains('/') => path(value, folder).map(AccessLog::File),
        _ => value.reject_with(
            format_args!("`access` is \"stdout\" or a path, not \"{text}\""),
            format_args!("write `\"stdout\"`, or `\"./{text}\"` for a file"),
        ),
    }
}
