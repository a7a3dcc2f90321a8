//! What may be written in a configuration.
//!
//! One pass over the TOML, in the order in which things refer to each other: plugins, pools,
//! listeners, routes. Whatever is wrong is recorded and reading goes on; what comes out is
//! a configuration only if nothing was. Files are not touched here.

mod address;
mod capacity;
mod carried;
mod datagrams;
mod discovery;
mod feedback;
mod health;
mod http2;
mod listener;
mod names;
mod outlier;
mod plugin;
mod pool;
mod process;
mod protocol;
mod proxy_protocol;
mod rate;
mod recovery;
mod replacement;
mod retry;
mod route;
mod rules;
mod server_tls;
mod sockets;
mod suggest;
mod table;
mod tls;
mod unix;
mod value;
mod values;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use self::names::Names;
use self::plugin::Plugins;
use self::table::Table;
use self::value::Value;
use super::report::{Finding, Sink};
use super::{Backend, Config};

/// Reads a document. Relative paths in it start at `folder`; `built_ins` are the plugins that need no
/// declaration. What comes out is to be thrown away if an error was recorded.
pub(super) fn read(document: &DeTable<'_>, folder: &Path, built_ins: &[&str], sink: &Sink) -> Config {
    let mut root = Table::root(document, sink);
    let [server, admin, log] =
        ["server", "admin", "log"].map(|section| root.optional(section, |value| value.table(format!("`[{section}]`"))));
    let server = process::server(server.unwrap_or_else(|| Table::empty(sink)), folder);
    let admin = admin.map(|table| process::admin(table, folder));
    let log = process::log(log.unwrap_or_else(|| Table::empty(sink)), folder);

    let mut names = Names::with_built_ins("plugin", built_ins);
    let sections = named_tables(&mut root, "plugin", &mut names);
    let configured = sections
        .into_iter()
        .map(|section| (section.name.clone(), plugin::plugin(section.table, &section.name, &names, folder)))
        .collect();
    let plugins = Plugins { names, configured: &configured };

    let forgets = server.secret_file.is_none();
    let mut pool_names = Names::new("pool");
    let sections = named_tables(&mut root, "pool", &mut pool_names);
    let pools: BTreeMap<_, _> = sections
        .into_iter()
        .filter_map(|section| {
            Some((section.name, pool::pool(section.table, section.header, &plugins, forgets, folder)?))
        })
        .collect();

    let mut listener_names = Names::new("listener");
    let tables = listed_tables(&mut root, "listener");
    let listeners: Vec<_> = tables
        .into_iter()
        .filter_map(|table| listener::listener(table, &pool_names, &mut listener_names, folder))
        .collect();
    listener::report_duplicates(&listeners, sink);

    let tables = listed_tables(&mut root, "route");
    let written = tables.len();
    let known =
        route::Known { plugins: &plugins, pools: &pool_names, names: &listener_names, listeners: &listeners, folder };
    let mut route_names = Names::new("route");
    let routes: Vec<_> = tables
        .into_iter()
        .zip(1..)
        .filter_map(|(table, number)| route::route(table, number, &known, &mut route_names))
        .collect();
    route::warn_of_repeats(&routes, sink);
    route::warn_of_ways_around(&routes, listeners.iter().map(|written| &written.listener), sink);
    let routes: Vec<_> = routes.into_iter().map(|written| written.route).collect();

    if is_empty(document, "listener") {
        let finding = Finding::error(0..0, "this configuration has no listener: it would serve nothing");
        sink.push(finding.absence().help("add `[[listener]]` with an `address` and a `pool`"));
    } else if routes.len() == written && (written > 0 || is_empty(document, "route")) {
        // Routes with errors might lead somewhere once they are right.
        listener::report_dead_ends(&listeners, &routes, sink);
    }
    datagrams::report_pools(&listeners, &routes, &pools, sink);
    plugins.names.warn_of_unused(sink);
    pool_names.warn_of_unused(sink);
    root.finish();

    let listeners = listeners.into_iter().map(|written| written.listener).collect();
    Config { server, admin, log, listeners, routes, pools, plugins: configured }
}

/// Reads a list of backends that stands alone, under the key `backends`.
pub(super) fn listed(document: &DeTable<'_>, sink: &Sink) -> Option<Vec<Backend>> {
    let mut root = Table::new("this list of backends".to_owned(), 0..0, document, sink);
    let backends = root.required("backends", "backends = [\"10.0.0.1:80\"]", |value| pool::backends(value, sink));
    root.finish();
    backends
}

/// A table of which the key is a name: `[pool.web]`.
struct Section<'a> {
    name: Arc<str>,
    header: Range<usize>,
    table: Table<'a>,
}

/// The tables of a section, in the order in which they are written.
fn named_tables<'a>(root: &mut Table<'a>, kind: &'static str, names: &mut Names) -> Vec<Section<'a>> {
    let Some(all) = root.optional(kind, |value| value.table(format!("`[{kind}.NAME]`"))) else {
        return Vec::new();
    };
    let mut entries: Vec<_> = all.entries().collect();
    entries.sort_by_key(|(_, header, _)| header.start);
    let sections = entries.into_iter().filter_map(|(name, header, value)| {
        let table = value.table(format!("`[{kind}.{name}]`"));
        Some(Section { name: names.declare(name, header.clone(), value.sink()), header, table: table? })
    });
    sections.collect()
}

/// The tables of a list: `[[listener]]`.
fn listed_tables<'a>(root: &mut Table<'a>, kind: &'static str) -> Vec<Table<'a>> {
    let place = format!("`[[{kind}]]`");
    let Some(value) = root.take(kind) else { return Vec::new() };
    if let DeValue::Table(_) = value.raw() {
        let message = format!("there may be several {kind}s, so each is written in double brackets");
        value.reject_with(message, format_args!("write {place}"))
    } else {
        value.list("a list of tables", &format!("[[{kind}]]"))
    }
    .into_iter()
    .flatten()
    .filter_map(|value| value.table(place.clone()))
    .collect()
}

/// Whether a list is empty or not there.
fn is_empty(document: &DeTable<'_>, kind: &str) -> bool {
    document.get(kind).is_none_or(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty()))
}

/// A path, relative to the configuration's folder.
fn path(value: Value<'_>, folder: &Path) -> Option<PathBuf> {
    let text = value.string("a path in quotes", "./file")?;
    match text.is_empty() || text.contains('\0') {
        false => Some(folder.join(text)),
        true => value.reject(format_args!("`{}` is no path", value.key())),
    }
}
