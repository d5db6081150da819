//! The toy aggregate that the simulation runs: one item of which so many are left.

use std::fmt;

use serde::{Deserialize, Serialize};

use domain::aggregate::{Aggregate, Context, DomainEvent, Refusal};

#[derive(Debug)]
pub struct Stock;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shelf {
    pub quantity: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Sell(i64),
    /// In two events where it is more than one, so that a command can have several.
    Receive(i64),
    /// Succeeds and changes nothing.
    Look,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    Sold { quantity: i64 },
    Received { quantity: i64 },
}

impl DomainEvent for Event {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoldOut {
    pub wanted: i64,
}

impl fmt::Display for SoldOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "fewer than {} are left", self.wanted)
    }
}

impl Refusal for SoldOut {
    fn code(&self) -> &'static str {
        "SOLD_OUT"
    }
}

domain::questions!(Stock {});

impl Aggregate for Stock {
    const TYPE: &'static str = "stock";
    const STATE_SCHEMA: u32 = 1;
    type State = Shelf;
    type Command = Command;
    type Event = Event;
    type Refusal = SoldOut;
    type Questions = Questions;

    fn decide(state: &Shelf, command: &Command, _context: &Context) -> Result<Vec<Event>, SoldOut> {
        match *command {
            Command::Sell(wanted) if wanted > state.quantity => Err(SoldOut { wanted }),
            Command::Sell(quantity) => Ok(vec![Event::Sold { quantity }]),
            Command::Receive(quantity) if quantity > 1 => Ok(vec![
                Event::Received { quantity: 1 },
                Event::Received { quantity: quantity - 1 },
            ]),
            Command::Receive(quantity) => Ok(vec![Event::Received { quantity }]),
            Command::Look => Ok(Vec::new()),
        }
    }

    fn apply(state: &mut Shelf, event: &Event) {
        match event {
            Event::Sold { quantity } => state.quantity -= quantity,
            Event::Received { quantity } => state.quantity += quantity,
        }
    }
}
