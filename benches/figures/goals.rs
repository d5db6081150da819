//! The figures that are kept: what each is called, what it is held against and what it is to reach.
//! The goals are those of the design and stand here alone.

use serde::Serialize;

use crate::access;
use crate::activation::{
    COLD_CRASHED, COLD_FEW, COLD_SNAPSHOT, EVENTS_READ, EVENTS_READ_CRASHED, REPLAY_COLD,
    REPLAY_HOT,
};

use crate::begin::{WITH, WITHOUT};
use crate::checkout::{self, BYTES, INSERTS, ROWS, SALE_ALONE, SELECTS, SERVER_US, SPREAD};
use crate::engine::{ALONE, HOT, HOT_P99, MANY, MANY_P99, PROCESSOR};
use crate::gate;
use crate::graphql::{CONSTANT, NO_OP, READ, SELL};
use crate::history::{
    KEY_BYTES, KEYED_P50, KEYED_RATE, LONG_P50, LONG_RATE, READS, SHORT_P50, SHORT_RATE,
    UNKEYED_P50, UNKEYED_RATE,
};
use crate::kept;
use crate::limits::{
    EVENTS_IN_ONE_ROW, ONE_ROW, ONE_ROW_ADAPTER, ROW_LOCKING, ROWS_ADAPTER, ROWS_ALL_CONNECTIONS,
    ROWS_ONE_CONNECTION,
};
use crate::lists;
use crate::memory::{ACTIVATIONS, BOUND, IDLE_BYTES, LIVE, MOST_LIVE, PASSIVATED_BYTES};
use crate::nodes;
use crate::outbox;
use crate::past::{PAST_1_M, PAST_10_K, PAST_100_K};
use crate::peer_lists;
use crate::place::Kind;
use crate::proof;
use crate::rows;
use crate::samples::Samples;
use crate::search;
use crate::telemetry::{OFF, UNSAMPLED};
use crate::timers;

/// What a figure is to reach.
#[derive(Clone, Copy)]
enum Goal {
    /// None of its own: it is what others are held against, or told beside them.
    None,
    RatioAtLeast(f64),
    /// The databases differ in what bounds them.
    RatioAtLeastOn {
        sqlite: f64,
        mariadb: f64,
    },
    RatioAtMost(f64),
    AtLeast(f64),
    AtLeastOn {
        sqlite: f64,
        mariadb: f64,
    },
    AtMost(f64),
}

impl Goal {
    /// The same as it is for one database.
    fn on(self, kind: Kind) -> Self {
        match (self, kind) {
            (RatioAtLeastOn { sqlite, .. }, Kind::Sqlite) => RatioAtLeast(sqlite),
            (RatioAtLeastOn { mariadb, .. }, Kind::Mariadb) => RatioAtLeast(mariadb),
            (AtLeastOn { sqlite, .. }, Kind::Sqlite) => AtLeast(sqlite),
            (AtLeastOn { mariadb, .. }, Kind::Mariadb) => AtLeast(mariadb),
            (goal, _) => goal,
        }
    }
}

struct Figure {
    name: &'static str,
    value: Source,
    unit: &'static str,
    against: Option<Source>,
    goal: Goal,
}

/// Where a number comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The median of these samples.
    Of(&'static str),
    /// The highest of a family by its medians.
    Best(&'static str),
    /// The lowest.
    Least(&'static str),
}

use Goal::{AtLeast, AtLeastOn, AtMost, RatioAtLeast, RatioAtLeastOn, RatioAtMost};
use Source::{Best, Least, Of};

/// The hot item at the load that the latency goal speaks of.
const HOT_P99_LOADED: &str = "one hot stock item, p99: 1000 callers";

const fn plain(name: &'static str, value: Source, unit: &'static str) -> Figure {
    Figure { name, value, unit, against: None, goal: Goal::None }
}

const fn held(
    name: &'static str,
    value: Source,
    unit: &'static str,
    against: Option<Source>,
    goal: Goal,
) -> Figure {
    Figure { name, value, unit, against, goal }
}

const FIGURES: &[Figure] = &[
    plain(ONE_ROW, Of(ONE_ROW), "ms"),
    held(ONE_ROW_ADAPTER, Of(ONE_ROW_ADAPTER), "ms", Some(Of(ONE_ROW)), Goal::None),
    plain(ROWS_ONE_CONNECTION, Best(ROWS_ONE_CONNECTION), "events/s"),
    held(ROWS_ADAPTER, Best(ROWS_ADAPTER), "events/s", Some(Best(ROWS_ONE_CONNECTION)), Goal::None),
    plain(ROWS_ALL_CONNECTIONS, Best(ROWS_ALL_CONNECTIONS), "events/s"),
    plain(EVENTS_IN_ONE_ROW, Best(EVENTS_IN_ONE_ROW), "events/s"),
    plain(ROW_LOCKING, Best(ROW_LOCKING), "transactions/s"),
    held(
        HOT,
        Best(HOT),
        "commands/s",
        Some(Best(ROWS_ONE_CONNECTION)),
        RatioAtLeastOn { sqlite: 1.5, mariadb: 2.5 },
    ),
    held(
        "one hot stock item, against row-locking SQL",
        Best(HOT),
        "commands/s",
        Some(Best(ROW_LOCKING)),
        RatioAtLeast(60.0),
    ),
    held(HOT_P99, Of(HOT_P99_LOADED), "ms", None, AtMost(10.0)),
    held(PROCESSOR, Least(PROCESSOR), "us", None, AtMost(4.0)),
    plain(OFF, Of(OFF), "commands/s"),
    held(UNSAMPLED, Of(UNSAMPLED), "commands/s", Some(Of(OFF)), RatioAtLeast(0.99)),
    held(
        MANY,
        Of(MANY),
        "commands/s",
        Some(Best(ROWS_ALL_CONNECTIONS)),
        RatioAtLeastOn { sqlite: 0.7, mariadb: 1.0 },
    ),
    plain(MANY_P99, Of(MANY_P99), "ms"),
    held(ALONE, Of(ALONE), "ms", Some(Of(ONE_ROW)), RatioAtMost(1.2)),
    plain(NO_OP, Best(NO_OP), "requests/s"),
    held(SELL, Best(SELL), "requests/s", Some(Best(NO_OP)), RatioAtLeast(0.6)),
    plain(CONSTANT, Best(CONSTANT), "requests/s"),
    held(READ, Best(READ), "requests/s", Some(Best(CONSTANT)), RatioAtLeast(0.8)),
    held(IDLE_BYTES, Of(IDLE_BYTES), "bytes", None, AtMost(8_192.0)),
    held(LIVE, Of(LIVE), "actors", None, AtLeast(500_000.0)),
    held(MOST_LIVE, Of(MOST_LIVE), "actors", Some(Of(BOUND)), RatioAtMost(1.0)),
    plain(BOUND, Of(BOUND), "actors"),
    held(PASSIVATED_BYTES, Of(PASSIVATED_BYTES), "bytes", Some(Of(IDLE_BYTES)), RatioAtMost(0.1)),
    plain(ACTIVATIONS, Of(ACTIVATIONS), "commands/s"),
    plain(SHORT_P50, Of(SHORT_P50), "ms"),
    held(LONG_P50, Of(LONG_P50), "ms", Some(Of(SHORT_P50)), RatioAtMost(1.1)),
    plain(SHORT_RATE, Of(SHORT_RATE), "commands/s"),
    held(LONG_RATE, Of(LONG_RATE), "commands/s", Some(Of(SHORT_RATE)), RatioAtLeast(1.0 / 1.1)),
    plain(UNKEYED_P50, Of(UNKEYED_P50), "ms"),
    held(KEYED_P50, Of(KEYED_P50), "ms", Some(Of(UNKEYED_P50)), Goal::None),
    plain(UNKEYED_RATE, Of(UNKEYED_RATE), "commands/s"),
    held(KEYED_RATE, Of(KEYED_RATE), "commands/s", Some(Of(UNKEYED_RATE)), Goal::None),
    plain(KEY_BYTES, Of(KEY_BYTES), "bytes"),
    plain(READS, Of(READS), "reads"),
    plain(COLD_FEW, Of(COLD_FEW), "ms"),
    plain(COLD_SNAPSHOT, Of(COLD_SNAPSHOT), "ms"),
    held(EVENTS_READ, Of(EVENTS_READ), "events", None, AtMost(1_000.0)),
    plain(COLD_CRASHED, Of(COLD_CRASHED), "ms"),
    held(EVENTS_READ_CRASHED, Of(EVENTS_READ_CRASHED), "events", None, AtMost(1_000.0)),
    held(REPLAY_HOT, Of(REPLAY_HOT), "events/s", None, AtLeast(1_000_000.0)),
    held(REPLAY_COLD, Of(REPLAY_COLD), "events/s", None, AtLeast(300_000.0)),
    held(PAST_10_K, Of(PAST_10_K), "ms", None, AtMost(20.0)),
    held(PAST_100_K, Of(PAST_100_K), "ms", None, AtMost(20.0)),
    held(PAST_1_M, Of(PAST_1_M), "ms", None, AtMost(20.0)),
    held(WITH, Of(WITH), "s", None, AtMost(2.0)),
    plain(WITHOUT, Of(WITHOUT), "s"),
    held(search::RATE, Of(search::RATE), "searches/s", None, AtLeast(1_000.0)),
    held(search::P99, Of(search::P99), "ms", None, AtMost(20.0)),
    held(search::FRESH, Of(search::FRESH), "ms", None, AtMost(1_000.0)),
    plain(search::INDEXED, Of(search::INDEXED), "products/s"),
    held(access::DECIDED, Of(access::DECIDED), "us", None, AtMost(5.0)),
    held(access::CHECKED, Of(access::CHECKED), "ms", None, AtMost(1.0)),
    plain(access::KEPT, Of(access::KEPT), "bytes"),
    held(
        rows::WRITTEN,
        Of(rows::WRITTEN),
        "rows/s",
        None,
        AtLeastOn { sqlite: 40_000.0, mariadb: 30_000.0 },
    ),
    plain(rows::CHANGED, Of(rows::CHANGED), "rows/s"),
    plain(rows::BYTES, Of(rows::BYTES), "bytes"),
    plain(rows::FIRST, Of(rows::FIRST), "ms"),
    held(rows::FAR, Of(rows::FAR), "ms", Some(Of(rows::FIRST)), RatioAtMost(1.5)),
    held(rows::FILTERED, Of(rows::FILTERED), "ms", Some(Of(rows::FIRST)), RatioAtMost(1.5)),
    held(peer_lists::FIRST, Of(peer_lists::FIRST), "ms", Some(Of(rows::FIRST)), Goal::None),
    held(peer_lists::FAR, Of(peer_lists::FAR), "ms", Some(Of(rows::FAR)), Goal::None),
    held(rows::SCREEN, Of(rows::SCREEN), "ms", None, AtMost(20.0)),
    plain(lists::MADE, Of(lists::MADE), "orders/s"),
    held(lists::GROWTH, Of(lists::GROWTH), "bytes", None, AtMost(16.0)),
    plain(lists::BYTES, Of(lists::BYTES), "bytes"),
    plain(lists::REBUILT, Of(lists::REBUILT), "rows/s"),
    held(timers::ENDED, Of(timers::ENDED), "s", None, AtMost(5.0)),
    plain(timers::QUIET, Of(timers::QUIET), "ms"),
    held(timers::MEANWHILE, Of(timers::MEANWHILE), "ms", Some(Of(timers::QUIET)), RatioAtMost(2.0)),
    plain(proof::RSA, Of(proof::RSA), "tokens/s"),
    plain(proof::EDDSA, Of(proof::EDDSA), "tokens/s"),
    plain(proof::SIGN_INS, Of(proof::SIGN_INS), "sign-ins/s"),
    plain(proof::QUIET, Of(proof::QUIET), "ms"),
    held(proof::MEANWHILE, Of(proof::MEANWHILE), "ms", Some(Of(proof::QUIET)), Goal::None),
    held(
        gate::SELL[0],
        Of(gate::SELL[0]),
        "requests/s",
        Some(Of(gate::SELL[1])),
        RatioAtLeast(0.9),
    ),
    held(
        gate::READ[0],
        Of(gate::READ[0]),
        "requests/s",
        Some(Of(gate::READ[1])),
        RatioAtLeast(0.9),
    ),
    held(
        gate::CONSTANT[0],
        Of(gate::CONSTANT[0]),
        "requests/s",
        Some(Of(gate::CONSTANT[1])),
        Goal::None,
    ),
    held(outbox::RELAYED, Of(outbox::RELAYED), "events/s", None, AtLeast(20_000.0)),
    plain(outbox::LATE, Of(outbox::LATE), "ms"),
    plain(outbox::UNTOLD, Of(outbox::UNTOLD), "orders/s"),
    held(outbox::TOLD, Of(outbox::TOLD), "orders/s", Some(Of(outbox::UNTOLD)), RatioAtLeast(0.95)),
    plain(outbox::QUICK, Of(outbox::QUICK), "ms"),
    held(outbox::BESIDE_SLOW, Of(outbox::BESIDE_SLOW), "ms", Some(Of(outbox::QUICK)), Goal::None),
    plain(outbox::SLOW_RATE, Of(outbox::SLOW_RATE), "events/s"),
    plain(SALE_ALONE, Of(SALE_ALONE), "ms"),
    held(checkout::ALONE, Of(checkout::ALONE), "ms", Some(Of(SALE_ALONE)), RatioAtMost(3.0)),
    held(SPREAD, Of(SPREAD), "orders/s", None, AtLeast(4_000.0)),
    held(checkout::HOT, Of(checkout::HOT), "orders/s", Some(Of(SPREAD)), RatioAtLeast(0.9)),
    plain(SERVER_US, Of(SERVER_US), "us"),
    plain(ROWS, Of(ROWS), "rows"),
    held(BYTES, Of(BYTES), "bytes", None, AtMost(2_048.0)),
];

/// What is measured on a server of databases only: its statements, and the program beside a shop
/// on tables.
const ON_A_SERVER: &[Figure] = &[
    held(
        kept::CHECKOUTS[0],
        Of(kept::CHECKOUTS[0]),
        "orders/s",
        Some(Of(kept::CHECKOUTS[1])),
        RatioAtLeast(0.9),
    ),
    held(kept::HOT[0], Of(kept::HOT[0]), "requests/s", Some(Of(kept::HOT[1])), RatioAtLeast(0.97)),
    plain(nodes::HOT[0], Of(nodes::HOT[0]), "requests/s"),
    held(nodes::HOT[1], Of(nodes::HOT[1]), "requests/s", Some(Of(nodes::HOT[0])), Goal::None),
    held(nodes::HOT[2], Of(nodes::HOT[2]), "requests/s", Some(Of(nodes::HOT[0])), Goal::None),
    plain(nodes::SPREAD[0], Of(nodes::SPREAD[0]), "requests/s"),
    held(
        nodes::SPREAD[1],
        Of(nodes::SPREAD[1]),
        "requests/s",
        Some(Of(nodes::SPREAD[0])),
        Goal::None,
    ),
    held(
        nodes::SPREAD[2],
        Of(nodes::SPREAD[2]),
        "requests/s",
        Some(Of(nodes::SPREAD[0])),
        Goal::None,
    ),
    plain(nodes::CHECKOUTS[0], Of(nodes::CHECKOUTS[0]), "orders/s"),
    held(
        nodes::CHECKOUTS[1],
        Of(nodes::CHECKOUTS[1]),
        "orders/s",
        Some(Of(nodes::CHECKOUTS[0])),
        Goal::None,
    ),
    held(
        nodes::CHECKOUTS[2],
        Of(nodes::CHECKOUTS[2]),
        "orders/s",
        Some(Of(nodes::CHECKOUTS[0])),
        Goal::None,
    ),
    plain(nodes::BARE, Of(nodes::BARE), "ms"),
    held(nodes::HOP, Of(nodes::HOP), "ms", Some(Of(nodes::BARE)), RatioAtMost(2.0)),
    plain(nodes::IDLE[0], Of(nodes::IDLE[0]), "ms"),
    held(nodes::IDLE[1], Of(nodes::IDLE[1]), "ms", None, AtMost(200.0)),
    plain(nodes::IDLE[2], Of(nodes::IDLE[2]), "ms"),
    plain(nodes::BUSY[0], Of(nodes::BUSY[0]), "ms"),
    held(nodes::BUSY[1], Of(nodes::BUSY[1]), "ms", None, AtMost(200.0)),
    plain(nodes::BUSY[2], Of(nodes::BUSY[2]), "ms"),
    plain(nodes::LARGE[0], Of(nodes::LARGE[0]), "ms"),
    held(nodes::LARGE[1], Of(nodes::LARGE[1]), "ms", None, AtMost(200.0)),
    plain(nodes::LARGE[2], Of(nodes::LARGE[2]), "ms"),
    // The lease is five seconds, and one more is promised.
    held(nodes::FAILOVER, Of(nodes::FAILOVER), "s", None, AtMost(6.0)),
    plain(nodes::FOURTH, Of(nodes::FOURTH), "s"),
    plain(nodes::OF_PEER, Of(nodes::OF_PEER), "bytes"),
    plain(nodes::OF_SHARD, Of(nodes::OF_SHARD), "bytes"),
    held(SELECTS, Of(SELECTS), "statements", None, AtMost(0.2)),
    plain(INSERTS, Of(INSERTS), "statements"),
    held(
        "selling one hot item over HTTP, 1 clients",
        Of("selling one hot item over HTTP: 1 clients"),
        "requests/s",
        Some(Best("the same by row-locking SQL, 1 clients")),
        Goal::None,
    ),
    held(
        "selling one hot item over HTTP, 8 clients",
        Of("selling one hot item over HTTP: 8 clients"),
        "requests/s",
        Some(Best("the same by row-locking SQL, 8 clients")),
        Goal::None,
    ),
    held(
        "selling one hot item over HTTP, 32 clients",
        Of("selling one hot item over HTTP: 32 clients"),
        "requests/s",
        Some(Best("the same by row-locking SQL, 32 clients")),
        Goal::None,
    ),
    held(
        "selling one hot item over HTTP, 128 clients",
        Of("selling one hot item over HTTP: 128 clients"),
        "requests/s",
        Some(Best("the same by row-locking SQL, 128 clients")),
        Goal::None,
    ),
    held(
        "selling one hot item over HTTP, 512 clients",
        Of("selling one hot item over HTTP: 512 clients"),
        "requests/s",
        Some(Best("the same by row-locking SQL, 512 clients")),
        Goal::None,
    ),
    held(
        "selling 1,000 items over HTTP, 1 clients",
        Of("selling 1,000 items over HTTP: 1 clients"),
        "requests/s",
        Some(Best("selling 1,000 items by row-locking SQL, 1 clients")),
        Goal::None,
    ),
    held(
        "selling 1,000 items over HTTP, 8 clients",
        Of("selling 1,000 items over HTTP: 8 clients"),
        "requests/s",
        Some(Best("selling 1,000 items by row-locking SQL, 8 clients")),
        Goal::None,
    ),
    held(
        "selling 1,000 items over HTTP, 32 clients",
        Of("selling 1,000 items over HTTP: 32 clients"),
        "requests/s",
        Some(Best("selling 1,000 items by row-locking SQL, 32 clients")),
        Goal::None,
    ),
    held(
        "selling 1,000 items over HTTP, 128 clients",
        Of("selling 1,000 items over HTTP: 128 clients"),
        "requests/s",
        Some(Best("selling 1,000 items by row-locking SQL, 128 clients")),
        Goal::None,
    ),
    held(
        "selling 1,000 items over HTTP, 512 clients",
        Of("selling 1,000 items over HTTP: 512 clients"),
        "requests/s",
        Some(Best("selling 1,000 items by row-locking SQL, 512 clients")),
        Goal::None,
    ),
    held(
        "a hot item over HTTP at 128 clients, against row-locking SQL",
        Of("selling one hot item over HTTP: 128 clients"),
        "requests/s",
        Some(Best("the same by row-locking SQL, 128 clients")),
        RatioAtLeast(15.0),
    ),
    held(
        "a hot item over HTTP at 128 clients, p99",
        Of("selling one hot item over HTTP, p99: 128 clients"),
        "ms",
        Some(Least("the same by row-locking SQL, 128 clients, p99")),
        RatioAtMost(0.15),
    ),
    held(
        "a hot item over HTTP at 512 clients",
        Of("selling one hot item over HTTP: 512 clients"),
        "requests/s",
        Some(Of("selling one hot item over HTTP: 32 clients")),
        RatioAtLeast(0.9),
    ),
];

/// One row of `figures.json`.
#[derive(Serialize)]
pub struct Row {
    pub name: &'static str,
    pub database: &'static str,
    pub value: f64,
    pub unit: &'static str,
    /// The figure that it is held against; its value is `value / ratio`.
    pub against: Option<String>,
    pub ratio: Option<f64>,
    /// For the ratio where there is one, otherwise for the value: `>= 1.5`, `<= 20`.
    pub goal: Option<String>,
    pub met: Option<bool>,
    /// Which of the settings tried was the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
}

/// The rows that were measured, and the names of those that have a goal and were not.
pub fn rows(samples: &Samples, kind: Kind) -> (Vec<Row>, Vec<&'static str>) {
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    let on_a_server = if kind == Kind::Mariadb { ON_A_SERVER } else { &[] };
    for figure in FIGURES.iter().chain(on_a_server) {
        match row(samples, kind, figure) {
            Some(row) => {
                if row.goal.is_some() && row.met.is_none() {
                    missing.push(figure.name);
                }
                rows.push(row);
            }
            None => missing.push(figure.name),
        }
    }
    (rows, missing)
}

fn row(samples: &Samples, kind: Kind, figure: &Figure) -> Option<Row> {
    let find = |source: Source| match source {
        Of(name) => samples.median(kind, name).map(|value| (None, value)),
        Best(family) => samples.best(kind, family).map(with_setting),
        Least(family) => samples.least(kind, family).map(with_setting),
    };
    let (setting, value) = find(figure.value)?;
    let against = figure.against.and_then(|source| {
        let (setting, of) = find(source)?;
        let (Of(name) | Best(name) | Least(name)) = source;
        let name = setting.map_or(name.to_owned(), |setting| format!("{name}: {setting}"));
        Some((name, value / of))
    });
    let ratio = against.as_ref().map(|(_, ratio)| *ratio);
    let (goal, met) = match figure.goal.on(kind) {
        Goal::None => (None, None),
        RatioAtLeastOn { .. } | AtLeastOn { .. } => {
            unreachable!("of one database there is one goal")
        }
        RatioAtLeast(goal) => (Some(text(">=", goal)), ratio.map(|ratio| ratio >= goal)),
        RatioAtMost(goal) => (Some(text("<=", goal)), ratio.map(|ratio| ratio <= goal)),
        AtLeast(goal) => (Some(text(">=", goal)), Some(value >= goal)),
        AtMost(goal) => (Some(text("<=", goal)), Some(value <= goal)),
    };
    Some(Row {
        name: figure.name,
        database: kind.name(),
        value,
        unit: figure.unit,
        against: against.map(|(name, _)| name),
        ratio,
        goal,
        met,
        setting,
    })
}

fn with_setting((name, value): (String, f64)) -> (Option<String>, f64) {
    (name.rsplit_once(": ").map(|(_, setting)| setting.to_owned()), value)
}

fn text(sign: &str, goal: f64) -> String {
    let rounded = (goal * 1_000.0).round() / 1_000.0;
    format!("{sign} {rounded}")
}
