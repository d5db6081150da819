//! Filters, orders, pages and facets, against counting everything.

use domain::id::VariantId;
use domain::products::product::{Event, Status};

use crate::query::{
    FACET_VALUES_MAX, InvalidQuery, PriceRange, TEXT_CHARACTERS_MAX, VALUES_MAX, WORDS_MAX,
};
use crate::testing::{
    Goods, goods, happens, home, id, in_euros, names, published, query, row, shop,
};
use crate::{Catalogue, Facet, FacetField, Found, Order, Query, Stock, Wanted};

const FAMILIES: [&str; 3] = ["Cups", "Jugs", "Plates"];
const COLOURS: [&str; 4] = ["blue", "green", "red", "white"];

fn all_goods() -> Vec<Goods> {
    let of = |number: usize| Goods {
        family: FAMILIES[number % 3],
        variant: COLOURS[number % 4],
        euros: (number * 7 % 100) as i64,
        description: if number.is_multiple_of(2) { "Dishwasher proof" } else { "By hand" },
        ..goods("Stoneware", "S")
    };
    (0..300).map(of).collect()
}

fn search(catalogue: &Catalogue, query: &Query) -> Found {
    catalogue.search(query).expect("a search")
}

fn counts(facet: &Facet) -> Vec<(&str, u64)> {
    facet.values.iter().map(|value| (value.value.as_str(), value.count)).collect()
}

#[test]
fn filters_facets_and_totals_are_those_of_counting_everything() {
    let all = all_goods();
    let catalogue = shop(&all);
    let price = Some(PriceRange { list: in_euros(), from: Some(2_000), to: Some(6_000) });
    let families = vec!["Cups".to_owned(), "Jugs".to_owned()];
    let wanted = Wanted { families, variants: vec!["red".to_owned()], price, ..published() };
    let mut query = Query::new("dishwasher", wanted, Order::Relevance).expect("a query");
    query.facets = vec![FacetField::Family, FacetField::Variant];
    let found = search(&catalogue, &query);

    let fits =
        |goods: &&Goods| goods.description.starts_with("Dish") && (20..=60).contains(&goods.euros);
    let of_family = |goods: &&Goods| ["Cups", "Jugs"].contains(&goods.family);
    let is_red = |goods: &&Goods| goods.variant == "red";
    let total = all.iter().filter(fits).filter(of_family).filter(is_red).count();
    assert!(total > 3, "the shop has some of them");
    assert_eq!(found.total, total as u64);
    for (field, values, other) in
        [(0, &FAMILIES[..], &is_red as &dyn Fn(&&Goods) -> bool), (1, &COLOURS[..], &of_family)]
    {
        let has = move |goods: &&Goods, value: &str| [goods.family, goods.variant][field] == value;
        let count =
            |value| all.iter().filter(fits).filter(other).filter(move |goods| has(goods, value));
        let mut expected: Vec<_> =
            values.iter().map(|value| (*value, count(value).count() as u64)).collect();
        expected.retain(|(_, count)| *count > 0);
        expected.sort_by_key(|(value, count)| (std::cmp::Reverse(*count), *value));
        assert_eq!(counts(&found.facets[field]), expected);
        assert!(!found.facets[field].further);
    }
    query.facet_values = 1;
    let found = search(&catalogue, &query);
    assert_eq!((found.facets[0].values.len(), found.facets[0].further), (1, true));
}

/// Every third one can be had, some of them at two places.
#[test]
fn what_can_be_had_is_a_filter_and_is_counted_beside_the_others() {
    let all = all_goods();
    let catalogue = shop(&all);
    let mut stock = Stock::default();
    for number in 1..=all.len() as u128 {
        let variant = VariantId(uuid::Uuid::from_u128(number + 1_000_000));
        stock.set(id(number * 2), variant, number.is_multiple_of(3));
        stock.set(id(number * 2 + 1), variant, number.is_multiple_of(6));
    }
    let is_had = |place: &usize| (place + 1).is_multiple_of(3);
    let of_cups = |place: &usize| all[*place].family == "Cups";
    let count = |fits: &dyn Fn(&usize) -> bool| (0..all.len()).filter(fits).count() as u64;
    for (families, fits) in [
        (vec![], &(|_: &usize| true) as &dyn Fn(&usize) -> bool),
        (vec!["Cups".to_owned()], &of_cups),
    ] {
        for in_stock in [None, Some(true), Some(false)] {
            let wanted = Wanted { families: families.clone(), in_stock, ..published() };
            let mut query = Query::new("", wanted, Order::Relevance).expect("a query");
            (query.counts_stock, query.facets) = (true, vec![FacetField::Family]);
            let found = catalogue.search_in(&query, &stock).expect("a search");
            let passes = |place: &usize| in_stock.is_none_or(|wanted| wanted == is_had(place));
            assert_eq!(found.total, count(&|place| fits(place) && passes(place)), "{in_stock:?}");
            assert_eq!(found.in_stock, count(&|place| fits(place) && is_had(place)));
            let of_family: u64 = counts(&found.facets[0]).iter().map(|(_, count)| count).sum();
            assert_eq!(of_family, count(&passes), "facets see what the filter keeps out");
        }
    }
    let wanted = Wanted { in_stock: Some(true), ..published() };
    let query = Query::new("", wanted, Order::Relevance).expect("a query");
    assert_eq!(search(&catalogue, &query).total, 0, "nothing is known to be there");
}

#[test]
fn pages_together_are_the_whole_list_in_every_order() {
    let catalogue = shop(&all_goods());
    let price = Some(PriceRange { list: in_euros(), from: None, to: None });
    for order in [Order::Relevance, Order::Newest, Order::Cheapest, Order::Dearest] {
        for text in ["", "stoneware"] {
            let wanted = Wanted { price, ..published() };
            let query = Query::new(text, wanted, order).expect("a query");
            let whole = search(&catalogue, &Query { first: 1_000, ..query.clone() });
            assert_eq!((whole.hits.len(), whole.further), (300, false));
            assert!(whole.hits.is_sorted_by_key(|hit| hit.key));
            let price = |at: usize| {
                let variants = whole.hits[at].row.product.variants.values();
                variants.map(|variant| variant.prices[&in_euros()].amount.minor).min()
            };
            match order {
                Order::Cheapest => assert!(price(0) < price(299)),
                Order::Dearest => assert!(price(0) > price(299)),
                Order::Newest => {
                    let created = |at: usize| whole.hits[at].row.created_us;
                    assert!(created(0) > created(299));
                }
                Order::Relevance => {}
            }
            let mut paged = Vec::new();
            let mut next = Query { first: 7, ..query };
            loop {
                let found = search(&catalogue, &next);
                assert_eq!(found.total, 300, "on every page");
                next.after = found.hits.last().map(|hit| hit.key);
                paged.extend(found.hits);
                if !found.further {
                    break;
                }
            }
            assert_eq!(paged, whole.hits, "{order:?}");
        }
    }
}

#[test]
fn only_the_states_that_are_wanted_are_found() {
    let index = home(None).begin().expect("an index");
    let draft = happens(Some(row(1, goods("Draft", "S-1"))), 1, [Event::ProductUnpublished {}]);
    let gone = happens(Some(row(2, goods("Gone", "S-2"))), 2, [Event::ProductArchived {}]);
    index.apply(&[draft, gone, row(3, goods("Sold", "S-3"))]).expect("it is written");
    let catalogue = index.commit(&()).expect("it is committed");
    let found = |statuses: &[Status]| {
        let wanted = Wanted { statuses: statuses.to_vec(), ..Wanted::default() };
        let query = Query::new("", wanted, Order::Newest).expect("a query");
        let found = search(&catalogue, &query);
        names(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found(&[Status::Published]), ["Sold"]);
    assert_eq!(found(&[Status::Draft, Status::Archived]), ["Gone", "Draft"]);
    assert_eq!(found(&[]), [""; 0]);
    let sku = search(&catalogue, &query("S-1"));
    assert_eq!(names(&sku), ["Sold"], "a draft's unit is not told, a part of it meets another");
}

#[test]
fn what_is_too_much_is_refused() {
    let asked = |text: &str, wanted, order| Query::new(text, wanted, order).map(|_| ());
    let relevance = Order::Relevance;
    let long = "x".repeat(TEXT_CHARACTERS_MAX + 1);
    assert_eq!(asked(&long, published(), relevance), Err(InvalidQuery::TextTooLong));
    assert_eq!(asked(&long[1..], published(), relevance), Ok(()));
    let words = |count| vec!["cup"; count].join(" ");
    assert_eq!(asked(&words(WORDS_MAX), published(), relevance), Ok(()));
    let refused = asked(&words(WORDS_MAX + 1), published(), relevance);
    assert_eq!(refused, Err(InvalidQuery::TextTooLong));
    let families = vec!["Cups".to_owned(); VALUES_MAX + 1];
    let refused = asked("", Wanted { families, ..published() }, relevance);
    assert!(matches!(refused, Err(InvalidQuery::TooManyValues { .. })));
    assert_eq!(asked("", published(), Order::Cheapest), Err(InvalidQuery::PriceListMissing));
    let price = Some(PriceRange { list: in_euros(), from: Some(2), to: Some(1) });
    let refused = asked("", Wanted { price, ..published() }, relevance);
    assert_eq!(refused, Err(InvalidQuery::EmptyRange));
    assert!(query("").facet_values <= FACET_VALUES_MAX);
}

#[test]
fn no_text_makes_a_search_fail() {
    let catalogue = shop(&[goods("Cup", "S-1")]);
    for text in [
        "\"",
        "(",
        "name:*",
        "AND OR NOT",
        "\\",
        "*",
        "?",
        "~2",
        "^",
        "čaj 茶 ☕",
        "\0",
        "'; --",
        "a/b",
        "[a TO z]",
        "\u{202e}",
        "\u{300}\u{300}",
    ] {
        search(&catalogue, &query(text));
    }
    let nothing = Catalogue::default();
    assert_eq!(search(&nothing, &query("cup")).total, 0);
}

#[test]
fn a_cursor_is_of_its_query_alone() {
    let one = query("cup");
    assert_eq!(one.fingerprint(), query(" CUP ").fingerprint());
    let mut others = vec![query("cups")];
    others.push(Query::new("cup", published(), Order::Newest).expect("a query"));
    others.push(Query::new("cup", Wanted::default(), Order::Relevance).expect("a query"));
    others.push(Query { languages: vec![crate::Language::German], ..query("cup") });
    assert!(others.iter().all(|other| other.fingerprint() != one.fingerprint()));
}
