//! The context commerce in the API: orders, and the checkouts that carry them through.

mod mutation;
mod numbers;
mod query;
mod refusals;
mod types;

pub use types::{CheckoutNode, OrderNode, OrderStatus};

use async_graphql::MergedObject;

use crate::guard::Needs;
use auth::Permission::{Operate, Read, Write};
use mutation::{OrderCommands, OrderUseCases};

#[derive(MergedObject, Default)]
pub struct CommerceQuery(query::OrderQueries, numbers::NumbersQuery);

#[derive(MergedObject, Default)]
pub struct CommerceMutation(OrderCommands, OrderUseCases);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Read, &["order", "orders", "checkout", "checkouts", "ordersByDay"]),
    (
        Write,
        &[
            "draftOrder",
            "addOrderLine",
            "changeOrderLine",
            "placeOrder",
            "repriceOrder",
            "completeOrder",
            "abortCheckout",
        ],
    ),
    (Operate, &["retryCheckout"]),
    (Write, OrderCommands::FIELDS),
];
