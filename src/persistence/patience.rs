//! The patience of a start: a database that does not answer yet, or resets a connection, is asked
//! again for a while before the program gives up.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::cause::chain;
use crate::journal::JournalError;

/// How long a start waits for a database.
pub const START_PATIENCE: Duration = Duration::from_secs(60);
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often it is said what is waited for.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Tries until it succeeds, fails for good, or [`START_PATIENCE`] is over: then the last error.
/// `what` is tried, for the log.
pub async fn patiently<T, F>(what: &str, mut attempt: impl FnMut() -> F) -> Result<T, JournalError>
where
    F: Future<Output = Result<T, JournalError>>,
{
    let began = Instant::now();
    let mut told: Option<Instant> = None;
    let mut pause = PAUSE_FIRST;
    loop {
        let error = match attempt().await {
            Err(error @ JournalError::Unreachable(_)) if began.elapsed() < START_PATIENCE => error,
            done => return done,
        };
        if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            tracing::warn!(what, error = %chain(&error), "the database does not answer yet");
            told = Some(Instant::now());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone() -> JournalError {
        JournalError::Unreachable("reset".into())
    }

    #[tokio::test]
    async fn what_passes_is_waited_for_and_what_does_not_is_told_at_once() {
        let mut tries = 0;
        let third = patiently("a test", || {
            tries += 1;
            let answer = if tries < 3 { Err(gone()) } else { Ok(tries) };
            async move { answer }
        });
        assert_eq!(third.await.expect("it comes"), 3);
        let mut tries = 0;
        let wrong = patiently("a test", || {
            tries += 1;
            async { Err::<(), _>(JournalError::Refused("no such user".into())) }
        });
        assert!(matches!(wrong.await, Err(JournalError::Refused(_))));
        assert_eq!(tries, 1);
    }
}
