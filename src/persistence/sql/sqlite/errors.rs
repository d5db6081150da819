//! What an error of SQLite says of the statement that met it.

use sqlx::error::DatabaseError;

use persistence::cause::Cause;
use persistence::journal::{Appended, JournalError};

/// Primary result codes: <https://www.sqlite.org/rescode.html>.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NO_MEMORY: i32 = 7;
const READ_ONLY: i32 = 8;
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const TOO_BIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const NOT_A_DATABASE: i32 = 26;
const GENERIC: i32 = 1;

/// Extended result codes: the keys.
const CONSTRAINT_PRIMARY_KEY: i32 = CONSTRAINT | (6 << 8);
const CONSTRAINT_UNIQUE: i32 = CONSTRAINT | (8 << 8);
const CONSTRAINT_ROW_ID: i32 = CONSTRAINT | (10 << 8);

fn code(error: &dyn DatabaseError) -> i32 {
    error.code().and_then(|code| code.parse().ok()).unwrap_or(GENERIC)
}

fn is_duplicate(code: i32) -> bool {
    matches!(code, CONSTRAINT_PRIMARY_KEY | CONSTRAINT_UNIQUE | CONSTRAINT_ROW_ID)
}

/// What became of an `INSERT` that was its own transaction. A failed write or flush of the log
/// (`IOERR`) may leave a commit that recovery finds later: nobody knows.
pub(super) fn appended(error: sqlx::Error) -> Appended {
    let Some(code) = error.as_database_error().map(code) else {
        return Appended::Unknown(Cause::of(error));
    };
    if is_duplicate(code) {
        return Appended::Duplicate;
    }
    match code & 0xff {
        GENERIC | BUSY | LOCKED | READ_ONLY | FULL | CANNOT_OPEN | PROTOCOL | TOO_BIG
        | CONSTRAINT => Appended::Refused(Cause::of(error)),
        _ => Appended::Unknown(Cause::of(error)),
    }
}

/// Whether a transaction met a key that was taken.
pub(super) fn met_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| is_duplicate(code(error)))
}

pub(super) fn journal_error(error: sqlx::Error) -> JournalError {
    let kind: fn(Cause) -> JournalError = match &error {
        sqlx::Error::Database(error) => match code(&**error) & 0xff {
            BUSY | LOCKED | NO_MEMORY | IO | FULL | CANNOT_OPEN | PROTOCOL => {
                JournalError::Unreachable
            }
            CORRUPT | NOT_A_DATABASE => JournalError::Corrupt,
            _ => JournalError::Refused,
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => JournalError::Corrupt,
        sqlx::Error::Encode(_) | sqlx::Error::Configuration(_) => JournalError::Refused,
        _ => JournalError::Unreachable,
    };
    kind(Cause::of(error))
}

/// SQLite's integers are signed: numbers beyond them cannot be kept.
pub(super) fn signed(number: u64) -> Result<i64, sqlx::Error> {
    i64::try_from(number)
        .map_err(|_| sqlx::Error::Encode(format!("{number} is beyond what SQLite keeps").into()))
}

/// The bound of a range: beyond the largest number there is nothing to find.
pub(super) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A stored number in the range of its column.
pub(super) fn stored<T: TryFrom<i64>>(number: i64) -> Result<T, sqlx::Error> {
    T::try_from(number)
        .map_err(|_| sqlx::Error::Decode(format!("{number} is out of its column's range").into()))
}
