//! The shell of one aggregate in a simulated node: mailbox, recovery in steps, searches, snapshots
//! around the production [`AggregateCore`]. It decides nothing about state; it asks and delivers.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use chrono::DateTime;
use uuid::Uuid;

use crate::database::{Question, Stored};
use crate::stock::{Shelf, SoldOut, Stock};
use actors::core::{AggregateCore, Decided, Home, Request, SnapshotJob, Verdict};
use actors::recovery::{self, Recovered, RecoveryError};
use domain::id::AggregateId;
use persistence::journal::{Entry, Epoch, Seq, ShardId};
use persistence::shortcut::{Planted, Shortcut};
use persistence::snapshots::{KeySegment, SnapshotHead};
use persistence::writer::lane::{Cell, Cut, Dropped};

/// Entries in a page of recovery: few, so that the world changes between pages.
const PAGE_ROWS: usize = 3;
/// Events between snapshots.
const SNAPSHOT_EVENTS: u64 = 6;

/// Whom an answer goes to.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    pub attempt: u64,
    /// The lease ran when it was decided. A refusal is a read: without the lease it may rest on a
    /// state that a new owner has long left behind.
    pub readable: bool,
    /// Its success leaves no trace in the log, so that it is a read too.
    pub looks: bool,
}

impl Reply {
    /// What may be said, given where it was decided.
    pub fn honest(self, told: Told) -> Told {
        match told {
            Told::Verdict(
                Verdict::Refused(_) | Verdict::VersionConflict { .. } | Verdict::KeyUnused,
            ) if !self.readable => Told::Unavailable,
            Told::Verdict(Verdict::Done(_)) if self.looks && !self.readable => Told::Unavailable,
            other => other,
        }
    }
}

/// What a caller is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Verdict(Verdict<SoldOut>),
    /// Not admitted, or not to be answered from here: not by this try.
    Unavailable,
}

pub type Outbox = Rc<RefCell<Vec<(Reply, Told)>>>;
pub type StockRequest = Request<Stock, Reply>;

/// A log that ends before this version is read from its beginning. Few, so that a run sees both.
const SHORT: u64 = 8;

enum Stage {
    Asleep,
    /// It is asked where the log ends.
    Last(Begun),
    /// A snapshot is asked for.
    Loading(Begun),
    /// Keys are rebuilt from the log up to the snapshot's version.
    Keys(Begun, Recovered<Stock>, u64),
    Log(Begun, Recovered<Stock>),
    Awake,
}

/// What was known when a recovery began.
#[derive(Clone, Copy)]
struct Begun {
    /// What the lane had acknowledged: nothing behind it is believed.
    head: Seq,
    /// The version at which the log ended then.
    last: u64,
}

struct Search {
    request: StockRequest,
    through: u64,
    pages: Vec<(u64, u64)>,
}

pub struct Inner {
    pub token: u64,
    pub id: Uuid,
    pub shard: ShardId,
    pub epoch: Epoch,
    pub core: AggregateCore<Stock, Reply>,
    pub closed: bool,
    /// Somebody wants to read it, or to command it.
    pub wanted: bool,
    /// It was recovered once, so that its confirmed state may be read.
    pub installed: bool,
    pub in_lane: bool,
    mailbox: VecDeque<StockRequest>,
    stage: Stage,
    searches: BTreeMap<u64, Search>,
    searches_begun: u64,
    saving: Option<SnapshotJob<Shelf>>,
    outbox: Outbox,
}

#[derive(Clone)]
pub struct StockCell(pub Rc<RefCell<Inner>>);

impl Cell for StockCell {
    fn shard(&self) -> ShardId {
        self.0.borrow().shard
    }

    fn epoch(&self) -> Epoch {
        self.0.borrow().epoch
    }

    fn cut(&self) -> Option<Cut> {
        self.0.borrow_mut().core.cut()
    }

    fn committed(&self, seq: Seq) -> bool {
        let mut inner = self.0.borrow_mut();
        let released = inner.core.committed(seq);
        inner.tell(released);
        inner.in_lane = !inner.core.nothing_pending();
        inner.in_lane
    }

    fn dropped(&self, reason: Dropped) {
        let mut inner = self.0.borrow_mut();
        let released = inner.core.dropped(&reason);
        inner.tell(released);
        inner.in_lane = false;
        if !inner.core.is_ready() {
            inner.stage = Stage::Asleep;
        }
    }
}

impl Inner {
    pub fn new(token: u64, id: Uuid, home: Home, outbox: Outbox) -> Self {
        Self {
            token,
            id,
            shard: home.shard,
            epoch: home.epoch,
            core: AggregateCore::new(AggregateId(id), home),
            closed: false,
            wanted: false,
            installed: false,
            in_lane: false,
            mailbox: VecDeque::new(),
            stage: Stage::Asleep,
            searches: BTreeMap::new(),
            searches_begun: 0,
            saving: None,
            outbox,
        }
    }

    pub fn post(&mut self, request: StockRequest) {
        self.wanted = true;
        self.mailbox.push_back(request);
    }

    pub fn is_idle(&self) -> bool {
        self.core.nothing_pending() && self.mailbox.is_empty() && self.searches.is_empty()
    }

    fn tell(&self, released: Vec<(Reply, Verdict<SoldOut>)>) {
        let told = released.into_iter();
        let told = told.map(|(reply, verdict)| (reply, Told::Verdict(verdict)));
        self.outbox.borrow_mut().extend(told);
    }

    /// The shard is not served here any more: what has not been decided is turned away.
    pub fn close(&mut self) {
        self.closed = true;
        let mut outbox = self.outbox.borrow_mut();
        let searched = std::mem::take(&mut self.searches).into_values();
        let waiting = self.mailbox.drain(..).chain(searched.map(|s| s.request));
        outbox.extend(waiting.map(|request| (request.reply, Told::Unavailable)));
    }

    /// Does what can be done without an answer from elsewhere; returns what is to be asked. `head` is
    /// what the lane acknowledged last, while the shard is open in this cell's epoch.
    pub fn work(&mut self, head: Option<Seq>, readable: bool, wall_us: i64) -> Vec<Question> {
        let mut questions = Vec::new();
        if let Some(head) = head
            && matches!(self.stage, Stage::Asleep)
            && self.wanted
            && self.core.nothing_pending()
        {
            self.stage = Stage::Last(Begun { head, last: 0 });
            questions.push(self.last());
        }
        while matches!(self.stage, Stage::Awake) && self.core.is_ready() {
            let Some(mut request) = self.mailbox.pop_front() else {
                break;
            };
            request.reply.readable = readable;
            let now = DateTime::from_timestamp_micros(wall_us).expect("a time of this century");
            match self.core.decide(request, now) {
                Decided::Answer(reply, verdict) => self.tell(vec![(reply, verdict)]),
                Decided::Waits => {}
                Decided::Search { request, pages, through } => {
                    self.searches_begun += 1;
                    let search = Search { request, through, pages };
                    self.searches.insert(self.searches_begun, search);
                    questions.extend(self.search(self.searches_begun));
                }
            }
        }
        if self.core.is_ready()
            && self.saving.is_none()
            && self.core.events_since_snapshot() >= SNAPSHOT_EVENTS
        {
            questions.push(self.save(wall_us));
        }
        questions
    }

    fn last(&self) -> Question {
        Question::Last { cell: self.token, shard: self.shard, id: self.id }
    }

    fn load(&self, begun: Begun) -> Question {
        Question::Load { cell: self.token, id: self.id, last: begun.last, head: begun.head }
    }

    fn page(&self, from: u64) -> Question {
        Question::Page { cell: self.token, shard: self.shard, id: self.id, from, rows: PAGE_ROWS }
    }

    fn search(&self, search: u64) -> Option<Question> {
        self.searches.get(&search).map(|waiting| Question::Search {
            cell: self.token,
            search,
            shard: self.shard,
            id: self.id,
            pages: waiting.pages.clone(),
        })
    }

    fn save(&mut self, wall_us: i64) -> Question {
        let job = self.core.snapshot();
        let head = SnapshotHead {
            aggregate_type: "stock".to_owned(),
            aggregate_id: self.id,
            state_schema: 1,
            version: job.version,
            shard: self.shard,
            seq: job.seq,
            recorded_us: wall_us,
        };
        let segments = recovery::segments(&head, job.first_key_version, &job.keys);
        let state = serde_json::to_vec(&job.state).expect("a shelf serializes");
        self.saving = Some(job);
        Question::Save { cell: self.token, snapshot: Stored { head, state }, segments }
    }

    pub fn saved(&mut self, stored: bool) {
        if let Some(job) = self.saving.take() {
            self.core.snapshot_ended(job, stored);
        }
    }

    /// The answer to [`Question::Last`].
    pub fn ends(&mut self, last: Option<u64>) -> Option<Question> {
        let Stage::Last(begun) = self.stage else { return None };
        let Some(last) = last else { return Some(self.last()) };
        let begun = Begun { last, ..begun };
        if last < SHORT {
            return self.read_on(begun, Recovered::default());
        }
        self.stage = Stage::Loading(begun);
        Some(self.load(begun))
    }

    /// The answer to [`Question::Load`]. `false_hits` are fingerprints of keys that were never used here.
    pub fn loaded(
        &mut self,
        stored: Option<(Option<Stored>, Vec<KeySegment>)>,
        false_hits: &[(u64, u64)],
        wall_us: i64,
    ) -> Option<Question> {
        let Stage::Loading(begun) = self.stage else { return None };
        let Some((snapshot, segments)) = stored else {
            return Some(self.load(begun));
        };
        let mut recovered = match &snapshot {
            None => Recovered::default(),
            Some(Stored { head, state }) => {
                let state = serde_json::from_slice(state).expect("written above");
                Recovered::from_snapshot(state, head.version, head.seq)
            }
        };
        for (fingerprint, version) in false_hits {
            recovered.keys.insert(*fingerprint, *version, wall_us);
        }
        let version = recovered.version;
        let mut covered = 0;
        for segment in &segments {
            if segment.first_version <= covered + 1 {
                covered = covered.max(segment.last_version);
                recovered.keys_from_segment(&segment.fingerprints, segment.recorded_us);
            }
        }
        if covered < version {
            self.stage = Stage::Keys(begun, recovered, 0);
            return Some(self.page(1));
        }
        self.read_on(begun, recovered)
    }

    /// Reads the log on from what was recovered, or is awake where there is no more.
    fn read_on(&mut self, begun: Begun, recovered: Recovered<Stock>) -> Option<Question> {
        if recovered.version < begun.last {
            let from = recovered.version + 1;
            self.stage = Stage::Log(begun, recovered);
            return Some(self.page(from));
        }
        self.wake(recovered);
        None
    }

    fn wake(&mut self, recovered: Recovered<Stock>) {
        self.core.install(recovered);
        self.installed = true;
        self.stage = Stage::Awake;
    }

    /// The answer to [`Question::Page`]. `believed` is epoch and head in place of those in which the
    /// recovery began: a shortcut.
    pub fn paged(
        &mut self,
        page: Option<Vec<Entry>>,
        believed: Option<(Epoch, Seq)>,
        wall_us: i64,
    ) -> Result<Option<Question>, RecoveryError> {
        match std::mem::replace(&mut self.stage, Stage::Asleep) {
            Stage::Keys(begun, mut recovered, through) => {
                let Some(page) = page else {
                    self.stage = Stage::Keys(begun, recovered, through);
                    return Ok(Some(self.page(through + 1)));
                };
                let mut through = through;
                for entry in &page {
                    through = entry.last_version();
                    if through <= recovered.version {
                        recovered.keys_from_entry(entry, wall_us)?;
                    }
                }
                if page.len() < PAGE_ROWS || through >= recovered.version {
                    return Ok(self.read_on(begun, recovered));
                }
                self.stage = Stage::Keys(begun, recovered, through);
                Ok(Some(self.page(through + 1)))
            }
            Stage::Log(begun, mut recovered) => {
                let (epoch, head) = believed.unwrap_or((self.epoch, begun.head));
                for entry in page.iter().flatten() {
                    if !recovered.apply(entry, head, epoch, wall_us)? {
                        self.wake(recovered);
                        return Ok(None);
                    }
                }
                Ok(self.read_on(begun, recovered))
            }
            other => {
                self.stage = other;
                Ok(None)
            }
        }
    }

    /// The answer to [`Question::Search`].
    pub fn found(&mut self, search: u64, entries: Option<Vec<Entry>>) -> Option<Question> {
        let Some(entries) = entries else {
            return self.search(search);
        };
        let Search { mut request, through, .. } = self.searches.remove(&search)?;
        let key = request.meta.key.clone().expect("only keys are searched");
        for entry in &entries {
            let found = recovery::find_key(entry, &request.meta.principal, &key);
            let Some(found) = found.expect("stored events decode") else {
                continue;
            };
            let verdict = if found.input_hash == request.input_hash {
                Verdict::Done(actors::core::Committed {
                    version: found.version,
                    shard: self.shard,
                    seq: found.seq,
                })
            } else {
                Verdict::KeyReused
            };
            self.tell(vec![(request.reply, verdict)]);
            return None;
        }
        request.examined = through;
        self.mailbox.push_front(request);
        None
    }

    pub fn set_shortcut(&mut self, shortcut: Option<Shortcut>) {
        self.core.planted = Planted::new(shortcut);
    }
}
