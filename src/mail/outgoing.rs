//! Letters on their way: bounded in number, tried a few times, and nobody waits for them. Whoever asks takes a
//! place before he knows whether there is a letter at all, so that no answer and no time tells.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Carrier, Letter, NotCarried};

/// Letters that wait or are being sent; beyond it nobody gets a place.
pub const WAITING_MAX: usize = 256;
/// Letters that are being sent at once.
const SENT_AT_ONCE: usize = 4;
/// How often one is tried, and how long is waited before the next try.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(5);

/// There is no place.
#[derive(Debug, PartialEq)]
pub struct Full;

/// Of one letter.
pub struct Place(OwnedSemaphorePermit);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    carrier: Arc<dyn Carrier>,
    places: Arc<Semaphore>,
    sending: Arc<Semaphore>,
}

impl Outgoing {
    pub fn by(carrier: Arc<dyn Carrier>) -> Self {
        let (places, sending) = (Semaphore::new(WAITING_MAX), Semaphore::new(SENT_AT_ONCE));
        Self { carrier, places: Arc::new(places), sending: Arc::new(sending) }
    }

    pub fn place(&self) -> Result<Place, Full> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map(Place).map_err(|_| Full)
    }

    /// Finds out in the background what letter there is, and sends it.
    pub fn send(
        &self,
        place: Place,
        letter: impl Future<Output = Option<Letter>> + Send + 'static,
    ) {
        let outgoing = self.clone();
        tokio::spawn(async move {
            if let Some(letter) = letter.await {
                outgoing.carry(&letter).await;
            }
            drop(place.0);
        });
    }

    async fn carry(&self, letter: &Letter) {
        for tried in 1..=TRIES {
            let Ok(turn) = self.sending.acquire().await else { return };
            let carried = self.carrier.carry(letter).await;
            drop(turn);
            match carried {
                Ok(()) => return,
                Err(NotCarried::Later(error)) if tried < TRIES => {
                    tracing::warn!(%error, tried, "a letter did not leave; it is tried again");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(NotCarried::Later(error) | NotCarried::Never(error)) => {
                    tracing::error!(%error, "a letter did not leave");
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use parking_lot::Mutex;
    use tokio::sync::Notify;

    use super::*;

    /// Fails as often as it is told to.
    #[derive(Default)]
    struct Moody {
        fails: Mutex<u32>,
        carried: Mutex<Vec<Letter>>,
        told: Notify,
    }

    #[async_trait]
    impl Carrier for Moody {
        async fn carry(&self, letter: &Letter) -> Result<(), NotCarried> {
            let left = self.fails.lock().checked_sub(1);
            if let Some(left) = left {
                *self.fails.lock() = left;
                return Err(NotCarried::Later("not now".into()));
            }
            self.carried.lock().push(letter.clone());
            self.told.notify_one();
            Ok(())
        }
    }

    fn letter() -> Letter {
        Letter { to: "ada@example.com".into(), subject: "Hi".into(), text: "Hello".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_letter_is_tried_again_and_places_come_back() {
        let moody = Arc::new(Moody { fails: Mutex::new(TRIES - 1), ..Moody::default() });
        let outgoing = Outgoing::by(Arc::clone(&moody) as Arc<dyn Carrier>);
        let place = outgoing.place().expect("there is one");
        outgoing.send(place, async { Some(letter()) });
        moody.told.notified().await;
        assert_eq!(moody.carried.lock().len(), 1);
        let all: Vec<_> = std::iter::from_fn(|| outgoing.place().ok()).collect();
        assert!(all.len() >= WAITING_MAX - 1 && outgoing.place().err() == Some(Full));
        for place in all {
            outgoing.send(place, async { None });
        }
        while outgoing.places.available_permits() < WAITING_MAX {
            tokio::task::yield_now().await;
        }
    }
}
