//! Mutations as a mechanism: an input names the aggregate it is about, a declaration says which
//! command it means, and a payload says what came of it. Decides nothing.
//!
//! A mutation that is one command is one declaration, in `mutations!`. One that asks for a use
//! case of `application` is written out.

use async_graphql::{Context, Result};

use super::context::application;
use super::dry_run::DryRun;
use super::errors::{INVALID_VALUE, UserError, coded, fault};
use super::positions::PositionToken;
use super::scalars::Long;
use actors::aggregate_ref::{AskError, Fault};
use actors::core::Committed;
use actors::rehearsal::Rehearsed;
use application::caller::Caller;
use application::request::Request;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;

/// What a resolver of a mutation returns.
pub type Answer<P> = Result<Option<P>>;

/// What became of a mutation.
pub type Change = std::result::Result<Committed, NotDone>;

/// Why nothing was done.
#[derive(Clone, Debug)]
pub enum NotDone {
    Refused(UserError),
    /// It was a dry run.
    Rehearsed(Box<Rehearsed>),
}

impl From<UserError> for NotDone {
    fn from(error: UserError) -> Self {
        Self::Refused(error)
    }
}

impl NotDone {
    /// The same, where a refusal of one input is of another.
    pub fn at(self, from: &str, to: &str) -> Self {
        self.map(|error| error.at(from, to))
    }

    /// The same, whatever is said of a refusal.
    pub fn map(self, blame: impl FnOnce(UserError) -> UserError) -> Self {
        match self {
            Self::Refused(error) => Self::Refused(blame(error)),
            rehearsed @ Self::Rehearsed(_) => rehearsed,
        }
    }
}

/// What `userErrors` are of a change.
pub fn refusals<T>(change: &std::result::Result<T, NotDone>) -> Vec<UserError> {
    match change {
        Err(NotDone::Refused(error)) => vec![error.clone()],
        _ => Vec::new(),
    }
}

/// What `dryRun` is of a change.
pub fn foretold<T>(change: &std::result::Result<T, NotDone>) -> Option<DryRun> {
    match change {
        Err(NotDone::Rehearsed(rehearsed)) => Some(DryRun::from(&**rehearsed)),
        _ => None,
    }
}

/// What a mutation answers, about one kind of aggregate.
pub trait Payload: Sized {
    type Kind: Aggregate;

    fn new(id: AggregateId, change: Change) -> Self;

    /// Nothing was done, whatever the aggregate.
    fn refused(error: impl Into<NotDone>) -> Self {
        Self::new(AggregateId(uuid::Uuid::nil()), Err(error.into()))
    }
}

/// Which aggregate a mutation is about, and what comes with it beside its content.
pub struct Target {
    pub id: AggregateId,
    pub key: Option<String>,
    pub expected_version: Option<Long>,
    pub dry_run: bool,
}

impl Target {
    pub fn request<'a>(self, context: &Context<'a>) -> Result<Request<'a>> {
        Ok(request(context, self.key, self.expected_version)?.rehearsed(self.dry_run))
    }
}

/// What comes with a mutation beside its content.
pub fn request<'a>(
    context: &Context<'a>,
    key: Option<String>,
    expected_version: Option<Long>,
) -> Result<Request<'a>> {
    let caller = context.data_unchecked::<Caller>();
    let expected_version = expected_version
        .map(|version| u64::try_from(version.0))
        .transpose()
        .map_err(|_| coded(INVALID_VALUE, "input.expectedVersion: a version is not negative"))?;
    Request::new(application(context), caller, key, expected_version).map_err(|error| fault(&error))
}

/// Sends the command that an input means, unless it means none. `blame` names inputs in a refusal
/// as this mutation has them.
pub async fn tell<P: Payload>(
    context: &Context<'_>,
    target: Target,
    command: impl FnOnce() -> std::result::Result<<P::Kind as Aggregate>::Command, UserError>,
    blame: impl FnOnce(UserError) -> UserError,
) -> Answer<P>
where
    UserError: From<<P::Kind as Aggregate>::Refusal>,
{
    let id = target.id;
    let change = match command() {
        Ok(command) => send::<P::Kind>(&target.request(context)?, id, command).await?,
        Err(error) => Err(error.into()),
    };
    Ok(Some(P::new(id, change.map_err(|not_done| not_done.map(blame)))))
}

/// Sends a command; what the rules refuse is data, a fault is an error.
pub async fn send<A: Aggregate>(
    request: &Request<'_>,
    id: AggregateId,
    command: A::Command,
) -> Result<Change>
where
    UserError: From<A::Refusal>,
{
    change(request.send::<A>(id, command).await)
}

/// An outcome as clients see it. A version that does not match is theirs to resolve, like a
/// refusal.
pub fn change<T, X>(
    outcome: std::result::Result<T, AskError<X>>,
) -> Result<std::result::Result<T, NotDone>>
where
    UserError: From<X>,
{
    match outcome {
        Ok(done) => Ok(Ok(done)),
        Err(AskError::Refused(refusal)) => Ok(Err(UserError::from(refusal).into())),
        Err(AskError::Fault(Fault::Rehearsed(rehearsed))) => Ok(Err(NotDone::Rehearsed(rehearsed))),
        Err(AskError::Fault(Fault::VersionConflict { expected, actual })) => {
            Ok(Err(UserError::version_conflict(expected, actual).into()))
        }
        Err(AskError::Fault(Fault::Foreign { code, message, is_refusal: true })) => {
            Ok(Err(UserError::plain(&code, message, &[]).into()))
        }
        Err(AskError::Fault(error)) => Err(fault(&error)),
    }
}

/// The payload of a use case that makes an aggregate.
pub fn made<P: Payload, X>(
    outcome: std::result::Result<(AggregateId, Committed), AskError<X>>,
) -> Answer<P>
where
    UserError: From<X>,
{
    Ok(Some(match change(outcome)? {
        Ok((id, committed)) => P::new(id, Ok(committed)),
        Err(error) => P::refused(error),
    }))
}

pub fn position_of(committed: &Committed) -> PositionToken {
    PositionToken(committed.position())
}

/// The mutations of a context that are one command each: `fn name(input: Input) -> Payload =
/// command;`. The command may leave with a `UserError` by `?`. `"quantity" is "delta"` behind it
/// says that a refusal of the first input is one of the second in this mutation.
macro_rules! mutations {
    ($mutations:ident {$(
        $(#[$doc:meta])*
        fn $name:ident($input:ident: $type:ty) -> $payload:ident = $command:expr
            $(, $from:literal is $to:literal)?;
    )+}) => {
        #[derive(Default)]
        pub struct $mutations;

        impl $mutations {
            /// Their names, for the guard.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($name)),+];
        }

        #[async_graphql::Object]
        impl $mutations {$(
            $(#[$doc])*
            async fn $name(
                &self,
                context: &async_graphql::Context<'_>,
                input: $type,
            ) -> $crate::mutation::Answer<$payload> {
                let mut $input = input;
                let target = $input.target(context).await?;
                let command = move || Ok($command);
                let blame = |error: $crate::errors::UserError| error$(.at($from, $to))?;
                $crate::mutation::tell(context, target, command, blame).await
            }
        )+}
    };
}
pub(crate) use mutations;

/// Inputs that name an aggregate and say something more: first its kind, the fields that name it and how
/// its id follows from them, then what the fields are that all of them have, then each input.
macro_rules! inputs {
    (
        $kind:ident $names:tt |$this:ident| $id:expr;
        $common:tt;
        $($(#[$doc:meta])* $name:ident $fields:tt)+
    ) => {$(
        $crate::mutation::input! {
            $(#[$doc])* $kind $name $names $fields $common |$this| $id
        }
    )+};
}
pub(crate) use inputs;

/// One of `inputs!`.
macro_rules! input {
    (
        $(#[$doc:meta])* $kind:ident $name:ident
        { $($(#[$of_doc:meta])* $of:ident: $of_type:ty),+ $(,)? }
        { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }
        { $(#[$version_doc:meta])* expected_version: $version:ty, idempotency_key: $key:ty }
        |$this:ident| $id:expr
    ) => {
        $(#[$doc])*
        #[derive(async_graphql::InputObject)]
        pub struct $name {
            $($(#[$of_doc])* pub $of: $of_type,)+
            $($(#[$field_doc])* pub $field: $type,)*
            $(#[$version_doc])*
            pub expected_version: $version,
            pub idempotency_key: $key,
            /// Does nothing, and says what it would do.
            #[graphql(default)]
            pub dry_run: bool,
        }

        impl $name {
            /// What it is about, as far as that is open to the caller; takes the key.
            async fn target(
                &mut self,
                context: &async_graphql::Context<'_>,
            ) -> async_graphql::Result<$crate::mutation::Target> {
                let $this = &*self;
                let id = $id;
                Ok($crate::mutation::Target {
                    id: $crate::gate::target::<$kind>(context, id).await?,
                    key: std::mem::take(&mut self.idempotency_key).into(),
                    expected_version: self.expected_version.into(),
                    dry_run: self.dry_run,
                })
            }
        }
    };
}
pub(crate) use input;

/// The payload of the mutations of one kind of aggregate; or, with an id, that payload and beside it
/// the id of what was made within the aggregate.
macro_rules! payload {
    ($payload:ident { $field:ident: $node:ident = $kind:ty }) => {
        pub struct $payload {
            id: domain::id::AggregateId,
            change: $crate::mutation::Change,
        }

        impl $crate::mutation::Payload for $payload {
            type Kind = $kind;

            fn new(id: domain::id::AggregateId, change: $crate::mutation::Change) -> Self {
                Self { id, change }
            }
        }

        #[async_graphql::Object]
        impl $payload {
            /// The aggregate as it is now; null if nothing was done.
            async fn $field(
                &self,
                context: &async_graphql::Context<'_>,
            ) -> async_graphql::Result<Option<$node>> {
                if self.change.is_err() {
                    return Ok(None);
                }
                let loaded = $crate::context::load::<$kind>(context, self.id, None).await?;
                Ok(loaded.map(|loaded| $node(loaded.into())))
            }

            /// What it was about, whether or not it can be read now; null if nothing was done.
            async fn id(&self) -> Option<<$kind as $crate::context::Shown>::Id> {
                self.change.is_ok().then(|| self.id.into())
            }

            /// Why nothing was done; empty if it was, and in a dry run if it would be.
            async fn user_errors(&self) -> Vec<$crate::errors::UserError> {
                $crate::mutation::refusals(&self.change)
            }

            /// What a dry run says would be done; null if it was none, or would be refused.
            async fn dry_run(&self) -> Option<$crate::dry_run::DryRun> {
                $crate::mutation::foretold(&self.change)
            }

            /// The version that this mutation led to, also when asked again with the same key.
            async fn version(&self) -> Option<$crate::scalars::Long> {
                Some(self.change.as_ref().ok()?.version.into())
            }

            /// Where it stands in the log; give it to queries as `atLeast`.
            async fn position(&self) -> Option<$crate::positions::PositionToken> {
                self.change.as_ref().ok().map($crate::mutation::position_of)
            }
        }
    };
    ($(#[$doc:meta])* $payload:ident: $inner:ident { $field:ident: $id:ident }) => {
        pub struct $payload {
            made: $id,
            payload: $inner,
        }

        $(#[$doc])*
        #[async_graphql::Object]
        impl $payload {
            /// Null if nothing was done.
            async fn $field(&self) -> Option<$id> {
                self.payload.change.is_ok().then_some(self.made)
            }

            #[graphql(flatten)]
            async fn payload(&self) -> &$inner {
                &self.payload
            }
        }
    };
}
pub(crate) use payload;
