//! How far a saga is, as its driver sees it: what is durable, what is being recorded, and the state
//! that the records will have led to.
//!
//! A driver need not wait for each record before it takes the next step: it *runs ahead* on the
//! state that the rules foresee, while records are being written. What it foresees is never
//! believed for longer than that: a record that is not taken as it was foreseen ends the run, and
//! the saga is read again.

use std::collections::VecDeque;
use std::pin::pin;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;

use crate::aggregate_ref::{AggregateRef, AskError};
use crate::core::{CommandMeta, Committed};
use crate::reading::Reading;
use crate::retry;
use domain::aggregate::Context;
use sagas::saga::Saga;

type Answer<S> = Result<Committed, AskError<<S as domain::aggregate::Aggregate>::Refusal>>;

/// See the module.
pub(super) struct Progress<S: Saga> {
    /// The last state that is known to be durable.
    durable: S::State,
    /// What the records will have led to.
    state: S::State,
    version: u64,
    /// In the order in which they were sent.
    records: FuturesOrdered<BoxFuture<'static, Answer<S>>>,
    /// What each of the records leads to.
    foreseen: VecDeque<S::State>,
    /// The first record that was not taken, or not foreseen.
    broken: Option<Broken<S>>,
}

/// Why what was foreseen is not so.
pub(super) enum Broken<S: Saga> {
    Unforeseen,
    Answered(AskError<S::Refusal>),
}

impl<S: Saga> Progress<S> {
    pub(super) fn at(reading: Reading<S::State>) -> Self {
        Self::from(reading.answer, reading.version)
    }

    /// Of one that was never started, as far as is known.
    pub(super) fn before_the_start() -> Self {
        Self::from(S::State::default(), 0)
    }

    fn from(state: S::State, version: u64) -> Self {
        Self {
            durable: state.clone(),
            state,
            version,
            records: FuturesOrdered::new(),
            foreseen: VecDeque::new(),
            broken: None,
        }
    }

    pub(super) fn state(&self) -> &S::State {
        &self.state
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether this is what is durable, and nothing else.
    pub(super) fn is_settled(&self) -> bool {
        self.records.is_empty() && self.broken.is_none()
    }

    /// Whether the rules let the next row be performed while records are on their way.
    pub(super) fn may_run_ahead(&self) -> bool {
        self.broken.is_none() && S::runs_ahead(&self.durable, &self.state)
    }

    /// Sends a record, to be taken only if the saga stands where it is foreseen to stand.
    pub(super) fn record(
        &mut self,
        saga: &AggregateRef<S>,
        record: S::Command,
        mut meta: CommandMeta,
        now: DateTime<Utc>,
    ) {
        if self.broken.is_some() {
            return;
        }
        meta.expected_version = Some(self.version);
        let context = Context {
            now,
            command_id: meta.command_id,
            principal: meta.principal.clone(),
            aggregate_id: saga.id(),
            version: self.version,
        };
        match S::decide(&self.state, &record, &context) {
            Ok(events) => {
                events.iter().for_each(|event| S::apply(&mut self.state, event));
                self.version += events.len() as u64;
            }
            Err(_) => self.broken = Some(Broken::Unforeseen),
        }
        self.foreseen.push_back(self.state.clone());
        let saga = saga.clone();
        self.records.push_back(Box::pin(async move { retry::ask(&saga, &record, &meta).await }));
    }

    /// Waits for what is done meanwhile. That goes first: what it sends at once, the records follow
    /// into the same commit.
    pub(super) async fn beside<T>(&mut self, doing: impl Future<Output = T>) -> T {
        let mut doing = pin!(doing);
        loop {
            tokio::select! {
                biased;
                done = &mut doing => return done,
                Some(answer) = self.records.next() => self.note(answer),
            }
        }
    }

    /// Waits for the next record; where one was not taken as foreseen, for all of them, and says so.
    pub(super) async fn settle(&mut self) -> Option<Broken<S>> {
        if let Some(answer) = self.records.next().await {
            self.note(answer);
        }
        if self.broken.is_some() {
            while let Some(answer) = self.records.next().await {
                self.note(answer);
            }
        }
        self.broken.take()
    }

    fn note(&mut self, answer: Answer<S>) {
        let foreseen = self.foreseen.pop_front().expect("a state for each record");
        match answer {
            Ok(_) => self.durable = foreseen,
            // Those that were sent behind it are refused for their version.
            Err(_) if matches!(self.broken, Some(Broken::Answered(_))) => {}
            Err(error) => self.broken = Some(Broken::Answered(error)),
        }
    }
}
