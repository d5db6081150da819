//! A message is applied once, waits for what it came ahead of, and is parked where nothing helps.

use super::*;
use crate::checkout::{self, Checkout, payment_reference};
use crate::saga::Outcome;
use domain::money::{Currency, Money};
use domain::testing::{given, golden, noon_plus, uuid};

const SOURCE: &str = "payments/test";

fn payment(outcome: PaymentOutcome) -> Content {
    Content::Payment { reference: payment_reference(AggregateId(uuid(7))), outcome }
}

fn approved() -> Content {
    let amount = Money::new(100, Currency::from_code("EUR").expect("a currency"));
    payment(PaymentOutcome::Approved { amount, provider: "test".into() })
}

fn declined() -> Content {
    payment(PaymentOutcome::Declined { code: "CARD_DECLINED".to_owned() })
}

fn receive(content: Content) -> Command {
    Command::Receive { source: SOURCE.to_owned(), event: "evt_1".to_owned(), content }
}

fn received(content: Content) -> Event {
    Event::MessageReceived { source: SOURCE.to_owned(), event: "evt_1".to_owned(), content }
}

fn parked(error: &str) -> Event {
    Event::MessageParked { error: error.to_owned() }
}

fn message(events: Vec<Event>) -> domain::testing::Given<InboxMessage> {
    given(message_id(SOURCE, "evt_1"), events)
}

#[test]
fn it_is_received_once_and_says_one_thing() {
    message(vec![])
        .when(receive(approved()))
        .then([received(approved())])
        .when(receive(approved()))
        .then([])
        .when(receive(declined()))
        .refused_as(Refusal::Conflict)
        .when(Command::RecordApplied)
        .then([Event::MessageApplied {}])
        .when(receive(approved()))
        .then([])
        .when(Command::RecordApplied)
        .then([])
        .when(Command::RecordFailure { error: "UNAVAILABLE".to_owned() })
        .then([])
        .when(Command::Drop { reason: "why not".to_owned() })
        .refused_as(Refusal::IllegalTransition {
            phase: Phase::Applied,
            command: "be dropped".into(),
        });
    given::<InboxMessage>(AggregateId(uuid(1)), vec![])
        .when(receive(approved()))
        .refused_as(Refusal::WrongIdentity)
        .when(Command::Retry)
        .refused_as(Refusal::NotFound);
}

#[test]
fn what_cannot_be_read_or_speaks_of_nothing_here_is_parked_at_once() {
    let unrelated =
        Content::Payment { reference: "elsewhere".to_owned(), outcome: PaymentOutcome::NotFound };
    message(vec![])
        .when(receive(unrelated.clone()))
        .then([received(unrelated), parked("PAYMENT_NOT_FOUND")])
        .when(Command::Retry)
        .refused_as(Refusal::Unreadable);
    let unreadable = Content::Unreadable {};
    message(vec![])
        .when(receive(unreadable.clone()))
        .then([received(unreadable.clone()), parked("MESSAGE_UNREADABLE")])
        .when(receive(unreadable.clone()))
        .then([])
        .when(Command::Retry)
        .refused_as(Refusal::Unreadable)
        // By a program that can read it.
        .when(receive(approved()))
        .then([received(approved())])
        .when(receive(unreadable))
        .then([]);
}

#[test]
fn it_is_tried_again_and_parked_in_the_end() {
    let error = || "CHECKOUT_NOT_FOUND".to_owned();
    let mut given = message(vec![received(approved())]);
    for attempt in 1..RETRIES.attempts_max {
        given = given.when(Command::RecordFailure { error: error() }).accepted();
        assert_eq!(given.state.attempts, attempt);
        let next = InboxMessage::next(&given.state, domain::testing::noon());
        assert!(matches!(next, Next::Wait { .. }), "{next:?}");
    }
    given
        .when(Command::RecordFailure { error: error() })
        .then([parked("CHECKOUT_NOT_FOUND")])
        .when(Command::RecordFailure { error: error() })
        .then([])
        .when(Command::Retry)
        .then([Event::MessageResumed {}])
        .when(Command::Retry)
        .refused_as(Refusal::UnderWay)
        .when(Command::RecordRefused { code: "PAYMENT_CONFLICT".to_owned() })
        .then([parked("PAYMENT_CONFLICT")])
        .when(Command::Drop { reason: "settled by hand".to_owned() })
        .then([Event::MessageDropped { reason: "settled by hand".to_owned() }])
        .when(Command::Drop { reason: "settled by hand".to_owned() })
        .then([])
        .when(Command::Retry)
        .refused_as(Refusal::IllegalTransition {
            phase: Phase::Dropped,
            command: "be applied again".into(),
        });
}

#[test]
fn each_answer_of_a_checkout_means_something() {
    let outcome_of = |answer: Result<(), checkout::Refusal>| {
        let state = message(vec![received(declined())]).state;
        let Next::Do(steps) = InboxMessage::next(&state, noon_plus(0)) else {
            panic!("there is something to do")
        };
        let Request::Checkout(call) = InboxMessage::request(&steps[0]) else {
            panic!("a checkout is asked")
        };
        assert_eq!(call.to, checkout::checkout_id(AggregateId(uuid(7))));
        (call.then)(answer)
    };
    assert_eq!(outcome_of(Ok(())), Outcome::EndsRow(Command::RecordApplied));
    let code = "PAYMENT_CONFLICT".to_owned();
    assert_eq!(
        outcome_of(Err(checkout::Refusal::PaymentConflict)),
        Outcome::EndsRow(Command::RecordRefused { code })
    );
    let early = outcome_of(Err(checkout::Refusal::NotFound));
    assert_eq!(early, Outcome::Failed("CHECKOUT_NOT_FOUND".to_owned()));
    assert!(Checkout::noticed("elsewhere", &PaymentOutcome::NotFound).is_none());
}

#[test]
fn stored_events_keep_their_shape() {
    golden(
        InboxMessage::TYPE,
        &[
            received(approved()),
            received(Content::Unreadable {}),
            Event::MessageApplied {},
            Event::MessageFailed {
                attempt: 2,
                next_at: noon_plus(2),
                error: "CHECKOUT_NOT_FOUND".to_owned(),
            },
            parked("PAYMENT_CONFLICT"),
            Event::MessageResumed {},
            Event::MessageDropped { reason: "settled by hand".to_owned() },
        ],
    );
}
