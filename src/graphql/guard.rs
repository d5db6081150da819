//! What each root field of the schema needs: one table, and what is not in it is refused.

use async_graphql::ServerError;

use super::documents::Operation;
use super::errors::{FORBIDDEN, refused_request};
use auth::{Permission, Principal};

use Permission::{Operate, Read, Write};

/// Root fields of queries and mutations by what they need.
pub const NEEDS: &[(Permission, &[&str])] = &[
    (
        Read,
        &[
            "__schema",
            "__type",
            "__typename",
            "serverInfo",
            "node",
            // access
            "user",
            "userByEmail",
            "users",
            // products
            "product",
            "products",
            "stockItem",
            "stock",
            // commerce
            "order",
            "orders",
            "checkout",
            // scheduling
            "calendar",
            "calendars",
            "calendarEvents",
            "freeBusy",
        ],
    ),
    (
        Write,
        &[
            "noOp",
            // access
            "registerUser",
            "updateUserProfile",
            "changeUserEmail",
            "suspendUser",
            "reinstateUser",
            "closeUser",
            "assignRole",
            "revokeRole",
            // products
            "createProduct",
            "reviseProduct",
            "addVariant",
            "setPrice",
            "removePrice",
            "setTaxRate",
            "publishProduct",
            "unpublishProduct",
            "archiveProduct",
            "openStock",
            "receiveStock",
            "adjustStock",
            "setStock",
            "setBackorderLimit",
            "setCustomerLimit",
            "holdStock",
            "extendHold",
            "releaseHold",
            "commitHold",
            "shipHold",
            "deallocateHold",
            "sellStock",
            "transferStock",
            // commerce
            "draftOrder",
            "addOrderLine",
            "changeOrderLine",
            "removeOrderLine",
            "placeOrder",
            "cancelOrder",
            "completeOrder",
            "abortCheckout",
            // scheduling
            "createCalendar",
            "setOpeningHours",
            "setOpeningException",
            "clearOpeningException",
            "scheduleEvent",
            "rescheduleEvent",
            "retitleEvent",
            "cancelEvent",
            "cancelOccurrence",
            "replaceOccurrence",
        ],
    ),
    (Operate, &["operations", "quarantineActor", "releaseActor", "retryCheckout"]),
];

/// Lets an operation pass if the principal may use every one of its root fields.
pub fn admit(principal: &Principal, operation: &Operation) -> Result<(), ServerError> {
    for field in &operation.root_fields {
        let need = need_of(field);
        if need.is_some_and(|need| principal.may(need)) {
            continue;
        }
        return Err(refused_request(FORBIDDEN, format!("{field} is no field that is open to you")));
    }
    Ok(())
}

fn need_of(field: &str) -> Option<Permission> {
    NEEDS.iter().find(|(_, fields)| fields.contains(&field)).map(|(need, _)| *need)
}
