//! What an entry of the log says of who did what: pure, so that whoever doubts the rows makes them again.

use domain::access::denials::{Denial, Denials, Event};
use domain::aggregate::Aggregate;
use domain::principal::{Principal, PrincipalKind};
use persistence::codec::{self, NOTHING_CHANGED};
use persistence::journal::Entry;
use projections::table::Key;
use projections::tables::audit::{ACTOR_BYTES_MAX, DONE, NAME_BYTES_MAX, REFUSED, Row, place_of};
use uuid::Uuid;

/// What stands where an entry cannot be read: that it is there is not passed over.
const UNREADABLE: &str = "UNREADABLE";
/// What stands between the names of events that one command led to.
const BETWEEN: &str = ", ";
/// What attempts are called that were counted and not named.
const UNNAMED: &str = "UNNAMED";

/// The rows of an entry, in order. Each is what one command did, whatever came of it; what one caller did
/// several times in a row there is one row.
pub fn rows_of(entry: &Entry) -> Vec<(Key, Row)> {
    let rows = if &*entry.aggregate_type == Denials::TYPE { refused(entry) } else { done(entry) };
    let place = |(index, row): (usize, Row)| {
        (place_of(entry.shard, entry.seq, u32::try_from(index).unwrap_or(u32::MAX)), row)
    };
    rows.into_iter().enumerate().map(place).collect()
}

fn done(entry: &Entry) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut version = entry.version;
    // Whoever asked for the present command; nobody, where it followed from something else.
    let mut asker: Option<(std::sync::Arc<Principal>, Option<Uuid>)> = None;
    // Whether the last row is that of the present command.
    let mut has_row = false;
    let read = codec::types_and_commands(&entry.events, |name, meta| {
        if let Some(meta) = meta {
            let is_caused = meta.cause.is_some();
            asker = (!is_caused).then_some((meta.principal, meta.correlation_id));
            has_row = false;
        }
        if let Some((principal, correlation)) = &asker
            && name != NOTHING_CHANGED
        {
            match rows.last_mut().filter(|_| has_row) {
                Some(row) => goes_on(row, name, version),
                None => rows.push(row_of(entry, principal, *correlation, name, version)),
            }
            has_row = true;
        }
        version += 1;
    });
    rows.dedup_by(|next, row| {
        let is_same = is_same(next, row);
        if is_same {
            (row.count, row.version) = (row.count + 1, next.version);
        }
        is_same
    });
    if read.is_err() {
        let nobody = Principal::new(PrincipalKind::System, "journal");
        return vec![Row {
            outcome: UNREADABLE.to_owned(),
            ..row_of(entry, &nobody, None, UNREADABLE, entry.last_version())
        }];
    }
    rows
}

/// A further event came of the command: its name stands there once.
fn goes_on(row: &mut Row, name: &str, version: u64) {
    row.version = version;
    if row.action.split(BETWEEN).all(|told| told != name) {
        row.action = cut(&format!("{}{BETWEEN}{name}", row.action), NAME_BYTES_MAX);
    }
}

/// Whether two rows differ in nothing but how often.
fn is_same(one: &Row, other: &Row) -> bool {
    one.actor == other.actor
        && one.on_behalf_of == other.on_behalf_of
        && one.session == other.session
        && one.action == other.action
}

fn row_of(
    entry: &Entry,
    principal: &Principal,
    correlation: Option<Uuid>,
    action: &str,
    version: u64,
) -> Row {
    let text = |text: &std::sync::Arc<str>| cut(text, ACTOR_BYTES_MAX);
    Row {
        what: DONE,
        at_us: entry.recorded_us,
        actor: cut(&principal.to_string(), ACTOR_BYTES_MAX),
        on_behalf_of: principal.on_behalf_of.as_ref().map(text),
        session: principal.session.as_ref().map(text),
        action: cut(action, NAME_BYTES_MAX),
        thing_kind: cut(&entry.aggregate_type, NAME_BYTES_MAX),
        thing: entry.aggregate_id,
        version,
        count: 1,
        outcome: String::new(),
        correlation,
        shard: entry.shard,
        seq: entry.seq,
        hash: String::new(),
    }
}

/// The attempts that an entry notes.
fn refused(entry: &Entry) -> Vec<Row> {
    let mut rows = Vec::new();
    let read = codec::decode_events::<Denials>(&entry.events, |event| {
        let Some(Event::DenialsNoted { denials, others }) = event else { return };
        rows.extend(denials.into_iter().map(|denial| denied(entry, denial)));
        if others > 0 {
            let mut row = denied(entry, unnamed());
            (row.count, row.at_us) = (others, entry.recorded_us);
            rows.push(row);
        }
    });
    if read.is_err() {
        let mut row = denied(entry, unnamed());
        row.outcome = UNREADABLE.to_owned();
        return vec![row];
    }
    rows
}

/// Attempts of whomever, for whatever.
fn unnamed() -> Denial {
    Denial {
        by: String::new(),
        on_behalf_of: None,
        session: None,
        action: UNNAMED.to_owned(),
        thing: None,
        code: UNNAMED.to_owned(),
        count: 0,
        first: chrono::DateTime::UNIX_EPOCH,
        last: chrono::DateTime::UNIX_EPOCH,
    }
}

fn denied(entry: &Entry, denial: Denial) -> Row {
    let (thing_kind, thing) =
        denial.thing.map_or((String::new(), Uuid::nil()), |(kind, id)| (kind, id.0));
    Row {
        what: REFUSED,
        at_us: denial.first.timestamp_micros(),
        actor: cut(&denial.by, ACTOR_BYTES_MAX),
        on_behalf_of: denial.on_behalf_of.map(|text| cut(&text, ACTOR_BYTES_MAX)),
        session: denial.session.map(|text| cut(&text, ACTOR_BYTES_MAX)),
        action: cut(&denial.action, NAME_BYTES_MAX),
        thing_kind: cut(&thing_kind, NAME_BYTES_MAX),
        thing,
        version: 0,
        count: denial.count.into(),
        outcome: cut(&denial.code, NAME_BYTES_MAX),
        correlation: None,
        shard: entry.shard,
        seq: entry.seq,
        hash: String::new(),
    }
}

/// The beginning of a text that has at most so many bytes.
fn cut(text: &str, bytes_max: u16) -> String {
    text[..text.floor_char_boundary(bytes_max.into())].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the rows of an entry say: action, how often, and the version that it led to.
    fn said(events: &[&str]) -> Vec<(String, u64, u64)> {
        let entry = Entry {
            shard: 3,
            seq: 7,
            epoch: 1,
            attempt: 1,
            aggregate_type: "order".into(),
            aggregate_id: Uuid::from_u128(9),
            version: 5,
            count: u32::try_from(events.len()).expect("few"),
            events: format!("[{}]", events.join(",")),
            recorded_us: 0,
        };
        rows_of(&entry).into_iter().map(|(_, row)| (row.action, row.count, row.version)).collect()
    }

    #[test]
    fn a_row_is_what_one_command_did() {
        let of_ann = |name: &str| {
            format!(r#"{{"type":"{name}","meta":{{"by":"user:ann","command":"{}"}}}}"#, Uuid::nil())
        };
        let further = |name: &str, of: usize| format!(r#"{{"type":"{name}","of":{of}}}"#);
        let (drafted, renamed) = (of_ann("Drafted"), of_ann("Renamed"));
        let (line, lines) = (further("LineAdded", 0), further("LineAdded", 0));
        assert_eq!(
            said(&[&drafted, &line, &lines, &renamed, &renamed]),
            [("Drafted, LineAdded".to_owned(), 1, 7), ("Renamed".to_owned(), 2, 9)]
        );
        // A command that changed nothing, and what followed from something else, did nothing by itself.
        let caused = r#"{"type":"Placed","meta":{"by":"system:checkout","cause":4}}"#;
        let (nothing, after) = (of_ann(NOTHING_CHANGED), further("Confirmed", 0));
        assert_eq!(said(&[caused, &after]), []);
        assert_eq!(said(&[&nothing, &renamed]), [("Renamed".to_owned(), 1, 6)]);
        assert_eq!(said(&["{}"]), [(UNREADABLE.to_owned(), 1, 5)]);
    }
}
