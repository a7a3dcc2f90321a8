//! Plugins in other languages, as somebody new makes them: from an empty folder, by the tools of the language, to a request
//! that is answered by the backend which the plugin picked. And the examples in these languages.
//!
//! Those that build need toolchains: `tests/run` installs them, and without them these tests fail.

#[path = "languages/c.rs"]
mod c;
#[path = "languages/failing.rs"]
mod failing;
#[path = "languages/go.rs"]
mod go;
#[path = "languages/javascript.rs"]
mod javascript;
#[path = "languages/missing.rs"]
mod missing;
#[path = "languages/python.rs"]
mod python;
#[path = "languages/roles.rs"]
mod roles;
#[path = "languages/rust.rs"]
mod rust;
#[path = "languages/typescript.rs"]
mod typescript;
#[path = "languages/zig.rs"]
mod zig;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use trimtab_tests::host::{binary, code_cache};
use trimtab_tests::plugin::root;
use trimtab_tests::{Backend, Folder, Host};

/// What tools leave in a project that they need not do again.
const KEPT: [&str; 3] = ["node_modules", "target", ".zig-cache"];

/// A plugin's project, in a folder of its own below one that is empty otherwise.
struct Project {
    folder: Folder,
    name: String,
}

impl Project {
    /// A new one.
    fn new(language: &str) -> Self {
        Self::named("steer", language)
    }

    fn named(name: &str, language: &str) -> Self {
        let project = Self { folder: Folder::new(), name: name.to_owned() };
        let mut command = Command::new(binary());
        let command = command.args(["plugin", "new", name, "--lang", language]);
        succeed(command.current_dir(project.folder.root()));
        project
    }

    /// A new one in this role in its place, with what tools have installed and built for it.
    fn renewed(self, language: &str, role: &str) -> Self {
        let before = self.folder.path("before");
        fs::rename(self.path(), &before).expect("the folder is ours");
        let mut command = Command::new(binary());
        let command = command.args(["plugin", "new", &self.name, "--lang", language, "--role", role]);
        succeed(command.current_dir(self.folder.root()));
        for kept in KEPT.iter().filter(|kept| before.join(kept).exists()) {
            fs::rename(before.join(kept), self.path().join(kept)).expect("the folder is ours");
        }
        fs::remove_dir_all(before).expect("the folder is ours");
        self
    }

    /// A copy of an example: of what is committed, and not of what was built there.
    fn example(name: &str) -> Self {
        let project = Self { folder: Folder::new(), name: name.to_owned() };
        fs::create_dir(project.path()).expect("the folder is empty");
        for entry in fs::read_dir(root().join("examples").join(name)).expect("an example").flatten() {
            let file = entry.path();
            if file.is_file() && file.extension().is_none_or(|extension| extension != "wasm") {
                fs::copy(&file, project.path().join(entry.file_name())).expect("a copy");
            }
        }
        project
    }

    fn path(&self) -> PathBuf {
        self.folder.path(&self.name)
    }

    /// A program that runs in the project, and finds what `tests/run` has installed.
    fn program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.path()).env("PATH", path()).env("npm_config_prefer_offline", "true");
        command
    }

    /// Built by its own tools, and tested by its own tests.
    fn built_and_tested(self, test: &[&str]) -> Self {
        succeed(self.program(binary()).args(["plugin", "build"]));
        let told = succeed(self.program(test[0]).args(&test[1..]));
        assert!(told.contains("ok") || told.contains("OK") || told.contains("# pass"), "tests were run: {told}");
        self
    }

    /// It keeps the contract, before it is let near traffic. What takes half of its time for 10 000 backends may take twice as
    /// long beside everything else that runs here.
    fn keeps_the_contract(&self) {
        let component = format!("{}.wasm", self.name);
        let arguments = ["plugin", "test", &component, "--tables", "100", "--update-deadline", "1s"];
        let report = succeed(self.program(binary()).args(arguments));
        assert!(report.contains("it keeps the contract"), "{report}");
    }

    /// Its own configuration, with a listener on any port, and these backends.
    fn configuration(&self, backends: &[Backend]) -> String {
        let text = fs::read_to_string(self.path().join("trimtab.toml")).expect("a configuration");
        let text = replaced(&text, "127.0.0.1:8080", "127.0.0.1:0");
        let text = replaced(&text, "component = \"", &format!("component = \"{}/", self.name));
        (9001..).zip(backends).fold(text, |text, (written, backend)| {
            replaced(&text, &format!("\"127.0.0.1:{written}\""), &format!("\"{}\"", backend.address()))
        })
    }

    /// What `trimtab check` says of a configuration, and whether it is fine.
    fn check(&self, config: &str) -> (bool, String) {
        let path = self.folder.write("checked.toml", config);
        let output = self.program(binary()).env("CACHE_DIRECTORY", code_cache()).arg("check").arg(path).output();
        told(&output.expect("trimtab runs"))
    }

    /// A host with this configuration. Checked before, which compiles the component for as long as that takes.
    fn run(self, config: &str) -> Host {
        let (fine, told) = self.check(config);
        assert!(fine, "{told}");
        Host::start_in(self.folder, config)
    }

    /// The same with a copy of the component, where the project is still needed.
    fn try_run(&self, config: &str) -> Host {
        let component = format!("{0}/{0}.wasm", self.name);
        let copy = Self { folder: Folder::new(), name: self.name.clone() };
        fs::create_dir(copy.path()).expect("the folder is empty");
        fs::copy(self.folder.path(&component), copy.folder.path(&component)).expect("a component");
        copy.run(config)
    }
}

/// The path of programs, with those that are packages of PyPI.
fn path() -> OsString {
    let clients = std::env::var_os("TRIMTAB_CLIENTS").expect("$TRIMTAB_CLIENTS is what tests/run installs tools in");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from(clients).join("python/bin")].into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(folders).expect("a path of paths")
}

fn told(output: &Output) -> (bool, String) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
    (output.status.success(), text)
}

/// Runs it to its end, for as long as that takes: a compiler may have much to do.
fn succeed(command: &mut Command) -> String {
    let (well, text) = told(&command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")));
    assert!(well, "{command:?}\n{text}");
    text
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from} in\n{text}");
    text.replace(from, to)
}

fn backends() -> [Backend; 3] {
    ["b1", "b2", "b3"].map(Backend::echo)
}

fn no_faults(host: &Host) {
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 0.0, "{}", host.log());
}

/// What is new in a language, in each role, through all that its README says.
fn a_new_project_steers(language: &str, test: &[&str]) {
    let backends = backends();
    let mut project = Project::new(language).built_and_tested(test);
    project.keeps_the_contract();
    picks_by_header(&project.try_run(&project.configuration(&backends)));
    for (role, is_to_be_seen) in roles::OTHERS {
        project = project.renewed(language, role).built_and_tested(test);
        project.keeps_the_contract();
        is_to_be_seen(&project.try_run(&project.configuration(&backends)));
    }
}

fn picks_by_header(host: &Host) {
    let mut client = host.client();
    for named in ["b2", "b3", "b1", "b2"] {
        let response = client.get_with("/", &format!("x-backend: {named}\r\n"));
        assert_eq!((response.status, response.backend()), (200, named));
    }
    assert_eq!(client.get_with("/", "x-backend: b9\r\n").status, 200, "one that there is not is no error");
    assert_eq!(host.admin("PATCH", "/pools/web/backends/b2", r#"{"state":"down"}"#).0, 200);
    let answered: Vec<_> = (0..40).map(|_| client.get_with("/", "x-backend: b2\r\n").backend().to_owned()).collect();
    for (id, is_there) in [("b1", true), ("b2", false), ("b3", true)] {
        assert_eq!(answered.iter().any(|backend| backend == id), is_there, "{id} of {answered:?}");
    }
    no_faults(host);
}
