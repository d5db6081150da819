//! What a table has set aside: operators see it, with what waits behind it, and have it tried again
//! when the log is mended.

use emporium::actors::standing::FollowerReport;
use emporium::domain::aggregate::Aggregate;
use emporium::domain::id::AggregateId;
use emporium::domain::products::product::{Command, Product};
use emporium::persistence::journal::{Appended, Entry, PageLimit};
use emporium::persistence::parked::Parked;
use emporium::persistence_sql::entry_checksum;
use emporium::projections::table::Listed as _;
use emporium::projections::tables::audit::Audit;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::rebuilds::until;
use super::{quiet, tables, world};
use crate::support::life::{Life, World};

fn create() -> Command {
    let text = || "Tea".to_owned();
    Command::Create { name: text(), family: text(), description: text() }
}

/// A product's three entries, of which another one has the first.
async fn written(life: &Life, product: AggregateId, other: AggregateId) -> Vec<Entry> {
    life.done::<Product>(product, create()).await;
    let (name, text) = ("Teapot".to_owned(), || "Tea".to_owned());
    let revise = Command::Revise { name, family: text(), description: text() };
    life.done::<Product>(product, revise).await;
    life.done::<Product>(product, Command::Archive).await;
    life.done::<Product>(other, create()).await;
    let journal = &life.engine.services.journal;
    let read = journal.read_aggregate(Product::TYPE, product.0, 1, 9, PageLimit::default());
    read.await.expect("the journal can be read")
}

/// Somebody writes the rest of the other product's log, its second entry in a way that nobody
/// understands.
async fn write_bent(world: &World, like: &[Entry], other: AggregateId, shard: u16) -> Entry {
    let journal = world.database().await.journal;
    let head = journal.heads(&[shard]).await.expect("an answer")[0].1;
    let next = |number: u64, entry: &Entry| Entry {
        shard,
        seq: head + number,
        aggregate_id: other.0,
        ..entry.clone()
    };
    let (mut bent, rest) = (next(1, &like[1]), next(2, &like[2]));
    bent.events = bent.events.replace("ProductRevised", "ProductPraised");
    assert_ne!(bent.events, like[1].events);
    let mut appender = journal.appender().await.expect("an appender");
    assert_eq!(appender.append(&[bent.clone(), rest]).await, Appended::Committed);
    bent
}

/// An operator writes in the log what the event should have been called.
async fn mend(world: &World, bent: &Entry) {
    let events = bent.events.replace("ProductPraised", "ProductRevised");
    let mended = Entry { events, ..bent.clone() };
    let file = world.directory().join("emporium.db");
    let options = SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await.expect("the file can be opened");
    let changed = sqlx::query("UPDATE journal SET events = ?, crc = ? WHERE shard = ? AND seq = ?")
        .bind(&mended.events)
        .bind(i64::from(entry_checksum(&mended)))
        .bind(i64::from(bent.shard))
        .bind(i64::try_from(bent.seq).expect("a small number"))
        .execute(&mut connection)
        .await
        .expect("it is mended");
    assert_eq!(changed.rows_affected(), 1);
    connection.close().await.expect("it is closed");
}

async fn parked(life: &Life, filling: &str) -> Vec<Parked> {
    let board = life.engine.services.read.board();
    let bookmark = board.bookmark_of(filling).await.expect("it can be asked");
    bookmark.expect("it was begun").parked
}

/// What this node tells of a follower.
async fn told(life: &Life, follower: &str) -> Option<FollowerReport> {
    let reports = life.engine.services.read.board().reports(None).await.expect("it can be asked");
    let report = reports.iter().find(|report| report.follower == follower)?;
    Some(serde_json::from_str(&report.text).expect("a report"))
}

#[test]
fn what_a_table_set_aside_is_seen_and_tried_again_when_it_is_asked_for() {
    let world = world();
    let life = world.begin();
    let [product, other] = [life.engine.new_id(), life.engine.new_id()];
    let shard = life.engine.services.slots.shard_of(other);
    let like = life.run("events", written(&life, product, other));
    life.drain();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let bent = runtime.block_on(write_bent(&world, &like, other, shard));

    let life = world.begin();
    life.run("replays", async {
        let aside = parked(&life, "products_2_1").await;
        assert_eq!(aside.len(), 1);
        assert_eq!((aside[0].at.aggregate_id, aside[0].at.version), (other, 2));
        assert!(aside[0].reason.contains("ProductPraised"), "{}", aside[0].reason);
        until("it is told", async || {
            let told = told(&life, "products").await;
            told.is_some_and(|told| told.parked == 1 && told.parked_first == aside)
        })
        .await;
        let board = life.engine.services.read.board();
        // Asked too early, it stays set aside, from when it first was.
        let asked = board.ask("products", "").await.expect("it is asked");
        assert_eq!(asked, 1, "one node has it");
        until("it is answered", async || answered(&life, "products").await == 1).await;
        assert_eq!(parked(&life, "products_2_1").await, aside);

        mend(&world, &bent).await;
        let name = format!("{}/{other}", Product::TYPE);
        // Of another aggregate alone: this one is not tried.
        let another = format!("{}/{product}", Product::TYPE);
        board.ask("products", &another).await.expect("it is asked");
        until("it is answered", async || answered(&life, "products").await == 2).await;
        assert_eq!(parked(&life, "products_2_1").await, aside);
        board.ask("products", &name).await.expect("it is asked");
        until("it is taken up", async || parked(&life, "products_2_1").await.is_empty()).await;
        // Others were not asked.
        assert_eq!(parked(&life, "variants_2_1").await.len(), 1);
        for follower in ["variants", "search", "calendars"] {
            board.ask(follower, "").await.expect("it is asked");
        }
        until("all is taken up", async || {
            let mut all = life.followers.registry().status().into_iter();
            !all.any(|each| ["variants", "search"].contains(&each.name) && !each.parked.is_empty())
        })
        .await;
        quiet(&life).await;
        let (mut kept, mut folded) = (tables::kept(&life).await, tables::folded(&life).await);
        // Whoever mends the log is found out by the audit, which has what it said before.
        let audits = [&mut kept, &mut folded].map(|all| all.remove(Audit::SHAPE.name));
        assert_ne!(audits[0], audits[1]);
        assert_eq!(kept, folded);
    });
    life.drain();
}

/// How many of the requests to a follower this node has answered.
async fn answered(life: &Life, follower: &str) -> u64 {
    let reports = life.engine.services.read.board().reports(None).await.expect("it can be asked");
    reports.iter().find(|report| report.follower == follower).map_or(0, |report| report.answered)
}
