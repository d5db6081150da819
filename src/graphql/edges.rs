//! Which types of the schema are things that are open to some and not to others, and by which permission; all
//! others are parts of what leads to them, or open to whoever may ask for them at all. What leads from one
//! thing to another is an *edge*: it asks for that one anew.
//!
//! The gate decides; this table says what it decides on, for tests and for people. A type that is in it twice
//! or not at all fails a test, and so does an edge that nobody tried.

use domain::access::permission::Permission::{self, *};

/// What it takes to see what a type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A thing of its own: this permission, about it.
    Thing(Permission),
    /// No thing of its own.
    Part,
}

use Shown::{Part, Thing};

/// Every object type but the roots, payloads, connections and their edges, and the errors of mutations.
pub const TYPES: &[(Shown, &[&str])] = &[
    (Thing(UsersRead), &["User"]),
    (Thing(RolesRead), &["Role"]),
    (Thing(GroupsRead), &["Group"]),
    (Thing(AccountsRead), &["Account"]),
    (Thing(PreferencesRead), &["Preferences"]),
    (Thing(CatalogueRead), &["Product", "PriceList"]),
    (Thing(LocationsRead), &["Location"]),
    (Thing(StockRead), &["StockItem", "Transfer"]),
    (Thing(OrdersRead), &["Order", "Checkout"]),
    (Thing(CalendarsRead), &["Calendar"]),
    (Thing(WebhooksRead), &["WebhookEndpoint"]),
    (Thing(ClusterRead), &["Job"]),
    // Of what leads to them: of a product, a stock item, an order, a calendar.
    (
        Part,
        &[
            "Money",
            "Totals",
            "RateTotals",
            "Price",
            "Variant",
            "ProductTranslation",
            "Hold",
            "Shortage",
            "OutgoingTransfer",
        ],
    ),
    (Part, &["OrderLine", "OrdersByDay", "OrdersOfDay", "PageInfo"]),
    (Part, &["CalendarEvent", "DayHours", "OpeningException", "OpeningSpan"]),
    (Part, &["FreeBusy", "Interval", "Occurrence", "Occurrences"]),
    // Rows of lists, which the list's own filter leaves out.
    (
        Part,
        &[
            "SearchHighlight",
            "SearchPiece",
            "ListedEvent",
            "ListedHold",
            "ListedVariant",
            "ProductFacet",
            "ProductFacetValue",
        ],
    ),
    // Of decisions and roles.
    (
        Part,
        &[
            "AssignedRole",
            "Impersonation",
            "ActiveImpersonation",
            "Caller",
            "Capable",
            "CapablePage",
            "Decision",
            "DecisionReason",
        ],
    ),
    (Part, &["Person", "PersonData", "PersonThing", "RoleHolder", "RoleHolders"]),
    (Part, &["EffectivePermission", "Permission", "Preference", "Session", "ShippedRole"]),
    // Of what happened, and of the program itself.
    (Part, &["AuditEntry", "Change", "Diff", "HistoryCause", "HistoryEvent", "HistoryPrincipal"]),
    (Part, &["Cluster", "ClusterNode", "ClusterShard", "ShardMove"]),
    (Part, &["ActorStatus", "Follower", "OpenSaga", "Operations", "ParkedEntry", "ShardLag"]),
    (Part, &["Saga", "SagaStep", "ServerInfo", "ShardStatus", "Timer"]),
    // Of what a mutation would do, told to whoever may have it done.
    (Part, &["DryRun", "ForetoldEvent", "Quote", "QuotedLine"]),
    (Part, &["JobPart", "OutboxConsumer", "WebhookDelivery"]),
];

/// What a type is, if the table has it once.
pub fn shown(name: &str) -> Option<Shown> {
    let mut found =
        TYPES.iter().filter(|(_, names)| names.contains(&name)).map(|(shown, _)| *shown);
    let first = found.next()?;
    let is_only = found.next().is_none()
        && TYPES.iter().flat_map(|(_, names)| *names).filter(|known| **known == name).count() == 1;
    is_only.then_some(first)
}
