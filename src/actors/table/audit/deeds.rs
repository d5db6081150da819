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
/// What attempts are called that were counted and not named.
const UNNAMED: &str = "UNNAMED";

/// The rows of an entry, in order. What one caller did several times in a row there is one row.
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
    let read = codec::types_and_commands(&entry.events, |name, meta| {
        if let Some(meta) = meta {
            let is_caused = meta.cause.is_some();
            asker = (!is_caused).then_some((meta.principal, meta.correlation_id));
        }
        if let Some((principal, correlation)) = &asker
            && name != NOTHING_CHANGED
        {
            let row = row_of(entry, principal, *correlation, name, version);
            match rows.last_mut().filter(|last| is_same(last, &row)) {
                Some(last) => (last.count, last.version) = (last.count + 1, version),
                None => rows.push(row),
            }
        }
        version += 1;
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
