//! A node that dies at each point of a turn, in the middle of a rebuild and at its swap, and one that begins
//! again from rows of any age: every table is what the log says, which a rebuild would make of it too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use emporium::actors::registry::Registry;
use emporium::persistence::journal::JournalError;
use emporium::persistence::read_store::{Filling, ReadStore, Turn, Written, table_of};
use emporium::projections::plan::Slice;
use emporium::projections::table::{Key, Listed};
use emporium::projections::tables::orders::Orders;
use emporium::projections::tables::stock::Stock;
use parking_lot::Mutex;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tokio::sync::watch;

use super::rebuilds::{all_answer, rebuild_all};
use super::{quiet, tables, trade, world};
use crate::support::life::{Life, World, within};
use crate::support::reading::{Hooked, ReadHooks, Step};

/// The points of a turn.
const EACH_OF_A_TURN: [Point; 4] = [
    Point::Before(Step::Load),
    Point::After(Step::Load),
    Point::Before(Step::Write),
    Point::After(Step::Write),
];

/// Where a node dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    Before(Step),
    /// It was done, and its answer does not come.
    After(Step),
}

/// Of each table nothing is heard any more from the so-and-so-manieth time on that whoever fills it comes to a
/// point.
struct Dying {
    /// Only of this table, where one is named.
    table: Option<&'static str>,
    point: Point,
    /// Only of this filling of a table; 0: of any.
    generation: AtomicU32,
    /// At which time; 0 while nothing is to happen.
    nth: AtomicU32,
    /// How often whoever fills a table has come there.
    passed: watch::Sender<BTreeMap<&'static str, u32>>,
}

impl Dying {
    fn at(point: Point) -> Arc<Self> {
        Self::of(None, point)
    }

    fn of(table: Option<&'static str>, point: Point) -> Arc<Self> {
        let (generation, nth) = (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(Self { table, point, generation, nth, passed: watch::channel(BTreeMap::new()).0 })
    }

    fn arm(&self, generation: u32, nth: u32) {
        self.generation.store(generation, Ordering::SeqCst);
        self.nth.store(nth, Ordering::SeqCst);
    }

    /// Waits until every table was so often there that comes there at all. One that is filled by asking loads
    /// nothing.
    async fn passed(&self, times: u32) {
        let is_loading = matches!(self.point, Point::Before(Step::Load) | Point::After(Step::Load));
        let names = Registry::shapes().into_iter().map(|shape| shape.name);
        let names: Vec<_> = names
            .filter(|name| self.is_of(name) && !(is_loading && *name == Stock::SHAPE.name))
            .collect();
        let so_often = |passed: &BTreeMap<_, u32>| {
            names.iter().all(|name| passed.get(name).is_some_and(|passed| *passed >= times))
        };
        let mut passed = self.passed.subscribe();
        passed.wait_for(so_often).await.expect("the sender is here");
    }

    fn is_of(&self, table: &str) -> bool {
        self.table.is_none_or(|only| only == table)
    }

    async fn pass(&self, filling: Filling, point: Point) -> Result<(), JournalError> {
        let generation = self.generation.load(Ordering::SeqCst);
        let (table, nth) = (filling.shape.name, self.nth.load(Ordering::SeqCst));
        let is_of_it = self.is_of(table) && (generation == 0 || generation == filling.generation);
        if nth > 0 && is_of_it && point == self.point {
            self.passed.send_modify(|passed| *passed.entry(table).or_default() += 1);
        }
        let is_dead = self.passed.borrow().get(table).is_some_and(|passed| *passed >= nth);
        // Whoever has fillings made looks after the others too.
        let is_made = matches!(point, Point::Before(Step::Make) | Point::After(Step::Make));
        if is_dead && (!is_made || point == self.point) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[async_trait]
impl ReadHooks for Dying {
    async fn before(&self, filling: Filling, step: Step) -> Result<(), JournalError> {
        self.pass(filling, Point::Before(step)).await
    }

    async fn after(&self, filling: Filling, step: Step) -> Result<(), JournalError> {
        self.pass(filling, Point::After(step)).await
    }
}

/// A life whose tables are filled past this.
fn begin(world: &mut World, dying: &Arc<Dying>) -> Life {
    let dying = Arc::clone(dying);
    world.read = Arc::new(move |inner| Arc::new(Hooked::new(inner, Arc::clone(&dying))));
    world.begin()
}

async fn are_what_the_log_says(life: &Life, what: &str) {
    within(what, quiet(life)).await;
    assert_eq!(tables::kept(life).await, tables::folded(life).await, "{what}");
}

/// Trades until whoever fills each table has come so often to where he dies.
async fn trade_to_death(life: &Life, dying: &Dying, nth: u32, round: &mut u32) {
    for times in 1..=nth {
        *round += 1;
        trade(life, *round).await;
        within(&format!("{:?}, time {times}", dying.point), dying.passed(times)).await;
    }
}

#[test]
fn who_dies_at_a_point_of_a_turn_leaves_what_the_log_says() {
    let mut world = world();
    // A turn takes no more than a page of one shard: there are many.
    world.limits.table_turn_bytes = 1;
    let mut round = 0;
    for point in EACH_OF_A_TURN {
        for nth in [1, 3] {
            let dying = Dying::at(point);
            let life = begin(&mut world, &dying);
            life.run("a death", async {
                are_what_the_log_says(&life, &format!("before {point:?}, time {nth}")).await;
                dying.arm(0, nth);
                trade_to_death(&life, &dying, nth, &mut round).await;
            });
            life.crash();
        }
    }
    let life = begin(&mut world, &Dying::at(Point::Before(Step::Make)));
    life.run("a look", are_what_the_log_says(&life, "the last"));
    life.drain();
}

#[test]
fn who_dies_in_a_rebuild_or_at_its_swap_leaves_what_the_log_says() {
    let mut world = world();
    world.limits.table_turn_bytes = 1;
    let (mut generation, mut round) = (1, 0);
    let swap = [Point::Before(Step::Adopt), Point::After(Step::Adopt)];
    for point in EACH_OF_A_TURN.into_iter().chain(swap) {
        let dying = Dying::at(point);
        let life = begin(&mut world, &dying);
        life.run("a death", async {
            let what = format!("before {point:?}");
            within(&what, all_answer(&life, generation)).await;
            are_what_the_log_says(&life, &what).await;
            generation += 1;
            dying.arm(generation, 1);
            rebuild_all(&life).await;
            trade_to_death(&life, &dying, 1, &mut round).await;
        });
        life.crash();
    }
    let life = begin(&mut world, &Dying::at(Point::Before(Step::Make)));
    life.run("a look", async {
        within("the last rebuild", all_answer(&life, generation)).await;
        are_what_the_log_says(&life, "the last").await;
    });
    life.drain();
}

/// One filling is made after the other: the node dies behind each.
#[test]
fn who_dies_where_a_rebuild_begins_leaves_what_the_log_says() {
    let mut world = world();
    let mut round = 0;
    for (generation, shape) in (1..).zip(Registry::shapes()) {
        let dying = Dying::of(Some(shape.name), Point::After(Step::Make));
        let life = begin(&mut world, &dying);
        life.run("a death", async {
            within(shape.name, all_answer(&life, generation)).await;
            dying.arm(generation + 1, 1);
            rebuild_all(&life).await;
            trade_to_death(&life, &dying, 1, &mut round).await;
        });
        life.crash();
    }
    let life = begin(&mut world, &Dying::at(Point::Before(Step::Load)));
    life.run("a look", async {
        let generation = 1 + Registry::shapes().len() as u32;
        within("the last rebuild", all_answer(&life, generation)).await;
        are_what_the_log_says(&life, "the last").await;
    });
    life.drain();
}

/// A file of read tables as it is now, with its positions.
async fn copied(from: &PathBuf, to: &Path) {
    let mut file = opened(from).await;
    let sql = format!("VACUUM INTO '{}'", to.display());
    file.execute(AssertSqlSafe(sql)).await.expect("it is copied");
}

async fn opened(path: &PathBuf) -> sqlx::SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    options.connect().await.expect("the file can be opened")
}

#[test]
fn rows_of_any_age_come_to_what_the_log_says() {
    let mut world = world();
    let directory = world.directory().to_owned();
    let read = directory.join("read.db");
    world.read_file = Some(read.clone());
    world.limits.table_turn_bytes = 1;
    let life = world.begin();
    let mut copies = Vec::new();
    life.run("trade", async {
        let orders = &life.followers.views().orders;
        for round in 1..=5 {
            let last = orders.follower.position().total();
            // The next turn: most are to come still, since each takes a page.
            let copying = async {
                while orders.follower.position().total() == last {
                    tokio::task::yield_now().await;
                }
                let copy = directory.join(format!("read.{round}"));
                copied(&read, &copy).await;
                copy
            };
            let ((), copy) = tokio::join!(trade(&life, round), within("a turn", copying));
            copies.push(copy);
        }
        quiet(&life).await;
    });
    life.drain();
    // And one that has nothing.
    copies.push(directory.join("read.none"));
    for copy in &copies {
        world.read_file = Some(copy.clone());
        let life = world.begin();
        life.run("a look", are_what_the_log_says(&life, &copy.display().to_string()));
        life.drain();
    }

    // Planted: rows that are older than they say, in each table.
    let old = directory.join("read.old");
    let planting = tokio::runtime::Builder::new_current_thread().enable_all().build();
    planting.expect("a runtime").block_on(async {
        copied(copies.last().expect("one"), &old).await;
        let mut file = opened(&old).await;
        for shape in Registry::shapes() {
            let rows = format!("read_{}_1", table_of(shape));
            let one = format!("DELETE FROM {rows} WHERE id = (SELECT MIN(id) FROM {rows})");
            file.execute(AssertSqlSafe(one)).await.expect("a row is forgotten");
            if shape.tally.is_some() {
                let sums = format!("DELETE FROM {rows}_sums");
                file.execute(AssertSqlSafe(sums)).await.expect("sums are forgotten");
            }
        }
    });
    world.read_file = Some(old);
    let life = world.begin();
    life.run("a look", async {
        quiet(&life).await;
        each_differs(&life).await;
    });
    life.drain();
}

/// The proofs here would notice it in every table.
async fn each_differs(life: &Life) {
    let (kept, folded) = (tables::kept(life).await, tables::folded(life).await);
    for (name, kept) in kept {
        assert_ne!(kept, folded[name], "{name}: it is not noticed");
    }
}

/// Holds whoever fills the next filling until it is let go.
struct Held(watch::Sender<bool>);

#[async_trait]
impl ReadHooks for Held {
    async fn before(&self, filling: Filling, step: Step) -> Result<(), JournalError> {
        if filling.generation > 1 && step == Step::Write {
            let mut open = self.0.subscribe();
            open.wait_for(|open| *open).await.expect("the sender is here");
        }
        Ok(())
    }
}

/// Planted: a filling that is swapped in before it has come as far as the one that answers. Its rows become
/// right in the end, but readers see the list go back; that a rebuild never does so is what the test under
/// load holds it to, by the same look at positions.
#[test]
fn a_swap_before_both_stand_alike_is_seen() {
    let mut world = world();
    let held = Arc::new(Held(watch::channel(false).0));
    let hooks = Arc::clone(&held);
    world.read = Arc::new(move |inner| Arc::new(Hooked::new(inner, Arc::clone(&hooks))));
    let life = world.begin();
    life.run("a swap", async {
        trade(&life, 1).await;
        quiet(&life).await;
        let services = &life.engine.services;
        let orders = &life.followers.views().orders;
        let slice = Slice { rows: 1, ..tables::newest::<Orders>() };
        let before = orders.page(None, false, &slice).await.expect("it answers").position;
        let shape = orders.answers().expect("it answers").shape;
        let next = Filling { shape, generation: 2 };
        services.read.make(next, services.shards).await.expect("it is made");
        assert!(services.read.adopt(next).await.expect("it is swapped in"));
        super::rebuilds::until("it answers", async || orders.answers() == Some(next)).await;
        let after = orders.page(None, false, &slice).await.expect("it answers").position;
        assert!(!after.reaches(&before), "the test under load would not notice");
        held.0.send_replace(true);
        are_what_the_log_says(&life, "in the end").await;
    });
    life.drain();
}

/// Writes each turn but for what there is of the first thing that a table ever had a row of, and for the first
/// sums, and moves the position as if that were all.
#[derive(Default)]
struct Forgetful {
    rows: Mutex<BTreeMap<&'static str, Key>>,
    has_added_up: AtomicBool,
}

#[async_trait]
impl ReadHooks for Forgetful {
    async fn write(
        &self,
        store: &dyn ReadStore,
        filling: Filling,
        turn: Turn<'_>,
    ) -> Result<Written, JournalError> {
        let Some(first) = turn.put.first() else { return store.write(filling, turn).await };
        let lost = *self.rows.lock().entry(filling.shape.name).or_insert(first.key);
        let put: Vec<_> = turn.put.iter().filter(|row| row.key != lost).cloned().collect();
        let is_first = !turn.counted.is_empty() && !self.has_added_up.swap(true, Ordering::SeqCst);
        let counted = if is_first { &[] } else { turn.counted };
        store.write(filling, Turn { put: &put, counted, ..turn }).await
    }
}

/// Planted: turns that lose a row. The look that every proof here ends with sees it, whichever table it is of.
#[test]
fn a_row_that_a_turn_loses_is_seen() {
    let mut world = world();
    let forgetful = Arc::new(Forgetful::default());
    world.read = Arc::new(move |inner| Arc::new(Hooked::new(inner, Arc::clone(&forgetful))));
    let life = world.begin();
    life.run("trade", async {
        trade(&life, 1).await;
        within("the end", quiet(&life)).await;
        each_differs(&life).await;
    });
    life.drain();
}
