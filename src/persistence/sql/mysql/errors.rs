//! What an error of a MySQL or MariaDB server says of the statement that met it. Where the text
//! of the manuals leaves room, the answer is "unknown": a false refusal would be a lost update.

use sqlx::mysql::MySqlDatabaseError;

use persistence::cause::Cause;
use persistence::journal::{Appended, JournalError};

/// What to make of a failed statement that was its own transaction.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// A key was taken: nothing was written.
    Duplicate,
    /// Nothing was written, and the same statement may succeed at once.
    Again,
    /// Nothing was written, and the same statement would fail again.
    Refused,
    /// Anything may have happened; the connection is not to be used again.
    Unknown,
}

/// Lock wait timeout, deadlock, a certification failure of a replication group.
const AGAIN: [u16; 3] = [1205, 1213, 3101];

/// Duplicate keys in their several spellings.
const DUPLICATE: [u16; 4] = [1022, 1062, 1169, 1586];

/// `max_allowed_packet` was exceeded; the server closes the connection.
const PACKET_TOO_LARGE: u16 = 1153;

/// Answers after which the statement may yet stand: the server was stopping (1053), killed the
/// statement or its connection (1317, 1927, 3169, 4031), gave up on time (1969, 3024), or failed
/// while committing, flushing its binary log or asking replicas (1026, 1180, 1181, 1598, 3100);
/// a proxy's catch-all (1105); a network error as the server saw it (1152, 1158–1161, 1184).
const UNKNOWN: [u16; 20] = [
    1026, 1053, 1105, 1152, 1158, 1159, 1160, 1161, 1180, 1181, 1184, 1317, 1598, 1927, 1969, 3024,
    3100, 3168, 3169, 4031,
];

/// Errors that time or an operator cures: too many connections (1040, 1203), no memory or space
/// (1021, 1037, 1038, 1041, 1114), starting or not part of a healthy group (1047, 3101, 3796), not the
/// primary any more or not yet (1290, 1836).
const PASSING: [u16; 12] = [1021, 1037, 1038, 1040, 1041, 1047, 1114, 1203, 1290, 1836, 3101, 3796];

fn judge(number: u16, state: Option<&str>) -> Verdict {
    if DUPLICATE.contains(&number) {
        Verdict::Duplicate
    } else if AGAIN.contains(&number) {
        Verdict::Again
    } else if number == PACKET_TOO_LARGE {
        // Refused while it was being read, before it was understood.
        Verdict::Refused
    } else if UNKNOWN.contains(&number) || state.is_some_and(|state| state.starts_with("08")) {
        // Class 08 of the SQL standard: the connection, and with it the outcome, is in doubt.
        Verdict::Unknown
    } else {
        Verdict::Refused
    }
}

/// The error packet of the server, where there is one.
fn packet(error: &sqlx::Error) -> Option<&MySqlDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>())
}

pub(super) fn verdict(error: &sqlx::Error) -> Verdict {
    match (packet(error), error) {
        (Some(packet), _) => judge(packet.number(), packet.code()),
        // The driver could not put it into words: nothing was sent.
        (None, sqlx::Error::Encode(_)) => Verdict::Refused,
        (None, _) => Verdict::Unknown,
    }
}

pub(super) fn appended(error: sqlx::Error) -> Appended {
    match verdict(&error) {
        Verdict::Duplicate => Appended::Duplicate,
        Verdict::Again | Verdict::Refused => Appended::Refused(Cause::of(error)),
        Verdict::Unknown => Appended::Unknown(Cause::of(error)),
    }
}

pub(super) fn journal_error(error: sqlx::Error) -> JournalError {
    let kind: fn(Cause) -> JournalError = match (packet(&error), &error) {
        (Some(packet), _) => match judge(packet.number(), packet.code()) {
            Verdict::Again | Verdict::Unknown => JournalError::Unreachable,
            _ if PASSING.contains(&packet.number()) => JournalError::Unreachable,
            _ => JournalError::Refused,
        },
        (None, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => JournalError::Corrupt,
        (None, sqlx::Error::Encode(_) | sqlx::Error::Configuration(_)) => JournalError::Refused,
        (None, _) => JournalError::Unreachable,
    };
    kind(Cause::of(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_may_still_commit_is_never_called_refused() {
        for (number, state, expected) in [
            (1062, "23000", Verdict::Duplicate),
            (1213, "40001", Verdict::Again),
            (1205, "HY000", Verdict::Again),
            (1153, "08S01", Verdict::Refused),
            (1053, "08S01", Verdict::Unknown),
            (1317, "70100", Verdict::Unknown),
            (1927, "70100", Verdict::Unknown),
            (3024, "HY000", Verdict::Unknown),
            (1180, "HY000", Verdict::Unknown),
            (1290, "HY000", Verdict::Refused),
            (1406, "22001", Verdict::Refused),
            (1114, "HY000", Verdict::Refused),
        ] {
            assert_eq!(judge(number, Some(state)), expected, "error {number}");
        }
    }
}
