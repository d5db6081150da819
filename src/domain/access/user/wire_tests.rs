//! What a user sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::question::{Version, Whole};
use crate::testing::{index, noon, sealed_email, sealed_name, wire};
use crate::text::TextProblem;

fn commands() -> Vec<Command> {
    let (role, scope) = (RoleName::read("clerk").expect("it ships"), Scope::All);
    vec![
        Command::Register {
            email: sealed_email("ada@example.com"),
            reservation: noon(),
            display_name: sealed_name("Ada"),
            locale: "en".to_owned(),
        },
        Command::ChangeProfile { display_name: Some(sealed_name("Ada L.")), locale: None },
        Command::ChangeEmail { email: sealed_email("ada@example.org"), reservation: noon() },
        Command::FenceReservation { email: index("ada@example.com"), through: noon() },
        Command::Suspend { reason: "fraud".to_owned() },
        Command::Reinstate {},
        Command::Close { reason: "asked for it".to_owned() },
        Command::MarkErased {},
        Command::AssignRole { role: role.clone(), scope, valid_until: Some(noon()) },
        Command::RevokeRole { role, scope },
        Command::Impersonate { by: helper(), reason: "a call".to_owned(), minutes: 30 },
        Command::EndImpersonation { by: helper() },
        Command::Released { version: 7, then: Box::new(Command::Reinstate {}) },
    ]
}

fn helper() -> AggregateId {
    AggregateId(uuid::Uuid::from_u128(8))
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotFound,
        Refusal::AlreadyExists,
        Refusal::IllegalTransition { from: Status::Suspended },
        InvalidText { field: "reason".to_owned(), problem: TextProblem::Empty }.into(),
        Refusal::InvalidLocale,
        Refusal::InvalidRole,
        Refusal::RoleExpired,
        Refusal::TooManyRoles,
        Refusal::RoleNotAssigned,
        Refusal::ReservationLapsed,
        Refusal::EmailInUse,
        Refusal::NotReleased,
        Refusal::ImpersonationOfSelf,
        Refusal::InvalidMinutes,
    ]
}

fn answers() -> wire::Answers<User> {
    let registered = Event::UserRegistered {
        email: sealed_email("ada@example.com"),
        reservation: noon(),
        display_name: sealed_name("Ada"),
        locale: "en".to_owned(),
    };
    let (role, scope) = (RoleName::read("clerk").expect("it ships"), Scope::All);
    let assigned = Event::RoleAssigned { role, scope, valid_until: Some(noon()) };
    let (by, reason) = (helper(), "a call".to_owned());
    let until = noon() + chrono::TimeDelta::minutes(30);
    let impersonated = Event::UserImpersonated { by, reason, at: noon(), until };
    wire::Answers::after(&[registered, assigned, impersonated])
        .to(Version)
        .to(Whole)
        .to(IsRegistered)
        .to(Standing)
}

#[test]
fn what_crosses_keeps_its_form() {
    wire::golden::<User>(&commands(), &refusals(), answers());
}
