//! From an entry's text back to events and to what was said of their commands, in one pass. Who
//! needs no metadata does not pay for it: it is stepped over.
//!
//! It is one pass over the text as long as `schema` and `type` come before `data`, as they do in
//! what is written here.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use super::NOTHING_CHANGED;
use super::meta::{LastPrincipal, Meta, Said};
use domain::aggregate::{Aggregate, DomainEvent};

/// One event of an entry, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<E> {
    /// `None` for [`NOTHING_CHANGED`].
    pub event: Option<E>,
    /// What was said of its command, with the first event of each.
    pub command: Option<Meta>,
}

/// One command of an entry: where its events stand in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    pub meta: Meta,
    /// The place of its first event, counted from 0.
    pub first: u32,
    /// The number of its events.
    pub count: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("event {index} of the entry cannot be read")]
pub struct CodecError {
    /// Which of the entry's events, counted from 0; their number where the text ends wrongly.
    pub index: usize,
    source: serde_json::Error,
}

/// Decodes an entry, lifting old schemas.
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
    elements(events, Events::<A, true>(PhantomData), each)
}

/// Decodes the events alone; `None` for [`NOTHING_CHANGED`].
pub fn decode_events<A: Aggregate>(
    events: &str,
    mut each: impl FnMut(Option<A::Event>),
) -> Result<(), CodecError> {
    elements(events, Events::<A, false>(PhantomData), |stored| each(stored.event))
}

/// Decodes only what was said of an entry's commands.
pub fn commands(events: &str) -> Result<Vec<Command>, CodecError> {
    let mut all = Vec::<Command>::new();
    let mut at = 0;
    elements(events, OnlyMeta, |said| {
        match (said, all.last_mut()) {
            (Some(meta), _) => all.push(Command { meta, first: at, count: 1 }),
            (None, Some(command)) => command.count += 1,
            (None, None) => unreachable!("the first event without its command was refused"),
        }
        at += 1;
    })?;
    Ok(all)
}

/// Tells of each event its type and, with the first one of each command, what was said of that. The data are
/// stepped over.
pub fn types_and_commands(
    events: &str,
    mut each: impl FnMut(&str, Option<Meta>),
) -> Result<(), CodecError> {
    elements(events, TypeAndMeta, |(name, meta): (String, Option<Meta>)| each(&name, meta))
}

/// How one element of an entry is read.
trait Element {
    type Read;
    fn read<'de, M: MapAccess<'de>>(&self, map: M, at: &mut Place) -> Result<Self::Read, M::Error>;
}

/// Where the reading of an entry has come to.
#[derive(Default)]
struct Place {
    index: usize,
    /// The event with which the present command's metadata stand.
    said_at: Option<usize>,
    last_principal: LastPrincipal,
}

impl Place {
    /// Each event has its command's metadata with it or names the last one that has.
    fn check(&mut self, said: bool, of: Option<usize>) -> Result<(), &'static str> {
        match (said, of) {
            (true, None) => self.said_at = Some(self.index),
            (false, Some(_)) if of == self.said_at => {}
            _ => return Err("`meta` of its own, or `of` the last event that has it, is missing"),
        }
        Ok(())
    }
}

fn elements<E: Element>(
    events: &str,
    element: E,
    each: impl FnMut(E::Read),
) -> Result<(), CodecError> {
    let mut place = Place::default();
    let mut deserializer = serde_json::Deserializer::from_str(events);
    let elements = Elements { element, each, place: &mut place };
    let read = deserializer.deserialize_seq(elements).and_then(|()| deserializer.end());
    read.map_err(|source| CodecError { index: place.index, source })
}

struct Elements<'a, E, F> {
    element: E,
    each: F,
    place: &'a mut Place,
}

impl<'de, E: Element, F: FnMut(E::Read)> Visitor<'de> for Elements<'_, E, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of stored events")
    }

    fn visit_seq<Q: SeqAccess<'de>>(mut self, mut sequence: Q) -> Result<(), Q::Error> {
        while let Some(read) =
            sequence.next_element_seed(One { element: &self.element, place: &mut *self.place })?
        {
            (self.each)(read);
            self.place.index += 1;
        }
        Ok(())
    }
}

struct One<'a, E> {
    element: &'a E,
    place: &'a mut Place,
}

impl<'de, E: Element> DeserializeSeed<'de> for One<'_, E> {
    type Value = E::Read;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<E::Read, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, E: Element> Visitor<'de> for One<'_, E> {
    type Value = E::Read;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a stored event")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<E::Read, M::Error> {
        self.element.read(map, self.place)
    }
}

struct OnlyMeta;

impl Element for OnlyMeta {
    type Read = Option<Meta>;

    fn read<'de, M: MapAccess<'de>>(
        &self,
        mut map: M,
        place: &mut Place,
    ) -> Result<Option<Meta>, M::Error> {
        let (mut meta, mut of) = (None, None);
        while let Some(field) = map.next_key::<Cow<'de, str>>()? {
            match field.as_ref() {
                "meta" => {
                    let said = map.next_value::<Said<'de>>()?;
                    meta = Some(said.read(&mut place.last_principal).map_err(M::Error::custom)?);
                }
                "of" => of = Some(map.next_value()?),
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        place.check(meta.is_some(), of).map_err(M::Error::custom)?;
        Ok(meta)
    }
}

struct TypeAndMeta;

impl Element for TypeAndMeta {
    type Read = (String, Option<Meta>);

    fn read<'de, M: MapAccess<'de>>(
        &self,
        mut map: M,
        place: &mut Place,
    ) -> Result<Self::Read, M::Error> {
        let (mut name, mut meta, mut of) = (String::new(), None, None);
        while let Some(field) = map.next_key::<Cow<'de, str>>()? {
            match field.as_ref() {
                "type" => name = map.next_value()?,
                "meta" => {
                    let said = map.next_value::<Said<'de>>()?;
                    meta = Some(said.read(&mut place.last_principal).map_err(M::Error::custom)?);
                }
                "of" => of = Some(map.next_value()?),
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        place.check(meta.is_some(), of).map_err(M::Error::custom)?;
        Ok((name, meta))
    }
}

/// Events of one kind, with metadata or without.
struct Events<A, const META: bool>(PhantomData<A>);

impl<A: Aggregate, const META: bool> Element for Events<A, META> {
    type Read = Stored<A::Event>;

    fn read<'de, M: MapAccess<'de>>(
        &self,
        mut map: M,
        place: &mut Place,
    ) -> Result<Stored<A::Event>, M::Error> {
        let mut schema: u32 = 1;
        let mut event_type: Option<Cow<'de, str>> = None;
        let mut event: Option<A::Event> = None;
        let mut late: Option<Value> = None;
        let (mut said, mut command, mut of) = (false, None, None);
        while let Some(field) = map.next_key::<Cow<'de, str>>()? {
            match field.as_ref() {
                "schema" if event.is_none() => schema = map.next_value()?,
                "type" => event_type = Some(map.next_value()?),
                "data" => match &event_type {
                    Some(name) if schema == A::Event::schema_of(name) => {
                        let data = Some(&mut map);
                        let tagged = Tagged { event_type: name, data, field: 0 };
                        event = Some(A::Event::deserialize(MapAccessDeserializer::new(tagged))?);
                    }
                    _ => late = Some(map.next_value()?),
                },
                "meta" => {
                    said = true;
                    if META {
                        let read = map.next_value::<Said<'de>>()?;
                        let read = read.read(&mut place.last_principal);
                        command = Some(read.map_err(M::Error::custom)?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                "of" => of = Some(map.next_value()?),
                "schema" => return Err(M::Error::custom("`schema` stands behind `data`")),
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        place.check(said, of).map_err(M::Error::custom)?;
        if event.is_none() {
            let name = event_type.ok_or_else(|| M::Error::missing_field("type"))?;
            event = without_data_in_its_place::<A, M>(&name, schema, late)?;
        }
        Ok(Stored { event, command })
    }
}

/// An event whose data are empty, of an old schema, or stood before its type.
fn without_data_in_its_place<'de, A: Aggregate, M: MapAccess<'de>>(
    name: &str,
    schema: u32,
    data: Option<Value>,
) -> Result<Option<A::Event>, M::Error> {
    if name == NOTHING_CHANGED {
        return Ok(None);
    }
    let current = schema == A::Event::schema_of(name);
    let Some(data) = data.or_else(|| (!current).then(|| Value::Object(Default::default()))) else {
        let tagged = Tagged::<M> { event_type: name, data: None, field: 0 };
        return A::Event::deserialize(MapAccessDeserializer::new(tagged)).map(Some);
    };
    let (name, data) = if current {
        (name.to_owned(), data)
    } else {
        A::upcast(name, schema, data).map_err(M::Error::custom)?
    };
    let event = serde_json::json!({"type": name, "data": data});
    serde_json::from_value(event).map(Some).map_err(M::Error::custom)
}

/// Shows the rest of a stored event as the map `{type, data}` that an adjacently tagged enum reads.
struct Tagged<'a, M> {
    event_type: &'a str,
    /// Where the data come next; nothing where they are empty and were not written.
    data: Option<&'a mut M>,
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
        match &mut self.data {
            _ if self.field == 1 => seed.deserialize(StrDeserializer::new(self.event_type)),
            Some(map) => map.next_value_seed(seed),
            None => seed.deserialize(MapAccessDeserializer::new(Empty(PhantomData))),
        }
    }
}

/// A map of nothing.
struct Empty<E>(PhantomData<E>);

impl<'de, E: serde::de::Error> MapAccess<'de> for Empty<E> {
    type Error = E;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, E> {
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, _: V) -> Result<V::Value, E> {
        Err(E::custom("a value without a name"))
    }
}
