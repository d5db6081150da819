//! Figures: what one node does, and several, against the limits of the same machine in the same run.
//!
//! Measures on SQLite and on the MariaDB or MySQL server that `EMPORIUM_TEST_MYSQL_URL` names, and
//! writes `docs/figures.json` and `docs/figures.md`. A goal that is missed is printed as missed; a
//! server that is absent is a failure. Run by `make bench`:
//!
//! ```text
//! scripts/services run -- cargo bench --bench figures [-- --quick --only NAME --database KIND]
//! ```

#[path = "figures/access.rs"]
mod access;
#[path = "figures/activation.rs"]
mod activation;
#[path = "figures/baseline.rs"]
mod baseline;
#[path = "figures/begin.rs"]
mod begin;
#[path = "figures/checkout.rs"]
mod checkout;
#[path = "figures/children.rs"]
mod children;
#[path = "figures/counting.rs"]
mod counting;
#[path = "figures/engine.rs"]
mod engine;
#[path = "figures/gate.rs"]
mod gate;
#[path = "figures/goals.rs"]
mod goals;
#[path = "figures/graphql.rs"]
mod graphql;
#[path = "figures/history.rs"]
mod history;
#[path = "figures/http.rs"]
mod http;
#[path = "figures/kept.rs"]
mod kept;
#[path = "figures/limits.rs"]
mod limits;
#[path = "figures/lists.rs"]
mod lists;
#[path = "figures/machine.rs"]
mod machine;
#[path = "figures/peer_lists.rs"]
mod peer_lists;
#[path = "figures/memory.rs"]
mod memory;
#[path = "figures/nodes.rs"]
mod nodes;
#[path = "figures/outbox.rs"]
mod outbox;
#[path = "figures/past.rs"]
mod past;
#[path = "figures/place.rs"]
mod place;
#[path = "figures/proof.rs"]
mod proof;
#[path = "figures/raw.rs"]
mod raw;
#[path = "figures/report.rs"]
mod report;
#[path = "figures/rows.rs"]
mod rows;
#[path = "figures/samples.rs"]
mod samples;
#[path = "figures/search.rs"]
mod search;
#[path = "figures/settings.rs"]
mod settings;
#[path = "figures/side.rs"]
mod side;
#[path = "figures/telemetry.rs"]
mod telemetry;
#[path = "figures/timers.rs"]
mod timers;

use std::process::ExitCode;

use clap::Parser;

use place::Kind;
use samples::Samples;
use settings::{Part, Settings};

/// What the program itself runs with.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let settings = Settings::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    // The body of `block_on` is not a worker of the runtime: whatever is measured is spawned.
    let succeeded = runtime.block_on(async {
        match &settings.child {
            Some(child) => children::run(child, &settings).await,
            None => run(&settings).await,
        }
    });
    if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(settings: &Settings) -> bool {
    let places = match place::Places::find(settings).await {
        Ok(places) => places,
        Err(reason) => {
            eprintln!("figures: {reason}");
            return false;
        }
    };
    let mut samples = Samples::default();
    for round in 1..=settings.rounds() {
        for kind in places.kinds() {
            eprintln!("figures: {kind}, round {round} of {}", settings.rounds());
            limits_and_engine(settings, &places, kind, &mut samples).await;
        }
    }
    for kind in places.kinds() {
        if settings.wants(Part::Replay) {
            activation::replay(settings, &places, kind, &mut samples).await;
        }
        if settings.wants(Part::Activation) {
            activation::cold(settings, &places, kind, &mut samples).await;
        }
        if settings.wants(Part::History) {
            history::measure(settings, &places, kind, &mut samples).await;
        }
        if settings.wants(Part::Past) {
            past::measure(settings, &places, kind, &mut samples).await;
        }
        if settings.wants(Part::Start) {
            begin::measure(settings, &places, kind, &mut samples).await;
        }
        if settings.wants(Part::Rows) {
            rows::measure(settings, &places, kind, &mut samples).await;
        }
        if settings.wants(Part::Lists) {
            lists::measure(settings, &places, kind, &mut samples).await;
        }
        if settings.wants(Part::Timers) {
            timers::measure(settings, &places, kind, &mut samples).await;
        }
        if settings.wants(Part::Memory) {
            memory::measure(settings, &places, kind, &mut samples).await;
        }
    }
    if settings.wants(Part::Graphql) {
        for kind in places.kinds() {
            graphql::measure(settings, &places, kind, &mut samples).await;
        }
    }
    if settings.wants(Part::Proof) {
        proof::verification(&places, &mut samples).await;
        for kind in places.kinds() {
            proof::sign_ins(settings, &places, kind, &mut samples).await;
        }
    }
    if settings.wants(Part::Gate) {
        for kind in places.kinds() {
            gate::measure(settings, &places, kind, &mut samples).await;
        }
    }
    if settings.wants(Part::Checkout) {
        for kind in places.kinds() {
            checkout::measure(settings, &places, kind, &mut samples).await;
        }
    }
    if settings.wants(Part::Side) && places.kinds().contains(&Kind::Mariadb) {
        side::measure(settings, &places, Kind::Mariadb, &mut samples).await;
    }
    if settings.wants(Part::Kept) && places.kinds().contains(&Kind::Mariadb) {
        kept::measure(settings, &places, Kind::Mariadb, &mut samples).await;
    }
    if settings.wants(Part::Nodes) && places.kinds().contains(&Kind::Mariadb) {
        nodes::measure(settings, &places, Kind::Mariadb, &mut samples).await;
    }
    if settings.wants(Part::Outbox) {
        for kind in places.kinds() {
            outbox::measure(settings, &places, kind, &mut samples).await;
        }
    }
    if settings.wants(Part::Search) {
        search::measure(settings, &places, &mut samples);
    }
    if settings.wants(Part::Access) {
        access::measure(settings, &places, &mut samples);
    }
    report::finish(settings, &places, &samples)
}

/// One round: the limits of the machine and the engine in turn, so that both meet the same hour.
async fn limits_and_engine(
    settings: &Settings,
    places: &place::Places,
    kind: place::Kind,
    samples: &mut Samples,
) {
    if settings.wants(Part::Limits) {
        limits::one_row(settings, places, kind, samples).await;
    }
    if settings.wants(Part::Alone) {
        engine::alone(settings, places, kind, samples).await;
    }
    if settings.wants(Part::Limits) {
        limits::one_connection(settings, places, kind, samples).await;
    }
    if settings.wants(Part::Hot) {
        engine::hot(settings, places, kind, samples).await;
    }
    if settings.wants(Part::Limits) {
        limits::several_connections(settings, places, kind, samples).await;
    }
    if settings.wants(Part::Telemetry) {
        telemetry::measure(settings, places, kind, samples).await;
    }
    if settings.wants(Part::Aggregates) {
        engine::many(settings, places, kind, samples).await;
    }
    if settings.wants(Part::Limits) {
        limits::row_locking(settings, places, kind, samples).await;
    }
}
