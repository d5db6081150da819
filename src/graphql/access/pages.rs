//! Pages of lists that every node has in memory: ids in their order, and the aggregates as they are.

use async_graphql::{Context, Result};

use crate::cursors::Cursors;
use crate::lists::Page;
use crate::rows::{Window, rows};
use domain::id::AggregateId;
use projections::position::Position;
use projections::table::Key;

/// The page of a list of ids that is small and in memory, in their order.
pub fn page_of_ids(
    context: &Context<'_>,
    window: Window,
    list: &str,
    mut ids: Vec<AggregateId>,
    position: Position,
) -> Result<Page<AggregateId>> {
    let backwards = window.is_backwards()?;
    let count = rows(window.first, window.last);
    let cursors = Cursors::of(context, list);
    let total = u32::try_from(ids.len()).ok();
    ids.sort_unstable();
    let edge = if backwards { window.before } else { window.after };
    let edge = edge.map(|text| cursors.read(&text)).transpose()?.map(|(_, key)| key.id);
    if backwards {
        ids.retain(|id| edge.is_none_or(|before| *id < before));
        ids.reverse();
    } else {
        ids.retain(|id| edge.is_none_or(|after| *id > after));
    }
    let more = ids.len() > count;
    ids.truncate(count);
    if backwards {
        ids.reverse();
    }
    let edges = ids.into_iter().map(|id| (cursors.write(Vec::new(), Key::of(id)), id)).collect();
    let has_edge = edge.is_some();
    let (has_previous_page, has_next_page) =
        if backwards { (more, has_edge) } else { (has_edge, more) };
    Ok(Page { edges, has_next_page, has_previous_page, position, total })
}

/// The connection (Relay) over such a list.
macro_rules! id_connection {
    ($connection:ident, $edge:ident, $node:ident = $kind:ty) => {
        pub struct $connection(pub $crate::lists::Page<domain::id::AggregateId>);

        /// One page of a list.
        #[async_graphql::Object]
        impl $connection {
            async fn edges(&self) -> Vec<$edge<'_>> {
                self.0.edges.iter().map(|(cursor, id)| $edge { cursor, id: *id }).collect()
            }

            /// How many there are on all pages.
            async fn total_count(&self) -> Option<u32> {
                self.0.total
            }

            async fn page_info(&self) -> async_graphql::connection::PageInfo {
                self.0.info()
            }

            /// How far in the logs the list was read.
            async fn position(&self) -> $crate::positions::PositionToken {
                self.0.position()
            }
        }

        pub struct $edge<'a> {
            cursor: &'a str,
            id: domain::id::AggregateId,
        }

        /// One row of a list.
        #[async_graphql::Object]
        impl $edge<'_> {
            async fn cursor(&self) -> &str {
                self.cursor
            }

            /// The aggregate as it is now; null, with an error, if it cannot be read.
            async fn node(
                &self,
                context: &async_graphql::Context<'_>,
            ) -> async_graphql::Result<Option<$node>> {
                let loaded = $crate::gathering::led_to::<$kind>(context, self.id);
                Ok(loaded.await?.map($node))
            }
        }
    };
}
pub(crate) use id_connection;
