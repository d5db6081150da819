//! The search index as a follower of the logs, and how it is asked.
//!
//! Every node has an index of its own, which follows every shard. What a turn read becomes one commit
//! of the index, together with the place in the logs: so a crash at any point leaves an index that
//! is equal to one built anew. Turns are a pause apart, so that a storm of changes is few commits. An
//! index that cannot be used is built from the first entry on, and answers meanwhile with what it
//! has; no start waits for it.

use std::collections::HashMap;
use std::error::Error;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::aggregate_ref::Fault;
use super::checkpoint;
use super::follower::{At, FollowError, Follower, FollowerRef, Moment, Parked, ParkedSet, Turn};
use super::metrics::{SEARCH_SECONDS, SEARCHES_TURNED_AWAY};
use super::request::until;
use super::shard::{Limits, NodeServices};
use super::stocked::Stocked;
use domain::aggregate::Aggregate as _;
use domain::id::AggregateId;
use domain::products::product::Product;
use persistence::cause::Cause;
use persistence::journal::Entry;
use projections::position::Position;
use projections::{Fact, Place};
use search::row::{self, Row, Taken};
use search::{Catalogue, Found, Home, Index, Language, Query, SearchError};

/// What passes between two turns.
const PAUSE: Duration = Duration::from_millis(50);
/// What is read until it is committed, in bytes of entries.
const TURN_BYTES: usize = 32 << 20;
/// Searches that wait for their turn; beyond it they are turned away.
const WAITING_MAX: usize = 256;
/// How long one may wait for its turn.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// When to come back who was turned away, or met an index that cannot be read.
const RETRY: Duration = Duration::from_millis(250);

/// How products are searched; configured under `[search]` by the same names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchOptions {
    /// The languages whose words are known by their stems.
    pub languages: Vec<Language>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { languages: vec![Language::English, Language::German] }
    }
}

/// What queries hold of the index: it outlives failures and restarts of its follower.
#[derive(Clone, Default)]
pub struct Searches(Arc<Shared>);

struct Shared {
    follower: FollowerRef<()>,
    /// What is found; at least as far as the follower says that it is.
    shown: ArcSwap<Shown>,
    /// How far the logs reached when this node began.
    floor: OnceLock<Position>,
    languages: OnceLock<Vec<Language>>,
    /// What is stored is of no use: the next life of the follower begins anew.
    is_spoiled: AtomicBool,
    /// Searches compute; more at one time than there are cores makes each of them slower.
    running: Semaphore,
    waiting: Semaphore,
}

/// What searches read, and how far in the logs that is.
#[derive(Default)]
struct Shown {
    catalogue: Catalogue,
    position: Position,
}

impl Default for Shared {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            follower: <_>::default(),
            shown: <_>::default(),
            floor: OnceLock::new(),
            languages: OnceLock::new(),
            is_spoiled: AtomicBool::new(false),
            running: Semaphore::new(cores),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }
}

/// What a search gave.
#[derive(Debug)]
pub struct Searched {
    pub found: Found,
    /// How far in the logs it was read, at least.
    pub position: Position,
    /// The index is still being built: there may be more than was found.
    pub is_catching_up: bool,
}

impl Searches {
    /// How far the index is, for operators and for those who wait for it.
    pub fn follower(&self) -> &FollowerRef<()> {
        &self.0.follower
    }

    /// Until it has come as far as the logs reach now, it says that it is being built.
    pub fn begin_below(&self, heads: &Position) {
        let _ = self.0.floor.set(heads.clone());
    }

    /// The languages whose words are known by their stems.
    pub fn languages(&self) -> &[Language] {
        self.0.languages.get().map_or(&[], Vec::as_slice)
    }

    /// How many products there are in the index.
    pub fn products(&self) -> u64 {
        self.0.shown.load().catalogue.products()
    }

    /// Searches in what has come at least to `at_least`; waits for it a little, and for a turn.
    pub async fn find(
        &self,
        runtime: &Handle,
        at_least: Option<&Position>,
        stocked: &Stocked,
        query: Query,
    ) -> Result<Searched, Fault> {
        let ((), position) = self.0.follower.read(at_least, |()| ()).await?;
        let stocked = query.looks_at_stock().then(|| stocked.clone());
        if let Some(stocked) = &stocked {
            stocked.follower().read(at_least, |()| ()).await?;
        }
        let is_catching_up = self.0.floor.get().is_some_and(|floor| !position.reaches(floor));
        let began = Instant::now();
        let overloaded = || {
            SEARCHES_TURNED_AWAY.inc();
            Fault::Overloaded { retry_after: RETRY }
        };
        let waiting = self.0.waiting.try_acquire().map_err(|_| overloaded())?;
        let until = until(WAIT_MAX).ok_or_else(overloaded)?;
        let running = tokio::time::timeout_at(until, self.0.running.acquire()).await;
        let _running = running.map_err(|_| overloaded())?.expect("nobody closes it");
        drop(waiting);
        // What is read after the position can only have come further.
        let catalogue = self.0.shown.load().catalogue.clone();
        let searching = runtime.spawn_blocking(move || match stocked {
            Some(stocked) => stocked.look(|stock| catalogue.search_in(&query, stock)),
            None => catalogue.search(&query),
        });
        let found = match searching.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(unreadable(error)),
            Err(error) => return Err(unreadable(error)),
        };
        SEARCH_SECONDS.observe(began.elapsed().as_secs_f64());
        Ok(Searched { found, position, is_catching_up })
    }
}

fn unreadable(error: impl Error + Send + Sync + 'static) -> Fault {
    let (reason, source) = ("products cannot be searched at present".into(), Cause::of(error));
    Fault::Unavailable { reason, retry_after: RETRY, source: Some(source) }
}

fn unwritten(error: impl Error + Send + Sync + 'static) -> FollowError {
    let (reason, source) = ("the search index cannot be written".into(), Cause::of(error));
    Fault::Unavailable { reason, retry_after: RETRY, source: Some(source) }.into()
}

/// See the module.
pub struct Indexer {
    searches: Searches,
    home: Home,
    index: Option<Arc<Index>>,
    /// As of the last commit: what an event changes is found here.
    committed: Catalogue,
    /// The rows that this turn changes.
    noted: HashMap<AggregateId, Noted>,
    /// Why this turn cannot be committed.
    failed: Option<Cause>,
}

/// A row, and the first entry of this turn that changes it.
struct Noted {
    first: At,
    row: Row,
}

/// What stands in each commit of the index.
#[derive(Default, Serialize, Deserialize)]
struct Stood {
    position: Position,
    parked: Vec<Parked>,
}

impl Indexer {
    pub fn new(searches: Searches, home: Home) -> Self {
        let _ = searches.0.languages.set(home.languages.clone());
        Self {
            searches,
            home,
            index: None,
            committed: <_>::default(),
            noted: <_>::default(),
            failed: None,
        }
    }

    fn row_before(&self, at: row::At) -> Result<Row, SearchError> {
        let row = if at.version == 1 { None } else { self.committed.row(at.id)? };
        Ok(row.unwrap_or_else(|| Row::before(at)))
    }

    /// Commits rows with the place, on a thread of its own, and shows what is found then.
    async fn commit(
        &mut self,
        noted: Vec<Noted>,
        turn: Turn<'_>,
    ) -> Result<Vec<(At, String)>, FollowError> {
        let Some(index) = self.index.clone() else { return Ok(Vec::new()) };
        let position = turn.to.clone();
        let reached = position.clone();
        let (mut parked, now) = (ParkedSet::clone(turn.parked), turn.now);
        let work = tokio::task::spawn_blocking(move || {
            let unfit = index.apply(noted.iter().map(|noted| &noted.row)).map_err(unwritten)?;
            let at = |id| noted.iter().find(|noted| noted.row.id == id).map(|noted| &noted.first);
            let unfit =
                unfit.into_iter().filter_map(|(id, reason)| Some((at(id)?.clone(), reason)));
            let unfit: Vec<_> = unfit.collect();
            for (at, reason) in &unfit {
                parked.park(at.clone(), reason, now)?;
            }
            let stood = Stood { position, parked: parked.iter().cloned().collect() };
            let catalogue = index.commit(&stood).map_err(unwritten)?;
            Ok::<_, FollowError>((catalogue, unfit))
        });
        let (catalogue, unfit) = work.await.map_err(unwritten)??;
        self.show(catalogue, reached);
        Ok(unfit)
    }

    /// Shows what is found now, unless an index of an earlier life had come further: while one is
    /// built anew, what was there goes on answering.
    fn show(&mut self, catalogue: Catalogue, position: Position) {
        self.committed = catalogue.clone();
        if position.reaches(&self.searches.0.shown.load().position) {
            self.searches.0.shown.store(Arc::new(Shown { catalogue, position }));
        }
    }
}

impl Follower for Indexer {
    const NAME: checkpoint::Name =
        checkpoint::Name { kind: "search", name: "search", schema: search::FORM };
    const STANDS_WHERE_STORED: bool = true;
    const PAUSE: Duration = PAUSE;

    type Content = ();

    fn turn_bytes(_: &Limits) -> usize {
        TURN_BYTES
    }

    async fn begin(&mut self, services: &NodeServices) -> Result<Option<Moment<()>>, FollowError> {
        let (home, anew) = (self.home.clone(), self.searches.0.is_spoiled.load(Ordering::Acquire));
        let opening = tokio::task::spawn_blocking(move || {
            if anew { home.begin().map(|index| (index, None)) } else { home.open::<Stood>() }
        });
        let opened = opening.await.map_err(unwritten)?;
        let (mut index, mut stood) = opened.map_err(unwritten)?;
        let is_ahead = match &stood {
            Some(stood) => !services.log_reaches(&stood.position).await?,
            None => false,
        };
        if is_ahead {
            tracing::error!("the search index is ahead of the log and is built anew");
            drop(index);
            index = self.home.begin().map_err(unwritten)?;
            stood = None;
        }
        self.searches.0.is_spoiled.store(false, Ordering::Release);
        let catalogue = index.catalogue().map_err(unwritten)?;
        self.index = Some(Arc::new(index));
        let Stood { position, parked } = stood.unwrap_or_default();
        self.show(catalogue, position.clone());
        let parked = Arc::new(parked.into_iter().collect());
        Ok(Some(Moment { content: (), position, parked }))
    }

    async fn store(&mut self, services: &NodeServices, moment: Arc<Moment<()>>) -> bool {
        let turn = Turn { to: &moment.position, parked: &moment.parked, now: services.now() };
        self.commit(Vec::new(), turn).await.is_ok()
    }

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == Product::TYPE
    }

    fn take(&mut self, (): &mut (), entry: &Entry, place: Place, fact: Fact) {
        let Fact::Product(event) = fact else { return };
        let at = row::At {
            id: place.aggregate_id,
            version: place.version,
            shard: entry.shard,
            seq: entry.seq,
            recorded_us: place.recorded_us,
        };
        if !self.noted.contains_key(&at.id) {
            match self.row_before(at) {
                Ok(row) => drop(self.noted.insert(at.id, Noted { first: At::of(entry), row })),
                Err(error) => {
                    self.failed = Some(Cause::of(error));
                    return;
                }
            }
        }
        let Some(noted) = self.noted.get_mut(&at.id) else { return };
        if noted.row.take(at, &event) == Taken::Gap {
            let known = noted.row.version;
            let gap = format!("{} is known up to {known}, before {}", at.id, at.version);
            self.failed = Some(gap.into());
        }
    }

    fn forget(&mut self) {
        self.noted.clear();
        self.failed = None;
    }

    async fn settle(&mut self, turn: Turn<'_>) -> Result<Vec<(At, String)>, FollowError> {
        if let Some(source) = self.failed.take() {
            tracing::error!("the search index lacks what it should have and is built anew");
            self.searches.0.is_spoiled.store(true, Ordering::Release);
            return Err(Fault::Unreadable { source }.into());
        }
        if self.noted.is_empty() {
            // Where it stands is written with the next rows, or with the next checkpoint.
            return Ok(Vec::new());
        }
        let noted = std::mem::take(&mut self.noted).into_values().collect();
        self.commit(noted, turn).await
    }
}
