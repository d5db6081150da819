//! The pure core of ownership: which shards this node holds, until when it may serve reads, when
//! to renew, whom to watch and when to take. No IO and no clock: times are microseconds of a
//! monotonic clock of the node's own, answers of the database come in, [`Step`]s go out.
//!
//! Leases decide who serves reads; only the log decides who writes. A taker believes nobody's
//! clock but its own: it takes a shard whose [`Pulse`] it saw stand still for one whole lease. The
//! pulse that it saw was sent before its first look was answered; it waits a lease from that answer,
//! and the owner reads for less than a lease from that sending.
//!
//! [`Pulse`]: persistence::journal::Pulse

mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use persistence::journal::{Claim, Epoch, Holding, Owner, Regression, Seq, ShardId, Taken};
use persistence::shortcut::{Planted, Shortcut};
use watch::Watch;

/// Shards that are handed over together.
const HANDED_OVER_AT_ONCE: usize = 16;

/// How a lease is timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeaseTerms {
    /// How long a holder must be silent before another takes its shard.
    pub lease: Duration,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self { lease: Duration::from_secs(5) }
    }
}

impl LeaseTerms {
    /// Reads end this much before the lease: a tenth of it, which is how far the rates of two
    /// nodes' monotonic clocks may lie apart.
    pub fn margin(&self) -> Duration {
        self.lease / 10
    }

    /// Between two looks at the shards of others.
    fn look_interval_us(&self) -> u64 {
        (micros(self.lease) / 10).clamp(1_000, 500_000)
    }
}

/// Who this node is among those that may hold shards, and what it knows of its own past.
#[derive(Clone, Debug)]
pub struct Standing {
    pub owner: Owner,
    /// No other process can serve this database: nobody is to be waited for, and reads never end.
    pub alone: bool,
    /// Former lives that have ended for certain.
    pub ended: Vec<Uuid>,
    /// What former lives are known to have acknowledged.
    pub acknowledged: BTreeMap<ShardId, Seq>,
}

/// Why a shard could be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Because {
    /// It was given up, or never taken.
    Free,
    /// Its holder was silent for a whole lease.
    Silent,
    /// Its holder was a life of this node that has ended, or is this very one.
    Own,
    /// Nobody else can hold anything.
    Alone,
}

impl Because {
    /// For logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Silent => "silent",
            Self::Own => "own",
            Self::Alone => "alone",
        }
    }
}

/// Why a shard was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The log says that another writes here now.
    Fenced,
    /// A renewal was answered, and the shard was not among those that are ours.
    NotOurs,
    /// The log went backwards.
    Regressed,
    /// This node stops.
    Draining,
    /// Another is to have it, and this one had answered all that it had been asked.
    HandedOver,
}

impl Loss {
    /// For logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fenced => "fenced",
            Self::NotOurs => "not_ours",
            Self::Regressed => "regressed",
            Self::Draining => "draining",
            Self::HandedOver => "handed_over",
        }
    }
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Look at these; answer with [`Ownership::looked`].
    Look(Vec<ShardId>),
    /// Take these; answer with [`Ownership::taken`].
    Take(Vec<Claim>),
    /// Renew all leases of this incarnation; answer with [`Ownership::renewed`].
    Renew,
    /// Record that this log went backwards; answer with [`Ownership::recorded`].
    Record(Regression),
    /// Begin to serve. Entries follow `head`, none of them recorded before `recorded_us`.
    Open { shard: ShardId, epoch: Epoch, head: Seq, recorded_us: i64, because: Because },
    /// Stop serving at once; what is pending is answered with the truth.
    Close { shard: ShardId, loss: Loss },
    /// The shard is stopped until an operator accepts the loss.
    Stopped(Regression),
    /// An operator has accepted the loss.
    Resumed(ShardId),
    /// Admit nothing more to these, and answer with [`Ownership::quiet`] when all is answered that was
    /// admitted: others are to have them.
    Quiesce(Vec<ShardId>),
    /// Give these up in the database.
    Release(Vec<ShardId>),
    /// Another living process has this node's name: this one must end.
    Twin(Owner),
}

#[derive(Clone, Debug, PartialEq)]
enum ShardState {
    /// Not ours.
    Vacant(Watch),
    /// Ours since an answer that came at `since`. One that is leaving admits nothing any more, and is
    /// held until what it had admitted is answered.
    Serving { taken: Takeover, since: u64, reads_until: u64, leaving: bool },
    /// Its log went backwards: not to be touched until an operator says so; and never again in
    /// this life where it was this node's writer that remembers what was lost.
    Stopped { for_good: bool },
}

/// The record with which a shard became ours.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Takeover {
    epoch: Epoch,
    seq: Seq,
}

/// See the module.
pub struct Ownership {
    terms: LeaseTerms,
    standing: Standing,
    shards: BTreeMap<ShardId, ShardState>,
    /// A look, a taking or a record awaits its answer.
    asking: bool,
    /// A renewal awaits its answer.
    renewing: bool,
    renew_at: u64,
    look_at: u64,
    /// Nothing is taken or recorded before, after an answer that did not come.
    ask_at: u64,
    unrecorded: BTreeMap<ShardId, Regression>,
    /// What became known only since this began.
    learned: BTreeMap<ShardId, Seq>,
    draining: bool,
    /// Every shard was in good hands once.
    was_good: bool,
    /// What is being asked was asked before there was something to see.
    look_again: bool,
    /// The shards that this node is to have; nothing is said: all.
    wanted: Option<BTreeSet<ShardId>>,
    pub planted: Planted,
}

impl Ownership {
    /// Wants every one of `shards`.
    pub fn new(
        terms: LeaseTerms,
        standing: Standing,
        shards: impl IntoIterator<Item = ShardId>,
    ) -> Self {
        let vacant = |shard| (shard, ShardState::Vacant(Watch::default()));
        Self {
            terms,
            standing,
            shards: shards.into_iter().map(vacant).collect(),
            asking: false,
            renewing: false,
            renew_at: 0,
            look_at: 0,
            ask_at: 0,
            unrecorded: BTreeMap::new(),
            learned: BTreeMap::new(),
            draining: false,
            was_good: false,
            look_again: false,
            wanted: None,
            planted: Planted::default(),
        }
    }

    /// The shards that this node is to have from now on. What it takes is among them, and what it has
    /// beside them it hands over, some at a time.
    pub fn want(&mut self, wanted: BTreeSet<ShardId>) {
        self.wanted = Some(wanted);
    }

    fn wants(&self, shard: ShardId) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&shard))
    }

    /// Whether this node may answer reads of the shard from memory at `now`.
    pub fn serves_reads(&self, shard: ShardId, now: u64) -> bool {
        if self.planted.is(Shortcut::ReadAfterLease) {
            return self.is_serving(shard);
        }
        self.reads_until(shard).is_some_and(|until| now < until)
    }

    /// Until when reads are served, for a shell that checks without asking here.
    pub fn reads_until(&self, shard: ShardId) -> Option<u64> {
        match self.shards.get(&shard) {
            Some(ShardState::Serving { reads_until, .. }) => Some(*reads_until),
            _ => None,
        }
    }

    pub fn is_serving(&self, shard: ShardId) -> bool {
        matches!(self.shards.get(&shard), Some(ShardState::Serving { .. }))
    }

    /// Every wanted shard is served or stopped, and every other one has an owner that was heard of within
    /// two leases: one that died is followed after the first, and nobody is to be sent away for that, for all
    /// nodes see it at one time. Once that was so, a shard that goes from one node to another may take that long.
    pub fn in_good_hands(&mut self, now: u64) -> bool {
        let moves = |watch: &Watch| {
            let long = 2 * micros(self.terms.lease);
            watch.since().is_none_or(|since| now < since.saturating_add(long))
        };
        let is_good = self.shards.iter().all(|(shard, state)| match state {
            ShardState::Vacant(watch) if self.was_good => moves(watch),
            ShardState::Vacant(watch) => {
                !self.wants(*shard) && watch.since().is_some() && moves(watch)
            }
            ShardState::Serving { .. } | ShardState::Stopped { .. } => true,
        });
        self.was_good |= is_good && self.wanted.is_some();
        is_good
    }

    pub fn serves_any(&self) -> bool {
        self.shards.keys().any(|shard| self.is_serving(*shard))
    }

    /// What is due. A renewal waits for no other question; of the others one is asked at a time.
    pub fn tick(&mut self, now: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.draining {
            return steps;
        }
        if self.renews() && now >= self.renew_at {
            self.renewing = true;
            steps.push(Step::Renew);
        }
        let unwanted = self.unwanted();
        if !unwanted.is_empty() {
            for shard in &unwanted {
                if let Some(ShardState::Serving { leaving, .. }) = self.shards.get_mut(shard) {
                    *leaving = true;
                }
            }
            steps.push(Step::Quiesce(unwanted));
        }
        if let Some(question) = self.question(now) {
            self.asking = true;
            steps.push(question);
        }
        steps
    }

    /// What is to be handed over next: few enough that whoever takes them has them soon.
    fn unwanted(&self) -> Vec<ShardId> {
        let is_leaving =
            |state: &ShardState| matches!(state, ShardState::Serving { leaving: true, .. });
        if self.wanted.is_none() || self.shards.values().any(is_leaving) {
            return Vec::new();
        }
        let unwanted = |(shard, state): (&ShardId, &ShardState)| {
            let serves = matches!(state, ShardState::Serving { .. });
            (serves && !self.wants(*shard)).then_some(*shard)
        };
        self.shards.iter().filter_map(unwanted).take(HANDED_OVER_AT_ONCE).collect()
    }

    /// All that these had admitted is answered: they are given up.
    pub fn quiet(&mut self, shards: &[ShardId], now: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut given = Vec::new();
        for shard in shards {
            let Some(state @ ShardState::Serving { leaving: true, .. }) =
                self.shards.get_mut(shard)
            else {
                continue;
            };
            given.push(*shard);
            if self.planted.is(Shortcut::ReadAfterHandOver) {
                continue;
            }
            *state = ShardState::Vacant(Watch::default());
            steps.push(Step::Close { shard: *shard, loss: Loss::HandedOver });
        }
        if !given.is_empty() {
            self.look_at = self.look_at.min(now);
            steps.push(Step::Release(given));
        }
        steps
    }

    /// There is something to see in the rows of others.
    pub fn look_soon(&mut self, now: u64) {
        self.look_at = self.look_at.min(now);
        self.look_again = self.asking;
    }

    fn question(&self, now: u64) -> Option<Step> {
        if self.asking {
            return None;
        }
        if now >= self.ask_at {
            if let Some(regression) = self.unrecorded.values().next() {
                return Some(Step::Record(*regression));
            }
            let claims = self.claims(now);
            if !claims.is_empty() {
                return Some(Step::Take(claims));
            }
        }
        let watched: Vec<_> = self.watched().collect();
        (now >= self.look_at && !watched.is_empty()).then_some(Step::Look(watched))
    }

    /// The shards that are free to be taken now.
    fn claims(&self, now: u64) -> Vec<Claim> {
        let claim = |(shard, state): (&ShardId, &ShardState)| {
            let ShardState::Vacant(watch) = state else { return None };
            if !self.wants(*shard) {
                return None;
            }
            let free_at = watch.free_at(&self.standing, self.terms, self.planted)?;
            let acknowledged = self.standing.acknowledged.get(shard).copied();
            let acknowledged =
                acknowledged.filter(|_| !self.planted.is(Shortcut::ForgetAcknowledged));
            (now >= free_at).then(|| Claim {
                shard: *shard,
                seen: watch.pulse(),
                acknowledged: acknowledged.unwrap_or(0),
            })
        };
        self.shards.iter().filter_map(claim).collect()
    }

    /// The shards that somebody else may hold or release.
    fn watched(&self) -> impl Iterator<Item = ShardId> {
        self.shards.iter().filter_map(|(shard, state)| match state {
            ShardState::Vacant(_) | ShardState::Stopped { for_good: false } => Some(*shard),
            ShardState::Serving { .. } | ShardState::Stopped { for_good: true } => None,
        })
    }

    /// There is something to renew, and no renewal under way. A shard that is stopped and not yet
    /// recorded as such stays held, so that no other node carries on with its log.
    fn renews(&self) -> bool {
        let serves = |state| matches!(state, &ShardState::Serving { .. });
        let holds = self.shards.values().any(serves) || !self.unrecorded.is_empty();
        holds && !self.renewing && !self.standing.alone
    }

    /// When [`tick`](Self::tick) has something to do next, as far as is known.
    pub fn next_tick(&self) -> u64 {
        if self.draining {
            return u64::MAX;
        }
        if !self.unwanted().is_empty() {
            return 0;
        }
        let renewal = if self.renews() { self.renew_at } else { u64::MAX };
        if self.asking {
            return renewal;
        }
        let record = if self.unrecorded.is_empty() { u64::MAX } else { self.ask_at };
        let look = if self.watched().next().is_some() { self.look_at } else { u64::MAX };
        let free_at = |(shard, state): (&ShardId, &ShardState)| match state {
            ShardState::Vacant(watch) if self.wants(*shard) => {
                watch.free_at(&self.standing, self.terms, self.planted)
            }
            _ => None,
        };
        let free = self.shards.iter().filter_map(free_at).min();
        let take = free.map_or(u64::MAX, |at| at.max(self.ask_at));
        renewal.min(record).min(look).min(take)
    }

    /// The answer to [`Step::Look`], which was sent at `sent_at`; `None` if there was none.
    pub fn looked(&mut self, sent_at: u64, now: u64, answer: Option<Vec<Holding>>) -> Vec<Step> {
        self.asking = false;
        let again = std::mem::take(&mut self.look_again);
        let mut steps = Vec::new();
        let seen_at = if self.planted.is(Shortcut::CountFromSending) { sent_at } else { now };
        for holding in answer.into_iter().flatten() {
            steps.extend(self.see(holding, seen_at));
        }
        self.look_at = now + if again { 0 } else { self.look_interval_us() };
        steps
    }

    /// Between two looks at the shards of others: short, while this node waits to be handed some.
    fn look_interval_us(&self) -> u64 {
        let waits = |(shard, state): (&ShardId, &ShardState)| {
            matches!(state, ShardState::Vacant(_)) && self.wants(*shard)
        };
        let usual = self.terms.look_interval_us();
        if self.wanted.is_some() && self.shards.iter().any(waits) { usual / 10 } else { usual }
    }

    /// Takes note of what stands in a shard's row; what is not moving has stood still since then
    /// at the latest.
    fn see(&mut self, holding: Holding, now: u64) -> Vec<Step> {
        let shard = holding.shard;
        let serves_none = !self.shards.keys().any(|shard| self.is_serving(*shard));
        let Some(state) = self.shards.get_mut(&shard) else { return Vec::new() };
        if let Some(regression) = holding.regression() {
            return match state {
                ShardState::Vacant(_) => {
                    *state = ShardState::Stopped { for_good: false };
                    vec![Step::Stopped(regression)]
                }
                _ => Vec::new(),
            };
        }
        let mut steps = Vec::new();
        if *state == (ShardState::Stopped { for_good: false }) {
            *state = ShardState::Vacant(Watch::default());
            steps.push(Step::Resumed(shard));
        }
        if let ShardState::Vacant(watch) = state
            && let Some(twin) = watch.see(holding, now, &self.standing)
            // Of two that hold shards both, one goes on.
            && (serves_none || twin.incarnation < self.standing.owner.incarnation)
        {
            steps.push(Step::Twin(twin));
        }
        steps
    }

    /// The answer to [`Step::Take`], which was sent at `sent_at`; `None` if there was none. The
    /// lease counts from before it was asked for.
    pub fn taken(&mut self, sent_at: u64, now: u64, answer: Option<Vec<Taken>>) -> Vec<Step> {
        self.asking = false;
        let Some(answer) = answer else {
            self.ask_at = now + self.pause();
            self.look_at = self.look_at.min(self.ask_at);
            return Vec::new();
        };
        // Renewals that are due already are not put off by what is taken beside them.
        if !self.shards.keys().any(|shard| self.is_serving(*shard)) {
            self.renew_at = sent_at + self.third();
        }
        let mut steps = Vec::new();
        for taken in answer {
            steps.extend(self.take(taken, sent_at, now));
        }
        steps
    }

    fn take(&mut self, taken: Taken, sent_at: u64, now: u64) -> Vec<Step> {
        match taken {
            Taken::Owned { shard, .. } if self.draining => vec![Step::Release(vec![shard])],
            Taken::Owned { shard, epoch, head, recorded_us } => {
                let reads_until = self.reads_end(sent_at, now);
                let Some(state @ ShardState::Vacant(_)) = self.shards.get_mut(&shard) else {
                    return Vec::new();
                };
                let ShardState::Vacant(watch) = &*state else { unreachable!("just seen") };
                let because = watch.because(&self.standing);
                let taken = Takeover { epoch, seq: head };
                *state = ShardState::Serving { taken, since: now, reads_until, leaving: false };
                let mut steps = vec![Step::Open { shard, epoch, head, recorded_us, because }];
                // What became known while it was being taken.
                if let Some(regression) = self.taken_too_short(shard) {
                    steps.extend(self.regressed(regression));
                }
                steps
            }
            Taken::Held(holding) => self.see(holding, now),
            Taken::Regressed(regression) => match self.shards.get_mut(&regression.shard) {
                Some(state @ ShardState::Vacant(_)) => {
                    *state = ShardState::Stopped { for_good: false };
                    vec![Step::Stopped(regression)]
                }
                _ => Vec::new(),
            },
        }
    }

    /// The answer to [`Step::Renew`]: the shards that are still this incarnation's.
    pub fn renewed(&mut self, sent_at: u64, now: u64, answer: Option<Vec<ShardId>>) -> Vec<Step> {
        self.renewing = false;
        let reads_until = self.reads_end(sent_at, now);
        let Some(ours) = answer else {
            // Ask again soon; until then the lease runs down and reads end by themselves.
            self.renew_at = now + self.pause();
            if self.planted.is(Shortcut::SilenceExtends) {
                self.extend(|_| true, reads_until);
            }
            return Vec::new();
        };
        self.renew_at = sent_at + self.third();
        let ours: BTreeSet<_> = ours.into_iter().collect();
        let goes_on = self.planted.is(Shortcut::NoEpochCheck);
        self.extend(|shard| goes_on || ours.contains(&shard), reads_until);
        let mut steps = Vec::new();
        // A giving up that was not answered did not happen, or the answer to a taking was lost: what is
        // renewed and served by nobody would be nobody's for ever.
        let is_left = |shard: &ShardId| {
            !self.asking
                && !self.wants(*shard)
                && matches!(self.shards.get(shard), Some(ShardState::Vacant(_)))
        };
        let left: Vec<_> = ours.iter().copied().filter(is_left).collect();
        if !left.is_empty() {
            steps.push(Step::Release(left));
        }
        for (shard, state) in &mut self.shards {
            // What was taken after the renewal was sent need not be in its answer.
            if let ShardState::Serving { since, reads_until, leaving, .. } = state
                && *since < sent_at
                && !ours.contains(shard)
                && !goes_on
                && !(self.planted.is(Shortcut::ReadAfterHandOver) && *leaving && now < *reads_until)
            {
                *state = ShardState::Vacant(Watch::default());
                self.look_at = self.look_at.min(now);
                steps.push(Step::Close { shard: *shard, loss: Loss::NotOurs });
            }
        }
        steps
    }

    fn extend(&mut self, which: impl Fn(ShardId) -> bool, until: u64) {
        for (shard, state) in &mut self.shards {
            if let ShardState::Serving { reads_until, .. } = state
                && which(*shard)
            {
                *reads_until = (*reads_until).max(until);
            }
        }
    }

    /// The answer to [`Step::Record`]: whether it was recorded.
    pub fn recorded(&mut self, shard: ShardId, now: u64, done: bool) {
        self.asking = false;
        if done {
            self.unrecorded.remove(&shard);
        } else {
            self.ask_at = now + self.pause();
        }
    }

    /// The log says that another writes here now.
    pub fn fenced(&mut self, shard: ShardId, now: u64) -> Vec<Step> {
        if !self.is_serving(shard) {
            return Vec::new();
        }
        self.shards.insert(shard, ShardState::Vacant(Watch::default()));
        self.look_at = self.look_at.min(now);
        vec![Step::Close { shard, loss: Loss::Fenced }]
    }

    /// What is known elsewhere to have been acknowledged, and was not when this began. No log that ends below
    /// that is taken from now on; one that was, and has numbers anew that were acknowledged, is stopped.
    pub fn knows(&mut self, acknowledged: &BTreeMap<ShardId, Seq>) -> Vec<Step> {
        for (shard, seq) in acknowledged {
            let known = self.standing.acknowledged.entry(*shard).or_default();
            *known = (*known).max(*seq);
        }
        self.learned.extend(acknowledged);
        let too_short: Vec<_> =
            self.shards.keys().filter_map(|shard| self.taken_too_short(*shard)).collect();
        too_short.into_iter().flat_map(|regression| self.regressed(regression)).collect()
    }

    /// Whether the record with which a shard was taken has a number that was acknowledged before: nobody else
    /// has written there since.
    fn taken_too_short(&self, shard: ShardId) -> Option<Regression> {
        let ShardState::Serving { taken, .. } = self.shards.get(&shard)? else { return None };
        let acknowledged = *self.learned.get(&shard)?;
        let (found, gone_on) = (taken.seq.saturating_sub(1), Some(taken.epoch));
        let regression = Regression { shard, acknowledged, found, gone_on };
        (acknowledged > found).then_some(regression)
    }

    /// The log went backwards, as this node's own writer knows: stop, loudly, and do not take the
    /// shard again.
    pub fn regressed(&mut self, regression: Regression) -> Vec<Step> {
        let shard = regression.shard;
        let before = self.shards.insert(shard, ShardState::Stopped { for_good: true });
        if before == Some(ShardState::Stopped { for_good: true }) {
            return Vec::new();
        }
        self.unrecorded.insert(shard, regression);
        // Stopped first: what closes leaves snapshots behind, and none may be of what is lost.
        let mut steps = vec![Step::Stopped(regression)];
        if matches!(before, Some(ShardState::Serving { .. })) {
            steps.push(Step::Close { shard, loss: Loss::Regressed });
        }
        steps
    }

    /// Serve nothing more and give everything up. The caller has flushed what was pending.
    pub fn drain(&mut self) -> Vec<Step> {
        self.draining = true;
        let serving: Vec<_> = self.shards.keys().copied().filter(|s| self.is_serving(*s)).collect();
        let close = |shard: &ShardId| Step::Close { shard: *shard, loss: Loss::Draining };
        let mut steps: Vec<_> = serving.iter().map(close).collect();
        for shard in &serving {
            self.shards.insert(*shard, ShardState::Vacant(Watch::default()));
        }
        steps.push(Step::Release(serving));
        steps
    }

    fn third(&self) -> u64 {
        micros(self.terms.lease) / 3
    }

    /// Before a question is asked again that was not answered.
    fn pause(&self) -> u64 {
        self.third() / 4
    }

    /// An answer extends reads from when its question was sent.
    fn reads_end(&self, sent_at: u64, answered_at: u64) -> u64 {
        if self.standing.alone {
            return u64::MAX;
        }
        let from = if self.planted.is(Shortcut::ReadsFromAnswer) { answered_at } else { sent_at };
        let margin =
            if self.planted.is(Shortcut::NoMargin) { Duration::ZERO } else { self.terms.margin() };
        from + micros(self.terms.lease.saturating_sub(margin))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
