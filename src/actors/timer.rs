//! Who does what is due: an actor for each [`Timer`] on each node. It asks the timer's table twice a second what
//! is due by now, and does it for those aggregates whose shards are held here; so each is done by one, wherever
//! its shard moves, and whoever takes a shard over goes on by the same rows.
//!
//! A row stays due until what was done has come into the table. Until then, and where it was refused or
//! failed, its aggregate is left alone for a while that grows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::aggregate_ref::{AskError, Engine, Fault};
use crate::core::CommandMeta;
use crate::metrics::{TIMER_LATE_SECONDS, TIMERS};
use crate::saga::tenure::Tenure;
use crate::table::TableRef;
use domain::event_name::EventName;
use domain::id::AggregateId;
use domain::principal::Principal;
use persistence::cause::chain;
use projections::cursor::Place;
use projections::plan::Slice;
use projections::table::{Listed, Row as _, Stored};
use projections::timers::{ByCommand, Timer, waiting_since};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Rows of one question, and questions of one look: what is left is the next look's, which comes at once.
const PAGE: u32 = 500;
const PAGES_MAX: usize = 4;
/// Commands that are under way at one time: clients have the rest of the node.
const COMMANDS_AT_ONCE: usize = 32;
/// How long an aggregate is left alone that did what was sent: until its row says so.
const SETTLES_WITHIN: Duration = Duration::from_millis(300);
/// The same of one that did not, the first time and at most.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(300);

/// See the module.
pub struct TimerActor<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Default for TimerActor<T> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

pub struct TimerSetup<T: Timer> {
    pub engine: Engine,
    pub table: TableRef<T::Table>,
    /// How long after the time that a row names it is due, in microseconds.
    pub after_us: i64,
    /// What is done, and how many at one time.
    pub deed: Deed,
    pub at_once: usize,
}

/// What is done with what is due; the reason where it was refused.
pub type Deed = Arc<dyn Fn(Due) -> BoxFuture<'static, Result<(), AskError<String>>> + Send + Sync>;

impl<T: ByCommand> TimerSetup<T> {
    /// Of one whose deed is a command.
    pub fn told(engine: Engine, table: TableRef<T::Table>) -> Self {
        let (principal, sender) = (Principal::system(T::NAME), engine.clone());
        let deed: Deed =
            Arc::new(move |due| tell::<T>(sender.clone(), Arc::clone(&principal), due).boxed());
        Self { engine, table, after_us: T::AFTER_US, deed, at_once: COMMANDS_AT_ONCE }
    }
}

pub enum TimerMessage {
    Look,
}

/// What an actor of a timer remembers; nothing of it has to last.
pub struct TimerState<T: Timer> {
    setup: TimerSetup<T>,
    /// Behind which row the next question goes on; none at the beginning.
    after: Option<Place>,
    left_alone: HashMap<AggregateId, LeftAlone>,
    /// The table could not be asked at the look before.
    is_blind: bool,
}

struct LeftAlone {
    until: Instant,
    tries: u32,
}

impl<T: Timer> Actor for TimerActor<T> {
    type Msg = TimerMessage;
    type State = TimerState<T>;
    type Arguments = TimerSetup<T>;

    async fn pre_start(
        &self,
        myself: ActorRef<TimerMessage>,
        setup: TimerSetup<T>,
    ) -> Result<TimerState<T>, ActorProcessingErr> {
        myself.send_after(LOOK_EVERY, || TimerMessage::Look);
        Ok(TimerState { setup, after: None, left_alone: HashMap::new(), is_blind: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<TimerMessage>,
        TimerMessage::Look: TimerMessage,
        state: &mut TimerState<T>,
    ) -> Result<(), ActorProcessingErr> {
        let looked = state.look().await;
        if let Err(fault) = &looked
            && !state.is_blind
            && !matches!(fault, Fault::Stale { .. })
        {
            tracing::warn!(timer = T::NAME, error = %chain(fault), "what is due cannot be read at present");
        }
        state.is_blind = looked.is_err();
        match looked {
            Ok(true) => myself.cast(TimerMessage::Look)?,
            _ => drop(myself.send_after(LOOK_EVERY, || TimerMessage::Look)),
        }
        Ok(())
    }
}

/// What is due of one aggregate.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    pub id: AggregateId,
    /// The version that the row is of, and since when it is due.
    pub version: u64,
    pub due_us: i64,
}

impl<T: Timer> TimerState<T> {
    /// Does what is due; true where there is more.
    async fn look(&mut self) -> Result<bool, Fault> {
        for _ in 0..PAGES_MAX {
            let now_us = self.setup.engine.services.now().timestamp_micros();
            let slice = Slice {
                branches: vec![waiting_since::<T>(now_us.saturating_sub(self.setup.after_us))],
                descending: false,
                after: self.after.take(),
                rows: PAGE,
            };
            let rows = self.setup.table.page(None, false, &slice).await?.rows;
            let is_last = rows.len() < PAGE as usize;
            let (due, last) = self.due_here(&rows);
            self.do_all(due, now_us).await;
            if is_last {
                // Whoever is due no more is forgotten, a while after he could have been asked again.
                let now = Instant::now();
                self.left_alone.retain(|_, left| left.until + AGAIN_MAX > now);
                return Ok(false);
            }
            self.after = last;
        }
        Ok(true)
    }

    /// Of these rows, what is to be done from here now, each aggregate once; and the place of the last row.
    fn due_here(&self, rows: &[Stored]) -> (Vec<Due>, Option<Place>) {
        let (mut due, mut last) = (Vec::<Due>::new(), None);
        let now = Instant::now();
        for stored in rows {
            let Some(row) = <T::Table as Listed>::Row::read(&stored.values) else { continue };
            let (id, from_us) = (stored.key.id, T::from_us(&row));
            last = Some((vec![from_us.into()], stored.key));
            let is_held = Tenure::of(self.setup.engine.shard_of(id)).is_some_and(|it| it.holds());
            let is_left = self.left_alone.get(&id).is_some_and(|left| left.until > now);
            if is_held && !is_left && due.iter().all(|other| other.id != id) {
                let due_us = from_us.saturating_add(self.setup.after_us);
                due.push(Due { id, version: stored.origin.version, due_us });
            }
        }
        (due, last)
    }

    async fn do_all(&mut self, due: Vec<Due>, now_us: i64) {
        let TimerSetup { deed, at_once, .. } = &self.setup;
        let doing: Vec<_> = due.into_iter().map(|due| attempt::<T>(deed, due, now_us)).collect();
        let done: Vec<_> = stream::iter(doing).buffer_unordered(*at_once).collect().await;
        for (id, is_done) in done {
            let left = self.left_alone.entry(id);
            let left = left.or_insert(LeftAlone { until: Instant::now(), tries: 0 });
            left.tries = if is_done { 0 } else { left.tries + 1 };
            let pause = match left.tries {
                0 => SETTLES_WITHIN,
                tries => (AGAIN_FIRST * (1 << (tries - 1).min(16))).min(AGAIN_MAX),
            };
            left.until = Instant::now() + pause;
        }
    }
}

/// Does it for one, and says whether that did it.
async fn attempt<T: Timer>(deed: &Deed, due: Due, now_us: i64) -> (AggregateId, bool) {
    let Due { id, due_us, .. } = due;
    let done = deed(due).await;
    let outcome = match &done {
        Ok(()) => {
            TIMER_LATE_SECONDS.with([T::NAME]).observe((now_us - due_us) as f64 / 1e6);
            "done"
        }
        Err(AskError::Refused(refusal)) => {
            tracing::debug!(timer = T::NAME, %id, refusal, "what was due was refused");
            "refused"
        }
        Err(AskError::Fault(fault)) => {
            let error = chain(fault).to_string();
            tracing::debug!(timer = T::NAME, %id, error, "what was due was not done");
            "failed"
        }
    };
    TIMERS.with([T::NAME, outcome]).inc();
    (id, done.is_ok())
}

/// Sends the command of a timer.
async fn tell<T: ByCommand>(
    engine: Engine,
    principal: Arc<Principal>,
    Due { id, version, due_us }: Due,
) -> Result<(), AskError<String>> {
    let cause = EventName::of::<T::Target>(id, version);
    let parts: [&[u8]; 2] = [T::NAME.as_bytes(), &due_us.to_be_bytes()];
    let meta = CommandMeta {
        command_id: cause.derive(&parts).0,
        // Done again, it changes nothing; a key would only be kept for nothing.
        key: None,
        correlation_id: cause.aggregate.0,
        cause: Some(cause),
        principal,
        trace: None,
        expected_version: None,
        dry_run: false,
    };
    match engine.aggregate::<T::Target>(id).ask(T::command(), meta).await {
        Ok(_) => Ok(()),
        Err(AskError::Refused(refusal)) => Err(AskError::Refused(refusal.to_string())),
        Err(AskError::Fault(fault)) => Err(AskError::Fault(fault)),
    }
}
