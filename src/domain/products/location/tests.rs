//! Given / when / then for locations.

use super::*;
use crate::testing::{Given, given_events, golden};

fn berlin() -> Details {
    Details {
        name: "Depot".to_owned(),
        kind: Kind::Warehouse,
        zone: "Europe/Berlin".parse().expect("a zone"),
        address: "Hafenstr. 1\n10000 Berlin".to_owned(),
    }
}

fn create(name: &str, kind: Kind, zone: &str) -> Command {
    let address = berlin().address;
    Command::Create { name: name.to_owned(), kind, zone: zone.to_owned(), address }
}

const NOTHING: Command = Command::Revise { name: None, kind: None, zone: None, address: None };

fn rename(name: &str) -> Command {
    Command::Revise { name: Some(name.to_owned()), kind: None, zone: None, address: None }
}

fn depot() -> Given<Location> {
    given_events(vec![Event::LocationCreated { details: berlin() }])
}

#[test]
fn a_location_is_made_once() {
    use Kind::{Shop, Warehouse};
    given_events::<Location>(vec![])
        .when(rename("Depot"))
        .refused("LOCATION_NOT_FOUND")
        .when(Command::Close {})
        .refused("LOCATION_NOT_FOUND")
        .when(Command::Reopen {})
        .refused("LOCATION_NOT_FOUND")
        .when(create(" ", Warehouse, "Europe/Berlin"))
        .refused("INVALID_TEXT")
        .when(create("Depot", Warehouse, "Mars/Base"))
        .refused("INVALID_TIME_ZONE")
        .when(create(" Depot ", Warehouse, "europe/berlin"))
        .then([Event::LocationCreated { details: berlin() }])
        .when(create("Depot", Warehouse, "Europe/Berlin"))
        .then([])
        .when(create("Depot", Shop, "Europe/Berlin"))
        .refused("LOCATION_EXISTS")
        .when(create("Depot", Warehouse, "Europe/Vienna"))
        .refused("LOCATION_EXISTS");
}

#[test]
fn what_is_given_is_changed_and_nothing_else() {
    let renamed = Details { name: "Harbour".to_owned(), ..berlin() };
    let shop = Details { kind: Kind::Shop, ..renamed.clone() };
    let moved = Details { address: String::new(), ..shop.clone() };
    let Command::Revise { name, kind, zone, .. } = NOTHING else { unreachable!() };
    depot()
        .when(NOTHING)
        .then([])
        .when(rename("Depot"))
        .then([])
        .when(rename("Harbour"))
        .then([Event::LocationRevised { details: renamed }])
        .when(Command::Revise { name: None, kind: Some(Kind::Shop), zone: None, address: None })
        .then([Event::LocationRevised { details: shop }])
        .when(Command::Revise { name, kind, zone, address: Some(String::new()) })
        .then([Event::LocationRevised { details: moved }])
        .when(rename("a\0b"))
        .refused("INVALID_TEXT")
        .when(Command::Revise {
            name: None,
            kind: None,
            zone: Some("Nowhere".to_owned()),
            address: None,
        })
        .refused("INVALID_TIME_ZONE");
}

#[test]
fn a_location_is_closed_and_opened_again_and_has_its_name_throughout() {
    let renamed = Details { name: "Harbour".to_owned(), ..berlin() };
    depot()
        .when(Command::Reopen {})
        .then([])
        .when(Command::Close {})
        .then([Event::LocationClosed {}])
        .when(Command::Close {})
        .then([])
        .when(rename("Harbour"))
        .then([Event::LocationRevised { details: renamed }])
        .when(Command::Reopen {})
        .then([Event::LocationReopened {}]);
}

#[test]
fn stored_events_keep_their_shape() {
    let samples = [
        Event::LocationCreated { details: berlin() },
        Event::LocationRevised { details: berlin() },
        Event::LocationClosed {},
        Event::LocationReopened {},
    ];
    golden(Location::TYPE, &samples);
}
