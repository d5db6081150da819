//! Positions as clients see them: opaque text that only this installation makes and reads.
//!
//! Base64url without padding over a seal of eight bytes and the position: runs of shards of which
//! something was seen, each as the gap before it, its length, and its numbers, of which each but the
//! first is told by how far it lies from the one before. All of them are varints (LEB128), signed
//! ones folded (zigzag). So a token grows with what it says: some ten characters for one entry, and
//! at most some 1,050 for 256 shards with a million entries each.

use std::hash::Hasher as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip::SipHasher24;

use crate::position::Position;

/// What tokens are sealed with. Never shown.
#[derive(Clone, Copy)]
pub struct TokenKey(pub [u8; 16]);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenKey(…)")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position of this server; pass one back as it was given")]
pub struct InvalidPosition;

pub(crate) const SEAL_BYTES: usize = 8;
/// The longest varint of 64 bits.
const VARINT_BYTES_MAX: usize = 10;
/// Bytes a shard takes at most: it may be a run of its own.
const SHARD_BYTES_MAX: usize = 3 + 1 + VARINT_BYTES_MAX;

/// The token of a position.
pub fn write(position: &Position, key: &TokenKey) -> String {
    let mut body = Vec::with_capacity(32);
    let mut shards = position.shards().peekable();
    let mut next = 0;
    while let Some((first, seq)) = shards.next() {
        let mut run = vec![seq];
        while let Some((_, seq)) =
            shards.next_if(|(shard, _)| usize::from(*shard) == usize::from(first) + run.len())
        {
            run.push(seq);
        }
        push(&mut body, u64::from(first) - next);
        push(&mut body, run.len() as u64);
        let mut before = 0_u64;
        for seq in &run {
            push(&mut body, fold(seq.wrapping_sub(before)));
            before = *seq;
        }
        next = u64::from(first) + run.len() as u64;
    }
    let mut bytes = seal(&body, key).to_vec();
    bytes.append(&mut body);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a token, if this installation made it, and for no more shards than it has.
pub fn read(text: &str, key: &TokenKey, shards: u16) -> Result<Position, InvalidPosition> {
    let bytes_max = SEAL_BYTES + usize::from(shards) * SHARD_BYTES_MAX;
    if text.len() > bytes_max.div_ceil(3) * 4 {
        return Err(InvalidPosition);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidPosition)?;
    let (sealed, body) = bytes.split_at_checked(SEAL_BYTES).ok_or(InvalidPosition)?;
    if sealed != seal(body, key) {
        return Err(InvalidPosition);
    }
    unpack(body, shards).ok_or(InvalidPosition)
}

fn unpack(mut body: &[u8], shards: u16) -> Option<Position> {
    let mut position = Position::default();
    let mut shard = 0_u64;
    while !body.is_empty() {
        shard = shard.checked_add(pull(&mut body)?)?;
        let length = pull(&mut body)?;
        if shard.checked_add(length)? > u64::from(shards) {
            return None;
        }
        let mut seq = 0_u64;
        for _ in 0..length {
            seq = seq.wrapping_add(unfold(pull(&mut body)?));
            if seq == 0 {
                return None;
            }
            position.set(u16::try_from(shard).ok()?, seq);
            shard += 1;
        }
    }
    Some(position)
}

pub(crate) fn seal(body: &[u8], key: &TokenKey) -> [u8; SEAL_BYTES] {
    let mut hasher = SipHasher24::new_with_key(&key.0);
    hasher.write(body);
    hasher.finish().to_le_bytes()
}

/// A difference, so that small ones are small whatever their sign.
pub(crate) fn fold(difference: u64) -> u64 {
    let signed = difference as i64;
    (signed << 1 ^ signed >> 63) as u64
}

pub(crate) fn unfold(folded: u64) -> u64 {
    folded >> 1 ^ (folded & 1).wrapping_neg()
}

pub(crate) fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(crate) fn pull(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in 0..VARINT_BYTES_MAX {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7F);
        let shifted = part.checked_shl(7 * place as u32)?;
        if shifted >> (7 * place) != part {
            return None;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: TokenKey = TokenKey([7; 16]);
    const SHARDS: u16 = 256;

    fn sealed(body: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([&seal(body, &KEY), body].concat())
    }

    proptest! {
        #[test]
        fn positions_come_back_as_they_went_out(
            shards in proptest::collection::btree_map(0..SHARDS, 1_u64.., 0..40),
        ) {
            let position: Position = shards.into_iter().collect();
            let token = write(&position, &KEY);
            prop_assert_eq!(read(&token, &KEY, SHARDS), Ok(position));
            prop_assert!(!token.contains(['+', '/', '=']));
        }

        /// Whatever somebody makes up is refused, or is a token of ours.
        #[test]
        fn what_is_made_up_is_refused(text in "[A-Za-z0-9_-]{0,60}") {
            prop_assert_eq!(read(&text, &KEY, SHARDS), Err(InvalidPosition));
        }

        /// No body, under whatever seal, makes the reader fail or name a shard that is not there.
        #[test]
        fn a_body_is_read_or_refused(body: Vec<u8>) {
            if let Ok(position) = read(&sealed(&body), &KEY, SHARDS) {
                prop_assert!(position.shards().all(|(shard, _)| shard < SHARDS));
            }
        }

        #[test]
        fn a_changed_character_is_noticed(place: prop::sample::Index, other in "[A-Za-z0-9_-]") {
            let position = Position::from_iter([(3, 70_000), (4, 70_001), (200, 5)]);
            let token = write(&position, &KEY);
            let place = place.index(token.len());
            let mut forged = token.clone();
            forged.replace_range(place..=place, &other);
            prop_assert_eq!(read(&forged, &KEY, SHARDS).is_ok(), forged == token);
        }
    }

    #[test]
    fn a_token_is_as_long_as_what_it_says() {
        assert!(write(&Position::of(17, 3), &KEY).len() <= 16);
        // However the numbers of the shards lie to each other.
        let far = |shard: u16| 1_000_000 - u64::from(shard % 2) * 999_000;
        for seq in [|_| 1_000_000, far, |shard: u16| 1_000_000 + u64::from(shard) * 31 % 997] {
            let position: Position = (0..SHARDS).map(|shard| (shard, seq(shard))).collect();
            let token = write(&position, &KEY);
            assert!(token.len() <= 1_100, "{} characters", token.len());
            assert_eq!(read(&token, &KEY, SHARDS), Ok(position));
        }
        let longest: Position =
            (0..1_024).filter(|shard| shard % 2 == 0).map(|shard| (shard, u64::MAX / 3)).collect();
        assert_eq!(read(&write(&longest, &KEY), &KEY, 1_024), Ok(longest));
    }

    #[test]
    fn what_is_not_of_this_installation_is_refused() {
        let token = write(&Position::of(3, 4), &KEY);
        let beyond = write(&Position::of(SHARDS, 4), &KEY);
        let foreign = write(&Position::of(3, 4), &TokenKey([8; 16]));
        let long = "A".repeat(100_000);
        let padded = format!("{token}=");
        for bad in ["", "x", "0.1", "AAAA", &beyond, &foreign, &long, &padded, &token[1..]] {
            assert_eq!(read(bad, &KEY, SHARDS), Err(InvalidPosition), "{bad:.40}");
        }
        // A run that ends early, one without end, a number 0, a varint beyond 64 bits.
        for body in [&[0, 2, 2][..], &[0, 255, 255, 255, 255, 15], &[0, 1, 0], &[255; 11]] {
            assert_eq!(read(&sealed(body), &KEY, SHARDS), Err(InvalidPosition), "{body:?}");
        }
        assert_eq!(read(&write(&Position::default(), &KEY), &KEY, 1), Ok(Position::default()));
    }

    /// Clients keep tokens across an upgrade.
    #[test]
    fn the_form_stands() {
        let position = Position::from_iter([(0, 1), (1, 3), (17, 1_000_000)]);
        assert_eq!(write(&position, &KEY), "ow6i2NgQnbIAAgIEDwGAiXo");
    }
}
