//! How events are stored: JSON that an operator can read. Owns the bytes of an entry's `events`
//! and their way back, upcasting included; golden files hold the shape.
//!
//! ```json
//! [{"type":"OrderPlaced","data":{"paymentReference":"p-7"},
//!   "meta":{"by":"system:checkout","cause":"checkout/56fa…/3","step":0,"hash":"1f…"}},
//!  {"type":"OrderCompleted","of":0}]
//! ```
//!
//! What goes without saying is not said: `schema` where it is 1, `data` that is empty, and `meta`
//! more than once a command: its further events name the place of the first with `of`. Node and
//! epoch stand in the entry's columns and in the takeover record of that epoch.

mod meta;
mod read;

use std::io::Write as _;

use serde::Serialize;

use domain::aggregate::DomainEvent;

pub use meta::{Cause, Meta, step_key};
pub use read::{
    CodecError, Command, Stored, commands, decode, decode_each, decode_events, types_and_commands,
};

/// The longest idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;

/// The type under which a keyed command that changed nothing is recorded, so that its key is
/// remembered like any other. It carries no data and is applied to no state.
pub const NOTHING_CHANGED: &str = "NothingChanged";

/// Appends the events of one command to an entry under construction: `buffer` is empty or holds
/// `[` and the `count` events of commands before. No events: [`NOTHING_CHANGED`].
pub fn push_command<E: DomainEvent>(buffer: &mut Vec<u8>, count: u32, events: &[E], meta: &Meta) {
    let (first, more) = match events.split_first() {
        Some((first, more)) => (Some(first), more),
        None => (None, events),
    };
    open_event(buffer, first);
    buffer.extend_from_slice(br#","meta":"#);
    meta.write(buffer);
    buffer.push(b'}');
    for event in more {
        open_event(buffer, Some(event));
        write!(buffer, r#","of":{count}}}"#).expect("memory takes it");
    }
}

/// All of an event but what is said of its command.
fn open_event<E: DomainEvent>(buffer: &mut Vec<u8>, event: Option<&E>) {
    buffer.push(if buffer.is_empty() { b'[' } else { b',' });
    let Some(event) = event else {
        return write!(buffer, r#"{{"type":"{NOTHING_CHANGED}""#).expect("memory takes it");
    };
    // An event is an object `{"type":…,"data":…}`: opened and closed by the fields around it.
    let opened = buffer.len();
    let schema = event.schema();
    if schema != 1 {
        write!(buffer, r#"{{"schema":{schema}"#).expect("memory takes it");
    }
    let itself = buffer.len();
    write_json(buffer, event);
    assert_eq!(buffer[itself], b'{', "an event is an object");
    if itself > opened {
        buffer[itself] = b',';
    }
    buffer.pop();
    const NO_DATA: &[u8] = br#","data":{}"#;
    if buffer.ends_with(NO_DATA) {
        buffer.truncate(buffer.len() - NO_DATA.len());
    }
}

fn write_json(buffer: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(buffer, value).expect("it serializes to memory");
}

/// Closes an entry under construction.
pub fn finish(mut buffer: Vec<u8>) -> String {
    buffer.push(b']');
    // Entries are weighed by their length: a guess at it that was much too high is given back.
    if buffer.capacity() / 2 > buffer.len() {
        buffer.shrink_to_fit();
    }
    String::from_utf8(buffer).expect("serde_json writes UTF-8")
}

#[cfg(test)]
mod tests;
