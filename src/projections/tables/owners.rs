//! How tables keep whose a row is: what names the owner, by which lists are limited, and of which kind he
//! is.

use uuid::Uuid;

use crate::table::{Value, Values};
use domain::access::owner::Owner;
use domain::id::AggregateId;

/// The kinds by their numbers, which stand for ever.
const NOBODY: i64 = 0;
const USER: i64 = 1;
const GUEST: i64 = 2;
const ACCOUNT: i64 = 3;

pub fn kind(owner: Owner) -> Value {
    Value::Int(match owner {
        Owner::User { .. } => USER,
        Owner::Guest { .. } => GUEST,
        Owner::Account { .. } => ACCOUNT,
    })
}

/// An owner from both of his columns.
pub fn read(values: &mut Values<'_>) -> Option<Owner> {
    let id = values.id()?;
    match values.int()? {
        USER => Some(Owner::User { id: AggregateId(id) }),
        GUEST => Some(Owner::Guest { id }),
        ACCOUNT => Some(Owner::Account { id: AggregateId(id) }),
        _ => None,
    }
}

/// Both columns of what may have no owner: a column of an index is never empty.
pub fn kept(owner: Option<Owner>) -> [Value; 2] {
    [owner.map_or(Uuid::nil(), Owner::id).into(), owner.map_or(NOBODY.into(), kind)]
}

/// The owner of what may have none.
pub fn read_maybe(values: &mut Values<'_>) -> Option<Option<Owner>> {
    let mut both = values.clone();
    let (_, which) = (both.id()?, both.int()?);
    if which == NOBODY {
        *values = both;
        return Some(None);
    }
    read(values).map(Some)
}
