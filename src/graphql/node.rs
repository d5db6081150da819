//! `node(id)`: any aggregate that has an id of its own in the API, whatever its kind.

use async_graphql::{Context, ID, Interface, Object, Result};

// The nodes and ids that the table of kinds names, whichever these are.
use super::access::*;
use super::commerce::*;
use super::ids::*;
use super::operations::{JobNode, WebhookEndpointNode};
use super::products::*;
use super::scheduling::*;

use super::context::{AsOf, load, past};
use super::errors::{INVALID_ID, coded};
use super::gate::{self, Guarded};
use super::positions::PositionToken;
use super::scalars::Long;
use domain::access::belongs::Belongs;
use domain::id::AggregateId;

#[derive(Default)]
pub struct NodeQuery;

macro_rules! nodes {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        nodes! { @ [] $($(($kind, $aggregate, $id, $node))?)+ }
    };
    (@ [] $(($kind:ident, $aggregate:ty, $id:ident, $node:ident))+) => {
        /// An aggregate.
        #[derive(Interface)]
        #[graphql(
            field(name = "id", ty = "ID"),
            field(name = "version", ty = "Long", desc = "How many events led to it."),
            field(name = "position", ty = "PositionToken", desc = "How far in the log it was read.")
        )]
        pub enum Node {
            $($kind($node),)+
        }

        // What the interface asks each of them for; `Loaded` answers, as in the object itself.
        $(impl $node {
            async fn id(&self, context: &Context<'_>) -> Result<$id> {
                self.0.public_id(context).await
            }

            async fn version(&self, context: &Context<'_>) -> Result<Long> {
                self.0.version(context).await
            }

            async fn position(&self, context: &Context<'_>) -> Result<PositionToken> {
                self.0.position(context).await
            }
        })+

        /// The aggregate of an id, of whatever kind; outside, nothing for what is no id.
        async fn find(
            context: &Context<'_>,
            id: &str,
            as_of: Option<AsOf>,
        ) -> Option<Result<Option<Node>>> {
            $(
                if let Some(id) = $id::read(id) {
                    let loaded = load::<$aggregate>(context, id.into(), as_of).await;
                    return Some(loaded.map(|loaded| loaded.map(|loaded| Node::$kind($node(loaded.into())))));
                }
            )+
            None
        }

        /// To whom the aggregate of an id belongs, as far as it is open to the caller; outside, nothing for
        /// what is no id.
        pub async fn belongs_to(context: &Context<'_>, id: &str) -> Option<Result<Belongs>> {
            $(
                if let Some(id) = $id::read(id) {
                    return Some(open_belongs::<$aggregate>(context, id.into()).await);
                }
            )+
            None
        }
    };
}

sagas::kinds!(nodes);

/// Of what is not open nobody is told whose it is.
async fn open_belongs<A: Guarded>(context: &Context<'_>, id: AggregateId) -> Result<Belongs> {
    if gate::permits::<A>(context, id, A::READ).await? {
        gate::whose::<A>(context, id).await
    } else {
        Ok(Belongs::NOBODY)
    }
}

#[Object]
impl NodeQuery {
    /// The aggregate of an id, now or as it was; null if there is none.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn node(
        &self,
        context: &Context<'_>,
        id: ID,
        as_of: Option<AsOf>,
    ) -> Result<Option<Node>> {
        found(context, id.as_str(), as_of).await
    }
}

/// The aggregate of an id as it is now, of whatever kind; nothing where there is none.
pub async fn find_shown(context: &Context<'_>, id: &str) -> Result<Option<Node>> {
    found(context, id, None).await
}

async fn found(context: &Context<'_>, id: &str, as_of: Option<AsOf>) -> Result<Option<Node>> {
    let Some(found) = find(context, id, as_of).await else {
        return Err(coded(INVALID_ID, "an id as this server gave it was expected"));
    };
    Ok(found?.filter(Node::is_shown))
}

impl Node {
    /// A fenced reservation alone makes a log, and no user.
    fn is_shown(&self) -> bool {
        !matches!(self, Self::User(user) if user.profile().is_none())
    }
}
