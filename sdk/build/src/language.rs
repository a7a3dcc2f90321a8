//! The languages that a plugin can be written in: what a new project has in it, and how one becomes a component.
//!
//! Each has a file here and a folder in `templates/`, with a folder in it for each role: the source of a plugin, and its test. In
//! templates `{{name}}` is the name of the project, and `{{snake}}` the same with `_` for `-`; `{{Role}}`, `{{story}}` and
//! `{{command}}` are those of the [role].

/// Sources with these paths, of the folders of the roles in this folder of `templates/`.
macro_rules! sources {
    ($($folder:literal: $path:literal),+ $(,)?) => {
        &[$(($path, [
            include_str!(concat!("../../templates/", $folder, "/balancer/", $path)),
            include_str!(concat!("../../templates/", $folder, "/affinity/", $path)),
            include_str!(concat!("../../templates/", $folder, "/router/", $path)),
            include_str!(concat!("../../templates/", $folder, "/shaper/", $path)),
        ])),+]
    };
}

mod c;
mod go;
mod javascript;
mod node;
mod python;
mod rust;
mod typescript;
mod zig;

use anyhow::Result;

use crate::{Project, role};

/// A language, with its toolchain.
#[derive(Debug)]
pub struct Language {
    /// As in `--lang` and `plugin.toml`.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// For people.
    pub title: &'static str,
    /// What a new project has in it in any role: paths below its folder, and their contents.
    pub files: &'static [(&'static str, &'static str)],
    /// What differs by role: paths, and the contents for each one of [`Role::ALL`](crate::Role::ALL).
    pub sources: &'static [(&'static str, [&'static str; role::COUNT])],
    /// What it brings along of ours, which is written as it is.
    pub support: &'static [(&'static str, &'static str)],
    /// Makes the component of a project.
    pub build: fn(&Project) -> Result<Vec<u8>>,
}

/// All of them.
pub const ALL: &[&Language] =
    &[&c::C, &go::GO, &javascript::JAVASCRIPT, &python::PYTHON, &rust::RUST, &typescript::TYPESCRIPT, &zig::ZIG];

/// The one of this name, or of this other name.
pub fn named(name: &str) -> Option<&'static Language> {
    ALL.iter().copied().find(|language| language.name == name || language.aliases.contains(&name))
}

#[cfg(test)]
mod tests;
