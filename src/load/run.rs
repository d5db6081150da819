//! One run: its own ids, and the clients that take starts and do steps until there are no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use bytes::BytesMut;
use fastrand::Rng;
use tokio::task::JoinSet;
use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::LoadError;
use super::checks::Check;
use super::client::{Api, NOT_STARTED, Patience, WRONG_ANSWER};
use super::history::{Entry, Event, Recorder, Seen};
use super::meter::{Meter, Outcome};
use super::options::Plan;
use super::pace::Pace;

/// What the parts of a run share.
pub struct Run {
    pub api: Api,
    pub plan: Plan,
    /// Stands in every key and id, so that runs do not meet.
    pub id: String,
    /// Numbers of operations that earlier phases used: a key is made from a number.
    pub used: AtomicU64,
    pub recorder: Option<Recorder>,
}

impl Run {
    /// An id that nothing else has, made from seed, run and name.
    pub fn uuid(&self, name: &str) -> Uuid {
        let mut hasher = Xxh3::with_seed(self.plan.seed);
        hasher.update(self.id.as_bytes());
        hasher.update(&[0]);
        hasher.update(name.as_bytes());
        Uuid::new_v8(hasher.digest128().to_be_bytes())
    }
}

/// One operation of a scenario under way.
pub struct Turn<'a> {
    pub run: &'a Run,
    pub meter: &'a Meter,
    pub patience: Patience,
    /// The client whose turn it is.
    pub client: u32,
    /// Of this operation within the run.
    pub number: u64,
    pub choices: Choices,
    /// Bodies are written here.
    pub buffer: &'a mut BytesMut,
}

impl Turn<'_> {
    /// Writes into the history, if one is kept, what this operation asked and was told.
    pub fn note(&self, aggregate: &str, invoked: Instant, event: Event, seen: Seen) {
        let Some(recorder) = &self.run.recorder else { return };
        let key = format!("{}-{}", self.run.id, self.number);
        let key = (event != Event::Read).then_some(key.as_str());
        recorder.note(&Entry { client: self.client, aggregate, key, invoked, event, seen });
    }

    /// An answer that cannot be right, counted as such.
    pub fn wrong(&self, what: &str) -> Outcome {
        tracing::warn!(number = self.number, "{what}");
        self.meter.fault(WRONG_ANSWER);
        Outcome::Failed(WRONG_ANSWER.to_owned())
    }
}

/// What a run does over and over, and how it sees at the end that all was right. Making one is
/// preparing it.
#[async_trait]
pub trait Scenario: Send + Sync {
    /// One operation, whole. Called by many clients at once.
    async fn step(&self, turn: &mut Turn<'_>) -> Outcome;

    /// Asks the server whether what it answered is so. No operation is in flight.
    async fn verify(&self, run: &Run) -> Result<Vec<Check>, LoadError>;
}

/// What chance decides within one operation: fixed by the seed and the operation's number,
/// whichever client does it.
pub struct Choices(Rng);

impl Choices {
    pub fn of(seed: u64, number: u64) -> Self {
        Self(Rng::with_seed(xxh3_64_with_seed(&number.to_le_bytes(), seed)))
    }

    /// Less than `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(..bound)
    }

    /// From 0 up to, and not including, 1.
    pub fn share(&mut self) -> f64 {
        self.0.f64()
    }
}

/// Lets `clients` do steps until the pace ends, and waits until the last one was answered.
pub async fn drive(
    run: &Arc<Run>,
    scenario: &Arc<dyn Scenario>,
    pace: &Arc<Pace>,
    meter: &Arc<Meter>,
    clients: usize,
    patience: Patience,
) {
    let mut running = JoinSet::new();
    let first = run.used.load(Ordering::Relaxed);
    for client in 0..clients as u32 {
        let (run, scenario) = (Arc::clone(run), Arc::clone(scenario));
        let (pace, meter) = (Arc::clone(pace), Arc::clone(meter));
        running.spawn(async move {
            let mut buffer = BytesMut::new();
            while let Some(start) = pace.next().await {
                let number = first + start.number;
                let mut turn = Turn {
                    run: &run,
                    meter: &meter,
                    patience,
                    client,
                    number,
                    choices: Choices::of(run.plan.seed, number),
                    buffer: &mut buffer,
                };
                let outcome = scenario.step(&mut turn).await;
                meter.ended(&outcome, start.intended.elapsed());
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("a client ends by itself");
    }
    run.used.store(first + pace.numbers_used(), Ordering::Relaxed);
    for waited in pace.never_started() {
        meter.never_started(NOT_STARTED, waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_fixed_by_seed_and_number() {
        let draw = |seed, number| {
            let mut choices = Choices::of(seed, number);
            [choices.below(1_000), choices.below(1_000), (choices.share() * 1_000.0) as u64]
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
        let mut choices = Choices::of(7, 7);
        assert!((0..1_000).all(|_| choices.below(3) < 3 && choices.share() < 1.0));
    }
}
