//! What a role sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::question::{Version, Whole};
use crate::testing::wire;
use crate::text::TextProblem;

fn commands() -> Vec<Command> {
    let (name, purpose) = ("Counter".to_owned(), "Counts.".to_owned());
    vec![
        Command::Define { name: name.clone(), purpose, permissions: vec![Permission::StockRead] },
        Command::Describe { name: Some(name), purpose: None },
        Command::Grant { permission: Permission::StockWrite },
        Command::Revoke { permission: Permission::StockWrite },
        Command::Retire {},
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotFound,
        Refusal::AlreadyExists,
        Refusal::Retired,
        InvalidText { field: "name".to_owned(), problem: TextProblem::Empty }.into(),
    ]
}

#[test]
fn what_crosses_keeps_its_form() {
    let details = Details { name: "Counter".to_owned(), purpose: "Counts.".to_owned() };
    let answers = wire::Answers::after(&[
        Event::RoleDefined { details },
        Event::PermissionGranted { permission: Permission::StockRead },
    ]);
    wire::golden::<Role>(&commands(), &refusals(), answers.to(Version).to(Whole));
}
