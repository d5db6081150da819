//! The schema of one context alone, as text: what that context adds to the whole.

use async_graphql::{EmptySubscription, ObjectType, Schema};

use super::{access, commerce, operations, products, scheduling};

/// A context of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Access,
    Products,
    Commerce,
    Scheduling,
    Operations,
}

/// The schema of one context as text.
pub fn sdl_of(part: Part) -> String {
    match part {
        Part::Access => text::<access::AccessQuery, access::AccessMutation>(),
        Part::Products => text::<products::ProductsQuery, products::ProductsMutation>(),
        Part::Commerce => text::<commerce::CommerceQuery, commerce::CommerceMutation>(),
        Part::Scheduling => text::<scheduling::SchedulingQuery, scheduling::SchedulingMutation>(),
        Part::Operations => text::<operations::OperationsQuery, operations::OperationsMutation>(),
    }
}

fn text<Q: ObjectType + Default + 'static, M: ObjectType + Default + 'static>() -> String {
    Schema::new(Q::default(), M::default(), EmptySubscription)
        .sdl_with_options(super::sdl_options())
}
