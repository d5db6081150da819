//! `emporium cluster …`: who belongs to the system and who has what, by the database, and what operators
//! wish of it. Asks no running server: each looks at the same rows within half a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Failure;
use super::output::Output;
use super::progress::Progress;
use ::cluster::desk::{Desk, Move, NotDone, Plan, Wish};
use persistence::cause::chain;
use persistence::journal::{Holding, JournalError, ShardId};
use persistence::members::Member;
use persistence::stores::Stores;

/// How often is looked how far shards have moved, and how long none may move while some are to.
const LOOKED_EVERY: Duration = Duration::from_millis(100);
const MOVES_WITHIN: Duration = Duration::from_secs(60);

/// Prints a line for each node, with how many shards it has.
pub async fn status(stores: &Stores, shards: u16, json: bool) -> Result<(), Failure> {
    let all: Vec<ShardId> = (0..shards).collect();
    let holdings = stores.journal.look(&all).await.map_err(failed)?;
    let members = stores.members.members().await.map_err(failed)?;
    let pins = stores.members.pins().await.map_err(failed)?;
    let held = held(&holdings);
    let mut output = Output::default();
    if json {
        let nodes: Vec<Value> = members.iter().map(|member| object(member, &held)).collect();
        let pins: Vec<Value> =
            pins.iter().map(|pin| json!({ "shard": pin.shard, "node": pin.node })).collect();
        let free = held.get(&None).map_or(0, Vec::len);
        let status = json!({ "shards": shards, "free": free, "nodes": nodes, "pins": pins });
        output.json(&status)?;
        return output.flush();
    }
    for member in &members {
        let count = held.get(&Some(member.node.as_str())).map_or(0, Vec::len);
        let Member { node, address, weight, beat, .. } = member;
        output.line(&format!(
            "{node:<24}  {address:<24}  {count:>5} of {shards} shards  weight {weight:>2}  beat \
             {beat:>8}  {}",
            state(member)
        ))?;
    }
    let is_member = |node: &str| members.iter().any(|member| member.node == node);
    for (node, shards) in &held {
        match node {
            None => output.line(&format!("nobody has {} shards", shards.len()))?,
            Some(node) if !is_member(node) => output.line(&format!(
                "{node:<24}  {} shards, and no member has this name",
                shards.len()
            ))?,
            Some(_) => {}
        }
    }
    for pin in &pins {
        output.line(&format!("shard {} is pinned to {}", pin.shard, pin.node))?;
    }
    output.flush()
}

/// Has done what is wished, and does not wait for it; or only says what would move.
pub async fn wish(desk: &Desk, wish: &Wish, dry_run: bool, json: bool) -> Result<(), Failure> {
    if dry_run {
        return tell_plan(&desk.plan(wish).await.map_err(not_done)?, (true, json));
    }
    desk.wish(wish).await.map_err(not_done)?;
    let mut output = Output::default();
    match (json, wish) {
        (true, Wish::Drain(node) | Wish::Undrain(node)) => {
            let is_drained = matches!(wish, Wish::Drain(_));
            output.json(&json!({ "node": node, "drained": is_drained }))?;
        }
        (true, Wish::Move(shard, node)) => output.json(&json!({ "shard": shard, "node": node }))?,
        (false, Wish::Drain(node)) => output.line(&format!(
            "{node} gives its shards to the others; `emporium cluster undrain {node}` takes that back"
        ))?,
        (false, Wish::Undrain(node)) => output.line(&format!("{node} has its share again"))?,
        (false, Wish::Move(shard, Some(node))) => {
            output.line(&format!("shard {shard} is to be {node}'s, as long as that lives"))?;
        }
        (false, Wish::Move(shard, None)) => {
            output.line(&format!("shard {shard} is placed as computed again"))?;
        }
        (_, Wish::Rebalance) => output.line("every pin has ended")?,
    }
    output.flush()
}

/// Ends all pins, and waits until each shard is where it is computed; or only says what would move.
pub async fn rebalance(desk: &Desk, dry_run: bool, json: bool) -> Result<(), Failure> {
    let plan = desk.plan(&Wish::Rebalance).await.map_err(not_done)?;
    if dry_run {
        return tell_plan(&plan, (true, json));
    }
    if !json {
        let mut output = Output::default();
        tell_moves(&mut output, &plan)?;
        output.flush()?;
    }
    desk.wish(&Wish::Rebalance).await.map_err(not_done)?;
    until_placed(desk, &plan).await?;
    if json {
        return tell_plan(&plan, (false, true));
    }
    let mut output = Output::default();
    let (moves, pins) = (plan.moves.len(), plan.pins_ended.len());
    output.line(&format!("{moves} shards moved, {pins} pins ended"))?;
    output.flush()
}

fn tell_plan(plan: &Plan, (dry_run, json): (bool, bool)) -> Result<(), Failure> {
    let mut output = Output::default();
    if json {
        let tell =
            |Move { shard, from, to }: &Move| json!({ "shard": shard, "from": from, "to": to });
        let moves: Vec<Value> = plan.moves.iter().map(tell).collect();
        let ended = &plan.pins_ended;
        output.json(&json!({ "dryRun": dry_run, "moves": moves, "pinsEnded": ended }))?;
    } else {
        tell_moves(&mut output, plan)?;
        let (moves, pins) = (plan.moves.len(), plan.pins_ended.len());
        output.line(&format!("{moves} shards would move, {pins} pins end"))?;
    }
    output.flush()
}

fn tell_moves(output: &mut Output, plan: &Plan) -> Result<(), Failure> {
    for Move { shard, from, to } in &plan.moves {
        let from = from.as_deref().unwrap_or("nobody");
        output.line(&format!("shard {shard} goes from {from} to {to}"))?;
    }
    Ok(())
}

/// Waits until nothing is misplaced; fails where nothing has moved for a while.
async fn until_placed(desk: &Desk, plan: &Plan) -> Result<(), Failure> {
    let mut left = plan.moves.len();
    let mut progress = Progress::new("shards are moved", left as u64);
    let mut moved_at = Instant::now();
    while left > 0 {
        tokio::time::sleep(LOOKED_EVERY).await;
        let now = desk.misplaced(&plan.placed).await.map_err(failed)?.len();
        if now < left {
            progress.advance((left - now) as u64);
            moved_at = Instant::now();
        }
        left = now;
        if left > 0 && moved_at.elapsed() > MOVES_WITHIN {
            let problem = format!(
                "{left} shards do not move: `emporium cluster status` shows who lives and what is drained"
            );
            return Err(Failure::Failed(problem));
        }
    }
    progress.finish();
    Ok(())
}

/// Prints which files were made.
pub fn certificates(directory: &str, made: &[String], json: bool) -> Result<(), Failure> {
    let mut output = Output::default();
    if json {
        output.json(&json!({ "directory": directory, "made": made }))?;
    } else {
        for name in made {
            output.line(&format!("{directory}/{name}"))?;
        }
    }
    output.flush()
}

/// The shards by who has them.
fn held(holdings: &[Holding]) -> BTreeMap<Option<&str>, Vec<ShardId>> {
    let mut held = BTreeMap::<_, Vec<ShardId>>::new();
    for Holding { shard, owner, .. } in holdings {
        let node = owner.as_ref().map(|owner| owner.node.as_str());
        held.entry(node).or_default().push(*shard);
    }
    held
}

fn state(member: &Member) -> &'static str {
    match member {
        Member { is_leaving: true, .. } => "leaving",
        Member { is_drained: true, .. } => "drained",
        _ => "",
    }
}

fn object(member: &Member, held: &BTreeMap<Option<&str>, Vec<ShardId>>) -> Value {
    let Member { node, incarnation, address, weight, is_leaving, beat, is_drained } = member;
    json!({
        "node": node,
        "incarnation": incarnation,
        "address": address,
        "weight": weight,
        "leaving": is_leaving,
        "drained": is_drained,
        "beat": beat,
        "shards": held.get(&Some(node.as_str())).cloned().unwrap_or_default(),
    })
}

fn failed(error: JournalError) -> Failure {
    Failure::failed("the tables of nodes and shards", chain(&error))
}

/// What was asked for wrongly is wrong usage; what is not there is a failure.
fn not_done(error: NotDone) -> Failure {
    match error {
        NotDone::Journal(error) => failed(error),
        NotDone::NoSuchShard { .. } => Failure::Usage(error.to_string()),
        error => Failure::Failed(error.to_string()),
    }
}
