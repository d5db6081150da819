//! As much of CBOR (RFC 8949) as authenticators speak: CTAP2's canonical form has whole numbers, bytes, texts, short
//! lists and maps, each of a length that is said, in the shortest way. Anything else is refused, and so is what follows.

/// Nothing of WebAuthn lies deeper.
const DEPTH_MAX: u8 = 4;
/// The most entries of a list or a map.
const ENTRIES_MAX: u64 = 64;

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Number(i64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Item>),
    Map(Vec<(Item, Item)>),
    Flag(bool),
}

/// It is none, or has a form that nobody was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoItem;

impl Item {
    /// What stands under a key of a map, if it stands there once.
    pub fn get(&self, key: &Item) -> Option<&Item> {
        let Self::Map(entries) = self else { return None };
        let mut found = entries.iter().filter(|(known, _)| known == key).map(|(_, item)| item);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    pub fn named(&self, name: &str) -> Option<&Item> {
        self.get(&Self::Text(name.to_owned()))
    }

    pub fn numbered(&self, number: i64) -> Option<&Item> {
        self.get(&Self::Number(number))
    }

    pub fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

/// The first item, and what is behind it.
pub fn first(bytes: &[u8]) -> Result<(Item, &[u8]), NoItem> {
    item(bytes, DEPTH_MAX)
}

/// The one item that there is.
pub fn only(bytes: &[u8]) -> Result<Item, NoItem> {
    match first(bytes)? {
        (item, []) => Ok(item),
        _ => Err(NoItem),
    }
}

fn item(bytes: &[u8], depth: u8) -> Result<(Item, &[u8]), NoItem> {
    let depth = depth.checked_sub(1).ok_or(NoItem)?;
    let (kind, length, mut rest) = head(bytes)?;
    let number = || i64::try_from(length).map_err(|_| NoItem);
    let item = match kind {
        0 => Item::Number(number()?),
        1 => Item::Number(-1 - number()?),
        2 | 3 => {
            let length = usize::try_from(length).map_err(|_| NoItem)?;
            let (text, behind) = rest.split_at_checked(length).ok_or(NoItem)?;
            rest = behind;
            match kind {
                2 => Item::Bytes(text.to_vec()),
                _ => Item::Text(std::str::from_utf8(text).map_err(|_| NoItem)?.to_owned()),
            }
        }
        4 | 5 if length > ENTRIES_MAX => return Err(NoItem),
        4 => {
            let mut items = Vec::new();
            for _ in 0..length {
                let (item, behind) = self::item(rest, depth)?;
                items.push(item);
                rest = behind;
            }
            Item::List(items)
        }
        5 => {
            let mut entries = Vec::new();
            for _ in 0..length {
                let (key, behind) = self::item(rest, depth)?;
                let (item, behind) = self::item(behind, depth)?;
                entries.push((key, item));
                rest = behind;
            }
            Item::Map(entries)
        }
        7 if length == 20 || length == 21 => Item::Flag(length == 21),
        _ => return Err(NoItem),
    };
    Ok((item, rest))
}

/// The kind of an item and its length or value, in the shortest form that there is for it.
fn head(bytes: &[u8]) -> Result<(u8, u64, &[u8]), NoItem> {
    let (first, rest) = bytes.split_first().ok_or(NoItem)?;
    let (kind, short) = (first >> 5, first & 0x1f);
    let (width, least) = match short {
        0..=23 => return Ok((kind, u64::from(short), rest)),
        // Flags and floats of more bytes are nothing that is said here.
        _ if kind == 7 => return Err(NoItem),
        24 => (1, 24),
        25 => (2, 1 << 8),
        26 => (4, 1 << 16),
        27 => (8, 1 << 32),
        _ => return Err(NoItem),
    };
    let (length, rest) = rest.split_at_checked(width).ok_or(NoItem)?;
    let length = length.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte));
    if length < least {
        return Err(NoItem);
    }
    Ok((kind, length, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8949, appendix A.
    #[test]
    fn items_are_those_of_the_specification() {
        let text = |text: &str| Item::Text(text.to_owned());
        for (bytes, item) in [
            (&[0x00][..], Item::Number(0)),
            (&[0x17], Item::Number(23)),
            (&[0x18, 0x18], Item::Number(24)),
            (&[0x19, 0x03, 0xe8], Item::Number(1_000)),
            (&[0x1a, 0x00, 0x0f, 0x42, 0x40], Item::Number(1_000_000)),
            (&[0x1b, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0], Item::Number(1_000_000_000_000)),
            (&[0x20], Item::Number(-1)),
            (&[0x39, 0x03, 0xe7], Item::Number(-1_000)),
            (&[0x44, 1, 2, 3, 4], Item::Bytes(vec![1, 2, 3, 4])),
            (&[0x64, b'I', b'E', b'T', b'F'], text("IETF")),
            (&[0x62, 0xc3, 0xbc], text("ü").clone()),
            (&[0xf4], Item::Flag(false)),
            (&[0xf5], Item::Flag(true)),
            (&[0x80], Item::List(vec![])),
            (
                &[0x82, 1, 0x81, 2],
                Item::List(vec![Item::Number(1), Item::List(vec![Item::Number(2)])]),
            ),
            (&[0xa1, 0x61, b'a', 1], Item::Map(vec![(text("a"), Item::Number(1))])),
        ] {
            assert_eq!(only(bytes), Ok(item.clone()), "{bytes:x?}");
            for length in 0..bytes.len() {
                assert_eq!(only(&bytes[..length]), Err(NoItem), "{bytes:x?} {length}");
            }
            let longer = [bytes, &[0]].concat();
            assert_eq!(only(&longer), Err(NoItem));
            assert_eq!(first(&longer), Ok((item, &[0][..])));
        }
    }

    #[test]
    fn what_no_authenticator_says_is_refused() {
        for bytes in [
            &[0x18, 0x17][..], // a longer form than it takes
            &[0x19, 0, 0xff],
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // beyond any number of ours
            &[0x5f, 0x41, 1, 0xff],                                  // no length
            &[0x9f, 0xff],
            &[0x61, 0xff],                                           // no text
            &[0xc0, 0x60],                                           // a tag
            &[0xf6],                                                 // null
            &[0xf9, 0, 0],                                           // a float
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // more than there is
            &[0x9a, 0xff, 0xff, 0xff, 0xff],
            &[0x81, 0x81, 0x81, 0x81, 0x80], // too deep
            &[],
        ] {
            assert_eq!(only(bytes), Err(NoItem), "{bytes:x?}");
        }
        let twice = only(&[0xa2, 1, 1, 1, 2]).expect("a map");
        assert_eq!(twice.numbered(1), None, "what is said twice is said by nobody");
    }
}
