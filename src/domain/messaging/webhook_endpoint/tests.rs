//! Given / when / then for endpoints.

use super::*;
use crate::testing::{Given, given_events, golden, noon_plus};

/// When commands come.
const NOW: i64 = 21 * 3600;
const ID: &str = "1cbb8471-c930-8224-8227-233b70ae530b";
const URL: &str = "https://hooks.example/shop?v=1";

fn types(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn register(url: &str, names: &[&str]) -> Command {
    Command::Register { url: url.to_owned(), types: types(names) }
}

fn details(names: &[&str]) -> Details {
    Details { url: URL.to_owned(), types: types(names) }
}

fn registered() -> Event {
    Event::EndpointRegistered { details: details(&[]), since: noon_plus(NOW) }
}

fn endpoint() -> Given<WebhookEndpoint> {
    given_events(vec![registered()])
}

#[test]
fn an_endpoint_is_registered_once_and_told_what_happens_from_then_on() {
    let mut given = given_events::<WebhookEndpoint>(vec![])
        .when(Command::Pause {})
        .refused("WEBHOOK_ENDPOINT_NOT_FOUND");
    let long = format!("https://hooks.example/{}", "x".repeat(URL_BYTES_MAX));
    for url in [
        "",
        "hooks.example",
        "ftp://hooks.example",
        "https://",
        "https:///path",
        "https://me:secret@hooks.example",
        "https://hooks.example/#part",
        "https://hooks example",
        "https://hooks.example\\@other",
        &long,
    ] {
        given = given.when(register(url, &[])).refused("INVALID_URL");
    }
    given
        .when(register(URL, &["a b"]))
        .refused("INVALID_EVENT_TYPE")
        .when(register(URL, &["order.placed", "order.placed"]))
        .refused("INVALID_EVENT_TYPE")
        .when(register(URL, &[]))
        .then([registered()])
        .when(register(URL, &[]))
        .then([])
        .when(register(URL, &["order.placed"]))
        .refused("WEBHOOK_ENDPOINT_EXISTS");
}

#[test]
fn what_is_given_is_changed_and_nothing_else() {
    let revise = |names: &[&str]| Command::Revise { url: None, types: Some(types(names)) };
    endpoint()
        .when(Command::Revise { url: None, types: None })
        .then([])
        .when(Command::Revise { url: Some("nowhere".to_owned()), types: None })
        .refused("INVALID_URL")
        .when(revise(&["user.registered", "order.placed"]))
        .then([Event::EndpointRevised { details: details(&["order.placed", "user.registered"]) }])
        .when(revise(&["order.placed", "user.registered"]))
        .then([]);
}

#[test]
fn a_secret_signs_beside_the_next_one_for_a_while() {
    let rotated = Event::SecretRotated { number: 2, previous_until: noon_plus(NOW + 60) };
    let given = endpoint()
        .when(Command::RotateSecret { overlap_seconds: OVERLAP_SECONDS_MAX + 1 })
        .refused("INVALID_OVERLAP")
        .when(Command::RotateSecret { overlap_seconds: -1 })
        .refused("INVALID_OVERLAP")
        .when(Command::RotateSecret { overlap_seconds: 60 })
        .then([rotated]);
    let signing = |at| given.state.secret.signing(noon_plus(at)).collect::<Vec<_>>();
    assert_eq!((signing(NOW + 59), signing(NOW + 60)), (vec![2, 1], vec![2]));
}

#[test]
fn what_happened_is_told_again_as_often_as_it_is_wanted() {
    let replay = |at| Command::Replay { since: noon_plus(at) };
    let begun = |number, at| Event::ReplayBegun { number, since: noon_plus(at) };
    endpoint()
        .when(replay(NOW + 1))
        .refused("INVALID_SINCE")
        .when(replay(5))
        .then([begun(2, 5)])
        .when(replay(5))
        .then([begun(3, 5)]);
}

#[test]
fn an_event_is_parked_once_and_until_a_replay() {
    let park = |event: &str| Command::Park { event: event.to_owned() };
    let parked = |event: &str| Event::EventParked { event: event.to_owned() };
    let name = format!("order/{ID}/3");
    let mut given = endpoint();
    for bad in [
        "",
        "order",
        "order/1/2",
        &format!("order/{ID}"),
        &format!("order/{ID}/0"),
        &format!("order/{ID}/x"),
        &format!("/{ID}/3"),
        &format!("{name}/4"),
        &name.to_uppercase(),
    ] {
        given = given.when(park(bad)).refused("INVALID_EVENT_NAME");
    }
    let replay = Command::Replay { since: noon_plus(5) };
    let begun = Event::ReplayBegun { number: 2, since: noon_plus(5) };
    given.when(park(&name)).then([parked(&name)]).when(park(&name)).then([]);
    endpoint()
        .when(park(&name))
        .then([parked(&name)])
        .when(replay)
        .then([begun])
        .when(park(&name))
        .then([parked(&name)]);
    let mut state = State::default();
    for version in 1..=PARKED_MAX + 1 {
        state.apply(&parked(&format!("order/{ID}/{version}")));
    }
    let kept = (state.parked.len(), &state.parked[0]);
    assert_eq!(kept, (PARKED_MAX, &format!("order/{ID}/2")), "the oldest made room");
}

#[test]
fn an_endpoint_is_paused_resumed_and_removed_for_ever() {
    endpoint()
        .when(Command::Resume {})
        .then([])
        .when(Command::Pause {})
        .then([Event::EndpointPaused {}])
        .when(Command::Pause {})
        .then([])
        .when(Command::Resume {})
        .then([Event::EndpointResumed {}])
        .when(Command::Remove {})
        .then([Event::EndpointRemoved {}])
        .when(Command::Remove {})
        .then([])
        .when(Command::Resume {})
        .refused("WEBHOOK_ENDPOINT_REMOVED")
        .when(register(URL, &[]))
        .refused("WEBHOOK_ENDPOINT_EXISTS");
}

#[test]
fn stored_events_keep_their_shape() {
    let samples = [
        Event::EndpointRegistered { details: details(&["order.placed"]), since: noon_plus(0) },
        Event::EndpointRevised { details: details(&[]) },
        Event::EndpointPaused {},
        Event::EndpointResumed {},
        Event::SecretRotated { number: 2, previous_until: noon_plus(60) },
        Event::ReplayBegun { number: 2, since: noon_plus(0) },
        Event::EventParked { event: format!("order/{ID}/3") },
        Event::EndpointRemoved {},
    ];
    golden(WebhookEndpoint::TYPE, &samples);
}
