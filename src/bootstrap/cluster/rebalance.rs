//! Where shards would be without pins, for an operator who asks at a command line: who lives is seen by beats
//! that move, as every node sees it.

use std::collections::{BTreeMap, BTreeSet};

use ::cluster::placement::{Candidate, place};
use cli::Failure;
use config::Settings;
use persistence::cause::chain;
use persistence::journal::JournalError;
use persistence::members::Member;
use persistence::stores::Stores;

/// Who is to have shard `0..shards`. Takes as long as it takes to see who lives: a lease at most.
pub async fn computed(
    stores: &Stores,
    settings: &Settings,
    shards: u16,
) -> Result<Vec<String>, Failure> {
    let first = members(stores).await?;
    let mut living = BTreeSet::new();
    let until = tokio::time::Instant::now() + settings.lease.terms().lease;
    let rows = loop {
        let rows = members(stores).await?;
        let moved = rows.iter().filter(|row| {
            let same = |before: &&Member| before.node == row.node && before.beat == row.beat;
            !first.iter().any(|before| same(&before))
        });
        living.extend(moved.map(|row| row.node.clone()));
        let all_live = rows.iter().all(|row| living.contains(&row.node));
        if all_live || tokio::time::Instant::now() >= until {
            break rows;
        }
        tokio::time::sleep(settings.lease.terms().lease / 20).await;
    };
    let may_have = |row: &&Member| !row.is_leaving && !row.is_drained && living.contains(&row.node);
    let candidates: Vec<_> = rows
        .iter()
        .filter(may_have)
        .map(|row| Candidate { node: &row.node, weight: row.weight })
        .collect();
    if candidates.is_empty() {
        return Err(Failure::Failed("no node lives that may have shards".to_owned()));
    }
    let placed = place(shards, &candidates, &BTreeMap::new());
    Ok(placed.into_iter().map(|node| node.unwrap_or_default().to_owned()).collect())
}

async fn members(stores: &Stores) -> Result<Vec<Member>, Failure> {
    let failed = |error: JournalError| Failure::failed("the table of nodes", chain(&error));
    stores.members.members().await.map_err(failed)
}
