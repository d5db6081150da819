//! Gathers one page of entries within its bounds, whatever database they come from.
//!
//! Rows are asked for in chunks: a first small one tells how heavy rows are, the following are as
//! long as the bytes left allow. So a page of 4 MiB never makes a database send 1,024 rows of
//! 1 MiB, and a page of small rows costs one statement more.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use persistence::journal::{Entry, PageLimit};

/// The rows of the first chunk.
const FIRST_CHUNK_ROWS: u32 = 16;

pub(super) struct Page<'a> {
    range: Range<'a>,
    limit: PageLimit,
    entries: Vec<Entry>,
    bytes: usize,
    full: bool,
    last_type: Option<Arc<str>>,
}

impl<'a> Page<'a> {
    pub(super) fn new(range: Range<'a>, limit: PageLimit) -> Self {
        let full = limit.rows == 0;
        Self { range, limit, entries: Vec::new(), bytes: 0, full, last_type: None }
    }

    /// What is still to be read.
    pub(super) fn range(&self) -> Range<'a> {
        self.range
    }

    /// How many rows to ask for next; `None` when the page is full.
    pub(super) fn next_chunk(&self) -> Option<u32> {
        let rows_left = self.limit.rows.saturating_sub(self.len());
        if self.full || rows_left == 0 {
            return None;
        }
        if self.entries.is_empty() {
            return Some(rows_left.min(FIRST_CHUNK_ROWS));
        }
        let average = (self.bytes / self.entries.len()).max(1);
        let fitting = self.limit.bytes.saturating_sub(self.bytes) / average;
        // One more than fits: it is the row that shows that the page is full.
        Some(rows_left.min(u32::try_from(fitting).unwrap_or(u32::MAX).saturating_add(1)))
    }

    /// Takes an entry; `false` if it did not fit, and then nothing further does.
    pub(super) fn push(&mut self, entry: Entry) -> bool {
        if !self.range.holds(&entry) {
            return true;
        }
        let weight = entry.weight();
        if !self.entries.is_empty() && self.bytes + weight > self.limit.bytes {
            self.full = true;
            return false;
        }
        self.bytes += weight;
        self.range = self.range.behind(&entry);
        self.entries.push(entry);
        true
    }

    /// The stored name as a shared string: neighbours are mostly of one type, so that a page
    /// holds few copies of it.
    pub(super) fn intern(&mut self, aggregate_type: &str) -> Arc<str> {
        match &self.last_type {
            Some(last) if **last == *aggregate_type => last.clone(),
            _ => self.last_type.insert(Arc::from(aggregate_type)).clone(),
        }
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }
}

/// Which entries a read wants: the part that differs between the two reads of the journal.
#[derive(Clone, Copy)]
pub(super) enum Range<'a> {
    /// Entries of a shard with `after < seq <= through`.
    Shard { shard: u16, after: u64, through: u64 },
    /// Entries of an aggregate from the one that holds `from` up to version `to`.
    Aggregate { aggregate_type: &'a str, aggregate_id: Uuid, from: u64, to: u64 },
}

impl Range<'_> {
    /// What remains to be read once `last` has been.
    fn behind(self, last: &Entry) -> Self {
        match self {
            Range::Shard { shard, through, .. } => Range::Shard { shard, after: last.seq, through },
            Range::Aggregate { aggregate_type, aggregate_id, to, .. } => Range::Aggregate {
                aggregate_type,
                aggregate_id,
                from: last.version + u64::from(last.count),
                to,
            },
        }
    }

    /// Whether a row that was read belongs: the index step that finds a straddling entry may
    /// also find one that ends before the first version wanted.
    fn holds(self, entry: &Entry) -> bool {
        match self {
            Range::Shard { .. } => true,
            Range::Aggregate { from, .. } => entry.version + u64::from(entry.count) > from,
        }
    }
}

/// Where the next row was to be: for whoever looks for one that cannot be read.
impl fmt::Display for Range<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range::Shard { shard, after, .. } => {
                write!(formatter, "shard {shard}, behind entry {after}")
            }
            Range::Aggregate { aggregate_type, aggregate_id, from, .. } => {
                write!(formatter, "{aggregate_type}/{aggregate_id}, from version {from} on")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: Range<'static> = Range::Shard { shard: 0, after: 0, through: u64::MAX };

    fn entry(bytes: usize) -> Entry {
        Entry {
            shard: 0,
            seq: 1,
            epoch: 1,
            attempt: 1,
            aggregate_type: Arc::from("order"),
            aggregate_id: Uuid::nil(),
            version: 1,
            count: 1,
            events: "x".repeat(bytes),
            recorded_us: 0,
        }
    }

    #[test]
    fn the_first_entry_always_fits_and_closes_a_page_it_overflows() {
        let mut page = Page::new(SHARD, PageLimit { rows: 10, bytes: 100 });
        assert!(page.push(entry(1_000)));
        assert_eq!(page.next_chunk(), Some(1), "one row to learn whether there is more room");
        assert!(!page.push(entry(1)));
        assert_eq!(page.next_chunk(), None);
    }

    #[test]
    fn chunks_follow_the_weight_of_what_was_read() {
        let mut page = Page::new(SHARD, PageLimit { rows: 1_024, bytes: 10_000 });
        assert_eq!(page.next_chunk(), Some(FIRST_CHUNK_ROWS));
        assert!(page.push(entry(872)));
        assert_eq!(page.next_chunk(), Some(10), "nine fit, the tenth shows that it is full");
    }

    #[test]
    fn an_entry_that_ends_before_the_first_version_wanted_is_left_out() {
        let range =
            Range::Aggregate { aggregate_type: "order", aggregate_id: Uuid::nil(), from: 2, to: 9 };
        let mut page = Page::new(range, PageLimit::default());
        assert!(page.push(entry(1)));
        assert!(page.into_entries().is_empty());
    }

    #[test]
    fn rows_bound_a_page_before_bytes_do() {
        let mut page = Page::new(SHARD, PageLimit { rows: 2, bytes: usize::MAX });
        assert!(page.push(entry(1)));
        assert!(page.push(entry(1)));
        assert_eq!(page.next_chunk(), None);
    }
}
