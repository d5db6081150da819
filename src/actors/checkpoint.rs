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
use persistence::snapshots::Snapshot;

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

/// Stores one; true if it is stored. Building the JSON of a large one takes a while and does not
/// hold up others of this thread.
pub async fn store<C>(services: &NodeServices, name: Name, moment: Arc<Moment<C>>) -> bool
where
    C: Serialize + Send + Sync + 'static,
{
    let version = moment.position.total();
    let json = tokio::task::spawn_blocking(move || serde_json::to_vec(&*moment)).await;
    let state = match json {
        Ok(Ok(state)) => state,
        other => {
            tracing::error!(name = name.name, ?other, "checkpoint cannot be written as JSON");
            return false;
        }
    };
    let snapshot = Snapshot {
        aggregate_type: name.kind.to_owned(),
        aggregate_id: name.id().0,
        shard: 0,
        // Grows with each entry read, so that an older checkpoint never replaces a newer one.
        version,
        seq: 0,
        recorded_us: services.now().timestamp_micros(),
        state_schema: name.schema,
        state,
    };
    match services.snapshots.save(&snapshot, None).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(error = %chain(&error), name = name.name, "checkpoint not stored");
            false
        }
    }
}

/// The last one, if it is of this shape and the log still reaches as far.
pub async fn load<C: DeserializeOwned>(
    services: &NodeServices,
    name: Name,
) -> Result<Option<Moment<C>>, JournalError> {
    let stored = services.snapshots.load(name.kind, name.id().0, name.schema).await?;
    let Some(stored) = stored else { return Ok(None) };
    match serde_json::from_slice::<Moment<C>>(&stored.state) {
        Ok(moment) if services.feed.reaches(&moment.position) => Ok(Some(moment)),
        Ok(_) => {
            tracing::error!(
                name = name.name,
                "checkpoint is ahead of the log; reading from the start"
            );
            Ok(None)
        }
        Err(error) => {
            tracing::warn!(%error, name = name.name, "checkpoint unreadable; reading from the start");
            Ok(None)
        }
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
