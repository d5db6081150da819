//! A service of a node: an actor that a supervisor starts, starts again when it failed, and stops
//! in its turn.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use ractor::{Actor, ActorCell, SpawnErr};

use persistence::read_store::ReadStore;

type Start =
    Box<dyn Fn(ActorCell) -> BoxFuture<'static, Result<ActorCell, SpawnErr>> + Send + Sync>;

/// See the module: its name for logs, and how it is started under a supervisor.
pub struct Service {
    pub name: &'static str,
    start: Start,
    /// What it can do nothing without.
    needs: Option<Arc<dyn ReadStore>>,
}

impl Service {
    /// `arguments` gives what each of its lives is started with.
    pub fn new<A: Actor + Default>(
        name: &'static str,
        arguments: impl Fn() -> A::Arguments + Send + Sync + 'static,
    ) -> Self {
        let start = move |supervisor| spawn(A::default(), arguments(), supervisor).boxed();
        Self { name, start: Box::new(start), needs: None }
    }

    /// It is started when these tables are there.
    #[must_use]
    pub fn needs(self, tables: &Arc<dyn ReadStore>) -> Self {
        Self { needs: Some(Arc::clone(tables)), ..self }
    }

    /// What has to be waited for before it is started, if anything.
    pub fn waits(&self) -> Option<BoxFuture<'static, ()>> {
        let tables = Arc::clone(self.needs.as_ref().filter(|tables| tables.away().is_some())?);
        Some(async move { tables.there().await }.boxed())
    }

    pub async fn start(&self, supervisor: ActorCell) -> Result<ActorCell, SpawnErr> {
        (self.start)(supervisor).await
    }
}

async fn spawn<A: Actor>(
    actor: A,
    arguments: A::Arguments,
    supervisor: ActorCell,
) -> Result<ActorCell, SpawnErr> {
    let (actor, _) = Actor::spawn_linked(None, actor, arguments, supervisor).await?;
    Ok(actor.get_cell())
}

impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}
