//! What the API says of the server itself, and what operators do to actors.

mod mutation;
mod processes;
mod query;
mod sagas;

pub use mutation::OperationsMutation;
pub use sagas::{CheckoutWhere, SagaKind, SagaOrder, SagaState, WORDS, of, ordering};

use async_graphql::MergedObject;

use crate::guard::Needs;
use auth::Permission::{Operate, Read, Write};

#[derive(MergedObject, Default)]
pub struct OperationsQuery(query::ServerQuery, sagas::SagaQuery);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Read, &["serverInfo"]),
    (Write, &["noOp"]),
    (
        Operate,
        &[
            "operations",
            "saga",
            "sagas",
            "quarantineActor",
            "releaseActor",
            "retrySaga",
            "abortSaga",
        ],
    ),
];
