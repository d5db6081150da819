//! What each client asked of a hot item, and what it was told, in the form that `emporium load check`
//! reads.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};

pub struct History {
    begun: Instant,
    file: Mutex<BufWriter<File>>,
}

impl History {
    pub fn create(path: &Path) -> Self {
        let file = BufWriter::new(File::create(path).expect("the history can be written"));
        Self { begun: Instant::now(), file: Mutex::new(file) }
    }

    /// Notes an operation that just ended, or whose end nobody will learn: `outcome` is `ok`, `fail` or
    /// `info`.
    pub fn note(
        &self,
        client: usize,
        aggregate: &str,
        invoked: Instant,
        outcome: &str,
        more: &Value,
    ) {
        let at = |time: Instant| u64::try_from((time - self.begun).as_micros()).unwrap_or(u64::MAX);
        let mut line = json!({
            "client": client, "process": "chaos", "aggregate": aggregate, "outcome": outcome,
            "invoke_us": at(invoked),
        });
        if outcome != "info" {
            line["return_us"] = json!(at(Instant::now()));
        }
        for (name, value) in more.as_object().expect("an object") {
            line[name] = value.clone();
        }
        let mut file = self.file.lock().expect("nobody panics with it");
        writeln!(file, "{line}").expect("the history can be written");
    }

    pub fn finish(&self) {
        let mut file = self.file.lock().expect("nobody panics with it");
        file.flush().expect("the history can be written");
    }
}
