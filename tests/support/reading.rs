//! A read store within a read store: what tables are filled by passes hooks first, which may wait, refuse, do
//! otherwise, or lose an answer. What is read by lists goes through untouched.

use std::sync::Arc;

use async_trait::async_trait;
use emporium::persistence::follower_board::FollowerBoard;
use emporium::persistence::job_parts::JobParts;
use emporium::persistence::journal::JournalError;
use emporium::persistence::read_store::{Asked, Bookmark, Filling, ReadStore, Turn, Written};
use emporium::projections::plan::Slice;
use emporium::projections::table::{Key, Shape, Stored};
use emporium::projections::tally::Counted;

/// What whoever fills a table is about to have done, or has had done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Make,
    /// The rows that a turn touches.
    Load,
    Write,
    Adopt,
}

/// What becomes of the steps of those who fill tables.
#[async_trait]
pub trait ReadHooks: Send + Sync + 'static {
    /// It is done once this returns `Ok`.
    async fn before(&self, _: Filling, _: Step) -> Result<(), JournalError> {
        Ok(())
    }

    /// It was done; whoever asked is not told yet.
    async fn after(&self, _: Filling, _: Step) -> Result<(), JournalError> {
        Ok(())
    }

    /// In place of the writing of a turn.
    async fn write(
        &self,
        store: &dyn ReadStore,
        filling: Filling,
        turn: Turn<'_>,
    ) -> Result<Written, JournalError> {
        store.write(filling, turn).await
    }
}

/// See the module.
pub struct Hooked<H> {
    inner: Arc<dyn ReadStore>,
    hooks: Arc<H>,
}

impl<H: ReadHooks> Hooked<H> {
    pub fn new(inner: Arc<dyn ReadStore>, hooks: Arc<H>) -> Self {
        Self { inner, hooks }
    }

    async fn step<T: Send>(
        &self,
        filling: Filling,
        step: Step,
        done: impl Future<Output = Result<T, JournalError>> + Send,
    ) -> Result<T, JournalError> {
        self.hooks.before(filling, step).await?;
        let done = done.await?;
        self.hooks.after(filling, step).await?;
        Ok(done)
    }
}

#[async_trait]
impl<H: ReadHooks> ReadStore for Hooked<H> {
    async fn prepare(&self, shape: &'static Shape, shards: u16) -> Result<Filling, JournalError> {
        self.inner.prepare(shape, shards).await
    }

    async fn make(&self, filling: Filling, shards: u16) -> Result<(), JournalError> {
        self.step(filling, Step::Make, self.inner.make(filling, shards)).await
    }

    async fn adopt(&self, filling: Filling) -> Result<bool, JournalError> {
        self.step(filling, Step::Adopt, self.inner.adopt(filling)).await
    }

    async fn begin_anew(&self) -> Result<(), JournalError> {
        self.inner.begin_anew().await
    }

    async fn bookmark(&self, filling: Filling) -> Result<Bookmark, JournalError> {
        self.inner.bookmark(filling).await
    }

    async fn rows(&self, filling: Filling, keys: &[Key]) -> Result<Vec<Stored>, JournalError> {
        self.step(filling, Step::Load, self.inner.rows(filling, keys)).await
    }

    async fn rows_of(&self, filling: Filling, whole: Key) -> Result<Vec<Stored>, JournalError> {
        self.inner.rows_of(filling, whole).await
    }

    async fn write(&self, filling: Filling, turn: Turn<'_>) -> Result<Written, JournalError> {
        let written = self.hooks.write(&*self.inner, filling, turn);
        self.step(filling, Step::Write, written).await
    }

    async fn page(&self, filling: Filling, slice: &Slice) -> Result<Vec<Stored>, JournalError> {
        self.inner.page(filling, slice).await
    }

    async fn explain(&self, filling: Filling, asked: Asked<'_>) -> Result<String, JournalError> {
        self.inner.explain(filling, asked).await
    }

    fn board(&self) -> &dyn FollowerBoard {
        self.inner.board()
    }

    fn job_parts(&self) -> &dyn JobParts {
        self.inner.job_parts()
    }

    async fn sums(
        &self,
        filling: Filling,
        from: i64,
        to: i64,
        groups_max: u32,
    ) -> Result<Vec<Counted>, JournalError> {
        self.inner.sums(filling, from, to, groups_max).await
    }

    async fn count(&self, filling: Filling, slice: &Slice) -> Result<u32, JournalError> {
        self.inner.count(filling, slice).await
    }
}
