//! Which index serves a filter and an order, as data: a filter is brought into branches, each of them
//! a conjunction, and each branch must be the beginning of an index whose next column is the order. So
//! a page costs what its rows cost, wherever in the list it lies; what would have to read more than it
//! shows is refused, and told what would serve.

use std::collections::BTreeMap;
use std::ops::Bound;

use uuid::Uuid;

use crate::cursor::Place;
use crate::table::{Index, Shape, Stored, Value};

/// What rows are wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    /// The column has one of these values.
    OneOf(&'static str, Vec<Value>),
    Between(&'static str, Bound<Value>, Bound<Value>),
}

impl Filter {
    /// Every row.
    pub const EVERYTHING: Self = Self::All(Vec::new());
}

/// By which column, and in which direction; rows of the same value by their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordering {
    pub column: &'static str,
    pub descending: bool,
}

/// Rows in the order of one index, and of their key behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    pub index: &'static Index,
    /// The values of the index's first columns. The next one gives the order.
    pub equal: Vec<Value>,
    /// Bounds on the column of the order.
    pub range: (Bound<Value>, Bound<Value>),
}

/// So many rows of all branches together, each once, in the order that the branches have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// At least one; all leave the same columns to the order.
    pub branches: Vec<Branch>,
    pub descending: bool,
    /// Behind which row, in this order.
    pub after: Option<Place>,
    pub rows: u32,
}

/// What stands for the aggregate of a row where columns are named. No index has it: rows of named
/// aggregates are read as they are, and held to the rest of the filter one by one.
pub const AGGREGATE: &str = "aggregate";

/// The branches of one filter, at most: each is a question of its own to the database. Sagas of four kinds in five
/// states are 20.
pub const BRANCHES_MAX: usize = 20;

/// Why a filter is not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    #[error("this comes to more than {BRANCHES_MAX} alternatives; ask for fewer at a time")]
    TooMany,
    #[error("{}", no_index(asked, served, Some))]
    NoIndex { asked: Combination, served: Vec<Combination> },
}

/// Columns that are compared, and the one that the rows are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combination {
    pub compared: Vec<&'static str>,
    pub order: &'static str,
}

impl Unserved {
    /// The same in the words of whoever asks: what a column is called there, or nothing, where it is not to be
    /// asked for.
    pub fn in_words<'a>(&self, word: impl Fn(&'static str) -> Option<&'a str>) -> String {
        match self {
            Self::TooMany => self.to_string(),
            Self::NoIndex { asked, served } => no_index(asked, served, word),
        }
    }
}

fn no_index<'a>(
    asked: &Combination,
    served: &[Combination],
    word: impl Fn(&'static str) -> Option<&'a str>,
) -> String {
    let by = |words: &[&str], order: &str| match words {
        [] => format!("everything by {order}"),
        words => format!("{} by {order}", words.join(" and ")),
    };
    let said = |combination: &Combination| {
        let words: Option<Vec<_>> =
            combination.compared.iter().map(|column| word(column)).collect();
        Some(by(&words?, word(combination.order)?))
    };
    let mut known: Vec<_> = asked.compared.iter().filter_map(|column| word(column)).collect();
    known.dedup();
    let asked = by(&known, word(asked.order).unwrap_or_default());
    let served: Vec<_> = served.iter().filter_map(said).collect();
    format!("no index serves {asked}; these are served: {}", served.join(", "))
}

/// One conjunction: for each column what it must be.
type Conjunction = BTreeMap<&'static str, Condition>;

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Equal(Value),
    Between(Bound<Value>, Bound<Value>),
}

/// The branches that together have the rows of a filter, in one order. None at all where no row can be
/// wanted.
pub fn plan(
    shape: &'static Shape,
    filter: &Filter,
    ordering: Ordering,
) -> Result<Vec<Branch>, Unserved> {
    let mut branches = Vec::new();
    for conjunction in conjunctions(filter)? {
        let branch = branch(shape, &conjunction, ordering)?;
        if !branches.contains(&branch) {
            branches.push(branch);
        }
    }
    Ok(branches)
}

/// The aggregates whose rows alone a filter can mean, if it names them in each of its alternatives.
pub fn aggregates(filter: &Filter) -> Result<Option<Vec<Uuid>>, Unserved> {
    let mut named = Vec::new();
    for conjunction in conjunctions(filter)? {
        match conjunction.get(AGGREGATE) {
            Some(Condition::Equal(Value::Id(id))) => named.push(*id),
            _ => return Ok(None),
        }
    }
    named.sort_unstable();
    named.dedup();
    Ok(Some(named))
}

/// Whether a row is one of those that a filter means.
pub fn means(filter: &Filter, shape: &Shape, row: &Stored) -> bool {
    let value = |column: &str| match shape.column(column) {
        _ if column == AGGREGATE => Some(Value::from(row.key.id)),
        Some(place) => row.values.get(place).cloned(),
        None => None,
    };
    match filter {
        Filter::All(parts) => parts.iter().all(|part| means(part, shape, row)),
        Filter::Any(parts) => parts.iter().any(|part| means(part, shape, row)),
        Filter::OneOf(column, values) => value(column).is_some_and(|value| values.contains(&value)),
        Filter::Between(column, from, to) => {
            value(column).is_some_and(|value| lies(&value, from, to))
        }
    }
}

/// The filter as alternatives of conjunctions; what contradicts itself is left out.
fn conjunctions(filter: &Filter) -> Result<Vec<Conjunction>, Unserved> {
    let alternatives = match filter {
        Filter::All(parts) => {
            let mut all = vec![Conjunction::new()];
            for part in parts {
                let part = conjunctions(part)?;
                let both = |one: &Conjunction| {
                    part.iter().filter_map(|other| merged(one, other)).collect::<Vec<_>>()
                };
                // Each has as many as may be, at most.
                all = all.iter().flat_map(both).collect();
                if all.len() > BRANCHES_MAX {
                    return Err(Unserved::TooMany);
                }
            }
            all
        }
        Filter::Any(parts) => {
            let mut any = Vec::new();
            for part in parts {
                any.extend(conjunctions(part)?);
                if any.len() > BRANCHES_MAX {
                    return Err(Unserved::TooMany);
                }
            }
            any
        }
        Filter::OneOf(column, values) => {
            let equal =
                |value: &Value| Conjunction::from([(*column, Condition::Equal(value.clone()))]);
            values.iter().map(equal).collect()
        }
        Filter::Between(column, from, to) => {
            vec![Conjunction::from([(*column, Condition::Between(from.clone(), to.clone()))])]
        }
    };
    if alternatives.len() > BRANCHES_MAX {
        return Err(Unserved::TooMany);
    }
    Ok(alternatives)
}

/// Both, unless no row can be of both.
fn merged(one: &Conjunction, other: &Conjunction) -> Option<Conjunction> {
    let mut both = one.clone();
    for (column, condition) in other {
        let condition = match both.remove(column) {
            None => condition.clone(),
            Some(before) => intersection(before, condition.clone())?,
        };
        both.insert(column, condition);
    }
    Some(both)
}

fn intersection(one: Condition, other: Condition) -> Option<Condition> {
    use Condition::{Between, Equal};
    match (one, other) {
        (Equal(one), Equal(other)) => (one == other).then_some(Equal(one)),
        (Equal(value), Between(from, to)) | (Between(from, to), Equal(value)) => {
            lies(&value, &from, &to).then_some(Equal(value))
        }
        (Between(from, to), Between(other_from, other_to)) => {
            Some(Between(later(from, other_from), earlier(to, other_to)))
        }
    }
}

fn lies(value: &Value, from: &Bound<Value>, to: &Bound<Value>) -> bool {
    use std::ops::RangeBounds;
    (from.as_ref(), to.as_ref()).contains(value)
}

fn later(one: Bound<Value>, other: Bound<Value>) -> Bound<Value> {
    match (&one, &other) {
        (Bound::Unbounded, _) => other,
        (_, Bound::Unbounded) => one,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
            let first_excludes = matches!(one, Bound::Excluded(_));
            if a > b || (a == b && first_excludes) { one } else { other }
        }
    }
}

fn earlier(one: Bound<Value>, other: Bound<Value>) -> Bound<Value> {
    match (&one, &other) {
        (Bound::Unbounded, _) => other,
        (_, Bound::Unbounded) => one,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
            let first_excludes = matches!(one, Bound::Excluded(_));
            if a < b || (a == b && first_excludes) { one } else { other }
        }
    }
}

fn branch(
    shape: &'static Shape,
    conjunction: &Conjunction,
    ordering: Ordering,
) -> Result<Branch, Unserved> {
    let equal: BTreeMap<&str, &Value> = conjunction
        .iter()
        .filter_map(|(column, condition)| match condition {
            Condition::Equal(value) if *column != ordering.column => Some((*column, value)),
            _ => None,
        })
        .collect();
    let serves = |index: &&Index| {
        let (ordered, fixed) = index.columns.split_last().expect("an index has columns");
        *ordered == ordering.column
            && fixed.len() == equal.len()
            && fixed.iter().all(|column| equal.contains_key(column))
    };
    let only_order_is_bounded = conjunction.iter().all(|(column, condition)| {
        matches!(condition, Condition::Equal(_)) || *column == ordering.column
    });
    let index = shape.indexes.iter().find(serves).filter(|_| only_order_is_bounded);
    let Some(index) = index else {
        let columns: Vec<&'static str> = conjunction.keys().copied().collect();
        return Err(unserved(shape, &columns, ordering));
    };
    let (_, fixed) = index.columns.split_last().expect("an index has columns");
    let range = match conjunction.get(ordering.column) {
        None => (Bound::Unbounded, Bound::Unbounded),
        Some(Condition::Equal(value)) => {
            (Bound::Included(value.clone()), Bound::Included(value.clone()))
        }
        Some(Condition::Between(from, to)) => (from.clone(), to.clone()),
    };
    Ok(Branch { index, equal: fixed.iter().map(|column| equal[column].clone()).collect(), range })
}

fn unserved(shape: &Shape, columns: &[&'static str], ordering: Ordering) -> Unserved {
    let served = shape.indexes.iter().map(|index| {
        let (order, compared) = index.columns.split_last().expect("an index has columns");
        Combination { compared: compared.to_vec(), order }
    });
    let asked = Combination { compared: columns.to_vec(), order: ordering.column };
    Unserved::NoIndex { asked, served: served.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Column, Key, Kind, Origin};
    use domain::id::AggregateId;

    static SHAPE: Shape = Shape {
        name: "things",
        schema: 1,
        parts: false,
        columns: &[
            Column::new("owner", Kind::Int),
            Column::new("state", Kind::Int),
            Column::new("made", Kind::Int),
        ],
        indexes: &[
            Index { name: "made", columns: &["made"] },
            Index { name: "state", columns: &["state", "made"] },
            Index { name: "owner_state", columns: &["owner", "state", "made"] },
        ],
        tally: None,
    };
    const NEWEST: Ordering = Ordering { column: "made", descending: true };

    fn is(column: &'static str, value: i64) -> Filter {
        Filter::OneOf(column, vec![value.into()])
    }

    fn planned(filter: &Filter) -> Vec<(&'static str, Vec<Value>)> {
        let branches = plan(&SHAPE, filter, NEWEST).expect("it is served");
        branches.into_iter().map(|branch| (branch.index.name, branch.equal)).collect()
    }

    #[test]
    fn each_alternative_has_an_index_of_its_own() {
        assert_eq!(planned(&Filter::EVERYTHING), [("made", vec![])]);
        let both = Filter::All(vec![is("state", 1), is("owner", 7)]);
        assert_eq!(planned(&both), [("owner_state", vec![7.into(), 1.into()])]);
        let either = Filter::OneOf("state", vec![1.into(), 2.into(), 1.into()]);
        assert_eq!(planned(&either), [("state", vec![1.into()]), ("state", vec![2.into()])]);
        let nested =
            Filter::All(vec![is("owner", 7), Filter::Any(vec![is("state", 1), is("state", 2)])]);
        assert_eq!(planned(&nested).len(), 2);
        let narrowed = |values: i64| {
            let values = (0..values).map(Value::Int).collect();
            Filter::All(vec![Filter::OneOf("state", values), either.clone()])
        };
        assert_eq!(planned(&narrowed(16)).len(), 2, "what contradicts itself is no alternative");
        let contradiction = Filter::All(vec![is("state", 1), is("state", 2)]);
        assert_eq!(planned(&contradiction), []);
        assert_eq!(planned(&Filter::Any(vec![])), []);
    }

    #[test]
    fn bounds_on_the_order_are_one_range() {
        let from = Filter::Between("made", Bound::Included(3.into()), Bound::Unbounded);
        let to = Filter::Between("made", Bound::Unbounded, Bound::Excluded(9.into()));
        let filter = Filter::All(vec![from.clone(), to, is("state", 1)]);
        let branches = plan(&SHAPE, &filter, NEWEST).expect("it is served");
        let range = (Bound::Included(3.into()), Bound::Excluded(9.into()));
        assert_eq!(branches[0].range, range);
        let outside = Filter::All(vec![from, is("made", 2)]);
        assert_eq!(plan(&SHAPE, &outside, NEWEST), Ok(vec![]));
    }

    #[test]
    fn rows_of_named_aggregates_are_held_to_the_rest_of_the_filter() {
        let id = |number: u128| Uuid::from_u128(number);
        let named = |all: &[u128]| {
            Filter::OneOf(AGGREGATE, all.iter().map(|number| Value::Id(id(*number))).collect())
        };
        let filter = Filter::All(vec![named(&[1, 2]), is("state", 1)]);
        assert_eq!(aggregates(&filter), Ok(Some(vec![id(1), id(2)])));
        let either = Filter::Any(vec![named(&[1]), is("state", 1)]);
        assert_eq!(aggregates(&either), Ok(None), "others too");
        let row = |number: u128, state: i64| Stored {
            key: Key::of(AggregateId(id(number))),
            origin: Origin::default(),
            values: vec![Value::Int(7), Value::Int(state), Value::Int(3)],
        };
        let meant = |filter: &Filter, row: &Stored| means(filter, &SHAPE, row);
        assert!(meant(&filter, &row(1, 1)));
        assert!(!meant(&filter, &row(1, 2)) && !meant(&filter, &row(3, 1)));
        assert!(meant(&either, &row(3, 1)) && meant(&either, &row(1, 2)));
        let range = Filter::Between("made", Bound::Included(3.into()), Bound::Excluded(3.into()));
        assert!(!meant(&range, &row(1, 1)));
    }

    #[test]
    fn what_no_index_serves_is_told_what_would() {
        let refused = |filter, ordering| match plan(&SHAPE, &filter, ordering) {
            Err(refused) => refused.to_string(),
            Ok(branches) => panic!("{branches:?}"),
        };
        assert_eq!(
            refused(is("owner", 1), NEWEST),
            "no index serves owner by made; these are served: everything by made, state by made, \
             owner and state by made"
        );
        let by_state = Ordering { column: "state", descending: false };
        assert!(refused(Filter::EVERYTHING, by_state).starts_with("no index serves everything by"));
        let many = Filter::OneOf("state", (0..21).map(Value::Int).collect());
        assert!(refused(many, NEWEST).contains("more than 20 alternatives"));
        let range = Filter::Between("state", Bound::Unbounded, Bound::Included(1.into()));
        assert!(refused(range, NEWEST).starts_with("no index serves state by made"));
    }
}
