//! The port to the log. A shard is a log with one writer; an *entry* is one row of it and holds
//! the consecutive events of one aggregate that were committed together.
//!
//! This file owns the vocabulary (entry, position, owner, outcomes) and what each database
//! implements: [`LogReader`], [`ShardLeases`], [`AppenderSource`]. It decides nothing: who may
//! write, what to batch, what a lost answer means is decided by the pure cores in `writer` and
//! `cluster`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::cause::Cause;
#[cfg(doc)]
use crate::last_versions::LOGS_PER_QUESTION_MAX;
use crate::last_versions::LogName;

/// The number of a shard, `0..shards`.
pub type ShardId = u16;
/// The number of an entry in its shard: 1, 2, 3, … without a gap.
pub type Seq = u64;
/// Which ownership of a shard wrote an entry; raised at each taking, never reused.
pub type Epoch = u64;

/// The aggregate type of entries that the engine itself writes into a shard (takeovers, barriers).
/// Their id is [`shard_record_id`], their version is their `seq`.
pub const SHARD_RECORD: &str = "shard";

/// The aggregate id of a shard's own records: the shard number in the last two bytes.
pub fn shard_record_id(shard: ShardId) -> Uuid {
    Uuid::from_u128(u128::from(shard))
}

/// One row of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub shard: ShardId,
    pub seq: Seq,
    pub epoch: Epoch,
    /// Which append of its epoch wrote it: `(epoch, attempt)` names one statement, so that an entry
    /// read back can be told from one that an earlier, lost try wrote. 0 for takeovers.
    pub attempt: u64,
    pub aggregate_type: Arc<str>,
    pub aggregate_id: Uuid,
    /// The version of its first event; the last one's is `version + count - 1`.
    pub version: u64,
    /// The number of events, at least 1.
    pub count: u32,
    /// A JSON array of `count` objects `{schema, type, data, meta}`, UTF-8, stored byte for byte.
    pub events: String,
    /// When the writer built it, microseconds since 1970 UTC, by the node's clock.
    pub recorded_us: i64,
}

impl Entry {
    pub fn last_version(&self) -> u64 {
        self.version + u64::from(self.count) - 1
    }

    /// What this entry weighs in a batch, a page or a buffer, in bytes.
    pub fn weight(&self) -> usize {
        self.events.len() + 128
    }
}

/// Who owns shards: a named node, and one life of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The configured name of the node, at most 64 bytes.
    pub node: String,
    /// Drawn at each start, so that a restarted node is never mistaken for its former self.
    pub incarnation: Uuid,
}

/// How often a shard has been taken, and how often its owner has said since then that it lives. It
/// moves as long as the owner does; nobody's clock is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    pub epoch: Epoch,
    pub beat: u64,
}

/// What the database says of one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding {
    pub shard: ShardId,
    pub pulse: Pulse,
    /// Nobody where it was given up or never taken.
    pub owner: Option<Owner>,
    /// The highest number that an owner is known to have acknowledged.
    pub acknowledged: Seq,
    /// The log was found to end here, below what was acknowledged: nobody takes the shard until an
    /// operator accepts the loss.
    pub regressed: Option<Seq>,
}

impl Holding {
    /// The loss for which the shard is stopped, if it is.
    pub fn regression(&self) -> Option<Regression> {
        let Self { shard, acknowledged, .. } = *self;
        let stopped = |found| Regression { shard, acknowledged, found, gone_on: None };
        self.regressed.map(stopped)
    }
}

/// A wish to take a shard that was seen to be free.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub shard: ShardId,
    /// What stood there. Where it has moved since, its owner lives.
    pub seen: Pulse,
    /// What the taker knows to have been acknowledged, from elsewhere than this database.
    pub acknowledged: Seq,
}

/// A log that ends at `found`, although entries up to `acknowledged` had been acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regression {
    pub shard: ShardId,
    pub acknowledged: Seq,
    pub found: Seq,
    /// The epoch in which it was gone on with behind `found` before that was known.
    pub gone_on: Option<Epoch>,
}

/// An operator gives up what a log has lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Acceptance {
    pub shard: ShardId,
    /// Where the operator knows the log to end.
    pub through: Seq,
    /// Why, for whoever reads the log later.
    pub reason: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The numbers from `first` to `last` are given up, and taken by records that say so: the log
    /// goes on behind them, and no number names two things.
    Lost { first: Seq, last: Seq },
    /// The log is longer than that by now: nothing is lost.
    Nothing,
    /// The shard is not stopped for a loss.
    NotStopped,
    /// The log does not end where the operator takes it to.
    EndsAt(Seq),
}

/// What became of taking one shard.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// Ours: entries follow `head`, which is the takeover record just written, at `recorded_us`.
    Owned { shard: ShardId, epoch: Epoch, head: Seq, recorded_us: i64 },
    /// Not what was seen: its owner lives, or another was quicker.
    Held(Holding),
    /// The log is shorter than what was acknowledged, and the shard is stopped for it.
    Regressed(Regression),
}

impl Taken {
    pub fn shard(&self) -> ShardId {
        match self {
            Self::Owned { shard, .. } => *shard,
            Self::Held(holding) => holding.shard,
            Self::Regressed(regression) => regression.shard,
        }
    }
}

/// What is known of an append. The one `INSERT` is the whole transaction, so that it happened
/// whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Appended {
    Committed,
    /// A primary or unique key was taken: nothing of this statement was written.
    Duplicate,
    /// The database said no for another reason (full disk, too large, deadlock after bounded
    /// retries, read-only): nothing of this statement was written.
    Refused(Cause),
    /// The database could not be reached: nothing was sent. Heads are compared before the next.
    NotSent(Cause),
    /// No answer: it may have committed, may still be running, or may never happen.
    Unknown(Cause),
}

impl Appended {
    /// Why it was not committed, where the database or what lies before it said so.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Committed | Self::Duplicate => None,
            Self::Refused(cause) | Self::NotSent(cause) | Self::Unknown(cause) => Some(cause),
        }
    }

    /// For logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Duplicate => "duplicate",
            Self::Refused(_) => "refused",
            Self::NotSent(_) => "not sent",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// A page of entries is bounded in rows and in bytes, whichever comes first; it always holds at
/// least one entry if there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageLimit {
    pub rows: u32,
    pub bytes: usize,
}

impl Default for PageLimit {
    fn default() -> Self {
        Self { rows: 1_024, bytes: 4 << 20 }
    }
}

/// What a port says where it has no answer. Its text tells the kind of failure and nothing of the
/// database; [`chain`](crate::cause::chain) has the rest.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The database did not answer or could not be reached; the same call may succeed later.
    #[error("the journal is unreachable")]
    Unreachable(#[source] Cause),
    /// The database answered with an error that repeating will not cure.
    #[error("the journal refused")]
    Refused(#[source] Cause),
    /// What was read cannot be what was written.
    #[error("the journal is corrupt")]
    Corrupt(#[source] Cause),
}

impl JournalError {
    /// Adds where it was met.
    #[must_use]
    pub fn at(self, place: impl fmt::Display) -> Self {
        match self {
            Self::Unreachable(cause) => Self::Unreachable(cause.at(place)),
            Self::Refused(cause) => Self::Refused(cause.at(place)),
            Self::Corrupt(cause) => Self::Corrupt(cause.at(place)),
        }
    }
}

/// The most logs that are read in one question.
pub const LOGS_READ_AT_ONCE_MAX: usize = 128;
/// The most that such an answer weighs.
pub const LOGS_READ_AT_ONCE_BYTES: usize = 8 << 20;

/// Reads the logs. Changes nothing, and may be asked by anybody at any time.
#[async_trait]
pub trait LogReader: Send + Sync + 'static {
    /// The highest sequence number of each shard (0 for an empty log), on a fresh connection.
    async fn heads(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError>;

    /// The same of those whose database answers; an error where none does.
    async fn heads_told(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        self.heads(shards).await
    }

    /// The database of a shard did not answer lately, and whoever asks it would be told so at once. Of one
    /// alone nobody says so.
    fn is_away(&self, shard: ShardId) -> bool {
        let _ = shard;
        false
    }

    /// How many databases have the logs …
    fn databases(&self) -> usize {
        1
    }

    /// … and the number of the one that has the log of an aggregate. Questions to two of them are not asked
    /// together.
    fn database_with(&self, aggregate_type: &str, aggregate_id: Uuid) -> usize {
        let _ = (aggregate_type, aggregate_id);
        0
    }

    /// Entries of a shard after `after`, in order, up to and including `through`.
    async fn read_shard(
        &self,
        shard: ShardId,
        after: Seq,
        through: Seq,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError>;

    /// Entries of one aggregate that hold versions from `from_version` on, in order of version,
    /// up to and including version `to_version` (the first returned may begin before
    /// `from_version` where an entry straddles it).
    async fn read_aggregate(
        &self,
        aggregate_type: &str,
        aggregate_id: Uuid,
        from_version: u64,
        to_version: u64,
        limit: PageLimit,
    ) -> Result<Vec<Entry>, JournalError>;

    /// The entries of several aggregates of one kind that begin at version `through` at the latest, in
    /// the order asked for, each log's in its own order: one question for all of them. At most
    /// [`LOGS_READ_AT_ONCE_MAX`] ids. Nothing where all of them together are more than
    /// [`LOGS_READ_AT_ONCE_BYTES`], or whoever keeps the log cannot: each is read by itself then.
    async fn read_logs(
        &self,
        aggregate_type: &str,
        ids: &[Uuid],
        through: u64,
    ) -> Result<Option<Vec<Vec<Entry>>>, JournalError> {
        let _ = (aggregate_type, ids, through);
        Ok(None)
    }

    /// The versions that aggregates have come to, in the order asked for; 0 for one without an
    /// entry. One step down the unique index for each. At most [`LOGS_PER_QUESTION_MAX`] names.
    async fn last_versions(&self, names: &[LogName<'_>]) -> Result<Vec<u64>, JournalError>;
}

/// Says who owns which shard. Times nothing: whoever wants a shard watches its [`Pulse`] by a clock
/// of its own.
#[async_trait]
pub trait ShardLeases: Send + Sync + 'static {
    /// Creates the rows of `shards` for the numbers `0..count`; keeps those that exist. A count
    /// that differs from what the database was made with is refused.
    async fn prepare(&self, count: u16) -> Result<(), JournalError>;

    /// How many shards the database was made with; 0 before the first `prepare`.
    async fn shard_count(&self) -> Result<u16, JournalError>;

    /// What stands in the rows of these shards, in order. Locks nothing.
    async fn look(&self, shards: &[ShardId]) -> Result<Vec<Holding>, JournalError>;

    /// Takes each claimed shard that was given up, or whose pulse under the row's lock is still the
    /// one that was seen. For each: see that the log is as long as what was acknowledged, raise the
    /// epoch, set the owner, append the takeover record behind the head, all in one transaction;
    /// begin again if the old owner appended meanwhile. A log that is too short is recorded as
    /// regressed, and nothing is appended to it.
    async fn take(&self, claims: &[Claim], owner: &Owner) -> Result<Vec<Taken>, JournalError>;

    /// Raises the beat of every shard that this very incarnation holds, with what it has
    /// acknowledged there meanwhile, and says which shards those are. Waits for no other call.
    async fn renew(
        &self,
        owner: &Owner,
        acknowledged: &[(ShardId, Seq)],
    ) -> Result<Vec<ShardId>, JournalError>;

    /// Gives up what this incarnation holds of `shards`, so that others need not wait.
    async fn release(&self, owner: &Owner, shards: &[ShardId]) -> Result<(), JournalError>;

    /// Records that a log went backwards, so that nobody takes the shard. Does nothing where the
    /// log is long enough (again), unless it was gone on with as is said.
    async fn stop(&self, regression: &Regression) -> Result<(), JournalError>;

    /// Lets a stopped shard be taken again. Every number that was lost gets a record of the loss,
    /// and what was derived from lost entries is thrown away: followers' checkpoints, and snapshots
    /// and keys of what the log does not hold.
    async fn accept_loss(&self, acceptance: &Acceptance) -> Result<Accepted, JournalError>;
}

/// Opens connections that append.
#[async_trait]
pub trait AppenderSource: Send + Sync + 'static {
    /// A connection of its own for one writer lane.
    async fn appender(&self) -> Result<Box<dyn Appender>, JournalError>;
}

/// The logs of one database, with all that is asked of them.
pub trait Journal: LogReader + ShardLeases + AppenderSource {}

impl<J: LogReader + ShardLeases + AppenderSource> Journal for J {}

/// One connection that appends. It reconnects by itself at the next append after a loss; the
/// answer to the append that met the loss is `Unknown` unless it was certainly never sent.
#[async_trait]
pub trait Appender: Send {
    /// Appends all or nothing. `entries` is never empty and at most
    /// [`ENTRIES_PER_APPEND_MAX`] long.
    async fn append(&mut self, entries: &[Entry]) -> Appended;
}

/// The most rows of one append.
pub const ENTRIES_PER_APPEND_MAX: usize = 512;
