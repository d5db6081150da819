//! `overload`: what the server can do, found by a closed loop, and what it does when twice as much
//! is offered. It should go on doing what it can, and turn the rest away at once.

use std::sync::Arc;

use super::checks::Check;
use super::client::NOT_STARTED;
use super::growth::Growth;
use super::meter::{Counts, TurnedAway};
use super::options::Length;
use super::report::{Report, grouped};
use super::run::{Run, Scenario};
use super::{LoadError, Phase, phase, verified};

/// Clients of the closed loop: enough to keep the server busy, few enough to be admitted.
const SEARCHING_CLIENTS: usize = 64;
/// Which part of the whole time the closed loop takes: one third.
const SEARCHING_SHARE: u64 = 3;
/// How many times what the server can do is offered.
const TIMES: f64 = 2.0;
/// The share of what the server can do that it must still do, in percent.
const GOODPUT_PERCENT_MIN: f64 = 80.0;
/// Within this time 99 of 100 that are turned away are told so, in milliseconds.
const TOLD_WITHIN_MS: f64 = 50.0;

/// The share of what should be offered that may stay with the client, in percent.
const NOT_OFFERED_PERCENT_MAX: f64 = 5.0;
/// Codes that are judged by checks of their own.
const EXPECTED: [&str; 2] = ["OVERLOADED", NOT_STARTED];

pub async fn perform(run: &Arc<Run>, scenario: &Arc<dyn Scenario>) -> Result<Report, LoadError> {
    let Length::Seconds(seconds) = run.plan.length else {
        return Err(LoadError::Usage("overload runs for a time: use --seconds".to_owned()));
    };
    let searching = (seconds / SEARCHING_SHARE).max(1);
    let clients = SEARCHING_CLIENTS.min(run.plan.clients);
    let best = phase(run, scenario, Length::Seconds(searching), None, clients).await?;
    let best = best.goodput();
    tracing::info!(per_second = best.round(), "what the server can do; offering twice as much");
    let offering = Length::Seconds(seconds.saturating_sub(searching).max(1));
    let rate = (best * TIMES).max(1.0);
    let growth = run.plan.pid.map(Growth::of).transpose()?;
    let offered = phase(run, scenario, offering, Some(rate), run.plan.clients).await?;
    let mut checks = judge(best, &offered);
    checks.extend(growth.map_or_else(Vec::new, |growth| growth.checks()));
    checks.extend(verified(run, scenario).await?);
    Ok(offered.report(run, checks))
}

fn judge(best: f64, offered: &Phase) -> Vec<Check> {
    let (goodput, counts) = (offered.goodput(), offered.meter.counts());
    let turned_away = offered.meter.turned_away_so_far();
    let codes = offered.meter.codes();
    let other: Vec<_> =
        codes.iter().filter(|(code, _)| !EXPECTED.contains(&code.as_str())).collect();
    let percent = goodput / best.max(0.001) * 100.0;
    let rates = format!(
        "{} a second of {} that it can do ({percent:.0} %)",
        grouped(goodput.round() as u64),
        grouped(best.round() as u64)
    );
    let detail = match other.first() {
        None => "none".to_owned(),
        Some((code, count)) => format!("{code} {count}"),
    };
    vec![
        Check::new(
            "under twice the load it does what it can",
            percent >= GOODPUT_PERCENT_MIN,
            rates,
        ),
        was_offered(counts, codes.get(NOT_STARTED).copied().unwrap_or(0)),
        told(counts, turned_away),
        Check::new("nothing fails otherwise", other.is_empty(), detail),
    ]
}

/// That this program kept its pace: otherwise the server was not tried.
fn was_offered(counts: Counts, never_started: u64) -> Check {
    let percent = never_started as f64 / counts.attempted.max(1) as f64 * 100.0;
    let mut detail = format!(
        "{} of {} found no free client ({percent:.0} %)",
        grouped(never_started),
        grouped(counts.attempted)
    );
    let ok = percent <= NOT_OFFERED_PERCENT_MAX;
    if !ok {
        detail.push_str("; give it more --clients, or a machine of its own");
    }
    Check::new("twice as much was really offered", ok, detail)
}

/// That the excess is turned away at once, and told when to come back.
fn told(counts: Counts, turned_away: TurnedAway) -> Check {
    let TurnedAway { count, with_retry_after, p99_ms } = turned_away;
    let name = "the excess is turned away within 50 ms, with a retry-after";
    if count == 0 {
        let detail = format!(
            "nothing was: {} operations waited for a free client or fitted in the server's \
             bounds; --clients must be above them (http.requests_max, checkout.queue_max)",
            counts.attempted
        );
        return Check::new(name, false, detail);
    }
    let detail = format!(
        "{} turned away, {} of them told when to come back, p99 {p99_ms:.1} ms",
        grouped(count),
        grouped(with_retry_after)
    );
    Check::new(name, with_retry_after == count && p99_ms <= TOLD_WITHIN_MS, detail)
}
