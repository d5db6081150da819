//! Whole guest checkouts through the door, by the load tool, which checks what it was answered: how
//! many a second, on one hot item and spread, how long one takes alone, and what each costs the
//! database.

use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::graphql::{Server, prepare, sell};
use crate::http::{Ask, load};
use crate::machine::processor_seconds;
use crate::place::{Kind, Place, Places};
use crate::samples::{Samples, Window};
use crate::settings::Settings;

pub const HOT: &str = "guest checkouts of one hot item, 128 clients";
pub const SPREAD: &str = "guest checkouts over 50 items, 128 clients";
pub const ALONE: &str = "a guest checkout alone, p50";
pub const SALE_ALONE: &str = "a sale over HTTP alone, p50";
pub const SERVER_US: &str = "processor time of the server a checkout";
pub const BYTES: &str = "bytes of JSON in the journal a checkout";
pub const ROWS: &str = "rows of the journal a checkout";
pub const SELECTS: &str = "SELECTs a checkout, 128 clients";
pub const INSERTS: &str = "INSERTs a checkout, 128 clients";

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let server = Server::of_program(&place).await;
    let seconds = if settings.quick { 1 } else { 4 };
    let sold = prepare(&server.site, 1).await.remove(0);
    let body = move |_, _| sell(&sold, &Uuid::now_v7().to_string());
    let sale = Arc::new(Ask { body: Box::new(body), expected: b"\"userErrors\":[]" });
    for _ in 0..settings.rounds() {
        let window = Window::after(settings.warm_up(), settings.short_window());
        let alone = load(&server.site, &sale, 1, window).await;
        samples.push(kind, SALE_ALONE, alone.quantile_ms(0.5));
        let alone = checkouts(&server, 1, 1, seconds).await;
        samples.push(kind, ALONE, alone.p50_ms);
        for (name, spread) in [(HOT, 1), (SPREAD, 50)] {
            let (before, used) = (Costs::read(&place).await, processor_seconds(server.pid()));
            let run = checkouts(&server, 128, spread, seconds).await;
            let (after, orders) = (Costs::read(&place).await, run.succeeded);
            samples.push(kind, name, run.per_second);
            if spread > 1 {
                continue;
            }
            let spent = processor_seconds(server.pid()) - used;
            samples.push(kind, SERVER_US, spent * 1e6 / orders);
            samples.push(kind, BYTES, (after.bytes - before.bytes) / orders);
            samples.push(kind, ROWS, (after.rows - before.rows) / orders);
            if let (Some(before), Some(after)) = (before.statements, after.statements) {
                samples.push(kind, SELECTS, (after.0 - before.0) / orders);
                samples.push(kind, INSERTS, (after.1 - before.1) / orders);
            }
        }
    }
    drop(server);
    place.remove().await;
}

/// What the load tool tells of a run.
pub struct Run {
    succeeded: f64,
    pub per_second: f64,
    p50_ms: f64,
}

/// One run of the load tool, all of whose checks must hold.
pub async fn checkouts(server: &Server, clients: u32, spread: u32, seconds: u32) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emporium"));
    command.args(["load", "checkout", "--json", "-"]);
    command.args(["--url", &format!("http://{}/graphql", server.site.address)]);
    command.env("EMPORIUM_TOKEN", &server.site.token);
    for (flag, number) in [("--clients", clients), ("--spread", spread), ("--seconds", seconds)] {
        command.args([flag, &number.to_string()]);
    }
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.expect("waiting does not fail").expect("the program can be run");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the load tool found a fault: {told}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let number = |value: &Value| value.as_f64().expect("a number");
    Run {
        succeeded: number(&report["succeeded"]),
        per_second: number(&report["per_second"]),
        p50_ms: number(&report["latency_ms"]["p50"]),
    }
}

/// What a database was made to do and keep so far.
struct Costs {
    rows: f64,
    bytes: f64,
    /// SELECTs and INSERTs; a server counts them.
    statements: Option<(f64, f64)>,
}

impl Costs {
    async fn read(place: &Place) -> Self {
        let totals = "SELECT COUNT(*), COALESCE(SUM(LENGTH(events)), 0) FROM journal";
        let totals = place.for_program().numbers(totals).await;
        let statements = match place.kind() {
            Kind::Sqlite => None,
            Kind::Mariadb => {
                Some((place.status("Com_select").await, place.status("Com_insert").await))
            }
        };
        Self { rows: totals[0], bytes: totals[1], statements }
    }
}
