//! What one stock item, and one exclusive calendar, may do: the sequential rules that a history
//! is held to. Pure.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use imbl::OrdMap;
use porcupine_rs::Model;

/// An aggregate between two operations. Both kinds are one type: an operation of one kind never
/// meets an aggregate of the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub version: u64,
    pub on_hand: i64,
    /// The slots that are taken, and by which booking; `None` where it was never learnt.
    pub booked: OrdMap<u64, Option<Arc<str>>>,
}

/// The rest follows from these nearly always, and a hash need only be equal for what is equal.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.version, self.on_hand, self.booked.len()).hash(hasher);
    }
}

/// An operation with what was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// How it stood before everything else.
    Begin(State),
    Sold {
        units: i64,
        version: u64,
    },
    NotEnough {
        units: i64,
        available: Option<i64>,
    },
    /// Nobody learnt whether it was sold.
    PerhapsSold {
        units: i64,
    },
    StockRead {
        on_hand: i64,
        version: u64,
    },
    Booked {
        slot: u64,
        event: Arc<str>,
        version: u64,
    },
    Taken {
        slot: u64,
        by: Option<Arc<str>>,
    },
    PerhapsBooked {
        slot: u64,
    },
    CalendarRead {
        events: u64,
        version: u64,
    },
}

impl State {
    /// The state after `done`, or `None` if it cannot have been answered like that.
    pub fn after(&self, done: &Done) -> Option<Self> {
        let mut next = self.clone();
        let allowed = match done {
            Done::Begin(state) => {
                next = state.clone();
                true
            }
            Done::Sold { units, version } => {
                next.sell(*units);
                *units <= self.on_hand && next.version == *version
            }
            Done::NotEnough { units, available } => {
                *units > self.on_hand && available.is_none_or(|told| told == self.on_hand)
            }
            // One that never happened may stand at the very end, where nobody looks; so wherever
            // it can have happened, it did.
            Done::PerhapsSold { units } => {
                if *units <= self.on_hand {
                    next.sell(*units);
                }
                true
            }
            Done::StockRead { on_hand, version } => {
                (*on_hand, *version) == (self.on_hand, self.version)
            }
            Done::Booked { slot, event, version } => {
                next.book(*slot, Some(Arc::clone(event)));
                !self.booked.contains_key(slot) && next.version == *version
            }
            Done::Taken { slot, by } => match self.booked.get(slot) {
                Some(Some(known)) => by.as_ref().is_none_or(|told| told == known),
                Some(None) => true,
                None => false,
            },
            Done::PerhapsBooked { slot } => {
                if !self.booked.contains_key(slot) {
                    next.book(*slot, None);
                }
                true
            }
            Done::CalendarRead { events, version } => {
                (*events, *version) == (self.booked.len() as u64, self.version)
            }
        };
        allowed.then_some(next)
    }

    fn sell(&mut self, units: i64) {
        self.on_hand -= units;
        self.version += 1;
    }

    fn book(&mut self, slot: u64, event: Option<Arc<str>>) {
        self.booked.insert(slot, event);
        self.version += 1;
    }
}

/// The rules as the checker takes them.
#[derive(Clone, Debug)]
pub struct Rules;

impl Model for Rules {
    type State = State;
    type Op = Done;
    type Metadata = ();

    fn init() -> State {
        State::default()
    }

    fn step(state: &State, done: &Done) -> (bool, State) {
        match state.after(done) {
            Some(next) => (true, next),
            None => (false, State::default()),
        }
    }
}
