//! What is told of operations: which root field was asked for, what came of it and how long that
//! took.

use std::time::Duration;

use async_graphql::Name;
use documents::Operation;
use telemetry::metrics::SECONDS;

use crate::Reply;
use crate::errors::code_of;

telemetry::metrics! { "graphql":
    /// Operations by the field at their root, `several` if there is more than one and `other` if
    /// it was refused before that was known; with the code of the first error, or `OK`. What the
    /// rules refuse is no error: that is in `emporium_actors_refusals_total`.
    counter OPERATIONS = "operations" by "operation", "code";
    /// How long an operation took, by the field at its root.
    histogram OPERATION_SECONDS = "operation_seconds" by "operation" with SECONDS;
}

/// What an operation is counted as. Only fields that passed the guard have a name here: what a
/// client makes up must not fill the table.
#[derive(Debug)]
pub enum Counted {
    Other,
    Several,
    Field(Name),
}

impl Counted {
    pub fn of(operation: &Operation) -> Self {
        match operation.root_fields.as_slice() {
            [field] => Self::Field(field.clone()),
            _ => Self::Several,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Other => "other",
            Self::Several => "several",
            Self::Field(name) => name,
        }
    }
}

/// Counts an operation that was answered, with the sampled trace that it belongs to.
pub(crate) fn count_operation(reply: &Reply, took: Duration, trace_id: Option<String>) {
    let operation = reply.operation.name();
    let code = match reply.response.errors.first() {
        None => "OK",
        Some(error) => code_of(error).unwrap_or("none"),
    };
    OPERATIONS.with([operation, code]).inc();
    OPERATION_SECONDS.with([operation]).observe_in(took, trace_id);
}
