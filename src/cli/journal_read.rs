//! `emporium journal read`: events as people can read them, or a JSON object a line.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::output::Output;
use super::{AggregateName, Failure, JournalReadArguments};
use persistence::cause::chain;
use persistence::journal::{Entry, LogReader, PageLimit, ShardId};

/// An event as it is stored; the texts are passed on as they are.
#[derive(Deserialize)]
struct StoredEvent<'a> {
    #[serde(rename = "type")]
    event_type: String,
    schema: Option<u32>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// What was said of its command, with the first event of that.
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
}

/// An event with its address.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    shard: ShardId,
    seq: u64,
    index: usize,
    epoch: u64,
    aggregate: String,
    version: u64,
    recorded_at: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    schema: u32,
    data: &'a RawValue,
    meta: &'a RawValue,
}

/// Prints what the arguments ask for, of the shards `0..shards`.
pub async fn print(
    journal: &dyn LogReader,
    shards: u16,
    arguments: &JournalReadArguments,
) -> Result<(), Failure> {
    let mut printer =
        Printer { output: Output::default(), json: arguments.json, left: arguments.limit };
    match (&arguments.aggregate, arguments.shard) {
        (Some(aggregate), _) => {
            read_aggregate(journal, aggregate, arguments.after, &mut printer).await?;
        }
        (None, Some(shard)) if shard >= shards => {
            return Err(Failure::Usage(format!("there is no shard {shard}: there are {shards}")));
        }
        (None, Some(shard)) => {
            read_shard(journal, shard, arguments.after, &mut printer).await?;
        }
        (None, None) => {
            for shard in 0..shards {
                read_shard(journal, shard, arguments.after, &mut printer).await?;
            }
        }
    }
    printer.output.flush()
}

async fn read_shard(
    journal: &dyn LogReader,
    shard: ShardId,
    mut after: u64,
    printer: &mut Printer,
) -> Result<(), Failure> {
    while !printer.is_done() {
        let page = journal.read_shard(shard, after, u64::MAX, printer.page()).await;
        let page = page.map_err(|error| Failure::failed("reading the journal", chain(&error)))?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for entry in &page {
            printer.entry(entry)?;
        }
    }
    Ok(())
}

async fn read_aggregate(
    journal: &dyn LogReader,
    name: &AggregateName,
    after: u64,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut from = 1;
    while !printer.is_done() {
        let page =
            journal.read_aggregate(&name.kind, name.id, from, u64::MAX, printer.page()).await;
        let page = page.map_err(|error| Failure::failed("reading the journal", chain(&error)))?;
        let Some(last) = page.last() else { break };
        from = last.last_version() + 1;
        for entry in page.iter().filter(|entry| entry.seq > after) {
            printer.entry(entry)?;
        }
    }
    Ok(())
}

struct Printer {
    output: Output,
    json: bool,
    /// Events that may still be printed.
    left: u64,
}

impl Printer {
    fn is_done(&self) -> bool {
        self.left == 0 || self.output.is_closed()
    }

    /// No more entries than there may be events.
    fn page(&self) -> PageLimit {
        let whole = PageLimit::default();
        PageLimit { rows: u32::try_from(self.left).unwrap_or(u32::MAX).min(whole.rows), ..whole }
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), Failure> {
        let place = || format!("shard {} entry {}", entry.shard, entry.seq);
        let events: Vec<StoredEvent<'_>> =
            serde_json::from_str(&entry.events).map_err(|error| {
                Failure::failed(&format!("reading the events of {}", place()), error)
            })?;
        let nothing = serde_json::from_str("{}").expect("an empty object");
        let mut meta = nothing;
        for (index, event) in events.iter().enumerate() {
            meta = event.meta.unwrap_or(meta);
            if self.is_done() {
                return Ok(());
            }
            self.left -= 1;
            self.event(&Line {
                shard: entry.shard,
                seq: entry.seq,
                index,
                epoch: entry.epoch,
                aggregate: format!("{}/{}", entry.aggregate_type, entry.aggregate_id),
                version: entry.version + index as u64,
                recorded_at: time(entry.recorded_us),
                event_type: &event.event_type,
                schema: event.schema.unwrap_or(1),
                data: event.data.unwrap_or(nothing),
                meta,
            })?;
        }
        Ok(())
    }

    fn event(&mut self, line: &Line<'_>) -> Result<(), Failure> {
        if self.json {
            return self.output.json(line);
        }
        let Line {
            shard, seq, index, aggregate, version, recorded_at, event_type, data, meta, ..
        } = line;
        self.output.line(&format!(
            "{shard}.{seq}.{index} {recorded_at} {aggregate} v{version} {event_type} {data}{}",
            by_whom(meta)
        ))
    }
}

/// Who asked for it and under which key, if the metadata says so; the engine's own records do not.
fn by_whom(meta: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Who {
        by: Option<String>,
        key: Option<String>,
    }
    match serde_json::from_str(meta.get()) {
        Ok(Who { by: Some(by), key: Some(key) }) => {
            format!(" by {by}, key {key:?}")
        }
        Ok(Who { by: Some(by), key: None }) => format!(" by {by}"),
        _ => String::new(),
    }
}

/// RFC 3339 with microseconds.
fn time(recorded_us: i64) -> String {
    match DateTime::from_timestamp_micros(recorded_us) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Micros, true),
        None => format!("{recorded_us} µs"),
    }
}
