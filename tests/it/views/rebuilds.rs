//! Tables that are filled anew while they answer: the rows are what the log says, before, meanwhile and
//! after, whatever dies on the way; and two versions of the program keep theirs apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emporium::actors::follower::{FollowerActor, FollowerMessage, FollowerRef};
use emporium::actors::table::{EventFollower, TableRef};
use emporium::domain::id::AggregateId;
use emporium::persistence::follower_board::Standing;
use emporium::persistence::read_store::{Filling, Turn, Written, name_of, table_of};
use emporium::projections::position::Position;
use emporium::projections::table::{Column, Index, Key, Kind, Listed, Origin, Rows, Shape};
use emporium::projections::table::{Stored, Table, Touch, Value, Values};
use emporium::projections::tables::orders::Orders;
use emporium::projections::tables::products::Products;
use emporium::projections::{Fact, Place};
use futures::future::{Either, select};
use ractor::{Actor, ActorRef};
use uuid::Uuid;

use super::{quiet, tables, trade, world};
use crate::support::eventually;
use crate::support::life::{Life, within};

/// Waits until this is so.
pub(super) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    eventually(what, async || is_so().await.then_some(())).await;
}

/// How every table stands.
async fn standings(life: &Life) -> Vec<Standing> {
    life.engine.services.read.board().standings().await.expect("the tables can be asked")
}

pub(super) async fn rebuild_all(life: &Life) {
    let board = life.engine.services.read.board();
    for standing in standings(life).await {
        board.begin_filling(&standing.table).await.expect("it is asked for");
    }
}

/// Waits until every table answers from this filling.
pub(super) async fn all_answer(life: &Life, generation: u32) {
    until("every table answers from its new rows", async || {
        let all = standings(life).await;
        all.iter().all(|standing| (standing.answers, standing.filling) == (generation, generation))
    })
    .await;
}

async fn fillings(life: &Life) -> Vec<String> {
    let board = life.engine.services.read.board();
    let mut all = board.fillings().await.expect("the tables can be asked");
    all.sort();
    all
}

/// Reads a list again and again until it is told to end: it always answers, and its position never goes
/// back.
async fn read_on(orders: TableRef<Orders>, ends: Arc<AtomicBool>) -> u64 {
    let (mut last, mut pages) = (Position::default(), 0);
    let slice = tables::newest::<Orders>();
    while !ends.load(Ordering::Acquire) {
        let page = orders.page(None, false, &slice).await.expect("the list answers");
        assert!(page.position.reaches(&last), "{:?} after {last:?}", page.position);
        (last, pages) = (page.position, pages + 1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    pages
}

#[test]
fn tables_are_filled_anew_under_load_and_answer_all_the_while() {
    let mut world = world();
    world.limits.replaced_rows_seconds = 0;
    let life = world.begin();
    life.run("trade", async {
        trade(&life, 1).await;
        quiet(&life).await;
        let ends = Arc::new(AtomicBool::new(false));
        let orders = life.followers.views().orders.clone();
        let reading = tokio::spawn(read_on(orders, Arc::clone(&ends)));
        let mut round = 1;
        for generation in 2..=3 {
            rebuild_all(&life).await;
            let mut rebuilt = std::pin::pin!(within("a rebuild", all_answer(&life, generation)));
            loop {
                round += 1;
                let trading = std::pin::pin!(trade(&life, round));
                if let Either::Left(((), trading)) = select(&mut rebuilt, trading).await {
                    trading.await;
                    break;
                }
            }
        }
        ends.store(true, Ordering::Release);
        assert!(reading.await.expect("no page failed") > 0);
        within("the end", quiet(&life)).await;
        let kept = tables::kept(&life).await;
        assert_eq!(kept, tables::folded(&life).await);
        assert!(kept["orders"].len() > 4, "orders came while the tables were filled");
        let newest: Vec<String> =
            standings(&life).await.iter().map(|each| name_of(&each.table, 3)).collect();
        until("the rows of before are dropped", async || fillings(&life).await == newest).await;
    });
    life.drain();
}

/// Rows that a reader may still have are kept for their time.
#[test]
fn rows_of_before_are_kept_for_a_while() {
    let world = world();
    let life = world.begin();
    life.run("trade", async {
        trade(&life, 1).await;
        rebuild_all(&life).await;
        within("a rebuild", all_answer(&life, 2)).await;
        let orders = table_of(Orders::SHAPE);
        // Looked for after each look of whoever drops them, through several.
        for _ in 0..3 {
            rebuild_looks(&life).await;
            assert!(fillings(&life).await.contains(&name_of(&orders, 1)));
        }
    });
    life.drain();
}

/// Waits until the tables were looked after once more.
async fn rebuild_looks(life: &Life) {
    let board = life.engine.services.read.board();
    let told = async || {
        let all = board.reports(None).await.expect("the tables can be asked");
        all.iter().map(|report| report.reported_us).max()
    };
    let before = told().await;
    until("followers are told of", async || told().await > before).await;
}

/// One more who fills a filling that answers nobody.
async fn filler<T: Table>(
    life: &Life,
    generation: u32,
) -> (FollowerRef<()>, ActorRef<FollowerMessage>) {
    let services = &life.engine.services;
    let follower = EventFollower::<T>::beside(Arc::clone(&services.read), generation);
    let published = FollowerRef::default();
    let arguments = (Arc::clone(services), published.clone(), follower);
    let started = Actor::spawn(None, FollowerActor::default(), arguments).await;
    (published, started.expect("a follower starts").0)
}

/// A row that no event explains: it is there after a rebuild only if that went on where it was.
async fn mark(life: &Life, filling: Filling, like: &Stored) -> Key {
    let key = Key::of(AggregateId(Uuid::from_u128(7)));
    let put = [Stored { key, ..like.clone() }];
    let turn = Turn { put: &put, ..Turn::default() };
    let written = life.engine.services.read.write(filling, turn).await;
    assert_eq!(written.expect("it is written"), Written::Done);
    key
}

#[test]
fn a_rebuild_that_a_crash_ended_goes_on_where_it_was() {
    let world = world();
    let next = Filling { shape: Products::SHAPE, generation: 2 };
    let life = world.begin();
    let key = life.run("the first part", async {
        trade(&life, 1).await;
        quiet(&life).await;
        let (published, actor) = filler::<Products>(&life, 2).await;
        published.reached(&life.engine.services.feed.heads()).await;
        actor.stop_and_wait(None, None).await.expect("it stops");
        let stood = life.engine.services.read.bookmark(next).await.expect("it is kept");
        assert!(stood.position.total() > 0);
        let answers = Filling { generation: 1, ..next };
        let slice = tables::newest::<Products>();
        let rows = life.engine.services.read.page(answers, &slice).await.expect("rows");
        let key = mark(&life, next, &rows[0]).await;
        trade(&life, 2).await;
        let table = table_of(Products::SHAPE);
        life.engine.services.read.board().begin_filling(&table).await.expect("it is asked for");
        key
    });
    life.crash();

    let life = world.begin();
    life.run("the second part", async {
        let read = &life.engine.services.read;
        until("it answers from its new rows", async || {
            let all = standings(&life).await;
            all.iter().any(|each| each.table == table_of(Products::SHAPE) && each.answers == 2)
        })
        .await;
        within("the end", quiet(&life)).await;
        assert_eq!(read.rows(next, &[key]).await.expect("it is read").len(), 1, "it went on");
        // The mark apart, the rows are what the log says.
        let gone = Turn { gone: &[key], ..Turn::default() };
        read.write(next, gone).await.expect("it is removed");
        assert_eq!(tables::kept(&life).await, tables::folded(&life).await);
    });
    life.drain();
}

/// The products as the next version of a program lists them: by family alone, and under upper-case names.
struct ProductsOfNext;

#[derive(Clone, Debug, PartialEq)]
struct Name(String);

impl emporium::projections::table::Row for Name {
    fn values(&self) -> Vec<Value> {
        vec![self.0.as_str().into()]
    }

    fn read(values: &[Value]) -> Option<Self> {
        Some(Self(Values::of(values).text()?.to_owned()))
    }
}

impl Listed for ProductsOfNext {
    const SHAPE: &'static Shape = &Shape {
        name: Products::SHAPE.name,
        schema: Products::SHAPE.schema + 1,
        parts: false,
        columns: &[Column::new("name", Kind::Text(200))],
        tally: None,
        indexes: &[Index { name: "by_name", columns: &["name"] }],
    };
    type Row = Name;
}

impl Table for ProductsOfNext {
    fn wants(aggregate_type: &str) -> bool {
        Products::wants(aggregate_type)
    }

    fn touches(place: Place, _: &Fact, touch: &mut dyn FnMut(Touch)) {
        touch(Touch::Row(Key::of(place.aggregate_id)));
    }

    fn apply(place: Place, fact: &Fact, rows: &mut Rows<Name>) {
        use emporium::domain::products::product::Event;
        if let Fact::Product(Event::ProductCreated { name, .. }) = fact {
            rows.put(Key::of(place.aggregate_id), Name(name.to_uppercase()));
        }
    }
}

#[test]
fn two_versions_of_a_program_keep_their_tables_apart() {
    let mut world = world();
    world.limits.replaced_rows_seconds = 0;
    let life = world.begin();
    life.run("both versions", async {
        trade(&life, 1).await;
        let services = &life.engine.services;
        let table = TableRef::<ProductsOfNext>::default();
        let next = EventFollower::new(Arc::clone(&services.read), table.clone());
        let arguments = (Arc::clone(services), table.follower.clone(), next);
        let started = Actor::spawn(None, FollowerActor::default(), arguments).await;
        let (actor, _) = started.expect("the newer version starts");
        trade(&life, 2).await;
        within("the end", quiet(&life)).await;
        within("the newer one", table.follower.reached(&services.feed.heads())).await;
        let slice = tables::newest::<ProductsOfNext>();
        let page = table.page(None, false, &slice).await.expect("it answers");
        let names: Vec<_> = page.rows.iter().map(|row| row.values[0].clone()).collect();
        assert_eq!(names, ["TEAPOT 2".into(), "TEAPOT 1".into()]);
        assert!(page.rows.iter().all(|row| row.origin != Origin::default()));
        // The older version rebuilds its own, and drops none of the newer one's.
        rebuild_all(&life).await;
        until("the older version's rows are new", async || {
            let all = standings(&life).await;
            all.iter()
                .all(|each| each.answers == 2 || each.table == table_of(ProductsOfNext::SHAPE))
        })
        .await;
        until("its rows of before are dropped", async || {
            !fillings(&life).await.contains(&name_of(&table_of(Products::SHAPE), 1))
        })
        .await;
        assert!(fillings(&life).await.contains(&name_of(&table_of(ProductsOfNext::SHAPE), 1)));
        assert_eq!(table.page(None, false, &slice).await.expect("it answers").rows.len(), 2);
        assert_eq!(tables::kept(&life).await, tables::folded(&life).await);
        actor.kill();
    });
    life.drain();
}
