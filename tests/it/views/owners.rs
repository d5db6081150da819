//! Several who fill one table at once, over a database that loses statements and answers: the rows are
//! what the log says all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use emporium::actors::follower::{Follower, FollowerActor, FollowerRef};
use emporium::actors::registry::Registry;
use emporium::actors::table::{AuditFollower, EventFollower, PictureFollower, TableRef};
use emporium::domain::commerce::order::{self, Order};
use emporium::persistence::cause::Cause;
use emporium::persistence::journal::JournalError;
use emporium::persistence::read_store::{Filling, ReadStore, Turn, Written};
use emporium::projections::table::Table;
use emporium::projections::tables::audit::Audit;
use emporium::projections::tables::calendars::Calendars;
use emporium::projections::tables::events::Events;
use emporium::projections::tables::holds::Holds;
use emporium::projections::tables::locations::Locations;
use emporium::projections::tables::orders::Orders;
use emporium::projections::tables::products::Products;
use emporium::projections::tables::sagas::Sagas;
use emporium::projections::tables::stock::Stock;
use emporium::projections::tables::users::Users;
use emporium::projections::tables::variants::Variants;
use parking_lot::Mutex;
use ractor::{Actor, ActorCell};

use super::{draft_of, quiet, tables, trade, world};
use crate::support::eventually;
use crate::support::life::{Life, within};
use crate::support::person::guest;
use crate::support::reading::{Hooked, ReadHooks};

/// What becomes of a turn that is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Written,
    /// The statement does not arrive.
    LostBefore,
    /// The answer does not.
    LostAfter,
}

/// Writes fail as a seed says.
struct Lossy {
    chance: Mutex<fastrand::Rng>,
}

impl Lossy {
    fn fate(&self) -> Fate {
        match self.chance.lock().u8(0..4) {
            0 => Fate::LostBefore,
            1 => Fate::LostAfter,
            _ => Fate::Written,
        }
    }
}

fn lost() -> JournalError {
    JournalError::Unreachable(Cause::from("planted"))
}

#[async_trait]
impl ReadHooks for Lossy {
    async fn write(
        &self,
        store: &dyn ReadStore,
        filling: Filling,
        turn: Turn<'_>,
    ) -> Result<Written, JournalError> {
        match self.fate() {
            Fate::Written => store.write(filling, turn).await,
            Fate::LostBefore => Err(lost()),
            Fate::LostAfter => {
                store.write(filling, turn).await?;
                Err(lost())
            }
        }
    }
}

/// The first turn that changes a row is long on its way to the database.
struct Late {
    /// Planted: its rows are written wherever the position is.
    compares: bool,
    is_on_its_way: AtomicBool,
    may_arrive: AtomicBool,
    arrived: Mutex<Option<Written>>,
}

#[async_trait]
impl ReadHooks for Late {
    async fn write(
        &self,
        store: &dyn ReadStore,
        filling: Filling,
        turn: Turn<'_>,
    ) -> Result<Written, JournalError> {
        if turn.put.is_empty() || self.is_on_its_way.swap(true, Ordering::SeqCst) {
            return store.write(filling, turn).await;
        }
        eventually("its time", || async { self.may_arrive.load(Ordering::SeqCst).then_some(()) })
            .await;
        if !self.compares {
            let rows = Turn { moved: &[], ..turn };
            store.write(filling, rows).await?;
        }
        let written = store.write(filling, turn).await?;
        *self.arrived.lock() = Some(written);
        Ok(written)
    }
}

/// One more follower of this node, for a table that answers nobody.
async fn begun(
    life: &Life,
    table: FollowerRef<()>,
    follower: impl Follower<Content = ()>,
) -> ActorCell {
    let arguments = (Arc::clone(&life.engine.services), table, follower);
    let started = Actor::spawn(None, FollowerActor::default(), arguments).await;
    started.expect("a follower starts").0.get_cell()
}

/// One more who fills a table of this node.
async fn intruder<T: Table>(life: &Life, store: Arc<dyn ReadStore>) -> ActorCell {
    let table = TableRef::<T>::default();
    begun(life, table.follower.clone(), EventFollower::new(store, table)).await
}

/// One more for each table.
async fn intruders(life: &Life) -> Vec<ActorCell> {
    let services = &life.engine.services;
    let store = || Arc::clone(&services.read);
    let (stock, audit) = (TableRef::<Stock>::default(), TableRef::<Audit>::default());
    let asking = PictureFollower::new(&life.engine, stock.clone());
    let chaining = AuditFollower::new(store(), audit.clone(), services.vault.installation.clone());
    let all = vec![
        intruder::<Orders>(life, store()).await,
        intruder::<Users>(life, store()).await,
        intruder::<Products>(life, store()).await,
        intruder::<Variants>(life, store()).await,
        intruder::<Holds>(life, store()).await,
        intruder::<Locations>(life, store()).await,
        intruder::<Calendars>(life, store()).await,
        intruder::<Events>(life, store()).await,
        intruder::<Sagas>(life, store()).await,
        begun(life, stock.follower, asking).await,
        begun(life, audit.follower, chaining).await,
    ];
    assert_eq!(all.len(), Registry::shapes().len(), "each table has one");
    all
}

/// Trades while two more fill each table, and says what is kept then and what should be.
fn fought_over(seed: u64) -> [tables::All; 2] {
    let mut world = world();
    // A turn takes no more than a page of one shard: all of them have many, one after the other.
    world.limits.table_turn_bytes = 1;
    let lossy = Arc::new(Lossy { chance: Mutex::new(fastrand::Rng::with_seed(seed)) });
    world.read = Arc::new(move |inner| Arc::new(Hooked::new(inner, Arc::clone(&lossy))));
    let life = world.begin();
    let both = life.run("trade", async {
        let both = [intruders(&life).await, intruders(&life).await];
        for round in 1..=6 {
            trade(&life, round).await;
        }
        for intruder in both.iter().flatten() {
            intruder.kill();
        }
        within("the end", quiet(&life)).await;
        [tables::kept(&life).await, tables::folded(&life).await]
    });
    life.drain();
    both
}

#[test]
fn rows_are_what_the_log_says_whoever_fills_them_and_whatever_is_lost() {
    for seed in 1..=3 {
        println!("seed {seed}");
        let [kept, folded] = fought_over(seed);
        assert_eq!(kept, folded, "seed {seed}");
    }
}

/// What the table of orders is and what it should be, after a turn of another who had read no more than an
/// order's beginning arrived when that order was over long since.
fn written_late(compares: bool) -> [tables::All; 2] {
    let life = world().begin();
    let both = life.run("a late turn", async {
        let late = Arc::new(Late {
            compares,
            is_on_its_way: AtomicBool::new(false),
            may_arrive: AtomicBool::new(false),
            arrived: Mutex::new(None),
        });
        let inner = Arc::clone(&life.engine.services.read);
        let store = Arc::new(Hooked::new(inner, Arc::clone(&late)));
        let intruder = intruder::<Orders>(&life, store).await;
        let id = life.engine.new_id();
        let buyer = guest(&life.engine, "ann@example.org").await;
        life.done::<Order>(id, draft_of(buyer)).await;
        eventually("a turn to be on its way", || async {
            late.is_on_its_way.load(Ordering::SeqCst).then_some(())
        })
        .await;
        life.done::<Order>(id, order::Command::Expire).await;
        within("the end", quiet(&life)).await;
        late.may_arrive.store(true, Ordering::SeqCst);
        let written = eventually("it to arrive", || async { *late.arrived.lock() }).await;
        assert_eq!(written, Written::Elsewhere, "the position is compared once in any case");
        intruder.kill();
        [tables::kept(&life).await, tables::folded(&life).await]
    });
    life.drain();
    both
}

#[test]
fn rows_of_an_old_position_are_written_by_nobody() {
    let [kept, folded] = written_late(true);
    assert_eq!(kept, folded);
}

/// The comparison of positions is what this rests on: without it what was goes over what is.
#[test]
fn without_comparing_positions_rows_go_wrong() {
    let [kept, folded] = written_late(false);
    assert_ne!(kept, folded, "the proof above would not notice");
}

/// Whoever fills a table when it is thrown away fills the next one, from the beginning.
#[test]
fn tables_that_begin_anew_are_filled_under_whoever_reads_them() {
    let world = world();
    let life = world.begin();
    life.run("trade", async {
        trade(&life, 1).await;
        quiet(&life).await;
        life.engine.services.read.begin_anew().await.expect("they begin anew");
        trade(&life, 2).await;
        within("the end", quiet(&life)).await;
        assert_eq!(tables::kept(&life).await, tables::folded(&life).await);
        assert_eq!(tables::kept(&life).await["orders"].len(), 4, "orders");
    });
    life.drain();
}
