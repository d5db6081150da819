//! The cursors of one list: sealed, so that only this installation makes them, and bound to the list, so
//! that no other takes them. Every list of the schema has its cursors from here.

use async_graphql::{Context, Result};

use super::context::engine;
use super::errors::coded;
use projections::cursor::{self, Place};
use projections::position_token::TokenKey;
use projections::table::{Key, Value};

/// See the module.
pub struct Cursors {
    list: String,
    keys: TokenKey,
}

impl Cursors {
    /// Of the list of this name, which says what it is of and how it is ordered.
    pub fn of(context: &Context<'_>, list: impl Into<String>) -> Self {
        Self { list: list.into(), keys: *engine(context).services.keyed.tokens() }
    }

    /// The cursor of a place: what it is ordered by, and what stands there.
    pub fn write(&self, values: Vec<Value>, key: Key) -> String {
        cursor::write(&self.list, &(values, key), &self.keys)
    }

    pub fn read(&self, text: &str) -> Result<Place> {
        cursor::read(&self.list, text, &self.keys).ok_or_else(Self::refused)
    }

    /// The same of a list that is ordered by one number.
    pub fn read_number(&self, text: &str) -> Result<(u64, Key)> {
        let (values, key) = self.read(text)?;
        match values[..] {
            [Value::Int(number)] => Ok((number.cast_unsigned(), key)),
            _ => Err(Self::refused()),
        }
    }

    pub fn refused() -> async_graphql::Error {
        coded("INVALID_CURSOR", "no cursor of this list in this order")
    }
}
