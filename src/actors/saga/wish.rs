//! What an operator says to a saga, whatever its kind.

use crate::aggregate_ref::{AskError, Engine};
use crate::core::{CommandMeta, Committed};
use domain::aggregate::Refusal as _;
use domain::id::AggregateId;
use sagas::saga::Saga;

/// What is wanted of a saga.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// What it waits for was mended: it goes on.
    Retry,
    /// It is to be ended, and what it did undone.
    Abort { reason: String },
}

/// Why it will not.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// No saga is of this kind.
    NoSaga,
    Refused {
        code: &'static str,
        message: String,
    },
}

/// What came of it.
pub type Told = Result<Committed, AskError<Refusal>>;

pub(crate) async fn tell<S: Saga>(
    engine: &Engine,
    id: AggregateId,
    wish: Wish,
    meta: CommandMeta,
) -> Told {
    let command = match wish {
        Wish::Retry => S::retry(),
        Wish::Abort { reason } => S::abort(reason),
    };
    engine.aggregate::<S>(id).ask(command, meta).await.map_err(|error| match error {
        AskError::Fault(fault) => AskError::Fault(fault),
        AskError::Refused(refusal) => {
            let (code, message) = (refusal.code(), refusal.to_string());
            AskError::Refused(Refusal::Refused { code, message })
        }
    })
}
