//! The generated bindings of what every decision about a backend may import.
//!
//! The types of all worlds are these: the module of a decision interface (such as `balancer`)
//! generates its own world with these types and imports in place of copies. A generated module
//! describes only its imports to the component; the description of the exports comes with the export
//! macro, in the plugin's crate. So a plugin carries the exports of its own world alone, and of the
//! imports those that it calls.

#![allow(missing_docs, unreachable_pub, clippy::all)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "facts",
    generate_all,
    generate_unused_types: true,
    additional_derives: [PartialEq, Eq, Hash],
});
