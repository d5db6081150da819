//! The context commerce in the API: orders, and the checkouts that carry them through.

mod mutation;
mod numbers;
mod query;
mod quotes;
mod refusals;
mod types;

pub use query::{CheckoutConnection, OrderConnection, OrderOrder, OrderWhere};
pub use types::{CheckoutNode, OrderNode, OrderStatus};

use async_graphql::MergedObject;

use crate::guard::Need::{All, Some as Of};
use crate::guard::Needs;
use domain::access::permission::Permission::{
    ClusterOperate, OrdersRead, OrdersWrite, StatisticsRead,
};
use mutation::{OrderCommands, OrderUseCases};

#[derive(MergedObject, Default)]
pub struct CommerceQuery(query::OrderQueries, numbers::NumbersQuery, quotes::QuoteQuery);

#[derive(MergedObject, Default)]
pub struct CommerceMutation(OrderCommands, OrderUseCases);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Of(OrdersRead), &["order", "orders", "checkout"]),
    (All(OrdersRead), &["checkouts"]),
    (All(StatisticsRead), &["ordersByDay"]),
    (
        Of(OrdersWrite),
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
    (All(ClusterOperate), &["retryCheckout"]),
    (Of(OrdersWrite), OrderCommands::FIELDS),
    (Of(OrdersWrite), &["quote"]),
];
