//! PostgreSQL and Redis, by their own clients, through TCP: protocols in which the client speaks first or the server does,
//! that begin TLS in the middle, send much at once, or say nothing for long.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use trimtab_tests::program::{demote, free, installed, own};
use trimtab_tests::script::{finish_reading, run};
use trimtab_tests::{Authority, Folder, Host, Program, Setup, eventually};

const TCP: &str = "protocol = 'tcp'";

/// A program of the newest PostgreSQL that is here.
fn postgres(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path().join("bin").join(program)).filter(|path| path.is_file()).max();
    newest.unwrap_or_else(|| installed(program))
}

/// A server with TLS, and a host before it.
fn database() -> (Program, PathBuf, Host) {
    let (folder, authority) = (Folder::new(), Authority::new());
    authority.issue(&["127.0.0.1", "test"]).write(&folder, "server");
    let ca = authority.write(&folder);
    for file in ["server.pem", "server.key", "ca.pem"] {
        own(&folder.path(file));
    }
    let mut initialise = Command::new(postgres("initdb"));
    demote(&mut initialise, folder.root());
    run(initialise.args(["--auth=trust", "--username=trimtab", "--no-sync", "--pgdata"]).arg(folder.path("data")));
    let [address] = free();
    let mut server = Command::new(postgres("postgres"));
    demote(&mut server, folder.root());
    server.arg("-D").arg(folder.path("data")).arg("-h").arg(address.ip().to_string());
    server.args(["-p", &address.port().to_string(), "-k", ""]);
    for setting in ["fsync=off", "ssl=on", "ssl_cert_file=../server.pem", "ssl_key_file=../server.key"] {
        server.args(["-c", setting]);
    }
    let server = Program::start(folder, &mut server, &[address]);
    let host = Setup::of([format!("'{address}'")]).listener(TCP).start();
    eventually("it takes clients", || {
        psql(host.address(), "sslmode=disable", None)
            .arg("-c")
            .arg("select 1")
            .output()
            .is_ok_and(|it| it.status.success())
    });
    (server, ca, host)
}

/// A client of the database there.
fn psql(address: SocketAddr, security: &str, ca: Option<&Path>) -> Command {
    let mut command = Command::new(postgres("psql"));
    let ca = ca.map(|ca| format!(" sslrootcert={}", ca.display())).unwrap_or_default();
    let (host, port) = (address.ip(), address.port());
    let to = format!("host={host} port={port} user=trimtab dbname=postgres connect_timeout=20 {security}{ca}");
    command.args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set=ON_ERROR_STOP=1", &to]);
    command
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn postgresql() {
    const SECURED: &str = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let (server, ca, host) = database();
    // TLS begins after a question and an answer without, which go through as they are.
    for (security, ca, secured) in
        [("sslmode=disable", None, "f"), ("sslmode=require", None, "t"), ("sslmode=verify-full", Some(&*ca), "t")]
    {
        let ask = |question: &str| run(psql(host.address(), security, ca).args(["-c", question])).trim().to_owned();
        assert_eq!(ask(SECURED), secured, "{security}");
        let numbers = ask("select generate_series(1, 200000)");
        assert_eq!((numbers.lines().count(), numbers.lines().last()), (200_000, Some("200000")));
        // Rows to the server and back, much of both at once.
        let rows: String = (0..50_000).map(|row| format!("{row}\t{}\n", "x".repeat(40))).collect();
        let file = server.folder.write("rows", &rows);
        let copied = "create temporary table t (number int, text text); \\copy t from ROWS";
        let copied = copied.replace("ROWS", &file.display().to_string());
        let script = copied.replace("; ", ";\n") + "\nselect count(*), sum(number), sum(length(text)) from t;\n";
        let script = server.folder.write("script", script);
        let told = run(psql(host.address(), security, ca).arg("-f").arg(script));
        assert_eq!(told.trim(), "50000|1249975000|2000000", "{security}");
    }
    // A question that is cancelled comes by a connection of its own, and one that fails leaves the connection.
    let told = run(psql(host.address(), "sslmode=prefer", None).args([
        "-c",
        "select 6 * 7",
        "-c",
        "select now() is not null",
    ]));
    assert_eq!(told, "42\nt\n");
}

/// A server, and a host with two listeners before it: `web`, and `secure`, where TLS ends.
fn redis() -> (Program, PathBuf, Host) {
    let (folder, authority) = (Folder::new(), Authority::new());
    authority.issue(&["127.0.0.1", "test"]).write(&folder, "test");
    let ca = authority.write(&folder);
    let (server_folder, [address]) = (Folder::new(), free());
    let mut server = Command::new(installed("redis-server"));
    server.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
    server.args(["--save", "", "--appendonly", "no", "--protected-mode", "no"]);
    let server = Program::start(server_folder, &mut server, &[address]);
    let secure = "[[listener]]\nname = 'secure'\naddress = '127.0.0.1:0'\nprotocol = 'tcp'\npool = 'web'\n\
                  certificates = [{ cert = 'test.pem', key = 'test.key' }]";
    let host = Setup::of([format!("'{address}'")]).listener(TCP).more(secure).start_in(folder);
    (server, ca, host)
}

fn redis_cli(host: &Host, listener: &str, ca: &Path) -> Command {
    let mut command = Command::new(installed("redis-cli"));
    let address = host.address_of(listener);
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
    if listener == "secure" {
        command.args(["--tls", "--sni", "test", "--cacert"]).arg(ca);
    }
    command
}

/// Who listens to a channel, and waits.
struct Subscriber {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Subscriber {
    fn start(mut command: Command, channel: &str) -> Self {
        let mut child = command
            .args(["--csv", "subscribe", channel])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-cli runs");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut subscriber = Self { child, lines };
        while !subscriber.line().contains("\"subscribe\"") {}
        subscriber
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).expect("a line") > 0, "the subscription has ended");
        line
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn redis_by_its_own_client() {
    const MANY: usize = 20_000;
    let (server, ca, host) = redis();
    for listener in ["web", "secure"] {
        let ask = |words: &[&str]| run(redis_cli(&host, listener, &ca).args(words)).trim().to_owned();
        assert_eq!(ask(&["ping"]), "PONG", "{listener}");
        let mut subscriber = Subscriber::start(redis_cli(&host, listener, &ca), "news");
        // Many questions before the first answer is read.
        let commands: String =
            (0..MANY).map(|number| format!("*3\r\n$3\r\nSET\r\n$6\r\nk{number:05}\r\n$4\r\nthis\r\n")).collect();
        server.folder.write("commands", commands);
        let file = std::fs::File::open(server.folder.path("commands")).expect("just written");
        let (ok, said, complaint) = finish_reading(redis_cli(&host, listener, &ca).arg("--pipe"), file);
        assert!(ok && said.contains(&format!("errors: 0, replies: {MANY}")), "{listener}: {said}{complaint}");
        assert_eq!(ask(&["dbsize"]), MANY.to_string());
        // An answer of some megabytes.
        let large = "v".repeat(4 << 20);
        server.folder.write("large", &large);
        let file = std::fs::File::open(server.folder.path("large")).expect("just written");
        let (ok, ..) = finish_reading(redis_cli(&host, listener, &ca).args(["-x", "set", "large"]), file);
        assert!(ok && ask(&["get", "large"]) == large, "{listener}: as it was");
        // Nothing has been said to the one who listens all the while, and its host has been told something else meanwhile.
        assert_eq!(host.admin_response("POST", "/reload", "").status, 200);
        assert_eq!(ask(&["publish", "news", "it is here"]), "1");
        assert!(subscriber.line().contains("it is here"), "{listener}");
        assert_eq!(ask(&["flushall"]), "OK");
    }
}
