//! `emporium outbox …`: how far whoever is outside was told, by asking a running server, as `emporium timer` does.

use chrono::{DateTime, Utc};
use clap::Subcommand;
use serde_json::{Value, json};

use super::actor::{ask, change, say, unexpected};
use super::output::Output;
use super::{Failure, ServerArguments};

/// What the streams of Redis are called among those who are told.
const STREAMS: &str = "streams";

#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// List who is told, how far he is behind, and what he did not take.
    Status {
        #[command(flatten)]
        server: ServerArguments,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Tell somebody once more what happened since a time.
    Replay {
        #[command(flatten)]
        server: ServerArguments,
        /// As `status` names him: the id of an endpoint, or `streams`.
        consumer: String,
        /// From this time on, such as 2026-03-01T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        since: DateTime<Utc>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give up one event that an endpoint does not take, until a replay: later ones of its aggregate go on.
    Park {
        #[command(flatten)]
        server: ServerArguments,
        /// The id of the endpoint.
        consumer: String,
        /// As `status` names what he did not take.
        #[arg(value_name = "KIND/ID/VERSION")]
        event: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does what is asked for.
pub async fn look_after(command: OutboxCommand) -> Result<(), Failure> {
    match command {
        OutboxCommand::Status { server, json } => status(&server, json).await,
        OutboxCommand::Replay { server, consumer, since, json } => {
            replay(&server, &consumer, since, json).await
        }
        OutboxCommand::Park { server, consumer, event, json } => {
            if consumer == STREAMS {
                let problem = "streams take whatever they are told: there is nothing to park";
                return Err(Failure::Usage(problem.to_owned()));
            }
            let input = json!({ "endpointId": consumer, "eventName": event });
            let (mutation, ty) = ("parkWebhookEvent", "ParkWebhookEventInput");
            let told = change(&server, mutation, ty, "position", input).await?;
            done(&told, &format!("{consumer} is not told of {event}"), json)
        }
    }
}

async fn status(server: &ServerArguments, json: bool) -> Result<(), Failure> {
    let query = "{ operations { outbox { name endpointId behind behindSeconds \
         parked { aggregateType aggregateId eventVersion reason since } } } }";
    let data = ask(server, query, json!({})).await?;
    let consumers = data.pointer("/operations/outbox").and_then(Value::as_array);
    let consumers = consumers.ok_or_else(|| unexpected(&data))?;
    let mut output = Output::default();
    for consumer in consumers {
        if json {
            output.json(consumer)?;
            continue;
        }
        output.line(&line(consumer))?;
        for parked in consumer["parked"].as_array().into_iter().flatten() {
            output.line(&parked_line(parked))?;
        }
    }
    if consumers.is_empty() && !json {
        output.line("nobody outside is told")?;
    }
    output.flush()
}

async fn replay(
    server: &ServerArguments,
    consumer: &str,
    since: DateTime<Utc>,
    json: bool,
) -> Result<(), Failure> {
    let told = if consumer == STREAMS {
        let input = json!({ "since": since });
        change(server, "replayStreams", "ReplayStreamsInput", "generation", input).await?
    } else {
        let input = json!({ "endpointId": consumer, "since": since });
        change(server, "replayWebhooks", "ReplayWebhooksInput", "position", input).await?
    };
    done(&told, &format!("{consumer} is told anew what happened since {since}"), json)
}

fn done(told: &Value, words: &str, json: bool) -> Result<(), Failure> {
    if !json {
        return say(words);
    }
    let mut output = Output::default();
    let mut told = told.clone();
    if let Some(told) = told.as_object_mut() {
        told.remove("userErrors");
    }
    output.json(&told)?;
    output.flush()
}

/// `streams behind 12 entries, 0.3 s`: how he is named, and how far he is.
fn line(consumer: &Value) -> String {
    let name = consumer["name"].as_str().unwrap_or("-");
    let seconds = consumer["behindSeconds"].as_f64().unwrap_or_default();
    let behind =
        consumer["behind"].as_str().map_or_else(|| consumer["behind"].to_string(), str::to_owned);
    format!("{name} behind {behind} entries, {seconds:.1} s")
}

/// What he did not take, by the name of the event.
fn parked_line(parked: &Value) -> String {
    let text = |field: &str| match &parked[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let name = ["aggregateType", "aggregateId", "eventVersion"].map(text).join("/");
    format!("  {name} since {}: {}", text("since"), text("reason"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_is_one_line_and_what_he_did_not_take_one_each() {
        let consumer = json!({ "name": "streams", "behind": 12, "behindSeconds": 0.34 });
        assert_eq!(line(&consumer), "streams behind 12 entries, 0.3 s");
        let parked = json!({ "aggregateType": "order", "aggregateId": "01926f3c", "eventVersion": 3,
            "reason": "it answered with 500", "since": "2026-03-01T12:15:00Z" });
        let expected = "  order/01926f3c/3 since 2026-03-01T12:15:00Z: it answered with 500";
        assert_eq!(parked_line(&parked), expected);
    }
}
