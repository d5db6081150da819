//! The chain of one shard's rows: what binds each to the one before it, and what the head says of all.

use persistence::secrets::{Installation, Purpose};
use projections::table::Key;
use projections::tables::audit::{Row, head_of};

/// Where a chain ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// How many rows it has.
    pub rows: u64,
    /// The hash of its last row; empty before the first.
    pub last: String,
    /// The place of its last row in the log.
    pub seq: u64,
}

impl Chain {
    /// The end that a head tells of. Its hash is that of the last row with its own behind it.
    pub fn behind(head: &Row) -> Self {
        let last = head.action.clone();
        Self { rows: head.count, last, seq: head.seq }
    }

    /// Binds the next row: gives it its hash.
    pub fn bind(&mut self, installation: &Installation, key: Key, row: &mut Row) {
        let generation = installation.secret(Purpose::Audit).generation;
        row.hash = self.hash(installation, generation, key, row).unwrap_or_default();
        self.take(row);
    }

    /// Goes on behind a row.
    pub fn take(&mut self, row: &Row) {
        self.rows += 1;
        self.last.clone_from(&row.hash);
        self.seq = row.seq;
    }

    /// Whether this is the next row, as it was bound.
    pub fn holds(&self, installation: &Installation, key: Key, row: &Row) -> bool {
        let hash = generation_of(&row.hash)
            .and_then(|generation| self.hash(installation, generation, key, row));
        hash.as_deref() == Some(row.hash.as_str())
    }

    /// The head that says that it ends here.
    pub fn head(&self, installation: &Installation, shard: u16, seq: u64) -> Row {
        let mut head = Row { action: self.last.clone(), ..Row::head(shard, self.rows, seq) };
        let generation = installation.secret(Purpose::Audit).generation;
        let hash = self.hash(installation, generation, head_of(shard), &head);
        head.hash = hash.unwrap_or_default();
        head
    }

    /// Whether a head is one that was made here, and says where this chain ends.
    pub fn ends_at(&self, installation: &Installation, head: &Row) -> bool {
        Self::behind(head) == *self && self.holds(installation, head_of(head.shard), head)
    }

    /// None where there is no key of that generation.
    fn hash(
        &self,
        installation: &Installation,
        generation: u32,
        key: Key,
        row: &Row,
    ) -> Option<String> {
        let mut bytes = row.content(key);
        bytes.extend_from_slice(self.last.as_bytes());
        let sum = installation.mac(Purpose::Audit, generation, &bytes)?;
        let mut text = format!("{generation}:");
        for byte in sum {
            use std::fmt::Write as _;
            write!(text, "{byte:02x}").expect("a string takes it");
        }
        Some(text)
    }
}

fn generation_of(hash: &str) -> Option<u32> {
    hash.split_once(':')?.0.parse().ok()
}
