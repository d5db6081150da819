//! What a location sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::question::{Version, Whole};
use crate::scheduling::zone::Zone;
use crate::testing::wire;
use crate::text::TextProblem;

fn details() -> Details {
    Details {
        name: "Depot".to_owned(),
        kind: Kind::PickupPoint,
        zone: "Europe/Berlin".parse::<Zone>().expect("a zone"),
        address: "Hafenstr. 1".to_owned(),
    }
}

fn commands() -> Vec<Command> {
    let (name, zone, address) = ("Depot".to_owned(), "Europe/Berlin".to_owned(), String::new());
    vec![
        Command::Create { name: name.clone(), kind: Kind::Warehouse, zone, address },
        Command::Revise { name: Some(name), kind: None, zone: None, address: None },
        Command::Close {},
        Command::Reopen {},
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotFound,
        Refusal::AlreadyExists,
        Refusal::Closed,
        InvalidText { field: "name".to_owned(), problem: TextProblem::Empty }.into(),
        Refusal::InvalidTimeZone,
    ]
}

#[test]
fn what_crosses_keeps_its_form() {
    let answers = wire::Answers::after(&[Event::LocationCreated { details: details() }]);
    wire::golden::<Location>(&commands(), &refusals(), answers.to(Version).to(Whole).to(Standing));
}
