//! Searches over a shop of a million variants, on as many threads as there are cores. No database has a
//! part in it: what is measured is told for each that the run is about.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Instant;

use emporium::search::sample::{Drawn, asked, rows};
use emporium::search::{Home, Language};

use crate::place::Places;
use crate::samples::{Samples, Tally, Window};
use crate::settings::Settings;

pub const RATE: &str = "searches over 1,000,000 variants";
pub const P99: &str = "searches over 1,000,000 variants, p99";
pub const FRESH: &str = "a product among 1,000,000 variants, from its change to the next search";
pub const INDEXED: &str = "products indexed";

/// Products that are committed together.
const COMMITTED: usize = 8_192;
/// Changes that are made one by one.
const CHANGES: usize = 100;

pub fn measure(settings: &Settings, places: &Places, samples: &mut Samples) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let languages = vec![Language::English, Language::German];
    let home = Home {
        data: Some(folder.path().to_owned()),
        installation: "figures".to_owned(),
        languages,
    };
    let index = Arc::new(home.begin().expect("an index"));
    let variants = settings.searched_variants();
    let began = Instant::now();
    let mut all = rows(variants).peekable();
    while all.peek().is_some() {
        let some: Vec<_> = all.by_ref().take(COMMITTED).collect();
        index.apply(&some).expect("it is written");
        index.commit(&()).expect("it is committed");
    }
    let catalogue = index.catalogue().expect("it is read");
    let products = catalogue.products();
    let indexed = products as f64 / began.elapsed().as_secs_f64();

    let window = Window::after(settings.warm_up(), settings.window());
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let searching: Vec<_> = (0..threads)
        .map(|seed| {
            let catalogue = catalogue.clone();
            std::thread::spawn(move || {
                let (mut drawn, mut tally, mut number) = (Drawn(seed), Tally::default(), seed);
                loop {
                    let query = asked(number, products, &mut drawn);
                    let sent = Instant::now();
                    catalogue.search(&query).expect("a search");
                    if !tally.add(&window, sent, 1) {
                        return tally;
                    }
                    number += 1;
                }
            })
        })
        .collect();
    let mut tally = Tally::default();
    for thread in searching {
        tally.merge(thread.join().expect("it ends"));
    }

    let changing = Window::after(<_>::default(), crate::engine::PATIENCE);
    let mut changes = Tally::default();
    for row in rows(variants).take(CHANGES) {
        let sent = Instant::now();
        index.apply([&row]).expect("it is written");
        index.commit(&()).expect("it is committed");
        changes.add(&changing, sent, 1);
    }
    for kind in places.kinds() {
        samples.push(kind, RATE, tally.rate(&window));
        samples.push(kind, P99, tally.quantile_ms(0.99));
        samples.push(kind, FRESH, changes.quantile_ms(0.99));
        samples.push(kind, INDEXED, indexed);
    }
}
