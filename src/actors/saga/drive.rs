//! Drives one saga: reads how far it is, performs what is next, records what came of it, and so
//! on to its end, a pause, or a fault. Decides nothing: the rules are the [`Saga`]'s.
//!
//! It keeps no memory of its own. Whatever it sends is derived from the saga's last event: the id
//! of the event that causes a command is in the command's metadata, and a command's id and its
//! idempotency key come from that event and the place of the step in its row. So a driver that
//! takes over after a crash says the very same, and what was done already is not done again. What
//! came of a row is recorded only if the saga still stands at the version that the row began at.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream;
use uuid::Uuid;

use super::parties::{Parties, sane};
use super::progress::{Broken, Progress};
use super::tenure::Tenure;
use crate::aggregate_ref::{AggregateRef, AskError, Fault};
use crate::core::CommandMeta;
use crate::{retry, spans};
use domain::commerce::payment::PaymentOutcome;
use domain::event_name::EventName;
use domain::id::AggregateId;
use domain::principal::Principal;
use domain::question::Whole;
use persistence::codec::step_key;
use sagas::saga::{Next, Outcome, Saga};

/// How often it is looked, during a step that takes long, whether the saga has moved on by news from elsewhere.
const LOOKS_EVERY: Duration = Duration::from_millis(500);

/// See the module. Shared by all sagas of a kind.
pub struct Driver<S> {
    pub parties: Parties,
    pub principal: Arc<Principal>,
    pub kind: PhantomData<fn() -> S>,
}

/// Why driving stopped.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// There is nothing to do any more.
    Over,
    /// Nothing is to be done before this time.
    Waits { until: DateTime<Utc>, pause: Duration },
    /// An operator has to look.
    Stalled,
    /// Its shard is not held here any more, as far as this node can tell: whoever holds it drives on.
    Lost,
    /// Something is wrong here, not in the saga; later it may go on.
    Failed { reason: String },
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Failed { reason: fault.for_operators().to_string() }
    }
}

impl<S: Saga> Driver<S> {
    /// Drives a saga as far as it goes now, within the tenure of its shard. Where it may not have been
    /// started, `cause` names what calls for it. What has waited for `waited` begins as if that time had come: a pause is as long
    /// as it was meant, and no jump of the clock makes it longer.
    pub async fn drive(
        &self,
        id: AggregateId,
        cause: Option<AggregateId>,
        waited: Option<DateTime<Utc>>,
        tenure: &Tenure,
    ) -> Ended {
        match self.drive_on(id, cause, waited, tenure).await.unwrap_or_else(|ended| ended) {
            // What a shard that is gone did not answer speaks of nothing else.
            Ended::Failed { .. } if !tenure.holds() => Ended::Lost,
            ended => ended,
        }
    }

    async fn drive_on(
        &self,
        id: AggregateId,
        cause: Option<AggregateId>,
        mut waited: Option<DateTime<Utc>>,
        tenure: &Tenure,
    ) -> Result<Ended, Ended> {
        if !tenure.holds() {
            return Ok(Ended::Lost);
        }
        let saga = self.parties.engine.aggregate::<S>(id);
        let mut progress = match cause {
            Some(cause) => self.start(&saga, cause).await?,
            None => Progress::at(retry::read(&saga, &Whole).await?),
        };
        loop {
            let now = self.parties.engine.services.now();
            let next = S::next(progress.state(), waited.map_or(now, |waited| waited.max(now)));
            // While the lease holds, nobody else drives it: nothing that was undone elsewhere is
            // done here once more.
            if !tenure.holds() {
                return Ok(Ended::Lost);
            }
            let runs_ahead = matches!(next, Next::Do(_)) && progress.may_run_ahead();
            if !progress.is_settled() && !runs_ahead {
                progress = self.settle(&saga, progress).await?;
                continue;
            }
            let steps = match next {
                Next::Do(steps) => steps,
                Next::Wait { until, pause } => return Ok(Ended::Waits { until, pause }),
                Next::Stalled => return Ok(Ended::Stalled),
                Next::Done => return Ok(Ended::Over),
            };
            waited = None;
            let cause = EventName::of::<S>(id, progress.version());
            let performing = self.perform(&cause, progress.state().clone(), &steps, tenure);
            let at = progress.version();
            let record = tokio::select! {
                biased;
                record = progress.beside(performing) => record,
                // What is performed still is not waited for: it is asked for again, if it is wanted at all.
                state = self.moved_on(&saga, at) => {
                    progress = state;
                    continue;
                }
            };
            let record = record.filter(|_| tenure.holds());
            let Some(record) = record else { return Ok(Ended::Lost) };
            let meta = self.meta(&cause, None);
            progress.record(&saga, record, meta, self.parties.engine.services.now());
        }
    }

    /// Waits until the saga stands beyond a version: what a step waits for may come from elsewhere.
    async fn moved_on(&self, saga: &AggregateRef<S>, version: u64) -> Progress<S> {
        loop {
            tokio::time::sleep(LOOKS_EVERY).await;
            if let Ok(read) = saga.read(&Whole).await
                && read.version > version
            {
                return Progress::at(read);
            }
        }
    }

    /// Begins a saga that its cause calls for; one that was begun before is read.
    async fn start(
        &self,
        saga: &AggregateRef<S>,
        cause: AggregateId,
    ) -> Result<Progress<S>, Ended> {
        let called = retry::read(&self.parties.engine.aggregate::<S::Cause>(cause), &Whole).await?;
        let Some(command) = S::start(cause, &called.answer) else {
            return Ok(Progress::at(retry::read(saga, &Whole).await?));
        };
        let called_for = EventName::of::<S::Cause>(cause, called.version);
        let meta = self.meta(&called_for, None);
        let mut progress = Progress::before_the_start();
        progress.record(saga, command, meta, self.parties.engine.services.now());
        Ok(progress)
    }

    /// Waits for a record on its way. Where the saga moved on otherwise, by an earlier try of this or
    /// by news from elsewhere, it is read again.
    async fn settle(
        &self,
        saga: &AggregateRef<S>,
        mut progress: Progress<S>,
    ) -> Result<Progress<S>, Ended> {
        match progress.settle().await {
            None => Ok(progress),
            Some(
                Broken::Unforeseen
                | Broken::Answered(AskError::Fault(Fault::VersionConflict { .. })),
            ) => Ok(Progress::at(retry::read(saga, &Whole).await?)),
            Some(Broken::Answered(AskError::Fault(fault))) => Err(fault.into()),
            Some(Broken::Answered(AskError::Refused(refusal))) => {
                Err(Ended::Failed { reason: format!("a record was refused: {refusal}") })
            }
        }
    }

    /// Performs a row of steps and says what to record; nothing, where the shard was lost before all of
    /// them were begun. What was done will be found done.
    async fn perform(
        &self,
        cause: &EventName,
        state: S::State,
        steps: &[S::Step],
        tenure: &Tenure,
    ) -> Option<S::Command> {
        let outcomes: Vec<_> = (0_u32..)
            .zip(steps)
            .map(|(place, step)| async move {
                if !tenure.holds() {
                    return None;
                }
                let meta = self.meta(cause, Some(place));
                Some(self.parties.perform(S::request(step), meta).await)
            })
            .collect();
        let mut outcomes = stream::iter(outcomes).buffered(S::at_once(&state));
        let mut record = None;
        while let Some(outcome) = outcomes.next().await {
            match outcome? {
                Outcome::GoesOn(command) => record = Some(command),
                Outcome::EndsRow(command) => return Some(command),
                Outcome::Failed(error) => return Some(S::failed(&state, error)),
            }
        }
        Some(record.unwrap_or_else(|| S::failed(&state, "STEP_NOT_FOUND".to_owned())))
    }

    /// Records what the payment provider said of its own accord, if it concerns this kind.
    pub async fn notice(&self, reference: &str, outcome: PaymentOutcome) {
        let Some((saga, command)) = S::noticed(reference, &sane(outcome)) else { return };
        let command_id = AggregateId::derived(&[b"payment_notice", reference.as_bytes()]).0;
        let meta = self.command(command_id, saga.0);
        match retry::ask(&self.parties.engine.aggregate::<S>(saga), &command, &meta).await {
            Ok(_) => {}
            // The driver asks the provider when it needs to know.
            Err(AskError::Fault(fault)) => {
                tracing::warn!(fault = %fault.for_operators(), reference, "notice not recorded");
            }
            Err(AskError::Refused(refusal)) => {
                tracing::error!(%refusal, reference, "a payment provider's notice was refused");
            }
        }
    }

    /// `place` is that of a step in its row; a record has none, and no key: it names its version.
    fn meta(&self, cause: &EventName, place: Option<u32>) -> CommandMeta {
        let part = place.map_or([0xFF; 4], u32::to_be_bytes);
        let command_id = cause.derive(&[S::TYPE.as_bytes(), &part]).0;
        CommandMeta {
            key: place.map(|place| step_key(cause, place).into()),
            cause: Some(cause.clone()),
            ..self.command(command_id, cause.aggregate.0)
        }
    }

    fn command(&self, command_id: Uuid, correlation_id: Uuid) -> CommandMeta {
        CommandMeta {
            command_id,
            key: None,
            correlation_id,
            cause: None,
            principal: Arc::clone(&self.principal),
            trace: spans::of_this_saga(),
            expected_version: None,
            dry_run: false,
        }
    }
}
