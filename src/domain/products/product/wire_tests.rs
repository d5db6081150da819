//! What a product sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::money::{Currency, Money};
use crate::question::{Version, Whole};
use crate::tax::PriceMode;
use crate::testing::{uuid, wire};
use crate::text::TextProblem;

fn price() -> ListPrice {
    let amount = Money::new(1_999, Currency::from_code("EUR").expect("a currency"));
    ListPrice { amount, mode: PriceMode::Gross }
}

fn commands() -> Vec<Command> {
    let (variant, list, price) = (VariantId(uuid(1)), PriceListId(uuid(7)), price());
    let name = || "Teapot".to_owned();
    let family = || "kitchen".to_owned();
    let description = "Holds tea.".to_owned();
    vec![
        Command::Create { name: name(), family: family(), description: description.clone() },
        Command::Revise { name: name(), family: family(), description },
        Command::Translate { language: "de-AT".to_owned(), name: name(), description: family() },
        Command::RemoveTranslation { language: "de-AT".to_owned() },
        Command::AddVariant { variant, sku: "TEA-S".to_owned(), name: "small".to_owned() },
        Command::SetPrice { variant, list, price },
        Command::RemovePrice { variant, list },
        Command::SetTaxRate { rate: Rate::from_basis_points(1_900).expect("a rate") },
        Command::Publish,
        Command::Unpublish,
        Command::Archive,
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotFound,
        Refusal::AlreadyExists,
        Refusal::IllegalTransition { status: Status::Archived, command: "publish".into() },
        InvalidText { field: "name".to_owned(), problem: TextProblem::TooLong }.into(),
        Refusal::InvalidLanguage { max: 35 },
        Refusal::InvalidSku { max: 64 },
        Refusal::SkuTaken { sku: "TEA-S".to_owned() },
        Refusal::VariantConflict,
        Refusal::VariantNotFound,
        Refusal::InvalidPrice { max: 1_000 },
        Refusal::NothingToSell,
        Refusal::LastPrice,
        Refusal::TooMany { max: 100 },
    ]
}

fn answers() -> wire::Answers<Product> {
    let (variant, list, price) = (VariantId(uuid(1)), PriceListId(uuid(7)), price());
    let text = |text: &str| text.to_owned();
    let (name, family, description) = (text("Teapot"), text("kitchen"), text("Holds tea."));
    let costs = |variant| WhatItCosts { variant, list };
    wire::Answers::after(&[
        Event::ProductCreated { name, family, description },
        Event::VariantAdded { variant, sku: text("TEA-S"), name: text("small") },
        Event::PriceChanged { variant, list, from: None, to: price },
        Event::ProductPublished {},
    ])
    .to(Version)
    .to(Whole)
    .to(costs(variant))
    .to(costs(VariantId(uuid(2))))
}

#[test]
fn what_crosses_keeps_its_form() {
    wire::golden::<Product>(&commands(), &refusals(), answers());
}
