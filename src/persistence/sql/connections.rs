//! A small bounded pool of connections for reads and for the rare writes beside the appends.
//!
//! Unlike the pool of sqlx it never asks a connection whether it still lives before or after each
//! use (two round trips for one read), and it puts back only what was left in a known state: a
//! connection whose call failed, was given up or stopped in the middle of rows is closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A connection unused for longer is asked whether it lives before it is trusted.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

/// How long it may take to say so.
const LIVES_WITHIN: Duration = Duration::from_secs(1);

async fn lives(connection: &mut impl Connection) -> bool {
    matches!(tokio::time::timeout(LIVES_WITHIN, connection.ping()).await, Ok(Ok(())))
}

/// How to open one connection, ready for use.
pub(super) trait Open: Send + Sync + 'static {
    type Connection: Connection + Send + 'static;

    fn open(&self) -> impl Future<Output = Result<Self::Connection, sqlx::Error>> + Send;
}

pub(super) struct Connections<O: Open> {
    opener: O,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle<O::Connection>>>,
}

struct Idle<C> {
    connection: C,
    since: Instant,
}

impl<O: Open> Connections<O> {
    /// At most `max` connections at once; further callers wait their turn.
    pub(super) fn new(opener: O, max: usize) -> Self {
        Self { opener, permits: Arc::new(Semaphore::new(max.max(1))), idle: Mutex::new(Vec::new()) }
    }

    pub(super) fn opener(&self) -> &O {
        &self.opener
    }

    pub(super) async fn acquire(&self) -> Result<Borrowed<'_, O>, sqlx::Error> {
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore of a pool is never closed");
        loop {
            // The lock must end before anything is awaited.
            let idle = self.idle.lock().pop();
            let Some(mut idle) = idle else { break };
            if idle.since.elapsed() < TRUSTED_IDLE || lives(&mut idle.connection).await {
                return Ok(Borrowed { pool: self, connection: idle.connection, permit });
            }
            // What lay beside it is as old, and would be waited for one after another.
            self.idle.lock().retain(|idle| idle.since.elapsed() < TRUSTED_IDLE);
        }
        let connection = self.opener.open().await?;
        Ok(Borrowed { pool: self, connection, permit })
    }

    /// One that was not in use before: what it reads was not kept by an older session.
    pub(super) async fn fresh(&self) -> Result<O::Connection, sqlx::Error> {
        self.opener.open().await
    }
}

/// A connection in use. Dropped without [`give_back`](Borrowed::give_back) it is closed.
pub(super) struct Borrowed<'a, O: Open> {
    pool: &'a Connections<O>,
    connection: O::Connection,
    permit: OwnedSemaphorePermit,
}

impl<O: Open> Borrowed<'_, O> {
    pub(super) fn connection(&mut self) -> &mut O::Connection {
        &mut self.connection
    }

    /// Returns it to the pool. To be called where every answer has been read.
    pub(super) fn give_back(self) {
        let Self { pool, connection, permit } = self;
        pool.idle.lock().push(Idle { connection, since: Instant::now() });
        drop(permit);
    }
}
