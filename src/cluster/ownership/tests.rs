//! Tables for ownership: given answers of the database, the steps that follow.

use super::*;
use persistence::journal::Pulse;

const LEASE_US: u64 = 5_000_000;

fn owner(node: &str, incarnation: u128) -> Owner {
    Owner { node: node.into(), incarnation: Uuid::from_u128(incarnation) }
}

fn standing() -> Standing {
    let acknowledged = BTreeMap::new();
    Standing { owner: owner("here", 10), alone: false, ended: Vec::new(), acknowledged }
}

fn watching(standing: Standing, shards: impl IntoIterator<Item = ShardId>) -> Ownership {
    Ownership::new(LeaseTerms::default(), standing, shards)
}

fn row(shard: ShardId, beat: u64, owner: Option<Owner>) -> Holding {
    let pulse = Pulse { epoch: 1, beat };
    Holding { shard, pulse, owner, acknowledged: 0, regressed: None }
}

fn held(shard: ShardId, beat: u64) -> Holding {
    row(shard, beat, Some(owner("other", 1)))
}

fn claim(shard: ShardId, beat: u64) -> Claim {
    Claim { shard, seen: Pulse { epoch: 1, beat }, acknowledged: 0 }
}

fn owned(shard: ShardId) -> Taken {
    Taken::Owned { shard, epoch: 1, head: 1, recorded_us: 0 }
}

/// Shard 0 taken at 0, shard 1 held by another.
fn serving() -> Ownership {
    let mut ownership = watching(standing(), [0, 1]);
    assert_eq!(ownership.tick(0), [Step::Look(vec![0, 1])]);
    ownership.looked(0, 0, Some(vec![row(0, 7, None), held(1, 1)]));
    assert_eq!(ownership.tick(0), [Step::Take(vec![claim(0, 7)])]);
    let steps = ownership.taken(0, 10, Some(vec![owned(0)]));
    assert!(matches!(steps[..], [Step::Open { shard: 0, because: Because::Free, .. }]));
    ownership
}

#[test]
fn reads_end_before_the_lease_counted_from_before_it_was_asked_for() {
    let ownership = serving();
    assert!(ownership.serves_reads(0, 4_499_999));
    assert!(!ownership.serves_reads(0, 4_500_000));
    assert!(!ownership.serves_reads(1, 10));
}

#[test]
fn a_shard_is_taken_when_its_pulse_stood_still_for_a_lease_from_the_first_answer() {
    let mut ownership = watching(standing(), [1]);
    ownership.tick(0);
    // The answer came late: what it shows may have been renewed until then.
    ownership.looked(0, 1_000, Some(vec![held(1, 3)]));
    let mut now = 1_000;
    let taken_at = loop {
        now = ownership.next_tick().max(now + 1);
        match &ownership.tick(now)[..] {
            [Step::Look(_)] => drop(ownership.looked(now, now, Some(vec![held(1, 3)]))),
            [Step::Take(claims)] => {
                assert_eq!(claims[..], [claim(1, 3)]);
                break now;
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(taken_at, 1_000 + LEASE_US);
    // Its owner was only slow: the wait begins anew.
    ownership.taken(now, now + 5, Some(vec![Taken::Held(held(1, 4))]));
    assert!(matches!(ownership.tick(now + LEASE_US)[..], [Step::Look(_)]));
}

#[test]
fn only_a_life_that_has_ended_for_certain_is_not_waited_for() {
    let ended = owner("here", 1);
    let cases = [
        // Our name proves nothing.
        (standing(), row(0, 1, Some(ended.clone())), false),
        // Our lock and our file do.
        (Standing { ended: vec![ended.incarnation], ..standing() }, row(0, 1, Some(ended)), true),
        // A taking of ours that was lost on its way, and happened after all.
        (standing(), row(0, 1, Some(standing().owner)), true),
        (Standing { alone: true, ..standing() }, held(0, 1), true),
        (standing(), held(0, 1), false),
        (standing(), row(0, 1, None), true),
    ];
    for (standing, row, at_once) in cases {
        let mut ownership = watching(standing, [0]);
        ownership.tick(0);
        ownership.looked(0, 5, Some(vec![row.clone()]));
        let took = matches!(ownership.tick(5)[..], [Step::Take(_)]);
        assert_eq!(took, at_once, "{row:?}");
    }
}

#[test]
fn a_living_twin_is_told_from_the_rows_of_a_dead_one() {
    let twin = owner("here", 1);
    let mut ownership = watching(standing(), [0]);
    let mut look = |now, beat| {
        assert!(matches!(ownership.tick(now)[..], [Step::Look(_)]));
        ownership.looked(now, now, Some(vec![row(0, beat, Some(twin.clone()))]))
    };
    assert_eq!(look(0, 1), []);
    assert_eq!(look(1_000_000, 1), [], "it may be dead");
    assert_eq!(look(2_000_000, 2), [Step::Twin(twin.clone())]);
}

#[test]
fn of_two_twins_that_both_hold_shards_one_goes_on() {
    for (other, ends) in [(1, true), (99, false)] {
        let mut ownership = serving();
        let steps = [2, 3].map(|beat| {
            let row = row(1, beat, Some(owner("here", other)));
            ownership.looked(20, 20, Some(vec![row]))
        });
        assert_eq!(matches!(steps[1][..], [Step::Twin(_)]), ends, "{steps:?}");
    }
}

#[test]
fn a_renewal_waits_for_no_take_and_no_look() {
    let mut ownership = serving();
    assert_eq!(ownership.next_tick(), 500_000);
    assert_eq!(ownership.tick(500_000), [Step::Look(vec![1])]);
    assert_eq!(ownership.next_tick(), LEASE_US / 3);
    assert_eq!(ownership.tick(LEASE_US / 3), [Step::Renew]);
    assert_eq!(ownership.next_tick(), u64::MAX);
    let steps = ownership.renewed(LEASE_US / 3, LEASE_US / 3 + 5, Some(vec![0]));
    assert_eq!(steps, []);
    assert!(ownership.serves_reads(0, LEASE_US));
}

#[test]
fn silence_extends_nothing_and_is_followed_by_another_question() {
    let mut ownership = serving();
    ownership.tick(LEASE_US / 3);
    ownership.renewed(LEASE_US / 3, LEASE_US / 3 + 5, None);
    assert!(ownership.next_tick() < LEASE_US);
    assert!(!ownership.serves_reads(0, 4_500_000));
}

#[test]
fn a_renewal_says_nothing_of_what_was_taken_after_it_was_sent() {
    let mut ownership = serving();
    let sent_at = LEASE_US / 3;
    ownership.looked(20, 20, Some(vec![row(1, 1, None)]));
    let steps = ownership.tick(sent_at);
    assert!(matches!(steps[..], [Step::Renew, Step::Take(_)]), "{steps:?}");
    ownership.taken(sent_at, sent_at + 5, Some(vec![owned(1)]));
    assert_eq!(ownership.renewed(sent_at, sent_at + 10, Some(vec![0])), []);
    assert!(ownership.is_serving(1));
    // The next one does.
    ownership.tick(2 * sent_at);
    let steps = ownership.renewed(2 * sent_at, 2 * sent_at + 10, Some(vec![0]));
    assert_eq!(steps, [Step::Close { shard: 1, loss: Loss::NotOurs }]);
}

#[test]
fn who_is_alone_renews_nothing_and_reads_for_ever() {
    let mut ownership = watching(Standing { alone: true, ..standing() }, [0]);
    ownership.tick(0);
    ownership.looked(0, 5, Some(vec![held(0, 1)]));
    ownership.tick(5);
    ownership.taken(5, 10, Some(vec![owned(0)]));
    assert_eq!(ownership.next_tick(), u64::MAX);
    assert!(ownership.serves_reads(0, u64::MAX - 1));
}

#[test]
fn what_is_taken_while_draining_is_given_back() {
    let mut ownership = serving();
    ownership.looked(20, 20, Some(vec![row(1, 1, None)]));
    ownership.tick(20);
    ownership.drain();
    let steps = ownership.taken(20, 30, Some(vec![owned(1)]));
    assert_eq!(steps, [Step::Release(vec![1])]);
    assert!(!ownership.is_serving(1));
}

#[test]
fn a_shard_that_regressed_here_stays_stopped_and_is_recorded_until_it_is_done() {
    let mut ownership = serving();
    let regression = Regression { shard: 0, acknowledged: 9, found: 4, gone_on: None };
    let close = Step::Close { shard: 0, loss: Loss::Regressed };
    assert_eq!(ownership.regressed(regression), [Step::Stopped(regression), close]);
    assert_eq!(ownership.fenced(0, 20), []);
    assert_eq!(ownership.tick(20), [Step::Record(regression)]);
    ownership.recorded(0, 30, false);
    // Until that has succeeded nobody else may have it.
    let later = LEASE_US / 3 + 1;
    assert_eq!(ownership.tick(later), [Step::Renew, Step::Record(regression)]);
    ownership.recorded(0, later, true);
    ownership.renewed(later, later, Some(vec![0]));
    assert!(!ownership.is_serving(0));
    // The other one is free by now; this one is not asked for any more.
    assert_eq!(ownership.tick(2 * LEASE_US), [Step::Take(vec![claim(1, 1)])]);
}

#[test]
fn a_shard_that_is_recorded_as_regressed_is_taken_once_an_operator_has_accepted_the_loss() {
    let mut ownership = watching(standing(), [0]);
    ownership.tick(0);
    let stopped = Holding { acknowledged: 9, regressed: Some(4), ..row(0, 1, None) };
    let regression = Regression { shard: 0, acknowledged: 9, found: 4, gone_on: None };
    assert_eq!(ownership.looked(0, 5, Some(vec![stopped])), [Step::Stopped(regression)]);
    assert!(ownership.in_good_hands(2), "it is not waited for");
    assert_eq!(ownership.tick(LEASE_US), [Step::Look(vec![0])]);
    let steps = ownership.looked(LEASE_US, LEASE_US, Some(vec![row(0, 1, None)]));
    assert_eq!(steps, [Step::Resumed(0)]);
    assert!(matches!(ownership.tick(LEASE_US)[..], [Step::Take(_)]));
}

/// Shard 0 and 1 taken at 0, and wanted; shard 2 held by another.
fn member() -> Ownership {
    let mut ownership = watching(standing(), [0, 1, 2]);
    ownership.want(BTreeSet::from([0, 1]));
    ownership.tick(0);
    ownership.looked(0, 0, Some(vec![row(0, 7, None), row(1, 7, None), held(2, 1)]));
    ownership.tick(0);
    ownership.taken(0, 10, Some(vec![owned(0), owned(1)]));
    ownership
}

#[test]
fn what_is_not_wanted_is_not_taken_however_free_it_is() {
    let mut ownership = watching(standing(), [0, 1]);
    ownership.want(BTreeSet::from([1]));
    ownership.tick(0);
    ownership.looked(0, 0, Some(vec![row(0, 7, None), row(1, 7, None)]));
    assert_eq!(ownership.tick(0), [Step::Take(vec![claim(1, 7)])]);
    ownership.taken(0, 1, Some(vec![owned(1)]));
    for now in [600_000, LEASE_US, 2 * LEASE_US, 9 * LEASE_US] {
        let steps = ownership.tick(now);
        assert!(!steps.iter().any(|step| matches!(step, Step::Take(_))), "{steps:?} at {now}");
        ownership.looked(now, now, Some(vec![row(0, 7, None)]));
        ownership.renewed(now, now, Some(vec![1]));
    }
}

#[test]
fn what_is_not_wanted_any_more_is_let_go_when_it_is_quiet_and_held_until_then() {
    let mut ownership = member();
    ownership.want(BTreeSet::from([0]));
    assert_eq!(ownership.next_tick(), 0);
    let steps = ownership.tick(20);
    assert!(steps.contains(&Step::Quiesce(vec![1])), "{steps:?}");
    assert!(!ownership.tick(30).contains(&Step::Quiesce(vec![1])), "once");
    // What it admitted is still decided and answered under the lease.
    assert!(ownership.serves_reads(1, 40) && ownership.is_serving(1));
    let steps = ownership.quiet(&[1], 50);
    let closed = Step::Close { shard: 1, loss: Loss::HandedOver };
    assert_eq!(steps, [closed, Step::Release(vec![1])]);
    assert!(!ownership.serves_reads(1, 50));
    assert_eq!(ownership.quiet(&[1, 0], 60), [], "neither is leaving");
}

#[test]
fn a_giving_up_that_failed_is_done_again_with_the_next_renewal() {
    let mut ownership = member();
    ownership.want(BTreeSet::from([0]));
    ownership.tick(20);
    ownership.quiet(&[1], 50);
    // It stands in the answer, so that it was renewed: nobody could ever take it.
    let steps = ownership.renewed(60, 70, Some(vec![0, 1]));
    assert_eq!(steps, [Step::Release(vec![1])]);
    assert_eq!(ownership.renewed(80, 90, Some(vec![0])), []);
}

#[test]
fn a_shard_that_was_fenced_while_it_became_quiet_is_not_given_up_for_another() {
    let mut ownership = member();
    ownership.want(BTreeSet::from([0]));
    ownership.tick(20);
    assert_eq!(ownership.fenced(1, 30).len(), 1);
    assert_eq!(ownership.quiet(&[1], 40), []);
}

#[test]
fn shards_are_in_good_hands_while_they_move_and_not_when_nobody_takes_them() {
    let mut ownership = watching(standing(), [0, 2]);
    ownership.want(BTreeSet::from([0]));
    assert!(!ownership.in_good_hands(0), "nothing was seen");
    ownership.tick(0);
    ownership.looked(0, 0, Some(vec![row(0, 7, None), held(2, 1)]));
    assert!(!ownership.in_good_hands(0), "it does not have its own yet");
    ownership.tick(0);
    ownership.taken(0, 10, Some(vec![owned(0)]));
    assert!(ownership.in_good_hands(10));
    // The other gives its shard up, and nobody takes it.
    ownership.looked(20, 20, Some(vec![row(2, 2, None)]));
    assert!(ownership.in_good_hands(19 + 2 * LEASE_US), "one that died is followed meanwhile");
    assert!(!ownership.in_good_hands(20 + 2 * LEASE_US));
    // One that is alone is not content with that.
    let mut alone = serving();
    assert!(!alone.in_good_hands(10));
}

#[test]
fn whoever_waits_for_what_it_wants_looks_often() {
    let mut ownership = watching(standing(), [0, 1]);
    ownership.want(BTreeSet::from([1]));
    ownership.tick(0);
    ownership.looked(0, 0, Some(vec![held(0, 1), held(1, 1)]));
    assert_eq!(ownership.next_tick(), 50_000);
    ownership.want(BTreeSet::new());
    ownership.tick(50_000);
    ownership.looked(50_000, 50_000, Some(vec![held(0, 1), held(1, 1)]));
    assert_eq!(ownership.next_tick(), 550_000);
}

/// Shard 0 taken with record 5 of epoch 1.
fn taken_at_5() -> Ownership {
    let mut ownership = watching(standing(), [0]);
    ownership.tick(0);
    ownership.looked(0, 0, Some(vec![row(0, 7, None)]));
    ownership.tick(0);
    ownership.taken(
        0,
        10,
        Some(vec![Taken::Owned { shard: 0, epoch: 1, head: 5, recorded_us: 0 }]),
    );
    ownership
}

#[test]
fn what_is_known_late_stops_a_log_that_was_taken_below_it() {
    let known = |seq| BTreeMap::from([(0, seq)]);
    let mut ownership = taken_at_5();
    assert_eq!(ownership.knows(&known(4)), [], "the log was as long as that");
    let regression = Regression { shard: 0, acknowledged: 5, found: 4, gone_on: Some(1) };
    let close = Step::Close { shard: 0, loss: Loss::Regressed };
    assert_eq!(ownership.knows(&known(5)), [Step::Stopped(regression), close]);
    assert_eq!(ownership.tick(20), [Step::Record(regression)]);
    assert_eq!(ownership.knows(&known(9)), [], "once");
}

#[test]
fn what_is_known_late_is_held_against_what_is_taken_then_and_later() {
    // While it is asked for, …
    let mut ownership = watching(standing(), [0]);
    ownership.tick(0);
    ownership.looked(0, 0, Some(vec![row(0, 7, None)]));
    ownership.tick(0);
    assert_eq!(ownership.knows(&BTreeMap::from([(0, 1)])), []);
    let steps = ownership.taken(0, 10, Some(vec![owned(0)]));
    let regression = Regression { shard: 0, acknowledged: 1, found: 0, gone_on: Some(1) };
    let close = Step::Close { shard: 0, loss: Loss::Regressed };
    assert!(matches!(steps[0], Step::Open { .. }));
    assert_eq!(steps[1..], [Step::Stopped(regression), close]);
    // … and before it is.
    let mut ownership = watching(standing(), [0]);
    ownership.knows(&BTreeMap::from([(0, 9)]));
    ownership.tick(0);
    ownership.looked(0, 0, Some(vec![row(0, 7, None)]));
    let claim = Claim { acknowledged: 9, ..claim(0, 7) };
    assert_eq!(ownership.tick(0), [Step::Take(vec![claim])]);
}
