//! `emporium actor …`: looks after the actors of a running server, by asking its GraphQL API like
//! any other client.

use std::time::Duration;

use serde_json::{Value, json};

use super::output::Output;
use super::{AggregateName, Failure, ServerArguments};

/// How long the server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Quarantined actors listed at most.
const LISTED_MAX: u32 = 100;

const FIELDS: &str = "aggregateType aggregateId shard version pending strikes quarantined \
     quarantinedBy quarantinedAt";

/// Lists what is quarantined, or shows one aggregate if it is live.
pub async fn inspect(
    server: &ServerArguments,
    aggregate: Option<&AggregateName>,
    json: bool,
) -> Result<(), Failure> {
    let Some(name) = aggregate else {
        let query =
            format!("{{ operations {{ quarantinedActors(first: {LISTED_MAX}) {{ {FIELDS} }} }} }}");
        let data = ask(server, &query, json!({})).await?;
        let actors = data.pointer("/operations/quarantinedActors").and_then(Value::as_array);
        let actors = actors.ok_or_else(|| unexpected(&data))?;
        return print(actors, json);
    };
    let query = format!(
        "query($kind: ActorKind!, $id: UUID!) {{ \
         operations {{ actor(kind: $kind, aggregateId: $id) {{ {FIELDS} }} }} }}"
    );
    let data = ask(server, &query, json!({ "kind": kind(name), "id": name.id })).await?;
    match data.pointer("/operations/actor") {
        Some(Value::Null) => Err(Failure::Failed(format!("{name} is not live on any node"))),
        Some(actor) => print(std::slice::from_ref(actor), json),
        None => Err(unexpected(&data)),
    }
}

pub async fn quarantine(
    server: &ServerArguments,
    name: &AggregateName,
    reason: &str,
    json: bool,
) -> Result<(), Failure> {
    let input = json!({ "kind": kind(name), "aggregateId": name.id, "reason": reason });
    let fields = format!("actor {{ {FIELDS} }}");
    let told = change(server, "quarantineActor", "QuarantineActorInput", &fields, input).await?;
    if json {
        print(&[told["actor"].clone()], true)
    } else {
        say(&format!("{name} is quarantined"))
    }
}

pub async fn release(
    server: &ServerArguments,
    name: &AggregateName,
    json: bool,
) -> Result<(), Failure> {
    let input = json!({ "kind": kind(name), "aggregateId": name.id });
    change(server, "releaseActor", "ReleaseActorInput", "", input).await?;
    if json {
        print(&[], true)
    } else {
        say(&format!("{name} is released; it is recovered from the log when it is next used"))
    }
}

/// Sends a mutation; its payload, as far as it is selected.
pub(super) async fn change(
    server: &ServerArguments,
    mutation: &str,
    input_type: &str,
    selection: &str,
    input: Value,
) -> Result<Value, Failure> {
    let query = format!(
        "mutation($input: {input_type}!) {{ payload: {mutation}(input: $input) {{ \
         {selection} userErrors {{ code message }} }} }}"
    );
    let mut data = ask(server, &query, json!({ "input": input })).await?;
    if let Some(error) = data.pointer("/payload/userErrors/0") {
        return Err(refused(error, &error["code"]));
    }
    match data.get_mut("payload") {
        Some(payload) => Ok(payload.take()),
        None => Err(unexpected(&data)),
    }
}

/// The enum value of a kind: `stock_item` is `STOCK_ITEM`.
pub(super) fn kind(name: &AggregateName) -> String {
    name.kind.to_uppercase()
}

pub(super) async fn ask(
    server: &ServerArguments,
    query: &str,
    variables: Value,
) -> Result<Value, Failure> {
    if !server.url.starts_with("http://") {
        let problem = format!("--url {}: expected http://HOST:PORT/graphql", server.url);
        return Err(Failure::Usage(problem));
    }
    let failed = |error: reqwest::Error| {
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Failure::Failed(message)
    };
    let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build().map_err(failed)?;
    let request = client
        .post(&server.url)
        .header("accept", "application/json")
        .json(&json!({ "query": query, "variables": variables }));
    let request = match &server.token {
        Some(token) => request.bearer_auth(token.trim()),
        None => request,
    };
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut reply: Value = response.json().await.map_err(|error| {
        Failure::failed(&format!("{} answered {status}, which is no GraphQL", server.url), error)
    })?;
    if let Some(error) = reply.pointer("/errors/0") {
        return Err(refused(error, &error["extensions"]["code"]));
    }
    Ok(reply["data"].take())
}

fn refused(error: &Value, code: &Value) -> Failure {
    let code = code.as_str().unwrap_or("no code");
    Failure::Failed(format!("{} ({code})", error["message"].as_str().unwrap_or("no message")))
}

/// Rows of a list that are asked for at one time.
const PAGE: u32 = 100;

/// A list of the API, as it is printed.
pub(super) struct List<'a> {
    pub name: &'a str,
    /// Takes `$where`, `$first` and `$after`.
    pub query: &'a str,
    /// What is said where there is none.
    pub none: &'a str,
    pub line: fn(&Value) -> String,
}

/// Prints so many of a list, page by page.
pub(super) async fn print_list(
    server: &ServerArguments,
    list: &List<'_>,
    filter: &Value,
    limit: u32,
    json: bool,
) -> Result<(), Failure> {
    let (mut left, mut after) = (limit, Value::Null);
    let mut output = Output::default();
    let mut found = false;
    while left > 0 && !output.is_closed() {
        let first = left.min(PAGE);
        let variables = json!({ "where": filter, "first": first, "after": after });
        let data = ask(server, list.query, variables).await?;
        let page = &data[list.name];
        for edge in page["edges"].as_array().ok_or_else(|| unexpected(&data))? {
            found = true;
            let row = &edge["node"];
            if json { output.json(row)? } else { output.line(&(list.line)(row))? }
        }
        if page["pageInfo"]["hasNextPage"] != true {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
        left -= first;
    }
    if !found && !json {
        output.line(list.none)?;
    }
    output.flush()
}

pub(super) fn unexpected(data: &Value) -> Failure {
    Failure::Failed(format!("the server answered something else: {data}"))
}

fn print(actors: &[Value], json: bool) -> Result<(), Failure> {
    let mut output = Output::default();
    if json {
        output.json(&actors)?;
        return output.flush();
    }
    for actor in actors {
        let text = |field: &str| match &actor[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let standing = match &actor["quarantined"] {
            Value::String(reason) => match (&actor["quarantinedBy"], &actor["quarantinedAt"]) {
                (Value::String(by), Value::String(at)) => {
                    format!("quarantined by {by} at {at}: {reason}")
                }
                _ => format!("quarantined: {reason}"),
            },
            _ => "in service".to_owned(),
        };
        output.line(&format!(
            "{}/{} shard {} v{} pending {} strikes {} {standing}",
            text("aggregateType"),
            text("aggregateId"),
            text("shard"),
            text("version"),
            text("pending"),
            text("strikes"),
        ))?;
    }
    if actors.is_empty() {
        output.line("nothing is quarantined")?;
    }
    output.flush()
}

pub(super) fn say(line: &str) -> Result<(), Failure> {
    let mut output = Output::default();
    output.line(line)?;
    output.flush()
}
