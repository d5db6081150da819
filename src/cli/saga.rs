//! `emporium saga …`: looks after the sagas of a running server, by asking its GraphQL API like any other
//! client: the commands that an operator's page sends.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::actor::{List, change, kind as enum_of, print_list, say};
use super::output::Output;
use super::{AggregateName, Failure, SagaKind, SagaState, ServerArguments};

const FIELDS: &str = "kind aggregateId causeId state begunAt changedAt nextAt lastError \
     steps { step done failures error at }";

/// Which sagas are listed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub kind: Option<SagaKind>,
    pub state: SagaState,
    pub limit: u32,
}

/// Lists them, page by page.
pub async fn list(server: &ServerArguments, wanted: Wanted, json: bool) -> Result<(), Failure> {
    let query = format!(
        "query($where: SagaWhere!, $first: Int!, $after: String) {{ \
         sagas(where: $where, first: $first, after: $after) {{ \
         edges {{ node {{ {FIELDS} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let list = List { name: "sagas", query: &query, none: "no saga stands so", line };
    print_list(server, &list, &filter(wanted), wanted.limit, json).await
}

/// Has one go on.
pub async fn retry(
    server: &ServerArguments,
    name: &AggregateName,
    json: bool,
) -> Result<(), Failure> {
    let input = json!({ "kind": enum_of(name), "aggregateId": name.id });
    let told = change(server, "retrySaga", "RetrySagaInput", "position", input).await?;
    done(&told, json, &format!("{name} is tried again"))
}

/// Ends one.
pub async fn compensate(
    server: &ServerArguments,
    name: &AggregateName,
    reason: &str,
    json: bool,
) -> Result<(), Failure> {
    let input = json!({ "kind": enum_of(name), "aggregateId": name.id, "reason": reason });
    let told = change(server, "abortSaga", "AbortSagaInput", "position", input).await?;
    done(&told, json, &format!("{name} is being undone"))
}

fn done(told: &Value, json: bool, line: &str) -> Result<(), Failure> {
    if !json {
        return say(line);
    }
    let mut output = Output::default();
    output.json(&json!({ "position": told["position"] }))?;
    output.flush()
}

fn filter(Wanted { kind, state, .. }: Wanted) -> Value {
    let mut filter = serde_json::Map::new();
    if let Some(kind) = kind {
        filter.insert("kind".to_owned(), json!({ "eq": name(&kind) }));
    }
    if state != SagaState::All {
        filter.insert("state".to_owned(), json!({ "eq": name(&state) }));
    }
    Value::Object(filter)
}

/// As the API spells it.
fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("none is hidden");
    value.get_name().to_uppercase()
}

/// `checkout/0192… waiting since …, next …: PAYMENT_UNKNOWN; HOLDING_STOCK, AUTHORIZING (3 failed)`
fn line(saga: &Value) -> String {
    let text = |field: &str| saga[field].as_str().unwrap_or("-").to_owned();
    let lower = |field: &str| text(field).to_lowercase();
    let mut line = format!("{}/{} {}", lower("kind"), text("aggregateId"), lower("state"));
    line.push_str(&format!(" since {}", text("changedAt")));
    if let Some(next) = saga["nextAt"].as_str() {
        line.push_str(&format!(", next {next}"));
    }
    if let Some(error) = saga["lastError"].as_str() {
        line.push_str(&format!(": {error}"));
    }
    let steps = saga["steps"].as_array().into_iter().flatten().map(step);
    let steps: Vec<String> = steps.collect();
    if !steps.is_empty() {
        line.push_str(&format!("; {}", steps.join(", ")));
    }
    line
}

fn step(step: &Value) -> String {
    let name = step["step"].as_str().unwrap_or("-");
    let open = if step["done"] == Value::Bool(true) { "" } else { " not done" };
    match step["failures"].as_u64() {
        Some(failures) if failures > 0 => format!("{name}{open} ({failures} failed)"),
        _ => format!("{name}{open}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saga_is_one_line() {
        let steps = json!([
            { "step": "HOLDING_STOCK", "done": true, "failures": 0 },
            { "step": "AUTHORIZING", "done": false, "failures": 3 },
        ]);
        let mut saga = json!({
            "kind": "CHECKOUT", "aggregateId": "01926f3c", "state": "WAITING",
            "changedAt": "2026-03-01T12:00:00Z", "nextAt": "2026-03-01T12:00:04Z",
            "lastError": "PAYMENT_UNKNOWN", "steps": steps,
        });
        assert_eq!(
            line(&saga),
            "checkout/01926f3c waiting since 2026-03-01T12:00:00Z, next 2026-03-01T12:00:04Z: \
             PAYMENT_UNKNOWN; HOLDING_STOCK, AUTHORIZING not done (3 failed)"
        );
        saga["nextAt"] = Value::Null;
        saga["lastError"] = Value::Null;
        saga["steps"] = json!([]);
        assert_eq!(line(&saga), "checkout/01926f3c waiting since 2026-03-01T12:00:00Z");
    }

    #[test]
    fn what_is_not_said_is_not_asked() {
        let wanted = |kind, state| filter(Wanted { kind, state, limit: 1 });
        assert_eq!(wanted(None, SagaState::All), json!({}));
        let both = json!({ "kind": { "eq": "CHECKOUT" }, "state": { "eq": "STALLED" } });
        assert_eq!(wanted(Some(SagaKind::Checkout), SagaState::Stalled), both);
    }
}
