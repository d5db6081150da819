//! Whose things a request may see and change. Whatever is read, listed or sent to goes through here, on its
//! way to the aggregate or the table; the [`guard`](crate::guard) before it looks at root fields alone.
//!
//! A thing that is not open answers as if it did not exist: to a reader nothing is there, a list has no row
//! and does not count it, and a mutation is sent to what never was, so that code, message and place of
//! blame are those of a wrong id.

use async_graphql::{Context, Result};
use uuid::Uuid;

use super::context::engine;
use super::errors::{FORBIDDEN, coded, fault, grants_pending};
use actors::aggregate_ref::{Engine, Fault};
use application::caller::Caller;
use application::denials::{Attempt, Denials};
use auth::{Grants, Principal, Reach};
use domain::access::account::Account;
use domain::access::belongs::Belongs;
use domain::access::group::Group;
use domain::access::owner::Owner;
use domain::access::permission::Permission::{self, *};
use domain::access::preferences::Preferences;
use domain::access::role::Role;
use domain::access::user::User;
use domain::aggregate::Aggregate;
use domain::commerce::order::{self, Order};
use domain::id::{AggregateId, CustomerId, LocationId};
use domain::messaging::webhook_endpoint::WebhookEndpoint;
use domain::principal::PrincipalKind;
use domain::products::location::Location;
use domain::products::price_list::PriceList;
use domain::products::product::{self, Product};
use domain::products::stock_item::{self, StockItem};
use domain::question::Question;
use domain::scheduling::calendar::{self, Calendar};
use projections::plan::{AGGREGATE, Filter};
use projections::table::{Listed, Value};
use projections::tables;
use sagas::checkout::{self, Checkout};
use sagas::job::Job;
use sagas::transfer::{self, Transfer};

/// A kind of aggregate that clients see: what it takes to see and to change one, and whose one is.
pub trait Guarded: Aggregate + Sized {
    const READ: Permission;
    const WRITE: Permission;
    /// A command makes one of whatever id: then none is sent to what never was.
    const IS_MADE_BY_ANY: bool = false;

    /// Whose one is, by as little as tells it; nobody's, if there is none.
    fn whose(
        engine: &Engine,
        id: AggregateId,
    ) -> impl Future<Output = std::result::Result<Belongs, Fault>> + Send;
}

macro_rules! guarded {
    ($($kind:ty: $read:ident, $write:ident $(, MADE_BY_ANY = $made:literal)?, |$engine:pat_param, $id:pat_param| $belongs:expr;)+) => {$(
        impl Guarded for $kind {
            const READ: Permission = $read;
            const WRITE: Permission = $write;
            $(const IS_MADE_BY_ANY: bool = $made;)?

            async fn whose(
                $engine: &Engine,
                $id: AggregateId,
            ) -> std::result::Result<Belongs, Fault> {
                Ok($belongs)
            }
        }
    )+};
}

guarded! {
    // A user is himself, and his preferences are his, before there are any.
    User: UsersRead, UsersWrite, |_, id| Belongs::to_user(id);
    Role: RolesRead, RolesWrite, |_, _| Belongs::NOBODY;
    Group: GroupsRead, GroupsWrite, |_, _| Belongs::NOBODY;
    Account: AccountsRead, AccountsWrite, |_, id| Belongs::to_account(id);
    Preferences: PreferencesRead, PreferencesWrite, MADE_BY_ANY = true, |_, id| Belongs::to_user(id);
    Product: CatalogueRead, CatalogueWrite, |_, _| Belongs::NOBODY;
    PriceList: CatalogueRead, PricesWrite, |_, _| Belongs::NOBODY;
    Location: LocationsRead, LocationsWrite, |_, id| Belongs::lying_at(LocationId(id.0));
    // One is named by its variant and its location: there is no secret in which there are.
    StockItem: StockRead, StockWrite, MADE_BY_ANY = true, |engine, id| {
        let sums = asked::<StockItem, _>(engine, id, &stock_item::Sums).await?;
        sums.identity.map_or(Belongs::NOBODY, |(_, location)| Belongs::lying_at(location))
    };
    Transfer: StockRead, StockWrite, |engine, id| {
        let whence = asked::<Transfer, _>(engine, id, &transfer::Whence).await?;
        whence.map_or(Belongs::NOBODY, Belongs::lying_at)
    };
    Order: OrdersRead, OrdersWrite, |engine, id| {
        asked::<Order, _>(engine, id, &order::Whose).await?.into()
    };
    // Whose the order is.
    Checkout: OrdersRead, OrdersWrite, |engine, id| {
        match asked::<Checkout, _>(engine, id, &checkout::OfOrder).await? {
            Some(order) => Order::whose(engine, order).await?,
            None => Belongs::NOBODY,
        }
    };
    Calendar: CalendarsRead, CalendarsWrite, |engine, id| {
        asked::<Calendar, _>(engine, id, &calendar::Whose).await?.into()
    };
    Job: ClusterRead, ClusterOperate, |_, _| Belongs::NOBODY;
    WebhookEndpoint: WebhooksRead, WebhooksWrite, |_, _| Belongs::NOBODY;
}

async fn asked<A: Aggregate, Q: Question<A>>(
    engine: &Engine,
    id: AggregateId,
    question: &Q,
) -> std::result::Result<Q::Answer, Fault> {
    Ok(engine.aggregate::<A>(id).read(question).await?.answer)
}

/// What the caller of this request may do.
pub fn grants<'a>(context: &Context<'a>) -> &'a Grants {
    &context.data_unchecked::<Caller>().principal.grants
}

/// Whether the caller may do this to one aggregate. Whoever may do it to all of them costs no look at it.
pub async fn permits<A: Guarded>(
    context: &Context<'_>,
    id: AggregateId,
    permission: Permission,
) -> Result<bool> {
    let grants = grants(context);
    if grants.may_everywhere(permission) {
        return Ok(true);
    }
    if grants.may_somewhere(permission) && grants.may(permission, &whose::<A>(context, id).await?) {
        return Ok(true);
    }
    unless_pending(grants)?;
    note::<A>(context, id, permission);
    Ok(false)
}

/// Notes that somebody asked for a thing that is not open to him. What he meets on his way from another thing
/// he did not name.
fn note<A: Guarded>(context: &Context<'_>, id: AggregateId, permission: Permission) {
    if context.path_node.is_some_and(|node| node.parent.is_some()) {
        return;
    }
    let by = &context.data_unchecked::<Caller>().principal.identity;
    let attempt = Attempt { action: permission.name(), thing: Some((A::TYPE, id)), code: NOT_OPEN };
    context.data_unchecked::<Denials>().note(by, attempt);
}

/// What the audit calls it where somebody is told that a thing does not exist.
const NOT_OPEN: &str = "NOT_OPEN";

/// As long as it is not known what somebody may do, nothing is told to be missing that may be open to him.
fn unless_pending(grants: &Grants) -> Result<()> {
    if grants.is_pending() { Err(fault(&grants_pending())) } else { Ok(()) }
}

/// To whom an aggregate belongs; to nobody, if there is none.
pub async fn whose<A: Guarded>(context: &Context<'_>, id: AggregateId) -> Result<Belongs> {
    A::whose(engine(context), id).await.map_err(|error| fault(&error))
}

/// Where a mutation about an aggregate goes: there, or, where that is not open, to what never was.
pub async fn target<A: Guarded>(context: &Context<'_>, id: AggregateId) -> Result<AggregateId> {
    if permits::<A>(context, id, A::WRITE).await? {
        return Ok(id);
    }
    if A::IS_MADE_BY_ANY {
        return Err(coded(FORBIDDEN, "these are not open to you"));
    }
    Ok(NEVER)
}

/// Who buys: this customer, or, where orders are not to be made for him by the caller, one who never was.
pub fn buyer(context: &Context<'_>, customer: CustomerId) -> CustomerId {
    if grants(context).may(OrdersWrite, &Belongs::to_customer(customer)) {
        return customer;
    }
    CustomerId(NEVER.0)
}

/// Whom data are about: this user, or, where that is not open to the caller, one who never was.
pub fn person(context: &Context<'_>, permission: Permission, user: AggregateId) -> AggregateId {
    if grants(context).may(permission, &Belongs::to_user(user)) {
        return user;
    }
    note::<User>(context, user, permission);
    NEVER
}

/// Whose an order for a guest is: his, who orders himself; else that of the guest whom his address names, by
/// whoever may make orders for anybody.
pub fn owner_for_guest(context: &Context<'_>) -> Result<Option<Owner>> {
    let Principal { identity, grants } = &context.data_unchecked::<Caller>().principal;
    if grants.may_everywhere(OrdersWrite) {
        return Ok(None);
    }
    let guest = grants.subject().filter(|_| identity.kind == PrincipalKind::Guest);
    match guest.map(|id| Owner::Guest { id }) {
        Some(owner) if grants.may(OrdersWrite, &owner.into()) => Ok(Some(owner)),
        _ => Err(coded(FORBIDDEN, "to order for guests is not open to you")),
    }
}

/// The owner that a new thing is to have: this one, or, where his things are not to be made by the caller, one
/// who never was.
pub fn owner(context: &Context<'_>, write: Permission, owner: Owner) -> Owner {
    if grants(context).may(write, &owner.into()) {
        return owner;
    }
    match owner {
        Owner::User { .. } => Owner::User { id: NEVER },
        Owner::Guest { .. } => Owner::Guest { id: NEVER.0 },
        Owner::Account { .. } => Owner::Account { id: NEVER },
    }
}

/// An id that nothing ever has: ids carry their form.
const NEVER: AggregateId = AggregateId(Uuid::nil());

/// A table whose rows belong to somebody or lie somewhere.
pub trait Reachable: Listed {
    const READ: Permission;
    /// The column of the user whose a row is.
    const PERSON: Option<&'static str> = None;
    /// The column of the owner whose a row is, a user, a guest or an account.
    const OWNER: Option<&'static str> = None;
    /// The column of the location where it lies.
    const LOCATION: Option<&'static str> = None;
    /// Another permission that does as well.
    const OR: Option<Permission> = None;
    /// Who may not change the rows sees those alone that are not drafts.
    const DRAFTS: Option<Drafts> = None;
}

/// Rows that only those see who may change them.
pub struct Drafts {
    change: Permission,
    column: &'static str,
    /// What the column has in all others.
    shown: fn() -> Value,
}

/// Products and variants that are on sale.
const PUBLISHED: Drafts = Drafts {
    change: CatalogueWrite,
    column: "status",
    shown: || tables::products::status_value(product::Status::Published),
};

macro_rules! reachable {
    ($($table:ty: $read:ident $(, PERSON = $person:expr)? $(, OWNER = $owner:expr)? $(, LOCATION = $location:expr)? $(, OR = $or:expr)? $(, DRAFTS = $drafts:expr)?;)+) => {$(
        impl Reachable for $table {
            const READ: Permission = $read;
            $(const PERSON: Option<&'static str> = Some($person);)?
            $(const OWNER: Option<&'static str> = Some($owner);)?
            $(const LOCATION: Option<&'static str> = Some($location);)?
            $(const OR: Option<Permission> = Some($or);)?
            $(const DRAFTS: Option<Drafts> = Some($drafts);)?
        }
    )+};
}

reachable! {
    tables::orders::Orders: OrdersRead, OWNER = "owner";
    tables::users::Users: UsersRead, PERSON = AGGREGATE;
    tables::products::Products: CatalogueRead, DRAFTS = PUBLISHED;
    tables::variants::Variants: CatalogueRead, DRAFTS = PUBLISHED;
    tables::stock::Stock: StockRead, LOCATION = "location";
    tables::holds::Holds: StockRead, PERSON = "customer";
    tables::locations::Locations: LocationsRead, LOCATION = AGGREGATE;
    tables::calendars::Calendars: CalendarsRead, OWNER = "owner";
    tables::events::Events: CalendarsRead, OWNER = "owner";
    tables::sagas::Sagas: ClusterRead, OR = OrdersRead;
    tables::audit::Audit: AuditRead;
}

/// The rows that a list may show, of those that are asked for; nothing where that is none.
pub fn reached<T: Reachable>(context: &Context<'_>, asked: Filter) -> Result<Option<Filter>> {
    let grants = grants(context);
    unless_pending(grants)?;
    if T::OR.is_some_and(|permission| grants.may_everywhere(permission)) {
        return Ok(Some(asked));
    }
    let Reach::Only { people, accounts, locations } = grants.reach(T::READ) else {
        let drafts = T::DRAFTS.filter(|drafts| !grants.may_everywhere(drafts.change));
        return Ok(Some(match drafts {
            None => asked,
            Some(Drafts { column, shown, .. }) => {
                Filter::All(vec![asked, Filter::OneOf(column, vec![shown()])])
            }
        }));
    };
    let one_of = |column: Option<&'static str>, ids: Vec<Uuid>| {
        let column = column.filter(|_| !ids.is_empty())?;
        Some(Filter::OneOf(column, ids.into_iter().map(Into::into).collect()))
    };
    let owners = people.iter().chain(&accounts).copied().collect();
    let parts =
        [one_of(T::PERSON, people), one_of(T::OWNER, owners), one_of(T::LOCATION, locations)];
    let mut parts: Vec<Filter> = parts.into_iter().flatten().collect();
    let open = match parts.len() {
        0 => return Ok(None),
        1 => parts.remove(0),
        _ => Filter::Any(parts),
    };
    Ok(Some(Filter::All(vec![asked, open])))
}
