//! The commands by which `duet builds` counts dependencies name folders of this repository, which
//! may be moved: each of them is run as it stands in `bench/servers.toml`.

use std::path::Path;
use std::process::{Command, Stdio};

/// Whether a program is on the PATH.
fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[test]
fn commands_that_list_dependencies_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let spec = duet_definitions::load(&root.join("bench")).expect("the definitions are read");
    let servers = spec.servers.iter().filter(|server| !server.dependencies.is_empty());
    let servers: Vec<_> =
        servers.filter(|server| server.needs.iter().all(|needed| installed(needed))).collect();
    assert!(!servers.is_empty(), "cargo and go are here, and no server says what it depends on");
    for server in servers {
        let (program, words) = server.dependencies.split_first().expect("it is not empty");
        let mut command = Command::new(program);
        let output = command.args(words).current_dir(&root).stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", server.name));
        assert!(output.status.success(), "{}: {output:?}", server.name);
        for folder in String::from_utf8_lossy(&output.stdout).lines() {
            assert!(root.join(folder).is_dir(), "{}: {folder} is no folder", server.name);
        }
    }
}
