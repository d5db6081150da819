//! An issuer and its keys: read from where its discovery document says (OpenID Connect Discovery 1.0),
//! or given by this program, where it is the issuer. Keys that are known go on while an issuer does
//! not answer; it is asked at most once in ten seconds, whatever tokens come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex as Short;
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};

use super::fetch::{Failed, Fetcher, allowed};
use super::keys::{KeySet, Unusable};
use super::metrics::FETCHED;

/// An issuer is asked at most once within this time.
pub const PAUSE: Duration = Duration::from_secs(10);
/// Keys are looked at again after this time, so that what an issuer takes back ends.
const LOOKED_EVERY: Duration = Duration::from_secs(300);
/// Keys that could not be looked at for so long are not believed any more.
const BELIEVED_FOR: Duration = Duration::from_secs(24 * 3_600);
/// The longest discovery document and the longest set of keys, in bytes.
const DISCOVERY_BYTES_MAX: usize = 64 << 10;
pub const KEYS_BYTES_MAX: usize = 1 << 20;
/// Requests that may wait for one issuer.
const WAITING_MAX: usize = 64;

/// See the module.
pub struct Issuer {
    /// As tokens name it (`iss`), letter by letter.
    pub name: String,
    source: Source,
    keys: ArcSwapOption<Numbered>,
    /// How often there was another set of keys.
    number: AtomicU64,
}

/// A set of keys, and which it is.
struct Numbered {
    set: KeySet,
    number: u64,
}

/// A key, and which set it is of.
pub struct Found {
    pub verifies: DecodingKey,
    pub number: u64,
}

enum Source {
    Given,
    Fetched(Box<Fetching>),
}

struct Fetching {
    fetcher: Fetcher,
    /// When it was asked last; who holds this asks.
    asked: Mutex<Option<Instant>>,
    answered: Short<Option<Answered>>,
    waiting: Semaphore,
    has_failed: AtomicBool,
    looks: AtomicBool,
}

struct Answered {
    at: Instant,
    text: Bytes,
}

/// What asking an issuer again came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Its keys are as it said within the last ten seconds.
    Known,
    /// It does not say what its keys are.
    Silent,
}

/// Why an issuer's keys are not known anew.
#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("its discovery document cannot be read")]
    Discovery(#[source] Failed),
    #[error("its discovery document is none")]
    Document(#[source] serde_json::Error),
    #[error("its discovery document is of another issuer")]
    Stranger,
    #[error("its keys cannot be read")]
    Keys(#[source] Failed),
    #[error("its set of keys is of no use")]
    Set(#[source] Unusable),
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    /// One elsewhere, by its address.
    pub fn elsewhere(name: &str, fetcher: Fetcher) -> Self {
        let fetching = Fetching {
            fetcher,
            asked: Mutex::default(),
            answered: Short::default(),
            waiting: Semaphore::new(WAITING_MAX),
            has_failed: AtomicBool::new(false),
            looks: AtomicBool::new(false),
        };
        let source = Source::Fetched(Box::new(fetching));
        Self { source, ..Self::own(name) }
    }

    /// One whose keys are [given](Self::give).
    pub fn own(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            source: Source::Given,
            keys: ArcSwapOption::empty(),
            number: AtomicU64::default(),
        }
    }

    /// From now on these are its keys.
    pub fn give(&self, set: KeySet) {
        let number = self.number.fetch_add(1, Ordering::AcqRel) + 1;
        self.keys.store(Some(Arc::new(Numbered { set, number })));
    }

    /// Whether what was verified by this set of keys holds still.
    pub fn holds(&self, number: u64) -> bool {
        self.number.load(Ordering::Acquire) == number
    }

    /// A key that is known.
    pub fn find(&self, name: Option<&str>, algorithm: Algorithm) -> Option<Found> {
        let keys = self.keys.load();
        let Numbered { set, number } = keys.as_deref()?;
        let key = set.find(name, algorithm)?;
        Some(Found { verifies: key.verifies.clone(), number: *number })
    }

    /// Has the keys looked at again, behind this request, where it is time for that.
    pub fn keep_up(self: &Arc<Self>) {
        let Source::Fetched(fetching) = &self.source else { return };
        if fetching.age().is_none_or(|age| age < LOOKED_EVERY) {
            return;
        }
        if !fetching.looks.swap(true, Ordering::AcqRel) {
            let this = Arc::clone(self);
            tokio::spawn(async move {
                this.ask().await;
                if let Source::Fetched(fetching) = &this.source {
                    fetching.looks.store(false, Ordering::Release);
                }
            });
        }
    }

    /// Asks it for its keys, unless that was done just now. All who want that wait for the one who does.
    pub async fn ask(&self) -> Asked {
        let Source::Fetched(fetching) = &self.source else { return Asked::Known };
        let Ok(_place) = fetching.waiting.try_acquire() else { return Asked::Silent };
        let mut asked = fetching.asked.lock().await;
        if asked.is_some_and(|at| at.elapsed() < PAUSE) {
            return fetching.outcome();
        }
        // Before it is awaited: whoever gives up waiting leaves the pause behind.
        *asked = Some(Instant::now());
        fetching.has_failed.store(true, Ordering::Release);
        match self.fetch(fetching).await {
            Ok(()) => {
                fetching.has_failed.store(false, Ordering::Release);
                FETCHED.with(["read"]).inc();
            }
            Err(error) => {
                FETCHED.with(["failed"]).inc();
                let why = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(
                    issuer = self.name,
                    %error,
                    why = why.unwrap_or_default(),
                    "the keys of an issuer are not known anew; those that are known go on"
                );
                if fetching.age().is_some_and(|age| age > BELIEVED_FOR) {
                    tracing::error!(issuer = self.name, "its keys are too old to be believed");
                    self.number.fetch_add(1, Ordering::AcqRel);
                    self.keys.store(None);
                }
            }
        }
        fetching.outcome()
    }

    async fn fetch(&self, fetching: &Fetching) -> Result<(), NoKeys> {
        let address =
            format!("{}/.well-known/openid-configuration", self.name.trim_end_matches('/'));
        let get = |address: String, max| async move { fetching.fetcher.get(&address, max).await };
        let text = get(address, DISCOVERY_BYTES_MAX).await.map_err(NoKeys::Discovery)?;
        let Discovery { issuer, jwks_uri } =
            serde_json::from_slice(&text).map_err(NoKeys::Document)?;
        if issuer != self.name {
            return Err(NoKeys::Stranger);
        }
        if allowed(&jwks_uri).is_none() {
            return Err(NoKeys::Keys(Failed::Address));
        }
        let text = get(jwks_uri, KEYS_BYTES_MAX).await.map_err(NoKeys::Keys)?;
        let set = KeySet::read(&text).map_err(NoKeys::Set)?;
        let mut answered = fetching.answered.lock();
        let is_other = answered.as_ref().is_none_or(|before| before.text != text);
        *answered = Some(Answered { at: Instant::now(), text });
        drop(answered);
        if is_other {
            self.give(set);
            tracing::info!(issuer = self.name, "the keys of an issuer were read");
        }
        Ok(())
    }
}

impl Fetching {
    fn outcome(&self) -> Asked {
        if self.has_failed.load(Ordering::Acquire) { Asked::Silent } else { Asked::Known }
    }

    /// How long ago it said what its keys are.
    fn age(&self) -> Option<Duration> {
        self.answered.lock().as_ref().map(|answered| answered.at.elapsed())
    }
}
