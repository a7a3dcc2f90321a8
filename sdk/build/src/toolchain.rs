//! What compiles a guest to `wasm32-unknown-unknown`.
//!
//! Either the ordinary compiler has the target (`rustup target add wasm32-unknown-unknown`), or
//! Debian's `rustc-web` does the compiling and its sources of the standard library are built along.
//! Everything is passed by command line and environment: native builds do not notice.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{Guest, tool};

/// The target of all Rust guests: without WASI, so that a component imports our interfaces alone.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where a sysroot keeps the sources of the standard library.
const STD_SOURCES: &str = "lib/rustlib/src/rust/library";

const HOW_TO_INSTALL: &str = "\
no compiler for guests was found. Install one of:
  rustup target add wasm32-unknown-unknown
  apt-get install --no-install-recommends rustc-web rust-web-src lld-22    (Debian 12 and later)";

/// A compiler that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toolchain {
    /// The ordinary one, with the target's standard library installed.
    Rustup,
    /// Debian's compiler for the web.
    Debian {
        /// The compiler.
        rustc: PathBuf,
        /// The linker.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Finds one. The ordinary one comes first.
    ///
    /// # Errors
    ///
    /// When there is none; the message says what to install.
    pub fn find() -> Result<Self> {
        let ordinary = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        if has_std(&ordinary) {
            return Ok(Self::Rustup);
        }
        let rustc = PathBuf::from("/usr/bin/rustc");
        let sources = sysroot(&rustc).is_some_and(|folder| Path::new(&folder).join(STD_SOURCES).join("std").is_dir());
        match linker() {
            Some(linker) if sources => Ok(Self::Debian { rustc, linker }),
            _ => bail!(HOW_TO_INSTALL),
        }
    }

    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::Rustup => format!("the ordinary compiler with {TARGET}"),
            Self::Debian { rustc, linker } => format!("{} and {}, building std", rustc.display(), linker.display()),
        }
    }

    /// Compiles a guest and answers the path of its core module. All guests share one target folder,
    /// `guests` in the workspace's, so that the standard library is built once.
    ///
    /// # Errors
    ///
    /// When the compiler fails; it has said why on stderr.
    pub fn compile(&self, root: &Path, guest: &Guest) -> Result<PathBuf> {
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        let target = target.join("guests");
        let mut command = self.cargo(root, &target)?;
        // One guest at a time, since the features of one must not become those of another.
        command.args(["--package", &guest.name, "--profile", "guest"]);
        let status = command.status().context("cannot start cargo")?;
        if !status.success() {
            bail!("`{}` does not compile", guest.name);
        }
        Ok(target.join(TARGET).join("guest").join(guest.module()))
    }

    /// Compiles the crate in a folder of its own, by its profile `release`, and answers the folder that its core module is in.
    ///
    /// # Errors
    ///
    /// When the compiler fails; with what it said.
    pub fn compile_alone(&self, folder: &Path) -> Result<PathBuf> {
        let target = folder.join("target");
        tool::run(self.cargo(folder, &target)?.arg("--release"))?;
        Ok(target.join(TARGET).join("release"))
    }

    /// `cargo rustc` for the target: since link-time optimisation needs the cdylib to be the only crate type.
    fn cargo(&self, root: &Path, target: &Path) -> Result<Command> {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(root).args(["rustc", "--quiet", "--lib", "--crate-type", "cdylib"]);
        command.args(["--target", TARGET, "--target-dir"]).arg(target);
        let std_from = match self {
            Self::Rustup => None,
            Self::Debian { rustc, .. } => sysroot(rustc),
        };
        command.env("CARGO_ENCODED_RUSTFLAGS", remapped(root, std_from.as_deref())?);
        if let Self::Debian { rustc, linker } = self {
            command.args(["-Z", "build-std=std,panic_abort"]).env("RUSTC_BOOTSTRAP", "1");
            command.env("RUSTC", rustc).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            // Set by an outer cargo for its own compiler.
            command.env_remove("LD_LIBRARY_PATH");
        }
        Ok(command)
    }
}

/// Flags that keep the machine's paths, and where it gets crates from, out of the module.
fn remapped(root: &Path, sysroot: Option<&str>) -> Result<OsString> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).context("no CARGO_HOME and no home")?;
    // Of several that match, the compiler takes the last.
    let mut folders = vec![(home.clone(), "/cargo"), (root.to_path_buf(), "/trimtab")];
    folders.extend(sysroot.map(|sysroot| (Path::new(sysroot).join(STD_SOURCES), "/rust")));
    let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    folders.extend(registries.map(|registry| (registry.path(), "/crates")));
    let mut flags = OsString::new();
    for (from, to) in folders {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push(format!("={to}"));
    }
    Ok(flags)
}

/// Whether this compiler has the target's standard library.
fn has_std(rustc: &OsStr) -> bool {
    let folder = print(rustc, &["--print", "target-libdir", "--target", TARGET]);
    let entries = folder.and_then(|folder| fs::read_dir(folder).ok());
    entries.is_some_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
    })
}

fn sysroot(rustc: &Path) -> Option<String> {
    print(rustc.as_os_str(), &["--print", "sysroot"])
}

fn print(program: &OsStr, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).env_remove("LD_LIBRARY_PATH").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The newest `wasm-ld` or `wasm-ld-N` on the path.
fn linker() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let files = env::split_paths(&path).filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let version = |name: &str| match name.strip_prefix("wasm-ld")? {
        "" => Some(0),
        rest => rest.strip_prefix('-')?.parse::<u32>().ok(),
    };
    let found = files.filter_map(|file| Some((version(file.file_name().to_str()?)?, file.path())));
    found.max_by_key(|(version, _)| *version).map(|(_, path)| path)
}
