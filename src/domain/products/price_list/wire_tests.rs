//! What a price list sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::question::{Version, Whole};
use crate::testing::wire;
use crate::text::TextProblem;

#[test]
fn what_crosses_keeps_its_form() {
    let currency = Currency::from_code("EUR").expect("a currency");
    let (name, mode) = (|| "Retail".to_owned(), PriceMode::Gross);
    wire::golden::<PriceList>(
        &[Command::Open { name: name(), currency, mode }, Command::Rename { name: name() }],
        &[
            Refusal::NotFound,
            Refusal::OnOtherTerms { currency, mode },
            InvalidText { field: "name".to_owned(), problem: TextProblem::TooLong }.into(),
        ],
        wire::Answers::after(&[Event::PriceListOpened { name: name(), currency, mode }])
            .to(Version)
            .to(Whole),
    );
}
