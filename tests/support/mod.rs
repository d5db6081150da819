//! What integration tests share: a database for each test, and a proxy that loses packets.

pub mod counter;
pub mod app;
#[cfg(feature = "otlp")]
pub mod collector;
pub mod database;
pub mod engine;
pub mod faults;
pub mod gate;
pub mod life;
pub mod person;
pub mod signed;
#[expect(dead_code, reason = "tests/cluster.rs uses the rest")]
pub mod proxy;
pub mod reading;
pub mod receiver;
pub mod replica;

use std::time::Duration;

/// How long a condition may take to come true before the test that waits for it fails.
/// Long, because the machine may be busy: nothing waits longer than it must.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `condition` gives a value; fails the test, naming `what`, if it never does.
pub async fn eventually<T, F>(what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let waiting = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}
