//! What is told of live aggregates, of what waits for them and of what they refuse.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use telemetry::metrics::SECONDS;

use crate::aggregate_ref::AskError;
use crate::follower::AnyFollower;
use crate::outbox::Outbox;
use crate::search::Searches;
use crate::shard::{NodeServices, Shard};
use crate::standing::{Lag, Standings};
use crate::stocked::Stocked;
use crate::view::ViewRef;
use crate::watching::Watched;
use domain::aggregate::Refusal;
use persistence::clock::Clock;
use projections::Projection;
use projections::open_sagas::OpenSagas;
use sagas::saga::Saga;

telemetry::metrics! { "actors":
    /// Commands and reads that were let in and are not answered yet.
    gauge ADMITTED = "admitted_commands";
    /// The same on the shard that has most of them.
    gauge BUSIEST_SHARD = "busiest_shard_commands";
    /// Bytes of commands that were let in and are not answered yet.
    gauge ADMITTED_BYTES = "admitted_bytes";
    /// Aggregates in memory.
    gauge LIVE = "live_aggregates";
    /// Commands that a full bound kept out: of the `mailbox`, the `shard`, the `node`.
    counter TURNED_AWAY = "turned_away_commands" by "bound";
    /// Commands that the rules refused.
    counter REFUSALS = "refusals" by "kind", "code";
    /// Commands without an outcome, or without one that is known.
    counter FAULTS = "faults" by "kind", "code";
    /// Aggregates that were started.
    counter ACTIVATIONS = "activations";
    /// Answers that an aggregate never was, or to a command that it refuses: without starting it.
    counter ANSWERED_OF_NOTHING = "answered_of_nothing";
    /// Aggregates that left memory: idle, over, or to make room.
    counter PASSIVATIONS = "passivations";
    /// Those of them that had to make room for others.
    counter EVICTIONS = "evictions";
    /// How long it took to read a state from its log and snapshot.
    histogram RECOVERY_SECONDS = "recovery_seconds" by "outcome" with SECONDS;
    /// Aggregates whose logs were read together with others', for a page of a list.
    counter READ_TOGETHER = "read_together";
    /// Events that were replayed to read the past.
    counter PAST_EVENTS = "past_events";
    /// Aggregates that wait for their turn to be read from the log.
    gauge RECOVERIES_WAITING = "recoveries_waiting";
    /// Actors that failed; each is started again, unless it is quarantined.
    counter FAILURES = "failures" by "kind";
    /// Aggregates that were taken out of service, because they failed again and again or an
    /// operator said so.
    counter QUARANTINES = "quarantines" by "kind";
    /// Bytes of committed entries that are kept in memory for followers.
    gauge FEED_BYTES = "feed_bytes";
    /// Entries that a view or reaction does not know yet.
    gauge FOLLOWER_LAG = "follower_lag_entries" by "follower";
    /// The same of the shard on which it is most.
    gauge FOLLOWER_LAG_WORST = "follower_worst_shard_lag_entries" by "follower";
    /// For how long the oldest of them is durable, by the clock of whoever wrote it.
    gauge FOLLOWER_LAG_SECONDS = "follower_lag_seconds" by "follower";
    /// Entries that a filling of a table has still to read before it takes the place of the one that
    /// answers; 0 where none is made.
    gauge REBUILD_LEFT = "rebuild_left_entries" by "table";
    /// How often another filling of a table took the place of the one that answered on this node.
    counter REBUILDS = "rebuilds" by "table";
    /// Entries that views and reactions read from the journal: at a start, or because they fell behind
    /// what is kept in memory.
    counter FOLLOWER_READ = "follower_read_entries";
    /// Entries of logs that others serve, as those told them before the journal was asked.
    counter TAILED = "tailed_entries";
    /// Aggregates that a view or reaction has set aside with their later entries.
    gauge PARKED_AGGREGATES = "parked_aggregates" by "follower";
    /// Entries that a view or reaction could not take and set aside.
    counter PARKED = "parked_entries" by "follower";
    /// Commands that a reaction of this node sent.
    counter REACTED = "reaction_commands" by "follower";
    /// Rows that a view holds in memory.
    gauge VIEW_ROWS = "view_rows" by "view";
    /// Aggregates of which somebody waits for what comes of them.
    gauge WATCHED = "watched_aggregates";
    /// Variants that can be had at some place, as searches by stock know.
    gauge STOCKED_VARIANTS = "stocked_variants";
    /// Products in the search index of this node.
    gauge SEARCHED_PRODUCTS = "searched_products";
    /// How long a search took, its turn included.
    histogram SEARCH_SECONDS = "search_seconds" with SECONDS;
    /// Searches that were turned away, because too many waited.
    counter SEARCHES_TURNED_AWAY = "turned_away_searches";
    /// Sagas that are not over.
    gauge OPEN_SAGAS = "open_sagas" by "saga";
    /// Those of them that wait neither for a time nor for an operator.
    gauge MOVING_SAGAS = "moving_sagas" by "saga";
    /// How long the oldest of them has been open, in seconds.
    gauge OLDEST_SAGA_SECONDS = "oldest_saga_seconds" by "saga";
    /// How often a saga could not be undone and had to wait for an operator.
    counter STALLED_SAGAS = "stalled_sagas" by "saga";
    /// How often a driver could not drive a saga on; it tries again after a pause.
    counter SAGA_FAILURES = "saga_failures" by "saga";
    /// Tries to tell an endpoint of an event, and what came of them: `delivered`, `failed`.
    counter WEBHOOKS = "webhooks" by "outcome";
    /// How long one took.
    histogram WEBHOOK_SECONDS = "webhook_seconds" with SECONDS;
    /// Events in Redis Streams: `told`, and `repeated`, which Redis refused because it had them.
    counter STREAMED = "streamed_events" by "outcome";
    /// Entries that whoever is outside was not told of, by his name: an endpoint's id, or `streams`.
    gauge OUTBOX_LAG = "outbox_lag_entries" by "consumer";
    /// For how long the oldest of them is durable.
    gauge OUTBOX_LAG_SECONDS = "outbox_lag_seconds" by "consumer";
    /// Aggregates of which some endpoint was not told something, and later events of them.
    gauge OUTBOX_PARKED = "outbox_parked_aggregates";
    /// What timers did, a command or an erasure each, and what came of it: `done`, `refused`, `failed`.
    counter TIMERS = "timers" by "timer", "outcome";
    /// How long after it was due something was begun that was done.
    histogram TIMER_LATE_SECONDS = "timer_late_seconds" by "timer" with SECONDS;
    /// Snapshots that were written.
    counter SNAPSHOTS = "snapshots" by "outcome";
}

/// Tells what the bounds of a node know anyhow.
pub(crate) fn observe(services: &Arc<NodeServices>, shards: &Arc<Vec<Arc<Shard>>>) {
    let admitted = |shard: &Arc<Shard>| shard.admitted.load(Ordering::Relaxed) as f64;
    ADMITTED.observe(shards, move |shards| shards.iter().map(admitted).sum());
    BUSIEST_SHARD.observe(shards, move |shards| shards.iter().map(admitted).fold(0.0, f64::max));
    ADMITTED_BYTES.observe(services, |node| node.admitted_bytes.load(Ordering::Relaxed) as f64);
    RECOVERIES_WAITING.observe(services, |node| node.recoveries.waiting() as f64);
    FEED_BYTES.observe(services, |node| node.feed.bytes() as f64);
    LIVE.observe(services, |node| node.live.load(Ordering::Relaxed) as f64);
}

/// Tells how far a follower is behind the logs of a node.
pub(crate) fn observe_follower(
    name: &'static str,
    services: &Arc<NodeServices>,
    follower: Arc<dyn AnyFollower>,
) {
    let of = Arc::clone(&follower);
    FOLLOWER_LAG.observe_as(name, services, move |node| {
        let position = of.position();
        let ahead = node.feed.ahead_of(|shard| position.seq(shard));
        ahead.map(|(shard, head)| head - position.seq(shard)).sum::<u64>() as f64
    });
    PARKED_AGGREGATES.observe_as(name, services, move |_| follower.parked().len() as f64);
}

/// Tells what the outbox has set aside.
pub(crate) fn observe_outbox(services: &Arc<NodeServices>, outbox: &Outbox) {
    let of = outbox.clone();
    OUTBOX_PARKED.observe(services, move |_| {
        of.status().iter().map(|told| told.parked.len()).sum::<usize>() as f64
    });
}

/// Tells how far a consumer of the outbox is behind, for as long as he is one.
pub(crate) fn observe_consumer(name: String, lag: &Arc<Mutex<Lag>>) {
    OUTBOX_LAG.observe_as(name.clone(), lag, |lag| lag.lock().entries as f64);
    OUTBOX_LAG_SECONDS.observe_as(name, lag, |lag| lag.lock().seconds);
}

/// Tells how far followers are behind, and how far tables are that are filled anew.
pub(crate) fn observe_standings(
    standings: &Arc<Standings>,
    followers: impl Iterator<Item = &'static str>,
    tables: impl Iterator<Item = &'static str>,
) {
    for name in followers {
        FOLLOWER_LAG_SECONDS.observe_as(name, standings, move |all| all.lag(name).seconds);
        FOLLOWER_LAG_WORST
            .observe_as(name, standings, move |all| all.lag(name).worst_shard_entries as f64);
    }
    for name in tables {
        REBUILD_LEFT.observe_as(name, standings, move |all| all.left(name) as f64);
    }
}

/// Tells how large a view is.
pub(crate) fn observe_view<P: Projection>(services: &Arc<NodeServices>, view: &ViewRef<P>) {
    let of = view.clone();
    VIEW_ROWS.observe_as(P::NAME, services, move |_| of.rows().rows() as f64);
}

/// Tells how much the search index of a node holds.
pub(crate) fn observe_search(services: &Arc<NodeServices>, searches: &Searches) {
    let of = searches.clone();
    SEARCHED_PRODUCTS.observe(services, move |_| of.products() as f64);
}

/// Tells how many variants can be had, as a node knows.
pub(crate) fn observe_stocked(services: &Arc<NodeServices>, stocked: &Stocked) {
    let of = stocked.clone();
    STOCKED_VARIANTS.observe(services, move |_| of.look(search::Stock::variants) as f64);
}

/// Tells for how many aggregates somebody waits on a node.
pub(crate) fn observe_watched(services: &Arc<NodeServices>, watched: &Watched) {
    let of = watched.clone();
    WATCHED.observe(services, move |_| of.len() as f64);
}

/// Tells of the sagas of a kind for as long as they have this driver.
pub(crate) fn observe_sagas<S: Saga, D: Send + Sync + 'static>(
    driver: &Arc<D>,
    open: ViewRef<OpenSagas<S>>,
    clock: Clock,
) {
    let of = open.clone();
    OPEN_SAGAS.observe_as(S::TYPE, driver, move |_| of.rows().len() as f64);
    let of = open.clone();
    MOVING_SAGAS.observe_as(S::TYPE, driver, move |_| of.rows().moving() as f64);
    OLDEST_SAGA_SECONDS.observe_as(S::TYPE, driver, move |_| {
        let age_us = |since_us| clock.wall_us().saturating_sub(since_us).max(0);
        open.rows().oldest_us().map_or(0.0, |since_us| age_us(since_us) as f64 / 1e6)
    });
}

/// Counts why a command of this kind of aggregate has no success to show.
pub(crate) fn count_failure<X: Refusal>(kind: &str, error: &AskError<X>) {
    match error {
        AskError::Refused(refusal) => REFUSALS.with([kind, refusal.code()]).inc(),
        AskError::Fault(fault) => FAULTS.with([kind, fault.code()]).inc(),
    }
}
