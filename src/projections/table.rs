//! Read tables as data: which columns and indexes one has, what a row of it is, and how events
//! change rows. Whoever keeps tables makes statements of this; nothing here knows SQL.
//!
//! A row belongs to one aggregate and has a [`Key`]: the aggregate, and a part of it where an
//! aggregate has many rows. A turn of a follower reads the rows that its events touch, applies the
//! events to them in order, and writes what came out: a row that changed a hundred times in a turn is
//! written once.

use std::collections::BTreeMap;
use std::fmt;

use uuid::Uuid;

use super::tally::{Counted, Tallied, Tally};
use super::{Fact, Place};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::question::Question;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 16 bytes.
    Id,
    /// 64 bits, signed. Times are microseconds since 1970 UTC, money is in minor units.
    Int,
    /// At most so many bytes of UTF-8, compared byte by byte.
    Text(u16),
}

/// One column. What an index orders is never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
}

impl Column {
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, nullable: false }
    }

    pub const fn nullable(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, nullable: true }
    }
}

/// The key of a row, the part of it where an aggregate has many …
pub const ID: Column = Column::new("id", Kind::Id);
pub const PART: Column = Column::new("part", Kind::Id);
/// … and the place that it was last written from: every table has these beside its own columns.
pub const ORIGIN: [Column; 3] = [
    Column::new("version", Kind::Int),
    Column::new("shard", Kind::Int),
    Column::new("seq", Kind::Int),
];

/// Rows in the order of these columns, and of their key behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Index {
    pub name: &'static str,
    pub columns: &'static [&'static str],
}

/// What a table looks like. Changing it means another `schema`: a table of its own, filled from the
/// logs, beside the one of before.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Lower case letters and underscores, at most 24.
    pub name: &'static str,
    pub schema: u32,
    /// Whether an aggregate has many rows, told apart by a part of the key.
    pub parts: bool,
    /// Beside the key and the place that a row was last written from.
    pub columns: &'static [Column],
    pub indexes: &'static [Index],
    /// What is counted of its rows, where anything is.
    pub tally: Option<&'static Tally>,
}

impl Shape {
    /// What no database would make a table of, if anything: a column that is called like one that every table
    /// has, or like another; an index over what is no column. A table that has it does not compile.
    pub const fn unfit(&self) -> Option<&'static str> {
        let columns = self.columns;
        let mut place = 0;
        while place < columns.len() {
            let name = columns[place].name;
            if same(name, ID.name)
                || same(name, PART.name)
                || has(&ORIGIN, ORIGIN.len(), name)
                || has(columns, place, name)
            {
                return Some(name);
            }
            place += 1;
        }
        let mut index = 0;
        while index < self.indexes.len() {
            let over = self.indexes[index].columns;
            let mut place = 0;
            while place < over.len() {
                if !has(columns, columns.len(), over[place]) {
                    return Some(over[place]);
                }
                place += 1;
            }
            index += 1;
        }
        None
    }

    /// Where a column stands in [`columns`](Self::columns).
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// What a database would refuse of a row, if anything.
    pub fn misfit(&self, values: &[Value]) -> Option<String> {
        if values.len() != self.columns.len() {
            return Some(format!("{} values for {} columns", values.len(), self.columns.len()));
        }
        let misfit = |(column, value): (&Column, &Value)| {
            let fits = match (column.kind, value) {
                (_, Value::Null) => column.nullable,
                (Kind::Id, Value::Id(_)) | (Kind::Int, Value::Int(_)) => true,
                (Kind::Text(bytes_max), Value::Text(text)) => text.len() <= bytes_max.into(),
                _ => false,
            };
            (!fits).then(|| format!("what does not fit the column {}", column.name))
        };
        self.columns.iter().zip(values).find_map(misfit)
    }
}

/// Whether one of the first columns is called so.
const fn has(columns: &[Column], first: usize, name: &str) -> bool {
    let mut place = 0;
    while place < first {
        if same(columns[place].name, name) {
            return true;
        }
        place += 1;
    }
    false
}

/// Databases tell names of columns apart whatever their case.
const fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Null,
    Id(Uuid),
    Int(i64),
    Text(String),
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl From<AggregateId> for Value {
    fn from(id: AggregateId) -> Self {
        Self::Id(id.0)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Value {
    /// One of `all`, by its place among them: their order stands for ever.
    pub fn one_of<T: PartialEq>(all: &[T], one: &T) -> Self {
        Self::Int(all.iter().position(|other| other == one).map_or(-1, |place| place as i64))
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, T::into)
    }
}

/// The values of a row, read one after another; none where one is not of the kind asked for.
#[derive(Clone)]
pub struct Values<'a>(std::slice::Iter<'a, Value>);

impl<'a> Values<'a> {
    pub fn of(values: &'a [Value]) -> Self {
        Self(values.iter())
    }

    pub fn id(&mut self) -> Option<Uuid> {
        match self.0.next()? {
            Value::Id(id) => Some(*id),
            _ => None,
        }
    }

    pub fn int(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub fn number<T: TryFrom<i64>>(&mut self) -> Option<T> {
        T::try_from(self.int()?).ok()
    }

    pub fn maybe_int(&mut self) -> Option<Option<i64>> {
        match self.0.next()? {
            Value::Null => Some(None),
            Value::Int(number) => Some(Some(*number)),
            _ => None,
        }
    }

    pub fn maybe_id(&mut self) -> Option<Option<Uuid>> {
        match self.0.next()? {
            Value::Null => Some(None),
            Value::Id(id) => Some(Some(*id)),
            _ => None,
        }
    }

    pub fn maybe_text(&mut self) -> Option<Option<&'a str>> {
        match self.0.next()? {
            Value::Null => Some(None),
            Value::Text(text) => Some(Some(text)),
            _ => None,
        }
    }

    /// What [`Value::one_of`] was made from.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.number::<usize>()?).copied()
    }

    pub fn text(&mut self) -> Option<&'a str> {
        match self.0.next()? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub id: AggregateId,
    /// Nil in a table without parts.
    pub part: Uuid,
}

impl Key {
    pub fn of(id: AggregateId) -> Self {
        Self { id, part: Uuid::nil() }
    }

    pub fn part(id: AggregateId, part: Uuid) -> Self {
        Self { id, part }
    }
}

/// The place that a row was last written from: where whoever doubts it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub version: u64,
    pub shard: u16,
    pub seq: u64,
}

/// A row as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub key: Key,
    pub origin: Origin,
    /// In the order of the shape's columns.
    pub values: Vec<Value>,
}

/// A table that lists are read from.
pub trait Listed: Send + Sync + 'static {
    const SHAPE: &'static Shape;
    type Row: Row;
}

/// One that is filled from what happens, event by event.
pub trait Table: Listed {
    /// Whether an entry of this kind of aggregate matters here. Asked before anything is decoded.
    fn wants(aggregate_type: &str) -> bool;

    /// Whether the events of an entry may matter, by their JSON. For kinds of which most do not.
    fn may_matter(_events: &str) -> bool {
        true
    }

    /// Names the rows that this event reads or changes, before it is applied. A row that is not named
    /// is not there for [`apply`](Self::apply).
    fn touches(place: Place, fact: &Fact, touch: &mut dyn FnMut(Touch));

    /// Applies one event to rows that it touches.
    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Self::Row>);
}

/// A table whose rows an aggregate tells of itself: of the hottest ones, whose events nobody would read
/// one by one for that. A row is asked for once a turn, however much happened.
pub trait Picture: Listed {
    type Of: Aggregate;
    type Ask: Question<Self::Of>;

    const ASK: Self::Ask;

    /// None where there is nothing to show yet. `changed_us`: when the last event was recorded that was
    /// read, microseconds since 1970 UTC.
    fn row(answer: <Self::Ask as Question<Self::Of>>::Answer, changed_us: i64)
    -> Option<Self::Row>;
}

/// What an event touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Touch {
    Row(Key),
    /// A row that this event makes: it is not looked for.
    New(Key),
    /// Every row of an aggregate. Only where an aggregate has few.
    Whole(AggregateId),
}

impl Touch {
    /// One row, which the event makes or which is there.
    pub fn one(key: Key, is_new: bool) -> Self {
        if is_new { Self::New(key) } else { Self::Row(key) }
    }
}

/// What a row of a table knows, in the domain's words.
pub trait Row: Clone + PartialEq + Send + Sync + fmt::Debug + 'static {
    fn values(&self) -> Vec<Value>;

    /// None where these are not the values of such a row.
    fn read(values: &[Value]) -> Option<Self>;

    /// What the row counts as, in a table that has a tally.
    fn counts_as(&self) -> Option<Counted> {
        None
    }
}

/// The rows that a turn touches: as they were kept, and as they are to be.
#[derive(Debug)]
pub struct Rows<R> {
    rows: BTreeMap<Key, Touched<R>>,
    /// What the event that is being applied writes to its rows.
    origin: Origin,
}

#[derive(Clone, Debug)]
struct Touched<R> {
    before: Option<R>,
    now: Option<R>,
    origin: Origin,
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), origin: Origin::default() }
    }
}

impl<R: Row> Rows<R> {
    /// A row as it is kept.
    pub fn load(&mut self, key: Key, origin: Origin, row: R) {
        self.rows.insert(key, Touched { before: Some(row.clone()), now: Some(row), origin });
    }

    /// Takes back everything that happened since the rows were loaded.
    pub fn reset(&mut self) {
        self.rows.retain(|_, touched| touched.before.is_some());
        for touched in self.rows.values_mut() {
            touched.now.clone_from(&touched.before);
        }
    }

    /// What is wrong with the rows of an aggregate as they are now, where they do not fit the table.
    pub fn misfit_of(&self, shape: &Shape, id: AggregateId) -> Option<String> {
        let all = self.rows.range(Key::of(id)..=Key::part(id, Uuid::max()));
        let mut rows = all.filter_map(|(_, touched)| touched.now.as_ref());
        rows.find_map(|row| shape.misfit(&row.values()))
    }

    /// Where the next event stands.
    pub fn at(&mut self, origin: Origin) {
        self.origin = origin;
    }

    pub fn get(&self, key: Key) -> Option<&R> {
        self.rows.get(&key)?.now.as_ref()
    }

    /// Puts a row in place of what is there.
    pub fn put(&mut self, key: Key, row: R) {
        let origin = self.origin;
        let touched = self.rows.entry(key).or_insert(Touched { before: None, now: None, origin });
        (touched.now, touched.origin) = (Some(row), origin);
    }

    /// Changes a row, where there is one.
    pub fn change(&mut self, key: Key, change: impl FnOnce(&mut R)) {
        let Some(touched) = self.rows.get_mut(&key) else { return };
        let Some(row) = touched.now.as_mut() else { return };
        change(row);
        touched.origin = self.origin;
    }

    pub fn remove(&mut self, key: Key) {
        if let Some(touched) = self.rows.get_mut(&key) {
            touched.now = None;
        }
    }

    /// The keys of an aggregate's rows that are there now.
    pub fn keys_of(&self, id: AggregateId) -> Vec<Key> {
        let all = self.rows.range(Key::of(id)..=Key::part(id, Uuid::max()));
        all.filter(|(_, touched)| touched.now.is_some()).map(|(key, _)| *key).collect()
    }

    /// The rows of one aggregate as they are now; for whoever may have to take back what comes next.
    pub fn save(&self, id: AggregateId) -> Saved<R> {
        let all = self.rows.range(Key::of(id)..=Key::part(id, Uuid::max()));
        Saved { id, rows: all.map(|(key, touched)| (*key, touched.clone())).collect() }
    }

    /// Takes back what happened to an aggregate's rows since they were saved.
    pub fn restore(&mut self, saved: Saved<R>) {
        let Saved { id, rows } = saved;
        self.rows.retain(|key, _| key.id != id);
        self.rows.extend(rows);
    }

    /// What has to be written: rows that are new or other than before, and keys of those that are
    /// gone.
    pub fn changes(&self) -> (Vec<Stored>, Vec<Key>) {
        let (mut put, mut gone) = (Vec::new(), Vec::new());
        for (key, Touched { before, now, origin }) in &self.rows {
            match now {
                Some(row) if before.as_ref() != Some(row) => {
                    put.push(Stored { key: *key, origin: *origin, values: row.values() });
                }
                None if before.is_some() => gone.push(*key),
                _ => {}
            }
        }
        (put, gone)
    }

    /// How the sums of the table change with its rows.
    pub fn counted(&self) -> Vec<Counted> {
        let mut tallied = Tallied::default();
        for Touched { before, now, .. } in self.rows.values().filter(|row| row.before != row.now) {
            for (row, sign) in [(before, -1), (now, 1)] {
                row.iter().for_each(|row| tallied.add(row, sign));
            }
        }
        tallied.changes()
    }
}

/// What [`Rows::save`] kept.
#[derive(Debug)]
pub struct Saved<R> {
    id: AggregateId,
    rows: Vec<(Key, Touched<R>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn shape(columns: &'static [Column], indexes: &'static [Index]) -> Shape {
        Shape { name: "tea", schema: 1, parts: false, columns, indexes, tally: None }
    }

    const A: Column = Column::new("a", Kind::Int);

    #[test]
    fn a_table_takes_no_name_that_every_table_has() {
        assert_eq!(shape(&[A], &[Index { name: "by", columns: &["a"] }]).unfit(), None);
        for name in ["id", "part", "version", "shard", "seq", "Seq"] {
            let columns: &[Column] = vec![A, Column::new(name, Kind::Int)].leak();
            assert_eq!(shape(columns, &[]).unfit(), Some(name));
        }
        assert_eq!(shape(&[A, A], &[]).unfit(), Some("a"));
        assert_eq!(shape(&[A], &[Index { name: "by", columns: &["b"] }]).unfit(), Some("b"));
    }
}
