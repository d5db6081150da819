//! What a stock item decides: one function per command over a [`Decision`] in the making.
//!
//! A decision never changes the state. Its events come in this order: holds that expired, what
//! was asked for, backorders that it lets be filled.

use std::ops::Bound;

use chrono::{DateTime, Utc};

use super::{
    BACKORDERS_FILLED_MAX, Command, EXPIRED_FREED_IN_PASSING, EXPIRED_FREED_MAX, EXTENSIONS_MAX,
    Ending, Event, HOLD_SECONDS_DEFAULT, HOLD_SECONDS_MAX, HOLDS_MAX, Hold, IncomingTransfer,
    MayBeSent, OutgoingTransfer, Phase, REASON_CHARACTERS_MAX, Refusal, State, TRANSFERS_MAX,
    UNITS_MAX, stock_item_id,
};
use crate::aggregate::Context;
use crate::id::{AggregateId, CustomerId, HoldId, LocationId, TransferId};
use crate::text::TextRule;

const REASON: TextRule = TextRule::line("reason", REASON_CHARACTERS_MAX);

pub(super) fn decide(
    state: &State,
    command: &Command,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    if let Command::Open { variant, location } = command {
        return match state.identity {
            _ if context.aggregate_id != stock_item_id(*variant, *location) => {
                Err(Refusal::WrongIdentity)
            }
            Some(identity) if identity == (*variant, *location) => Ok(Vec::new()),
            Some(_) => Err(Refusal::WrongIdentity),
            None => Ok(vec![Event::StockItemOpened { variant: *variant, location: *location }]),
        };
    }
    if state.identity.is_none() {
        return Err(Refusal::NotOpen);
    }
    let mut decision = Decision::new(state, context.now);
    match command {
        Command::Open { .. } => {}
        Command::Receive { quantity } => decision.receive(*quantity)?,
        Command::Adjust { delta, reason } => decision.adjust(*delta, reason)?,
        Command::SetOnHand { from, to, reason } => decision.count(*from, *to, reason)?,
        Command::SetBackorderLimit { units } => decision.set_backorder_limit(*units)?,
        Command::SetCustomerLimit { units } => decision.set_customer_limit(*units)?,
        Command::SetLowStockThreshold { units } => decision.set_low_stock_threshold(*units)?,
        Command::Hold { hold, customer, quantity, seconds, order } => {
            decision.hold(*hold, *customer, *quantity, *seconds, *order)?;
        }
        Command::Extend { hold, seconds } => decision.extend(*hold, *seconds)?,
        Command::Release { hold } => decision.release(*hold)?,
        Command::Commit { hold, order } => decision.commit(*hold, *order)?,
        Command::Ship { hold, order } => decision.ship(*hold, *order)?,
        Command::Deallocate { hold } => decision.deallocate(*hold)?,
        Command::Abandon { hold, order } => {
            if let Some(known) = decision.hold_of(*hold, *order)? {
                decision.abandon(*hold, known);
            }
        }
        Command::Sell { quantity } => decision.sell(*quantity)?,
        Command::ExpireHolds => decision.settle(),
        Command::TransferOut { transfer, to, quantity } => {
            decision.transfer_out(*transfer, *to, *quantity)?
        }
        Command::TransferIn { transfer, from, quantity } => {
            decision.transfer_in(*transfer, *from, *quantity)?
        }
        Command::RefuseTransfer { transfer, from } => decision.refuse_transfer(*transfer, *from)?,
        Command::CompleteTransfer { transfer } => decision.complete_transfer(*transfer)?,
        Command::CancelTransfer { transfer } => decision.cancel_transfer(*transfer)?,
        Command::ForgetTransfer { transfer } => decision.forget_transfer(*transfer),
    }
    Ok(decision.into_events())
}

pub(super) fn may_be_sent(
    state: &State,
    goods: &MayBeSent,
    at: DateTime<Utc>,
) -> Result<(), Refusal> {
    if state.identity.is_none() {
        return Err(Refusal::NotOpen);
    }
    Decision::new(state, at).transfer_out(goods.transfer, goods.to, goods.quantity)
}

/// A decision in the making: the state as it was, and what has been decided on top of it.
struct Decision<'a> {
    state: &'a State,
    now: DateTime<Utc>,
    on_hand: i64,
    committed: i64,
    /// The expired holds that this decision frees, in the order of the index.
    freed: Vec<Event>,
    freed_units: i64,
    freed_through: Option<(i64, HoldId)>,
    /// An expired hold that its own command frees, so that it is not freed in passing too.
    freed_by_name: Option<HoldId>,
    events: Vec<Event>,
}

impl<'a> Decision<'a> {
    fn new(state: &'a State, now: DateTime<Utc>) -> Self {
        Self {
            state,
            now,
            on_hand: state.on_hand,
            committed: state.committed,
            freed: Vec::new(),
            freed_units: 0,
            freed_through: None,
            freed_by_name: None,
            events: Vec::new(),
        }
    }

    /// Nothing at all where nothing was to be done; otherwise tidies up in passing.
    fn into_events(mut self) -> Vec<Event> {
        if self.events.is_empty() && self.freed.is_empty() {
            return self.events;
        }
        while self.freed.len() < EXPIRED_FREED_IN_PASSING && self.free_next().is_some() {}
        if self.freed.is_empty() {
            return self.events;
        }
        self.freed.append(&mut self.events);
        self.freed
    }

    // What is on the shelf.

    fn receive(&mut self, quantity: i64) -> Result<(), Refusal> {
        positive(quantity)?;
        self.put(quantity, Event::StockReceived { quantity })
    }

    fn adjust(&mut self, delta: i64, reason: &str) -> Result<(), Refusal> {
        within(delta, -UNITS_MAX, UNITS_MAX)?;
        let reason = REASON.read(reason)?;
        let event = Event::StockAdjusted { delta, reason };
        match delta {
            0 => Err(Refusal::InvalidQuantity { quantity: 0, min: -UNITS_MAX, max: UNITS_MAX }),
            1.. => self.put(delta, event),
            _ => self.write_off(-delta, event),
        }
    }

    fn count(&mut self, from: i64, to: i64, reason: &str) -> Result<(), Refusal> {
        within(to, 0, UNITS_MAX)?;
        let reason = REASON.read(reason)?;
        if from != self.on_hand {
            return Err(Refusal::StaleCount { expected: from, actual: self.on_hand });
        }
        if to == from {
            return Ok(());
        }
        let event = Event::StockCounted { from, to, reason };
        if to > from { self.put(to - from, event) } else { self.write_off(from - to, event) }
    }

    fn sell(&mut self, quantity: i64) -> Result<(), Refusal> {
        positive(quantity)?;
        self.require(quantity, 0)?;
        self.on_hand -= quantity;
        self.events.push(Event::StockSold { quantity });
        Ok(())
    }

    fn settle(&mut self) {
        while self.freed.len() < EXPIRED_FREED_MAX && self.free_next().is_some() {}
        self.fill_backorders(None);
    }

    /// Adds to the shelf and lets backorders have it.
    fn put(&mut self, quantity: i64, event: Event) -> Result<(), Refusal> {
        if quantity > UNITS_MAX - self.on_hand {
            return Err(Refusal::InvalidQuantity {
                quantity,
                min: 0,
                max: UNITS_MAX - self.on_hand,
            });
        }
        self.on_hand += quantity;
        self.events.push(event);
        self.fill_backorders(None);
        Ok(())
    }

    /// Takes from the shelf what is not there any more, whoever was promised it: what was seen is
    /// recorded, and what is missing then is the shortage.
    fn write_off(&mut self, quantity: i64, event: Event) -> Result<(), Refusal> {
        self.require_on_hand(quantity)?;
        self.on_hand -= quantity;
        self.events.push(event);
        Ok(())
    }

    fn require_on_hand(&self, quantity: i64) -> Result<(), Refusal> {
        if quantity > self.on_hand {
            let available = self.on_hand;
            return Err(Refusal::InsufficientStock { available, requested: quantity });
        }
        Ok(())
    }

    // Limits.

    fn set_backorder_limit(&mut self, units: i64) -> Result<(), Refusal> {
        within(units, 0, UNITS_MAX)?;
        if units != self.state.backorder_limit {
            // A higher limit breaks nothing that was whole.
            if units < self.state.backorder_limit {
                self.require(0, units)?;
            }
            self.events.push(Event::BackorderLimitSet { units });
        }
        Ok(())
    }

    fn set_customer_limit(&mut self, units: i64) -> Result<(), Refusal> {
        within(units, 0, UNITS_MAX)?;
        if units != self.state.customer_limit {
            self.events.push(Event::CustomerLimitSet { units });
        }
        Ok(())
    }

    fn set_low_stock_threshold(&mut self, units: Option<i64>) -> Result<(), Refusal> {
        units.map_or(Ok(()), |units| within(units, 0, UNITS_MAX))?;
        if units != self.state.low_stock_threshold {
            self.events.push(Event::LowStockThresholdSet { units });
        }
        Ok(())
    }

    // Holds.

    fn hold(
        &mut self,
        id: HoldId,
        customer: CustomerId,
        quantity: i64,
        seconds: Option<u32>,
        order: Option<AggregateId>,
    ) -> Result<(), Refusal> {
        positive(quantity)?;
        let expires_at = self.expiry(seconds.unwrap_or(HOLD_SECONDS_DEFAULT))?;
        if let Some(hold) = self.state.holds.get(&id) {
            return match hold {
                hold if (hold.customer, hold.quantity, hold.order)
                    != (customer, quantity, order) =>
                {
                    Err(Refusal::HoldConflict)
                }
                hold if hold.is_expired(self.now) => Err(Refusal::HoldExpired),
                _ => Ok(()),
            };
        }
        if let Some(ending) = self.state.ended.get(&id) {
            return Err(Refusal::HoldEnded { ending: *ending });
        }
        while self.state.holds.len() - self.freed.len() >= HOLDS_MAX {
            self.free_next().ok_or(Refusal::TooMany)?;
        }
        self.require_customer_room(customer, quantity)?;
        self.require(quantity, self.state.backorder_limit)?;
        self.events.push(Event::StockHeld { hold: id, customer, quantity, expires_at, order });
        Ok(())
    }

    fn extend(&mut self, id: HoldId, seconds: u32) -> Result<(), Refusal> {
        let expires_at = self.expiry(seconds)?;
        let hold = self.held(id)?;
        if hold.is_expired(self.now) {
            return Err(Refusal::HoldExpired);
        }
        if expires_at.timestamp() <= hold.expires_second {
            return Ok(());
        }
        if hold.extensions >= EXTENSIONS_MAX {
            return Err(Refusal::TooManyExtensions { max: EXTENSIONS_MAX });
        }
        self.events.push(Event::HoldExtended { hold: id, expires_at });
        Ok(())
    }

    fn release(&mut self, id: HoldId) -> Result<(), Refusal> {
        match self.hold_of(id, None)? {
            Some(hold) if hold.phase == Phase::Held => {
                self.abandon(id, hold);
                Ok(())
            }
            Some(hold) => Err(Refusal::WrongPhase { phase: hold.phase }),
            None => self.ended_as(id, &[Ending::Released, Ending::Expired]),
        }
    }

    fn commit(&mut self, id: HoldId, order: Option<AggregateId>) -> Result<(), Refusal> {
        let Some(hold) = self.hold_of(id, order)? else {
            return match self.state.ended.get(&id) {
                Some(Ending::Expired) => Err(Refusal::HoldExpired),
                _ => self.ended_as(id, &[Ending::Shipped]),
            };
        };
        if hold.phase != Phase::Held {
            return Ok(());
        }
        if hold.is_expired(self.now) {
            return Err(Refusal::HoldExpired);
        }
        let quantity = hold.quantity;
        // Whoever waits for a receipt is served first.
        let on_the_shelf =
            quantity <= self.on_hand - self.committed && self.state.backorders.is_empty();
        self.events.push(if on_the_shelf {
            Event::HoldCommitted { hold: id, quantity }
        } else {
            self.require_promisable(quantity)?;
            Event::HoldBackordered { hold: id, quantity }
        });
        Ok(())
    }

    /// A claim was within the backorder limit when it was made; since then less may have been counted.
    fn require_promisable(&self, quantity: i64) -> Result<(), Refusal> {
        let promised = self.committed + self.state.backordered;
        let available = self.on_hand + self.state.backorder_limit - promised;
        if quantity > available {
            let available = available.max(0);
            return Err(Refusal::InsufficientStock { available, requested: quantity });
        }
        Ok(())
    }

    fn ship(&mut self, id: HoldId, order: Option<AggregateId>) -> Result<(), Refusal> {
        let quantity = match self.hold_of(id, order)? {
            Some(Hold { phase: Phase::Committed, quantity, .. }) => *quantity,
            Some(hold) => return Err(Refusal::WrongPhase { phase: hold.phase }),
            None => return self.ended_as(id, &[Ending::Shipped]),
        };
        self.require_on_hand(quantity)?;
        self.on_hand -= quantity;
        self.committed -= quantity;
        self.events.push(Event::HoldShipped { hold: id, quantity });
        Ok(())
    }

    fn deallocate(&mut self, id: HoldId) -> Result<(), Refusal> {
        match self.hold_of(id, None)? {
            Some(Hold { phase: Phase::Held, .. }) => {
                Err(Refusal::WrongPhase { phase: Phase::Held })
            }
            Some(hold) => {
                self.abandon(id, hold);
                Ok(())
            }
            None => self.ended_as(id, &[Ending::Deallocated]),
        }
    }

    fn abandon(&mut self, id: HoldId, hold: &Hold) {
        let quantity = hold.quantity;
        match hold.phase {
            Phase::Held if hold.is_expired(self.now) => {
                self.freed_by_name = Some(id);
                self.events.push(Event::HoldExpired { hold: id, quantity });
            }
            Phase::Held => self.events.push(Event::HoldReleased { hold: id, quantity }),
            Phase::Committed => {
                self.committed -= quantity;
                self.events.push(Event::HoldDeallocated { hold: id, quantity });
                self.fill_backorders(None);
            }
            Phase::Backordered => {
                self.events.push(Event::HoldDeallocated { hold: id, quantity });
                self.fill_backorders(Some(id));
            }
        }
    }

    // Transfers.

    fn transfer_out(
        &mut self,
        id: TransferId,
        to: LocationId,
        quantity: i64,
    ) -> Result<(), Refusal> {
        positive(quantity)?;
        if self.state.identity.is_some_and(|(_, location)| location == to) {
            return Err(Refusal::TransferConflict);
        }
        match self.state.outgoing.get(&id) {
            Some(open) if *open == (OutgoingTransfer { to, quantity }) => return Ok(()),
            Some(_) => return Err(Refusal::TransferConflict),
            None if self.state.closed.get(&id).is_some() => return Err(Refusal::TransferConflict),
            None if self.state.outgoing.len() >= TRANSFERS_MAX => return Err(Refusal::TooMany),
            None => {}
        }
        self.require(quantity, 0)?;
        self.on_hand -= quantity;
        self.events.push(Event::TransferSent { transfer: id, to, quantity });
        Ok(())
    }

    fn transfer_in(
        &mut self,
        id: TransferId,
        from: LocationId,
        quantity: i64,
    ) -> Result<(), Refusal> {
        positive(quantity)?;
        match self.state.incoming.get(&id) {
            Some(IncomingTransfer { quantity: None, .. }) => return Err(Refusal::TransferRefused),
            Some(known) if *known == (IncomingTransfer { from, quantity: Some(quantity) }) => {
                return Ok(());
            }
            Some(_) => return Err(Refusal::TransferConflict),
            None if self.state.incoming.len() >= TRANSFERS_MAX => return Err(Refusal::TooMany),
            None => {}
        }
        self.put(quantity, Event::TransferReceived { transfer: id, from, quantity })
    }

    fn refuse_transfer(&mut self, id: TransferId, from: LocationId) -> Result<(), Refusal> {
        match self.state.incoming.get(&id) {
            Some(IncomingTransfer { quantity: Some(_), .. }) => {
                return Err(Refusal::TransferArrived);
            }
            Some(known) if known.from == from => return Ok(()),
            Some(_) => return Err(Refusal::TransferConflict),
            None if self.state.incoming.len() >= TRANSFERS_MAX => return Err(Refusal::TooMany),
            None => {}
        }
        self.events.push(Event::TransferRefused { transfer: id, from });
        Ok(())
    }

    fn complete_transfer(&mut self, id: TransferId) -> Result<(), Refusal> {
        if self.state.outgoing.contains_key(&id) {
            self.events.push(Event::TransferCompleted { transfer: id });
            return Ok(());
        }
        self.closed_as(id, true)
    }

    fn cancel_transfer(&mut self, id: TransferId) -> Result<(), Refusal> {
        if let Some(OutgoingTransfer { quantity, .. }) = self.state.outgoing.get(&id) {
            return self
                .put(*quantity, Event::TransferCancelled { transfer: id, quantity: *quantity });
        }
        self.closed_as(id, false)
    }

    fn forget_transfer(&mut self, id: TransferId) {
        if self.state.incoming.contains_key(&id) {
            self.events.push(Event::TransferForgotten { transfer: id });
        }
    }

    // What the decisions above are made of.

    /// Frees as many expired holds as it takes for `needed` units to be spare under a backorder
    /// limit of `limit`; refuses when there are not so many, or not within the bound.
    fn require(&mut self, needed: i64, limit: i64) -> Result<(), Refusal> {
        let claimed = self.committed + self.state.backordered;
        let spare = |held: i64| self.on_hand + limit - claimed - held;
        let available = spare(self.state.held_now(self.now));
        if needed > available {
            return Err(Refusal::InsufficientStock {
                available: available.max(0),
                requested: needed,
            });
        }
        let mut short = needed - spare(self.state.held - self.freed_units);
        while short > 0 {
            if self.freed.len() >= EXPIRED_FREED_MAX {
                return Err(Refusal::ExpiryBacklog);
            }
            let (_, units) = self.free_next().ok_or(Refusal::ExpiryBacklog)?;
            short -= units;
        }
        Ok(())
    }

    fn require_customer_room(
        &mut self,
        customer: CustomerId,
        quantity: i64,
    ) -> Result<(), Refusal> {
        let limit = self.state.customer_limit;
        let mut held = self.state.customers.get(&customer).copied().unwrap_or(0);
        while quantity > limit - held {
            if held == 0 {
                return Err(Refusal::CustomerLimit { limit, held });
            }
            if self.freed.len() >= EXPIRED_FREED_MAX {
                return Err(Refusal::ExpiryBacklog);
            }
            match self.free_next() {
                Some((whose, units)) if whose == customer => held -= units,
                Some(_) => {}
                None => return Err(Refusal::CustomerLimit { limit, held }),
            }
        }
        Ok(())
    }

    /// Frees the next expired hold; says whose it was and how many units.
    fn free_next(&mut self) -> Option<(CustomerId, i64)> {
        let after = match self.freed_through {
            Some(last) => Bound::Excluded(last),
            None => {
                // The common case, without the cost of a range: nothing has expired.
                let (second, _) = self.state.expiries.get_min()?;
                if *second > self.now.timestamp() {
                    return None;
                }
                Bound::Unbounded
            }
        };
        let mut expired = self.state.expiries.range((after, Bound::Unbounded));
        let (second, id) = *expired.find(|(_, id)| Some(*id) != self.freed_by_name)?;
        if second > self.now.timestamp() {
            return None;
        }
        let hold = self.state.holds.get(&id).expect("the expiry index names holds that exist");
        self.freed_through = Some((second, id));
        self.freed_units += hold.quantity;
        self.freed.push(Event::HoldExpired { hold: id, quantity: hold.quantity });
        Some((hold.customer, hold.quantity))
    }

    /// Commits backorders in the order in which they came, until the shelf is short of the next
    /// or the bound of one decision is reached. `without` is one that this decision takes away.
    fn fill_backorders(&mut self, without: Option<HoldId>) {
        let waiting = self.state.backorders.values().filter(|id| Some(**id) != without);
        for id in waiting.take(BACKORDERS_FILLED_MAX) {
            let hold =
                self.state.holds.get(id).expect("the backorder queue names holds that exist");
            if hold.quantity > self.on_hand - self.committed {
                break;
            }
            self.committed += hold.quantity;
            self.events.push(Event::BackorderFilled { hold: *id, quantity: hold.quantity });
        }
    }

    /// A hold, on behalf of an order or of none: what is held for an order moves with it alone.
    fn hold_of(&self, id: HoldId, order: Option<AggregateId>) -> Result<Option<&'a Hold>, Refusal> {
        match self.state.holds.get(&id) {
            Some(hold) if hold.order != order => Err(match hold.order {
                Some(order) => Refusal::HoldOfOrder { order },
                None => Refusal::HoldConflict,
            }),
            known => Ok(known),
        }
    }

    /// One that nobody committed, and that is for no order.
    fn held(&self, id: HoldId) -> Result<&'a Hold, Refusal> {
        match self.hold_of(id, None)? {
            Some(hold) if hold.phase == Phase::Held => Ok(hold),
            Some(hold) => Err(Refusal::WrongPhase { phase: hold.phase }),
            None => match self.state.ended.get(&id) {
                Some(Ending::Expired) => Err(Refusal::HoldExpired),
                Some(ending) => Err(Refusal::HoldEnded { ending: *ending }),
                None => Err(Refusal::HoldNotFound),
            },
        }
    }

    /// A success that changes nothing where the hold is known to have ended in one of these ways.
    fn ended_as(&self, id: HoldId, endings: &[Ending]) -> Result<(), Refusal> {
        match self.state.ended.get(&id) {
            Some(ending) if endings.contains(ending) => Ok(()),
            Some(ending) => Err(Refusal::HoldEnded { ending: *ending }),
            None => Err(Refusal::HoldNotFound),
        }
    }

    fn closed_as(&self, id: TransferId, completed: bool) -> Result<(), Refusal> {
        match self.state.closed.get(&id) {
            Some(known) if *known == completed => Ok(()),
            Some(_) => Err(Refusal::TransferConflict),
            None => Err(Refusal::TransferNotFound),
        }
    }

    /// So many seconds from now, up to the next whole second.
    fn expiry(&self, seconds: u32) -> Result<DateTime<Utc>, Refusal> {
        if !(1..=HOLD_SECONDS_MAX).contains(&seconds) {
            return Err(Refusal::InvalidDuration { seconds, max: HOLD_SECONDS_MAX });
        }
        let part = i64::from(self.now.timestamp_subsec_nanos() > 0);
        let second = self.now.timestamp() + i64::from(seconds) + part;
        Ok(DateTime::from_timestamp(second, 0).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }
}

fn positive(quantity: i64) -> Result<(), Refusal> {
    within(quantity, 1, UNITS_MAX)
}

fn within(quantity: i64, min: i64, max: i64) -> Result<(), Refusal> {
    if (min..=max).contains(&quantity) {
        return Ok(());
    }
    Err(Refusal::InvalidQuantity { quantity, min, max })
}
