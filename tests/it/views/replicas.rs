//! Lists that are read from a copy of their tables: as of where the copy stands, whatever the tables
//! have come to; and from the tables while there is no copy.

use std::path::Path;
use std::sync::Arc;

use emporium::actors::aggregate_ref::Fault;
use emporium::actors::follower::{FollowerActor, FollowerMessage};
use emporium::actors::table::{EventFollower, TableRef};
use emporium::persistence::read_replica::Replicated;
use emporium::persistence::read_store::ReadStore;
use emporium::persistence_sql::{Migrations, ReadTablesOf, sqlite};
use emporium::projections::tables::products::Products;
use ractor::{Actor, ActorRef};

use super::{quiet, tables, trade, world};
use crate::support::life::{Life, within};

/// A file of read tables; without tables where it is not `made`.
async fn file(directory: &Path, name: &str, made: bool) -> Arc<dyn ReadStore> {
    let database = sqlite::Database::open(&directory.join(name), sqlite::Options::default()).await;
    let database = database.expect("a new file");
    if made {
        database.make_read_tables().await.expect("its tables are made");
    }
    Arc::new(ReadTablesOf::of(Arc::new(database)))
}

/// Fills the products of a store.
async fn fill(
    life: &Life,
    store: &Arc<dyn ReadStore>,
) -> (TableRef<Products>, ActorRef<FollowerMessage>) {
    let table = TableRef::<Products>::default();
    let follower = EventFollower::new(Arc::clone(store), table.clone());
    let arguments = (Arc::clone(&life.engine.services), table.follower.clone(), follower);
    let (actor, _) =
        Actor::spawn(None, FollowerActor::default(), arguments).await.expect("it starts");
    let heads = life.engine.services.feed.heads();
    within("the rows", table.follower.reached(&heads)).await;
    (table, actor)
}

#[test]
fn a_list_is_read_from_the_copy_as_of_where_that_stands() {
    let world = world();
    let life = world.begin();
    let directory = world.directory().to_owned();
    life.run("a replica", async {
        let primary = file(&directory, "primary.db", true).await;
        let copy = file(&directory, "copy.db", true).await;
        let store: Arc<dyn ReadStore> =
            Arc::new(Replicated::new(Arc::clone(&primary), Arc::clone(&copy)));
        trade(&life, 1).await;
        quiet(&life).await;
        let (table, _actor) = fill(&life, &store).await;
        let slice = tables::newest::<Products>();
        let count = async |at_least: Option<&_>| {
            table.page(at_least, true, &slice).await.map(|page| (page.rows.len(), page.total))
        };
        // The copy has nothing yet: the tables themselves answer.
        assert_eq!(count(None).await.expect("a page"), (1, Some(1)));

        // The copy comes to this, and stands still.
        let (of_copy, copying) = fill(&life, &copy).await;
        copying.stop_and_wait(None, None).await.expect("it stops");
        let stood = of_copy.follower.position();
        trade(&life, 2).await;
        quiet(&life).await;
        let heads = life.engine.services.feed.heads();
        within("the primary", table.follower.reached(&heads)).await;
        let page = table.page(None, true, &slice).await.expect("a page");
        assert_eq!((page.rows.len(), page.total), (1, Some(1)), "as of the copy");
        assert!(!page.position.reaches(&heads), "and it says so");
        assert_eq!(count(Some(&page.position)).await.expect("it has come so far"), (1, Some(1)));
        let stale = table.page(Some(&heads), false, &slice).await;
        assert!(matches!(stale, Err(Fault::Stale { behind }) if behind > 0), "{stale:?}");
        // One that goes on is waited for.
        let waiting = table.page(Some(&heads), true, &slice);
        let (page, (of_copy, copying)) = tokio::join!(waiting, fill(&life, &copy));
        let page = page.expect("it comes");
        assert_eq!((page.rows.len(), page.total), (2, Some(2)));
        assert!(of_copy.follower.position().reaches(&stood));
        copying.kill();
    });
    life.drain();
}

#[test]
fn without_its_copy_a_list_is_read_from_the_tables() {
    let world = world();
    let life = world.begin();
    let directory = world.directory().to_owned();
    life.run("no replica", async {
        let primary = file(&directory, "primary.db", true).await;
        let broken = file(&directory, "broken.db", false).await;
        let store: Arc<dyn ReadStore> = Arc::new(Replicated::new(primary, broken));
        assert!(store.copy().is_some());
        trade(&life, 1).await;
        let (table, actor) = fill(&life, &store).await;
        let slice = tables::newest::<Products>();
        let heads = life.engine.services.feed.heads();
        let page = table.page(Some(&heads), true, &slice).await.expect("a page");
        assert_eq!((page.rows.len(), page.total), (1, Some(1)));
        assert!(page.position.reaches(&heads));
        assert!(store.copy().is_none(), "it is not asked again for a while");
        actor.kill();
    });
    life.drain();
}
