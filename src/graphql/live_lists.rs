//! Subscriptions of lists: the first page as it is, and again whenever another row, or another order of them,
//! or more of one is to be seen. Waits for what comes of the kinds of aggregates that a list is about, and looks
//! at its rows when they have come as far.

use async_graphql::{Context, Result, Subscription};
use futures::stream::Stream;
use tokio::time::{Duration, Instant, sleep_until};

use super::access::{UserConnection, UserOrder, UserWhere};
use super::commerce::{CheckoutConnection, OrderConnection, OrderOrder, OrderWhere};
use super::lists::{Page, views};
use super::live::{Looked, looks};
use super::operations::{
    CheckoutWhere, JobConnection, JobWhere, SagaConnection, SagaOrder, SagaWhere,
};
use super::positions::PositionToken;
use super::products::{
    HoldOrder, HoldWhere, ListedHoldConnection, ListedVariantConnection, LocationConnection,
    LocationOrder, LocationWhere, ProductConnection, ProductOrder, ProductWhere,
    StockItemConnection, StockOrder, StockWhere, VariantOrder, VariantWhere,
};
use super::rows::{List, Window, rows};
use super::scheduling::{CalendarConnection, CalendarOrder, CalendarWhere};
use actors::watching::KindWatch;
use projections::table::{Key, Origin, Stored};

/// What passes between two looks of one subscription, as between two turns of the tables: what comes in the
/// meantime is told once.
const PAUSE: Duration = Duration::from_millis(250);

/// The first page of a list as it is told.
struct FirstPage<'a, 'c, L: List> {
    context: &'a Context<'c>,
    filter: Option<L::Where>,
    order_by: Option<L::OrderBy>,
    first: Option<i32>,
    /// What was told last.
    told: Option<Shown>,
    /// When to look again at the earliest.
    rests_until: Instant,
    watch: KindWatch,
}

/// What a page shows, as far as somebody sees it change: its rows as they were written last, and what it says of
/// others.
#[derive(PartialEq)]
struct Shown {
    rows: Vec<(Key, Origin)>,
    has_next_page: bool,
    total: Option<u32>,
}

impl Shown {
    fn of(page: &Page<Stored>) -> Self {
        let rows = page.edges.iter().map(|(_, row)| (row.key, row.origin)).collect();
        Self { rows, has_next_page: page.has_next_page, total: page.total }
    }
}

impl<L: List> Looked for FirstPage<'_, '_, L> {
    type Item = L;

    async fn look(&mut self) -> Result<Option<L>> {
        sleep_until(self.rests_until).await;
        self.rests_until = Instant::now() + PAUSE;
        let at_least = Some(PositionToken(self.watch.seen()).given(self.context));
        let window = Window { first: self.first, at_least, ..Window::default() };
        let page = window.rows_of::<L>(self.context, self.filter.clone(), self.order_by);
        let page = Box::pin(page).await?;
        let shown = Shown::of(&page);
        if self.told.as_ref() == Some(&shown) {
            return Ok(None);
        }
        self.told = Some(shown);
        Ok(Some(L::shown(page)))
    }

    async fn rung(&mut self) {
        self.watch.rung().await;
    }
}

/// The list, as it is told.
fn told<'a, L: List + Send + 'a>(
    context: &'a Context<'_>,
    filter: Option<L::Where>,
    order_by: Option<L::OrderBy>,
    first: Option<i32>,
) -> impl Stream<Item = Result<L>> + Send + 'a {
    let watch = views(context).registry().watched.watch_kinds(L::KINDS);
    let (told, rests_until) = (None, Instant::now());
    looks(FirstPage::<L> { context, filter, order_by, first, told, rests_until, watch })
}

macro_rules! subscriptions {
    ($($(#[$doc:meta])* $field:ident: $list:ident($filter:ident, $order:ident);)+) => {
        #[derive(Default)]
        pub struct ListSubscription;

        #[Subscription]
        impl ListSubscription {
            $(
                $(#[$doc])*
                #[graphql(complexity = "10 + rows(first, None) * child_complexity")]
                async fn $field<'a>(
                    &'a self,
                    context: &'a Context<'_>,
                    r#where: Option<$filter>,
                    order_by: Option<$order>,
                    first: Option<i32>,
                ) -> impl Stream<Item = Result<$list>> + 'a {
                    told(context, r#where, order_by, first)
                }
            )+
        }
    };
}

subscriptions! {
    /// The first page of the query `orders`: as it is, and again whenever it is another.
    orders: OrderConnection(OrderWhere, OrderOrder);
    /// The first page of the query `checkouts`: as it is, and again whenever it is another.
    checkouts: CheckoutConnection(CheckoutWhere, SagaOrder);
    /// The first page of the query `products`: as it is, and again whenever it is another.
    products: ProductConnection(ProductWhere, ProductOrder);
    /// The first page of the query `variants`: as it is, and again whenever it is another.
    variants: ListedVariantConnection(VariantWhere, VariantOrder);
    /// The first page of the query `stock`: as it is, and again whenever it is another.
    stock: StockItemConnection(StockWhere, StockOrder);
    /// The first page of the query `holds`: as it is, and again whenever it is another.
    holds: ListedHoldConnection(HoldWhere, HoldOrder);
    /// The first page of the query `locations`: as it is, and again whenever it is another.
    locations: LocationConnection(LocationWhere, LocationOrder);
    /// The first page of the query `users`: as it is, and again whenever it is another.
    users: UserConnection(UserWhere, UserOrder);
    /// The first page of the query `calendars`: as it is, and again whenever it is another.
    calendars: CalendarConnection(CalendarWhere, CalendarOrder);
    /// The first page of the query `sagas`: as it is, and again whenever it is another.
    sagas: SagaConnection(SagaWhere, SagaOrder);
    /// The first page of the query `jobs`: as it is, and again whenever it is another, so as they get on.
    jobs: JobConnection(JobWhere, SagaOrder);
}

#[cfg(test)]
mod tests {
    use actors::facts::KINDS;
    use projections::table::Table;

    use super::*;

    /// Whether a list waits for all kinds that change its rows, and for no other.
    fn waits_for_its_own<L: List<Table: Table>>() -> bool {
        KINDS.iter().all(|kind| L::KINDS.contains(&kind.name) == L::Table::wants(kind.name))
    }

    #[test]
    fn a_list_waits_for_the_kinds_that_change_its_rows() {
        assert!(waits_for_its_own::<OrderConnection>());
        assert!(waits_for_its_own::<ProductConnection>());
        assert!(waits_for_its_own::<LocationConnection>());
        assert!(waits_for_its_own::<UserConnection>());
        assert!(waits_for_its_own::<CalendarConnection>());
        assert!(waits_for_its_own::<SagaConnection>());
        assert!(waits_for_its_own::<ListedVariantConnection>());
        assert!(waits_for_its_own::<ListedHoldConnection>());
    }
}
