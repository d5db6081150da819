//! Many products: that the shape is right at twenty thousand variants, and a way to measure at a
//! million, beside the figure of `make bench`:
//!
//! ```text
//! cargo test --release -p emporium-search a_million -- --ignored --nocapture
//! ```

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::sample::{Drawn, asked, rows, sku};
use crate::testing::{home, query};
use crate::{Catalogue, Index, Matched, Query};

fn filled(variants: u64, index: &Index) -> Catalogue {
    let mut rows = rows(variants).peekable();
    while rows.peek().is_some() {
        let some: Vec<_> = rows.by_ref().take(4_096).collect();
        index.apply(&some).expect("it is written");
        index.commit(&some.len()).expect("it is committed");
    }
    index.catalogue().expect("it is read")
}

#[test]
fn twenty_thousand_variants_are_found_by_each_of_their_words() {
    let index = home(None).begin().expect("an index");
    let catalogue = filled(20_000, &index);
    assert_eq!(catalogue.products(), 5_000);
    let found = catalogue.search(&Query { first: 10, ..query(&sku(4_321, 2)) }).expect("a search");
    let row = &found.hits[0].row;
    assert!(row.product.variants.values().any(|variant| variant.sku == sku(4_321, 2)));
    let found = catalogue.search(&query(&row.product.name)).expect("a search");
    assert!(found.hits.iter().any(|hit| hit.row.id == row.id), "by its whole name");
    words_together_are_what_they_are_alone(&catalogue);
    let mut drawn = Drawn(11);
    let found = (0..200).map(|number| {
        let query = asked(number, 5_000, &mut drawn);
        u64::from(catalogue.search(&query).expect("a search").total > 0)
    });
    assert!(found.sum::<u64>() > 150, "most of what is asked is there");
}

/// What two words find is what each of them finds. A word that is not the last one is not met by its
/// beginning: to have it so alone, it is asked for twice.
fn words_together_are_what_they_are_alone(catalogue: &Catalogue) {
    let ids = |text: &str| {
        let whole = Query { first: 10_000, ..query(text) };
        let found = catalogue.search(&whole).expect("a search");
        let ids = found.hits.iter().map(|hit| hit.row.id).collect::<BTreeSet<_>>();
        if found.matched == Matched::All { ids } else { BTreeSet::new() }
    };
    let mut drawn = Drawn(13);
    let mut met = 0;
    for number in 0..60 {
        // What many products have is sought for few of them; what is rare is gone through.
        let other = if number % 3 == 0 { (10 + number % 40).to_string() } else { drawn.word() };
        let one = drawn.word();
        let (of_one, of_other) = (ids(&format!("{one} {one}")), ids(&other));
        let both: BTreeSet<_> = of_one.intersection(&of_other).copied().collect();
        assert_eq!(ids(&format!("{one} {other}")), both, "{one} {other}");
        met += usize::from(!both.is_empty());
    }
    assert!(met > 20, "{met} have something");
}

#[test]
#[ignore = "a measurement: minutes, and only a release build says anything"]
fn a_million_variants_are_searched_a_thousand_times_a_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let index = home(Some(folder.path())).begin().expect("an index");
    let began = Instant::now();
    let catalogue = filled(1_000_000, &index);
    let products = catalogue.products();
    println!("{products} products in {:?}", began.elapsed());
    let until = Instant::now() + Duration::from_secs(20);
    let searching = [1, 2].map(|seed| {
        let catalogue = catalogue.clone();
        std::thread::spawn(move || {
            let (mut drawn, mut took) = (Drawn(seed), Vec::new());
            while Instant::now() < until {
                let number = took.len() as u64;
                let query = asked(number, products, &mut drawn);
                let began = Instant::now();
                catalogue.search(&query).expect("a search");
                took.push((began.elapsed(), number % 10));
            }
            took
        })
    });
    let mut took: Vec<_> =
        searching.into_iter().flat_map(|thread| thread.join().expect("it ends")).collect();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!("{} searches/s; each with its kind of ten:", took.len() / 20);
    println!("p50 {:?}, p99 {:?}, longest {:?}", at(0.5), at(0.99), at(1.0));
    for kind in 0..10 {
        let of: Vec<_> = took.iter().filter(|(_, of)| *of == kind).collect();
        println!("kind {kind}: p50 {:?}, p99 {:?}", of[of.len() / 2].0, of[of.len() * 99 / 100].0);
    }
}
