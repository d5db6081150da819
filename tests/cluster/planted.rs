//! Bugs that are planted in real processes, each with the faults under which it shows: the round has to
//! find it. A checker that nobody saw catch anything proves nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::faults::{Fault, Planned};
use crate::proxy::Mode;
use crate::round::{self, Round};
use crate::site::{End, LEASE, SHARDS};

/// The clients of these rounds are always the same.
const SEED: u64 = 7;
/// Of these rounds.
const READERS: usize = 6;

/// See the module.
pub struct Plant {
    /// As `persistence::shortcut` calls it.
    pub name: &'static str,
    rows: Vec<Vec<Planned>>,
}

fn planned(begins_ms: u64, lasts_ms: u64, fault: Fault) -> Planned {
    let (begins, lasts) = (Duration::from_millis(begins_ms), Duration::from_millis(lasts_ms));
    Planned { fault, begins, lasts }
}

/// Every one of them.
pub fn plants() -> Vec<Plant> {
    let lease = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
    vec![
        // What is said to be done is done only once the database has said so.
        Plant {
            name: "ReplyBeforeCommit",
            rows: vec![vec![
                planned(2_000, 1_000, Fault::DatabaseKilled),
                planned(5_000, 1_000, Fault::Kill(0)),
                planned(8_000, 1_000, Fault::DatabaseKilled),
            ]],
        },
        // Who was silent for a lease is followed, and may not go on as if nothing had been.
        Plant {
            name: "NoEpochCheck",
            rows: vec![(0..3).map(|node| paused(node, lease)).collect()],
        },
        // A clock on the wall goes back in two nodes, which hear nothing of the database then: others follow
        // them, and they go on answering.
        Plant {
            name: "WallClock",
            rows: [0, 1]
                .into_iter()
                .flat_map(|node| {
                    let black = Fault::Wire(node, End::Database, Mode::Blackhole);
                    [
                        vec![planned(2_000, 16_000, Fault::Clock(node, -3_600))],
                        vec![planned(3_500, 12_000, black)],
                    ]
                })
                .collect(),
        },
        // Who has given a shard up answers nothing from memory any more.
        Plant { name: "ReadAfterHandOver", rows: vec![moved(), (0..3).map(drained).collect()] },
        // Whatever is heard in Redis is a reason to look, and nothing else.
        Plant {
            name: "BelieveTheBell",
            rows: vec![vec![
                planned(2_000, 500, Fault::RedisForged),
                planned(4_000, 500, Fault::RedisForged),
            ]],
        },
    ]
}

fn paused(node: usize, lease: u64) -> Planned {
    let number = u64::try_from(node).unwrap_or(0);
    planned(1_500 + number * (2 * lease + 2_500), 2 * lease, Fault::Pause(node))
}

fn drained(node: usize) -> Planned {
    let number = u64::try_from(node).unwrap_or(0);
    planned(2_000 + number * 4_000, 2_000, Fault::Drain(node))
}

fn moved() -> Vec<Planned> {
    (0..SHARDS)
        .map(|shard| {
            let to = usize::from(shard) % crate::site::NODES;
            planned(1_000 + u64::from(shard) * 700, 600, Fault::Move(shard, to))
        })
        .collect()
}

/// Plays the round of a plant, and says what saw it.
pub async fn is_found(plant: &Plant) -> bool {
    println!("planted: {}", plant.name);
    let rows = plant.rows.clone();
    let findings =
        round::run(Round { seed: SEED, rows, readers: READERS, planted: Some(plant.name) }).await;
    crate::IS_IMPATIENT.store(false, Ordering::Relaxed);
    let verdict = findings.first().map_or("NOBODY SAW IT", String::as_str);
    println!("planted {}: {}", plant.name, verdict.lines().next().unwrap_or_default());
    !findings.is_empty()
}
