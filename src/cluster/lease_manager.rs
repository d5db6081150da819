//! The shell of [`Ownership`]: asks the database for shards and leases, opens and closes them here,
//! and tells how long reads may be served. Decides nothing.
//!
//! It waits for nothing but news: every question to the database is a task of its own, so that a
//! renewal stands behind no taking, and no writer is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::metrics::{LEASE_REQUESTS, LOSSES, TAKEOVERS};
use super::ownership::{Because, LeaseTerms, Loss, Ownership, Standing, Step};
use persistence::cause::chain;
use persistence::journal::{
    Claim, Epoch, Holding, JournalError, Owner, Regression, Seq, ShardId, ShardLeases, Taken,
};

/// Who serves shards while this node has them. All calls but one are quick and never wait.
#[async_trait]
pub trait ShardHost: Send + Sync + 'static {
    /// Microseconds of the clock that leases are timed by here.
    fn monotonic_us(&self) -> u64;
    /// The shard is ours; entries follow `head`, none of them recorded before `recorded_us`.
    fn open(&self, shard: ShardId, epoch: Epoch, head: Seq, recorded_us: i64);
    /// The shard is not ours any more.
    fn close(&self, shard: ShardId);
    /// Reads of the shard may be served until then.
    fn reads_until(&self, shard: ShardId, until_us: u64);
    /// The database did not answer: a connection to it was lost.
    fn connection_lost(&self);
    /// The shard's log went backwards: it is closed and stays so. What is left of it can be read.
    fn stopped(&self, regression: &Regression);
    /// An operator has accepted that.
    fn resumed(&self, shard: ShardId);
    /// What was acknowledged last in each of these shards that is served here.
    fn acknowledged(&self, of: &[ShardId]) -> Vec<(ShardId, Seq)>;
    /// The database has been told of these; for whoever remembers them elsewhere, beside those of others.
    fn remember(&self, acknowledged: &BTreeMap<ShardId, Seq>);
    /// Admits nothing more to these shards, and waits until all is answered that was admitted, though
    /// not for long.
    async fn quiesce(&self, shards: &[ShardId]);
    /// These were given up, and whoever is to have them may take them.
    fn released(&self, shards: &[ShardId]);
    /// What stands in the rows of shards that are not served here.
    fn seen(&self, holdings: &[Holding]);
    /// Another living process has the name of this node.
    fn twin(&self, twin: &Owner);
}

enum News {
    Fenced(ShardId),
    Regressed(Regression),
    Knows(BTreeMap<ShardId, Seq>, oneshot::Sender<()>),
    Want(BTreeSet<ShardId>),
    LookSoon,
    Quiet(Vec<ShardId>),
    Drain(oneshot::Sender<()>),
    Abandon,
}

/// Speaks to running lease managers, one for each database that has logs.
#[derive(Clone)]
pub struct LeaseHandle {
    managers: Arc<[Manager]>,
}

/// One of them.
#[derive(Clone)]
struct Manager {
    news: mpsc::UnboundedSender<News>,
    served: watch::Receiver<Served>,
    /// What it looks after; nothing is said: every shard.
    shards: Option<Arc<BTreeSet<ShardId>>>,
}

/// How things stand with the shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Every wanted shard is served or stopped for an operator, and every other one has an owner.
    pub in_good_hands: bool,
    /// Some are held here.
    pub any: bool,
}

impl LeaseHandle {
    /// Speaks to all of these, each of which looks after these shards.
    pub fn joined(parts: impl IntoIterator<Item = (Self, BTreeSet<ShardId>)>) -> Self {
        let one = |(handle, shards): (Self, BTreeSet<ShardId>)| Manager {
            shards: Some(Arc::new(shards)),
            ..handle.managers[0].clone()
        };
        Self { managers: parts.into_iter().map(one).collect() }
    }

    fn tell(&self, shard: ShardId, news: News) {
        let is_its = |manager: &&Manager| {
            manager.shards.as_ref().is_none_or(|shards| shards.contains(&shard))
        };
        if let Some(manager) = self.managers.iter().find(is_its) {
            let _ = manager.news.send(news);
        }
    }

    fn tell_all(&self, news: impl Fn() -> News) {
        for manager in &*self.managers {
            let _ = manager.news.send(news());
        }
    }

    pub fn fenced(&self, shard: ShardId) {
        self.tell(shard, News::Fenced(shard));
    }

    pub fn regressed(&self, regression: Regression) {
        self.tell(regression.shard, News::Regressed(regression));
    }

    /// Tells what is known elsewhere to have been acknowledged, and waits until it is taken in: what is
    /// taken by then was held against it.
    pub async fn knows(&self, acknowledged: &BTreeMap<ShardId, Seq>) {
        let tell = |manager: &Manager| {
            let (done, answer) = oneshot::channel();
            manager.news.send(News::Knows(acknowledged.clone(), done)).is_ok().then_some(answer)
        };
        let told: Vec<_> = self.managers.iter().filter_map(tell).collect();
        for answer in told {
            let _ = answer.await;
        }
    }

    /// The shards that this node is to have from now on; it hands over the others.
    pub fn want(&self, shards: BTreeSet<ShardId>) {
        self.tell_all(|| News::Want(shards.clone()));
    }

    /// There is something to see in the rows of others.
    pub fn look_soon(&self) {
        self.tell_all(|| News::LookSoon);
    }

    /// Every wanted shard is served, or stopped for an operator, and every other one is another's.
    pub fn serves_all(&self) -> bool {
        self.managers.iter().all(|manager| manager.served.borrow().in_good_hands)
    }

    /// The same of the shards of one database at least.
    pub fn serves_some(&self) -> bool {
        self.managers.iter().any(|manager| manager.served.borrow().in_good_hands)
    }

    /// Waits until [`serves_all`](Self::serves_all) or the time is over.
    pub async fn all_served(&self, within: Duration) -> bool {
        self.stand(within, |served| served.in_good_hands).await
    }

    /// Waits until no shard is held here, or the time is over.
    pub async fn none_held(&self, within: Duration) -> bool {
        self.stand(within, |served| !served.any).await
    }

    async fn stand(&self, within: Duration, so: impl Fn(&Served) -> bool) -> bool {
        let standing = async {
            while !self.managers.iter().all(|manager| so(&manager.served.borrow())) {
                for manager in &*self.managers {
                    manager.served.clone().wait_for(&so).await.ok()?;
                }
            }
            Some(())
        };
        matches!(tokio::time::timeout(within, standing).await, Ok(Some(())))
    }

    /// Stops it without a word to the database, as a crash would.
    pub fn abandon(&self) {
        self.tell_all(|| News::Abandon);
    }

    /// Closes every shard and gives it up. The caller has stopped accepting and flushed before.
    pub async fn drain(&self) {
        let drain = |manager: &Manager| {
            let (done, answer) = oneshot::channel();
            manager.news.send(News::Drain(done)).is_ok().then_some(answer)
        };
        let draining: Vec<_> = self.managers.iter().filter_map(drain).collect();
        for answer in draining {
            let _ = answer.await;
        }
    }
}

/// What a lease manager is started with.
pub struct LeaseOptions {
    pub standing: Standing,
    pub terms: LeaseTerms,
    pub shards: Vec<ShardId>,
    /// Which of them this node is to have, until it is told otherwise; nothing is said: all.
    pub wanted: Option<BTreeSet<ShardId>>,
}

/// The news that arrived before the leases ran: made first, because its lanes need the handle.
pub struct LeaseManager {
    news: mpsc::UnboundedReceiver<News>,
    served: watch::Sender<Served>,
    own: mpsc::WeakUnboundedSender<News>,
}

impl LeaseManager {
    pub fn new() -> (LeaseHandle, Self) {
        let (news, receiver) = mpsc::unbounded_channel();
        let (served, watch) = watch::channel(Served::default());
        let own = news.downgrade();
        let manager = Manager { news, served: watch, shards: None };
        (LeaseHandle { managers: [manager].into() }, Self { news: receiver, served, own })
    }

    /// Starts it, on the current runtime. Its end before a drain is the end of the node.
    pub fn start(
        self,
        options: LeaseOptions,
        leases: Arc<dyn ShardLeases>,
        host: Arc<dyn ShardHost>,
    ) -> JoinHandle<()> {
        let LeaseOptions { standing, terms, shards, wanted } = options;
        let mut told = standing.acknowledged.clone();
        told.retain(|shard, _| shards.contains(shard));
        let owner = standing.owner.clone();
        let mut ownership = Ownership::new(terms, standing, shards.iter().copied());
        if let Some(wanted) = wanted {
            ownership.want(wanted);
        }
        let running = Running {
            ownership,
            owner,
            renewal_timeout: terms.lease / 3,
            shards,
            leases,
            host,
            manager: self,
            questions: JoinSet::new(),
            told,
            lost: BTreeMap::new(),
        };
        tokio::spawn(running.run())
    }
}

/// An answer of the database, with when its question was sent.
enum Answer {
    Looked(u64, Result<Vec<Holding>, JournalError>),
    Taken(u64, Result<Vec<Taken>, JournalError>),
    Renewed(u64, Vec<(ShardId, Seq)>, Result<Vec<ShardId>, JournalError>),
    Recorded(Regression, Result<(), JournalError>),
    Released(Vec<ShardId>, Result<(), JournalError>),
}

struct Running {
    ownership: Ownership,
    owner: Owner,
    /// A renewal that takes longer is asked again on another connection.
    renewal_timeout: Duration,
    shards: Vec<ShardId>,
    leases: Arc<dyn ShardLeases>,
    host: Arc<dyn ShardHost>,
    manager: LeaseManager,
    /// One renewal and one other question at most, and what is given up.
    questions: JoinSet<Answer>,
    /// What the database was told to be acknowledged.
    told: BTreeMap<ShardId, Seq>,
    /// Shards that were lost, and why: until it is seen to whom.
    lost: BTreeMap<ShardId, Loss>,
}

impl Running {
    async fn run(mut self) {
        loop {
            let now = self.host.monotonic_us();
            let steps = self.ownership.tick(now);
            self.perform(steps);
            self.tell_how_it_stands(now);
            let wait = self.ownership.next_tick().saturating_sub(now).clamp(1_000, 1_000_000);
            tokio::select! {
                news = self.manager.news.recv() => match news {
                    Some(News::Drain(done)) => {
                        self.drain().await;
                        let _ = done.send(());
                        return;
                    }
                    Some(News::Fenced(shard)) => {
                        let steps = self.ownership.fenced(shard, self.host.monotonic_us());
                        self.perform(steps);
                    }
                    Some(News::Regressed(regression)) => {
                        let steps = self.ownership.regressed(regression);
                        self.perform(steps);
                    }
                    Some(News::Knows(acknowledged, done)) => {
                        let steps = self.ownership.knows(&acknowledged);
                        self.perform(steps);
                        let _ = done.send(());
                    }
                    Some(News::Want(shards)) => self.ownership.want(shards),
                    Some(News::LookSoon) => self.ownership.look_soon(self.host.monotonic_us()),
                    Some(News::Quiet(shards)) => {
                        let steps = self.ownership.quiet(&shards, self.host.monotonic_us());
                        self.perform(steps);
                    }
                    Some(News::Abandon) | None => return,
                },
                Some(answer) = self.questions.join_next() => {
                    self.hear(answer.expect("a question does not panic, and is not given up"));
                }
                () = tokio::time::sleep(Duration::from_micros(wait)) => {}
            }
        }
    }

    fn tell_how_it_stands(&mut self, now: u64) {
        let in_good_hands = self.ownership.in_good_hands(now);
        let stands = Served { in_good_hands, any: self.ownership.serves_any() };
        self.manager.served.send_if_modified(|served| std::mem::replace(served, stands) != stands);
    }

    /// Gives everything up, what is being taken just now included.
    async fn drain(&mut self) {
        let steps = self.ownership.drain();
        self.perform(steps);
        while let Some(answer) = self.questions.join_next().await {
            self.hear(answer.expect("a question does not panic, and is not given up"));
        }
    }

    fn perform(&mut self, steps: Vec<Step>) {
        let mut taken = BTreeMap::<Because, Vec<ShardId>>::new();
        for step in steps {
            match step {
                Step::Look(shards) => self.look(shards),
                Step::Take(claims) => self.take(claims),
                Step::Renew => self.renew(),
                Step::Record(regression) => self.record(regression),
                Step::Release(shards) => self.release(shards),
                Step::Quiesce(shards) => self.quiesce(shards),
                Step::Open { shard, epoch, head, recorded_us, because } => {
                    TAKEOVERS.with([because.name()]).inc();
                    taken.entry(because).or_default().push(shard);
                    self.lost.remove(&shard);
                    // The lease first: whoever waits for the shard to open comes at once, and would be
                    // told that it had run out.
                    self.publish_lease(shard);
                    self.host.open(shard, epoch, head, recorded_us);
                }
                Step::Close { shard, loss } => {
                    self.note_loss(shard, loss);
                    self.host.close(shard);
                }
                Step::Stopped(regression) => {
                    let Regression { shard, acknowledged, found, .. } = regression;
                    tracing::error!(
                        shard,
                        acknowledged,
                        found,
                        "JOURNAL_REGRESSED: the log lost entries that were acknowledged; the shard \
                         is stopped until an operator accepts the loss (emporium shard list)"
                    );
                    self.host.stopped(&regression);
                }
                Step::Resumed(shard) => {
                    tracing::warn!(shard, "an operator has accepted the loss of entries");
                    self.host.resumed(shard);
                }
                Step::Twin(twin) => self.host.twin(&twin),
            }
        }
        for (because, shards) in taken {
            let (because, count) = (because.name(), shards.len());
            tracing::info!(because, count, shards = %ranges(&shards), "shards taken");
        }
    }

    fn note_loss(&mut self, shard: ShardId, loss: Loss) {
        if loss == Loss::Draining {
            return tracing::debug!(shard, "shard closed");
        }
        if loss == Loss::HandedOver {
            LOSSES.with([loss.name()]).inc();
            return tracing::debug!(shard, "shard handed over");
        }
        LOSSES.with([loss.name()]).inc();
        tracing::warn!(shard, because = loss.name(), "shard lost");
        self.lost.insert(shard, loss);
    }

    /// Says to whom shards went that were lost here.
    fn note_holders(&mut self, holdings: &[Holding]) {
        for Holding { shard, owner, pulse, .. } in holdings {
            if let Some(owner) = owner
                && *owner != self.owner
                && self.lost.remove(shard).is_some()
            {
                let (node, epoch) = (&owner.node, pulse.epoch);
                tracing::info!(shard, node, epoch, "the lost shard has another owner");
            }
        }
    }

    fn hear(&mut self, answer: Answer) {
        let now = self.host.monotonic_us();
        match answer {
            Answer::Looked(sent_at, answer) => {
                let answer = self.heard("look", "shards cannot be looked at", answer);
                self.note_holders(answer.as_deref().unwrap_or_default());
                self.host.seen(answer.as_deref().unwrap_or_default());
                let steps = self.ownership.looked(sent_at, now, answer);
                self.perform(steps);
            }
            Answer::Taken(sent_at, answer) => {
                let answer = self.heard("take", "shards cannot be taken", answer);
                let steps = self.ownership.taken(sent_at, now, answer);
                self.perform(steps);
            }
            Answer::Renewed(sent_at, acknowledged, answer) => {
                let answer = self.heard("renew", "leases cannot be renewed", answer);
                if answer.is_some() {
                    self.told.extend(acknowledged);
                    self.host.remember(&self.told);
                }
                let steps = self.ownership.renewed(sent_at, now, answer);
                self.perform(steps);
                for shard in self.shards.clone() {
                    self.publish_lease(shard);
                }
            }
            Answer::Recorded(regression, answer) => {
                let answer = self.heard("record", "a loss cannot be recorded", answer);
                self.ownership.recorded(regression.shard, now, answer.is_some());
            }
            Answer::Released(shards, Ok(())) => {
                tracing::info!(count = shards.len(), shards = %ranges(&shards), "shards given up");
                self.host.released(&shards);
            }
            Answer::Released(_, Err(error)) => {
                tracing::warn!(error = %chain(&error), "leases not given up; they will run out");
            }
        }
    }

    fn heard<T>(
        &self,
        request: &'static str,
        failed: &str,
        answer: Result<T, JournalError>,
    ) -> Option<T> {
        let outcome = if answer.is_ok() { "answered" } else { "failed" };
        LEASE_REQUESTS.with([request, outcome]).inc();
        answer
            .inspect_err(|error| {
                tracing::warn!(error = %chain(error), "{failed}");
                self.host.connection_lost();
            })
            .ok()
    }

    fn look(&mut self, shards: Vec<ShardId>) {
        let (leases, sent_at) = (Arc::clone(&self.leases), self.host.monotonic_us());
        self.questions.spawn(async move { Answer::Looked(sent_at, leases.look(&shards).await) });
    }

    fn take(&mut self, claims: Vec<Claim>) {
        let (leases, sent_at) = (Arc::clone(&self.leases), self.host.monotonic_us());
        let (owner, began) = (self.owner.clone(), Instant::now());
        self.questions.spawn(async move {
            let answer = leases.take(&claims, &owner).await;
            tracing::debug!(count = claims.len(), took = ?began.elapsed(), "asked for shards");
            Answer::Taken(sent_at, answer)
        });
    }

    fn renew(&mut self) {
        let mut news = self.host.acknowledged(&self.shards);
        news.retain(|(shard, seq)| self.told.get(shard) != Some(seq));
        let (leases, sent_at) = (Arc::clone(&self.leases), self.host.monotonic_us());
        let (owner, timeout) = (self.owner.clone(), self.renewal_timeout);
        self.questions.spawn(async move {
            let answer = match tokio::time::timeout(timeout, leases.renew(&owner, &news)).await {
                Ok(answer) => answer,
                Err(_) => {
                    let silence = format!("no answer within {} ms", timeout.as_millis());
                    Err(JournalError::Unreachable(silence.into()))
                }
            };
            Answer::Renewed(sent_at, news, answer)
        });
    }

    fn record(&mut self, regression: Regression) {
        let leases = Arc::clone(&self.leases);
        self.questions
            .spawn(async move { Answer::Recorded(regression, leases.stop(&regression).await) });
    }

    fn release(&mut self, shards: Vec<ShardId>) {
        let (leases, owner) = (Arc::clone(&self.leases), self.owner.clone());
        self.questions.spawn(async move {
            let answer = leases.release(&owner, &shards).await;
            Answer::Released(shards, answer)
        });
    }

    /// What does not become quiet does not hold up renewals: it is a task of its own.
    fn quiesce(&self, shards: Vec<ShardId>) {
        let (host, news) = (Arc::clone(&self.host), self.manager.own.clone());
        tokio::spawn(async move {
            host.quiesce(&shards).await;
            if let Some(news) = news.upgrade() {
                let _ = news.send(News::Quiet(shards));
            }
        });
    }

    fn publish_lease(&self, shard: ShardId) {
        if let Some(until_us) = self.ownership.reads_until(shard) {
            self.host.reads_until(shard, until_us);
        }
    }
}

/// `0-254, 256`: sorted numbers for people.
fn ranges(shards: &[ShardId]) -> String {
    let mut runs: Vec<(ShardId, ShardId)> = Vec::new();
    for shard in shards {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *shard => *last = *shard,
            _ => runs.push((*shard, *shard)),
        }
    }
    let text = |(first, last): (ShardId, ShardId)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    runs.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn runs_of_shards_are_said_as_runs() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2, 5, 7-8");
    }
}
