//! The users: newest first, of a status, and by e-mail address. The address is here by its blind index
//! alone; no text of a person stands in a table. No roles: whoever decides asks the user.

use uuid::Uuid;

use crate::table::{
    self, Column, Index, Key, Kind, Listed, Rows, Shape, Table, Touch, Value, Values,
};
use crate::{Fact, Place};
use domain::access::user::{Event, LOCALE_BYTES_MAX, Status, User};
use domain::aggregate::Aggregate;
use domain::sealed::BlindIndex;

/// See the module.
pub struct Users;

/// What a list shows of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The last one, where the account is closed.
    pub email: BlindIndex,
    pub status: Status,
    /// A language tag.
    pub locale: String,
    /// Microseconds since 1970 UTC, like the other time.
    pub registered_us: i64,
    pub changed_us: i64,
    /// Since when he is closed, as long as he is not erased.
    pub kept_since_us: Option<i64>,
}

static SHAPE: Shape = Shape {
    name: "users",
    schema: 3,
    parts: false,
    columns: &[
        Column::new("email", Kind::Id),
        Column::new("status", Kind::Int),
        Column::new("locale", Kind::Text(LOCALE_BYTES_MAX as u16)),
        Column::new("registered_us", Kind::Int),
        Column::new("changed_us", Kind::Int),
        Column::new("is_kept", Kind::Int),
        Column::new("kept_since_us", Kind::Int),
    ],
    indexes: &[
        Index { name: "registered", columns: &["registered_us"] },
        Index { name: "status", columns: &["status", "registered_us"] },
        Index { name: "email", columns: &["email", "registered_us"] },
        Index { name: "kept", columns: &["is_kept", "kept_since_us"] },
    ],
    tally: None,
};

/// The statuses in the order of the numbers under which they are kept, which stand for ever.
const STATUSES: [Status; 3] = [Status::Active, Status::Suspended, Status::Closed];

/// How a status is kept.
pub fn status_value(status: Status) -> Value {
    Value::one_of(&STATUSES, &status)
}

/// How it is kept whether somebody's data are there though his account is not.
pub fn is_kept_value(is_kept: bool) -> Value {
    i64::from(is_kept).into()
}

/// Where nothing is.
const NOT_KEPT_US: i64 = 0;

impl table::Row for Row {
    fn values(&self) -> Vec<Value> {
        vec![
            Uuid::from_bytes(*self.email.as_bytes()).into(),
            status_value(self.status),
            self.locale.as_str().into(),
            self.registered_us.into(),
            self.changed_us.into(),
            is_kept_value(self.kept_since_us.is_some()),
            self.kept_since_us.unwrap_or(NOT_KEPT_US).into(),
        ]
    }

    fn read(values: &[Value]) -> Option<Self> {
        let mut values = Values::of(values);
        Some(Self {
            email: BlindIndex::from_bytes(values.id()?.into_bytes()),
            status: values.one_of(&STATUSES)?,
            locale: values.text()?.to_owned(),
            registered_us: values.int()?,
            changed_us: values.int()?,
            kept_since_us: (values.int()? != 0).then_some(values.int()?),
        })
    }
}

impl Listed for Users {
    const SHAPE: &'static Shape = &SHAPE;
    type Row = Row;
}

impl Table for Users {
    fn wants(aggregate_type: &str) -> bool {
        aggregate_type == User::TYPE
    }

    fn touches(place: Place, fact: &Fact, touch: &mut dyn FnMut(Touch)) {
        let key = Key::of(place.aggregate_id);
        let is_new = matches!(fact, Fact::User(Event::UserRegistered { .. }));
        touch(Touch::one(key, is_new));
    }

    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Row>) {
        let Fact::User(event) = fact else { return };
        let (key, now) = (Key::of(place.aggregate_id), place.recorded_us);
        if let Event::UserRegistered { email, locale, .. } = event {
            let row = Row {
                email: email.index,
                status: Status::Active,
                locale: locale.clone(),
                registered_us: now,
                changed_us: now,
                kept_since_us: None,
            };
            return rows.put(key, row);
        }
        rows.change(key, |row| {
            row.changed_us = now;
            match event {
                Event::EmailChanged { email, .. } => row.email = email.index,
                Event::ProfileChanged { locale, .. } => row.locale.clone_from(locale),
                Event::UserSuspended { .. } => row.status = Status::Suspended,
                Event::UserReinstated {} => row.status = Status::Active,
                Event::UserClosed { .. } => {
                    row.status = Status::Closed;
                    row.kept_since_us = Some(now);
                }
                Event::UserErased {} => row.kept_since_us = None,
                Event::UserRegistered { .. }
                | Event::ReservationFenced { .. }
                | Event::RoleAssigned { .. }
                | Event::RoleRevoked { .. }
                | Event::UserImpersonated { .. }
                | Event::ImpersonationEnded { .. } => {}
            }
        });
    }
}
