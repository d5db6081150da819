//! What is personal, as commands, events and states carry it: sealed under the key of the person whom
//! it is about, and compared by a hash that nobody can make without a secret.
//!
//! The rules see neither the text nor a key. That a text keeps its rule is seen by its type: a
//! [`Sealed<T>`] is made of a `T` alone, and a `T` is what passed its own rule. Whoever seals and
//! opens is outside ([`PersonKey`], [`IndexKey`]); once the key of a person is destroyed, all that
//! was sealed under it is [`Opened::Erased`], in every log, snapshot and backup.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Somebody whom data are about: a user, or a guest by the e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(pub Uuid);

pub const NONCE_BYTES: usize = 12;
pub const INDEX_BYTES: usize = 16;

/// A text about a person that passed its rule.
pub trait Personal: Sized {
    /// What kind of text it is, for ever: what is sealed as one kind is never opened as another.
    const KIND: &'static str;

    fn text(&self) -> &str;

    /// What was sealed had passed its rule then, which may have been wider than the present one.
    fn as_sealed(text: String) -> Self;
}

/// A personal text that is compared, and found, among those of all persons.
pub trait Indexed: Personal {
    /// The form that is the same for all spellings that count as one.
    fn normalised(&self) -> String;
}

/// The key of one person. The same text of the same person is sealed alike each time, so that rules
/// can tell whether something changed.
pub trait PersonKey {
    fn person(&self) -> PersonId;

    /// Which of the keys of this person it is: one who was erased and comes again has a new one.
    fn number(&self) -> u32;

    fn seal(&self, kind: &str, text: &str) -> Ciphertext;

    /// Nothing, if it is not what this key sealed as this kind.
    fn open(&self, kind: &str, sealed: &Ciphertext) -> Option<String>;
}

/// What a text became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphertext {
    pub nonce: [u8; NONCE_BYTES],
    pub text: Vec<u8>,
}

/// The secret under which the texts of all persons are hashed.
pub trait IndexKey {
    fn hash(&self, kind: &str, normalised: &str) -> [u8; INDEX_BYTES];
}

/// A personal text, sealed. Two are equal if they are the same text of the same person.
pub struct Sealed<T> {
    person: PersonId,
    key: u32,
    ciphertext: Ciphertext,
    of: PhantomData<fn() -> T>,
}

/// What a sealed text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened<T> {
    Text(T),
    /// The key was destroyed: nobody will read it again.
    Erased,
}

impl<T> Opened<T> {
    pub fn text(self) -> Option<T> {
        match self {
            Self::Text(text) => Some(text),
            Self::Erased => None,
        }
    }
}

impl<T: Personal> Sealed<T> {
    pub fn new(text: &T, key: &impl PersonKey) -> Self {
        let ciphertext = key.seal(T::KIND, text.text());
        Self { person: key.person(), key: key.number(), ciphertext, of: PhantomData }
    }

    /// `key` is the one that this person has now, if there is one.
    pub fn open(&self, key: Option<&impl PersonKey>) -> Result<Opened<T>, Unopened> {
        match key.filter(|key| key.number() == self.key && key.person() == self.person) {
            None => Ok(Opened::Erased),
            Some(key) => match key.open(T::KIND, &self.ciphertext) {
                Some(text) => Ok(Opened::Text(T::as_sealed(text))),
                None => Err(Unopened),
            },
        }
    }
}

/// What is sealed, of a kind that whoever meets it does not know.
#[derive(Debug)]
pub enum Whatever {}

impl Sealed<Whatever> {
    /// A sealed text as it is written; nothing for any other text.
    pub fn written(text: &str) -> Option<Self> {
        read(&URL_SAFE_NO_PAD.decode(text).ok()?)
    }

    /// What it says as the first of these kinds that it is.
    pub fn open_as(&self, kinds: &[&str], key: &impl PersonKey) -> Option<String> {
        let is_its = key.number() == self.key && key.person() == self.person;
        kinds.iter().filter(|_| is_its).find_map(|kind| key.open(kind, &self.ciphertext))
    }
}

impl<T> Sealed<T> {
    pub fn person(&self) -> PersonId {
        self.person
    }
}

/// The key is there and does not open it: it was changed since it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed text does not open under its key")]
pub struct Unopened;

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Self { ciphertext: self.ciphertext.clone(), ..*self }
    }
}

impl<T> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.person, self.key) == (other.person, other.key) && self.ciphertext == other.ciphertext
    }
}

impl<T> Eq for Sealed<T> {}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sealed({})", self.person.0)
    }
}

/// Says how the rest is to be read.
const FORM: u8 = 1;
/// Form, person, key, nonce.
const HEAD_BYTES: usize = 1 + 16 + 4 + NONCE_BYTES;

/// One string, base64url.
impl<T> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Ciphertext { nonce, text } = &self.ciphertext;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + text.len());
        bytes.push(FORM);
        bytes.extend_from_slice(self.person.0.as_bytes());
        bytes.extend_from_slice(&self.key.to_be_bytes());
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(text);
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl<'de, T> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = from_base64::<D>(deserializer)?;
        read(&bytes).ok_or_else(|| D::Error::custom("not a sealed text"))
    }
}

fn read<T>(bytes: &[u8]) -> Option<Sealed<T>> {
    let (&[FORM], rest) = bytes.split_first_chunk::<1>()? else { return None };
    let (person, rest) = rest.split_first_chunk::<16>()?;
    let (key, rest) = rest.split_first_chunk::<4>()?;
    let (nonce, text) = rest.split_first_chunk::<NONCE_BYTES>()?;
    Some(Sealed {
        person: PersonId(Uuid::from_bytes(*person)),
        key: u32::from_be_bytes(*key),
        ciphertext: Ciphertext { nonce: *nonce, text: text.to_vec() },
        of: PhantomData,
    })
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| D::Error::custom("not base64url"))
}

/// A keyed hash of a text, by which it is compared and found. Who has no key can neither make one
/// nor try texts against one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlindIndex([u8; INDEX_BYTES]);

impl BlindIndex {
    pub fn of<T: Indexed>(text: &T, key: &impl IndexKey) -> Self {
        Self(key.hash(T::KIND, &text.normalised()))
    }

    /// One that was kept.
    pub fn from_bytes(bytes: [u8; INDEX_BYTES]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; INDEX_BYTES] {
        &self.0
    }
}

impl fmt::Display for BlindIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlindIndex({self})")
    }
}

impl Serialize for BlindIndex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BlindIndex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = from_base64::<D>(deserializer)?;
        let index = bytes.try_into().map_err(|_| D::Error::custom("not a blind index"))?;
        Ok(Self(index))
    }
}

/// A sealed text with its index. Two are equal if their texts count as one, whoever's they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct SealedIndexed<T> {
    pub index: BlindIndex,
    pub sealed: Sealed<T>,
}

impl<T: Indexed> SealedIndexed<T> {
    pub fn new(text: &T, key: &impl PersonKey, index: &impl IndexKey) -> Self {
        Self { index: BlindIndex::of(text, index), sealed: Sealed::new(text, key) }
    }
}

impl<T> PartialEq for SealedIndexed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<T> Eq for SealedIndexed<T> {}

#[cfg(test)]
#[path = "sealed_tests.rs"]
mod tests;
