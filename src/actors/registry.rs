//! The one list of what follows the logs on a node: tables, reactions, sagas. From a line here
//! follow its place in start and stop, in "caught up", its checkpoints, and what operators are
//! shown.

use std::sync::Arc;
use std::time::Duration;

use super::aggregate_ref::{AskError, Engine, Fault};
use super::checkout::CheckoutOptions;
use super::checkpoint::Name;
use super::core::CommandMeta;
use super::follower::{AnyFollower, Follower, FollowerActor, FollowerRef, Parked};
use super::jobs::Jobs;
use super::metrics;
use super::outbox::actor::{OutboxActor, OutboxArguments};
use super::outbox::{Outbox, OutboxSetup};
use super::reaction::Reactor;
use super::retention::{ERASED_AT_ONCE, Retention, RetentionOptions};
use super::saga::parties::Parties;
use super::saga::wish::{self, Told, Wish};
use super::saga::{SagaActor, SagaSetup};
use super::search::{Indexer, Searches};
use super::service::Service;
use super::standing::Standings;
use super::stocked::{Stocked, Stocktaker};
use super::table::{
    AuditFollower, EventFollower, Keeper, KeeperSetup, Kept, KeptTable, PictureFollower, TABLE,
    TableRef,
};
use super::timer::{Due, TimerActor, TimerSetup};
use super::view::{View, ViewRef};
use super::waiting::{self, Waiting};
use super::watching::{Watched, Watcher};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::question::Whole;
use payments::PaymentProvider;
use projections::Projection;
use projections::assignments::Assignments;
use projections::closed_locations::ClosedLocations;
use projections::open_sagas::{OpenSagas, Row};
use projections::position::Position;
use projections::table::{Key, Listed as _, Picture, Shape, Table};
use projections::tables::audit::Audit;
use projections::tables::calendars::Calendars;
use projections::tables::events::Events;
use projections::tables::holds::Holds;
use projections::tables::locations::Locations;
use projections::tables::orders::Orders;
use projections::tables::products::Products;
use projections::tables::sagas::Sagas;
use projections::tables::stock::Stock;
use projections::tables::users::Users;
use projections::tables::variants::Variants;
use projections::timers::{
    ByCommand, ByRule, ClosedUserRetention, DraftExpiry, GuestRetention, HoldExpiry, Timer as _,
};
use projections::webhook_endpoints::WebhookEndpoints;
use sagas::checkout::Checkout;
use sagas::inbox::InboxMessage;
use sagas::job::Job;
use sagas::registration::Registration;
use sagas::saga::Saga;
use sagas::transfer::Transfer;
use search::Home;

/// Transfers of stock that are under way at one time; the others wait their turn.
const TRANSFERS_AT_ONCE: usize = 64;
/// Messages of the inbox that are applied at one time; the others wait their turn.
const MESSAGES_AT_ONCE: usize = 64;
/// Jobs of the installation that are done at one time on a node; the others wait their turn.
const JOBS_AT_ONCE: usize = 2;

/// What followers and sagas are made of, beside their own rules.
#[derive(Clone)]
pub struct Parts {
    pub engine: Engine,
    pub payments: Arc<dyn PaymentProvider>,
    pub checkout: CheckoutOptions,
    /// Where the search index lives, and what it is of.
    pub search: Home,
    /// How whoever is outside is told.
    pub outbox: OutboxSetup,
    /// Who is erased by itself, and by whom.
    pub retention: Retention,
}

/// How far a follower is, for operators.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowerStatus {
    pub name: &'static str,
    pub position: Position,
    /// What it could not take, with the reasons.
    pub parked: Vec<Parked>,
}

macro_rules! registry {
    (
        tables { $($rows:ident: $table:ty,)+ }
        pictures { $($pictured:ident: $picture:ty,)+ }
        audits { $($audited:ident: $audit:ty,)+ }
        views { $($view:ident: $projection:ty,)+ }
        reactions { $($reaction:ident: $rules:ty,)+ }
        timers { $($timed:ident: $timer:ty,)+ }
        rules { $($ruled:ident: $rule:ty,)+ }
        sagas { $($open:ident: $saga:ty, at once $drivers_max:expr;)+ }
    ) => {
        /// What queries read. The default is empty for ever.
        #[derive(Clone, Default)]
        pub struct Views {
            $(pub $rows: TableRef<$table>,)+
            $(pub $pictured: TableRef<$picture>,)+
            $(pub $audited: TableRef<$audit>,)+
            $(pub $view: ViewRef<$projection>,)+
            $(pub $open: ViewRef<OpenSagas<$saga>>,)+
        }

        /// How far the consequences of what happened are drawn.
        #[derive(Clone, Default)]
        pub struct Reactions {
            $(pub $reaction: FollowerRef<()>,)+
        }

        impl Registry {
            /// What is to be started, in this order, and stopped in the opposite one: a saga's
            /// driver ends before the view that it follows.
            pub fn services(&self, parts: &Parts) -> Vec<Service> {
                let mut services = vec![
                    $(table(parts, &self.views.$rows),)+
                    $(picture(parts, &self.views.$pictured),)+
                    $(audit(parts, &self.views.$audited),)+
                    $(view(parts, &self.views.$view),)+
                    $(view(parts, &self.views.$open),)+
                    $(follower(parts, &self.reactions.$reaction, |parts| {
                        Reactor::<$rules>::new(parts.engine.clone())
                    }),)+
                    $(timer::<$timer>(parts, &self.views.$timed),)+
                    $(driver::<$saga>(parts, &self.views, &self.views.$open, $drivers_max),)+
                    index(parts, &self.searches),
                    stocktaker(parts, self),
                    watcher(parts, &self.watched),
                    outbox(parts, self),
                    keeper(parts, self),
                ];
                $(services.extend(by_rule::<$rule>(parts, &self.views.$ruled));)+
                services
            }

            /// What is looked after by one keeper.
            fn tables(&self, parts: &Parts) -> Vec<Box<dyn Kept>> {
                vec![
                    $(kept_table(parts, &self.views.$rows),)+
                    $(kept_picture(parts, &self.views.$pictured),)+
                    $(kept_audit(parts, &self.views.$audited),)+
                ]
            }

            /// Each with its name, in the order in which they start.
            fn in_order(&self) -> Vec<(Name, &dyn AnyFollower)> {
                vec![
                    $((EventFollower::<$table>::NAME, &self.views.$rows.follower),)+
                    $((PictureFollower::<$picture>::NAME, &self.views.$pictured.follower),)+
                    $((AuditFollower::NAME, &self.views.$audited.follower),)+
                    $((View::<$projection>::NAME, &self.views.$view),)+
                    $((View::<OpenSagas<$saga>>::NAME, &self.views.$open),)+
                    $((Reactor::<$rules>::NAME, &self.reactions.$reaction),)+
                ]
            }

            /// Tells the saga of this kind, by its stored name, and this id.
            pub async fn tell_saga(
                engine: &Engine,
                kind: &str,
                id: AggregateId,
                wish: Wish,
                meta: CommandMeta,
            ) -> Told {
                $(if kind == <$saga>::TYPE {
                    return wish::tell::<$saga>(engine, id, wish, meta).await;
                })+
                Err(AskError::Refused(wish::Refusal::NoSaga))
            }

            /// Where the saga of this kind, by its stored name, stands now; nothing where no saga is
            /// of this kind.
            pub async fn saga_at(
                engine: &Engine,
                kind: &str,
                id: AggregateId,
            ) -> Result<Option<&'static str>, Fault> {
                $(if kind == <$saga>::TYPE {
                    let read = engine.aggregate::<$saga>(id).read(&Whole).await?;
                    return Ok(Some(<$saga>::at(&read.answer)));
                })+
                Ok(None)
            }

            /// The timers that wait, at most `first` of each kind, the soonest first.
            pub async fn waiting_timers(&self, first: u32) -> Result<Vec<Waiting>, Fault> {
                let mut all = Vec::new();
                $({
                    let after_us = <$timer>::AFTER_US;
                    let table = &self.views.$timed;
                    all.extend(waiting::listed::<$timer>(table, after_us, first).await?);
                })+
                $(if let Some(after_us) = self.retention.after_us(<$rule>::RULE) {
                    let table = &self.views.$ruled;
                    all.extend(waiting::listed::<$rule>(table, after_us, first).await?);
                })+
                all.sort_by_key(|waiting| waiting.due_us);
                Ok(all)
            }

            /// Fires or cancels the timer of this name and this row.
            pub async fn tell_timer(
                &self,
                engine: &Engine,
                name: &str,
                key: Key,
                wish: waiting::Wish,
                meta: CommandMeta,
            ) -> waiting::Told {
                $(if name == <$timer>::NAME {
                    return waiting::tell::<$timer>(engine, &self.views.$timed, key, wish, meta).await;
                })+
                let is_rule = [$(<$rule>::NAME),+].contains(&name);
                if is_rule {
                    let why = match wish {
                        waiting::Wish::Fire => waiting::Refusal::NotSooner,
                        waiting::Wish::Cancel => waiting::Refusal::Fixed,
                    };
                    return Err(AskError::Refused(why));
                }
                Err(AskError::Refused(waiting::Refusal::NotFound))
            }

            /// What all tables look like.
            pub fn shapes() -> Vec<&'static Shape> {
                vec![
                    $(<$table>::SHAPE,)+
                    $(<$picture>::SHAPE,)+
                    $(<$audit>::SHAPE,)+
                ]
            }

            /// The stored names of all kinds of sagas.
            pub fn kinds_of_sagas() -> Vec<&'static str> {
                vec![$(<$saga>::TYPE),+]
            }

            /// The sagas that are open, at most `first` of each kind, the longest first.
            pub fn open_sagas(&self, first: usize) -> Vec<(&'static str, Row)> {
                let mut all = Vec::new();
                $(all.extend(
                    self.views.$open.rows().after(0).take(first).map(|row| (<$saga>::TYPE, *row)),
                );)+
                all
            }
        }
    };
}

registry! {
    tables {
        orders: Orders,
        users: Users,
        products: Products,
        variants: Variants,
        holds: Holds,
        locations: Locations,
        calendars: Calendars,
        events: Events,
        sagas: Sagas,
    }
    pictures {
        stock: Stock,
    }
    audits {
        audit: Audit,
    }
    views {
        closed_locations: ClosedLocations,
        assignments: Assignments,
        webhook_endpoints: WebhookEndpoints,
    }
    reactions {
        registration: Registration,
    }
    // Each by the table that knows what is due.
    timers {
        holds: HoldExpiry,
        orders: DraftExpiry,
    }
    // The same, where the configuration says how long.
    rules {
        users: ClosedUserRetention,
        orders: GuestRetention,
    }
    sagas {
        open_checkouts: Checkout, at once |parts| parts.checkout.drivers_max;
        open_transfers: Transfer, at once |_| TRANSFERS_AT_ONCE;
        open_messages: InboxMessage, at once |_| MESSAGES_AT_ONCE;
        open_jobs: Job, at once |_| JOBS_AT_ONCE;
    }
}

/// All that is listed above, as others hold it.
#[derive(Clone, Default)]
pub struct Registry {
    pub views: Views,
    pub reactions: Reactions,
    /// The search index: no start waits for it.
    pub searches: Searches,
    /// What can be had: no start waits for it either.
    pub stocked: Stocked,
    /// Who waits for something to come of an aggregate.
    pub watched: Watched,
    /// Whoever is outside is told.
    pub outbox: Outbox,
    /// After how long people are erased by themselves.
    pub retention: RetentionOptions,
}

impl Registry {
    /// Until it has come as far as the logs reach now, no follower answers a query.
    pub fn begin_below(&self, heads: &Position) {
        for (_, follower) in self.in_order() {
            follower.begin_below(heads.clone());
        }
        self.searches.begin_below(heads);
        AnyFollower::begin_below(self.stocked.follower(), heads.clone());
    }

    /// Waits until every follower has read as far as this.
    pub async fn reached(&self, position: &Position) {
        for (_, follower) in self.in_order() {
            follower.reached(position).await;
        }
    }

    /// The same without those that fill tables.
    pub async fn reached_but_tables(&self, position: &Position) {
        for (_, follower) in self.in_order().into_iter().filter(|(of, _)| of.kind != TABLE) {
            follower.reached(position).await;
        }
    }

    /// How many entries those have read that fill tables, all together.
    pub fn read_by_tables(&self) -> u64 {
        let tables = self.in_order().into_iter().filter(|(of, _)| of.kind == TABLE);
        tables.map(|(_, follower)| follower.position().total()).sum()
    }

    /// Each with its name, the search index, what can be had and whoever rings among them.
    pub fn followers(&self) -> Vec<(Name, &dyn AnyFollower)> {
        let index: (_, &dyn AnyFollower) = (Indexer::NAME, self.searches.follower());
        let stocktaker: (_, &dyn AnyFollower) = (Stocktaker::NAME, self.stocked.follower());
        let watcher: (_, &dyn AnyFollower) = (Watcher::NAME, self.watched.follower());
        self.in_order().into_iter().chain([index, stocktaker, watcher]).collect()
    }

    /// What operators are shown of each follower.
    pub fn status(&self) -> Vec<FollowerStatus> {
        let status = |(of, follower): (Name, &dyn AnyFollower)| FollowerStatus {
            name: of.name,
            position: follower.position(),
            parked: follower.parked(),
        };
        self.followers().into_iter().map(status).collect()
    }
}

fn view<P: Projection>(parts: &Parts, published: &ViewRef<P>) -> Service {
    metrics::observe_view(&parts.engine.services, published);
    follower(parts, published, |_| View::<P>::default())
}

fn table<T: Table>(parts: &Parts, table: &TableRef<T>) -> Service {
    let rows = table.clone();
    of_rows(parts, table, move |parts| {
        EventFollower::new(Arc::clone(&parts.engine.services.read), rows.clone())
    })
}

fn picture<P: Picture>(parts: &Parts, table: &TableRef<P>) -> Service {
    let rows = table.clone();
    of_rows(parts, table, move |parts| PictureFollower::new(&parts.engine, rows.clone()))
}

/// A follower that fills a table, where that is.
fn of_rows<T, F: Follower<Content = ()>>(
    parts: &Parts,
    table: &TableRef<T>,
    make: impl Fn(&Parts) -> F + Send + Sync + 'static,
) -> Service {
    let store = &parts.engine.services.read;
    table.stands_in(store);
    follower(parts, &table.follower, make).needs(store)
}

fn kept_table<T: Table>(parts: &Parts, table: &TableRef<T>) -> Box<dyn Kept> {
    let services = Arc::clone(&parts.engine.services);
    let store = Arc::clone(&services.read);
    let make = move |generation| EventFollower::<T>::beside(Arc::clone(&store), generation);
    Box::new(KeptTable { services, table: table.clone(), make })
}

fn kept_picture<P: Picture>(parts: &Parts, table: &TableRef<P>) -> Box<dyn Kept> {
    let engine = parts.engine.clone();
    let services = Arc::clone(&engine.services);
    let make = move |generation| PictureFollower::<P>::beside(&engine, generation);
    Box::new(KeptTable { services, table: table.clone(), make })
}

fn audit(parts: &Parts, table: &TableRef<Audit>) -> Service {
    let rows = table.clone();
    of_rows(parts, table, move |parts| {
        let services = &parts.engine.services;
        let installation = services.vault.installation.clone();
        AuditFollower::new(Arc::clone(&services.read), rows.clone(), installation)
    })
}

fn kept_audit(parts: &Parts, table: &TableRef<Audit>) -> Box<dyn Kept> {
    let services = Arc::clone(&parts.engine.services);
    let (store, installation) = (Arc::clone(&services.read), services.vault.installation.clone());
    let make = move |generation| {
        AuditFollower::beside(Arc::clone(&store), generation, installation.clone())
    };
    Box::new(KeptTable { services, table: table.clone(), make })
}

/// Whoever looks after the tables, and tells operators of all that follows the logs.
fn keeper(parts: &Parts, registry: &Registry) -> Service {
    let standings = Arc::new(Standings::default());
    let names = registry.followers().into_iter().map(|(of, _)| of.name);
    let tables = registry.tables(parts);
    let of_tables = tables.iter().map(|kept| kept.shape().name);
    metrics::observe_standings(&standings, names, of_tables);
    let (parts, registry) = (parts.clone(), registry.clone());
    Service::new::<Keeper>("tables", move || KeeperSetup {
        services: Arc::clone(&parts.engine.services),
        tables: registry.tables(&parts),
        registry: registry.clone(),
        standings: Arc::clone(&standings),
    })
}

fn follower<F: Follower>(
    parts: &Parts,
    published: &FollowerRef<F::Content>,
    make: impl Fn(&Parts) -> F + Send + Sync + 'static,
) -> Service {
    let services = &parts.engine.services;
    metrics::observe_follower(F::NAME.name, services, Arc::new(published.clone()));
    let (parts, published) = (parts.clone(), published.clone());
    Service::new::<FollowerActor<F>>(F::NAME.name, move || {
        (Arc::clone(&parts.engine.services), published.clone(), make(&parts))
    })
}

fn index(parts: &Parts, searches: &Searches) -> Service {
    metrics::observe_search(&parts.engine.services, searches);
    let index = searches.clone();
    follower(parts, searches.follower(), move |parts| {
        Indexer::new(index.clone(), parts.search.clone())
    })
}

fn stocktaker(parts: &Parts, registry: &Registry) -> Service {
    let (stocked, stock) = (registry.stocked.clone(), registry.views.stock.clone());
    metrics::observe_stocked(&parts.engine.services, &stocked);
    follower(parts, registry.stocked.follower(), move |parts| {
        Stocktaker::new(&parts.engine, stocked.clone(), stock.clone())
    })
    .needs(&parts.engine.services.read)
}

fn watcher(parts: &Parts, watched: &Watched) -> Service {
    metrics::observe_watched(&parts.engine.services, watched);
    let watchers = watched.clone();
    follower(parts, watched.follower(), move |_| Watcher::new(watchers.clone()))
}

fn outbox(parts: &Parts, registry: &Registry) -> Service {
    metrics::observe_outbox(&parts.engine.services, &registry.outbox);
    let _ = registry.outbox.post(&parts.outbox);
    let (parts, registry) = (parts.clone(), registry.clone());
    Service::new::<OutboxActor>("outbox", move || OutboxArguments {
        services: Arc::clone(&parts.engine.services),
        endpoints: registry.views.webhook_endpoints.clone(),
        outbox: registry.outbox.clone(),
        setup: parts.outbox.clone(),
    })
}

fn timer<T: ByCommand>(parts: &Parts, table: &TableRef<T::Table>) -> Service {
    let (engine, table) = (parts.engine.clone(), table.clone());
    Service::new::<TimerActor<T>>(T::NAME, move || TimerSetup::told(engine.clone(), table.clone()))
}

fn by_rule<T: ByRule>(parts: &Parts, table: &TableRef<T::Table>) -> Option<Service> {
    let after_us = parts.retention.options.after_us(T::RULE)?;
    let erases = parts.retention.erases.clone()?;
    let (engine, table) = (parts.engine.clone(), table.clone());
    Some(Service::new::<TimerActor<T>>(T::NAME, move || {
        let erases = Arc::clone(&erases);
        // As of now: it may have been due for long.
        let services = Arc::clone(&engine.services);
        TimerSetup {
            engine: engine.clone(),
            table: table.clone(),
            after_us,
            deed: Arc::new(move |Due { id, .. }| {
                let since_us = services.now().timestamp_micros().saturating_sub(after_us);
                erases.erase(T::RULE, id, since_us)
            }),
            at_once: ERASED_AT_ONCE,
        }
    }))
}

fn driver<S: Saga>(
    parts: &Parts,
    views: &Views,
    open: &ViewRef<OpenSagas<S>>,
    drivers_max: fn(&Parts) -> usize,
) -> Service {
    let (parts, open) = (parts.clone(), open.clone());
    let jobs = Jobs { engine: parts.engine.clone(), audit: views.audit.clone() };
    Service::new::<SagaActor<S>>(S::TYPE, move || SagaSetup {
        parties: Parties {
            engine: parts.engine.clone(),
            payments: Arc::clone(&parts.payments),
            payment_timeout: Duration::from_millis(parts.checkout.payment_timeout_ms),
            jobs: jobs.clone(),
        },
        open: open.clone(),
        drivers_max: drivers_max(&parts),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_of_sagas_has_every_kind() {
        assert_eq!(Registry::kinds_of_sagas(), projections::tables::sagas::KINDS);
    }

    #[test]
    fn checkpoints_and_logs_tell_followers_apart() {
        let registry = Registry::default();
        let names: Vec<_> = registry.status().into_iter().map(|status| status.name).collect();
        let different: BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }
}
