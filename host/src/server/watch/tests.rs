//! Files as editors, deployments and Kubernetes change them.

use std::os::unix::fs::symlink;

use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::lookups::MOST_LINKS;
use super::*;

/// How long a change may take to be told.
const PATIENCE: Duration = Duration::from_secs(10);

struct Bed {
    folder: TempDir,
    watcher: Watcher,
    changes: UnboundedReceiver<Vec<PathBuf>>,
}

impl Bed {
    /// Watches these files of a new folder, after `prepare` was there, and waits until it does.
    fn new(prepare: impl FnOnce(&Path), names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let (watcher, changes) = Watcher::start().unwrap();
        let mut bed = Self { folder, watcher, changes };
        bed.watch(names);
        bed
    }

    /// Watches these files and waits until it does: a marker that is told of has been looked at after them.
    fn watch(&mut self, names: &[&str]) {
        let marker = self.path("marker");
        fs::write(&marker, "new").unwrap();
        let known = |path| Watched { path, used: None };
        let mut files: Vec<_> = names.iter().map(|name| known(self.path(name))).collect();
        files.push(Watched { path: marker.clone(), used: Some([0; 32]) });
        self.watcher.watch(files.clone());
        assert_eq!(self.next(), [marker]);
        files.pop();
        self.watcher.watch(files);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn next(&mut self) -> Vec<PathBuf> {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime
            .block_on(async { timeout(PATIENCE, self.changes.recv()).await })
            .expect("a change is told")
            .expect("it goes on")
    }

    /// The next change is of this file alone.
    #[track_caller]
    fn told(&mut self, name: &str) {
        assert_eq!(self.next(), [self.path(name)]);
    }
}

fn one(folder: &Path) {
    fs::write(folder.join("a"), "1").unwrap();
}

#[test]
fn written_in_place() {
    let mut bed = Bed::new(one, &["a"]);
    let mut file = File::options().append(true).open(bed.path("a")).unwrap();
    for _ in 0..100 {
        io::Write::write_all(&mut file, b"2").unwrap();
    }
    bed.told("a");
    bed.write("a", "3");
    bed.told("a");
}

#[test]
fn written_elsewhere_and_renamed() {
    let mut bed = Bed::new(one, &["a"]);
    for content in ["2", "3", "4"] {
        bed.write("a.new", content);
        bed.rename("a.new", "a");
        bed.told("a");
    }
}

#[test]
fn only_another_content_is_a_change() {
    let mut bed = Bed::new(
        |folder| {
            one(folder);
            fs::write(folder.join("b"), "1").unwrap();
        },
        &["a", "b"],
    );
    bed.write("a", "1");
    bed.write("a.new", "1");
    bed.rename("a.new", "a");
    fs::remove_file(bed.path("a")).unwrap();
    bed.write("a", "1");
    bed.write("unknown", "1");
    bed.write("b", "2");
    bed.told("b");
    bed.write("a", "2");
    bed.told("a");
}

#[test]
fn removed_and_made_again() {
    let mut bed = Bed::new(one, &["a"]);
    for content in ["2", "3"] {
        fs::remove_file(bed.path("a")).unwrap();
        // Once told of the marker, the thread knows that the file is gone.
        bed.watch(&["a"]);
        bed.write("a", content);
        bed.told("a");
    }
}

#[test]
fn links_as_kubernetes_swaps_them() {
    let mut bed = Bed::new(
        |folder| {
            fs::create_dir(folder.join("..1")).unwrap();
            fs::write(folder.join("..1/a"), "1").unwrap();
            symlink("..1", folder.join("..data")).unwrap();
            symlink("..data/a", folder.join("a")).unwrap();
        },
        &["a"],
    );
    for (old, new) in [("..1", "..2"), ("..2", "..3"), ("..3", "..4")] {
        fs::create_dir(bed.path(new)).unwrap();
        bed.write(&format!("{new}/a"), new);
        symlink(new, bed.path("..tmp")).unwrap();
        bed.rename("..tmp", "..data");
        fs::remove_dir_all(bed.path(old)).unwrap();
        bed.told("a");
    }
    bed.write("..4/a", "in place, behind the links");
    bed.told("a");
}

#[test]
fn a_folder_that_is_not_there_yet() {
    let mut bed = Bed::new(|_| (), &["x/y/a"]);
    fs::create_dir_all(bed.path("x/y")).unwrap();
    bed.write("x/y/a", "1");
    bed.told("x/y/a");
    bed.write("x/y/a", "2");
    bed.told("x/y/a");
}

#[test]
fn folders_replaced_as_a_whole() {
    let make = |folder: &Path, content: &str| {
        fs::create_dir_all(folder.join("y")).unwrap();
        fs::write(folder.join("y/a"), content).unwrap();
    };
    let mut bed = Bed::new(|folder| make(&folder.join("x"), "1"), &["x/y/a"]);
    for content in ["2", "3"] {
        make(&bed.path("new"), content);
        bed.rename("x", content);
        bed.rename("new", "x");
        bed.told("x/y/a");
    }
    fs::remove_dir_all(bed.path("x")).unwrap();
    make(&bed.path("x"), "4");
    bed.told("x/y/a");
    bed.write("x/y/a", "5");
    bed.told("x/y/a");
}

#[test]
fn another_set_of_files() {
    let mut bed = Bed::new(one, &["a"]);
    bed.write("b", "1");
    bed.watch(&["b"]);
    bed.write("a", "2");
    bed.write("b", "2");
    bed.told("b");
    let used = Some(Sha256::digest("1").into());
    bed.watcher.watch(vec![Watched { path: bed.path("a"), used }]);
    bed.told("a");
}

#[test]
fn many_changes_are_not_lost() {
    let mut bed = Bed::new(one, &["a"]);
    for number in 2..8 {
        let content = number.to_string().repeat(1 << 16);
        bed.write("a.new", &content);
        bed.rename("a.new", "a");
        bed.told("a");
        assert_eq!(digest(&bed.path("a")), Some(Sha256::digest(&content).into()));
    }
}

#[test]
fn what_finding_a_file_looks_at() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs::create_dir(root.join("d")).unwrap();
    fs::write(root.join("d/f"), "").unwrap();
    symlink(root.join("d"), root.join("absolute")).unwrap();
    symlink("../absolute/./f", root.join("d/relative")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let below = |name: &str| -> Vec<String> {
        let found = lookups(&root.join(name)).into_iter();
        let below = |path: PathBuf| path.strip_prefix(&root).ok().map(|path| path.display().to_string());
        found.filter_map(below).filter(|path| !path.is_empty()).collect()
    };
    assert_eq!(below("d/f"), ["d", "d/f"]);
    assert_eq!(below("d/relative"), ["d", "d/relative", "absolute", "d", "d/f"]);
    assert_eq!(below("d/x/y"), ["d", "d/x"], "up to what is not there");
    assert_eq!(below("d/f/y"), ["d", "d/f", "d/f/y"]);
    assert_eq!(below("loop/a").len(), MOST_LINKS + 1);
}
