//! The shell of one aggregate in a simulated node: mailbox, recovery in steps, searches, snapshots
//! around the production [`AggregateCore`]. It decides nothing about state; it asks and delivers.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use chrono::DateTime;
use uuid::Uuid;

use crate::database::Question;
use crate::stock::{Shelf, SoldOut, Stock};
use actors::core::{AggregateCore, Decided, Home, Request, SnapshotJob, Verdict};
use actors::recovery::{self, Recovered, RecoveryError};
use domain::id::AggregateId;
use persistence::journal::{Entry, Epoch, Seq, ShardId};
use persistence::shortcut::{Planted, Shortcut};
use persistence::snapshots::{KeySegment, Snapshot};
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

enum Stage {
    Asleep,
    Loading,
    /// Keys are rebuilt from the log up to the snapshot's version.
    Keys(Recovered<Stock>, u64),
    Log(Recovered<Stock>),
    Awake,
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

    /// Does what can be done without an answer from elsewhere; returns what is to be asked.
    pub fn work(&mut self, readable: bool, wall_us: i64) -> Vec<Question> {
        let mut questions = Vec::new();
        if matches!(self.stage, Stage::Asleep) && self.wanted {
            self.stage = Stage::Loading;
            questions.push(self.load());
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

    fn load(&self) -> Question {
        Question::Load { cell: self.token, id: self.id }
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
        let snapshot = Snapshot {
            aggregate_type: "stock".to_owned(),
            aggregate_id: self.id,
            shard: self.shard,
            version: job.version,
            seq: job.seq,
            recorded_us: wall_us,
            state_schema: 1,
            state: serde_json::to_vec(&job.state).expect("a shelf serializes"),
        };
        let segment = KeySegment {
            aggregate_type: "stock".to_owned(),
            aggregate_id: self.id,
            first_version: job.first_key_version,
            last_version: job.version,
            recorded_us: wall_us,
            fingerprints: recovery::segment_bytes(&job.keys),
        };
        self.saving = Some(job);
        Question::Save { cell: self.token, snapshot, segment }
    }

    pub fn saved(&mut self, stored: bool) {
        if let Some(job) = self.saving.take() {
            self.core.snapshot_ended(job, stored);
        }
    }

    /// The answer to [`Question::Load`]. `false_hits` are fingerprints of keys that were never used here.
    pub fn loaded(
        &mut self,
        stored: Option<(Option<Snapshot>, Vec<KeySegment>)>,
        false_hits: &[(u64, u64)],
        wall_us: i64,
    ) -> Option<Question> {
        if !matches!(self.stage, Stage::Loading) {
            return None;
        }
        let Some((snapshot, segments)) = stored else {
            return Some(self.load());
        };
        let mut recovered = match &snapshot {
            None => Recovered::default(),
            Some(snapshot) => {
                let state = serde_json::from_slice(&snapshot.state).expect("written above");
                Recovered::from_snapshot(state, snapshot.version, snapshot.seq)
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
            self.stage = Stage::Keys(recovered, 0);
            return Some(self.page(1));
        }
        self.stage = Stage::Log(recovered);
        Some(self.page(version + 1))
    }

    /// The answer to [`Question::Page`]. `ownership` is what the lane says of the shard.
    pub fn paged(
        &mut self,
        page: Option<Vec<Entry>>,
        ownership: (Epoch, Seq),
        wall_us: i64,
    ) -> Result<Option<Question>, RecoveryError> {
        let (epoch, head) = ownership;
        match std::mem::replace(&mut self.stage, Stage::Asleep) {
            Stage::Keys(mut recovered, through) => {
                let Some(page) = page else {
                    self.stage = Stage::Keys(recovered, through);
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
                    let from = recovered.version + 1;
                    self.stage = Stage::Log(recovered);
                    return Ok(Some(self.page(from)));
                }
                self.stage = Stage::Keys(recovered, through);
                Ok(Some(self.page(through + 1)))
            }
            Stage::Log(mut recovered) => {
                let mut more = true;
                if let Some(page) = page {
                    more = page.len() == PAGE_ROWS;
                    for entry in &page {
                        more &= recovered.apply(entry, head, epoch, wall_us)?;
                    }
                }
                if more {
                    let from = recovered.version + 1;
                    self.stage = Stage::Log(recovered);
                    return Ok(Some(self.page(from)));
                }
                self.core.install(recovered);
                self.installed = true;
                self.stage = Stage::Awake;
                Ok(None)
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
