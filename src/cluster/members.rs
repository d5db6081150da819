//! The shell of [`Membership`]: keeps this node's row alive, looks at the others', and says which
//! shards this node is to have. Decides nothing that the rows do not say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::lease_manager::LeaseHandle;
use super::membership::Membership;
use super::metrics::{MEMBER_REQUESTS, MEMBERS_LIVING};
use super::ownership::LeaseTerms;
use super::placement::{Candidate, Placement};
use persistence::cause::chain;
use persistence::journal::{JournalError, ShardId};
use persistence::members::{Member, MemberStore};

/// Looks that were asked for are so far apart at least.
const LOOKS_APART: Duration = Duration::from_millis(20);

/// Looks that failed in a row, after which nothing is waited for that the database must answer.
const BLIND_AFTER_FAILURES: u32 = 3;

/// How long is waited for the row that says that this node leaves.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// All that is known of the system at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roll {
    /// Every row, of the living and of those that may be dead.
    pub members: BTreeMap<String, Member>,
    /// Those of them that live.
    pub living: BTreeSet<String>,
    /// Who is to have which shard.
    pub placed: Vec<Option<Arc<str>>>,
}

/// What a node's membership is started with.
pub struct MembersOptions {
    /// This node's own row; its beat is the database's.
    pub own: Member,
    /// Lives under its name that have ended for certain.
    pub ended: Vec<Uuid>,
    pub terms: LeaseTerms,
    pub shards: u16,
    /// Told where another living process has its name: this one says nothing then, and must end.
    pub on_twin: Box<dyn Fn(&Member) + Send + Sync>,
}

/// Speaks to a running membership.
#[derive(Clone)]
pub struct Members {
    own: watch::Sender<Member>,
    bell: mpsc::Sender<()>,
    roll: watch::Receiver<Arc<Roll>>,
    sight: Arc<Mutex<Sight>>,
    blind_after: Duration,
}

/// When the rows were seen last, and how often they could not be since.
struct Sight {
    at: Instant,
    failures: u32,
}

impl Members {
    /// Starts it, on the current runtime. `monotonic_us` is the clock that leases are timed by.
    pub fn start(
        options: MembersOptions,
        store: Arc<dyn MemberStore>,
        leases: LeaseHandle,
        monotonic_us: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> (Self, JoinHandle<()>) {
        let MembersOptions { own, ended, terms, shards, on_twin } = options;
        let (own, changed) = watch::channel(own);
        let (bell, rung) = mpsc::channel(1);
        let (told, roll) = watch::channel(Arc::default());
        let lease_us = u64::try_from(terms.lease.as_micros()).unwrap_or(u64::MAX);
        let sight = Arc::new(Mutex::new(Sight { at: Instant::now(), failures: 0 }));
        let running = Running {
            sight: Arc::clone(&sight),
            membership: Membership::new(lease_us),
            own: changed,
            ended,
            on_twin,
            terms,
            shards,
            store,
            leases,
            monotonic_us: Box::new(monotonic_us),
            told,
            wanted: BTreeSet::new(),
            placement: Placement::default(),
            living: Arc::default(),
        };
        MEMBERS_LIVING.observe(&running.living, |living| living.load(Ordering::Relaxed) as f64);
        let blind_after = terms.lease;
        (Self { own, bell, roll, sight, blind_after }, tokio::spawn(running.run(rung)))
    }

    /// The rows could not be seen a few times, or for a lease: the database is away, from here at least, so
    /// that a shard that nobody serves will not be taken soon.
    pub fn is_blind(&self) -> bool {
        let sight = self.sight.lock();
        sight.failures >= BLIND_AFTER_FAILURES || sight.at.elapsed() > self.blind_after
    }

    /// There is something to see. Rings that come together are one.
    pub fn look_soon(&self) {
        let _ = self.bell.try_send(());
    }

    /// This node stops: its row says so when this returns, if the database answers, and others want its
    /// shards from when they see it.
    pub async fn leave(&self) {
        let mut roll = self.roll.clone();
        let node = self.own.borrow().node.clone();
        self.own.send_modify(|own| own.is_leaving = true);
        let told =
            roll.wait_for(|roll| roll.members.get(&node).is_some_and(|member| member.is_leaving));
        let _ = tokio::time::timeout(TOLD_WITHIN, told).await;
    }

    pub fn roll(&self) -> Arc<Roll> {
        Arc::clone(&self.roll.borrow())
    }

    /// Those that live, as this node sees it.
    pub fn living(&self) -> BTreeSet<String> {
        self.roll.borrow().living.clone()
    }

    /// Rings when something of it changed.
    pub fn changes(&self) -> watch::Receiver<Arc<Roll>> {
        self.roll.clone()
    }
}

struct Running {
    membership: Membership,
    own: watch::Receiver<Member>,
    ended: Vec<Uuid>,
    on_twin: Box<dyn Fn(&Member) + Send + Sync>,
    terms: LeaseTerms,
    shards: u16,
    store: Arc<dyn MemberStore>,
    leases: LeaseHandle,
    monotonic_us: Box<dyn Fn() -> u64 + Send + Sync>,
    told: watch::Sender<Arc<Roll>>,
    wanted: BTreeSet<ShardId>,
    placement: Placement,
    sight: Arc<Mutex<Sight>>,
    /// How many live; for whoever reads the metrics.
    living: Arc<AtomicUsize>,
}

impl Running {
    async fn run(mut self, mut rung: mpsc::Receiver<()>) {
        let beat_every = self.terms.lease / 5;
        let look_every = (self.terms.lease / 10).min(Duration::from_millis(500));
        if let Some(twin) = self.twin(look_every).await {
            return (self.on_twin)(&twin);
        }
        let (mut beat_at, mut look_at) = (Instant::now(), Instant::now());
        loop {
            let now = Instant::now();
            if now >= beat_at || self.own.has_changed().unwrap_or(false) {
                beat_at = now + beat_every;
                self.announce().await;
                look_at = now;
            }
            if now >= look_at {
                self.look().await;
                look_at = Instant::now() + look_every;
            }
            tokio::select! {
                () = sleep_until(beat_at.min(look_at)) => {}
                changed = self.own.changed() => match changed {
                    Ok(()) => beat_at = Instant::now(),
                    // Nobody holds it any more.
                    Err(_) => return,
                },
                Some(()) = rung.recv() => look_at = look_at.min(now + LOOKS_APART),
            }
        }
    }

    /// Whoever lives under this name already. A row that stands still for a lease is of the dead, and one of
    /// a life that has certainly ended is not waited for.
    async fn twin(&self, look_every: Duration) -> Option<Member> {
        let mut first: Option<(Member, Instant)> = None;
        loop {
            let rows = self.store.members().await;
            heard("look", "the members cannot be looked at", &rows);
            if let Ok(rows) = rows {
                let own = self.own.borrow().clone();
                let is_its = |row: &Member| {
                    row.node == own.node
                        && row.incarnation != own.incarnation
                        && !self.ended.contains(&row.incarnation)
                };
                let row = rows.into_iter().find(is_its)?;
                match &first {
                    Some((seen, _)) if *seen != row => return Some(row),
                    Some((_, since)) if since.elapsed() >= self.terms.lease => return None,
                    Some(_) => {}
                    None => first = Some((row, Instant::now())),
                }
            }
            tokio::time::sleep(look_every).await;
        }
    }

    async fn announce(&mut self) {
        let own = self.own.borrow_and_update().clone();
        let announced = self.store.announce(&own).await;
        heard("announce", "this node's row cannot be written", &announced);
    }

    async fn look(&mut self) {
        let rows = self.store.members().await;
        heard("look", "the members cannot be looked at", &rows);
        let pins = self.store.pins().await;
        let (Ok(rows), Ok(pins)) = (rows, pins) else {
            self.sight.lock().failures += 1;
            return;
        };
        *self.sight.lock() = Sight { at: Instant::now(), failures: 0 };
        let members = rows.iter().map(|row| (row.node.clone(), row.clone())).collect();
        self.membership.looked(rows, (self.monotonic_us)());
        self.living.store(self.membership.living().count(), Ordering::Relaxed);
        let own = self.own.borrow().clone();
        let may_have = |member: &&Member| !member.is_leaving && !member.is_drained;
        let candidates: Vec<_> = self
            .membership
            .living()
            .filter(may_have)
            .filter(|member| member.node != own.node || member.incarnation == own.incarnation)
            .filter(|member| member.node != own.node || !own.is_leaving)
            .map(|member| Candidate { node: &member.node, weight: member.weight })
            .collect();
        let pins = pins.into_iter().map(|pin| (pin.shard, pin.node)).collect();
        let placed = self.placement.of(self.shards, &candidates, &pins);
        let wanted: BTreeSet<ShardId> = (0..)
            .zip(&placed)
            .filter(|(_, node)| node.as_deref() == Some(own.node.as_str()))
            .map(|(shard, _)| shard)
            .collect();
        let living = self.membership.living().map(|member| member.node.clone()).collect();
        let roll = Arc::new(Roll { members, living, placed });
        self.told.send_if_modified(|told| {
            // Beats alone are no news.
            let is_news = !same(told, &roll);
            *told = roll;
            is_news
        });
        if wanted != self.wanted {
            tracing::info!(count = wanted.len(), of = self.shards, "shards are to be this node's");
            self.wanted.clone_from(&wanted);
            self.leases.want(wanted);
            self.leases.look_soon();
        }
        for gone in self.membership.forgotten() {
            let _ = self.store.forget(&gone.node, gone.incarnation, gone.beat).await;
        }
    }
}

fn same(one: &Roll, other: &Roll) -> bool {
    let alike = |(one, other): (&Member, &Member)| {
        Member { beat: 0, ..one.clone() } == Member { beat: 0, ..other.clone() }
    };
    one.placed == other.placed
        && one.living == other.living
        && one.members.len() == other.members.len()
        && one.members.values().zip(other.members.values()).all(alike)
}

fn heard<T>(request: &'static str, failed: &str, answer: &Result<T, JournalError>) {
    let outcome = if answer.is_ok() { "answered" } else { "failed" };
    MEMBER_REQUESTS.with([request, outcome]).inc();
    if let Err(error) = answer {
        tracing::warn!(error = %chain(error), "{failed}");
    }
}
