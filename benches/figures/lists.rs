//! What it takes that orders can be listed: the memory of a node while they are made, the bytes that each
//! has in all tables together, and a table that is filled anew from the logs of all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use emporium::actors::shard::Limits;
use emporium::bootstrap::node::{NodeBuilder, Program};
use emporium::config::Settings as Configuration;
use emporium::config::sections::NodeSection;
use emporium::domain::commerce::order::{Buyer, Command, Line, Order};
use emporium::domain::id::{AggregateId, CustomerId, LocationId, VariantId};
use emporium::domain::money::{Currency, Money, Rate};
use emporium::domain::products::price_list::default_list;
use emporium::domain::tax::{PriceMode, UnitPrice};
use emporium::persistence::clock::Clock;
use emporium::persistence::follower_board::Standing;
use emporium::persistence::read_store::table_of;
use emporium::persistence::stores::Stores;
use emporium::projections::table::Listed as _;
use emporium::projections::tables::orders::Orders;
use uuid::Uuid;

use crate::children::{self, Child};
use crate::engine::{PATIENCE, meta};
use crate::machine::resident_bytes;
use crate::place::{Kind, Place, Places, vault};
use crate::samples::Samples;
use crate::settings::Settings;

pub const MADE: &str = "drafts of one line made, with all that follows them";
pub const GROWTH: &str = "memory that an order leaves while others are made";
pub const BYTES: &str = "bytes of an order in all tables, its draft and a line";
pub const REBUILT: &str = "rows of orders filled anew from the logs";

/// Callers that make orders, each one at a time.
const MAKERS: u64 = 128;
/// Aggregates that stay in memory: memory that is held for them is no growth.
const LIVE_MAX: usize = 10_000;

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let said = children::spawn(Child::Orders, &place, settings).await;
    for name in [MADE, GROWTH, REBUILT] {
        let value = said.get(name).and_then(|value| value.parse().ok());
        samples.push(kind, name, value.expect("a child says what it measured"));
    }
    let orders = settings.made_orders() as f64;
    samples.push(kind, BYTES, place.bytes_of_all().await / orders);
    place.remove().await;
}

/// The child that makes orders, and fills their table anew.
pub async fn orders(place: &Place, settings: &Settings) -> Vec<(&'static str, String)> {
    let program = Arc::new(begin(place, Clock::system()).await);
    let count = settings.made_orders();
    // The first half warms what is kept whatever comes.
    let began = Instant::now();
    make(&program, count / 2, commands).await;
    let half = resident_bytes();
    make(&program, count - count / 2, commands).await;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    let growth = resident_bytes() as f64 - half as f64;
    let rebuilt = rebuild(&program).await;
    vec![
        (MADE, rate.to_string()),
        (GROWTH, (growth / (count - count / 2) as f64).max(0.0).to_string()),
        (REBUILT, (count as f64 / rebuilt.as_secs_f64()).to_string()),
    ]
}

/// The program as `serve` starts it, but for what listens.
pub async fn begin(place: &Place, clock: Clock) -> Program {
    let kind = place.kind();
    let stores = Stores { read: place.open_read().await, ..place.open().await };
    let (shards, lanes) = (Some(kind.shards()), Some(kind.lanes()));
    let node = NodeSection { shards, lanes, ..NodeSection::default() };
    let limits = Limits { live_max: LIVE_MAX, ..Limits::default() };
    let configuration = Configuration { node, limits, ..Configuration::default() };
    let vault = vault(&stores).await;
    let builder = NodeBuilder::new(&configuration, stores, vault).alone().clock(clock);
    let node = builder.start().await.expect("a node starts");
    assert!(node.all_served(PATIENCE).await, "a node takes its shards");
    builder.complete(node).await.expect("the followers start")
}

/// Makes so many orders, each by these commands, and waits until every table has them.
pub async fn make(program: &Arc<Program>, count: u64, commands: fn() -> [Command; 2]) {
    let made = Arc::new(AtomicU64::new(0));
    let makers = (0..MAKERS).map(|_| {
        let (program, made) = (Arc::clone(program), Arc::clone(&made));
        tokio::spawn(async move {
            while made.fetch_add(1, Ordering::Relaxed) < count {
                let engine = &program.node.engine;
                let order = engine.aggregate::<Order>(engine.new_id());
                for command in commands() {
                    order.ask(command, meta()).await.expect("an order is made");
                }
            }
        })
    });
    for maker in makers.collect::<Vec<_>>() {
        maker.await.expect("a maker ends by itself");
    }
    let heads = program.node.engine.services.feed.heads();
    program.followers.registry().reached(&heads).await;
}

/// An order with a line.
pub fn commands() -> [Command; 2] {
    let currency = Currency::from_code("EUR").expect("a currency");
    let buyer = Buyer::Customer { id: CustomerId(Uuid::from_u128(7)) };
    let (price_list, lines) = (default_list(currency), Vec::new());
    let amount = Money::new(1_999, currency);
    let line = Line {
        product: AggregateId(Uuid::from_u128(1)),
        variant: VariantId(Uuid::from_u128(2)),
        location: LocationId(Uuid::from_u128(3)),
        quantity: 1,
        name: "Teapot".to_owned(),
        price: UnitPrice { amount, mode: PriceMode::Net, tax_rate: Rate::ZERO },
    };
    let owner = buyer.owner();
    [Command::Draft { buyer, owner, currency, price_list, lines }, Command::AddLine(line)]
}

/// How long it takes until the table of orders answers from rows that were all read from the logs.
async fn rebuild(program: &Program) -> Duration {
    let board = program.node.engine.services.read.board();
    let table = table_of(Orders::SHAPE);
    let began = Instant::now();
    board.begin_filling(&table).await.expect("it is asked for");
    loop {
        let all = board.standings().await.expect("the tables can be asked");
        let answers = |standing: &Standing| standing.table == table && standing.answers == 2;
        if all.iter().any(answers) {
            return began.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
