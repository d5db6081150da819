//! The claims on stock that have not ended: by when they expire, and of a customer.

use uuid::Uuid;

use crate::table::{
    self, Column, Index, Key, Kind, Listed, Rows, Shape, Table, Touch, Value, Values,
};
use crate::{Fact, Place};
use domain::aggregate::Aggregate;
use domain::id::{AggregateId, CustomerId, HoldId};
use domain::products::stock_item::{Event, Phase, StockItem};

/// See the module.
pub struct Holds;

/// What a list shows of a hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub customer: CustomerId,
    pub quantity: i64,
    pub phase: Phase,
    /// Microseconds since 1970 UTC, like the other time. One that is promised expires no more.
    pub expires_us: i64,
    pub held_us: i64,
    /// The order that it is for, if it is of one.
    pub order: Option<AggregateId>,
}

static SHAPE: Shape = Shape {
    name: "holds",
    schema: 2,
    parts: true,
    columns: &[
        Column::new("customer", Kind::Id),
        Column::new("quantity", Kind::Int),
        Column::new("phase", Kind::Int),
        Column::new("expires_us", Kind::Int),
        Column::new("held_us", Kind::Int),
        Column::nullable("order", Kind::Id),
    ],
    indexes: &[
        Index { name: "phase", columns: &["phase", "expires_us"] },
        Index { name: "customer", columns: &["customer", "held_us"] },
    ],
    tally: None,
};

/// The phases in the order of the numbers under which they are kept, which stand for ever.
const PHASES: [Phase; 3] = [Phase::Held, Phase::Committed, Phase::Backordered];

/// How a phase is kept.
pub fn phase_value(phase: Phase) -> Value {
    Value::one_of(&PHASES, &phase)
}

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        vec![
            self.customer.0.into(),
            self.quantity.into(),
            phase_value(self.phase),
            self.expires_us.into(),
            self.held_us.into(),
            self.order.into(),
        ]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        Some(Self {
            customer: CustomerId(values.id()?),
            quantity: values.int()?,
            phase: values.one_of(&PHASES)?,
            expires_us: values.int()?,
            held_us: values.int()?,
            order: values.maybe_id()?.map(AggregateId),
        })
    }
}

impl Listed for Holds {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

impl Table for Holds {
    fn wants(aggregate_type: &str) -> bool {
        aggregate_type == StockItem::TYPE
    }

    /// What is said of holds names one.
    fn may_matter(events: &str) -> bool {
        events.contains("\"hold\"")
    }

    fn touches(place: Place, fact: &Fact, touch: &mut dyn FnMut(Touch)) {
        let Fact::StockItem(event) = fact else { return };
        let Some(hold) = hold_of(event) else { return };
        let key = Key::part(place.aggregate_id, hold);
        let is_new = matches!(event, Event::StockHeld { .. });
        touch(Touch::one(key, is_new));
    }

    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Row>) {
        let Fact::StockItem(event) = fact else { return };
        let Some(hold) = hold_of(event) else { return };
        let key = Key::part(place.aggregate_id, hold);
        match event {
            Event::StockHeld { customer, quantity, expires_at, order, .. } => rows.put(
                key,
                Row {
                    customer: *customer,
                    quantity: *quantity,
                    phase: Phase::Held,
                    expires_us: expires_at.timestamp_micros(),
                    held_us: place.recorded_us,
                    order: *order,
                },
            ),
            Event::HoldExtended { expires_at, .. } => {
                rows.change(key, |row| row.expires_us = expires_at.timestamp_micros());
            }
            Event::HoldCommitted { .. } | Event::BackorderFilled { .. } => {
                rows.change(key, |row| row.phase = Phase::Committed);
            }
            Event::HoldBackordered { .. } => {
                rows.change(key, |row| row.phase = Phase::Backordered);
            }
            _ => rows.remove(key),
        }
    }
}

/// The hold that an event is about.
fn hold_of(event: &Event) -> Option<Uuid> {
    let HoldId(id) = match event {
        Event::StockHeld { hold, .. }
        | Event::HoldExtended { hold, .. }
        | Event::HoldReleased { hold, .. }
        | Event::HoldExpired { hold, .. }
        | Event::HoldCommitted { hold, .. }
        | Event::HoldBackordered { hold, .. }
        | Event::BackorderFilled { hold, .. }
        | Event::HoldShipped { hold, .. }
        | Event::HoldDeallocated { hold, .. } => hold,
        _ => return None,
    };
    Some(*id)
}
