//! The walk-through of README.md, run as it is written there but for ids, which are others in each
//! installation. Each `sh` block is followed by what it prints, as `json`; `EMPORIUM_BLESS=1` writes
//! that anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::process::{PATIENCE, Server};

/// The address that README.md has.
const ADDRESS: &str = "127.0.0.1:8080";
/// The program that `make run` builds.
const PROGRAM: &str = "target/quick/emporium";
const BEGIN: &str = "## Walk-through";

/// A block of commands and, if one follows, what they print.
struct Step {
    commands: String,
    prints: Option<String>,
}

fn readme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

/// The commands of the walk-through with what they print, in order.
fn steps(text: &str) -> Vec<Step> {
    let walk = text.split(BEGIN).nth(1).expect("README.md has a walk-through");
    let walk = walk.split("\n## ").next().expect("a first piece");
    let mut steps: Vec<Step> = Vec::new();
    let mut pieces = walk.split("```");
    pieces.next();
    while let (Some(block), Some(_)) = (pieces.next(), pieces.next()) {
        let (language, content) = block.split_once('\n').expect("a block has lines");
        match language {
            "sh" => steps.push(Step { commands: content.to_owned(), prints: None }),
            "json" => {
                let step = steps.last_mut().expect("commands stand before what they print");
                step.prints = Some(content.to_owned());
            }
            other => panic!("a block of {other:?}"),
        }
    }
    steps
}

/// Runs commands after all functions that were defined before; what they print.
fn print(directory: &Path, functions: &str, commands: &str, address: &str) -> String {
    let script = format!("set -eu\n{functions}\n{commands}").replace(ADDRESS, address);
    let script = script.replace(PROGRAM, env!("CARGO_BIN_EXE_emporium"));
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .expect("bash can be started");
    assert!(output.status.success(), "{commands}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// The JSON values of a text: how they are laid out does not matter.
fn values(text: &str) -> Vec<Value> {
    let parsed: Result<Vec<Value>, _> =
        serde_json::Deserializer::from_str(text).into_iter().collect();
    parsed.unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Ids as README.md has them, and which they are here.
#[derive(Default)]
struct Ids(BTreeMap<String, String>);

impl Ids {
    /// What stands in README.md with the ids of here.
    fn here(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    /// What was printed with the ids of README.md.
    fn there(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (there, here)| text.replace(here, there))
    }

    /// What is printed names things that README.md has not met before, in the same places.
    fn learn(&mut self, expected: &str, printed: &str) {
        let (there, here) = (ids(expected), ids(printed));
        if there.len() == here.len() {
            for (there, here) in there.into_iter().zip(here) {
                self.0.entry(there.to_owned()).or_insert_with(|| here.to_owned());
            }
        }
    }
}

/// The UUIDs of a text, in order.
fn ids(text: &str) -> Vec<&str> {
    const LENGTH: usize = 36;
    let places = 0..text.len().saturating_sub(LENGTH - 1);
    let windows = places.filter_map(|at| text.get(at..at + LENGTH));
    windows.filter(|window| Uuid::try_parse(window).is_ok()).collect()
}

#[test]
fn the_readme_works_as_written() {
    let text = std::fs::read_to_string(readme()).expect("README.md can be read");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut server = Some(Server::start(directory.path(), &["--demo"]));
    let (mut functions, mut blessed) = (String::new(), text.clone());
    let mut ids = Ids::default();
    let bless = std::env::var_os("EMPORIUM_BLESS").is_some();
    let steps = steps(&text);
    assert!(steps.len() >= 8, "the walk-through was read");
    for step in &steps {
        if step.commands.starts_with("ask()") {
            functions.push_str(&step.commands);
            continue;
        }
        if step.commands.trim() == "make run" {
            // In the beginning it runs already; later it was killed.
            if server.is_none() {
                server = Some(Server::start(directory.path(), &["--demo"]));
            }
            continue;
        }
        if step.commands.starts_with("kill -9") {
            let running = server.take().expect("it was started");
            print(directory.path(), &functions, &step.commands, ADDRESS);
            let (status, _, _) = running.end();
            assert_eq!(status, None, "it was killed by the signal");
            continue;
        }
        let address = server.as_ref().expect("it was started").address();
        let expected = step.prints.as_ref().expect("what it prints is shown");
        let until = Instant::now() + if bless { Duration::from_secs(2) } else { PATIENCE };
        let printed = loop {
            let commands = ids.here(&step.commands);
            let printed = print(directory.path(), &functions, &commands, address);
            ids.learn(expected, &printed);
            let printed = ids.there(&printed);
            // "A moment later" is as long as it takes.
            let over = Instant::now() > until;
            if over || (!bless && values(&printed) == values(expected)) {
                break printed;
            }
            thread::sleep(Duration::from_millis(20));
        };
        if bless {
            blessed = blessed.replacen(expected, &format!("{}\n", printed.trim_end()), 1);
        } else {
            assert_eq!(values(&printed), values(expected), "after {}", step.commands);
        }
    }
    if bless {
        std::fs::write(readme(), blessed).expect("README.md can be written");
    }
}
