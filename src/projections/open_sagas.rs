//! The open sagas of one kind: those that were called for, and those that were started and are
//! not over. Their driver follows this view, and it stays as small as what is open.
//!
//! The logs of a saga and of what calls for it may be read in either order, so each keeps its own
//! half of a row: a row is gone when neither half is open.

use std::marker::PhantomData;
use std::ops::Bound;

use imbl::{HashMap, OrdMap};
use serde::{Deserialize, Serialize};

use super::{Fact, Place, Projection};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use sagas::saga::{Called, News, Saga};

/// One open saga.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub saga: AggregateId,
    /// What called for it. Not known where nothing did, or only late news opened it again.
    pub cause: Option<AggregateId>,
    /// It is called for: an order is submitted, say, and neither confirmed nor at an end.
    pub called_for: bool,
    /// It is started and not over.
    pub started: bool,
    /// It waits: for the time to try again, or for an operator.
    pub paused: bool,
    /// When it was first heard of, microseconds since 1970 UTC.
    pub since_us: i64,
    /// Its place in the queue. It gets a new one when there is news that its driver did not
    /// expect, so that whoever follows the queue sees it again.
    pub number: u64,
}

/// See the module.
#[derive(Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored", bound = "")]
pub struct OpenSagas<S> {
    rows: HashMap<AggregateId, Row>,
    queue: OrdMap<u64, AggregateId>,
    last: u64,
    /// Those that do not wait.
    moving: usize,
    kind: PhantomData<fn() -> S>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    rows: Vec<Row>,
    last: u64,
}

impl Row {
    fn is_open(&self) -> bool {
        self.called_for || self.started
    }

    fn is_moving(&self) -> bool {
        self.is_open() && !self.paused
    }
}

impl<S> OpenSagas<S> {
    /// Those that wait neither for a time nor for an operator: their driver has them, or will.
    pub fn moving(&self) -> usize {
        self.moving
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The last number given; it only grows.
    pub fn last(&self) -> u64 {
        self.last
    }

    pub fn get(&self, saga: AggregateId) -> Option<&Row> {
        self.rows.get(&saga)
    }

    /// When the one that has been open the longest was first heard of, microseconds since 1970 UTC.
    pub fn oldest_us(&self) -> Option<i64> {
        self.rows.values().map(|row| row.since_us).min()
    }

    /// By number, behind `after` (0 for all).
    pub fn after(&self, after: u64) -> impl Iterator<Item = &Row> {
        let numbers = self.queue.range((Bound::Excluded(after), Bound::Unbounded));
        numbers.filter_map(|(_, saga)| self.rows.get(saga))
    }

    /// Changes a row, which is made if there is none; `unexpected` gives it a new number.
    fn change(
        &mut self,
        saga: AggregateId,
        at_us: i64,
        unexpected: bool,
        change: impl FnOnce(&mut Row),
    ) {
        let known = self.rows.get(&saga).copied();
        let mut row = known.unwrap_or(Row {
            saga,
            cause: None,
            called_for: false,
            started: false,
            paused: false,
            since_us: at_us,
            number: 0,
        });
        change(&mut row);
        let is_open = row.is_open();
        self.moving += usize::from(row.is_moving());
        self.moving -= usize::from(known.is_some_and(|known| known.is_moving()));
        if known.is_some() && (unexpected || !is_open) {
            self.queue.remove(&row.number);
        }
        if !is_open {
            self.rows.remove(&saga);
            return;
        }
        if known.is_none() || unexpected {
            self.last += 1;
            row.number = self.last;
            self.queue.insert(row.number, saga);
        }
        self.rows.insert(saga, row);
    }

    fn called(&mut self, saga: AggregateId, cause: AggregateId, at_us: i64, called: Called) {
        match called {
            Called::For => self.change(saga, at_us, false, |row| {
                row.cause = Some(cause);
                row.called_for = true;
            }),
            Called::NoMore if self.rows.contains_key(&saga) => {
                self.change(saga, at_us, false, |row| row.called_for = false);
            }
            Called::NoMore => {}
        }
    }

    fn heard(&mut self, saga: AggregateId, at_us: i64, news: &News<'_>) {
        let waits = self.rows.get(&saga).is_some_and(|row| row.paused);
        match news {
            News::Started { cause } => self.change(saga, at_us, false, |row| {
                row.cause = cause.or(row.cause);
                row.started = true;
            }),
            News::Over { .. } => self.change(saga, at_us, false, |row| row.started = false),
            News::Failed { .. } | News::Stalled { .. } => self.change(saga, at_us, false, |row| {
                row.started = true;
                row.paused = true;
            }),
            // Whoever waits for a time or an operator need not wait any more.
            News::Done { .. } | News::TurnedBack { .. } | News::Resumed => {
                self.change(saga, at_us, waits, |row| {
                    row.started = true;
                    row.paused = false;
                });
            }
        }
    }
}

impl<S> Default for OpenSagas<S> {
    fn default() -> Self {
        Stored { rows: Vec::new(), last: 0 }.into()
    }
}

impl<S> Clone for OpenSagas<S> {
    fn clone(&self) -> Self {
        let (rows, queue) = (self.rows.clone(), self.queue.clone());
        Self { rows, queue, last: self.last, moving: self.moving, kind: PhantomData }
    }
}

impl<S> From<Stored> for OpenSagas<S> {
    fn from(stored: Stored) -> Self {
        let queue = stored.rows.iter().map(|row| (row.number, row.saga)).collect();
        let moving = stored.rows.iter().filter(|row| row.is_moving()).count();
        let rows = stored.rows.into_iter().map(|row| (row.saga, row)).collect();
        Self { rows, queue, last: stored.last, moving, kind: PhantomData }
    }
}

impl<S> From<OpenSagas<S>> for Stored {
    fn from(open: OpenSagas<S>) -> Self {
        Self { rows: open.rows.values().copied().collect(), last: open.last }
    }
}

impl<S: Saga> Projection for OpenSagas<S> {
    const NAME: &'static str = S::OPEN;
    const SCHEMA: u32 = S::OPEN_SCHEMA;

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == S::TYPE || aggregate_type == S::Cause::TYPE
    }

    fn rows(&self) -> usize {
        self.len()
    }

    fn apply(&mut self, place: Place, fact: &Fact) {
        let (id, at_us) = (place.aggregate_id, place.recorded_us);
        if let Some(event) = fact.of::<S>() {
            self.heard(id, at_us, &S::news(event));
        }
        if let Some(event) = fact.of::<S::Cause>()
            && let Some((saga, called)) = S::called_for(id, event)
        {
            self.called(saga, id, at_us, called);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{History, euro, id, round_trip};
    use domain::commerce::order;
    use domain::id::CustomerId;
    use domain::tax::Totals;
    use domain::testing::noon;
    use sagas::checkout::{Checkout, Event, Phase, checkout_id};

    type OpenCheckouts = OpenSagas<Checkout>;

    fn submitted() -> Fact {
        let (net, tax, gross) = (euro(1), euro(0), euro(1));
        let (totals, taxes) = (Totals { net, tax, gross }, Vec::new());
        Fact::Order(order::Event::OrderSubmitted { lines: 1, totals, taxes, at: noon() })
    }

    fn confirmed() -> Fact {
        Fact::Order(order::Event::OrderConfirmed { at: noon() })
    }

    fn started(number: u128) -> Fact {
        let customer = CustomerId(uuid::Uuid::nil());
        let (order, amount) = (id(number), euro(1));
        Fact::Checkout(Event::CheckoutStarted { order, customer, amount, lines: vec![] })
    }

    fn over() -> Fact {
        Fact::Checkout(Event::CheckoutOrderConfirmed {})
    }

    fn saga(number: u128) -> AggregateId {
        checkout_id(id(number))
    }

    fn open(view: &OpenCheckouts, after: u64) -> Vec<AggregateId> {
        view.after(after).map(|row| row.saga).collect()
    }

    #[test]
    fn what_is_submitted_is_open_until_its_checkout_is_over_in_whatever_order_it_is_heard() {
        let order = [(id(1), submitted()), (id(1), confirmed())];
        let checkout = [(saga(1), started(1)), (saga(1), over())];
        let both = |first: [(AggregateId, Fact); 2], second: [(AggregateId, Fact); 2]| {
            let mut history = History::<OpenCheckouts>::default();
            for (at, fact) in first.into_iter().chain(second) {
                history.happens(at, fact);
            }
            history.view
        };
        for view in [both(order.clone(), checkout.clone()), both(checkout, order)] {
            assert!(view.is_empty() && view.queue.is_empty());
        }
        let mut history = History::<OpenCheckouts>::default();
        history.happens(id(1), submitted()).happens(saga(1), started(1));
        history.happens(id(1), confirmed());
        assert_eq!(open(&history.view, 0), [saga(1)], "the checkout has still to record it");
        assert_eq!(history.view.get(saga(1)).and_then(|row| row.cause), Some(id(1)));
    }

    #[test]
    fn an_order_that_ends_before_its_checkout_begins_needs_none() {
        let mut history = History::<OpenCheckouts>::default();
        history.happens(id(1), submitted()).happens(id(2), submitted());
        history.happens(id(1), Fact::Order(order::Event::OrderExpired {}));
        for view in [&history.view, &round_trip(&history.view)] {
            assert_eq!(open(view, 0), [saga(2)]);
            assert_eq!((view.last(), view.len(), view.moving()), (2, 1, 1));
        }
    }

    #[test]
    fn unexpected_news_of_one_that_waits_moves_it_to_the_end_of_the_queue() {
        let failed = || {
            let (phase, attempt, next_at) = (Phase::HoldingStock, 1, noon());
            let error = "UNAVAILABLE".to_owned();
            Fact::Checkout(Event::StepFailed { phase, attempt, next_at, error })
        };
        let mut history = History::<OpenCheckouts>::default();
        history.happens(saga(1), started(1)).happens(saga(2), started(2));
        history.happens(saga(1), Fact::Checkout(Event::CheckoutStockHeld {}));
        assert_eq!(open(&history.view, 2), [], "what a driver does itself is no news");
        assert_eq!(history.view.moving(), 2);
        history.happens(saga(1), failed());
        assert_eq!(open(&history.view, 2), []);
        assert_eq!((history.view.moving(), round_trip(&history.view).moving()), (1, 1));
        let aborted = Event::CheckoutAborted { reason: "shop closed".to_owned() };
        history.happens(saga(1), Fact::Checkout(aborted));
        assert_eq!(open(&history.view, 2), [saga(1)]);
        let heard = |number| history.view.get(saga(number)).map(|row| row.since_us);
        assert_eq!(history.view.oldest_us(), heard(1));
        assert!(heard(1) < heard(2));
        assert_eq!(open(&history.view, 0), [saga(2), saga(1)]);
        assert_eq!(history.view.moving(), 2);
        history.happens(saga(2), over());
        assert_eq!((history.view.len(), history.view.moving()), (1, 1));
    }

    #[test]
    fn a_payment_that_comes_after_the_end_opens_the_checkout_again() {
        let mut history = History::<OpenCheckouts>::default();
        history.happens(saga(1), started(1));
        history.happens(saga(1), Fact::Checkout(Event::CheckoutStockReleased {}));
        assert!(history.view.is_empty());
        history.happens(
            saga(1),
            Fact::Checkout(Event::PaymentAuthorized {
                amount: euro(1),
                provider: "a provider".into(),
            }),
        );
        assert_eq!(open(&history.view, 0), [saga(1)]);
    }
}
