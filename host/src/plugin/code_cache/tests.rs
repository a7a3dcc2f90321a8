//! Entries that are whole are used; nothing else is, and nothing else matters.

use std::fs;

use super::*;
use crate::config::PluginLimits;
use crate::plugin::{Registry, RegistryOptions, Source};

/// Loads two built-ins with the cache in `folder`; how many were found in it, and how many compiled.
fn start(folder: &Path) -> (usize, usize) {
    let options =
        RegistryOptions { max_instances: 4, code_cache: Some(folder.to_owned()), ..RegistryOptions::default() };
    let registry = Registry::new(options).unwrap();
    for name in ["random", "first"] {
        registry.load_blocking(name.into(), Source::BuiltIn, PluginLimits::default()).unwrap();
    }
    registry.cached()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let is_entry = |path: &PathBuf| path.extension().is_none() && !path.to_string_lossy().contains(".cleanup");
    files(&folder.join("code")).into_iter().filter(is_entry).collect()
}

#[test]
fn what_was_compiled_once_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("a/b");
    assert_eq!(start(&cache), (0, 2));
    assert_eq!(start(&cache), (2, 0));
    assert_eq!((entries(&cache).len(), files(&cache.join("seals")).len()), (2, 2));
    for path in ["", "code", "seals"] {
        assert_eq!(fs::metadata(cache.join(path)).unwrap().mode() & 0o777, 0o700, "{path}");
    }
}

#[test]
fn what_is_not_as_it_was_written_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path());
    let flip: fn(&mut Vec<u8>) = |content| {
        let middle = content.len() / 2;
        content[middle] ^= 1;
    };
    let half: fn(&mut Vec<u8>) = |content| content.truncate(content.len() / 2);
    let damages = [flip, half, Vec::clear, |content| content.push(0), |content| content.fill(0)];
    for damage in damages {
        for entry in entries(folder.path()) {
            let mut content = fs::read(&entry).unwrap();
            damage(&mut content);
            fs::write(entry, content).unwrap();
        }
        assert_eq!(start(folder.path()), (0, 2));
        assert_eq!(start(folder.path()), (2, 0), "and is found the next time");
    }
    for seal in files(&folder.path().join("seals")) {
        fs::write(seal, "").unwrap();
    }
    assert_eq!(start(folder.path()), (0, 2));
    fs::remove_dir_all(folder.path().join("seals")).unwrap();
    assert_eq!(start(folder.path()), (0, 2), "an entry that nobody sealed");
    fs::remove_file(&entries(folder.path())[0]).unwrap();
    assert_eq!(start(folder.path()), (1, 1));
}

#[test]
fn what_else_is_in_the_folder_stays() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("letters/of/mine.txt");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, "dear").unwrap();
    start(folder.path());
    start(folder.path());
    assert_eq!(fs::read_to_string(other).unwrap(), "dear");
}

#[test]
fn only_a_private_folder_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let said = |path: &Path| CodeCache::open(path).map(drop).unwrap_err().to_string();

    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    for mode in [0o770, 0o702, 0o777] {
        fs::set_permissions(&open, Permissions::from_mode(mode)).unwrap();
        assert!(said(&open).starts_with(&format!("can be written to by others (mode {mode:o})")));
        assert_eq!(start(&open), (0, 0), "without a cache, nothing is counted");
    }
    fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
    assert!(CodeCache::open(&open).is_ok(), "others may see that it is there");

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(said(&file).starts_with("cannot be used: "), "{}", said(&file));
    assert!(said(&file.join("x")).starts_with("cannot be used: "));
    if geteuid().is_root() {
        let foreign = folder.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        std::os::unix::fs::chown(&foreign, Some(65534), None).unwrap();
        assert_eq!(said(&foreign), "belongs to user 65534, and this process is of user 0");
    }
}

#[test]
fn where_it_is() {
    let found = |configured, variables: &[(&str, &str)]| {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        folder(&configured, variable).map(|path| path.display().to_string())
    };
    let [systemd, xdg, home] = [("CACHE_DIRECTORY", "/c:/d"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
    let default = |variables: &[(&str, &str)]| found(config::CodeCache::Default, variables);
    assert_eq!(default(&[systemd, xdg, home]).as_deref(), Some("/c"));
    assert_eq!(default(&[xdg, home]).as_deref(), Some("/x/trimtab"));
    assert_eq!(default(&[("XDG_CACHE_HOME", "x"), home]).as_deref(), Some("/h/.cache/trimtab"));
    assert_eq!(default(&[("HOME", "")]), None);
    assert_eq!(found(config::CodeCache::Off, &[systemd, home]), None);
    assert_eq!(found(config::CodeCache::Folder("/f".into()), &[systemd]).as_deref(), Some("/f"));
}
