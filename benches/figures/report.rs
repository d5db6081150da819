//! The report: a table on the terminal, `figures.json` for scripts, `figures.md` for people. A
//! paragraph of the latter is kept by hand and left as it is.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::goals::{Row, rows};
use crate::machine;
use crate::place::Places;
use crate::samples::{Samples, readable};
use crate::settings::Settings;

const BY_HAND: (&str, &str) = ("<!-- kept by hand -->", "<!-- end of what is kept by hand -->");

#[derive(Serialize)]
struct Report<'a> {
    machine: String,
    date: String,
    databases: &'a [String],
    rounds: usize,
    figures: Vec<Row>,
}

/// Prints and writes; false if a figure that was asked for is missing or cannot be written.
pub fn finish(settings: &Settings, places: &Places, samples: &Samples) -> bool {
    let mut report = Report {
        machine: machine::describe(),
        date: chrono::Utc::now().format("%Y-%m-%d").to_string(),
        databases: &places.versions,
        rounds: settings.rounds(),
        figures: Vec::new(),
    };
    let mut complete = true;
    for kind in places.kinds() {
        let (rows, missing) = rows(samples, kind);
        report.figures.extend(rows);
        if settings.is_whole() && !missing.is_empty() {
            eprintln!("figures: not measured on {kind}: {}", missing.join(", "));
            complete = false;
        }
    }
    let tables = tables(&report, places);
    println!("{tables}");
    let misses = report.figures.iter().filter(|row| row.met == Some(false)).count();
    println!("{misses} of the goals missed");
    if let Some(directory) = settings.output() {
        match write(&directory, &report, &tables, &details(samples, places)) {
            Ok(()) => eprintln!("figures: written to {}", directory.display()),
            Err(error) => {
                eprintln!("figures: {} cannot be written: {error}", directory.display());
                complete = false;
            }
        }
    }
    complete
}

fn write(
    directory: &Path,
    report: &Report<'_>,
    tables: &str,
    details: &str,
) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut json = serde_json::to_string_pretty(report).expect("a report holds nothing else");
    json.push('\n');
    std::fs::write(directory.join("figures.json"), json)?;
    let page = directory.join("figures.md");
    let kept = std::fs::read_to_string(&page).ok().and_then(|text| by_hand(&text));
    let kept = kept.unwrap_or_else(|| "\n".to_owned());
    std::fs::write(page, markdown(report, tables, details, &kept))
}

/// What stands between the two marks.
fn by_hand(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(BY_HAND.0)?;
    Some(rest.split_once(BY_HAND.1)?.0.to_owned())
}

fn markdown(report: &Report<'_>, tables: &str, details: &str, kept: &str) -> String {
    let Report { machine, date, databases, rounds, .. } = report;
    let databases = databases.join("; ");
    let (begin, end) = BY_HAND;
    format!(
        "# Figures

Written by `make bench`; compare only within one run.

- Machine: {machine}
- Date: {date}
- Databases: {databases}

## Method

Server, database and load share the machine. Limits and engine take turns within each of {rounds} \
rounds, each on a new database; a figure is the median of its rounds. Where several settings were \
tried (rows of a statement, connections, callers), the best one counts, on both sides of a ratio; \
it stands in brackets. The two sides of a ratio are measured for equally long. The latency of the \
hot item is that at 1,000 callers, its rate that at the best number of callers.

A command is a whole one: `Sell` on a stock item with an idempotency key of its own, decided, \
written as a JSON event with full metadata, committed durably, then answered. The limits write the \
same events into the same table through prepared statements of sqlx, each its own transaction. \
Row-locking SQL is `BEGIN; UPDATE stock SET available = available - 1 WHERE id = ? AND available \
>= 1; INSERT INTO sales …; COMMIT` on one row. SQLite has one writer: there \"every writer\" is one \
connection, on the server it is four.

Side by side over HTTP: `sellStock` of the program, and a shop on tables behind the same HTTP server without GraphQL, which locks, counts down and records a sale in one transaction through prepared statements; its best number of connections counts, and both meet the same database server in turns.

A checkout is two requests of the load tool, `draftOrder` with one line and `placeOrder`, which \
waits for the confirmation; what it costs the database is counted at 128 clients on one hot item. \
A start is that of the program, until it says that it listens.

Nodes are processes on this machine, which share its processors with the database and the load: more of them need \
not be faster here. Callers ask all nodes in turns. The pause of a hand-over is the longest answer of anybody who \
sells at any node while an operator moves the shard; every sale must succeed. What crossing costs is how much longer a \
question takes at a node that does not have the item.

{tables}
## Where the time goes

{begin}{kept}{end}

## Everything that was measured

{details}"
    )
}

fn tables(report: &Report<'_>, places: &Places) -> String {
    let mut text = String::new();
    for kind in places.kinds() {
        write!(
            text,
            "## {kind}\n\n| figure | value | unit | ratio | against | goal | |\n\
             |---|---:|---|---:|---|---|---|\n"
        )
        .expect("a string takes all");
        for row in report.figures.iter().filter(|row| row.database == kind.name()) {
            let name = match &row.setting {
                Some(setting) => format!("{} [{setting}]", row.name),
                None => row.name.to_owned(),
            };
            let ratio = row.ratio.map(readable).unwrap_or_default();
            let against = row.against.as_deref().unwrap_or_default();
            let goal = row.goal.as_deref().unwrap_or_default();
            let met = match row.met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            let value = readable(row.value);
            writeln!(
                text,
                "| {name} | {value} | {} | {ratio} | {against} | {goal} | {met} |",
                row.unit
            )
            .expect("a string takes all");
        }
        text.push('\n');
    }
    text
}

/// The median of every setting that was tried.
fn details(samples: &Samples, places: &Places) -> String {
    let mut text = String::new();
    for kind in places.kinds() {
        write!(text, "### {kind}\n\n| measured | median |\n|---|---:|\n")
            .expect("a string takes all");
        for name in samples.names(kind) {
            let median = samples.median(kind, name).map(readable).unwrap_or_default();
            writeln!(text, "| {name} | {median} |").expect("a string takes all");
        }
        text.push('\n');
    }
    text
}
