//! How events are stored: `{schema, type, data, meta}`, JSON that an operator can read. Owns the
//! bytes of an entry's `events` and their way back, upcasting included; golden files hold the shape.
//!
//! Reading is one pass over the text as long as `schema` and `type` come before `data`, as they do
//! in what is written here.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use domain::aggregate::{Aggregate, DomainEvent};

/// What is kept with each event beside its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The try that decided this; the same in all events of one command.
    pub command_id: Uuid,
    /// The idempotency key, at most [`KEY_BYTES_MAX`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
    /// A keyed hash of what was asked for; tells a repeated command from another with the same key,
    /// and nobody without the secret anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_hash: Option<u64>,
    pub correlation_id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    pub principal: Arc<str>,
    pub node: Arc<str>,
    pub epoch: u64,
    /// W3C `traceparent`, where the caller sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Arc<str>>,
}

/// The longest idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;

/// The type under which a keyed command that changed nothing is recorded, so that its key is
/// remembered like any other. It carries no data and is applied to no state.
pub const NOTHING_CHANGED: &str = "NothingChanged";

/// One event of an entry, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<E> {
    /// `None` for [`NOTHING_CHANGED`].
    pub event: Option<E>,
    pub meta: Meta,
}

#[derive(Debug, thiserror::Error)]
#[error("event {index} of the entry cannot be read")]
pub struct CodecError {
    /// Which of the entry's events, counted from 0; their number where the text ends wrongly.
    pub index: usize,
    source: serde_json::Error,
}

/// Appends one event to an entry under construction: `buffer` is empty or holds `[` and events.
pub fn push_event<E: DomainEvent>(buffer: &mut Vec<u8>, event: Option<&E>, meta: &Meta) {
    buffer.push(if buffer.is_empty() { b'[' } else { b',' });
    // An event is an object `{"type":…,"data":…}`: opened and closed by the fields around it.
    let schema = event.map_or(1, DomainEvent::schema);
    write!(buffer, r#"{{"schema":{schema}"#).expect("memory takes it");
    let opened = buffer.len();
    match event {
        Some(event) => write_json(buffer, event),
        None => write!(buffer, r#"{{"type":"{NOTHING_CHANGED}","data":{{}}}}"#)
            .expect("memory takes it"),
    }
    assert_eq!(buffer[opened], b'{', "an event is an object");
    buffer[opened] = b',';
    buffer.pop();
    buffer.extend_from_slice(br#","meta":"#);
    write_json(buffer, meta);
    buffer.push(b'}');
}

fn write_json(buffer: &mut Vec<u8>, value: &impl Serialize) {
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

/// Decodes the events of one entry, lifting old schemas.
pub fn decode<A: Aggregate>(events: &str) -> Result<Vec<Stored<A::Event>>, CodecError> {
    let mut all = Vec::new();
    decode_each::<A>(events, |stored| all.push(stored))?;
    Ok(all)
}

/// Like [`decode`], without a list in between.
pub fn decode_each<A: Aggregate>(
    events: &str,
    each: impl FnMut(Stored<A::Event>),
) -> Result<(), CodecError> {
    elements(events, || OneEvent::<A>(PhantomData), each)
}

/// Decodes only the metadata of an entry's events.
pub fn decode_meta(events: &str) -> Result<Vec<Meta>, CodecError> {
    #[derive(Deserialize)]
    struct OnlyMeta {
        meta: Meta,
    }
    let mut all = Vec::new();
    elements(events, || PhantomData::<OnlyMeta>, |one| all.push(one.meta))?;
    Ok(all)
}

/// Gives each element of a JSON array to `each`, as `seed` reads it.
fn elements<'de, S: DeserializeSeed<'de>>(
    events: &'de str,
    seed: impl Fn() -> S,
    each: impl FnMut(S::Value),
) -> Result<(), CodecError> {
    struct Elements<'a, N, F> {
        seed: N,
        each: F,
        index: &'a mut usize,
    }
    impl<'de, S, N, F> Visitor<'de> for Elements<'_, N, F>
    where
        S: DeserializeSeed<'de>,
        N: Fn() -> S,
        F: FnMut(S::Value),
    {
        type Value = ();
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an array of stored events")
        }
        fn visit_seq<Q: SeqAccess<'de>>(mut self, mut sequence: Q) -> Result<(), Q::Error> {
            while let Some(stored) = sequence.next_element_seed((self.seed)())? {
                (self.each)(stored);
                *self.index += 1;
            }
            Ok(())
        }
    }
    let mut index = 0;
    let mut deserializer = serde_json::Deserializer::from_str(events);
    let elements = Elements { seed, each, index: &mut index };
    let read = deserializer.deserialize_seq(elements).and_then(|()| deserializer.end());
    read.map_err(|source| CodecError { index, source })
}

struct OneEvent<A>(PhantomData<A>);

impl<'de, A: Aggregate> DeserializeSeed<'de> for OneEvent<A> {
    type Value = Stored<A::Event>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, A: Aggregate> Visitor<'de> for OneEvent<A> {
    type Value = Stored<A::Event>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a stored event")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut schema: Option<u32> = None;
        let mut event_type: Option<Cow<'de, str>> = None;
        let mut event: Option<Option<A::Event>> = None;
        let mut late: Option<Value> = None;
        let mut meta: Option<Meta> = None;
        while let Some(field) = map.next_key::<Cow<'de, str>>()? {
            match field.as_ref() {
                "schema" => schema = Some(map.next_value()?),
                "type" => event_type = Some(map.next_value()?),
                "meta" => meta = Some(map.next_value()?),
                "data" => match (schema, &event_type) {
                    (Some(_), Some(name)) if name == NOTHING_CHANGED => {
                        map.next_value::<IgnoredAny>()?;
                        event = Some(None);
                    }
                    (Some(schema), Some(name)) if schema == A::Event::schema_of(name) => {
                        let tagged = Tagged { event_type: name, map: &mut map, field: 0 };
                        let decoded = A::Event::deserialize(MapAccessDeserializer::new(tagged))?;
                        event = Some(Some(decoded));
                    }
                    _ => late = Some(map.next_value()?),
                },
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let meta = meta.ok_or_else(|| M::Error::missing_field("meta"))?;
        if let Some(event) = event {
            return Ok(Stored { event, meta });
        }
        let schema = schema.ok_or_else(|| M::Error::missing_field("schema"))?;
        let name = event_type.ok_or_else(|| M::Error::missing_field("type"))?;
        let data = late.ok_or_else(|| M::Error::missing_field("data"))?;
        let event = from_parts::<A>(&name, schema, data).map_err(M::Error::custom)?;
        Ok(Stored { event, meta })
    }
}

/// The slow way: old schemas, and fields in another order.
fn from_parts<A: Aggregate>(
    name: &str,
    schema: u32,
    data: Value,
) -> Result<Option<A::Event>, Box<dyn std::error::Error>> {
    if name == NOTHING_CHANGED {
        return Ok(None);
    }
    let (name, data) = if schema == A::Event::schema_of(name) {
        (name.to_owned(), data)
    } else {
        A::upcast(name, schema, data)?
    };
    Ok(Some(serde_json::from_value(serde_json::json!({"type": name, "data": data}))?))
}

/// Shows the rest of a stored event as the map `{type, data}` that an adjacently tagged enum reads.
struct Tagged<'a, M> {
    event_type: &'a str,
    map: &'a mut M,
    field: u8,
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for Tagged<'_, M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, M::Error> {
        self.field += 1;
        let name = match self.field {
            1 => "type",
            2 => "data",
            _ => return Ok(None),
        };
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        if self.field == 1 {
            seed.deserialize(StrDeserializer::new(self.event_type))
        } else {
            self.map.next_value_seed(seed)
        }
    }
}
