//! Read tables with a replica: turns are written to the primary, and pages are read from the copy that the
//! database keeps of it, which is a little behind. One that does not answer is done without for a while;
//! lists are read from the primary meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::cause::chain;
use crate::follower_board::FollowerBoard;
use crate::job_parts::JobParts;
use crate::journal::JournalError;
use crate::metrics::REPLICA_FAILURES;
use crate::read_store::{Asked, Bookmark, Filling, ReadCopy, ReadStore, Turn, Written};
use projections::plan::Slice;
use projections::position::Position;
use projections::table::{Key, Shape, Stored};
use projections::tally::Counted;

/// How long one that failed is not asked.
const AWAY_FOR: Duration = Duration::from_secs(5);
/// How long it may take to say where it stands.
const STANDS_WITHIN: Duration = Duration::from_secs(1);

/// See the module.
pub struct Replicated {
    primary: Arc<dyn ReadStore>,
    replica: Arc<dyn ReadStore>,
    /// When it failed last, unless it has answered since.
    failed: Mutex<Option<Instant>>,
}

impl Replicated {
    pub fn new(primary: Arc<dyn ReadStore>, replica: Arc<dyn ReadStore>) -> Self {
        Self { primary, replica, failed: Mutex::new(None) }
    }

    fn is_away(&self) -> bool {
        self.failed.lock().is_some_and(|failed| failed.elapsed() < AWAY_FOR)
    }

    fn heed(&self, failure: Option<&JournalError>) {
        let mut failed = self.failed.lock();
        match failure {
            Some(error) => {
                if failed.is_none() {
                    tracing::warn!(
                        error = %chain(error),
                        "the replica of the read tables does not answer; lists are read from the primary"
                    );
                }
                REPLICA_FAILURES.inc();
                *failed = Some(Instant::now());
            }
            None => {
                if failed.take().is_some() {
                    tracing::info!("lists are read from the replica of the read tables again");
                }
            }
        }
    }
}

#[async_trait]
impl ReadCopy for Replicated {
    async fn stands_at(&self, filling: Filling) -> Result<Option<Position>, JournalError> {
        let name = filling.name();
        let asking = self.replica.board().bookmark_of(&name);
        let late = || JournalError::Unreachable("it did not answer in time".into());
        let answer = tokio::time::timeout(STANDS_WITHIN, asking).await;
        let answer = answer.unwrap_or_else(|_| Err(late()));
        self.heed(answer.as_ref().err());
        Ok(answer?.map(|bookmark| bookmark.position))
    }

    fn store(&self) -> &dyn ReadStore {
        &*self.replica
    }
}

#[async_trait]
impl ReadStore for Replicated {
    fn away(&self) -> Option<JournalError> {
        self.primary.away()
    }

    async fn there(&self) {
        self.primary.there().await;
    }

    async fn prepare(&self, shape: &'static Shape, shards: u16) -> Result<Filling, JournalError> {
        self.primary.prepare(shape, shards).await
    }

    async fn make(&self, filling: Filling, shards: u16) -> Result<(), JournalError> {
        self.primary.make(filling, shards).await
    }

    async fn adopt(&self, filling: Filling) -> Result<bool, JournalError> {
        self.primary.adopt(filling).await
    }

    async fn begin_anew(&self) -> Result<(), JournalError> {
        self.primary.begin_anew().await
    }

    async fn bookmark(&self, filling: Filling) -> Result<Bookmark, JournalError> {
        self.primary.bookmark(filling).await
    }

    async fn rows(&self, filling: Filling, keys: &[Key]) -> Result<Vec<Stored>, JournalError> {
        self.primary.rows(filling, keys).await
    }

    async fn rows_of(&self, filling: Filling, whole: Key) -> Result<Vec<Stored>, JournalError> {
        self.primary.rows_of(filling, whole).await
    }

    async fn write(&self, filling: Filling, turn: Turn<'_>) -> Result<Written, JournalError> {
        self.primary.write(filling, turn).await
    }

    async fn page(&self, filling: Filling, slice: &Slice) -> Result<Vec<Stored>, JournalError> {
        self.primary.page(filling, slice).await
    }

    async fn explain(&self, filling: Filling, asked: Asked<'_>) -> Result<String, JournalError> {
        self.primary.explain(filling, asked).await
    }

    fn copy(&self) -> Option<&dyn ReadCopy> {
        (!self.is_away()).then_some(self)
    }

    fn board(&self) -> &dyn FollowerBoard {
        self.primary.board()
    }

    fn job_parts(&self) -> &dyn JobParts {
        self.primary.job_parts()
    }

    async fn sums(
        &self,
        filling: Filling,
        from: i64,
        to: i64,
        groups_max: u32,
    ) -> Result<Vec<Counted>, JournalError> {
        self.primary.sums(filling, from, to, groups_max).await
    }

    async fn count(&self, filling: Filling, slice: &Slice) -> Result<u32, JournalError> {
        self.primary.count(filling, slice).await
    }
}
