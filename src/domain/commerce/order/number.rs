//! The number of an order: what a person reads out and another types on a phone.
//!
//! Eleven characters of 31 and a check character, `4T7K-9QHM-2XWB`. No two of them look alike on
//! paper (no 0, O, 1, I, L), case and the signs between them do not matter, and one that was mistyped, or
//! two that changed places, are noticed: 31 is a prime. A number is a part of the id that belongs to
//! it and leads back to it, so that no table is looked up and nobody counts.

use std::fmt;

use crate::id::AggregateId;

const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
const BASE: u64 = ALPHABET.len() as u64;
/// Those before the check character.
const DIGITS: usize = 11;
/// The characters of a number without the signs between them.
pub const NUMBER_CHARACTERS: usize = DIGITS + 1;
/// Between two signs.
const GROUP: usize = 4;
/// There are so many numbers, 2.5 * 10^16: fewer than 2^55.
const NUMBERS: u64 = BASE.pow(DIGITS as u32);
/// The longest text that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 64;
/// Where a number stands in the id: among its last bits, which say nothing of slot or form.
const MASK: u128 = (1 << 55) - 1;

/// What people call an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderNumber(u64);

impl OrderNumber {
    /// The number of an order.
    pub fn of(order: AggregateId) -> Self {
        Self((order.0.as_u128() & MASK) as u64 % NUMBERS)
    }

    /// The id of the order of this number. It has its slot from a hash, so that orders spread evenly.
    pub fn order_id(self) -> AggregateId {
        let id = AggregateId::derived(&[b"order_number", &self.0.to_be_bytes()]);
        AggregateId(uuid::Uuid::from_u128(id.0.as_u128() & !MASK | u128::from(self.0)))
    }

    /// Reads what somebody typed: in whatever case, with spaces or signs between the characters or
    /// without. Nothing where a character is not of a number, or is not the one that was meant.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let between = |character: &char| !matches!(character, ' ' | '-' | '.' | '_' | '/');
        let mut digits = [0; NUMBER_CHARACTERS];
        let mut characters = text.trim().chars().filter(between);
        for digit in &mut digits {
            let character = characters.next()?.to_ascii_uppercase();
            let place = ALPHABET.iter().position(|known| char::from(*known) == character)?;
            *digit = place as u64;
        }
        let (number, check) = digits.split_at(DIGITS);
        (characters.next().is_none() && check == [check_digit(number)])
            .then(|| Self(number.iter().fold(0, |sum, digit| sum * BASE + digit)))
    }
}

/// Makes the sum of the digits, each by its place, a multiple of 31: so no single digit can change,
/// nor two change places, without being noticed.
fn check_digit(digits: &[u64]) -> u64 {
    let sum: u64 = digits.iter().zip(2..).map(|(digit, weight)| digit * weight).sum();
    (BASE - sum % BASE) % BASE
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; NUMBER_CHARACTERS];
        let mut rest = self.0;
        for digit in digits[..DIGITS].iter_mut().rev() {
            *digit = rest % BASE;
            rest /= BASE;
        }
        digits[DIGITS] = check_digit(&digits[..DIGITS]);
        for (place, digit) in digits.iter().enumerate() {
            if place > 0 && place % GROUP == 0 {
                formatter.write_str("-")?;
            }
            write!(formatter, "{}", char::from(ALPHABET[*digit as usize]))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_has_a_form_for_ever() {
        let first = OrderNumber(0);
        assert_eq!(first.to_string(), "2222-2222-2222");
        let last = OrderNumber(NUMBERS - 1);
        assert_eq!(last.to_string().get(..13), Some("ZZZZ-ZZZZ-ZZZ"));
        let id = OrderNumber(12_345_678_901_234).order_id();
        assert_eq!(id.to_string(), "8dea3aca-f4f5-8d8f-be00-0b3a73ce2ff2");
        assert!(id.is_well_formed());
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "2222-2222-222", "2222-2222-22222", "0222-2222-2222", "2222-2222-2223"] {
            assert_eq!(OrderNumber::read(text), None, "{text}");
        }
        assert_eq!(OrderNumber::read(&" ".repeat(100)), None);
        let known = OrderNumber(7_000_000_007);
        let typed = known.to_string().to_lowercase().replace('-', " ");
        assert_eq!(OrderNumber::read(&format!(" {typed} ")), Some(known));
    }

    proptest! {
        #[test]
        fn a_number_leads_to_its_order_and_back(number in 0..NUMBERS, random in any::<u128>()) {
            let number = OrderNumber(number);
            prop_assert_eq!(OrderNumber::of(number.order_id()), number);
            prop_assert_eq!(OrderNumber::read(&number.to_string()), Some(number));
            // What was not made of a number has one too, which leads elsewhere.
            let other = OrderNumber::of(AggregateId(uuid::Uuid::from_u128(random)));
            prop_assert_eq!(OrderNumber::of(other.order_id()), other);
        }

        #[test]
        fn a_slip_is_noticed(number in 0..NUMBERS, place in 0..NUMBER_CHARACTERS, by in 1..31_usize) {
            let text = OrderNumber(number).to_string().replace('-', "").into_bytes();
            let mut wrong = text.clone();
            let digit = ALPHABET.iter().position(|known| *known == text[place]).expect("a digit");
            wrong[place] = ALPHABET[(digit + by) % ALPHABET.len()];
            let read = |text: &[u8]| OrderNumber::read(std::str::from_utf8(text).expect("ASCII"));
            prop_assert_eq!(read(&wrong), None);
            let mut swapped = text.clone();
            let other = (place + by) % NUMBER_CHARACTERS;
            swapped.swap(place, other);
            prop_assert_eq!(read(&swapped).is_some(), text[place] == text[other]);
        }
    }
}
