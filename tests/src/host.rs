//! The real `trimtab` as a child process.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::client::Client;
use crate::folder::Folder;
use crate::message::{self, Response};
use crate::metrics::Samples;
use crate::rebuilt;
use crate::wait::eventually;
use crate::wire::Wire;

/// A running process. Dropping it kills it; a test that fails prints its log.
pub struct Host {
    /// The folder of its configuration.
    pub folder: Folder,
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    listeners: HashMap<String, String>,
}

impl Host {
    /// Starts with this configuration and waits until it is ready.
    ///
    /// Listeners should have `address = "127.0.0.1:0"`; where they are is asked of the admin API, for
    /// which the section `[admin]` is added.
    #[must_use]
    pub fn start(config: &str) -> Self {
        Self::start_in(Folder::new(), config)
    }

    /// The same, in a folder that has files which the configuration names.
    #[must_use]
    pub fn start_in(folder: Folder, config: &str) -> Self {
        let mut host = Self::spawn(folder, config);
        eventually("the host is ready", || {
            if let Some(status) = host.child.try_wait().expect("a child can be waited for") {
                host.join_reader();
                panic!("trimtab ended with {status} before it was ready\n--- configuration\n{config}");
            }
            host.try_admin("GET", "/readyz", "").is_ok_and(|response| response.status == 200)
        });
        host.find_listeners();
        host
    }

    /// Asks where the listeners are, which may be others after a reload.
    pub fn find_listeners(&mut self) {
        let (status, listeners) = self.admin("GET", "/listeners", "");
        assert_eq!(status, 200, "GET /listeners");
        self.listeners.clear();
        for listener in listeners.as_array().expect("GET /listeners answers an array") {
            let text = |key: &str| listener[key].as_str().expect("text").to_owned();
            self.listeners.insert(text("name"), text("address"));
        }
    }

    /// Starts without waiting for anything.
    #[must_use]
    pub fn spawn(folder: Folder, config: &str) -> Self {
        let path = write(&folder, config);
        let mut child = Command::new(binary())
            .arg("run")
            .arg(&path)
            .current_dir(folder.root())
            .env("CACHE_DIRECTORY", code_cache())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", binary().display()));
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("stderr is piped");
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        Self { folder, child, log, reader: Some(reader), listeners: HashMap::new() }
    }

    /// Where the listener of this name listens.
    #[must_use]
    pub fn address_of(&self, listener: &str) -> SocketAddr {
        self.bound(listener).parse().expect("an IP address and a port")
    }

    /// The same as the admin API says it.
    #[must_use]
    pub fn bound(&self, listener: &str) -> &str {
        self.listeners.get(listener).unwrap_or_else(|| panic!("no listener {listener} in {:?}", self.listeners))
    }

    /// Where the listener `web` listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address_of("web")
    }

    /// A new connection to the listener `web`.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// `GET` on a new connection to the listener `web`.
    #[must_use]
    pub fn get(&self, target: &str) -> Response {
        self.client().get(target)
    }

    /// A request to the admin API: status, and the body as JSON (null where it is none).
    #[must_use]
    pub fn admin(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let response = self.admin_response(method, path, body);
        (response.status, response.json())
    }

    /// The same, with the whole response.
    #[must_use]
    pub fn admin_response(&self, method: &str, path: &str, body: &str) -> Response {
        self.try_admin(method, path, body).unwrap_or_else(|error| panic!("admin {method} {path}: {error}"))
    }

    /// Bytes to the admin API, as they are, and the response.
    ///
    /// # Errors
    /// As the connection's.
    pub fn admin_raw(&self, request: impl AsRef<[u8]>) -> io::Result<Response> {
        let request = request.as_ref();
        let mut wire = Wire::unix(UnixStream::connect(self.folder.path("admin.sock"))?);
        wire.send(request)?;
        let head = wire.head()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let method = request.split(|byte| *byte == b' ').next().unwrap_or_default();
        let (mut response, framing) = message::response(&head, &String::from_utf8_lossy(method))?;
        (response.body, response.trailers) = wire.body(framing)?;
        Ok(response)
    }

    /// Writes another configuration in the place of the one that it runs with, and asks for nothing.
    pub fn rewrite(&self, config: &str) {
        write(&self.folder, config);
    }

    /// Writes another configuration, has it read, and answers the response.
    #[must_use]
    pub fn reload(&self, config: &str) -> Response {
        self.rewrite(config);
        self.admin_response("POST", "/reload", "")
    }

    /// The same, where it must be taken.
    pub fn reloaded(&self, config: &str) {
        let response = self.reload(config);
        assert_eq!(response.status, 200, "POST /reload: {}", response.text());
    }

    /// The plugin of this name in `/plugins`.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Value {
        let (_, plugins) = self.admin("GET", "/plugins", "");
        let plugins = plugins.as_array().cloned().unwrap_or_default();
        plugins.into_iter().find(|plugin| plugin["name"] == name).unwrap_or_default()
    }

    /// Which generation of a plugin decides.
    #[must_use]
    pub fn generation(&self, plugin: &str) -> u64 {
        self.plugin(plugin)["generation"].as_u64().unwrap_or_else(|| panic!("no plugin {plugin}"))
    }

    /// Puts this component in the place of a plugin, and answers the response.
    #[must_use]
    pub fn swap(&self, plugin: &str, component: &[u8]) -> Response {
        let head = format!(
            "PUT /plugins/{plugin} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/wasm\r\ncontent-length: {}\r\n\r\n",
            component.len()
        );
        let response = self.admin_raw([head.as_bytes(), component].concat());
        response.unwrap_or_else(|error| panic!("PUT /plugins/{plugin}: {error}"))
    }

    fn try_admin(&self, method: &str, path: &str, body: &str) -> io::Result<Response> {
        let length = body.len();
        self.admin_raw(format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    }

    /// `/metrics`, parsed.
    #[must_use]
    pub fn metrics(&self) -> Samples {
        let response = self.admin_response("GET", "/metrics", "");
        assert_eq!(response.status, 200, "GET /metrics");
        Samples::parse(&response.text())
    }

    /// The backend of this id in `/pools`.
    #[must_use]
    pub fn backend(&self, pool: &str, id: &str) -> Value {
        let (_, pools) = self.admin("GET", "/pools", "");
        let pools = pools.as_array().cloned().unwrap_or_default();
        let pool = pools.into_iter().find(|p| p["name"] == pool).unwrap_or_else(|| panic!("no pool {pool}"));
        let backends = pool["backends"].as_array().cloned().unwrap_or_default();
        backends.into_iter().find(|b| b["id"] == id).unwrap_or_default()
    }

    /// Changes a backend of a pool by `PATCH`. Its state holds for requests that come later.
    pub fn set_backend(&self, pool: &str, id: &str, change: &str) {
        let (status, answer) = self.admin("PATCH", &format!("/pools/{pool}/backends/{id}"), change);
        assert_eq!(status, 200, "{change} of {id}: {answer}");
    }

    /// What it wrote to stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is there");
    }

    /// Asks it to stop (SIGTERM) and waits.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it ends.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        self.join_reader();
        status.expect("it ended")
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn join_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_reader();
        if std::thread::panicking() {
            eprintln!("--- trimtab's log\n{}---", self.log());
        }
    }
}

/// Writes the configuration, as hosts of tests need it.
fn write(folder: &Folder, config: &str) -> PathBuf {
    let admin = format!("[admin]\nlisten = \"unix:{}\"\n\n", folder.path("admin.sock").display());
    let config = if config.contains("[admin]") { config.to_owned() } else { admin + config };
    folder.write("trimtab.toml", rebuilt::instead_of_built_ins(config))
}

/// Runs `trimtab` with these arguments to its end.
pub fn trimtab(arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .env("CACHE_DIRECTORY", code_cache())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", binary().display()))
}

/// Where the hosts of all tests keep compiled code, unless their configuration says otherwise: one folder, so that
/// the built-ins are compiled once and not for each test, and nothing is read or left outside of the build.
#[must_use]
pub fn code_cache() -> PathBuf {
    let program = std::env::current_exe().expect("a program has a path");
    let folder = program.parent().unwrap_or(Path::new("/tmp"));
    // Tests are one folder further down than the benchmarks.
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    profile.parent().unwrap_or(profile).join("tmp/code-cache")
}

/// The binary under test: `$TRIMTAB_BIN`, else the one built beside this test.
#[must_use]
pub fn binary() -> PathBuf {
    std::env::var_os("TRIMTAB_BIN").map_or_else(|| beside("trimtab"), PathBuf::from)
}

/// A program that was built beside this test.
#[must_use]
pub fn beside(program: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let beside = test.ancestors().skip(1).take(2).map(|folder| folder.join(program)).find(|path| path.is_file());
    beside.unwrap_or_else(|| {
        let folder = test.ancestors().nth(2).unwrap_or(Path::new("."));
        panic!("no {program} in {}: build it first with `cargo build --release`", folder.display())
    })
}
