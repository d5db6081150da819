//! Which sessions were ended before their tokens do: every node looks at the table four times a second, so that an
//! end holds everywhere within a second whatever else is down. What is remembered is as old as a token lives.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use uuid::Uuid;

use persistence::cause::chain;
use persistence::journal::JournalError;
use persistence::sign_ins::{END_KEPT_US, ENDS_READ_MAX, End, SignInStore};
use tokens::Sessions;

const LOOKED_EVERY: Duration = Duration::from_millis(250);
/// Sweeping is done once in so many looks.
const LOOKS_BETWEEN_SWEEPS: u32 = 2_400;
/// For how long at least an end stays in memory; that of an API token as long as this could hold.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// See the module.
pub struct Ended {
    store: Arc<dyn SignInStore>,
    known: RwLock<HashMap<Uuid, Heard>>,
    seen: AtomicU64,
}

/// When this node heard of an end, and until when it matters as the table has it.
struct Heard {
    at: Instant,
    until_us: i64,
}

impl Ended {
    /// Reads all there is.
    pub async fn open(store: Arc<dyn SignInStore>) -> Result<Arc<Self>, JournalError> {
        let ended = Self { store, known: RwLock::default(), seen: AtomicU64::new(0) };
        ended.look().await?;
        Ok(Arc::new(ended))
    }

    /// Looks for as long as anybody else has it.
    pub fn follow(self: &Arc<Self>, now_us: impl Fn() -> i64 + Send + 'static) {
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut looks = 0_u32;
            loop {
                tokio::time::sleep(LOOKED_EVERY).await;
                let Some(ended) = this.upgrade() else { return };
                if let Err(error) = ended.look().await {
                    let error = chain(&error);
                    tracing::warn!(%error, "which sessions were ended is not known anew");
                }
                looks += 1;
                if looks.is_multiple_of(LOOKS_BETWEEN_SWEEPS) {
                    let now = now_us();
                    // The table keeps an end for a day longer than memory needs it.
                    let over = now.saturating_add(END_KEPT_US);
                    ended.known.write().retain(|_, heard| {
                        heard.at.elapsed() < REMEMBERED || heard.until_us > over
                    });
                    if let Err(error) = ended.store.sweep(now).await {
                        tracing::warn!(error = %chain(&error), "sessions that are over stay for now");
                    }
                }
            }
        });
    }

    /// At once on this node; the others see it when they look.
    pub fn add(&self, session: Uuid) {
        self.known.write().insert(session, Heard { at: Instant::now(), until_us: 0 });
    }

    async fn look(&self) -> Result<(), JournalError> {
        loop {
            let seen = self.seen.load(Ordering::Acquire);
            let ended = self.store.ended_after(seen).await?;
            let Some(&End { number: last, .. }) = ended.last() else { return Ok(()) };
            let count = ended.len();
            let heard =
                |end: End| (end.session, Heard { at: Instant::now(), until_us: end.until_us });
            self.known.write().extend(ended.into_iter().map(heard));
            self.seen.store(last, Ordering::Release);
            if count < ENDS_READ_MAX {
                return Ok(());
            }
        }
    }
}

impl Sessions for Ended {
    fn is_ended(&self, session: &str) -> bool {
        Uuid::try_parse(session).is_ok_and(|session| self.known.read().contains_key(&session))
    }
}
