//! Asks where the logs of aggregates end, for many callers in one statement: whatever queued up
//! while the last question was under way is asked together, as commits are. Most aggregates that
//! are begun are new, and this is all that is read of their log.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::cause::Cause;
use crate::journal::{JournalError, LogReader};

/// The kind and the id of an aggregate, as the log has them.
pub type LogName<'a> = (&'a str, Uuid);

/// The most logs of one question.
pub const LOGS_PER_QUESTION_MAX: usize = 64;

/// The numbers of logs that questions have: few, because each is a prepared statement of its own.
const SIZES: [usize; 7] = [LOGS_PER_QUESTION_MAX, 32, 16, 8, 4, 2, 1];

/// See the module.
pub struct LastVersions {
    log: Arc<dyn LogReader>,
    /// Who waits for each database. Bounded by those who wait: each waits for one answer.
    waiting: Box<[Mutex<Waiting>]>,
}

/// One who asks, and for which log.
type Asked = (LogName<'static>, oneshot::Sender<Result<u64, JournalError>>);

#[derive(Default)]
struct Waiting {
    asked: Vec<Asked>,
    /// Somebody asks the database until nobody waits.
    asking: bool,
}

impl LastVersions {
    pub fn new(log: Arc<dyn LogReader>) -> Arc<Self> {
        let waiting = (0..log.databases()).map(|_| Mutex::default()).collect();
        Arc::new(Self { log, waiting })
    }

    /// The version that an aggregate has come to; 0 if it has no entry.
    pub async fn of(self: &Arc<Self>, name: LogName<'static>) -> Result<u64, JournalError> {
        let (sender, answer) = oneshot::channel();
        let database = self.log.database_with(name.0, name.1);
        let asks = {
            let mut waiting = self.waiting[database].lock();
            waiting.asked.push((name, sender));
            !std::mem::replace(&mut waiting.asking, true)
        };
        if asks {
            // Not on the caller's task: who stops waiting must not stop the others.
            tokio::spawn(Arc::clone(self).ask(database));
        }
        answer.await.unwrap_or_else(|_| {
            Err(JournalError::Unreachable(Cause::from("the question was given up")))
        })
    }

    async fn ask(self: Arc<Self>, database: usize) {
        while let Some(group) = self.next_group(database) {
            let (names, callers): (Vec<LogName<'static>>, Vec<_>) = group.into_iter().unzip();
            match self.log.last_versions(&names).await {
                Ok(versions) => {
                    debug_assert_eq!(versions.len(), callers.len());
                    for (caller, version) in callers.into_iter().zip(versions) {
                        let _ = caller.send(Ok(version));
                    }
                }
                Err(error) => {
                    for caller in callers {
                        let _ = caller.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    fn next_group(&self, database: usize) -> Option<Vec<Asked>> {
        let mut waiting = self.waiting[database].lock();
        let Some(size) = SIZES.iter().find(|size| **size <= waiting.asked.len()) else {
            waiting.asking = false;
            return None;
        };
        Some(waiting.asked.drain(..size).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::journal::{Entry, PageLimit, Seq, ShardId};

    /// A log that answers a question once it is let, with the last byte of each id.
    struct Slow {
        let_through: Semaphore,
        questions: Mutex<Vec<usize>>,
    }

    #[async_trait]
    impl LogReader for Slow {
        async fn heads(&self, _: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
            unreachable!("no head is asked for")
        }

        async fn read_shard(
            &self,
            _: ShardId,
            _: Seq,
            _: Seq,
            _: PageLimit,
        ) -> Result<Vec<Entry>, JournalError> {
            unreachable!("no shard is read")
        }

        async fn read_aggregate(
            &self,
            _: &str,
            _: Uuid,
            _: u64,
            _: u64,
            _: PageLimit,
        ) -> Result<Vec<Entry>, JournalError> {
            unreachable!("no aggregate is read")
        }

        async fn last_versions(&self, names: &[LogName<'_>]) -> Result<Vec<u64>, JournalError> {
            self.let_through.acquire().await.expect("open").forget();
            self.questions.lock().push(names.len());
            if names.iter().any(|(kind, _)| *kind == "broken") {
                return Err(JournalError::Corrupt(Cause::from("broken")));
            }
            Ok(names.iter().map(|(_, id)| u64::from(id.as_bytes()[15])).collect())
        }
    }

    fn log() -> (Arc<Slow>, Arc<LastVersions>) {
        let slow = Slow { let_through: Semaphore::new(0), questions: Mutex::default() };
        let slow = Arc::new(slow);
        (Arc::clone(&slow), LastVersions::new(slow))
    }

    fn name(number: u8) -> LogName<'static> {
        ("order", Uuid::from_u128(u128::from(number)))
    }

    #[tokio::test]
    async fn what_queued_up_is_asked_together_and_each_is_told_its_own() {
        let (slow, last) = log();
        let ask = |number| {
            let last = Arc::clone(&last);
            tokio::spawn(async move { last.of(name(number)).await })
        };
        let mut asked = vec![ask(0)];
        // The first question is under way before the others are asked.
        while !last.waiting[0].lock().asked.is_empty() || !last.waiting[0].lock().asking {
            tokio::task::yield_now().await;
        }
        asked.extend((1..=100).map(ask));
        while last.waiting[0].lock().asked.len() < 100 {
            tokio::task::yield_now().await;
        }
        // One of those who wait gives up.
        asked.remove(50).abort();
        slow.let_through.add_permits(9);
        let mut told = Vec::new();
        for asked in asked {
            told.push(asked.await.expect("not aborted").expect("a version"));
        }
        assert_eq!(told, (0..=100).filter(|number| *number != 50).collect::<Vec<u64>>());
        assert_eq!(*slow.questions.lock(), [1, 64, 32, 4]);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_asked_together_and_the_next_question_is_asked_anew() {
        let (slow, last) = log();
        slow.let_through.add_permits(2);
        let broken = last.of(("broken", Uuid::nil())).await;
        assert!(matches!(broken, Err(JournalError::Corrupt(_))));
        let within = tokio::time::timeout(Duration::from_secs(5), last.of(name(7)));
        assert_eq!(within.await.expect("an answer").expect("a version"), 7);
    }
}
