//! What is found by which words, and what comes first.

use crate::Language::{English, German};
use crate::testing::{Goods, finds, finds_in, goods, query, shop};
use crate::{Catalogue, Matched};
use domain::products::product::Event;

fn tea() -> Catalogue {
    shop(&[
        goods("Teapots", "S-1"),
        goods("Teapor", "S-2"),
        goods("Teapot", "S-3"),
        Goods { description: "For every teapot.", ..goods("Saucer", "S-4") },
        Goods { family: "Teapot", ..goods("Warmer", "S-5") },
        goods("Teapotty", "S-6"),
        goods("Kettle", "S-7"),
    ])
}

#[test]
fn a_word_itself_is_before_its_forms_its_beginnings_and_what_is_nearly_it() {
    let expected = ["Teapot", "Teapots", "Warmer", "Teapotty", "Teapor", "Saucer"];
    finds(&tea(), "teapot", &expected);
}

#[test]
fn a_name_is_before_a_description_and_a_short_name_before_a_long_one() {
    let catalogue = shop(&[
        Goods { description: "Goes with a kettle", ..goods("Hob", "S-1") },
        goods("Kettle of brass with a lid", "S-2"),
        goods("Brass kettle", "S-3"),
    ]);
    finds(&catalogue, "kettle", &["Brass kettle", "Kettle of brass with a lid", "Hob"]);
}

#[test]
fn a_stock_keeping_unit_is_before_everything_and_found_in_part() {
    let catalogue = shop(&[
        goods("Pot for TEA 1", "X-9"),
        goods("Cup", "TEA-POT-1"),
        goods("Lid", "TEA-POT-12"),
    ]);
    finds(&catalogue, "tea-pot-1", &["Cup", "Pot for TEA 1", "Lid"]);
    finds(&catalogue, " TEA-POT-1 ", &["Cup", "Pot for TEA 1", "Lid"]);
    finds(&catalogue, "TEA-POT-12", &["Lid"]);
    finds(&catalogue, "pot-12", &["Lid"]);
}

#[test]
fn all_words_are_wanted_and_some_are_enough_where_nothing_has_all() {
    let catalogue = shop(&[
        goods("Red cup", "S-1"),
        goods("Red plate", "S-2"),
        goods("Blue cup", "S-3"),
        goods("Tall red jug", "S-4"),
    ]);
    finds(&catalogue, "cup red", &["Red cup"]);
    finds(&catalogue, "the red and the cup", &["Red cup"]);
    let found = catalogue.search(&query("jug blue cup wooden")).expect("a search");
    assert_eq!(found.matched, Matched::Some);
    assert_eq!(found.hits[0].row.product.name, "Blue cup", "two of its words");
    assert_eq!(found.total, 3);
    let found = catalogue.search(&query("wooden")).expect("a search");
    assert_eq!((found.total, found.matched), (0, Matched::All));
}

#[test]
fn one_letter_may_be_wrong_in_a_word_and_two_in_a_long_one() {
    let catalogue = shop(&[goods("Lamp", "S-1"), goods("Chandelier", "S-2"), goods("Cup", "S-3")]);
    for text in ["lmap", "lampp", "lanp", "amp lamp"] {
        let found = catalogue.search(&query(text)).expect("a search");
        assert_eq!(found.hits[0].row.product.name, "Lamp", "{text}");
    }
    finds(&catalogue, "chandelir", &["Chandelier"]);
    finds(&catalogue, "chandleir", &["Chandelier"]);
    finds(&catalogue, "shandelir", &["Chandelier"]);
    finds(&catalogue, "lump", &["Lamp"]);
    finds(&catalogue, "limb", &[]);
    finds(&catalogue, "cap", &[]);
}

#[test]
fn only_the_last_word_may_still_be_being_typed() {
    let catalogue = shop(&[goods("Copper teapot", "S-1"), goods("Cup", "S-2")]);
    finds(&catalogue, "te", &["Copper teapot"]);
    finds(&catalogue, "copper tea", &["Copper teapot"]);
    finds(&catalogue, "tea copper", &["Copper teapot"]);
    let found = catalogue.search(&query("tea copper")).expect("a search");
    assert_eq!(found.matched, Matched::Some, "tea is no word of it");
}

#[test]
fn the_forms_of_german_words_are_one_word() {
    let catalogue = shop(&[
        goods("Teetasse", "S-1"),
        goods("Bräter", "S-2"),
        goods("Große Schüssel", "S-3"),
        goods("Vogelhäuser", "S-4"),
        Goods { description: "Für alle Tassen und Gläser", ..goods("Untersetzer", "S-5") },
    ]);
    finds_in(German, &catalogue, "Teetassen", &["Teetasse"]);
    for text in ["bräter", "BRATER", "Braeter", "bra\u{308}ter"] {
        finds_in(German, &catalogue, text, &["Bräter"]);
    }
    for text in ["grosse schüsseln", "Große Schuesseln", "schussel"] {
        finds_in(German, &catalogue, text, &["Große Schüssel"]);
    }
    finds_in(German, &catalogue, "Vogelhaus", &["Vogelhäuser"]);
    finds_in(German, &catalogue, "Glas", &["Untersetzer"]);
    finds_in(German, &catalogue, "Untersetzer für die Tasse", &["Untersetzer"]);
}

#[test]
fn each_language_has_forms_of_its_own_and_without_one_all_are_looked_for() {
    let catalogue = shop(&[goods("Shelves", "S-1"), goods("Kisten", "S-2")]);
    finds_in(English, &catalogue, "shelve", &["Shelves"]);
    finds_in(German, &catalogue, "Kiste", &["Kisten"]);
    finds(&catalogue, "kistes", &["Kisten"]);
    finds(&catalogue, "shelve", &["Shelves"]);
}

/// Each text by the stems of its own language, of several at once; one in a language that is not known by
/// those of any.
#[test]
fn a_product_is_found_in_each_language_that_it_is_described_in() {
    let translated = |language: &str, name: &str, description: &str| Event::ProductTranslated {
        language: language.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
    };
    let teapot = crate::testing::happens(
        Some(crate::testing::row(1, goods("Teapot", "S-1"))),
        1,
        [
            translated("de-AT", "Teekannen aus Häusern", "Für Gäste"),
            translated("sv", "Tekannor", "Till kaffehuset"),
            translated("de", "Vergangenes", ""),
            Event::TranslationRemoved { language: "de".to_owned() },
        ],
    );
    let catalogue =
        crate::testing::shelf(vec![teapot, crate::testing::row(2, goods("Kettle", "S-2"))]);
    for text in
        ["teapots", "teekanne", "haus", "tekannor", "kaffehuset", "gast", "teekanen", "tekan"]
    {
        finds(&catalogue, text, &["Teapot"]);
    }
    finds_in(German, &catalogue, "haeuser", &["Teapot"]);
    // Its stems are those of its language alone.
    finds_in(English, &catalogue, "haeuser", &[]);
    finds(&catalogue, "vergangenes", &[]);
}
