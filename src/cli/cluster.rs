//! `emporium cluster …`: who belongs to the system and who has what, by the database, and what operators
//! wish of it. Asks no running server: each looks at the same rows within half a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Failure;
use super::output::Output;
use super::progress::Progress;
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

/// Has a node give everything to the others, or takes that back.
pub async fn drain(
    stores: &Stores,
    node: &str,
    is_drained: bool,
    json: bool,
) -> Result<(), Failure> {
    if !stores.members.drain(node, is_drained).await.map_err(failed)? {
        let known = stores.members.members().await.map_err(failed)?;
        let known: Vec<_> = known.into_iter().map(|member| member.node).collect();
        let problem = format!("no node is called {node}; there are: {}", known.join(", "));
        return Err(Failure::Failed(problem));
    }
    let mut output = Output::default();
    match (json, is_drained) {
        (true, _) => output.json(&json!({ "node": node, "drained": is_drained }))?,
        (false, true) => output.line(&format!(
            "{node} gives its shards to the others; `emporium cluster undrain {node}` takes that back"
        ))?,
        (false, false) => output.line(&format!("{node} has its share again"))?,
    }
    output.flush()
}

/// Pins a shard to a node, or ends its pin.
pub async fn pin(
    stores: &Stores,
    shards: u16,
    (shard, node): (ShardId, Option<&str>),
    json: bool,
) -> Result<(), Failure> {
    if shard >= shards {
        return Err(Failure::Usage(format!("there are {shards} shards, 0 to {}", shards - 1)));
    }
    if let Some(node) = node {
        let members = stores.members.members().await.map_err(failed)?;
        if !members.iter().any(|member| member.node == node) {
            return Err(Failure::Failed(format!("no node is called {node}")));
        }
    }
    stores.members.pin(shard, node).await.map_err(failed)?;
    let mut output = Output::default();
    match (json, node) {
        (true, _) => output.json(&json!({ "shard": shard, "node": node }))?,
        (false, Some(node)) => {
            output.line(&format!("shard {shard} is to be {node}'s, as long as that lives"))?;
        }
        (false, None) => output.line(&format!("shard {shard} is placed as computed again"))?,
    }
    output.flush()
}

/// A shard that is not where it is computed.
struct Misplaced<'a> {
    shard: ShardId,
    from: Option<String>,
    to: &'a str,
}

/// Ends all pins, and waits until each shard is where it is computed; or only says what would move.
/// `placed`: by shard, without pins.
pub async fn rebalance(
    stores: &Stores,
    placed: &[String],
    dry_run: bool,
    json: bool,
) -> Result<(), Failure> {
    let begun = misplaced(stores, placed).await?;
    let pins = stores.members.pins().await.map_err(failed)?;
    let mut output = Output::default();
    if !json {
        for Misplaced { shard, from, to } in &begun {
            let from = from.as_deref().unwrap_or("nobody");
            output.line(&format!("shard {shard} goes from {from} to {to}"))?;
        }
        output.flush()?;
    }
    if !dry_run {
        for pin in &pins {
            stores.members.pin(pin.shard, None).await.map_err(failed)?;
        }
        until_placed(stores, placed, begun.len()).await?;
    }
    if json {
        let moves: Vec<Value> = begun
            .iter()
            .map(|Misplaced { shard, from, to }| json!({ "shard": shard, "from": from, "to": to }))
            .collect();
        let ended: Vec<ShardId> = pins.iter().map(|pin| pin.shard).collect();
        output.json(&json!({ "dryRun": dry_run, "moves": moves, "pinsEnded": ended }))?;
    } else if dry_run {
        output.line(&format!("{} shards would move, {} pins end", begun.len(), pins.len()))?;
    } else {
        output.line(&format!("{} shards moved, {} pins ended", begun.len(), pins.len()))?;
    }
    output.flush()
}

/// Waits until nothing is misplaced; fails where nothing has moved for a while.
async fn until_placed(stores: &Stores, placed: &[String], mut left: usize) -> Result<(), Failure> {
    let total = left as u64;
    let mut progress = Progress::new("shards are moved", total);
    let mut moved_at = Instant::now();
    while left > 0 {
        tokio::time::sleep(LOOKED_EVERY).await;
        let now = misplaced(stores, placed).await?.len();
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

async fn misplaced<'a>(
    stores: &Stores,
    placed: &'a [String],
) -> Result<Vec<Misplaced<'a>>, Failure> {
    let all: Vec<ShardId> = (0..).take(placed.len()).collect();
    let holdings = stores.journal.look(&all).await.map_err(failed)?;
    let owned = holdings.into_iter().map(|holding| (holding.shard, holding.owner));
    let owned: BTreeMap<ShardId, _> = owned.collect();
    let all = all.into_iter().zip(placed).filter_map(|(shard, to)| {
        let from = owned.get(&shard).cloned().flatten().map(|owner| owner.node);
        let to = to.as_str();
        (from.as_deref() != Some(to)).then_some(Misplaced { shard, from, to })
    });
    Ok(all.collect())
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
