//! Questions about users.

use async_graphql::{Context, Enum, InputObject, Object, Result};

use super::{UserNode, UserStanding};
use crate::context::{AsOf, Loaded, engine, load, past};
use crate::errors::{coded, fault};
use crate::ids::PublicUserId;
use crate::lists::{Listed as _, connection};
use crate::rows::{Compared, DateTimeFilter, Direction, OneOf, Window, filters, list, rows};
use crate::scalars::GivenPosition;
use application::users;
use domain::access::user::User;
use domain::aggregate::Aggregate as _;
use domain::email::EmailAddress;
use domain::id::AggregateId;
use projections::plan::{Filter, Ordering};
use projections::table::Value;
use projections::tables::users as table;

connection!(UserConnection, UserEdge, UserNode);

impl Compared for UserStanding {
    fn value(&self) -> Value {
        table::status_value((*self).into())
    }
}

/// What columns of users are called here.
const WORDS: &[(&str, &str)] = &[
    ("registered_us", "registeredAt"),
    // Of whoever erases by rule.
    ("is_kept", ""),
    ("kept_since_us", ""),
];

filters! {
    /// Which users.
    UserWhere {
        status: OneOf<UserStanding> = "status",
        registered_at: DateTimeFilter = "registered_us",
    }
}

/// What users are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserOrderField {
    RegisteredAt,
}

#[derive(InputObject, Clone, Copy)]
pub struct UserOrder {
    field: UserOrderField,
    #[graphql(default_with = "Direction::Descending")]
    direction: Direction,
}

impl UserOrder {
    const NEWEST: Ordering = Ordering { column: "registered_us", descending: true };

    fn ordering(self) -> Ordering {
        let column = match self.field {
            UserOrderField::RegisteredAt => "registered_us",
        };
        Ordering { column, descending: self.direction == Direction::Descending }
    }
}

list! {
    UserConnection of users: table::Users, where UserWhere, by UserOrder;
    KINDS = [User::TYPE], WORDS = WORDS;
    asked = |filter, order_by| {
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        (filter, order_by.map_or(UserOrder::NEWEST, UserOrder::ordering))
    };
    shown = UserConnection;
}

#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// A user, now or as they were.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn user(
        &self,
        context: &Context<'_>,
        id: PublicUserId,
        as_of: Option<AsOf>,
    ) -> Result<Option<UserNode>> {
        Ok(registered(context, id.into(), as_of).await?.map(UserNode::whole))
    }

    /// Users, by when they registered, the newest first where nothing else is said.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn users(
        &self,
        context: &Context<'_>,
        r#where: Option<UserWhere>,
        order_by: Option<UserOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<UserConnection> {
        let window = Window { first, after, last, before, at_least };
        window.list(context, r#where, order_by).await
    }

    /// Users by what names one: an e-mail address, whole, or an id. Names and parts of addresses are sealed, and
    /// nobody searches in them.
    #[graphql(complexity = "2 * child_complexity")]
    async fn search_users(&self, context: &Context<'_>, text: String) -> Result<Vec<UserNode>> {
        let text = text.trim();
        if let Some(id) = PublicUserId::read(text) {
            let found = registered(context, id.into(), None).await?;
            return Ok(found.map(UserNode::whole).into_iter().collect());
        }
        // What is no address is nobody's.
        let Ok(email) = EmailAddress::parse(text) else { return Ok(Vec::new()) };
        let found =
            users::by_email(engine(context), &email).await.map_err(|error| fault(&error))?;
        Ok(found.map(|(id, reading)| UserNode::whole(Loaded { id, reading })).into_iter().collect())
    }

    /// The user who has an e-mail address, however it is capitalised.
    async fn user_by_email(
        &self,
        context: &Context<'_>,
        email: String,
    ) -> Result<Option<UserNode>> {
        let email =
            EmailAddress::parse(&email).map_err(|error| coded(error.code(), error.to_string()))?;
        let found =
            users::by_email(engine(context), &email).await.map_err(|error| fault(&error))?;
        Ok(found.map(|(id, reading)| UserNode::whole(Loaded { id, reading })))
    }
}

/// A user who registered: a fenced reservation alone makes none.
async fn registered(
    context: &Context<'_>,
    id: AggregateId,
    as_of: Option<AsOf>,
) -> Result<Option<Loaded<User>>> {
    let user = load::<User>(context, id, as_of).await?;
    Ok(user.filter(|user| user.state().profile.is_some()))
}
