//! Tax against arithmetic done another way, for every rate up to 30 % in steps of a tenth and for
//! currencies of 0, 2 and 3 decimals.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use PriceMode::{Gross, Net};

const ONE: i128 = 1_000_000;
const CURRENCIES: [&str; 3] = ["JPY", "EUR", "KWD"];

fn currency(code: &str) -> Currency {
    Currency::from_code(code).expect("a currency")
}

fn price(minor: i64, code: &str, mode: PriceMode, tenths: u32) -> UnitPrice {
    let tax_rate = Rate::from_millionths(tenths * 1_000).expect("a rate");
    UnitPrice { amount: Money::new(minor, currency(code)), mode, tax_rate }
}

fn minors(totals: Totals) -> [i128; 3] {
    [totals.net, totals.tax, totals.gross].map(|amount| amount.minor.into())
}

/// The whole number nearest to `above / below`, the even one of two, found by looking at what
/// lies around it and by nothing that rounds.
fn nearest(above: i128, below: i128) -> i128 {
    let near = above / below;
    let distance = |whole: i128| (whole * below - above).abs();
    let better = |one: &i128, other: &i128| {
        distance(*one).cmp(&distance(*other)).then_with(|| match one & 1 {
            0 => Ordering::Less,
            _ => Ordering::Greater,
        })
    };
    (near - 1..=near + 1).min_by(better).expect("there are three")
}

/// Net, tax and gross by fractions.
fn exactly(price: UnitPrice, quantity: i64) -> [i128; 3] {
    let amount = i128::from(price.amount.minor) * i128::from(quantity);
    let rate = i128::from(price.tax_rate.millionths());
    match price.mode {
        Net => {
            let tax = nearest(amount * rate, ONE);
            [amount, tax, amount + tax]
        }
        Gross => {
            let net = nearest(amount * ONE, ONE + rate);
            [net, amount - net, amount]
        }
    }
}

#[test]
fn fifteen_euros_are_charged_as_fifteen_euros() {
    for (minor, code, mode, tenths, quantity, expected) in [
        (1_500, "EUR", Gross, 190, 1, [1_261, 239, 1_500]),
        (1_500, "EUR", Gross, 190, 3, [3_782, 718, 4_500]),
        (1_100, "JPY", Gross, 100, 1, [1_000, 100, 1_100]),
        (1_050, "KWD", Gross, 50, 1, [1_000, 50, 1_050]),
        // 0.5 either way: to the even neighbour.
        (3, "EUR", Gross, 200, 1, [2, 1, 3]),
        (0, "EUR", Gross, 190, 7, [0, 0, 0]),
        (1, "EUR", Gross, 190, 1, [1, 0, 1]),
        (1_500, "EUR", Gross, 0, 2, [3_000, 0, 3_000]),
        // By line and not by unit: 3.86 and not 3.87.
        (108, "EUR", Net, 190, 3, [324, 62, 386]),
        // All of the price again, as high as a rate goes.
        (1_500, "EUR", Gross, 1_000, 1, [750, 750, 1_500]),
        (3, "EUR", Gross, 1_000, 1, [2, 1, 3]),
        (5, "EUR", Gross, 1_000, 1, [2, 3, 5]),
    ] {
        let found = price(minor, code, mode, tenths).times(quantity).expect("in range");
        assert_eq!(minors(found), expected, "{quantity} × {minor} {code} {mode} at {tenths}");
    }
    // No net price comes to it: 12.60 is 14.99, and 12.61 is 15.01.
    let gross = |net: i64| price(net, "EUR", Net, 190).times(1).expect("in range").gross.minor;
    assert_eq!((gross(1_260), gross(1_261)), (1_499, 1_501));
}

#[test]
fn every_rate_and_exponent_agrees_with_fractions() {
    // 49,665 prices: those around zero, and some that grow.
    let prices = || (0..=40).chain((1..15).map(|power| 7_i64.pow(power)));
    for code in CURRENCIES {
        for tenths in 0..=300 {
            for (minor, mode) in prices().flat_map(|minor| [(minor, Net), (minor, Gross)]) {
                let price = price(minor, code, mode, tenths);
                let found = minors(price.times(3).expect("in range"));
                assert_eq!(found, exactly(price, 3), "3 × {minor} {code} {mode} at {tenths}");
            }
        }
    }
}

#[test]
fn what_is_too_large_is_refused_and_does_not_wrap() {
    let largest = |mode| price(i64::MAX, "EUR", mode, 190);
    assert_eq!(largest(Gross).times(1).map(|totals| totals.gross.minor), Ok(i64::MAX));
    assert_eq!(largest(Gross).times(2), Err(MoneyError::Overflow));
    assert_eq!(largest(Net).times(1), Err(MoneyError::Overflow));
    let two = [(largest(Gross), 1), (price(1, "EUR", Gross, 0), 1)];
    assert_eq!(Sums::of(currency("EUR"), two), Err(MoneyError::Overflow));
    let mixed = [(price(1, "JPY", Gross, 0), 1)];
    assert!(matches!(Sums::of(currency("EUR"), mixed), Err(MoneyError::CurrencyMismatch { .. })));
}

fn any_line() -> impl Strategy<Value = (i64, bool, u32, i64)> {
    (0..=1_000_000_000_000_i64, any::<bool>(), 0..=300_u32, 1..=1_000_i64)
}

proptest! {
    #[test]
    fn sums_are_sums_by_line_by_rate_and_in_all(
        code in prop::sample::select(CURRENCIES.to_vec()),
        lines in prop::collection::vec(any_line(), 0..40),
    ) {
        let mode = |gross| if gross { Gross } else { Net };
        let lines: Vec<(UnitPrice, i64)> = lines
            .into_iter()
            .map(|(minor, gross, tenths, quantity)| (price(minor, code, mode(gross), tenths), quantity))
            .collect();
        let sums = Sums::of(currency(code), lines.iter().copied()).expect("in range");

        let (mut by_rate, mut whole) = (BTreeMap::<u32, [i128; 3]>::new(), [0; 3]);
        for (price, quantity) in &lines {
            let line = exactly(*price, *quantity);
            prop_assert_eq!(minors(price.times(*quantity).expect("in range")), line);
            prop_assert_eq!(line[0] + line[1], line[2]);
            let rate = by_rate.entry(price.tax_rate.millionths()).or_default();
            for part in 0..3 {
                rate[part] += line[part];
                whole[part] += line[part];
            }
        }
        prop_assert_eq!(minors(sums.totals), whole);
        let told: Vec<(u32, [i128; 3])> = sums.taxes
            .iter()
            .map(|tax| (tax.rate.millionths(), minors(tax.totals(currency(code)).expect("in range"))))
            .collect();
        prop_assert_eq!(told, by_rate.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_gross_order_is_charged_what_its_prices_say(
        code in prop::sample::select(CURRENCIES.to_vec()),
        lines in prop::collection::vec(any_line(), 1..40),
    ) {
        let priced: Vec<(UnitPrice, i64)> = lines
            .iter()
            .map(|(minor, _, tenths, quantity)| (price(*minor, code, Gross, *tenths), *quantity))
            .collect();
        let sums = Sums::of(currency(code), priced).expect("in range");
        let written: i128 = lines.iter().map(|(minor, _, _, quantity)| i128::from(*minor) * i128::from(*quantity)).sum();
        prop_assert_eq!(i128::from(sums.totals.gross.minor), written);
    }

    #[test]
    fn tax_has_the_sign_of_its_price_and_is_no_more_than_its_rate(
        minor in 0..=1_000_000_000_000_i64, millionths in 0..=1_000_000_u32,
    ) {
        let tax_rate = Rate::from_millionths(millionths).expect("at most one");
        let amount = Money::new(minor, currency("EUR"));
        for mode in [Net, Gross] {
            let price = UnitPrice { amount, mode, tax_rate };
            let found = minors(price.times(1).expect("in range"));
            prop_assert_eq!(found, exactly(price, 1));
            prop_assert!(found.iter().all(|part| *part >= 0));
            prop_assert!(found[1] <= found[0] + 1);
        }
    }
}
