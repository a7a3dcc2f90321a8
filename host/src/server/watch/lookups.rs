//! What finding a file looks at: every name on the way, and every one that a link leads through.
//!
//! A file changes for its reader when any of them does. Kubernetes, for one, swaps `..data`, a link to a folder that a
//! link in place of the file leads through.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf, absolute};

/// Links that are followed, as Linux does (`path_resolution(7)`).
pub(super) const MOST_LINKS: usize = 40;

/// The names that are looked up, each in a folder that is no link, the last one's being the file itself or the first
/// that is not there.
pub(super) fn lookups(path: &Path) -> Vec<PathBuf> {
    let (mut found, mut links) = (Vec::new(), 0);
    let mut folder = PathBuf::from("/");
    let mut steps: VecDeque<_> = absolute(path).map(|path| steps(&path).collect()).unwrap_or_default();
    while let Some(step) = steps.pop_front() {
        match step {
            Step::Root => folder = PathBuf::from("/"),
            Step::Up => drop(folder.pop()),
            Step::Into(name) => {
                let path = folder.join(name);
                let kind = fs::symlink_metadata(&path).map(|found| found.file_type());
                found.push(path.clone());
                match kind {
                    Ok(kind) if kind.is_symlink() && links < MOST_LINKS => {
                        links += 1;
                        let target = fs::read_link(&path).unwrap_or_default();
                        self::steps(&target).rev().for_each(|step| steps.push_front(step));
                    }
                    Ok(kind) if !kind.is_symlink() => folder = path,
                    // Nobody can go on from here.
                    _ => return found,
                }
            }
        }
    }
    found
}

enum Step {
    Root,
    Up,
    Into(OsString),
}

fn steps(path: &Path) -> impl DoubleEndedIterator<Item = Step> {
    path.components().filter_map(|component| match component {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Into(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    })
}
