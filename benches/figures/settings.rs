//! What a run is asked to do. Owns durations and sizes, so that each stands in one place.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::place::Kind;

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Limits,
    Alone,
    Hot,
    Telemetry,
    Aggregates,
    Replay,
    Activation,
    History,
    Past,
    Start,
    Checkout,
    Memory,
    Graphql,
    Proof,
    Gate,
    Kept,
    Outbox,
    Side,
    Search,
    Access,
    Rows,
    Lists,
    Timers,
    Nodes,
}

/// Measures what nodes do against the limits of the machine.
#[derive(Clone, Debug, Parser)]
#[command(name = "figures")]
pub struct Settings {
    /// Short rounds and small sizes: to see that it works, not to be kept.
    #[arg(long)]
    pub quick: bool,
    /// Only this part; may be repeated. Nothing is written then, unless `--output` says where.
    #[arg(long, value_name = "NAME")]
    only: Vec<Part>,
    /// Only on this database.
    #[arg(long, value_name = "KIND")]
    pub database: Option<Kind>,
    /// How often limits and engine take turns.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Only this many callers of the hot stock item: for a profile.
    #[arg(long, value_name = "N")]
    pub callers: Option<usize>,
    /// Where `figures.json` and `figures.md` are written; `docs` for a whole run.
    #[arg(long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
    /// What a child process of this program does.
    #[arg(long, hide = true)]
    pub child: Option<String>,
    /// The database of a child process.
    #[arg(long, hide = true)]
    pub address: Option<String>,
    /// The database connections of a child process that serves.
    #[arg(long, hide = true, default_value_t = 1)]
    pub connections: u32,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Settings {
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Every figure is to come out of this run.
    pub fn is_whole(&self) -> bool {
        self.only.is_empty() && self.database.is_none() && self.callers.is_none()
    }

    /// Where to write, if anywhere.
    pub fn output(&self) -> Option<PathBuf> {
        let kept = self.is_whole() && !self.quick;
        let docs = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs"));
        self.output.clone().or_else(|| kept.then(docs))
    }

    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// How long limits and engine are measured: the same on both sides of a ratio, for a longer one
    /// meets more of the database's own housekeeping.
    pub fn window(&self) -> Duration {
        Duration::from_millis(if self.quick { 500 } else { 3_000 })
    }

    /// How long the two sides of what is measured in turns many times are.
    pub fn short_window(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 1_500 })
    }

    /// What goes before each window and is not counted.
    pub fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 500 })
    }

    /// Live aggregates at one time.
    pub fn live_actors(&self) -> usize {
        if self.quick { 20_000 } else { 500_000 }
    }

    /// Events of the aggregate with a long history.
    pub fn long_history(&self) -> u64 {
        if self.quick { 100_000 } else { 1_000_000 }
    }

    /// Keyed commands that one aggregate took within a day.
    pub fn keyed_commands(&self) -> u64 {
        if self.quick { 500_000 } else { 10_000_000 }
    }

    /// Keyed commands of an item that changes hands.
    pub fn keyed_of_hand_over(&self) -> u64 {
        if self.quick { 50_000 } else { 1_000_000 }
    }

    /// Variants of the shop that is searched.
    pub fn searched_variants(&self) -> u64 {
        if self.quick { 50_000 } else { 1_000_000 }
    }

    /// Orders whose end is told outside.
    pub fn told_orders(&self) -> u64 {
        if self.quick { 5_000 } else { 100_000 }
    }

    /// Users who were given a role.
    pub fn assigned_users(&self) -> u64 {
        if self.quick { 50_000 } else { 1_000_000 }
    }

    /// Orders that lists are made of.
    pub fn listed_rows(&self) -> u64 {
        if self.quick { 50_000 } else { 1_000_000 }
    }

    /// Orders that are made by commands, to be listed and filled anew.
    pub fn made_orders(&self) -> u64 {
        if self.quick { 2_000 } else { 200_000 }
    }

    /// Events that a replay reads: about 100 MiB, so that the log is hot in a server of 256.
    pub fn replayed_events(&self) -> u64 {
        if self.quick { 65_536 } else { 262_144 }
    }
}
