//! Lists that are answered from rows: which page, by what, in which order. A list names the columns
//! that clients may filter and order by; which index serves that, `projections::plan` knows.

use std::ops::Bound;

use actors::table::{self, TableRef};
use async_graphql::{Context, Enum, InputObject, InputType, Result};
use domain::id::AggregateId;
use projections::cursor;
use projections::plan::{self, Filter, Ordering, Slice, Unserved};
use projections::table::{Key, Listed, Row, Stored, Value};

use super::cursors::Cursors;
use super::errors::{INVALID_VALUE, coded, fault};
use super::gate::{self, Reachable};
use super::ids::{
    PublicAccountId, PublicCalendarId, PublicCustomerId, PublicLocationId, PublicUserId,
    PublicVariantId,
};
use super::lists::{Page, lacks, views};
use super::scalars::{GivenPosition, Instant, Long};
use application::views::Views;

/// Rows of a page where nothing is said.
const PAGE: i32 = 20;

/// Which page of a list is meant: the first rows behind a cursor, or the last ones before one.
#[derive(Default)]
pub struct Window {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
    pub at_least: Option<GivenPosition>,
}

/// A list: what is asked of which table, and how a page of it is shown.
pub trait List: Sized {
    type Table: Reachable;
    type Where: Clone + Send + Sync;
    type OrderBy: Copy + Send + Sync;

    /// The kinds of aggregates by whose events its rows change.
    const KINDS: &'static [&'static str];
    /// What its columns are called here.
    const WORDS: &'static [(&'static str, &'static str)];

    fn table(views: &Views) -> &TableRef<Self::Table>;

    /// Which rows are asked for, in which order, where something or nothing is said of it.
    fn asked(filter: Option<Self::Where>, order_by: Option<Self::OrderBy>) -> (Filter, Ordering);

    fn shown(page: Page<Stored>) -> Self;
}

/// How many rows a page has, for what it costs.
pub fn rows(first: Option<i32>, last: Option<i32>) -> usize {
    usize::try_from(first.or(last).unwrap_or(PAGE)).unwrap_or(0)
}

impl Window {
    /// Reads the page of a list.
    pub async fn list<L: List>(
        self,
        context: &Context<'_>,
        filter: Option<L::Where>,
        order_by: Option<L::OrderBy>,
    ) -> Result<L> {
        Ok(L::shown(self.rows_of::<L>(context, filter, order_by).await?))
    }

    /// The same as rows.
    pub async fn rows_of<L: List>(
        self,
        context: &Context<'_>,
        filter: Option<L::Where>,
        order_by: Option<L::OrderBy>,
    ) -> Result<Page<Stored>> {
        let (filter, ordering) = L::asked(filter, order_by);
        self.page(context, L::table(views(context)), filter, ordering, L::WORDS).await
    }

    /// Reads the page, of what is open to the caller.
    pub async fn page<T: Reachable>(
        self,
        context: &Context<'_>,
        table: &TableRef<T>,
        filter: Filter,
        ordering: Ordering,
        names: &[(&str, &'static str)],
    ) -> Result<Page<Stored>> {
        let open = gate::reached::<T>(context, filter)?;
        self.page_of_open(context, table, open, ordering, names).await
    }

    /// Reads the page of rows that are open to the caller as it was decided already; of none for nothing.
    pub async fn page_of_open<T: Reachable>(
        self,
        context: &Context<'_>,
        table: &TableRef<T>,
        filter: Option<Filter>,
        ordering: Ordering,
        names: &[(&str, &'static str)],
    ) -> Result<Page<Stored>> {
        let backwards = self.is_backwards()?;
        let count = rows(self.first, self.last);
        let at_least = self.at_least.map(|position| position.read(context)).transpose()?;
        lacks(context, at_least.as_ref())?;
        let list = format!("{} by {}", T::SHAPE.name, ordering.column);
        let cursors = Cursors::of(context, list);
        let edge = if backwards { self.before } else { self.after };
        let after = edge.map(|text| cursors.read(&text)).transpose()?;
        let Some(filter) = filter else {
            let position = table.follower.position();
            return Ok(Page::empty(position));
        };
        let has_edge = after.is_some();
        let unserved = |unserved: Unserved| {
            coded("INVALID_FILTER", unserved.in_words(|column| in_words(column, names)))
        };
        let descending = ordering.descending != backwards;
        let page = if let Some(named) = plan::aggregates(&filter).map_err(unserved)? {
            let keys: Vec<Key> = named.into_iter().map(AggregateId).map(Key::of).collect();
            let page = table.rows(at_least.as_ref(), &keys).await;
            let page = page.map_err(|error| fault(&error))?;
            of_named::<T>(page, &filter, Ordering { descending, ..ordering }, after.as_ref())
        } else {
            let branches = plan::plan(T::SHAPE, &filter, ordering).map_err(unserved)?;
            let rows = u32::try_from(count + 1).unwrap_or(u32::MAX);
            let slice = Slice { branches, descending, after, rows };
            let counted = context.look_ahead().field("totalCount").exists();
            let page = table.page(at_least.as_ref(), counted, &slice).await;
            page.map_err(|error| fault(&error))?
        };
        let column = T::SHAPE.column(ordering.column).expect("lists are ordered by columns");
        let mut found = page.rows;
        let more = found.len() > count;
        found.truncate(count);
        if backwards {
            found.reverse();
        }
        let edges = found
            .into_iter()
            .map(|row| (cursors.write(vec![row.values[column].clone()], row.key), row));
        let (has_previous_page, has_next_page) =
            if backwards { (more, has_edge) } else { (has_edge, more) };
        let (position, total) = (page.position, page.total);
        Ok(Page { edges: edges.collect(), has_next_page, has_previous_page, position, total })
    }

    pub fn is_backwards(&self) -> Result<bool> {
        let backwards = self.last.is_some() || self.before.is_some();
        if backwards && (self.first.is_some() || self.after.is_some()) {
            let right = "a page is `first` with `after`, or `last` with `before`";
            return Err(coded(INVALID_VALUE, right));
        }
        Ok(backwards)
    }
}

/// Of the rows of named aggregates those that a filter means, in their order, behind a place.
fn of_named<T: Listed>(
    mut page: table::Page,
    filter: &Filter,
    ordering: Ordering,
    after: Option<&cursor::Place>,
) -> table::Page {
    let column = T::SHAPE.column(ordering.column).expect("lists are ordered by columns");
    let place = |row: &Stored| (row.values[column].clone(), row.key);
    page.rows.retain(|row| plan::means(filter, T::SHAPE, row));
    page.total = u32::try_from(page.rows.len()).ok();
    page.rows.sort_by_key(place);
    if ordering.descending {
        page.rows.reverse();
    }
    if let Some((values, key)) = after {
        let after = (values.first().cloned().unwrap_or(Value::Null), *key);
        let is_behind = |row: &Stored| {
            if ordering.descending { place(row) < after } else { place(row) > after }
        };
        page.rows.retain(is_behind);
    }
    page
}

impl Page<Stored> {
    /// The page with its rows as the nodes that they make.
    pub fn nodes<T: Listed, N>(self, node: impl Fn(Key, T::Row) -> N) -> Page<N> {
        self.filter_map(|row| Some(node(row.key, <T::Row as Row>::read(&row.values)?)))
    }
}

/// The connection (Relay) over nodes that rows answer for.
macro_rules! row_connection {
    ($connection:ident, $edge:ident, $node:ty) => {
        pub struct $connection(pub $crate::lists::Page<$node>);

        /// One page of a list.
        #[async_graphql::Object]
        impl $connection {
            async fn edges(&self) -> Vec<$edge<'_>> {
                self.0.edges.iter().map(|(cursor, node)| $edge { cursor, node }).collect()
            }

            /// How many there are on all pages; null where that is more than 1,000.
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

        /// One row of a list.
        #[derive(async_graphql::SimpleObject)]
        pub struct $edge<'a> {
            cursor: &'a str,
            node: &'a $node,
        }
    };
}
pub(crate) use row_connection;

/// What a column is called in a list; nothing, where the list cannot be asked for it.
fn in_words<'a>(column: &'a str, names: &[(&str, &'a str)]) -> Option<&'a str> {
    let named = names.iter().find(|(of, _)| *of == column).map(|(_, name)| *name);
    Some(named.unwrap_or(column)).filter(|name| !name.is_empty())
}

/// In which direction.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// What a column is compared with.
pub trait Compared: InputType {
    fn value(&self) -> Value;
}

macro_rules! compared_ids {
    ($($id:ty),+) => {$(
        impl Compared for $id {
            fn value(&self) -> Value {
                self.0.into()
            }
        }
    )+};
}
compared_ids!(
    PublicUserId,
    PublicAccountId,
    PublicCustomerId,
    PublicVariantId,
    PublicLocationId,
    PublicCalendarId
);

impl Compared for Instant {
    fn value(&self) -> Value {
        self.0.timestamp_micros().into()
    }
}

impl Compared for Long {
    fn value(&self) -> Value {
        self.0.into()
    }
}

impl Compared for String {
    fn value(&self) -> Value {
        self.as_str().into()
    }
}

/// One of these; several conditions hold together.
#[derive(InputObject, Clone)]
#[graphql(concrete(name = "OrderStatusFilter", params(super::commerce::OrderStatus)))]
#[graphql(concrete(name = "UserStatusFilter", params(super::access::UserStanding)))]
#[graphql(concrete(name = "UserIdFilter", params(PublicUserId)))]
#[graphql(concrete(name = "AccountIdFilter", params(PublicAccountId)))]
#[graphql(concrete(name = "ProductStatusFilter", params(super::products::ProductStatus)))]
#[graphql(concrete(name = "HoldPhaseFilter", params(super::products::HoldPhase)))]
#[graphql(concrete(name = "LocationKindFilter", params(super::products::LocationKind)))]
#[graphql(concrete(name = "LocationStatusFilter", params(super::products::LocationStatus)))]
#[graphql(concrete(name = "VariantIdFilter", params(PublicVariantId)))]
#[graphql(concrete(name = "LocationIdFilter", params(PublicLocationId)))]
#[graphql(concrete(name = "CustomerIdFilter", params(PublicCustomerId)))]
#[graphql(concrete(name = "OrderNumberFilter", params(super::scalars::TypedNumber)))]
#[graphql(concrete(name = "CalendarIdFilter", params(PublicCalendarId)))]
#[graphql(concrete(name = "EventStateFilter", params(super::scheduling::EventState)))]
#[graphql(concrete(name = "ActorFilter", params(String)))]
#[graphql(concrete(name = "AuditOutcomeFilter", params(super::operations::AuditOutcome)))]
#[graphql(concrete(name = "SagaKindFilter", params(super::operations::SagaKind)))]
#[graphql(concrete(name = "SagaStateFilter", params(super::operations::SagaState)))]
#[graphql(concrete(name = "JobStateFilter", params(super::operations::JobState)))]
pub struct OneOf<T: Compared> {
    pub eq: Option<T>,
    pub r#in: Option<Vec<T>>,
}

impl<T: Compared> OneOf<T> {
    pub fn on(&self, column: &'static str) -> Filter {
        let equal = self.eq.iter().map(|value| Filter::OneOf(column, vec![value.value()]));
        let one_of = self
            .r#in
            .iter()
            .map(|values| Filter::OneOf(column, values.iter().map(Compared::value).collect()));
        Filter::All(equal.chain(one_of).collect())
    }
}

/// Text that is this, one of these, or begins so.
#[derive(InputObject, Clone)]
pub struct TextFilter {
    pub eq: Option<String>,
    pub r#in: Option<Vec<String>>,
    pub starts_with: Option<String>,
}

impl TextFilter {
    pub fn on(&self, column: &'static str) -> Filter {
        self.each(column, |text| text.to_owned())
    }

    /// On a column that is kept in lower case.
    pub fn on_lower(&self, column: &'static str) -> Filter {
        self.each(column, str::to_lowercase)
    }

    fn each(&self, column: &'static str, form: impl Fn(&str) -> String) -> Filter {
        let value = |text: &String| Value::Text(form(text));
        let equal = self.eq.iter().map(|text| Filter::OneOf(column, vec![value(text)]));
        let one_of = self.r#in.iter();
        let one_of = one_of.map(|all| Filter::OneOf(column, all.iter().map(value).collect()));
        let begins = self.starts_with.iter().map(|text| {
            let text = form(text);
            let end = behind_prefix(&text)
                .map_or(Bound::Unbounded, |end| Bound::Excluded(Value::Text(end)));
            Filter::Between(column, Bound::Included(Value::Text(text)), end)
        });
        Filter::All(equal.chain(one_of).chain(begins).collect())
    }
}

/// The first text behind all that begin so, byte by byte; none where there is none.
fn behind_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// A whole number, or a span of them with both ends.
#[derive(InputObject, Clone)]
pub struct LongFilter {
    pub eq: Option<Long>,
    pub from: Option<Long>,
    pub to: Option<Long>,
}

impl LongFilter {
    pub fn on(&self, column: &'static str) -> Filter {
        let bound =
            |end: Option<Long>| end.map_or(Bound::Unbounded, |end| Bound::Included(end.value()));
        let span = Filter::Between(column, bound(self.from), bound(self.to));
        let equal = self.eq.map(|equal| Filter::OneOf(column, vec![equal.value()]));
        Filter::All(std::iter::once(span).chain(equal).collect())
    }
}

/// Whether something is so, as it is kept.
pub trait Flag {
    fn on(&self, column: &'static str) -> Filter;
}

impl Flag for bool {
    fn on(&self, column: &'static str) -> Filter {
        Filter::OneOf(column, vec![i64::from(*self).into()])
    }
}

/// A span of time: from its first instant on, and before its end.
#[derive(InputObject, Clone)]
pub struct DateTimeFilter {
    pub from: Option<Instant>,
    pub before: Option<Instant>,
}

impl DateTimeFilter {
    pub fn on(&self, column: &'static str) -> Filter {
        let from = self.from.map_or(Bound::Unbounded, |from| Bound::Included(from.value()));
        let before = self.before.map_or(Bound::Unbounded, |before| Bound::Excluded(before.value()));
        Filter::Between(column, from, before)
    }
}

/// The input that a list is filtered by: its conditions hold together, with `and` and `or` of the same.
macro_rules! filters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $test:ty = $column:literal,)+ }) => {
        $(#[$doc])*
        #[derive(async_graphql::InputObject, Clone)]
        pub struct $name {
            /// All of these.
            pub and: Option<Vec<$name>>,
            /// At least one of these.
            pub or: Option<Vec<$name>>,
            $($(#[$field_doc])* pub $field: Option<$test>,)+
        }

        impl $name {
            pub fn filter(&self) -> projections::plan::Filter {
                use projections::plan::Filter;
                let mut all = Vec::new();
                $(all.extend(self.$field.iter().map(|test| test.on($column)));)+
                if let Some(parts) = &self.and {
                    all.push(Filter::All(parts.iter().map(Self::filter).collect()));
                }
                if let Some(parts) = &self.or {
                    all.push(Filter::Any(parts.iter().map(Self::filter).collect()));
                }
                Filter::All(all)
            }
        }
    };
}
pub(crate) use filters;

/// Makes a connection a [`List`].
macro_rules! list {
    ($connection:ident of $at:ident: $table:ty, where $filter:ty, by $order:ty;
     KINDS = $kinds:expr, WORDS = $words:expr;
     asked = |$where:ident, $order_by:ident| $asked:expr;
     shown = $shown:expr;) => {
        impl $crate::rows::List for $connection {
            type Table = $table;
            type Where = $filter;
            type OrderBy = $order;

            const KINDS: &'static [&'static str] = &$kinds;
            const WORDS: &'static [(&'static str, &'static str)] = $words;

            fn table(views: &application::views::Views) -> &actors::table::TableRef<$table> {
                &views.$at
            }

            fn asked(
                $where: Option<$filter>,
                $order_by: Option<$order>,
            ) -> (projections::plan::Filter, projections::plan::Ordering) {
                $asked
            }

            fn shown(page: $crate::lists::Page<projections::table::Stored>) -> Self {
                $shown(page)
            }
        }
    };
}
pub(crate) use list;
