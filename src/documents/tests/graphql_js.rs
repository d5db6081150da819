//! graphql-js in a process of its own: where Node and the package are, and how they are asked.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The folder of npm packages; `scripts/services` sets it.
const MODULES: &str = "EMPORIUM_TEST_NPM";

/// What graphql-js says of a request.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// Why nothing ran.
    pub refused: Option<String>,
    /// As it came: the order of keys counts.
    pub data: Option<Box<RawValue>>,
    /// The paths of the errors.
    #[serde(default)]
    pub errors: Vec<Vec<Value>>,
}

/// The answers to requests, or nothing where there is no graphql-js.
pub fn answers(sdl: &str, mode: &str, requests: &[Value]) -> Option<Vec<Answer>> {
    let Some(modules) = std::env::var_os(MODULES) else {
        let left_out = std::env::var_os("EMPORIUM_TEST_ALL").is_none();
        assert!(left_out, "{MODULES} is not set: see scripts/services");
        println!("{MODULES} is not set: nothing was compared");
        return None;
    };
    let module = PathBuf::from(modules).join("graphql");
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/graphql_js"));
    let schema =
        std::env::temp_dir().join(format!("emporium-{mode}-{}.graphql", std::process::id()));
    std::fs::write(&schema, sdl).expect("a file of our own");
    let mut peer = Command::new("node")
        .arg(folder.join("peer.mjs"))
        .args([&module, &schema])
        .arg(mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    let mut questions = peer.stdin.take().expect("piped");
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let asking = std::thread::spawn(move || questions.write_all(lines.as_bytes()));
    let output = peer.wait_with_output().expect("node ends");
    asking.join().expect("no panic").expect("node reads");
    std::fs::remove_file(&schema).expect("a file of our own");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let answers: Vec<Answer> =
        text.lines().map(|line| serde_json::from_str(line).expect("an answer")).collect();
    assert_eq!(answers.len(), requests.len(), "node answered everything");
    Some(answers)
}
