//! Histories: what each client asked of an aggregate, when, and what it was told. One JSON object
//! a line, so that files of several processes can be joined by `cat`. Says nothing about whether a
//! history is right.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::LoadError;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Sell { units: u64 },
    Book { slot: u64 },
    Read,
}

/// What was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The state from which a recorded run goes on.
    Begin {
        on_hand: i64,
        version: u64,
    },
    Done {
        version: u64,
        event: Option<String>,
    },
    /// There was not enough, or the slot was taken.
    Refused {
        available: Option<i64>,
        by: Option<String>,
    },
    Unknown,
    Stock {
        on_hand: i64,
        version: u64,
    },
    Calendar {
        events: u64,
        version: u64,
    },
}

/// One operation of a client, just ended.
pub struct Entry<'a> {
    pub client: u32,
    pub aggregate: &'a str,
    pub key: Option<&'a str>,
    /// When it was sent first.
    pub invoked: Instant,
    pub event: Event,
    pub seen: Seen,
}

/// A line of the file. Times are microseconds since 1970, monotonic within a process; a `return_us`
/// that is missing means that the outcome was never learnt.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Line<'a> {
    pub client: u32,
    /// The run that recorded it.
    pub process: Cow<'a, str>,
    pub aggregate: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    pub invoke_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_us: Option<u64>,
    pub op: Op,
    #[serde(default)]
    pub input: Input,
    pub outcome: Ended,
    /// The version that it led to, or that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_hand: Option<i64>,
    /// What a refusal said is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<i64>,
    /// How many bookings a calendar has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// The booking that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Cow<'a, str>>,
    /// The booking that was in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    #[default]
    Begin,
    Sell,
    Book,
    Read,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Input {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
}

/// The words of such histories: done, certainly not done, perhaps done.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    #[default]
    Ok,
    Fail,
    Info,
}

/// The file of one run.
pub struct Recorder {
    process: String,
    origin: Instant,
    /// Of `origin`, since 1970.
    origin_us: u64,
    file: Mutex<Writing>,
}

struct Writing {
    out: BufWriter<File>,
    /// The first error; what comes after it is not written.
    failed: Option<std::io::Error>,
    line: Vec<u8>,
}

impl Recorder {
    pub fn create(path: &Path, process: &str) -> Result<Self, LoadError> {
        let file = File::create(path)
            .map_err(|error| LoadError::Failed(format!("writing {}: {error}", path.display())))?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            process: process.to_owned(),
            origin: Instant::now(),
            origin_us: u64::try_from(since.as_micros()).unwrap_or(0),
            file: Mutex::new(Writing {
                out: BufWriter::with_capacity(1 << 16, file),
                failed: None,
                line: Vec::new(),
            }),
        })
    }

    /// The state from which an aggregate goes on; before any operation on it.
    pub fn begin(&self, aggregate: &str, seen: Seen) {
        let (event, invoked) = (Event::Read, Instant::now());
        self.note(&Entry { client: 0, aggregate, key: None, invoked, event, seen });
    }

    pub fn note(&self, entry: &Entry<'_>) {
        // Before the lock: waiting for it is not part of the operation.
        let line = self.line(entry, Instant::now());
        let mut writing = self.file.lock();
        let Writing { out, failed, line: text } = &mut *writing;
        if failed.is_some() {
            return;
        }
        text.clear();
        serde_json::to_writer(&mut *text, &line).expect("a line has text keys");
        text.push(b'\n');
        *failed = out.write_all(text).err();
    }

    /// Everything is in the file, or why not.
    pub fn finish(&self) -> Result<(), LoadError> {
        let mut writing = self.file.lock();
        let flushed = match writing.failed.take() {
            Some(error) => Err(error),
            None => writing.out.flush(),
        };
        flushed.map_err(|error| LoadError::Failed(format!("writing the history: {error}")))
    }

    fn line<'a>(&'a self, entry: &'a Entry<'a>, returned: Instant) -> Line<'a> {
        let at = |time: Instant| {
            self.origin_us + time.saturating_duration_since(self.origin).as_micros() as u64
        };
        let mut line = Line {
            client: entry.client,
            process: Cow::Borrowed(&self.process),
            aggregate: Cow::Borrowed(entry.aggregate),
            key: entry.key.map(Cow::Borrowed),
            invoke_us: at(entry.invoked),
            return_us: Some(at(returned)),
            ..Line::default()
        };
        (line.op, line.input) = match entry.event {
            Event::Sell { units } => (Op::Sell, Input { units: Some(units), slot: None }),
            Event::Book { slot } => (Op::Book, Input { units: None, slot: Some(slot) }),
            Event::Read => (Op::Read, Input::default()),
        };
        match &entry.seen {
            Seen::Begin { on_hand, version } => {
                (line.op, line.on_hand, line.version) = (Op::Begin, Some(*on_hand), Some(*version));
            }
            Seen::Done { version, event } => {
                line.version = Some(*version);
                line.event = event.as_deref().map(Cow::Borrowed);
            }
            Seen::Refused { available, by } => {
                line.outcome = Ended::Fail;
                line.available = *available;
                line.by = by.as_deref().map(Cow::Borrowed);
            }
            Seen::Unknown => (line.outcome, line.return_us) = (Ended::Info, None),
            Seen::Stock { on_hand, version } => {
                (line.on_hand, line.version) = (Some(*on_hand), Some(*version));
            }
            Seen::Calendar { events, version } => {
                (line.events, line.version) = (Some(*events), Some(*version));
            }
        }
        line
    }
}
