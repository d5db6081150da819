//! The core on its own: who waits for what, and what a failure takes along.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::*;
use domain::aggregate::{DomainEvent, Refusal};

struct Counter;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
enum Counted {
    Counted { by: u32 },
}
impl DomainEvent for Counted {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Enough;
impl fmt::Display for Enough {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("it is enough")
    }
}
impl Refusal for Enough {
    fn code(&self) -> &'static str {
        "ENOUGH"
    }
}

domain::questions!(Counter {});

/// Counts to three.
impl Aggregate for Counter {
    const TYPE: &'static str = "counter";
    const STATE_SCHEMA: u32 = 1;
    type State = u32;
    type Command = u32;
    type Event = Counted;
    type Refusal = Enough;
    type Questions = Questions;
    fn decide(state: &u32, by: &u32, _: &Context) -> Result<Vec<Counted>, Enough> {
        if state + by > 3 {
            return Err(Enough);
        }
        Ok(vec![Counted::Counted { by: *by }])
    }
    fn apply(state: &mut u32, event: &Counted) {
        let Counted::Counted { by } = event;
        *state += by;
    }
}

fn core(recovered: Recovered<Counter>) -> AggregateCore<Counter, u32> {
    let home = Home { node: "node".into(), shard: 0, epoch: 1 };
    let mut core = AggregateCore::new(AggregateId(Uuid::from_u128(1)), home);
    core.install(recovered);
    core
}

fn request(reply: u32, by: u32, key: &str) -> Request<Counter, u32> {
    let command_id = Uuid::from_u128(u128::from(reply));
    Request {
        command: Some(by),
        meta: CommandMeta {
            command_id,
            key: Some(key.into()),
            correlation_id: command_id,
            cause: None,
            principal: domain::principal::Principal::client("p"),
            trace: None,
            expected_version: None,
            dry_run: false,
        },
        input_hash: u64::from(by),
        reply,
        examined: 0,
    }
}

/// Asks for the outcome of a key that guards this content.
fn inquiry(reply: u32, by: u32, key: &str) -> Request<Counter, u32> {
    Request { command: None, ..request(reply, by, key) }
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn waits(core: &mut AggregateCore<Counter, u32>, request: Request<Counter, u32>) {
    assert!(matches!(core.decide(request, now()), Decided::Waits));
}

#[test]
fn a_refusal_on_tentative_state_waits_for_what_it_rests_on() {
    let mut core = core(Recovered::default());
    waits(&mut core, request(1, 3, "a"));
    waits(&mut core, request(2, 1, "b"));
    core.cut().expect("an entry is open");
    assert_eq!(core.read().state, 0, "nothing is confirmed");
    let released = core.committed(7);
    let verdicts: Vec<_> = released.into_iter().map(|(_, verdict)| verdict).collect();
    let done = Verdict::Done(Committed { version: 1, shard: 0, seq: 7 });
    assert_eq!(verdicts, [done, Verdict::Refused(Enough)]);
    assert_eq!(core.read().state, 3);
}

#[test]
fn a_repeated_key_shares_the_fate_of_the_first_and_other_content_is_told_apart() {
    let mut core = core(Recovered::default());
    waits(&mut core, request(1, 1, "a"));
    waits(&mut core, request(2, 1, "a"));
    waits(&mut core, request(3, 2, "a"));
    core.cut().expect("an entry is open");
    let released = core.committed(7);
    assert_eq!(released[0].1, released[1].1);
    assert_eq!(released[2].1, Verdict::KeyReused);
    assert_eq!(core.read().state, 1);
}

#[test]
fn what_is_dropped_takes_all_behind_it_along_and_needs_a_recovery() {
    let mut core = core(Recovered::default());
    waits(&mut core, request(1, 1, "a"));
    core.cut().expect("an entry is open");
    waits(&mut core, request(2, 1, "b"));
    let released = core.dropped(&Dropped::ShutOut);
    assert_eq!(released.len(), 2);
    assert!(!core.is_ready() && core.nothing_pending());
    assert_eq!(core.read().version, 0);
}

#[test]
fn a_false_hit_on_the_page_being_filled_is_searched_once() {
    let mut recovered = Recovered::<Counter> { version: 10, ..Recovered::default() };
    recovered.keys.insert(keys::fingerprint(&domain::principal::Principal::client("p"), "a"), 3, 0);
    let mut core = core(recovered);
    let decided = core.decide(request(1, 1, "a"), now());
    let Decided::Search { mut request, through, pages } = decided else {
        panic!("the key may have been used");
    };
    assert_eq!((through, &pages[..]), (10, &[(1, 10)][..]));
    request.examined = through;
    waits(&mut core, request);
}

#[test]
fn the_outcome_of_a_key_is_told_and_nothing_is_decided() {
    let mut core = core(Recovered::default());
    let Decided::Answer(1, Verdict::KeyUnused) = core.decide(inquiry(1, 1, "a"), now()) else {
        panic!("nobody used the key");
    };
    assert!(core.nothing_pending(), "asking leaves nothing behind");
    waits(&mut core, request(2, 1, "a"));
    waits(&mut core, inquiry(3, 1, "a"));
    waits(&mut core, inquiry(4, 2, "a"));
    let Decided::Answer(5, Verdict::KeyUnused) = core.decide(inquiry(5, 1, "b"), now()) else {
        panic!("whatever becomes of what is pending, it did not use this key");
    };
    core.cut().expect("an entry is open");
    let verdicts: Vec<_> = core.committed(7).into_iter().map(|(_, verdict)| verdict).collect();
    let done = Verdict::Done(Committed { version: 1, shard: 0, seq: 7 });
    assert_eq!(verdicts, [done.clone(), done, Verdict::KeyReused]);
    let Decided::Search { pages, .. } = core.decide(inquiry(6, 1, "a"), now()) else {
        panic!("the log has it");
    };
    assert_eq!(pages, [(1, 1)]);
    assert_eq!(core.read().version, 1);
}

#[test]
fn an_inquiry_shares_the_fate_of_the_command_it_asks_about() {
    let mut core = core(Recovered::default());
    waits(&mut core, request(1, 1, "a"));
    core.cut().expect("an entry is open");
    waits(&mut core, inquiry(2, 1, "a"));
    let released = core.dropped(&Dropped::ShutOut);
    assert_eq!(released.len(), 2);
    assert!(released.iter().all(|(_, verdict)| *verdict == Verdict::Dropped(Dropped::ShutOut)));
}

#[test]
fn a_key_that_fits_no_more_is_still_told_of() {
    let full = vec![(0, 0); FRESH_KEYS_MAX];
    let mut core = core(Recovered { fresh_keys: full, ..Recovered::default() });
    let refused = core.decide(request(1, 1, "a"), now());
    assert!(matches!(refused, Decided::Answer(1, Verdict::KeysFull)));
    let told = core.decide(inquiry(2, 1, "a"), now());
    assert!(matches!(told, Decided::Answer(2, Verdict::KeyUnused)));
}
