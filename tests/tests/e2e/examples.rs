//! The examples: their own configuration, with their component built from its sources.

use std::fs;

use trimtab_tests::plugin::root;
use trimtab_tests::{Backend, Folder, Host, rebuilt};

/// The example's configuration, started with listeners on any port, these backends, and the component beside it.
fn start(example: &str, backends: &[&Backend]) -> Host {
    let path = root().join("examples").join(example).join("trimtab.toml");
    let mut config = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut replace = |from: &str, to: &str| {
        assert!(config.contains(from), "{} does not have {from}", path.display());
        config = config.replace(from, to);
    };
    replace("127.0.0.1:8080", "127.0.0.1:0");
    for (port, backend) in (9001..).zip(backends) {
        replace(&format!("127.0.0.1:{port}"), &backend.address().to_string());
    }
    let component = rebuilt::component(example);
    let folder = Folder::new();
    folder.write(&format!("{example}.wasm"), fs::read(component).expect("the component can be read"));
    Host::start_in(folder, &config)
}

#[test]
#[ignore = "needs components built from their sources: tests/run builds them and runs this"]
fn rust_header_pin() {
    let backends = ["b1", "b2", "b3"].map(Backend::echo);
    let host = start("rust-header-pin", &backends.each_ref());
    let mut client = host.client();
    for pinned in ["b2", "b2", "b3", "b1"] {
        let response = client.get_with("/", &format!("x-backend: {pinned}\r\n"));
        assert_eq!((response.status, response.backend()), (200, pinned));
    }
    assert_eq!(client.get_with("/", "x-backend: b9\r\n").status, 200, "an unknown backend is no error");
    assert_eq!(host.admin("PATCH", "/pools/web/backends/b2", r#"{"state":"down"}"#).0, 200);
    let other = client.get_with("/", "x-backend: b2\r\n");
    assert_eq!(other.status, 200);
    assert_ne!(other.backend(), "b2");
    let answered: usize = backends.iter().map(Backend::requests).sum();
    assert_eq!(answered, 6);
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[("plugin", "header-pin")]), 0.0);
}
