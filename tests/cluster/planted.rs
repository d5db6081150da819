//! Bugs that are planted in real processes, each with the faults under which it shows: the round has to
//! find it. A checker that nobody saw catch anything proves nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::faults::{Fault, Planned};
use crate::proxy::Mode;
use crate::round::{self, Bug, Round};
use crate::site::{End, LEASE, SHARDS};

/// The clients of these rounds are always the same.
const SEED: u64 = 7;
/// Of these rounds.
const READERS: usize = 6;

/// Somebody was told what others had changed before he asked.
const STALE: &str = "not linearizable";

/// See the module.
pub struct Plant {
    pub bug: Bug,
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
            bug: Bug { name: "ReplyBeforeCommit", sign: STALE },
            rows: vec![vec![
                planned(2_000, 1_000, Fault::DatabaseKilled(0)),
                planned(5_000, 1_000, Fault::Kill(0)),
                planned(8_000, 1_000, Fault::DatabaseKilled(0)),
            ]],
        },
        // Who was silent for a lease is followed, and may not go on as if nothing had been.
        Plant {
            bug: Bug { name: "NoEpochCheck", sign: STALE },
            rows: vec![(0..3).map(|node| paused(node, lease)).collect()],
        },
        // A clock on the wall goes back in two nodes, which hear nothing of the database then: others follow
        // them, and they go on answering.
        Plant {
            bug: Bug { name: "WallClock", sign: STALE },
            rows: [0, 1]
                .into_iter()
                .flat_map(|node| {
                    let black = Fault::Wire(node, End::Database(0), Mode::Blackhole);
                    [
                        vec![planned(2_000, 16_000, Fault::Clock(node, -3_600))],
                        vec![planned(3_500, 12_000, black)],
                    ]
                })
                .collect(),
        },
        // Who has given a shard up answers nothing from memory any more.
        Plant {
            bug: Bug { name: "ReadAfterHandOver", sign: STALE },
            rows: vec![moved(), (0..3).map(drained).collect()],
        },
        // Whatever is heard in Redis is a reason to look, and nothing else.
        Plant {
            bug: Bug { name: "BelieveTheBell", sign: "does not end" },
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

/// Plays the round of a plant, and says whether it showed by its sign.
pub async fn is_found(plant: &Plant) -> bool {
    let Plant { bug, rows } = plant;
    println!("planted: {}", bug.name);
    let planted = Some(*bug);
    let round = Round { seed: SEED, rows: rows.clone(), readers: READERS, databases: 1, planted };
    let findings = round::run(round).await;
    crate::IS_IMPATIENT.store(false, Ordering::Relaxed);
    let shown = bug.shown(&findings);
    let verdict = shown.map_or("NOBODY SAW IT", String::as_str);
    println!("planted {}: {}", bug.name, verdict.lines().next().unwrap_or_default());
    shown.is_some()
}
