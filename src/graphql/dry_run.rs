//! What a mutation says that was asked not to do anything. Owns how events that did not happen are shown:
//! like those that did.

use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use uuid::Uuid;

use super::context::take_values;
use super::ids;
use super::scalars::Long;
use super::texts::Data;
use actors::rehearsal::{Foreseen, ForeseenEvent, Foretold, Rehearsed};

pub struct DryRun(Vec<ForetoldEvent>);

/// What a mutation would do, as everything stands now. What would follow from it is not in it.
#[Object]
impl DryRun {
    /// What would happen, in order; nothing where all is so already.
    #[graphql(complexity = "10 * child_complexity")]
    async fn events(&self, context: &Context<'_>) -> Result<&[ForetoldEvent]> {
        take_values(context, self.0.len())?;
        Ok(&self.0)
    }

    /// What that would take in the log, but for who did it and when.
    async fn bytes(&self) -> Long {
        Long(self.0.iter().map(|event| event.bytes).sum())
    }
}

/// Something that would happen to an aggregate.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct ForetoldEvent {
    aggregate_type: &'static str,
    aggregate_id: Uuid,
    /// The version that it would lead to.
    version: Long,
    /// What would happen: `OrderPlaced`, …
    name: String,
    /// What would be said of it, as `history` shows it. Ids that are drawn and times are those of this look.
    data: Data,
    #[graphql(skip)]
    id: Option<String>,
    #[graphql(skip)]
    bytes: i64,
}

#[ComplexObject]
impl ForetoldEvent {
    /// Null for kinds that clients have no ids of.
    async fn id(&self) -> Option<ID> {
        self.id.clone().map(ID::from)
    }
}

impl From<&Rehearsed> for DryRun {
    fn from(rehearsed: &Rehearsed) -> Self {
        Self(rehearsed.0.iter().flat_map(told).collect())
    }
}

fn told(foretold: &Foretold) -> impl Iterator<Item = ForetoldEvent> {
    let Foretold { kind, id, foreseen: Foreseen { version, events, .. } } = foretold;
    (version + 1..).zip(events).map(|(version, ForeseenEvent { name, data })| ForetoldEvent {
        aggregate_type: kind,
        aggregate_id: id.0,
        version: version.into(),
        name: name.clone(),
        data: Data(data.clone()),
        id: ids::public(kind, *id),
        bytes: (name.len() + data.to_string().len()) as i64,
    })
}
