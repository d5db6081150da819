//! What it takes that things happen when their time comes: drafts that all end in one second, and what whoever
//! works meanwhile notices of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use emporium::bootstrap::node::Program;
use emporium::domain::commerce::order::{DRAFT_DAYS, Order, Status};
use emporium::persistence::clock::{Clock, Time};
use emporium::projections::plan::{self, Filter, Slice, plan};
use emporium::projections::table::Listed as _;
use emporium::projections::tables::orders::{Orders, status_value};

use crate::engine::{meta, sell, stocked};
use crate::lists::{begin, commands};
use crate::place::{Kind, Places};
use crate::samples::{Samples, Window};
use crate::settings::Settings;

pub const ENDED: &str = "10,000 drafts that end in one second, until all have";
pub const QUIET: &str = "a stock item that is sold by 8 callers, p99";
pub const MEANWHILE: &str = "the same while 10,000 drafts end, p99";

const DRAFTS: u64 = 10_000;
/// Callers that make them, each one at a time.
const MAKERS: u64 = 128;
const CALLERS: usize = 8;

/// A clock that can be put on.
#[derive(Default)]
struct Ahead(AtomicI64);

impl Time for Ahead {
    fn wall_us(&self) -> i64 {
        Clock::system().wall_us() + self.0.load(Ordering::Acquire)
    }

    fn monotonic_us(&self) -> u64 {
        static SYSTEM: std::sync::LazyLock<Clock> = std::sync::LazyLock::new(Clock::system);
        SYSTEM.monotonic_us()
    }
}

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let clock = Arc::new(Ahead::default());
    let given = Clock::Given(Arc::clone(&clock) as Arc<dyn Time>);
    let program = Arc::new(begin(&place, given).await);
    draft(&program).await;
    let items = [stocked(&program.node.engine).await];
    let quiet = Window::after(settings.warm_up(), settings.window());
    samples.push(kind, QUIET, sell(&items, CALLERS, quiet).await.quantile_ms(0.99));
    let began = Instant::now();
    let days = TimeDelta::days(DRAFT_DAYS).num_microseconds().expect("a short time");
    clock.0.store(days, Ordering::Release);
    let meanwhile = Window::after(Duration::ZERO, settings.short_window());
    let ending = tokio::spawn({
        let program = Arc::clone(&program);
        async move {
            let open = open_drafts();
            while is_any(&program, &open).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            began.elapsed()
        }
    });
    samples.push(kind, MEANWHILE, sell(&items, CALLERS, meanwhile).await.quantile_ms(0.99));
    samples.push(kind, ENDED, ending.await.expect("all end").as_secs_f64());
    program.stop(crate::engine::PATIENCE).await;
    place.remove().await;
}

/// Makes the drafts, and waits until the tables have them.
async fn draft(program: &Arc<Program>) {
    let made = Arc::new(AtomicU64::new(0));
    let makers = (0..MAKERS).map(|_| {
        let (program, made) = (Arc::clone(program), Arc::clone(&made));
        tokio::spawn(async move {
            while made.fetch_add(1, Ordering::Relaxed) < DRAFTS {
                let engine = &program.node.engine;
                let [draft, _] = commands();
                let order = engine.aggregate::<Order>(engine.new_id());
                order.ask(draft, meta()).await.expect("an order is made");
            }
        })
    });
    for maker in makers.collect::<Vec<_>>() {
        maker.await.expect("a maker ends by itself");
    }
    let heads = program.node.engine.services.feed.heads();
    program.followers.registry().reached(&heads).await;
    assert!(is_any(program, &open_drafts()).await, "they are open");
}

fn open_drafts() -> Slice {
    let drafts = Filter::OneOf("status", vec![status_value(Status::Draft)]);
    let newest = plan::Ordering { column: "drafted_us", descending: true };
    let branches = plan(Orders::SHAPE, &drafts, newest).expect("an index serves it");
    Slice { branches, descending: true, after: None, rows: 1 }
}

async fn is_any(program: &Program, slice: &Slice) -> bool {
    let orders = &program.followers.registry().views.orders;
    let page = orders.page(None, false, slice).await.expect("the table answers");
    !page.rows.is_empty()
}
