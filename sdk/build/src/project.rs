//! A plugin's own folder, outside of this workspace: what `trimtab plugin new` makes and `trimtab plugin build` builds.
//!
//! It is known by its `plugin.toml`. What the build needs of the WIT is written to `wit/`, where that is not there yet: a
//! project may keep worlds of its own in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::Table;

use crate::Role;
use crate::language::{self, Language};

/// What has the name of the plugin, its language and its role.
const MANIFEST: &str = "plugin.toml";

/// The WIT, as it is in this repository.
const WIT: &[(&str, &str)] = &[
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("facts.wit", include_str!("../../../wit/facts.wit")),
    ("decisions.wit", include_str!("../../../wit/decisions.wit")),
];

/// A project that was found, or made.
#[derive(Debug)]
pub struct Project {
    /// Where it is.
    pub folder: PathBuf,
    /// Its name, which is also that of the component.
    pub name: String,
    /// What it is written in.
    pub language: &'static Language,
    /// What it decides as, if not a world is named.
    role: Role,
    /// A world of its own, in its `wit/`.
    world: Option<String>,
}

impl Project {
    /// Makes a new one in this folder, which must not exist, or be empty.
    ///
    /// # Errors
    ///
    /// When the name is none, something is in the folder, or it cannot be written.
    pub fn create(folder: &Path, name: &str, language: &'static Language, role: Role) -> Result<Self> {
        check_name(name)?;
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{} is not empty", folder.display());
        }
        let manifest = format!(
            "# Of `trimtab plugin build`.\nname = \"{name}\"\nlanguage = \"{}\"\nrole = \"{}\"\n",
            language.name,
            role.name()
        );
        let common = [(MANIFEST, manifest.as_str()), ("trimtab.toml", role.configuration())];
        let sources = language.sources.iter().map(|(path, texts)| (*path, texts[role as usize]));
        let words = [
            ("{{Role}}", role.title()),
            ("{{story}}", role.story()),
            ("{{command}}", role.command()),
            ("{{name}}", name),
            ("{{snake}}", &name.replace('-', "_")),
        ];
        for (path, text) in common.into_iter().chain(language.files.iter().copied()).chain(sources) {
            let text = words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
            put_all(folder, &[(path, &text)])?;
        }
        let project = Self::open(folder)?;
        put_all(&project.folder, language.support)?;
        if !language.support.is_empty() {
            // What is ours is built from the WIT, also for tests without Wasm.
            project.wit()?;
        }
        Ok(project)
    }

    /// The one in this folder.
    ///
    /// # Errors
    ///
    /// When there is none, or its `plugin.toml` cannot be understood.
    pub fn open(folder: &Path) -> Result<Self> {
        // Tools are told of files below it from wherever they run.
        let folder = folder.canonicalize().with_context(|| format!("no folder {}", folder.display()))?;
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}: `trimtab plugin new` makes a project", path.display()))?;
        Self::read(folder, &text).with_context(|| path.display().to_string())
    }

    fn read(folder: PathBuf, text: &str) -> Result<Self> {
        let mut table: Table = text.parse()?;
        let mut take = |key: &str| match table.remove(key) {
            None => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(text)),
            Some(_) => bail!("`{key}` has to be text"),
        };
        let name = take("name")?.context("there is no `name`")?;
        let language = take("language")?.context("there is no `language`")?;
        let role = take("role")?;
        let world = take("world")?;
        if let Some(key) = table.keys().next() {
            bail!("there is no key `{key}`");
        }
        check_name(&name)?;
        let language =
            language::named(&language).with_context(|| format!("`{language}` is no language that is known"))?;
        let role = match &role {
            Some(role) => Role::named(role)
                .with_context(|| format!("`{role}` is no role: `balancer`, `affinity`, `router` and `shaper` are"))?,
            None => Role::Balancer,
        };
        Ok(Self { folder, name, language, role, world })
    }

    /// Builds the component into the folder, and answers where it is.
    ///
    /// # Errors
    ///
    /// When a tool is missing, and then how to get it; or when the source has an error, and then what the tool says of it.
    pub fn build(&self) -> Result<PathBuf> {
        let component = (self.language.build)(self)?;
        let path = self.folder.join(format!("{}.wasm", self.name));
        // Renamed into its place, since a host may watch it.
        let new = path.with_extension("wasm.new");
        fs::write(&new, component).with_context(|| format!("cannot write {}", new.display()))?;
        fs::rename(&new, &path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// The world that the component is of.
    pub fn world(&self) -> String {
        self.world.clone().unwrap_or_else(|| format!("{}-plugin", self.role.name()))
    }

    /// The folder of the WIT. It is written where it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn wit(&self) -> Result<PathBuf> {
        let folder = self.folder.join("wit");
        if !folder.exists() {
            fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            for (name, text) in WIT {
                fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
            }
        }
        Ok(folder)
    }

    /// A folder of this name in the project's, with nothing in it.
    ///
    /// # Errors
    ///
    /// When what is there cannot be removed, or it cannot be made.
    pub fn emptied(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }
}

/// Writes files below a folder.
fn put_all(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// A name is part of paths, of module names and of a configuration.
fn check_name(name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= 64 && name.chars().all(fine) {
        return Ok(());
    }
    bail!("`{name}` is no name for a plugin: write lower-case letters, digits and `-`, a letter first")
}
