//! Reading the past: a state as it was at a version or at a time. It is replayed from the nearest
//! snapshot before, so that it costs the events in between and not the whole history.
//!
//! A replay takes time of the processor that commands could use, so that few run at once:
//! [`PastReads`] has places, a replay takes one for each [`EVENTS_PER_PLACE`] events, and where
//! there is none it ends with `OVERLOADED`.

use std::error::Error;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::aggregate_ref::{AggregateRef, Fault, dropped, out_of_time};
use super::core::Confirmed;
use super::metrics::PAST_EVENTS;
use super::reading::Moment;
use super::recovery::Recovered;
use super::request::until;
use super::snapshot;
use domain::aggregate::Aggregate;
use persistence::cause::Cause;
use persistence::journal::{Entry, JournalError, PageLimit, Seq};
use persistence::snapshots::{Reach, SnapshotHead};
use persistence::writer::lane::Dropped;

/// What one place is good for: as many events as take some ten milliseconds.
pub const EVENTS_PER_PLACE: u64 = 4_096;

/// How long a caller that found no place is asked to stay away.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// The places of a node for reading the past.
pub struct PastReads {
    places: Semaphore,
    places_max: usize,
}

impl PastReads {
    pub fn new(places_max: usize) -> Self {
        let places_max = places_max.max(1);
        Self { places: Semaphore::new(places_max), places_max }
    }

    /// A place for the first events of a replay.
    fn enter(&self) -> Result<Places<'_>, Fault> {
        let taken = self.places.try_acquire().map_err(|_| full())?;
        Ok(Places { of: self, taken, held: 1 })
    }
}

/// What one replay has taken. It gives all of them back when it ends.
struct Places<'a> {
    of: &'a PastReads,
    taken: SemaphorePermit<'a>,
    held: usize,
}

impl Places<'_> {
    /// Takes what so many events cost beyond what is held, and never more than there are: then
    /// this replay is the only one.
    fn cover(&mut self, events: u64) -> Result<(), Fault> {
        let places = usize::try_from(events / EVENTS_PER_PLACE).unwrap_or(usize::MAX);
        let wanted = places.saturating_add(1).min(self.of.places_max);
        let Some(more) = wanted.checked_sub(self.held).filter(|more| *more > 0) else {
            return Ok(());
        };
        let count = u32::try_from(more).map_err(|_| full())?;
        self.taken.merge(self.of.places.try_acquire_many(count).map_err(|_| full())?);
        self.held = wanted;
        Ok(())
    }
}

/// An error where the request has no time left.
fn until_now(at_most: Duration) -> Result<(), Fault> {
    until(at_most).map(|_| ()).ok_or_else(out_of_time)
}

fn full() -> Fault {
    Fault::Overloaded { retry_after: RETRY_AFTER }
}

/// Which past is meant.
#[derive(Clone, Copy)]
enum Until {
    Version(u64),
    /// By the recorded time of entries, microseconds since 1970 UTC.
    Time(i64),
}

impl Until {
    /// Whether the first event of this entry had happened.
    fn includes(self, entry: &Entry) -> bool {
        match self {
            Self::Version(version) => entry.version <= version,
            Self::Time(at_us) => entry.recorded_us <= at_us,
        }
    }
}

impl<A: Aggregate> AggregateRef<A> {
    /// The state at a moment, and the time by which it is to be judged: what had not ended then has
    /// not ended in it.
    pub(super) async fn state_at(
        &self,
        moment: Moment,
    ) -> Result<(Confirmed<A::State>, DateTime<Utc>), Fault> {
        let now = self.confirmed().await?;
        let present = self.engine.services.now();
        match moment {
            Moment::Version(version) if version < now.version => {
                let past = self.replay(Until::Version(version), version, &now).await?;
                let recorded = self.recorded(version, now.seq).await?;
                Ok((past, recorded.unwrap_or(present)))
            }
            Moment::Version(version) if version == now.version => {
                let recorded = self.recorded(version, now.seq).await?;
                Ok((now, recorded.unwrap_or(present)))
            }
            Moment::Now | Moment::Version(_) => Ok((now, present)),
            Moment::Time(at_us) => {
                let past = self.replay(Until::Time(at_us), now.version, &now).await?;
                let at = DateTime::from_timestamp_micros(at_us);
                Ok((past, at.unwrap_or(present).min(present)))
            }
        }
    }

    /// When a version was reached, by the log; nothing for version 0.
    async fn recorded(&self, version: u64, head: Seq) -> Result<Option<DateTime<Utc>>, Fault> {
        if version == 0 {
            return Ok(None);
        }
        let limit = PageLimit { rows: 1, ..PageLimit::default() };
        let journal = &self.engine.services.journal;
        let entry = journal.read_aggregate(A::TYPE, self.id.0, version, version, limit);
        let entry = entry.await.map_err(|error| self.unread(error))?;
        let entry = entry.first().filter(|entry| entry.seq <= head);
        Ok(entry.and_then(|entry| DateTime::from_timestamp_micros(entry.recorded_us)))
    }

    async fn replay(
        &self,
        until: Until,
        version_max: u64,
        now: &Confirmed<A::State>,
    ) -> Result<Confirmed<A::State>, Fault> {
        let services = &self.engine.services;
        if now.version == 0 {
            // What never was had no past.
            return Ok(Confirmed { state: A::State::default(), ..now.clone() });
        }
        let mut places = services.past_reads.enter()?;
        let mut past = self.nearest(until, version_max, now).await?;
        let began = past.version;
        if let Until::Version(version) = until {
            places.cover(version - began)?;
        }
        'pages: while past.version < version_max {
            places.cover(past.version - began)?;
            // A look into the past ends with its request.
            until_now(services.deadline())?;
            let from = past.version + 1;
            let page = services.journal.read_aggregate(
                A::TYPE,
                self.id.0,
                from,
                version_max,
                PageLimit::default(),
            );
            let page = page.await.map_err(|error| self.unread(error))?;
            if page.is_empty() {
                break;
            }
            for entry in &page {
                if !until.includes(entry) {
                    break 'pages;
                }
                let read = past.apply_until(entry, now.seq, version_max);
                read.map_err(|error| self.unreadable(error))?;
            }
            // A long replay lets others of this thread run.
            tokio::task::yield_now().await;
        }
        PAST_EVENTS.add(past.version - began);
        let Recovered { state, version, seq, .. } = past;
        Ok(Confirmed { state, version, shard: now.shard, seq })
    }

    /// The nearest snapshot before; the state before the first event where there is none.
    async fn nearest(
        &self,
        until: Until,
        version_max: u64,
        now: &Confirmed<A::State>,
    ) -> Result<Recovered<A>, Fault> {
        let mut reach = Reach::version(version_max);
        if let Until::Time(at_us) = until {
            reach.recorded_us_max = at_us;
        }
        loop {
            let found = snapshot::newest::<A>(&self.engine.services, self.id, reach, now.seq);
            let Some((head, state)) = found.await.map_err(|error| self.unread(error))? else {
                return Ok(Recovered::default());
            };
            if self.had_happened(&head, until).await? {
                return Ok(Recovered::from_snapshot(state, head.version, head.seq));
            }
            let Some(before) = head.version.checked_sub(1) else { return Ok(Recovered::default()) };
            reach.version_max = before;
        }
    }

    /// Whether a snapshot was reached within what is meant. Stored before a time, by the clock of the
    /// node that stored it, says it not quite: times in the log never go back, clocks may.
    async fn had_happened(&self, head: &SnapshotHead, until: Until) -> Result<bool, Fault> {
        let Until::Time(_) = until else { return Ok(true) };
        let limit = PageLimit { rows: 1, ..PageLimit::default() };
        let journal = &self.engine.services.journal;
        let entry = journal.read_shard(head.shard, head.seq.saturating_sub(1), head.seq, limit);
        let entry = entry.await.map_err(|error| self.unread(error))?;
        Ok(entry.first().is_some_and(|entry| until.includes(entry)))
    }

    /// A page cannot be read now, or never.
    fn unread(&self, error: JournalError) -> Fault {
        match error {
            JournalError::Corrupt(_) => self.unreadable(error),
            error => dropped(Dropped::Unread(self.cause(error))),
        }
    }

    fn unreadable(&self, error: impl Error + Send + Sync + 'static) -> Fault {
        Fault::Unreadable { source: self.cause(error) }
    }

    fn cause(&self, error: impl Error + Send + Sync + 'static) -> Cause {
        Cause::of(error).at(format_args!("{} {}", A::TYPE, self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_takes_places_for_its_distance_and_gives_them_back() {
        let reads = PastReads::new(4);
        let mut near = reads.enter().expect("a place");
        near.cover(EVENTS_PER_PLACE - 1).expect("it is covered by the first place");
        let mut far = reads.enter().expect("a place");
        far.cover(2 * EVENTS_PER_PLACE).expect("two more");
        far.cover(2 * EVENTS_PER_PLACE).expect("what is held already");
        assert_eq!(reads.places.available_permits(), 0);
        assert!(matches!(reads.enter(), Err(Fault::Overloaded { .. })));
        assert!(matches!(near.cover(EVENTS_PER_PLACE), Err(Fault::Overloaded { .. })));
        drop(far);
        near.cover(u64::MAX).expect("all there are, and no more");
        assert!(reads.enter().is_err());
        drop(near);
        assert_eq!(reads.places.available_permits(), 4);
    }
}
