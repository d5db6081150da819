//! The name of an event to the outside: the kind of its aggregate, the aggregate, and the version
//! that the event led it to. It survives every change of shards; logs, traces and the metadata of
//! what an event caused know it by no other.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::id::AggregateId;

/// See the module. Written `order/1cbb8471-c930-8224-8227-233b70ae530b/3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventName {
    pub kind: Cow<'static, str>,
    pub aggregate: AggregateId,
    pub version: u64,
}

impl EventName {
    /// The event that led this aggregate to a version.
    pub fn of<A: Aggregate>(aggregate: AggregateId, version: u64) -> Self {
        Self { kind: Cow::Borrowed(A::TYPE), aggregate, version }
    }

    /// The id that this event and further `parts` name, the same on every node: for what it causes.
    /// It lies on the slot of the event's aggregate.
    pub fn derive(&self, parts: &[&[u8]]) -> AggregateId {
        let version = self.version.to_be_bytes();
        let mut all: Vec<&[u8]> =
            vec![b"event", self.kind.as_bytes(), self.aggregate.as_bytes(), &version];
        all.extend_from_slice(parts);
        AggregateId::derived_beside(self.aggregate, &all)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.kind, self.aggregate, self.version)
    }
}

impl From<EventName> for String {
    fn from(name: EventName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for EventName {
    type Error = NoEventName;

    fn try_from(text: String) -> Result<Self, NoEventName> {
        text.parse()
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0:?} names no event: it is to read kind/aggregate/version")]
pub struct NoEventName(String);

impl FromStr for EventName {
    type Err = NoEventName;

    fn from_str(text: &str) -> Result<Self, NoEventName> {
        let read = || {
            let (kind, rest) = text.split_once('/')?;
            let (aggregate, version) = rest.split_once('/')?;
            let aggregate = AggregateId(Uuid::parse_str(aggregate).ok()?);
            let version = version.parse().ok().filter(|version| *version > 0)?;
            let kind = Some(kind).filter(|kind| !kind.is_empty())?;
            Some(Self { kind: Cow::Owned(kind.to_owned()), aggregate, version })
        };
        read().ok_or_else(|| NoEventName(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commerce::order::Order;

    fn name(id: u128, version: u64) -> EventName {
        EventName::of::<Order>(AggregateId(Uuid::from_u128(id)), version)
    }

    #[test]
    fn what_is_displayed_is_read_back() {
        let text = "order/00000000-0000-0000-0000-000000000007/3";
        assert_eq!(name(7, 3).to_string(), text);
        assert_eq!(text.parse(), Ok(name(7, 3)));
    }

    #[test]
    fn what_names_no_event_is_refused() {
        let id = "00000000-0000-0000-0000-000000000007";
        let texts = [format!("order/{id}"), format!("order/{id}/0"), format!("/{id}/1"), id.into()];
        for text in texts {
            assert_eq!(text.parse::<EventName>(), Err(NoEventName(text)));
        }
    }

    #[test]
    fn what_events_cause_has_an_id_for_each_event_and_part() {
        assert_eq!(name(7, 3).derive(&[b"a"]), name(7, 3).derive(&[b"a"]));
        let others =
            [name(7, 4).derive(&[b"a"]), name(8, 3).derive(&[b"a"]), name(7, 3).derive(&[])];
        assert!(others.iter().all(|other| *other != name(7, 3).derive(&[b"a"])));
        assert_eq!(name(7, 3).derive(&[]).slot(), name(7, 3).aggregate.slot());
    }
}
