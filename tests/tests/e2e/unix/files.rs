//! The files of Unix sockets: who may use them, when they come and go, and whose are left alone.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::process::Signal;
use trimtab_tests::{Backend, Client, Folder, Gate, Host, Setup, eventually, under_load_by};

use super::{client, socket, start, start_in, text};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).expect("a file").ino()
}

/// Why a host does not start with this configuration.
fn refusal(folder: Folder, setup: &Setup) -> (Folder, String) {
    let text = text(&folder, setup);
    let mut host = Host::spawn(folder, &text);
    assert_eq!(host.wait().code(), Some(1), "{}", host.log());
    let log = host.log();
    (std::mem::replace(&mut host.folder, Folder::new()), log)
}

/// A listener `more` of this address.
fn more(address: &Path) -> String {
    format!("[[listener]]\nname = 'more'\naddress = 'unix:{}'\npool = 'web'", address.display())
}

#[test]
fn permissions_are_as_asked_and_change_with_a_reload() {
    let a = Backend::echo("a");
    let setup = |mode: &str| Setup::over(&[&a]).listener(&format!("mode = '{mode}'"));
    let host = start(&setup("0600"));
    let path = socket(&host.folder);
    let first = inode(&path);
    assert_eq!(mode(&path), 0o600);
    let mut kept = client(&host);
    assert_eq!(kept.get("/").status, 200);
    host.reloaded(&text(&host.folder, &setup("0666")));
    assert_eq!((mode(&path), inode(&path)), (0o666, first));
    assert_eq!((kept.get("/").status, client(&host).get("/").status), (200, 200));
}

#[test]
fn a_reload_keeps_the_socket_of_a_listener_that_stays() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&Setup::over(&[&a]));
    let path = socket(&host.folder);
    let first = inode(&path);
    let (before, after) = (text(&host.folder, &Setup::over(&[&a])), text(&host.folder, &Setup::over(&[&b])));
    let after = after.replace("name = \"web\"", "name = \"other\"");
    let ((), requests) = under_load_by(
        || Client::connect_unix(&path),
        |_| String::new(),
        || {
            for _ in 0..10 {
                host.reloaded(&after);
                assert_eq!(client(&host).get("/").backend(), "b");
                host.reloaded(&before);
                assert_eq!(client(&host).get("/").backend(), "a");
            }
        },
    );
    assert!(requests > 20, "{requests} requests");
    assert_eq!(inode(&path), first);
}

#[test]
fn one_comes_and_goes_with_its_file() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&Setup::over(&[&a]));
    let path = host.folder.path("more.sock");
    let without = text(&host.folder, &Setup::over(&[&a]));
    let with = text(&host.folder, &Setup::over(&[&a]).more(&more(&path)));
    for _ in 0..5 {
        host.reloaded(&with);
        let mut kept = Client::connect_unix(&path);
        assert_eq!(kept.get("/").status, 200);
        host.reloaded(&without);
        assert_eq!(UnixStream::connect(&path).expect_err("it has gone").kind(), ErrorKind::NotFound);
        assert!(kept.wire.ended(), "an idle connection of it is closed in order");
    }
    // What cannot be put in place leaves nothing behind.
    let taken = host.folder.write("taken", "precious");
    let entry = format!("{}\n{}", more(&path), more(&taken).replace("'more'", "'taken'"));
    let refused = host.reload(&text(&host.folder, &Setup::over(&[&b]).more(&entry)));
    assert_ne!(refused.status, 200);
    assert!(refused.text().contains(&format!("unix:{}", taken.display())), "{}", refused.text());
    assert_eq!((path.exists(), host.folder.text("taken").as_str()), (false, "precious"));
    assert_eq!(client(&host).get("/").backend(), "a");
}

#[test]
fn what_a_process_that_died_has_left_is_replaced() {
    let a = Backend::echo("a");
    let mut host = start(&Setup::over(&[&a]));
    host.signal(Signal::KILL);
    assert!(!host.wait().success());
    let folder = std::mem::replace(&mut host.folder, Folder::new());
    assert!(socket(&folder).exists(), "nobody could take it away");
    let mut host = start_in(folder, &Setup::over(&[&a]));
    assert_eq!(client(&host).get("/").status, 200);
    assert!(host.stop().success());
    assert!(!socket(&host.folder).exists());
}

#[test]
fn what_is_in_use_or_no_socket_is_left_alone() {
    let a = Backend::echo("a");
    let setup = Setup::over(&[&a]);
    let folder = Folder::new();
    let live = UnixListener::bind(socket(&folder)).expect("bound");
    let (folder, log) = refusal(folder, &setup);
    let path = socket(&folder);
    for word in ["somebody listens there already", &path.display().to_string(), "`web`"] {
        assert!(log.contains(word), "{word} in {log}");
    }
    drop(live);
    fs::remove_file(&path).expect("it is still there");

    fs::write(&path, "precious").expect("written");
    let (folder, log) = refusal(folder, &setup);
    assert!(log.contains("there is a file that is no socket"), "{log}");
    assert_eq!(folder.text("web.sock"), "precious");
    fs::remove_file(&path).expect("it is still there");

    // A link is no socket, wherever it leads.
    std::os::unix::fs::symlink(folder.path("nowhere"), &path).expect("linked");
    let (folder, log) = refusal(folder, &setup);
    assert!(log.contains("there is a file that is no socket"), "{log}");
    assert!(fs::symlink_metadata(socket(&folder)).is_ok_and(|found| found.is_symlink()));
}

#[test]
fn the_file_of_another_is_not_removed_at_the_end() {
    let a = Backend::echo("a");
    let mut host = start(&Setup::over(&[&a]));
    let path = socket(&host.folder);
    fs::remove_file(&path).expect("it is there");
    let _others = UnixListener::bind(&path).expect("bound");
    assert!(host.stop().success());
    assert!(path.exists());
}

#[test]
fn a_drain_finishes_what_runs_and_accepts_nothing_new() {
    let gate = Gate::default();
    let a = gate.backend("a");
    let mut host = start(&Setup::over(&[&a]));
    let path = socket(&host.folder);
    let (mut held, mut idle) = (client(&host), client(&host));
    assert_eq!(idle.get("/").status, 200);
    held.send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n");
    eventually("it is held", || a.requests() == 2);
    host.signal(Signal::TERM);
    eventually("nobody can connect", || UnixStream::connect(&path).is_err());
    assert!(!path.exists() && idle.wire.ended());
    gate.open();
    let response = held.response();
    assert_eq!((response.status, response.headers.get("connection")), (200, Some("close")));
    assert!(host.wait().success());
    assert!(!host.log().contains("panicked"), "{}", host.log());
}
