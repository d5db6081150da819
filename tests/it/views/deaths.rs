//! A node that dies at each point of a turn, in the middle of a rebuild and at its swap, and one that begins
//! again from rows of any age: every table is what the log says, which a rebuild would make of it too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use async_trait::async_trait;
use emporium::persistence::journal::JournalError;
use emporium::persistence::read_store::{Filling, ReadStore, Turn, Written};
use emporium::projections::plan::Slice;
use emporium::projections::table::Listed;
use emporium::projections::tables::orders::Orders;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tokio::sync::watch;

use super::rebuilds::{all_answer, rebuild_all};
use super::{quiet, tables, trade, world};
use crate::support::life::{Life, World, within};
use crate::support::reading::{Hooked, ReadHooks, Step};

/// Where a node dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    Before(Step),
    /// It was done, and its answer does not come.
    After(Step),
}

/// Nothing is heard of the tables any more from the so-and-so-manieth time on that somebody comes to a point.
struct Dying {
    point: Point,
    /// Only of this filling of a table; 0: of any.
    generation: AtomicU32,
    /// How often it may be passed; negative while nothing is to happen.
    left: AtomicI64,
    died: watch::Sender<bool>,
}

impl Dying {
    fn at(point: Point) -> Arc<Self> {
        let (generation, left) = (AtomicU32::new(0), AtomicI64::new(-1));
        Arc::new(Self { point, generation, left, died: watch::channel(false).0 })
    }

    fn arm(&self, generation: u32, nth: i64) {
        self.generation.store(generation, Ordering::SeqCst);
        self.left.store(nth, Ordering::SeqCst);
    }

    async fn happened(&self) {
        let mut died = self.died.subscribe();
        died.wait_for(|died| *died).await.expect("the sender is here");
    }

    async fn pass(&self, filling: Filling, point: Point) -> Result<(), JournalError> {
        let generation = self.generation.load(Ordering::SeqCst);
        let is_it = point == self.point && (generation == 0 || generation == filling.generation);
        let dies = is_it
            && self.left.load(Ordering::SeqCst) >= 0
            && self.left.fetch_sub(1, Ordering::SeqCst) == 1;
        if dies {
            self.died.send_replace(true);
        }
        if *self.died.borrow() {
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

#[test]
fn who_dies_at_a_point_of_a_turn_leaves_what_the_log_says() {
    let mut world = world();
    // A turn takes no more than a page of one shard: there are many.
    world.limits.table_turn_bytes = 1;
    let points = [
        (Point::Before(Step::Load), 1),
        (Point::After(Step::Load), 5),
        (Point::Before(Step::Write), 1),
        (Point::Before(Step::Write), 6),
        (Point::After(Step::Write), 1),
        (Point::After(Step::Write), 6),
    ];
    for (round, (point, nth)) in (1..).zip(points) {
        let dying = Dying::at(point);
        let life = begin(&mut world, &dying);
        let what = format!("before {point:?}, time {nth}");
        life.run("a death", async {
            are_what_the_log_says(&life, &what).await;
            dying.arm(0, nth);
            tokio::join!(trade(&life, round), within("a death", dying.happened()));
        });
        life.crash();
    }
    let life = begin(&mut world, &Dying::at(Point::Before(Step::Make)));
    life.run("a look", are_what_the_log_says(&life, "the last"));
    life.drain();
}

#[test]
fn who_dies_in_a_rebuild_or_at_its_swap_leaves_what_the_log_says() {
    let mut world = world();
    world.limits.table_turn_bytes = 1;
    let points = [
        (Point::After(Step::Make), 2),
        (Point::Before(Step::Write), 1),
        // In the middle: each table has a batch for each shard.
        (Point::Before(Step::Write), 9),
        (Point::After(Step::Write), 17),
        (Point::Before(Step::Adopt), 1),
        (Point::After(Step::Adopt), 3),
    ];
    let mut generation = 1;
    for (round, (point, nth)) in (1..).zip(points) {
        let dying = Dying::at(point);
        let life = begin(&mut world, &dying);
        let what = format!("before {point:?}, time {nth}");
        life.run("a death", async {
            within(&what, all_answer(&life, generation)).await;
            are_what_the_log_says(&life, &what).await;
            generation += 1;
            trade(&life, 2 * round).await;
            dying.arm(generation, nth);
            rebuild_all(&life).await;
            tokio::join!(trade(&life, 2 * round + 1), within(&what, dying.happened()));
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

    // Planted: rows that are older than they say.
    let old = directory.join("read.old");
    let planting = tokio::runtime::Builder::new_current_thread().enable_all().build();
    planting.expect("a runtime").block_on(async {
        copied(copies.last().expect("one"), &old).await;
        let mut file = opened(&old).await;
        let rows = format!("read_orders_{}_1", Orders::SHAPE.schema);
        let forgets = format!("DELETE FROM {rows} WHERE id IN (SELECT id FROM {rows} LIMIT 3)");
        file.execute(AssertSqlSafe(forgets)).await.expect("rows are forgotten");
    });
    world.read_file = Some(old);
    let life = world.begin();
    life.run("a look", async {
        quiet(&life).await;
        let (kept, folded) = (tables::kept(&life).await, tables::folded(&life).await);
        assert_ne!(kept, folded, "the proof above would not notice");
    });
    life.drain();
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

/// Writes each turn but for one row of one turn, and moves the position as if that were all.
struct Forgetful(AtomicBool);

#[async_trait]
impl ReadHooks for Forgetful {
    async fn write(
        &self,
        store: &dyn ReadStore,
        filling: Filling,
        turn: Turn<'_>,
    ) -> Result<Written, JournalError> {
        let is_of_orders = std::ptr::eq(filling.shape, Orders::SHAPE);
        let put = match turn.put.split_last() {
            Some((_, rest)) if is_of_orders && !self.0.swap(true, Ordering::SeqCst) => rest,
            _ => turn.put,
        };
        store.write(filling, Turn { put, ..turn }).await
    }
}

/// Planted: a turn that loses a row. The look that every proof here ends with sees it.
#[test]
fn a_row_that_a_turn_loses_is_seen() {
    let mut world = world();
    let forgetful = Arc::new(Forgetful(AtomicBool::new(false)));
    let hooks = Arc::clone(&forgetful);
    world.read = Arc::new(move |inner| Arc::new(Hooked::new(inner, Arc::clone(&hooks))));
    let life = world.begin();
    life.run("trade", async {
        // In the first turn that has rows of orders they are new: what comes later changes none that is missing.
        trade(&life, 1).await;
        within("the end", quiet(&life)).await;
        assert!(forgetful.0.load(Ordering::SeqCst), "it was planted");
        assert_ne!(tables::kept(&life).await, tables::folded(&life).await, "it is not noticed");
    });
    life.drain();
}
