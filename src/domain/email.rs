//! An e-mail address: what one looks like, and when two are the same.
//!
//! This file knows nobody who has one; who holds an address is
//! [`email_reservation`](crate::access::email_reservation)'s to say.

use std::{fmt, hash};

use crate::sealed::{Indexed, Personal, SealedIndexed};

/// The longest address, in bytes (RFC 5321, 4.5.3.1.3, less the angle brackets).
pub const ADDRESS_BYTES_MAX: usize = 254;
/// The longest part before the `@`, in bytes (RFC 5321, 4.5.3.1.1).
pub const LOCAL_PART_BYTES_MAX: usize = 64;

/// An e-mail address: ASCII, dot-atom local part (RFC 5322), host name with at least one dot
/// (an international domain in its `xn--` form). Written as given except that the domain is in
/// lower case; compared without regard to case, because no two people share such a pair. It is
/// nobody's to store or to log: only sealed does it leave whoever asks and whoever is answered.
#[derive(Clone)]
pub struct EmailAddress(String);

/// As commands, events and states carry it.
pub type SealedEmail = SealedIndexed<EmailAddress>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address of at most {ADDRESS_BYTES_MAX} bytes")]
pub struct InvalidEmail;

impl InvalidEmail {
    pub fn code(&self) -> &'static str {
        "INVALID_EMAIL"
    }
}

impl EmailAddress {
    /// Reads an address, ignoring white space around it.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        if text.len() > ADDRESS_BYTES_MAX || !text.is_ascii() {
            return Err(InvalidEmail);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        if !is_local_part(local) || !is_domain(domain) {
            return Err(InvalidEmail);
        }
        Ok(Self(format!("{local}@{}", domain.to_ascii_lowercase())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Personal for EmailAddress {
    const KIND: &'static str = "email";

    fn text(&self) -> &str {
        &self.0
    }

    fn as_sealed(text: String) -> Self {
        Self(text)
    }
}

impl Indexed for EmailAddress {
    fn normalised(&self) -> String {
        self.0.to_lowercase()
    }
}

fn is_local_part(local: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    local.len() <= LOCAL_PART_BYTES_MAX && local.split('.').all(is_atom)
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.contains('.')
        && domain.split('.').all(is_label)
        && domain
            .rsplit('.')
            .next()
            .is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for EmailAddress {}

impl hash::Hash for EmailAddress {
    fn hash<H: hash::Hasher>(&self, hasher: &mut H) {
        self.normalised().hash(hasher);
    }
}

/// Shown to nobody, and so to no log.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused() {
        let longest = format!(
            "a@{}.{}.{}.{}.com",
            "b".repeat(63),
            "c".repeat(63),
            "d".repeat(63),
            "e".repeat(56)
        );
        assert_eq!(longest.len(), ADDRESS_BYTES_MAX);
        for (text, expected) in [
            (" Ada.Lovelace+shop@Example.COM\n", "Ada.Lovelace+shop@example.com"),
            ("o'hara@mail.example.co.uk", "o'hara@mail.example.co.uk"),
            (longest.as_str(), longest.as_str()),
        ] {
            let address = EmailAddress::parse(text).expect("a valid address");
            assert_eq!(address.as_str(), expected);
        }
        let too_long = format!("a{longest}");
        let local_too_long = format!("{}@example.com", "a".repeat(65));
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@b.com",
            "a@b",
            "a@@b.com",
            "a@b@c.com",
            "a b@c.com",
            ".a@b.com",
            "a.@b.com",
            "a..b@c.com",
            "a@-b.com",
            "a@b-.com",
            "a@b..com",
            "a@.com",
            "a@b.com.",
            "a@1.2.3.4",
            "a@b_c.com",
            "é@example.com",
            "a@bücher.example",
            "a\0@b.com",
            "\"a\"@b.com",
            &too_long,
            &local_too_long,
        ] {
            assert_eq!(EmailAddress::parse(text), Err(InvalidEmail), "{text:?}");
        }
    }

    #[test]
    fn spellings_of_one_address_are_equal() {
        let address = EmailAddress::parse("ada@example.com").expect("a valid address");
        let shouted = EmailAddress::parse("ADA@EXAMPLE.COM").expect("a valid address");
        assert_eq!(shouted, address);
        assert_eq!(shouted.normalised(), address.normalised());
        assert!(!format!("{address:?}").contains("ada"));
    }
}
