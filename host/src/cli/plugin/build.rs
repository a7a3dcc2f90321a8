//! `trimtab plugin build`: the language's own tools make a component of a project.

use std::path::Path;
use std::process::ExitCode;

use trimtab_build::Project;

/// Builds the project in this folder, and prints where the component is.
pub(super) fn run(folder: &Path) -> ExitCode {
    match Project::open(folder).and_then(|project| project.build()) {
        Ok(path) => {
            let size = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            say!("{} ({size} bytes)", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
