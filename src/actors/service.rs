//! A service of a node: an actor that a supervisor starts, starts again when it failed, and stops
//! in its turn.

use std::fmt;

use futures::FutureExt;
use futures::future::BoxFuture;
use ractor::{Actor, ActorCell, SpawnErr};

type Start =
    Box<dyn Fn(ActorCell) -> BoxFuture<'static, Result<ActorCell, SpawnErr>> + Send + Sync>;

/// See the module: its name for logs, and how it is started under a supervisor.
pub struct Service {
    pub name: &'static str,
    start: Start,
}

impl Service {
    /// `arguments` gives what each of its lives is started with.
    pub fn new<A: Actor + Default>(
        name: &'static str,
        arguments: impl Fn() -> A::Arguments + Send + Sync + 'static,
    ) -> Self {
        let start = move |supervisor| spawn(A::default(), arguments(), supervisor).boxed();
        Self { name, start: Box::new(start) }
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
