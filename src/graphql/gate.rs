//! Whose things a request may see and change. Whatever is read, listed or sent to goes through here, on its
//! way to the aggregate or the table; the [`guard`](crate::guard) before it looks at root fields alone.
//!
//! A thing that is not open answers as if it did not exist: to a reader nothing is there, a list has no row
//! and does not count it, and a mutation is sent to what never was, so that code, message and place of
//! blame are those of a wrong id.

use async_graphql::{Context, Result};
use uuid::Uuid;

use super::context::engine;
use super::errors::{FORBIDDEN, coded, fault};
use application::caller::Caller;
use auth::{Grants, Reach};
use domain::access::account::Account;
use domain::access::belongs::Belongs;
use domain::access::group::Group;
use domain::access::permission::Permission::{self, *};
use domain::access::preferences::Preferences;
use domain::access::role::Role;
use domain::access::user::User;
use domain::aggregate::Aggregate;
use domain::commerce::order::Order;
use domain::id::{AggregateId, CustomerId};
use domain::products::location::Location;
use domain::products::price_list::PriceList;
use domain::products::product::{self, Product};
use domain::products::stock_item::{self, StockItem};
use domain::question::{Question, Version, Whole};
use domain::scheduling::calendar::Calendar;
use projections::plan::{AGGREGATE, Filter};
use projections::table::{Listed, Value};
use projections::tables;
use sagas::checkout::Checkout;
use sagas::transfer::Transfer;

/// A kind of aggregate that clients see: what it takes to see and to change one, and whose one is.
pub trait Guarded: Aggregate + Sized {
    const READ: Permission;
    const WRITE: Permission;
    /// A command makes one of whatever id: then none is sent to what never was.
    const IS_MADE_BY_ANY: bool = false;

    type Whose: Question<Self>;
    /// What tells whose one is.
    const WHOSE: Self::Whose;

    fn belongs(id: AggregateId, whose: <Self::Whose as Question<Self>>::Answer) -> Belongs;
}

macro_rules! guarded {
    ($($kind:ty: $read:ident, $write:ident, $question:ty = $whose:expr, |$id:pat_param, $answer:pat_param| $belongs:expr;)+) => {$(
        impl Guarded for $kind {
            const READ: Permission = $read;
            const WRITE: Permission = $write;
            type Whose = $question;
            const WHOSE: $question = $whose;

            fn belongs(
                $id: AggregateId,
                $answer: <$question as Question<Self>>::Answer,
            ) -> Belongs {
                $belongs
            }
        }
    )+};
}

guarded! {
    User: UsersRead, UsersWrite, Version = Version, |id, ()| Belongs::to_user(id);
    Role: RolesRead, RolesWrite, Version = Version, |_, ()| Belongs::NOBODY;
    Group: GroupsRead, GroupsWrite, Version = Version, |_, ()| Belongs::NOBODY;
    Account: AccountsRead, AccountsWrite, Version = Version, |id, ()| Belongs::to_account(id);
    Product: CatalogueRead, CatalogueWrite, Version = Version, |_, ()| Belongs::NOBODY;
    PriceList: CatalogueRead, PricesWrite, Version = Version, |_, ()| Belongs::NOBODY;
    Location: LocationsRead, LocationsWrite, Version = Version,
        |id, ()| Belongs::lying_at(domain::id::LocationId(id.0));
    Transfer: StockRead, StockWrite, Whole = Whole,
        |_, state| state.goods.map_or(Belongs::NOBODY, |goods| Belongs::lying_at(goods.from));
    Order: OrdersRead, OrdersWrite, Whole = Whole, |_, state| of_buyer(&state);
    Checkout: OrdersRead, OrdersWrite, Whole = Whole,
        |_, state| state.customer.map_or(Belongs::NOBODY, Belongs::to_customer);
    Calendar: CalendarsRead, CalendarsWrite, Version = Version, |_, ()| Belongs::NOBODY;
}

impl Guarded for StockItem {
    const READ: Permission = StockRead;
    const WRITE: Permission = StockWrite;
    /// One is named by its variant and its location: there is no secret in which there are.
    const IS_MADE_BY_ANY: bool = true;
    type Whose = stock_item::Sums;
    const WHOSE: stock_item::Sums = stock_item::Sums;

    fn belongs(_: AggregateId, sums: stock_item::Totals) -> Belongs {
        sums.identity.map_or(Belongs::NOBODY, |(_, location)| Belongs::lying_at(location))
    }
}

impl Guarded for Preferences {
    const READ: Permission = PreferencesRead;
    const WRITE: Permission = PreferencesWrite;
    const IS_MADE_BY_ANY: bool = true;
    type Whose = Version;
    const WHOSE: Version = Version;

    fn belongs(id: AggregateId, (): ()) -> Belongs {
        Belongs::to_user(id)
    }
}

fn of_buyer(order: &domain::commerce::order::State) -> Belongs {
    let buyer = order.drafted.as_ref().map(|drafted| drafted.buyer.customer_id());
    buyer.map_or(Belongs::NOBODY, Belongs::to_customer)
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
    if !grants.may_somewhere(permission) {
        return Ok(false);
    }
    Ok(grants.may(permission, &whose::<A>(context, id).await?))
}

/// To whom an aggregate belongs; to nobody, if there is none.
pub async fn whose<A: Guarded>(context: &Context<'_>, id: AggregateId) -> Result<Belongs> {
    let reading = engine(context).aggregate::<A>(id).read(&A::WHOSE).await;
    let reading = reading.map_err(|error| fault(&error))?;
    // A user is himself, and his preferences are his, before there are any.
    Ok(A::belongs(id, reading.answer))
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

/// An id that nothing ever has: ids carry their form.
const NEVER: AggregateId = AggregateId(Uuid::nil());

/// A table whose rows belong to somebody or lie somewhere.
pub trait Reachable: Listed {
    const READ: Permission;
    /// The column of the user whose a row is.
    const PERSON: Option<&'static str> = None;
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
    ($($table:ty: $read:ident $(, PERSON = $person:expr)? $(, LOCATION = $location:expr)? $(, OR = $or:expr)? $(, DRAFTS = $drafts:expr)?;)+) => {$(
        impl Reachable for $table {
            const READ: Permission = $read;
            $(const PERSON: Option<&'static str> = Some($person);)?
            $(const LOCATION: Option<&'static str> = Some($location);)?
            $(const OR: Option<Permission> = Some($or);)?
            $(const DRAFTS: Option<Drafts> = Some($drafts);)?
        }
    )+};
}

reachable! {
    tables::orders::Orders: OrdersRead, PERSON = "buyer";
    tables::users::Users: UsersRead, PERSON = AGGREGATE;
    tables::products::Products: CatalogueRead, DRAFTS = PUBLISHED;
    tables::variants::Variants: CatalogueRead, DRAFTS = PUBLISHED;
    tables::stock::Stock: StockRead, LOCATION = "location";
    tables::holds::Holds: StockRead, PERSON = "customer";
    tables::locations::Locations: LocationsRead, LOCATION = AGGREGATE;
    tables::calendars::Calendars: CalendarsRead;
    tables::events::Events: CalendarsRead;
    tables::sagas::Sagas: ClusterRead, OR = OrdersRead;
}

/// The rows that a list may show, of those that are asked for; nothing where that is none.
pub fn reached<T: Reachable>(context: &Context<'_>, asked: Filter) -> Option<Filter> {
    let grants = grants(context);
    if T::OR.is_some_and(|permission| grants.may_everywhere(permission)) {
        return Some(asked);
    }
    let Reach::Only { people, locations, .. } = grants.reach(T::READ) else {
        let drafts = T::DRAFTS.filter(|drafts| !grants.may_everywhere(drafts.change));
        return Some(match drafts {
            None => asked,
            Some(Drafts { column, shown, .. }) => {
                Filter::All(vec![asked, Filter::OneOf(column, vec![shown()])])
            }
        });
    };
    let one_of = |column: Option<&'static str>, ids: Vec<Uuid>| {
        let column = column.filter(|_| !ids.is_empty())?;
        Some(Filter::OneOf(column, ids.into_iter().map(Into::into).collect()))
    };
    let parts = [one_of(T::PERSON, people), one_of(T::LOCATION, locations)];
    let mut parts: Vec<Filter> = parts.into_iter().flatten().collect();
    let open = match parts.len() {
        0 => return None,
        1 => parts.remove(0),
        _ => Filter::Any(parts),
    };
    Some(Filter::All(vec![asked, open]))
}
