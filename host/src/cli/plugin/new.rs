//! `trimtab plugin new`: a small project that builds and steers, in one of several languages and roles.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use trimtab_build::{Project, Role, language};

/// Makes the project, in `folder` or else in one of its name, and says what to do next.
pub(super) fn run(name: &str, lang: Option<&str>, role: &str, folder: Option<PathBuf>) -> ExitCode {
    let Some(language) = lang.and_then(language::named) else {
        match lang {
            Some(lang) => complain!("error: `{lang}` is no language that is known. There are:"),
            None => complain!("error: say which language it is to be in, with `--lang`. There are:"),
        }
        for language in language::ALL {
            complain!("  {:12}{}", language.name, language.title);
        }
        return ExitCode::FAILURE;
    };
    let Some(role) = Role::named(role) else {
        complain!("error: `{role}` is no role. There are:");
        for role in Role::ALL {
            complain!("  {:12}{}", role.name(), role.task());
        }
        return ExitCode::FAILURE;
    };
    let folder = folder.unwrap_or_else(|| Path::new(name).to_owned());
    if let Err(error) = Project::create(&folder, name, language, role) {
        complain!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    let what = role.title().to_lowercase();
    say!("{}: {what} in {}. Its README.md says more; next:", folder.display(), language.title);
    say!("  cd {}", folder.display());
    say!("  trimtab plugin build");
    say!("  trimtab run trimtab.toml");
    ExitCode::SUCCESS
}
