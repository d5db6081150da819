//! One request of one caller, and the few ways in which it asks an aggregate. Everything that
//! changes something goes through here, whatever the use case and the entrance.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use uuid::Uuid;

use crate::Application;
use crate::caller::Caller;
use crate::personal::Sealing;
use actors::aggregate_ref::{AggregateRef, AskError, Fault, KEY_BYTES_MAX};
use actors::core::{CommandMeta, Committed};
use actors::rehearsal::{Foreseen, Foretold, Rehearsed};
use auth::Principal;
use domain::aggregate::Aggregate;
use domain::id::{AggregateId, IdSecret};
use domain::question::Version;

/// What came of a command: where it is committed, what the rules refused, or a fault.
pub type Outcome<X> = Result<Committed, AskError<X>>;

/// What comes with a use case beside its content.
pub struct Request<'a> {
    pub application: &'a Application,
    caller: &'a Caller,
    key: Option<Arc<str>>,
    expected_version: Option<u64>,
    /// Of a dry run, the steps that would have been taken so far.
    steps: Option<Mutex<Vec<Foretold>>>,
}

impl<'a> Request<'a> {
    /// A key of a length that is not allowed is [`Fault::InvalidKey`].
    pub fn new(
        application: &'a Application,
        caller: &'a Caller,
        key: Option<String>,
        expected_version: Option<u64>,
    ) -> Result<Self, Fault> {
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            return Err(Fault::InvalidKey);
        }
        let key = key.map(Arc::from);
        Ok(Self { application, caller, key, expected_version, steps: None })
    }

    /// The same, and nothing is done if `only` that is wanted: the first command that is not a step on
    /// the way to another ends the use case with [`Fault::Rehearsed`].
    pub fn rehearsed(mut self, only: bool) -> Self {
        self.steps = only.then(Mutex::default);
        self
    }

    /// Whether nothing is to be done.
    pub fn is_dry_run(&self) -> bool {
        self.steps.is_some()
    }

    /// How what is personal in it is sealed: in a dry run nothing of that is kept.
    pub fn sealing(&self) -> Sealing<'_> {
        Sealing::new(&self.application.engine, !self.is_dry_run())
    }

    /// Ends a dry run, behind the last step of a use case that only waits from here on.
    pub(crate) fn end_of_dry_run(&self) -> Result<(), Fault> {
        match &self.steps {
            Some(steps) => Err(Fault::Rehearsed(Box::new(Rehearsed(steps.lock().split_off(0))))),
            None => Ok(()),
        }
    }

    /// A dry run is told with the steps before it.
    fn told<X>(&self, mut outcome: Outcome<X>) -> Outcome<X> {
        if let (Some(steps), Err(AskError::Fault(Fault::Rehearsed(rehearsed)))) =
            (&self.steps, &mut outcome)
        {
            rehearsed.0.splice(..0, steps.lock().drain(..));
        }
        outcome
    }

    /// Who asks, and what he may do.
    pub fn principal(&self) -> &Principal {
        &self.caller.principal
    }

    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The id of the aggregate that this request creates: with a key the same one for each try.
    /// `what` tells apart what one caller creates under one key.
    pub async fn new_id<A: Aggregate>(&self, what: &str) -> Result<AggregateId, Fault> {
        self.new_id_for::<A>(what, &[]).await
    }

    /// The same for what is created on behalf of somebody: what one caller creates under one key is
    /// another thing for each of them.
    pub async fn new_id_for<A: Aggregate>(
        &self,
        what: &str,
        whose: &[u8],
    ) -> Result<AggregateId, Fault> {
        self.new_id_as::<A>(what, whose, |id| id).await
    }

    /// The same where not every id is one of what is created: `form` makes one of any.
    pub async fn new_id_as<A: Aggregate>(
        &self,
        what: &str,
        whose: &[u8],
        form: impl Fn(AggregateId) -> AggregateId,
    ) -> Result<AggregateId, Fault> {
        let Some(key) = &self.key else { return Ok(form(self.application.engine.new_id())) };
        let keyed = &self.application.engine.services.keyed;
        // It may have been created before the secret was changed.
        for secret in keyed.older_ids() {
            let id = form(self.keyed_id(secret, what, whose, key));
            if self.aggregate::<A>(id).read(&Version).await?.version > 0 {
                return Ok(id);
            }
        }
        Ok(form(self.keyed_id(keyed.ids(), what, whose, key)))
    }

    /// The name of what this request makes within an aggregate: with a key the same for each try.
    pub fn new_name(&self, what: &str) -> Uuid {
        match &self.key {
            Some(key) => {
                self.keyed_id(self.application.engine.services.keyed.names(), what, &[], key).0
            }
            None => self.application.engine.new_id().0,
        }
    }

    fn keyed_id(&self, secret: &IdSecret, what: &str, whose: &[u8], key: &str) -> AggregateId {
        let mut principal = Vec::new();
        self.caller.principal.identity.write_scope(&mut principal);
        let parts = [b"created", what.as_bytes(), &principal, whose, key.as_bytes()];
        AggregateId::keyed(secret, &parts)
    }

    /// Sends a command.
    pub async fn send<A: Aggregate>(
        &self,
        id: AggregateId,
        command: A::Command,
    ) -> Outcome<A::Refusal> {
        self.told(self.aggregate::<A>(id).ask(command, self.meta()).await)
    }

    /// The same for a command that holds what the server added, a price or a time: the key guards
    /// `content`, what the client sent, so that a retry is known though the price has changed.
    pub async fn send_for<A: Aggregate>(
        &self,
        id: AggregateId,
        command: A::Command,
        content: &(impl Serialize + Sync),
    ) -> Outcome<A::Refusal> {
        self.told(self.aggregate::<A>(id).ask_for(command, content, self.meta()).await)
    }

    /// What became of an earlier try of [`send_for`](Self::send_for) with the same key and content;
    /// nothing, if there was none that did anything, or there is no key.
    pub async fn outcome_of<A: Aggregate>(
        &self,
        id: AggregateId,
        content: &(impl Serialize + Sync),
    ) -> Result<Option<Committed>, Fault> {
        if self.key.is_none() {
            return Ok(None);
        }
        self.aggregate::<A>(id).outcome_of(content, self.meta()).await
    }

    /// A step of a use case that takes several: under a key of its own, and whatever the version. In a
    /// dry run it counts as taken.
    pub async fn step<A: Aggregate>(
        &self,
        id: AggregateId,
        command: A::Command,
        key: Option<Arc<str>>,
    ) -> Outcome<A::Refusal> {
        let meta = CommandMeta { key, expected_version: None, ..self.meta() };
        match (self.aggregate::<A>(id).ask(command, meta).await, &self.steps) {
            (Err(AskError::Fault(Fault::Rehearsed(rehearsed))), Some(steps)) => {
                let last = rehearsed.0.last().expect("of one command");
                let Foreseen { version, shard, seq, events } = &last.foreseen;
                let version = version + events.len() as u64;
                let committed = Committed { version, shard: *shard, seq: *seq };
                steps.lock().extend(rehearsed.0);
                Ok(committed)
            }
            (outcome, _) => outcome,
        }
    }

    pub(crate) fn aggregate<A: Aggregate>(&self, id: AggregateId) -> AggregateRef<A> {
        self.application.engine.aggregate(id)
    }

    pub(crate) fn meta(&self) -> CommandMeta {
        CommandMeta {
            command_id: Uuid::now_v7(),
            key: self.key.clone(),
            correlation_id: self.caller.correlation_id,
            cause: None,
            principal: Arc::clone(&self.caller.principal.identity),
            trace: self.caller.trace.clone(),
            expected_version: self.expected_version,
            dry_run: self.is_dry_run(),
        }
    }
}

/// The refusal of one aggregate as one of a use case that asks several.
pub(crate) fn refused_as<X, Y: From<X>>(error: AskError<X>) -> AskError<Y> {
    match error {
        AskError::Refused(refusal) => AskError::Refused(refusal.into()),
        AskError::Fault(fault) => AskError::Fault(fault),
    }
}
