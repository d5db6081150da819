//! A cluster of real processes under seeded faults: three nodes, a MariaDB and a Redis of their own, and
//! a proxy between any two. Clients sell, read, repeat and check out at all nodes meanwhile; at the end
//! what they were told is held to what is there.
//!
//! A binary of its own: it sees nothing of the program but what operators and clients see, so that it is
//! built in seconds. `make chaos` runs many rounds of it.

#[path = "cluster/accounts.rs"]
mod accounts;
#[path = "cluster/api.rs"]
mod api;
#[path = "cluster/clients.rs"]
mod clients;
#[path = "cluster/faults.rs"]
mod faults;
#[path = "cluster/handover.rs"]
mod handover;
#[path = "cluster/history.rs"]
mod history;
#[cfg(feature = "shortcuts")]
#[path = "cluster/planted.rs"]
mod planted;
#[path = "support/proxy.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod proxy;
#[path = "cluster/round.rs"]
mod round;
#[path = "cluster/servers.rs"]
mod servers;
#[path = "cluster/site.rs"]
mod site;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long whatever is waited for may take: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(300);
/// The same where a bug is planted, and what is waited for need not come.
#[cfg(feature = "shortcuts")]
const LITTLE_PATIENCE: Duration = Duration::from_secs(40);

/// The faults of a round with a planted bug have begun.
static IS_IMPATIENT: AtomicBool = AtomicBool::new(false);

fn patience() -> Duration {
    match IS_IMPATIENT.load(Ordering::Relaxed) {
        #[cfg(feature = "shortcuts")]
        true => LITTLE_PATIENCE,
        _ => PATIENCE,
    }
}

/// The round that is played where nobody asks for more.
const SEED: u64 = 11;

/// A number from the environment, where `make chaos` puts what it was given.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text:?}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_nothing_acknowledged_is_lost_and_all_nodes_agree() {
    let asked = number("EMPORIUM_CHAOS_ROUNDS");
    let rounds = asked.unwrap_or(1);
    let seconds = number("EMPORIUM_CHAOS_SECONDS").unwrap_or(12);
    // A change is not to be judged by faults that it did not draw.
    let drawn = || if asked.is_some() { fastrand::u64(..1 << 32) } else { SEED };
    let first = number("EMPORIUM_CHAOS_SEED").unwrap_or_else(drawn);
    let mut failed = Vec::new();
    for seed in first..first + rounds {
        let findings = round::play(seed, Duration::from_secs(seconds)).await;
        if !findings.is_empty() {
            failed.push(format!("seed {seed}: {}", findings.join("; ")));
        }
    }
    assert!(failed.is_empty(), "{} of {rounds} rounds: {}", failed.len(), failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_that_are_moved_cost_no_client_an_error() {
    let findings = round::hand_over().await;
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// That the driver can see what it is there to see: programs that are wrong in one way each, which it finds.
#[cfg(feature = "shortcuts")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_is_found() {
    let (mut missed, only) =
        (Vec::new(), std::env::var("EMPORIUM_CHAOS_PLANT").unwrap_or_default());
    for plant in planted::plants().into_iter().filter(|plant| plant.bug.name.contains(&only)) {
        if !planted::is_found(&plant).await {
            missed.push(plant.bug.name);
        }
    }
    assert!(missed.is_empty(), "nobody saw {missed:?}");
}
