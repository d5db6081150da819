//! Cursors as clients see them: opaque text that names the place of a row in its list, and that only
//! this installation makes and reads. One list takes no cursor of another.
//!
//! Base64url without padding over a seal of eight bytes, the values of the columns that the list is
//! ordered by, and the row's key. The seal covers the name of the list too, which is not written.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::position_token::{SEAL_BYTES, TokenKey, fold, pull, push, seal, unfold};
use crate::table::{Key, Value};
use domain::id::AggregateId;

/// The longest cursor that is looked at: longer than any that is made.
const CHARACTERS_MAX: usize = 4_096;

/// The place of a row: the values of what its list is ordered by, and its key.
pub type Place = (Vec<Value>, Key);

pub fn write(list: &str, (values, row): &Place, key: &TokenKey) -> String {
    let mut body = Vec::with_capacity(64);
    for value in values {
        match value {
            Value::Null => body.push(0),
            Value::Id(id) => {
                body.push(1);
                body.extend_from_slice(id.as_bytes());
            }
            Value::Int(number) => {
                body.push(2);
                push(&mut body, fold(number.cast_unsigned()));
            }
            Value::Text(text) => {
                body.push(3);
                push(&mut body, text.len() as u64);
                body.extend_from_slice(text.as_bytes());
            }
        }
    }
    body.extend_from_slice(row.id.0.as_bytes());
    body.extend_from_slice(row.part.as_bytes());
    let mut bytes = of_list(list, &body, key).to_vec();
    bytes.append(&mut body);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// None where this was not made here for this list.
pub fn read(list: &str, text: &str, key: &TokenKey) -> Option<Place> {
    if text.len() > CHARACTERS_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (sealed, mut body) = bytes.split_at_checked(SEAL_BYTES)?;
    if sealed != of_list(list, body, key) {
        return None;
    }
    let mut values = Vec::new();
    while body.len() > 32 {
        values.push(value(&mut body)?);
    }
    let id = |bytes: &[u8]| Uuid::from_slice(bytes).ok();
    Some((values, Key { id: AggregateId(id(body.get(..16)?)?), part: id(body.get(16..)?)? }))
}

fn value(body: &mut &[u8]) -> Option<Value> {
    let (tag, rest) = body.split_first()?;
    *body = rest;
    let mut take = |length: usize| {
        let (taken, rest) = body.split_at_checked(length)?;
        *body = rest;
        Some(taken)
    };
    Some(match tag {
        0 => Value::Null,
        1 => Value::Id(Uuid::from_slice(take(16)?).ok()?),
        2 => Value::Int(unfold(pull(body)?).cast_signed()),
        3 => {
            let length = usize::try_from(pull(body)?).ok()?;
            let (text, rest) = body.split_at_checked(length)?;
            *body = rest;
            Value::Text(String::from_utf8(text.to_vec()).ok()?)
        }
        _ => return None,
    })
}

fn of_list(list: &str, body: &[u8], key: &TokenKey) -> [u8; SEAL_BYTES] {
    let mut whole = Vec::with_capacity(list.len() + 1 + body.len());
    whole.extend_from_slice(list.as_bytes());
    whole.push(0);
    whole.extend_from_slice(body);
    seal(&whole, key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<u128>().prop_map(|id| Value::Id(Uuid::from_u128(id))),
            any::<i64>().prop_map(Value::Int),
            "\\PC{0,40}".prop_map(Value::Text),
        ]
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went_out_and_to_its_own_list_alone(
            values in prop::collection::vec(any_value(), 0..4),
            (id, part) in any::<(u128, u128)>(),
            flip in any::<prop::sample::Index>(),
        ) {
            let key = TokenKey([7; 16]);
            let row = Key::part(AggregateId(Uuid::from_u128(id)), Uuid::from_u128(part));
            let place = (values, row);
            let text = write("orders by drafted_us", &place, &key);
            prop_assert_eq!(read("orders by drafted_us", &text, &key), Some(place));
            prop_assert_eq!(read("users by drafted_us", &text, &key), None);
            prop_assert_eq!(read("orders by drafted_us", &text, &TokenKey([8; 16])), None);
            let mut forged = text.into_bytes();
            let at = flip.index(forged.len());
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ASCII");
            prop_assert_eq!(read("orders by drafted_us", &forged, &key), None);
        }
    }
}
