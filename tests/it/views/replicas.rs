//! Lists that are read from a copy of their tables: as of where the copy stands, whatever the tables
//! have come to; and from the tables while there is no copy. On files, and with a server and its replica.

use std::path::Path;
use std::sync::Arc;

use emporium::actors::aggregate_ref::Fault;
use emporium::actors::follower::{FollowerActor, FollowerMessage};
use emporium::actors::table::{EventFollower, TableRef};
use emporium::persistence::read_replica::Replicated;
use emporium::persistence::read_store::ReadStore;
use emporium::persistence_sql::{Migrations, ReadTablesOf, mysql, sqlite};
use emporium::projections::plan::Slice;
use emporium::projections::position::Position;
use emporium::projections::tables::products::Products;
use ractor::{Actor, ActorRef};

use super::{quiet, tables, trade, world};
use crate::support::eventually;
use crate::support::life::{Life, within};
use crate::support::replica::Server;

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
        assert!(matches!(stale, Err(Fault::Stale { behind, .. }) if behind > 0), "{stale:?}");
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

/// The read tables of a server.
async fn tables_of(server: &Server, made: bool) -> Arc<dyn ReadStore> {
    let database = mysql::Database::connect(&server.url(), mysql::Options::default()).await;
    let database = database.expect("the server answers");
    if made {
        database.make_read_tables().await.expect("its tables are made");
    }
    Arc::new(ReadTablesOf::of(Arc::new(database)))
}

/// How many products a list shows now, of how many, and as of when.
async fn listed(
    table: &TableRef<Products>,
    at_least: Option<&Position>,
) -> Result<(usize, Option<u32>, Position), Fault> {
    let slice: Slice = tables::newest::<Products>();
    let page = table.page(at_least, true, &slice).await?;
    Ok((page.rows.len(), page.total, page.position))
}

/// What MariaDB replicates is read as of where it stands: while it follows, falls behind, is read-only, is
/// gone. Only lists hear of it when the primary is gone as well.
#[test]
fn a_replica_of_a_server_lags_is_read_only_and_goes_away() {
    let mut world = world();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (mut primary, mut replica, store) = runtime.block_on(async {
        let (primary, replica) = tokio::join!(
            Server::start(1, &[]),
            Server::start(2, &["--read-only", "--slave-net-timeout=5"])
        );
        replica.follow(&primary).await;
        primary.execute("CREATE DATABASE lists").await;
        let tables = tables_of(&primary, true).await;
        eventually("the replica has the database", async || {
            mysql::Database::connect(&replica.url(), mysql::Options::default()).await.ok().map(drop)
        })
        .await;
        let copy = tables_of(&replica, false).await;
        (primary, replica, Arc::new(Replicated::new(tables, copy)) as Arc<dyn ReadStore>)
    });
    let read = Arc::clone(&store);
    world.read = Arc::new(move |_| Arc::clone(&read));
    let life = world.begin();
    life.run("a replica", async {
        let table = &life.followers.views().products;
        trade(&life, 1).await;
        quiet(&life).await;
        let heads = life.engine.services.feed.heads();
        // It follows, and is waited for.
        let (shown, total, at) =
            eventually("the replica follows", async || listed(table, Some(&heads)).await.ok())
                .await;
        assert_eq!((shown, total), (1, Some(1)));
        assert!(at.reaches(&heads) && store.copy().is_some(), "it is read from the replica");

        // It falls behind: lists are as of where it stands, and say so.
        replica.execute("STOP SLAVE SQL_THREAD").await;
        trade(&life, 2).await;
        quiet(&life).await;
        let heads = life.engine.services.feed.heads();
        let (shown, total, at) = listed(table, None).await.expect("it answers");
        assert_eq!((shown, total), (1, Some(1)), "as of the replica");
        assert!(!at.reaches(&heads));
        assert_eq!(listed(table, Some(&at)).await.expect("it has come so far").0, 1);
        let stale = listed(table, Some(&heads)).await;
        assert!(matches!(stale, Err(Fault::Stale { behind, .. }) if behind > 0), "{stale:?}");

        // And comes again.
        replica.execute("START SLAVE SQL_THREAD").await;
        let (shown, ..) =
            eventually("the replica follows", async || listed(table, Some(&heads)).await.ok())
                .await;
        assert_eq!(shown, 2);

        // It is gone: lists are read from the primary, and lack nothing.
        replica.kill();
        let (shown, total, at) = listed(table, Some(&heads)).await.expect("the primary answers");
        assert_eq!((shown, total), (2, Some(2)));
        assert!(at.reaches(&heads));
        assert!(store.copy().is_none(), "it is not asked again for a while");

        // So is the primary: lists are refused with a code, and nothing else is.
        primary.kill();
        let refused = listed(table, None).await;
        assert!(matches!(refused, Err(Fault::Unavailable { .. })), "{refused:?}");
        trade(&life, 3).await;
    });
    life.crash();
}
