//! Planted faults are found, right histories are not accused, and cutting changes no verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::model::{Done, State};
use super::{History, Operation, Verdict, decide};
use crate::run::Choices;

fn operation(client: u32, invoked_us: i64, returned_us: i64, done: Done) -> Operation {
    let label = format!("k{client}-{invoked_us}").into();
    Operation { client, label, invoked_us, returned_us, done }
}

fn sold(client: u32, invoked: i64, returned: i64, version: u64) -> Operation {
    operation(client, invoked, returned, Done::Sold { units: 1, version })
}

fn history(on_hand: i64, operations: Vec<Operation>) -> History {
    History { begin: Some(State { on_hand, version: 2, ..State::default() }), operations }
}

/// What the whole search says, and what it says in pieces of two.
fn verdicts(history: &History) -> [Verdict; 2] {
    let until = Instant::now() + Duration::from_secs(60);
    [usize::MAX, 2].map(|piece| decide(history.clone(), until, piece))
}

fn assert_broken(history: &History, what: &str) {
    for verdict in verdicts(history) {
        assert!(matches!(verdict, Verdict::Broken(_)), "{what}: {verdict:?}");
    }
}

fn assert_right(history: &History, what: &str) {
    for verdict in verdicts(history) {
        assert_eq!(verdict, Verdict::Linearizable, "{what}");
    }
}

#[test]
fn a_right_sale_is_accepted() {
    let refused = Done::NotEnough { units: 1, available: Some(0) };
    let right = vec![
        sold(0, 0, 10, 4),
        sold(1, 0, 12, 3),
        operation(2, 5, 9, Done::StockRead { on_hand: 2, version: 3 }),
        operation(2, 13, 14, Done::StockRead { on_hand: 1, version: 4 }),
        operation(3, 1, i64::MAX, Done::PerhapsSold { units: 1 }),
        operation(4, 20, 25, refused),
    ];
    assert_right(&history(3, right.clone()), "the unknown one took the last unit");
    let mut never = right;
    never.pop();
    assert_right(&history(3, never), "the unknown one may never have happened");
}

#[test]
fn an_oversell_is_refused() {
    let oversold = vec![sold(0, 0, 10, 3), sold(1, 0, 10, 4), sold(2, 0, 10, 5)];
    assert_broken(&history(2, oversold), "three units of two");
}

#[test]
fn a_lost_acknowledgement_is_refused() {
    // Acknowledged as version 4, and gone: the next sale leads to version 4 again.
    let lost = vec![sold(0, 0, 10, 3), sold(1, 11, 20, 4), sold(2, 21, 30, 4)];
    assert_broken(&history(9, lost), "one version for two sales");
    let unread = vec![
        sold(0, 0, 10, 3),
        sold(1, 11, 20, 4),
        operation(2, 21, 30, Done::StockRead { on_hand: 8, version: 3 }),
    ];
    assert_broken(&history(9, unread), "a later read does not see it");
}

#[test]
fn a_double_application_is_refused() {
    let twice = vec![
        sold(0, 0, 10, 3),
        operation(1, 11, 20, Done::StockRead { on_hand: 7, version: 4 }),
        sold(2, 21, 30, 5),
    ];
    assert_broken(&history(9, twice), "one sale, two units gone");
}

#[test]
fn a_false_refusal_and_a_stale_read_are_refused() {
    let refused = Done::NotEnough { units: 1, available: Some(1) };
    let false_refusal = vec![sold(0, 0, 10, 3), sold(1, 11, 20, 4), operation(2, 21, 30, refused)];
    assert_broken(&history(3, false_refusal), "one unit was left");
    let stale = vec![
        sold(0, 0, 10, 3),
        sold(1, 0, 12, 4),
        operation(2, 20, 21, Done::StockRead { on_hand: 8, version: 3 }),
    ];
    assert_broken(&history(9, stale), "both had been answered");
    let unsure_too_late = vec![
        sold(0, 0, 10, 4),
        operation(1, 11, i64::MAX, Done::PerhapsSold { units: 1 }),
        sold(2, 12, 20, 5),
    ];
    assert_broken(&history(9, unsure_too_late), "version 3 was needed before it was asked for");
}

#[test]
fn slots_are_booked_once() {
    let event = |name: &str| Arc::<str>::from(name);
    let booked = |client, invoked, returned, slot, version, name: &str| {
        let done = Done::Booked { slot, event: event(name), version };
        operation(client, invoked, returned, done)
    };
    let taken = |client, invoked, returned, slot, name: &str| {
        operation(client, invoked, returned, Done::Taken { slot, by: Some(event(name)) })
    };
    let right = vec![
        booked(0, 0, 10, 7, 3, "a"),
        taken(1, 0, 9, 7, "a"),
        booked(2, 5, 20, 8, 4, "b"),
        operation(3, 12, 30, Done::CalendarRead { events: 2, version: 4 }),
        taken(1, 15, 40, 8, "b"),
        taken(1, 41, 42, 7, "a"),
    ];
    assert_right(&history(0, right), "each slot once");
    let twice =
        vec![booked(0, 0, 10, 7, 3, "a"), booked(1, 0, 10, 7, 4, "b"), taken(2, 11, 12, 7, "a")];
    assert_broken(&history(0, twice), "one slot for two");
    let by_nobody = vec![
        taken(0, 0, 9, 7, "a"),
        operation(1, 10, 11, Done::CalendarRead { events: 0, version: 2 }),
        booked(2, 12, 20, 7, 3, "a"),
    ];
    assert_broken(&history(0, by_nobody), "taken by a booking that came later");
}

/// A history of a right stock item under random overlaps, and perhaps a fault in it.
fn random_sale(choices: &mut Choices) -> History {
    let mut state = State { on_hand: 4, version: 2, ..State::default() };
    let (mut operations, mut now) = (Vec::new(), 0_i64);
    for client in 0..(3 + choices.below(6) as u32) {
        now += choices.below(3) as i64;
        let invoked = now - choices.below(6) as i64;
        let returned = now + choices.below(6) as i64;
        let done = match choices.below(8) {
            0 | 1 => Done::StockRead { on_hand: state.on_hand, version: state.version },
            _ if state.on_hand == 0 => Done::NotEnough { units: 1, available: Some(0) },
            2 => Done::PerhapsSold { units: 1 },
            _ => Done::Sold { units: 1, version: state.version + 1 },
        };
        let unknown = matches!(done, Done::PerhapsSold { .. });
        // Half of the unknown ones happened.
        if !unknown || choices.below(2) == 0 {
            state = state.after(&done).expect("the rules allow it");
        }
        let returned = if unknown { i64::MAX } else { returned };
        operations.push(operation(client, invoked, returned, done));
    }
    if choices.below(2) == 0 {
        let at = choices.below(operations.len() as u64) as usize;
        match &mut operations[at].done {
            Done::Sold { version, .. } | Done::StockRead { version, .. } => *version += 1,
            Done::NotEnough { available, .. } => *available = Some(1),
            _ => {}
        }
        if choices.below(2) == 0 {
            operations[at].invoked_us -= 8;
        }
    }
    history(4, operations)
}

/// The same of a calendar.
fn random_rush(choices: &mut Choices) -> History {
    let mut state = State { version: 2, ..State::default() };
    let (mut operations, mut now) = (Vec::new(), 0_i64);
    for client in 0..(3 + choices.below(6) as u32) {
        now += choices.below(3) as i64;
        let invoked = now - choices.below(6) as i64;
        let returned = now + choices.below(6) as i64;
        let slot = choices.below(3);
        let done = match (choices.below(5), state.booked.get(&slot)) {
            (0, _) => {
                Done::CalendarRead { events: state.booked.len() as u64, version: state.version }
            }
            (_, Some(by)) => Done::Taken { slot, by: by.clone() },
            (_, None) => Done::Booked {
                slot,
                event: format!("e{client}").into(),
                version: state.version + 1,
            },
        };
        state = state.after(&done).expect("the rules allow it");
        operations.push(operation(client, invoked, returned, done));
    }
    if choices.below(2) == 0 {
        let at = choices.below(operations.len() as u64) as usize;
        operations[at].invoked_us -= choices.below(20) as i64;
        let later = choices.below(12) as i64;
        operations[at].invoked_us += later;
        operations[at].returned_us += later;
    }
    history(0, operations)
}

#[test]
fn cutting_changes_no_verdict() {
    let (mut right, mut broken) = (0, 0);
    for seed in 0..4_000 {
        let mut choices = Choices::of(seed, 1);
        let history =
            if seed % 2 == 0 { random_sale(&mut choices) } else { random_rush(&mut choices) };
        let [whole, pieces] = verdicts(&history);
        match (&whole, &pieces) {
            (Verdict::Linearizable, Verdict::Linearizable) => right += 1,
            (Verdict::Broken(_), Verdict::Broken(_)) => broken += 1,
            _ => panic!("seed {seed}: whole {whole:?}, in pieces {pieces:?} of {history:#?}"),
        }
    }
    assert!(right > 500 && broken > 500, "{right} right and {broken} broken ones were tried");
}
