//! Read tables whose database did not answer when the node began: what is asked of them is refused until it is
//! there, and everything else goes on. Whoever looks for it says when it is found, or why it is not.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::follower_board::{FollowerBoard, Report, Standing};
use crate::job_parts::{JobParts, Part};
use crate::journal::{JournalError, Seq, ShardId};
use crate::read_store::{Asked, Bookmark, Filling, ReadCopy, ReadStore, Turn, Written};
use domain::id::AggregateId;
use projections::plan::Slice;
use projections::table::{Key, Shape, Stored};
use projections::tally::Counted;

/// See the module.
pub struct Late {
    store: OnceLock<Arc<dyn ReadStore>>,
    /// Why it is not there, until it is.
    missed: watch::Sender<Option<JournalError>>,
}

impl Late {
    pub fn missed(why: JournalError) -> Arc<Self> {
        Arc::new(Self { store: OnceLock::new(), missed: watch::channel(Some(why)).0 })
    }

    /// It is not there, for this reason now.
    pub fn still_missed(&self, why: JournalError) {
        self.missed.send_replace(Some(why));
    }

    /// It is there from now on.
    pub fn found(&self, store: Arc<dyn ReadStore>) {
        if self.store.set(store).is_ok() {
            self.missed.send_replace(None);
        }
    }

    fn store(&self) -> Result<&dyn ReadStore, JournalError> {
        self.store.get().map(|store| &**store).ok_or_else(|| {
            let nothing_yet = || JournalError::Unreachable("it was just found".into());
            self.missed.borrow().clone().unwrap_or_else(nothing_yet)
        })
    }
}

#[async_trait]
impl ReadStore for Late {
    fn away(&self) -> Option<JournalError> {
        self.store().err()
    }

    async fn there(&self) {
        // Whoever tells lives as long as this.
        let _ = self.missed.subscribe().wait_for(Option::is_none).await;
    }

    async fn prepare(&self, shape: &'static Shape, shards: u16) -> Result<Filling, JournalError> {
        self.store()?.prepare(shape, shards).await
    }

    async fn make(&self, filling: Filling, shards: u16) -> Result<(), JournalError> {
        self.store()?.make(filling, shards).await
    }

    async fn adopt(&self, filling: Filling) -> Result<bool, JournalError> {
        self.store()?.adopt(filling).await
    }

    async fn begin_anew(&self) -> Result<(), JournalError> {
        self.store()?.begin_anew().await
    }

    async fn bookmark(&self, filling: Filling) -> Result<Bookmark, JournalError> {
        self.store()?.bookmark(filling).await
    }

    async fn rows(&self, filling: Filling, keys: &[Key]) -> Result<Vec<Stored>, JournalError> {
        self.store()?.rows(filling, keys).await
    }

    async fn rows_of(&self, filling: Filling, whole: Key) -> Result<Vec<Stored>, JournalError> {
        self.store()?.rows_of(filling, whole).await
    }

    async fn write(&self, filling: Filling, turn: Turn<'_>) -> Result<Written, JournalError> {
        self.store()?.write(filling, turn).await
    }

    async fn page(&self, filling: Filling, slice: &Slice) -> Result<Vec<Stored>, JournalError> {
        self.store()?.page(filling, slice).await
    }

    async fn explain(&self, filling: Filling, asked: Asked<'_>) -> Result<String, JournalError> {
        self.store()?.explain(filling, asked).await
    }

    fn copy(&self) -> Option<&dyn ReadCopy> {
        self.store().ok()?.copy()
    }

    fn board(&self) -> &dyn FollowerBoard {
        self.store().map_or(self, ReadStore::board)
    }

    fn job_parts(&self) -> &dyn JobParts {
        self.store().map_or(self, ReadStore::job_parts)
    }

    async fn sums(
        &self,
        filling: Filling,
        from: i64,
        to: i64,
        groups_max: u32,
    ) -> Result<Vec<Counted>, JournalError> {
        self.store()?.sums(filling, from, to, groups_max).await
    }

    async fn count(&self, filling: Filling, slice: &Slice) -> Result<u32, JournalError> {
        self.store()?.count(filling, slice).await
    }
}

/// Asked only until the tables are found; then theirs is.
#[async_trait]
impl FollowerBoard for Late {
    async fn claim(&self, installation: &str) -> Result<String, JournalError> {
        self.store()?.board().claim(installation).await
    }

    async fn furthest(&self) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        self.store()?.board().furthest().await
    }

    async fn standings(&self) -> Result<Vec<Standing>, JournalError> {
        self.store()?.board().standings().await
    }

    async fn begin_filling(&self, table: &str) -> Result<(), JournalError> {
        self.store()?.board().begin_filling(table).await
    }

    async fn end_filling(&self, table: &str, filling: u32) -> Result<(), JournalError> {
        self.store()?.board().end_filling(table, filling).await
    }

    async fn fillings(&self) -> Result<Vec<String>, JournalError> {
        self.store()?.board().fillings().await
    }

    async fn bookmark_of(&self, filling: &str) -> Result<Option<Bookmark>, JournalError> {
        self.store()?.board().bookmark_of(filling).await
    }

    async fn count_of(&self, filling: &str) -> Result<u64, JournalError> {
        self.store()?.board().count_of(filling).await
    }

    async fn drop_filling(&self, filling: &str) -> Result<(), JournalError> {
        self.store()?.board().drop_filling(filling).await
    }

    async fn report(&self, reports: &[Report]) -> Result<(), JournalError> {
        self.store()?.board().report(reports).await
    }

    async fn reports(&self, node: Option<&str>) -> Result<Vec<Report>, JournalError> {
        self.store()?.board().reports(node).await
    }

    async fn ask(&self, follower: &str, aggregate: &str) -> Result<u64, JournalError> {
        self.store()?.board().ask(follower, aggregate).await
    }

    async fn forget_before(&self, reported_us: i64) -> Result<(), JournalError> {
        self.store()?.board().forget_before(reported_us).await
    }
}

#[async_trait]
impl JobParts for Late {
    async fn part(&self, job: AggregateId, number: u64) -> Result<Option<Part>, JournalError> {
        self.store()?.job_parts().part(job, number).await
    }

    async fn keep_part(&self, job: AggregateId, part: &Part) -> Result<(), JournalError> {
        self.store()?.job_parts().keep_part(job, part).await
    }

    async fn drop_parts(&self, job: AggregateId) -> Result<(), JournalError> {
        self.store()?.job_parts().drop_parts(job).await
    }

    async fn forget_parts_before(&self, made_us: i64) -> Result<(), JournalError> {
        self.store()?.job_parts().forget_parts_before(made_us).await
    }
}
