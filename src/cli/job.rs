//! `emporium job …`: looks after the jobs of a running server, by asking its GraphQL API.

use chrono::{DateTime, Utc};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::actor::{List, ask, change, print_list, say, unexpected};
use super::audit::Format;
use super::output::Output;
use super::{Failure, ServerArguments};

const FIELDS: &str = "id kind state at done total attempts nextAt lastError table parts";

/// How jobs stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JobState {
    All,
    Running,
    Waiting,
    Failed,
    Done,
    Cancelled,
}

#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// List jobs, the newest first.
    List {
        #[command(flatten)]
        server: ServerArguments,
        #[arg(long, value_enum, default_value = "all")]
        state: JobState,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Begin to export the audit; `result` prints it when it is done.
    Export {
        #[command(flatten)]
        server: ServerArguments,
        /// What a line is.
        #[arg(long, value_enum, default_value = "jsonl")]
        format: Format,
        /// From this time on, such as 2026-03-01T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        from: Option<DateTime<Utc>>,
        /// Up to this time, which is left out.
        #[arg(long, value_name = "TIME")]
        before: Option<DateTime<Utc>>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Begin to fill a table anew, beside the rows that answer meanwhile.
    Rebuild {
        #[command(flatten)]
        server: ServerArguments,
        #[arg(value_name = "TABLE")]
        table: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print what a job that is done made.
    Result {
        #[command(flatten)]
        server: ServerArguments,
        /// As the list names it.
        #[arg(value_name = "ID")]
        job: String,
    },
    /// End one that is not done, and remove what it made.
    Cancel {
        #[command(flatten)]
        server: ServerArguments,
        #[arg(value_name = "ID")]
        job: String,
        /// Why, for whoever looks later.
        #[arg(long, default_value = "an operator cancelled it")]
        reason: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have one go on that failed, or waits for its next try.
    Retry {
        #[command(flatten)]
        server: ServerArguments,
        #[arg(value_name = "ID")]
        job: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does what is asked for.
pub async fn look_after(command: JobCommand) -> Result<(), Failure> {
    match command {
        JobCommand::List { server, state, limit, json } => list(&server, state, limit, json).await,
        JobCommand::Export { server, format, from, before, json } => {
            let format = if format == Format::Csv { "CSV" } else { "JSONL" };
            let input = json!({ "format": format, "from": from, "before": before });
            tell(&server, "exportAudit", input, json).await
        }
        JobCommand::Rebuild { server, table, json } => {
            tell(&server, "rebuildTable", json!({ "table": table }), json).await
        }
        JobCommand::Result { server, job } => result(&server, &job).await,
        JobCommand::Cancel { server, job, reason, json } => {
            tell(&server, "cancelJob", json!({ "jobId": job, "reason": reason }), json).await
        }
        JobCommand::Retry { server, job, json } => {
            tell(&server, "retryJob", json!({ "jobId": job }), json).await
        }
    }
}

async fn list(
    server: &ServerArguments,
    state: JobState,
    limit: u32,
    json: bool,
) -> Result<(), Failure> {
    let query = format!(
        "query($where: JobWhere, $first: Int!, $after: String) {{ \
         jobs(where: $where, first: $first, after: $after) {{ \
         edges {{ node {{ {FIELDS} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let state = state.to_possible_value().expect("none is hidden").get_name().to_uppercase();
    let filter = if state == "ALL" { Value::Null } else { json!({ "state": { "eq": state } }) };
    let list = List { name: "jobs", query: &query, none: "no job stands so", line };
    print_list(server, &list, &filter, limit, json).await
}

async fn tell(
    server: &ServerArguments,
    mutation: &str,
    input: Value,
    json: bool,
) -> Result<(), Failure> {
    let input_type = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let selection = format!("job {{ {FIELDS} }}");
    let told = change(server, mutation, &input_type, &selection, input).await?;
    if !json {
        return say(&line(&told["job"]));
    }
    let mut output = Output::default();
    output.json(&told["job"])?;
    output.flush()
}

async fn result(server: &ServerArguments, job: &str) -> Result<(), Failure> {
    let mut output = Output::default();
    let mut number = 0;
    loop {
        let query = "query($id: ID!, $number: Int!) { job(id: $id) { state parts \
                     part(number: $number) { text } } }";
        let data = ask(server, query, json!({ "id": job, "number": number })).await?;
        let found = data.get("job").ok_or_else(|| unexpected(&data))?;
        if found.is_null() {
            return Err(Failure::Failed(format!("there is no job {job}")));
        }
        if found["state"] != "DONE" {
            let state = found["state"].as_str().unwrap_or("-").to_lowercase();
            return Err(Failure::Failed(format!("{job} is {state}: it has no result")));
        }
        let parts = found["parts"].as_u64().unwrap_or_default();
        if number >= parts || output.is_closed() {
            return output.flush();
        }
        let Some(text) = found["part"]["text"].as_str() else {
            let problem = "is gone, or you may not read the audit";
            return Err(Failure::Failed(format!("part {number} of {job} {problem}")));
        };
        output.text(text)?;
        number += 1;
    }
}

/// `job_0192… audit_export running: working, 500 of 5000; VIEW_BEHIND, tried 2 times, next …`
fn line(job: &Value) -> String {
    let text = |field: &str| job[field].as_str().unwrap_or("-");
    let lower = |field: &str| text(field).to_lowercase();
    let number = |field: &str| match &job[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut line = format!("{} {}", text("id"), lower("kind"));
    if let Some(table) = job["table"].as_str() {
        line.push_str(&format!(" {table}"));
    }
    line.push_str(&format!(" {}: {}, ", lower("state"), lower("at")));
    line.push_str(&format!("{} of {}", number("done"), number("total")));
    if let Some(error) = job["lastError"].as_str() {
        line.push_str(&format!("; {error}"));
    }
    if job["attempts"].as_u64().is_some_and(|attempts| attempts > 0) {
        line.push_str(&format!(", tried {} times", number("attempts")));
    }
    if let Some(next) = job["nextAt"].as_str() {
        line.push_str(&format!(", next {next}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_one_line() {
        let mut job = json!({ "id": "job_0192", "kind": "TABLE_REBUILD", "table": "orders",
            "state": "RUNNING", "at": "WORKING", "done": 5, "total": 90, "attempts": 0 });
        assert_eq!(line(&job), "job_0192 table_rebuild orders running: working, 5 of 90");
        job["attempts"] = json!(2);
        job["lastError"] = json!("UNAVAILABLE");
        job["nextAt"] = json!("2026-03-01T12:00:04Z");
        let expected = "job_0192 table_rebuild orders running: working, 5 of 90; UNAVAILABLE, \
                        tried 2 times, next 2026-03-01T12:00:04Z";
        assert_eq!(line(&job), expected);
    }
}
