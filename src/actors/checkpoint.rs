//! Checkpoints of followers: what one knows and the position it stands at, stored together beside
//! the snapshots, so that a start reads what came since and no event counts twice. A shortcut: one
//! that is missing, damaged, of another shape or ahead of the log is done without.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::follower::parked::{Parked, ParkedSet};
use super::follower::published::Moment;
use super::shard::NodeServices;
use domain::id::AggregateId;
use persistence::cause::chain;
use persistence::journal::JournalError;
use persistence::snapshots::packing::Packing;
use persistence::snapshots::thinning::Thinning;
use persistence::snapshots::{CHECKPOINTS, Reach, SnapshotHead};

/// What names a follower's checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// The aggregate type under which they are kept.
    pub kind: &'static str,
    pub name: &'static str,
    /// The version of the shape of what is stored.
    pub schema: u32,
}

impl Name {
    fn id(&self) -> AggregateId {
        AggregateId::derived(&[self.kind.as_bytes(), self.name.as_bytes()])
    }
}

/// How many are kept: the one before is there where the last one is damaged, or ahead of a log that
/// lost its end.
const KEPT: Thinning = Thinning { newest: 2, apart: None };

/// Stores one; true if it is stored. It is made into JSON chunk by chunk, on a thread of its own:
/// however large it is, it holds up nobody and takes little memory.
pub async fn store<C>(services: &NodeServices, name: Name, moment: Arc<Moment<C>>) -> bool
where
    C: Serialize + Send + Sync + 'static,
{
    debug_assert!(CHECKPOINTS.contains(&name.kind), "{}", name.kind);
    let head = SnapshotHead {
        aggregate_type: name.kind.to_owned(),
        aggregate_id: name.id().0,
        state_schema: name.schema,
        // Grows with each entry read, so that the newest is the one that has read furthest.
        version: moment.position.total(),
        shard: 0,
        seq: 0,
        recorded_us: services.now().timestamp_micros(),
    };
    match services.snapshots.save(&head, Packing::of(moment), &[], KEPT).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(error = %chain(&error), name = name.name, "checkpoint not stored");
            false
        }
    }
}

/// The newest one that can be read and is not ahead of the log.
pub async fn load<C>(services: &NodeServices, name: Name) -> Result<Option<Moment<C>>, JournalError>
where
    C: DeserializeOwned + Send + 'static,
    Moment<C>: Send,
{
    let mut reach = Reach::ANY;
    loop {
        let stored = services.snapshots.newest(name.kind, name.id().0, name.schema, reach).await?;
        let Some(stored) = stored else { return Ok(None) };
        let version = stored.head.version;
        match stored.state.open_aside::<Moment<C>>().await {
            Ok(moment) if services.log_reaches(&moment.position).await? => return Ok(Some(moment)),
            Ok(_) => {
                tracing::error!(name = name.name, version, "checkpoint is ahead of the log");
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), name = name.name, version, "checkpoint unreadable");
            }
        }
        let Some(before) = version.checked_sub(1) else { return Ok(None) };
        reach = Reach::version(before);
    }
}

/// `[content, position]`, and a third part where something is parked.
impl<C: Serialize> Serialize for Moment<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parked: Vec<&Parked> = self.parked.iter().collect();
        let mut parts = serializer.serialize_tuple(2 + usize::from(!parked.is_empty()))?;
        parts.serialize_element(&self.content)?;
        parts.serialize_element(&self.position)?;
        if !parked.is_empty() {
            parts.serialize_element(&parked)?;
        }
        parts.end()
    }
}

impl<'de, C: Deserialize<'de>> Deserialize<'de> for Moment<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<C>(PhantomData<C>);
        impl<'de, C: Deserialize<'de>> Visitor<'de> for Parts<C> {
            type Value = Moment<C>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("content, position and what is parked")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Moment<C>, A::Error> {
                let missing = |part| A::Error::custom(format!("the {part} is missing"));
                let content = parts.next_element()?.ok_or_else(|| missing("content"))?;
                let position = parts.next_element()?.ok_or_else(|| missing("position"))?;
                let parked = parts.next_element::<Vec<Parked>>()?.unwrap_or_default();
                let parked = Arc::new(parked.into_iter().collect::<ParkedSet>());
                Ok(Moment { content, position, parked })
            }
        }
        deserializer.deserialize_seq(Parts(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follower::parked::At;
    use domain::testing::noon;

    #[test]
    fn what_is_parked_survives_and_checkpoints_of_before_can_be_read() {
        let read = |json: &str| serde_json::from_str::<Moment<u8>>(json).expect("a moment");
        let early = read("[7,[1,2]]");
        assert_eq!((early.content, early.position.seq(1), early.parked.is_empty()), (7, 2, true));
        assert_eq!(serde_json::to_string(&early).expect("JSON"), "[7,[1,2]]");
        let at = At {
            aggregate_type: "order".to_owned(),
            aggregate_id: AggregateId(uuid::Uuid::from_u128(1)),
            version: 3,
            shard: 1,
            seq: 2,
            event: 0,
        };
        let mut parked = ParkedSet::default();
        parked.park(at, "unreadable", noon()).expect("there is room");
        let moment = Moment { parked: Arc::new(parked), ..early };
        let json = serde_json::to_string(&moment).expect("JSON");
        assert_eq!(read(&json).parked, moment.parked);
        for bad in ["[]", "[7]", "[7,[1],[8]]"] {
            assert!(serde_json::from_str::<Moment<u8>>(bad).is_err(), "{bad}");
        }
    }
}
