//! What fills every [`Table`]: folds events into rows.

use std::collections::{BTreeSet, HashSet};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::TableRef;
use super::follower::{Fills, TableFollower, Turned};
use super::writer::{Changes, Writer};
use crate::follower::{At, FollowError};
use domain::id::AggregateId;
use persistence::journal::{Entry, JournalError};
use persistence::read_store::ReadStore;
use projections::table::{Key, Origin, Row, Rows, Stored, Table, Touch};
use projections::{Fact, Place};

/// Fills a table event by event.
pub type EventFollower<T> = TableFollower<Folds<T>>;

/// What a turn read: the entries, and their facts by the place of their entry.
pub struct Folds<T> {
    entries: Vec<At>,
    facts: Vec<(usize, Place, Fact)>,
    table: PhantomData<fn() -> T>,
}

impl<T> Default for Folds<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), facts: Vec::new(), table: PhantomData }
    }
}

impl<T: Table> EventFollower<T> {
    pub fn new(store: Arc<dyn ReadStore>, table: TableRef<T>) -> Self {
        Self { writer: Writer::new(store, table), fills: Folds::default() }
    }

    /// Fills another filling than the one that answers.
    pub fn beside(store: Arc<dyn ReadStore>, generation: u32) -> Self {
        Self { writer: Writer::beside(store, generation), fills: Folds::default() }
    }
}

impl<T: Table> Folds<T> {
    /// The rows that this turn's events touch, as they are kept.
    async fn load(&self, writer: &Writer<T>) -> Result<Rows<T::Row>, JournalError> {
        let (mut keys, mut new, mut whole) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (_, place, fact) in &self.facts {
            T::touches(*place, fact, &mut |touch| match touch {
                Touch::Row(key) => drop(keys.insert(key)),
                Touch::New(key) => drop(new.insert(key)),
                Touch::Whole(id) => drop(whole.insert(id)),
            });
        }
        let mut rows = Rows::default();
        let mut load = |stored: Stored| {
            let Some(row) = T::Row::read(&stored.values) else {
                let reason =
                    format!("a row of {} is none: {:?}", writer.filling.name(), stored.key);
                return Err(JournalError::Corrupt(reason.into()));
            };
            rows.load(stored.key, stored.origin, row);
            Ok(())
        };
        let keys: Vec<Key> = keys.difference(&new).copied().collect();
        for stored in writer.store.rows(writer.filling, &keys).await? {
            load(stored)?;
        }
        for id in whole {
            for stored in writer.store.rows_of(writer.filling, Key::of(id)).await? {
                load(stored)?;
            }
        }
        Ok(rows)
    }

    /// Applies what this turn read. Entries that cannot be applied are named, with what comes later to
    /// their aggregates left out.
    fn fold(&self, rows: &mut Rows<T::Row>) -> (Changes, Vec<(At, String)>) {
        let trusting = AssertUnwindSafe(|| {
            for (entry, place, fact) in &self.facts {
                apply::<T>(rows, &self.entries[*entry], *place, fact);
            }
            changes_of(rows)
        });
        let fits = |row: &Stored| T::SHAPE.misfit(&row.values).is_none();
        match catch_unwind(trusting) {
            Ok(changes) if changes.put.iter().all(fits) => (changes, Vec::new()),
            _ => {
                rows.reset();
                let failed = self.fold_each(rows);
                (changes_of(rows), failed)
            }
        }
    }

    fn fold_each(&self, rows: &mut Rows<T::Row>) -> Vec<(At, String)> {
        let mut failed = Vec::new();
        let mut left_out: HashSet<AggregateId> = HashSet::new();
        for of_entry in self.facts.chunk_by(|one, other| one.0 == other.0) {
            let at = &self.entries[of_entry[0].0];
            if left_out.contains(&at.aggregate_id) {
                continue;
            }
            let saved = rows.save(at.aggregate_id);
            let applying = AssertUnwindSafe(|| {
                for (_, place, fact) in of_entry {
                    apply::<T>(rows, at, *place, fact);
                }
            });
            let reason = match catch_unwind(applying) {
                Ok(()) => match rows.misfit_of(T::SHAPE, at.aggregate_id) {
                    None => continue,
                    Some(misfit) => misfit,
                },
                Err(_) => "it panicked".to_owned(),
            };
            rows.restore(saved);
            left_out.insert(at.aggregate_id);
            failed.push((at.clone(), reason));
        }
        failed
    }
}

fn changes_of<R: Row>(rows: &Rows<R>) -> Changes {
    let (put, gone) = rows.changes();
    Changes { put, gone, counted: rows.counted() }
}

fn apply<T: Table>(rows: &mut Rows<T::Row>, at: &At, place: Place, fact: &Fact) {
    rows.at(Origin { version: place.version, shard: at.shard, seq: at.seq });
    T::apply(place, fact, rows);
}

impl<T: Table> Fills for Folds<T> {
    type Table = T;

    fn wants(aggregate_type: &str) -> bool {
        T::wants(aggregate_type)
    }

    fn skims(&mut self, entry: &Entry) -> bool {
        !T::may_matter(&entry.events)
    }

    fn take(&mut self, entry: &Entry, place: Place, fact: Fact) {
        let is_last = |at: &At| (at.shard, at.seq) == (entry.shard, entry.seq);
        if !self.entries.last().is_some_and(is_last) {
            self.entries.push(At::of(entry));
        }
        self.facts.push((self.entries.len() - 1, place, fact));
    }

    fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    fn forget(&mut self) {
        self.entries.clear();
        self.facts.clear();
    }

    async fn turned(&self, writer: &Writer<T>) -> Result<Turned, FollowError> {
        let mut rows = writer.patient(|| self.load(writer)).await?;
        let (changes, failed) = self.fold(&mut rows);
        Ok(Turned { changes, read: self.entries.iter().map(|at| at.shard).collect(), failed })
    }
}
