//! What is shown of checks: the admin API, metrics, `trimtab status`, and errors of their files.

use trimtab_tests::{Backend, Folder, Setup, trimtab};

use super::{QUICK, becomes, health};

#[test]
fn the_admin_api_and_metrics() {
    let (a, b) = (Backend::echo("a"), Backend::status("b", 500));
    let more = format!("[[route]]\npath = '/x'\npool = 'x'\n[pool.x]\nbackends = [{}]", a.entry());
    let host = Setup::over(&[&a, &b]).pool(&format!("health = {{ http = '/', {QUICK} }}")).more(&more).start();
    becomes(&host, "a", "healthy");
    becomes(&host, "b", "unhealthy");
    let shown = health(&host, "a");
    assert!(shown["last"].is_null() && shown["since_seconds"].as_f64() > Some(0.0), "{shown}");
    assert_eq!(health(&host, "b")["last"], "status 500, expected 200-399");
    assert!(host.backend("x", "a")["health"].is_null(), "it has no checks");

    let metrics = host.metrics();
    let healthy = |id| metrics.sum("trimtab_backend_healthy", &[("pool", "web"), ("backend", id)]);
    assert_eq!((healthy("a"), healthy("b")), (1.0, 0.0));
    assert!(metrics.has("trimtab_backend_healthy", &[("backend", "b")]));
    assert!(!metrics.has("trimtab_backend_healthy", &[("pool", "x")]));
    let checks = |id, result| {
        metrics.sum("trimtab_health_checks_total", &[("pool", "web"), ("backend", id), ("result", result)])
    };
    assert!(checks("a", "passed") >= 1.0 && checks("b", "failed") >= 1.0);
    assert_eq!((checks("a", "failed"), checks("b", "passed")), (0.0, 0.0));
    let ready = |id| metrics.sum("trimtab_backend_ready", &[("pool", "web"), ("backend", id)]);
    assert_eq!((ready("a"), ready("b")), (1.0, 0.0));

    let socket = format!("unix:{}", host.folder.path("admin.sock").display());
    let status = trimtab(&["status", "--admin", &socket, "--over", "0s"]);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.contains("HEALTH") && text.contains("unhealthy"), "{text}{}", String::from_utf8_lossy(&status.stderr));
}

#[test]
fn files_of_no_use_keep_it_from_starting() {
    let folder = Folder::new();
    let a = Backend::echo("a");
    let config = |tls: &str| Setup::over(&[&a]).pool(&format!("health = {{ tcp = true, tls = {tls} }}")).text();
    let check = |tls: &str| {
        let path = folder.write("c.toml", config(tls)).display().to_string();
        let output = trimtab(&["check", &path]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = check("{ ca = 'none.pem' }");
    let expected =
        format!("health check of pool `web`: cannot read the certificates of `{}", folder.path("none.pem").display());
    assert!(code == Some(1) && said.contains(&expected), "{said}");
    folder.write("empty.pem", "");
    let (code, said) = check("{ insecure = true, cert = 'empty.pem', key = 'empty.pem' }");
    assert!(code == Some(1) && said.contains("there is no certificate in PEM in"), "{said}");
    assert_eq!(check("{ insecure = true }").0, Some(0));
}
