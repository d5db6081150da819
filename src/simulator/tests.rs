//! Many seeds, the planted shortcuts, and the replay of one seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::{Plan, World};
use persistence::shortcut::Shortcut;

const SHORTCUTS: [Shortcut; 22] = [
    Shortcut::NoTakeoverRecord,
    Shortcut::BelieveAbsent,
    Shortcut::HeadAgainAfterDuplicate,
    Shortcut::ReloadPastBarrier,
    Shortcut::ReplyBeforeCommit,
    Shortcut::RefusalEarly,
    Shortcut::KeepTentative,
    Shortcut::ReadAfterLease,
    Shortcut::ForgetKeys,
    Shortcut::CompareEpochsOnly,
    Shortcut::UnusedUnlessPending,
    Shortcut::TrustName,
    Shortcut::TakeAtFirstSight,
    Shortcut::TakeWithoutComparing,
    Shortcut::CountFromSending,
    Shortcut::ReadsFromAnswer,
    Shortcut::SilenceExtends,
    Shortcut::NoMargin,
    Shortcut::BelieveAnyFormerLife,
    Shortcut::ForgetAcknowledged,
    Shortcut::ReadAfterHandOver,
    Shortcut::WallClock,
];

/// The number of steps, or what was broken: a promise, or an assertion of a core.
fn outcome(plan: Plan) -> Result<u64, String> {
    let run = || {
        let mut world = World::new(plan);
        world.run().map(|()| world.steps)
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a whole number in the environment"))
}

/// Runs the seeds on two threads; panics with the first that fails and how to replay it.
fn simulate(seeds: std::ops::Range<u64>, regress: bool) {
    let next = AtomicU64::new(seeds.start);
    let steps = AtomicU64::new(0);
    let failed = std::thread::scope(|scope| {
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return None;
                }
                let plan = Plan { seed, regress, ..Plan::default() };
                match outcome(plan) {
                    Ok(taken) => steps.fetch_add(taken, Ordering::Relaxed),
                    Err(broken) => {
                        next.store(seeds.end, Ordering::Relaxed);
                        return Some((seed, broken));
                    }
                };
            }
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        let failed = threads.map(|thread| thread.join().expect("a run is caught"));
        failed.into_iter().flatten().min()
    });
    let count = seeds.end - seeds.start;
    println!("{count} seeds, {} steps", steps.load(Ordering::Relaxed));
    if let Some((seed, broken)) = failed {
        let profile = if regress { "EMPORIUM_REGRESS=1 " } else { "" };
        panic!(
            "seed {seed}: {broken}\nreplay: EMPORIUM_SEED={seed} {profile}cargo test --lib \
             simulator::tests::replay -- --nocapture"
        );
    }
}

#[test]
fn simulate_many_seeds() {
    let start = number_from("EMPORIUM_SEED_START").unwrap_or(0);
    let count = number_from("EMPORIUM_SEEDS").unwrap_or(10_000);
    simulate(start..start + count, false);
}

#[test]
fn a_database_that_goes_backwards_is_noticed_and_not_written_to() {
    simulate(0..2_000, true);
}

/// Prints what happens in one seed: `EMPORIUM_SEED`, and as wanted `EMPORIUM_REGRESS=1` or
/// `EMPORIUM_SHORTCUT=NoTakeoverRecord`. Without a seed it replays seed 0 silently.
#[test]
fn replay() {
    let seed = number_from("EMPORIUM_SEED");
    let wanted = std::env::var("EMPORIUM_SHORTCUT").ok();
    let shortcut = wanted.map(|name| {
        let mut all = SHORTCUTS.into_iter();
        all.find(|shortcut| format!("{shortcut:?}") == name)
            .expect("a known shortcut in the environment")
    });
    let plan = Plan {
        seed: seed.unwrap_or(0),
        shortcut,
        loud: seed.is_some(),
        regress: number_from("EMPORIUM_REGRESS").is_some(),
        tight: number_from("EMPORIUM_TIGHT").is_some(),
        drift: number_from("EMPORIUM_DRIFT").is_some(),
    };
    let first = outcome(plan);
    if let Err(broken) = &first {
        panic!("seed {}: {broken}", plan.seed);
    }
    let again = outcome(Plan { loud: false, ..plan });
    assert_eq!(again, first, "the same seed gives the same run");
}

/// The world in which a shortcut does harm.
fn plan_for(shortcut: Shortcut, seed: u64) -> Plan {
    let regress = shortcut == Shortcut::ForgetAcknowledged;
    let tight = matches!(shortcut, Shortcut::CountFromSending | Shortcut::NoMargin);
    Plan { seed, regress, tight, ..Plan::default() }
}

#[test]
fn a_slow_owner_and_a_fast_taker_within_what_is_assumed_read_nothing_stale() {
    for seed in 0..300 {
        let plan = Plan { seed, tight: true, ..Plan::default() };
        outcome(plan).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

/// The one assumption about clocks: where it does not hold, a checker that sees nothing is blind.
#[test]
fn clocks_that_run_further_apart_than_is_assumed_are_caught() {
    let caught = (0..1_000).find_map(|seed| {
        let plan = Plan { seed, tight: true, drift: true, ..Plan::default() };
        outcome(plan).err().filter(|broken| broken.contains("stale read"))
    });
    caught.expect("a stale read in 1,000 seeds");
}

#[test]
fn each_shortcut_is_caught() {
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for shortcut in SHORTCUTS {
        let caught = (0..1_000).find_map(|seed| {
            let plan = Plan { shortcut: Some(shortcut), ..plan_for(shortcut, seed) };
            outcome(plan).err().map(|broken| (seed, broken))
        });
        match caught {
            Some((seed, broken)) => {
                println!("{shortcut:?} is caught at seed {seed} {broken}");
                let without = outcome(plan_for(shortcut, seed));
                assert!(without.is_ok(), "seed {seed} without it: {without:?}");
            }
            None => missed.push(shortcut),
        }
    }
    std::panic::set_hook(silent);
    assert!(missed.is_empty(), "not caught in 1,000 seeds: {missed:?}");
}
