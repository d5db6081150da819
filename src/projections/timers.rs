//! What is due at a time that a row names: which rows those are by now, and of whom. What is done about it is a
//! command to that aggregate ([`ByCommand`]), or a use case that a rule of the configuration asks for ([`ByRule`]). A timer is a question to a table that there is anyway: it costs nothing before it is due, no crash loses
//! it, and it ends with the row.

use std::ops::Bound;

use crate::plan::Branch;
use crate::table::{Index, Key, Listed, Value};
use crate::tables::holds::{self, Holds, phase_value};
use crate::tables::orders::{self, Orders, status_value};
use crate::tables::users::{self, Users};
use domain::access::user::User;
use domain::aggregate::Aggregate;
use domain::commerce::order::{self, DRAFT_DAYS, Order, Status};
use domain::id::HoldId;
use domain::products::stock_item::{self, Phase, StockItem};

/// See the module. What is done means "already so" when it is done again.
pub trait Timer: Send + Sync + 'static {
    /// For operators: ASCII, at most 32 bytes.
    const NAME: &'static str;
    /// The index of the table, whose last column is the time from which is counted.
    const INDEX: &'static str;

    type Table: Listed;
    type Target: Aggregate;

    /// What the columns before the time are.
    fn waiting() -> Vec<Value>;

    /// The time from which is counted, in microseconds since 1970 UTC.
    fn from_us(row: &<Self::Table as Listed>::Row) -> i64;
}

/// One that is told to whom the row is of.
pub trait ByCommand: Timer {
    /// How long after that time it is due, in microseconds.
    const AFTER_US: i64;

    fn command() -> <Self::Target as Aggregate>::Command;

    /// What an operator has done to whom a row is of, as if its time had come.
    fn ahead(key: Key) -> <Self::Target as Aggregate>::Command;

    /// What makes the time of a row never come; nothing where it always does.
    fn never(key: Key) -> Option<<Self::Target as Aggregate>::Command>;
}

/// One by which somebody is erased: how long after that time, the configuration says.
pub trait ByRule: Timer {
    const RULE: Rule;
}

/// The rules by which people are erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    ClosedUsers,
    Guests,
}

/// The rows of whatever waits, the soonest first.
pub fn waiting<T: Timer>() -> Branch {
    let range = (Bound::Unbounded, Bound::Unbounded);
    Branch { index: index::<T>(), equal: T::waiting(), range }
}

/// The rows of what waits since then or longer, the longest first.
pub fn waiting_since<T: Timer>(since_us: i64) -> Branch {
    let range = (Bound::Unbounded, Bound::Included(Value::Int(since_us)));
    Branch { index: index::<T>(), equal: T::waiting(), range }
}

/// Whether a row still waits.
pub fn waits<T: Timer>(values: &[Value]) -> bool {
    let columns = T::Table::SHAPE.columns;
    let mut waiting = index::<T>().columns.iter().zip(T::waiting());
    waiting.all(|(name, wanted)| {
        let place = columns.iter().position(|column| column.name == *name);
        place.and_then(|place| values.get(place)) == Some(&wanted)
    })
}

fn index<T: Timer>() -> &'static Index {
    let mut indexes = T::Table::SHAPE.indexes.iter();
    indexes.find(|index| index.name == T::INDEX).expect("a timer names an index of its table")
}

pub const DAY_US: i64 = 86_400 * 1_000_000;

/// A claim that nobody made good: what it held is for others again.
pub struct HoldExpiry;

impl Timer for HoldExpiry {
    const NAME: &'static str = "hold_expiry";
    const INDEX: &'static str = "phase";

    type Table = Holds;
    type Target = StockItem;

    fn waiting() -> Vec<Value> {
        vec![phase_value(Phase::Held)]
    }

    fn from_us(row: &holds::Row) -> i64 {
        row.expires_us
    }
}

impl ByCommand for HoldExpiry {
    const AFTER_US: i64 = 0;

    fn command() -> stock_item::Command {
        stock_item::Command::ExpireHolds
    }

    fn ahead(key: Key) -> stock_item::Command {
        stock_item::Command::Release { hold: HoldId(key.part) }
    }

    fn never(key: Key) -> Option<stock_item::Command> {
        Some(stock_item::Command::Commit { hold: HoldId(key.part), order: None })
    }
}

/// A draft that nobody came back to.
pub struct DraftExpiry;

impl Timer for DraftExpiry {
    const NAME: &'static str = "draft_expiry";
    const INDEX: &'static str = "status";

    type Table = Orders;
    type Target = Order;

    fn waiting() -> Vec<Value> {
        vec![status_value(Status::Draft)]
    }

    fn from_us(row: &orders::Row) -> i64 {
        row.drafted_us
    }
}

impl ByCommand for DraftExpiry {
    const AFTER_US: i64 = DRAFT_DAYS * DAY_US;

    fn command() -> order::Command {
        order::Command::Expire
    }

    fn ahead(_: Key) -> order::Command {
        order::Command::Cancel { reason: "its time was up".to_owned() }
    }

    fn never(_: Key) -> Option<order::Command> {
        None
    }
}

/// A user whose account is closed, and of whom something is known.
pub struct ClosedUserRetention;

impl Timer for ClosedUserRetention {
    const NAME: &'static str = "closed_user_retention";
    const INDEX: &'static str = "kept";

    type Table = Users;
    type Target = User;

    fn waiting() -> Vec<Value> {
        vec![users::is_kept_value(true)]
    }

    fn from_us(row: &users::Row) -> i64 {
        row.kept_since_us.unwrap_or(i64::MAX)
    }
}

impl ByRule for ClosedUserRetention {
    const RULE: Rule = Rule::ClosedUsers;
}

/// An order that is over, of a guest whose address is kept for its sake.
pub struct GuestRetention;

impl Timer for GuestRetention {
    const NAME: &'static str = "guest_retention";
    const INDEX: &'static str = "kept";

    type Table = Orders;
    type Target = Order;

    fn waiting() -> Vec<Value> {
        vec![orders::is_kept_value(true)]
    }

    fn from_us(row: &orders::Row) -> i64 {
        row.over_us.unwrap_or(i64::MAX)
    }
}

impl ByRule for GuestRetention {
    const RULE: Rule = Rule::Guests;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_served<T: Timer>() {
        let branch = waiting_since::<T>(1_000_000);
        let columns = branch.index.columns.len();
        assert_eq!(branch.equal.len() + 1, columns, "{}: the last column is the time", T::NAME);
    }

    #[test]
    fn an_index_begins_with_what_waits_and_ends_with_the_time() {
        is_served::<HoldExpiry>();
        is_served::<DraftExpiry>();
        is_served::<ClosedUserRetention>();
        is_served::<GuestRetention>();
    }
}
