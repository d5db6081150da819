//! `emporium timer …`: looks after what waits for its time on a running server, by asking its GraphQL API.

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use super::actor::{ask, change, say, unexpected};
use super::output::Output;
use super::{Failure, ServerArguments};

#[derive(Debug, Subcommand)]
pub enum TimerCommand {
    /// List what waits for its time, the soonest first.
    List {
        #[command(flatten)]
        server: ServerArguments,
        /// At most so many of each kind, 100 at most.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Have done now what is done when its time has come: a hold is given back, a draft ends.
    Fire {
        #[command(flatten)]
        server: ServerArguments,
        #[arg(value_name = "KIND/ID[/PART]")]
        timer: TimerName,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Keep its time from coming: a hold becomes a promise that does not expire.
    Cancel {
        #[command(flatten)]
        server: ServerArguments,
        #[arg(value_name = "KIND/ID[/PART]")]
        timer: TimerName,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A timer as the list names it: `hold_expiry/ID/PART`, `draft_expiry/ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerName {
    kind: String,
    id: Uuid,
    part: Option<Uuid>,
}

impl std::str::FromStr for TimerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected KIND/ID or KIND/ID/PART, as the list names it";
        let read = |id: &str| Uuid::parse_str(id).map_err(|error| format!("{expected}: {error}"));
        let mut parts = text.splitn(3, '/');
        let kind = parts.next().filter(|kind| !kind.is_empty()).ok_or(expected)?.to_owned();
        let id = read(parts.next().ok_or(expected)?)?;
        Ok(Self { kind, id, part: parts.next().map(read).transpose()? })
    }
}

impl std::fmt::Display for TimerName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.id)?;
        self.part.map_or(Ok(()), |part| write!(formatter, "/{part}"))
    }
}

/// Does what is asked for.
pub async fn look_after(command: TimerCommand) -> Result<(), Failure> {
    match command {
        TimerCommand::List { server, limit, json } => list(&server, limit, json).await,
        TimerCommand::Fire { server, timer, json } => {
            tell(&server, "fireTimer", &timer, json, "was fired").await
        }
        TimerCommand::Cancel { server, timer, json } => {
            tell(&server, "cancelTimer", &timer, json, "is cancelled").await
        }
    }
}

async fn list(server: &ServerArguments, limit: u32, json: bool) -> Result<(), Failure> {
    let query = "query($first: Int!) { operations { timers(first: $first) { \
         kind aggregateType aggregateId partId dueAt } } }";
    let data = ask(server, query, json!({ "first": limit })).await?;
    let timers = data.pointer("/operations/timers").and_then(Value::as_array);
    let mut output = Output::default();
    for timer in timers.ok_or_else(|| unexpected(&data))? {
        if json { output.json(timer)? } else { output.line(&line(timer))? }
    }
    if timers.is_some_and(Vec::is_empty) && !json {
        output.line("nothing waits for a time")?;
    }
    output.flush()
}

async fn tell(
    server: &ServerArguments,
    mutation: &str,
    name: &TimerName,
    json: bool,
    done: &str,
) -> Result<(), Failure> {
    let TimerName { kind, id, part } = name;
    let input = json!({ "kind": kind.to_uppercase(), "aggregateId": id, "partId": part });
    let told = change(server, mutation, "TimerInput", "position", input).await?;
    if !json {
        return say(&format!("{name} {done}"));
    }
    let mut output = Output::default();
    output.json(&json!({ "position": told["position"] }))?;
    output.flush()
}

/// `hold_expiry/0192…/0193… due 2026-03-01T12:15:00Z`: its name, by which it is fired, and when.
fn line(timer: &Value) -> String {
    let text = |field: &str| timer[field].as_str().unwrap_or("-").to_owned();
    let mut line = format!("{}/{}", text("kind").to_lowercase(), text("aggregateId"));
    if let Some(part) = timer["partId"].as_str() {
        line.push_str(&format!("/{part}"));
    }
    line.push_str(&format!(" due {}", text("dueAt")));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_named_as_it_is_listed() {
        let (id, part) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for name in [format!("draft_expiry/{id}"), format!("hold_expiry/{id}/{part}")] {
            assert_eq!(name.parse::<TimerName>().expect("a name").to_string(), name);
        }
        for bad in ["", "hold_expiry", "hold_expiry/1", &format!("/{id}"), &format!("a/{id}/b/c")] {
            bad.parse::<TimerName>().expect_err(bad);
        }
    }

    #[test]
    fn a_timer_is_one_line_that_begins_with_its_name() {
        let mut timer = json!({ "kind": "HOLD_EXPIRY", "aggregateId": "01926f3c",
            "partId": "01926f3d", "dueAt": "2026-03-01T12:15:00Z" });
        assert_eq!(line(&timer), "hold_expiry/01926f3c/01926f3d due 2026-03-01T12:15:00Z");
        timer["partId"] = Value::Null;
        assert_eq!(line(&timer), "hold_expiry/01926f3c due 2026-03-01T12:15:00Z");
    }
}
