//! `emporium shard …`: who holds which shard, by the database, and what an operator does where a log
//! has lost what was acknowledged. Asks no running server.

use serde_json::{Value, json};

use super::Failure;
use super::output::Output;
use persistence::cause::chain;
use persistence::journal::{
    Acceptance, Accepted, Holding, Journal, JournalError, Seq, ShardId, ShardLeases,
};

/// Prints the rows of the first `shards` shards, or of those that are stopped.
pub async fn list(
    journal: &dyn Journal,
    shards: u16,
    stopped: bool,
    json: bool,
) -> Result<(), Failure> {
    let all: Vec<ShardId> = (0..shards).collect();
    let holdings = journal.look(&all).await.map_err(failed)?;
    let heads = journal.heads(&all).await.map_err(failed)?;
    let mut output = Output::default();
    for (holding, (_, head)) in holdings.iter().zip(heads) {
        if stopped && holding.regressed.is_none() {
            continue;
        }
        if json {
            output.json(&object(holding, head))?;
        } else {
            output.line(&line(holding, head))?;
        }
        if output.is_closed() {
            break;
        }
    }
    output.flush()
}

/// Whether a shard is stopped for what it has lost.
pub async fn is_stopped(journal: &dyn Journal, shard: ShardId) -> Result<bool, Failure> {
    let holdings = journal.look(&[shard]).await.map_err(failed)?;
    Ok(holdings.iter().any(|holding| holding.regressed.is_some()))
}

/// Lets a stopped shard go on, and says what is given up for that.
pub async fn accept_loss(
    leases: &dyn ShardLeases,
    acceptance: &Acceptance,
    json: bool,
) -> Result<(), Failure> {
    let shard = acceptance.shard;
    let mut output = Output::default();
    match leases.accept_loss(acceptance).await.map_err(failed)? {
        Accepted::Lost { first, last } if json => {
            output.json(&json!({ "shard": shard, "lostFrom": first, "lostThrough": last }))?;
        }
        Accepted::Lost { first, last } => {
            output.line(&format!(
                "shard {shard}: the entries {first} to {last} ({}) are given up; clients were told \
                 that they are durable",
                last - first + 1
            ))?;
            output.line(
                "start every node again: what runs holds in memory what is lost, and does not \
                 take the shard",
            )?;
        }
        Accepted::Nothing if json => output.json(&json!({ "shard": shard, "lostFrom": null }))?,
        Accepted::Nothing => {
            output.line(&format!("shard {shard}: no number is missing from its log by now"))?;
        }
        Accepted::NotStopped => {
            let problem = format!("shard {shard} is not stopped: there is nothing to accept");
            return Err(Failure::Failed(problem));
        }
        Accepted::EndsAt(head) => {
            return Err(Failure::Failed(format!(
                "the log of shard {shard} ends at {head}, not at {}: look at it with \
                 `emporium journal read --shard {shard}`, and say --through {head} to give up \
                 what was behind that",
                acceptance.through
            )));
        }
    }
    output.flush()
}

fn object(holding: &Holding, head: Seq) -> Value {
    let Holding { shard, pulse, owner, acknowledged, regressed } = holding;
    json!({
        "shard": shard,
        "epoch": pulse.epoch,
        "beat": pulse.beat,
        "node": owner.as_ref().map(|owner| owner.node.as_str()),
        "incarnation": owner.as_ref().map(|owner| owner.incarnation),
        "acknowledged": acknowledged,
        "head": head,
        "regressedTo": regressed,
    })
}

fn line(holding: &Holding, head: Seq) -> String {
    let Holding { shard, pulse, owner, acknowledged, regressed } = holding;
    if let Some(found) = regressed {
        return format!(
            "{shard:>5}  JOURNAL_REGRESSED: the log ended at {found}, and {acknowledged} was \
             acknowledged; it ends at {head} now"
        );
    }
    let owner = owner.as_ref().map_or("nobody", |owner| &owner.node);
    format!(
        "{shard:>5}  epoch {:>6}  beat {:>8}  head {head:>10}  {owner}",
        pulse.epoch, pulse.beat
    )
}

fn failed(error: JournalError) -> Failure {
    Failure::failed("the table of shards", chain(&error))
}
