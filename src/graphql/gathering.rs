//! What one thing of an answer leads to: the product of a line, the stock of a hold. What all things of an
//! answer lead to is read in one question a kind, as far as it is not in memory: whoever comes first waits
//! until the others have said what they want, too, and has it read for all.
//!
//! Only of what is known to have a log. What a client names is read by itself.

use std::collections::HashMap;

use async_graphql::{Context, Result};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::context::{Loaded, Viewed, engine, load};
use super::gate;
use domain::id::AggregateId;

/// What is gathered in one request, by the kind of it.
#[derive(Default)]
pub struct Gatherings(Mutex<HashMap<&'static str, Gathering>>);

/// Those that are to be read together, and how one hears that they were.
struct Gathering {
    ids: Vec<AggregateId>,
    /// Closed when they were read, or whoever was to have them read is gone.
    done: watch::Receiver<()>,
}

/// The part of whoever joins a gathering.
enum Part {
    /// Has it read for all, and closes this.
    First(watch::Sender<()>),
    Later(watch::Receiver<()>),
}

impl Gatherings {
    fn join(&self, kind: &'static str, id: AggregateId) -> Part {
        let mut all = self.0.lock();
        if let Some(gathering) = all.get_mut(kind)
            && gathering.done.has_changed().is_ok()
        {
            gathering.ids.push(id);
            return Part::Later(gathering.done.clone());
        }
        let (closes, done) = watch::channel(());
        all.insert(kind, Gathering { ids: vec![id], done });
        Part::First(closes)
    }

    fn end(&self, kind: &'static str) -> Vec<AggregateId> {
        self.0.lock().remove(kind).map_or_else(Vec::new, |gathering| gathering.ids)
    }
}

/// Reads an aggregate that another leads to, as [`load`] does.
pub async fn led_to<A: Viewed>(
    context: &Context<'_>,
    id: AggregateId,
) -> Result<Option<Loaded<A>>> {
    gathered::<A>(context, id).await;
    load::<A>(context, id, None).await
}

/// Has it in memory, with all of its kind that are wanted in this answer at the same time.
pub async fn gathered<A: Viewed>(context: &Context<'_>, id: AggregateId) {
    let engine = engine(context);
    if engine.aggregate::<A>(id).is_live() || !gate::grants(context).may_somewhere(A::READ) {
        return;
    }
    let gatherings = context.data_unchecked::<Gatherings>();
    match gatherings.join(A::TYPE, id) {
        Part::First(_closes) => {
            // All fields of an answer are asked for in one task: the others are at it.
            tokio::task::yield_now().await;
            let mut ids = gatherings.end(A::TYPE);
            ids.sort_unstable();
            ids.dedup();
            engine.load_together::<A>(&ids).await;
        }
        // Whatever came of that, it is read by itself where it is still not in memory.
        Part::Later(mut done) => _ = done.changed().await,
    }
}
