//! Programs of other hands: scripts that run in Node, beside the packages that they use.

use std::path::Path;
use std::process::{Command, Stdio};

/// The folder of npm packages; `scripts/services` sets it.
const MODULES: &str = "EMPORIUM_TEST_NPM";

/// Runs a script in this folder beside the packages; nothing where there are none.
pub fn script(directory: &Path, name: &str, text: &str) -> Option<Command> {
    let Some(modules) = std::env::var_os(MODULES) else {
        let left_out = std::env::var_os("EMPORIUM_TEST_ALL").is_none();
        assert!(left_out, "{MODULES} is not set: see scripts/services");
        println!("{MODULES} is not set: nobody else was asked");
        return None;
    };
    std::fs::write(directory.join(name), text).expect("it can be written");
    let link = directory.join("node_modules");
    if !link.exists() {
        std::os::unix::fs::symlink(modules, link).expect("a link");
    }
    let mut command = Command::new("node");
    command.current_dir(directory).arg(name).stderr(Stdio::inherit());
    Some(command)
}
