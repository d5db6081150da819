//! What of a table's rows is counted: how many there are of each group, and what their amounts come to.
//! A number of all rows is read from a few sums, whatever the size of the table.
//!
//! A sum belongs to no aggregate. It is changed by what the rows of a turn count as now, less what they
//! counted as before, in the transaction that writes those rows and moves the position: so each row
//! counts exactly once, whoever fills the table. A sum is kept in parts, which are added up when they are
//! read: whoever fills a table adds to a part of its own, and waits for nobody else who fills it.

use std::collections::BTreeMap;

use super::table::{Column, Row, Value};

/// Parts of each sum, at most.
pub const PARTS: u8 = 8;

/// Which sums a table has: one row for each group and part.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Tally {
    /// What a group is, none of it empty. Sums are read by a span of the first of them.
    pub groups: &'static [Column],
    /// What is added up of the rows of a group, beside how many they are.
    pub sums: &'static [&'static str],
}

/// What a row counts as, or what the rows of a group come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// In the order of the tally's columns.
    pub group: Vec<Value>,
    pub rows: i64,
    /// In the order of the tally's sums.
    pub sums: Vec<i64>,
}

/// Changes of sums, gathered group by group.
#[derive(Debug, Default)]
pub struct Tallied(BTreeMap<Vec<Value>, (i64, Vec<i64>)>);

impl Tallied {
    /// A row that is there, where `sign` is 1, or is there no more, where it is -1.
    pub fn add(&mut self, row: &impl Row, sign: i64) {
        let Some(Counted { group, rows, sums }) = row.counts_as() else { return };
        let sum = self.0.entry(group).or_insert_with(|| (0, vec![0; sums.len()]));
        sum.0 += sign * rows;
        for (sum, amount) in sum.1.iter_mut().zip(sums) {
            *sum += sign * amount;
        }
    }

    /// What changed, in the order of the groups.
    pub fn changes(self) -> Vec<Counted> {
        let all = self.0.into_iter();
        let changed =
            all.filter(|(_, (rows, sums))| *rows != 0 || sums.iter().any(|sum| *sum != 0));
        changed.map(|(group, (rows, sums))| Counted { group, rows, sums }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Key, Origin, Rows};
    use crate::tables::orders::{OfDay, Row as Order};
    use crate::testing::{euro, id};
    use domain::access::owner::Owner;
    use domain::commerce::order::Status;
    use domain::id::CustomerId;
    use domain::tax::Totals;

    const NOON_US: i64 = 1_772_366_400_000_000;
    const DAY_US: i64 = 86_400_000_000;

    fn draft(drafted_us: i64) -> Order {
        Order {
            buyer: CustomerId(id(1).0),
            owner: Owner::User { id: id(1) },
            is_guest: false,
            currency: euro(0).currency,
            status: Status::Draft,
            lines: 1,
            totals: None,
            drafted_us,
            placed_us: None,
            changed_us: drafted_us,
            over_us: None,
            is_kept: false,
        }
    }

    fn told(rows: &Rows<Order>) -> Vec<(i64, Status, i64, i64)> {
        let of = |counted: &Counted| {
            let OfDay { day, status, orders, gross } = OfDay::of(counted).expect("a group");
            (day - NOON_US / DAY_US, status, orders, gross.minor)
        };
        rows.counted().iter().map(of).collect()
    }

    #[test]
    fn a_row_counts_as_what_it_is_less_what_it_was() {
        let [loaded, new, same, gone] = [1, 2, 3, 4].map(|number| Key::of(id(number)));
        let mut rows = Rows::default();
        for key in [loaded, same, gone] {
            rows.load(key, Origin::default(), draft(NOON_US));
        }
        assert_eq!(told(&rows), []);
        let placed = |order: &mut Order| {
            order.status = Status::Confirmed;
            let (net, tax, gross) = (euro(420), euro(80), euro(500));
            order.totals = Some(Totals { net, tax, gross });
            order.placed_us = Some(NOON_US + DAY_US);
        };
        rows.change(loaded, placed);
        rows.put(new, draft(NOON_US));
        rows.change(new, placed);
        // A change that counts for nothing.
        rows.change(same, |order| order.lines = 2);
        rows.remove(gone);
        let expected = [(0, Status::Draft, -2, 0), (1, Status::Confirmed, 2, 1_000)];
        assert_eq!(told(&rows), expected);
        rows.reset();
        assert_eq!(told(&rows), []);
    }

    #[test]
    fn what_comes_and_goes_in_one_turn_counts_for_nothing() {
        let mut rows = Rows::default();
        rows.put(Key::of(id(1)), draft(-1));
        assert_eq!(told(&rows)[0].0, -1 - NOON_US / DAY_US, "the day before 1970");
        rows.remove(Key::of(id(1)));
        assert_eq!(told(&rows), []);
    }
}
