//! Pages of lists: what stands at each place, with its cursor. Rows say which aggregates those are and in
//! which order. What is in them, an aggregate says that is in memory; of one that is not, its row does
//! where that holds all that is asked, and the rest of a page is read from the logs together.

use domain::id::AggregateId;
use projections::position::Position;
use projections::table::{self, Origin, Stored};

use std::borrow::Cow;

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Object, Result, SelectionField, TypeName};
use chrono::{DateTime, Utc};

use super::context::{Arguments, AsOf, Loaded, Viewed, application, arguments_of, engine, load};
use super::errors::fault;
use super::positions::PositionToken;
use super::scalars::Long;
use application::views::Views;

pub fn views<'a>(context: &Context<'a>) -> &'a Views {
    &application(context).views
}

/// What stands in a list for an aggregate.
pub trait Listed: Sized {
    type Of: Viewed;

    fn whole(loaded: Loaded<Self::Of>) -> Self;

    /// Of its row, where that holds all that is asked.
    fn of_row(_row: &Stored, _asked: &Asked<'_>) -> Option<Self> {
        None
    }
}

/// What is asked of the nodes of a list.
pub struct Asked<'a> {
    fields: Vec<&'a str>,
    pub now: DateTime<Utc>,
}

impl<'a> Asked<'a> {
    fn of(context: &Context<'_>, fields: Vec<&'a str>) -> Self {
        Self { fields, now: engine(context).services.now() }
    }

    pub fn has(&self, field: &str) -> bool {
        self.fields.contains(&field)
    }
}

/// What rows say of their aggregates that are written whenever something happens to one.
pub const UP_TO_DATE: &[&str] = &["version", "position"];

/// What is known of an aggregate: all that it says, or what its row says.
pub enum Known<A: Viewed, R> {
    Whole(Loaded<A>),
    Row(AggregateId, Origin, R),
}

impl<A: Viewed, R> From<Loaded<A>> for Known<A, R> {
    fn from(loaded: Loaded<A>) -> Self {
        Self::Whole(loaded)
    }
}

impl<A: Viewed, R: table::Row> Known<A, R> {
    /// What a row says, where it holds all that is asked in one of these lists of fields.
    pub fn of_row(row: &Stored, asked: &Asked<'_>, held: &[&[&str]]) -> Option<(Self, R)> {
        let of_all = ["id", "__typename"];
        let holds =
            |field| of_all.contains(field) || held.iter().any(|fields| fields.contains(field));
        if !asked.fields.iter().all(holds) {
            return None;
        }
        let read = R::read(&row.values)?;
        Some((Self::Row(row.key.id, row.origin, read.clone()), read))
    }

    pub fn id(&self) -> AggregateId {
        match self {
            Self::Whole(loaded) => loaded.id,
            Self::Row(id, ..) => *id,
        }
    }

    /// The aggregate. Only for fields that no row is taken for.
    pub fn loaded(&self) -> &Loaded<A> {
        match self {
            Self::Whole(loaded) => loaded,
            Self::Row(..) => unreachable!("a row answers for nothing that it does not hold"),
        }
    }
}

/// The same as [`Loaded`] flattens into its node.
#[Object(name_type)]
impl<A: Viewed, R: table::Row> Known<A, R> {
    #[graphql(name = "id")]
    pub(crate) async fn public_id(&self) -> A::Id {
        self.id().into()
    }

    pub(crate) async fn version(&self) -> Long {
        match self {
            Self::Whole(loaded) => loaded.reading.version.into(),
            Self::Row(_, origin, _) => origin.version.into(),
        }
    }

    pub(crate) async fn position(&self) -> PositionToken {
        match self {
            Self::Whole(loaded) => loaded.token(),
            Self::Row(_, origin, _) => PositionToken(Position::of(origin.shard, origin.seq)),
        }
    }
}

impl<A: Viewed, R: table::Row> TypeName for Known<A, R> {
    fn type_name() -> Cow<'static, str> {
        format!("known_{}", A::TYPE).into()
    }
}

/// What is asked of what a field leads to.
fn fields_of<'a>(field: &SelectionField<'a>) -> Vec<&'a str> {
    field.selection_set().map(|field| field.name()).collect()
}

/// Has in memory what rows do not answer for, before each node of the page asks for its own.
pub async fn make_ready<N: Listed>(context: &Context<'_>, page: &Page<Stored>) {
    let of_past = |asked: &Arguments| !matches!(asked.read::<Option<AsOf>>("asOf"), Some(None));
    if arguments_of(context, "node").iter().all(of_past) {
        return;
    }
    let edges = context.field();
    let nodes = edges.selection_set().filter(|field| field.name() == "node");
    let fields: Vec<&str> = nodes.flat_map(|node| fields_of(&node)).collect();
    let asked = Asked::of(context, fields);
    let rows = page.edges.iter().map(|(_, row)| row);
    let unanswered = rows.filter(|row| N::of_row(row, &asked).is_none());
    let ids: Vec<_> = unanswered.map(|row| row.key.id).collect();
    engine(context).load_together::<N::Of>(&ids).await;
}

/// The node of a row, now or as it was.
pub async fn node<N: Listed>(
    context: &Context<'_>,
    row: &Stored,
    as_of: Option<AsOf>,
) -> Result<Option<N>> {
    let id = row.key.id;
    let of_row = || N::of_row(row, &Asked::of(context, fields_of(&context.field())));
    if as_of.is_none()
        && !engine(context).aggregate::<N::Of>(id).is_live()
        && let Some(node) = of_row()
    {
        return Ok(Some(node));
    }
    Ok(load::<N::Of>(context, id, as_of).await?.map(N::whole))
}

/// What no log has, no list will have: there is nothing to wait for.
pub fn lacks(context: &Context<'_>, at_least: Option<&Position>) -> Result<()> {
    match at_least.and_then(|wanted| engine(context).lacks(wanted)) {
        Some(stale) => Err(fault(&stale)),
        None => Ok(()),
    }
}

/// One page of a list, in order: what stands at each place, a row or a node, with its cursor.
pub struct Page<N> {
    pub edges: Vec<(String, N)>,
    pub has_next_page: bool,
    pub has_previous_page: bool,
    pub position: Position,
    /// How many rows all pages have, where they were counted.
    pub total: Option<u32>,
}

impl<N> Page<N> {
    pub fn empty(position: Position) -> Self {
        let (has_next_page, has_previous_page) = (false, false);
        Self { edges: Vec::new(), has_next_page, has_previous_page, position, total: Some(0) }
    }

    /// The same page of what each is made into; what nothing is made of is left out.
    pub fn filter_map<M>(self, make: impl Fn(N) -> Option<M>) -> Page<M> {
        let Self { edges, has_next_page, has_previous_page, position, total } = self;
        let made = |(cursor, of): (String, N)| Some((cursor, make(of)?));
        let edges = edges.into_iter().filter_map(made).collect();
        Page { edges, has_next_page, has_previous_page, position, total }
    }

    pub fn info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.has_previous_page,
            has_next_page: self.has_next_page,
            start_cursor: self.edges.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: self.edges.last().map(|(cursor, _)| cursor.clone()),
        }
    }

    pub fn position(&self) -> PositionToken {
        PositionToken(self.position.clone())
    }
}

/// The connection (Relay) over the aggregates of one kind.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ident) => {
        pub struct $connection(pub $crate::lists::Page<projections::table::Stored>);

        /// One page of a list.
        #[async_graphql::Object]
        impl $connection {
            async fn edges(&self, context: &async_graphql::Context<'_>) -> Vec<$edge<'_>> {
                $crate::lists::make_ready::<$node>(context, &self.0).await;
                self.0.edges.iter().map(|(cursor, row)| $edge { cursor, row }).collect()
            }

            /// How many there are on all pages; null where that is more than 1,000, or where nobody
            /// counts.
            #[graphql(complexity = 10)]
            async fn total_count(&self) -> Option<u32> {
                self.0.total
            }

            async fn page_info(&self) -> async_graphql::connection::PageInfo {
                self.0.info()
            }

            /// How far in the logs the list was read.
            async fn position(&self) -> $crate::positions::PositionToken {
                self.0.position()
            }
        }

        pub struct $edge<'a> {
            cursor: &'a str,
            row: &'a projections::table::Stored,
        }

        /// One row of a list.
        #[async_graphql::Object]
        impl $edge<'_> {
            async fn cursor(&self) -> &str {
                self.cursor
            }

            /// The aggregate as it is now, or as of its `position` where the list itself has all that is
            /// asked and nobody has it in memory; or as it was, whatever the list is ordered and filtered
            /// by, and null before it began. Null, with an error, if it cannot be read.
            #[graphql(complexity = "crate::context::past(&as_of) + child_complexity")]
            async fn node(
                &self,
                context: &async_graphql::Context<'_>,
                as_of: Option<$crate::context::AsOf>,
            ) -> async_graphql::Result<Option<$node>> {
                $crate::lists::node(context, self.row, as_of).await
            }
        }
    };
}
pub(crate) use connection;
