//! A shop of any size, drawn by numbers that are the same in every run, and what its customers ask:
//! for tests and for figures.

use domain::id::{AggregateId, VariantId};
use domain::money::{Currency, Money};
use domain::products::price_list::default_list;
use domain::products::product::{Event, ListPrice, Status};
use domain::tax::PriceMode;
use uuid::Uuid;

use crate::facets::FacetField;
use crate::query::{Order, Query, Wanted};
use crate::row::{At, Row};

/// Variants of each product.
const VARIANTS: u64 = 4;
/// Words of the language.
const WORDS: u64 = 20_000;
const FAMILIES: u64 = 200;

/// Draws numbers, words and texts.
#[derive(Clone, Debug)]
pub struct Drawn(pub u64);

impl Drawn {
    pub fn below(&mut self, bound: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// A word, some of them much more often than others, as in a language.
    pub fn word(&mut self) -> String {
        const SYLLABLES: [&str; 10] =
            ["ba", "ker", "lo", "min", "pu", "ra", "sen", "ti", "vo", "zel"];
        let mut rest = 10 + self.below(WORDS) * self.below(WORDS) / WORDS;
        let mut word = String::new();
        while rest > 0 {
            word.push_str(SYLLABLES[(rest % 10) as usize]);
            rest /= 10;
        }
        word
    }

    fn text(&mut self, words: usize) -> String {
        let words: Vec<_> = (0..words).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn family(&mut self) -> String {
        format!("family {}", self.below(FAMILIES))
    }
}

/// The rows of a shop with so many variants.
pub fn rows(variants: u64) -> impl Iterator<Item = Row> {
    let mut drawn = Drawn(7);
    (0..variants.div_ceil(VARIANTS)).map(move |number| row(number, &mut drawn))
}

/// The stock keeping unit of one of the variants of a product.
pub fn sku(product: u64, variant: u64) -> String {
    format!("SKU-{product}-{variant}")
}

fn row(number: u64, drawn: &mut Drawn) -> Row {
    let euro = Currency::from_code("EUR").expect("a currency");
    let mut events = vec![Event::ProductCreated {
        name: drawn.text(4),
        family: drawn.family(),
        description: drawn.text(30),
    }];
    for place in 0..VARIANTS {
        let variant = VariantId(Uuid::from_u128(u128::from(number * VARIANTS + place) + 1));
        events.push(Event::VariantAdded {
            variant,
            sku: sku(number, place),
            name: format!("size {}", drawn.below(50)),
        });
        let amount = Money::new(drawn.below(100_000).cast_signed(), euro);
        let (list, to) = (default_list(euro), ListPrice { amount, mode: PriceMode::Net });
        events.push(Event::PriceChanged { variant, list, from: None, to });
    }
    events.push(Event::ProductPublished {});
    let at = |version| At {
        // Ids come in no order, as they do in a shop.
        id: AggregateId(Uuid::from_u128(u128::from(number).wrapping_mul((u128::MAX / 0xbeef) | 1))),
        version,
        shard: (number % 16) as u16,
        seq: number + version,
        recorded_us: number.cast_signed(),
    };
    let mut row = Row::before(at(1));
    for (version, event) in (1..).zip(&events) {
        row.take(at(version), event);
    }
    row
}

/// What a customer asks next, in the mix in which figures are measured: one in ten for a SKU, two for a
/// word, two for two words, and one each for three words, a beginning, a typing error, within a family,
/// and for something that is not there. Every third wants facets.
pub fn asked(number: u64, products: u64, drawn: &mut Drawn) -> Query {
    let word = drawn.word();
    let mut wanted = Wanted { statuses: vec![Status::Published], ..Wanted::default() };
    let text = match number % 10 {
        0 => sku(drawn.below(products), drawn.below(VARIANTS)),
        1 | 2 => word,
        3 | 4 => format!("{word} {}", drawn.word()),
        5 => format!("{word} {} {}", drawn.word(), drawn.word()),
        6 => word[..word.len().div_ceil(2)].to_owned(),
        7 => word.replacen('a', "e", 1),
        8 => {
            wanted.families = vec![drawn.family()];
            word
        }
        _ => format!("{word} xyzzyplugh"),
    };
    let mut query = Query::new(&text, wanted, Order::Relevance).expect("it is within all bounds");
    if number.is_multiple_of(3) {
        query.facets = vec![FacetField::Family, FacetField::Variant];
    }
    query
}
