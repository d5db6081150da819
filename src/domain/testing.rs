//! What tests of aggregates share: given / when / then, golden files of stored events, and in
//! [`wire`] those of what crosses between nodes.
//!
//! Only tests see this file.

pub mod wire;

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::access::user::DisplayName;
use crate::aggregate::{Aggregate, Context, DomainEvent, Refusal};
use crate::email::{EmailAddress, SealedEmail};
use crate::id::AggregateId;
use crate::principal::Principal;
use crate::sealed::{BlindIndex, Ciphertext, INDEX_BYTES, IndexKey, PersonId, PersonKey, Sealed};

/// The time at which tests begin: 2026-03-01T12:00:00Z.
pub fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_366_400, 0).expect("a time within chrono's range")
}

/// Noon and so many seconds.
pub fn noon_plus(seconds: i64) -> DateTime<Utc> {
    noon() + TimeDelta::seconds(seconds)
}

/// The id that a test writes as a small number.
pub fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub fn context(id: AggregateId, now: DateTime<Utc>, version: u64) -> Context {
    Context {
        now,
        command_id: uuid(0xC0),
        principal: Principal::client("tester"),
        aggregate_id: id,
        version,
    }
}

/// The state that the events lead to.
pub fn state_of<A: Aggregate>(events: &[A::Event]) -> A::State {
    let mut state = A::State::default();
    events.iter().for_each(|event| A::apply(&mut state, event));
    state
}

/// An address that is one.
pub fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("a valid address")
}

/// The index of an address.
pub fn index(text: &str) -> BlindIndex {
    BlindIndex::of(&email(text), &TestIndex)
}

/// An address, sealed as everybody's who is in no test of keys.
pub fn sealed_email(text: &str) -> SealedEmail {
    SealedEmail::new(&email(text), &TestKey::default(), &TestIndex)
}

/// A name, sealed likewise.
pub fn sealed_name(text: &str) -> Sealed<DisplayName> {
    let name = DisplayName::read(text).expect("a valid name");
    Sealed::new(&name, &TestKey::default())
}

/// A key that hides a text from the eye alone.
#[derive(Clone, Copy, Debug)]
pub struct TestKey {
    pub person: PersonId,
    pub number: u32,
}

impl Default for TestKey {
    fn default() -> Self {
        Self { person: PersonId(uuid(0x9E)), number: 1 }
    }
}

const MARK: u8 = 0x5A;

impl PersonKey for TestKey {
    fn person(&self) -> PersonId {
        self.person
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn seal(&self, kind: &str, text: &str) -> Ciphertext {
        let text = format!("{kind}\n{text}").bytes().map(|byte| byte ^ MARK).collect();
        Ciphertext { nonce: Default::default(), text }
    }

    fn open(&self, kind: &str, sealed: &Ciphertext) -> Option<String> {
        let text = String::from_utf8(sealed.text.iter().map(|byte| byte ^ MARK).collect()).ok()?;
        Some(text.strip_prefix(kind)?.strip_prefix('\n')?.to_owned())
    }
}

/// Hashes that everybody can make.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestIndex;

impl IndexKey for TestIndex {
    fn hash(&self, kind: &str, normalised: &str) -> [u8; INDEX_BYTES] {
        *AggregateId::derived(&[kind.as_bytes(), normalised.as_bytes()]).as_bytes()
    }
}

/// Begins a test whose aggregate's id does not matter, on the morning after [`noon`].
pub fn given_events<A: Aggregate>(events: Vec<A::Event>) -> Given<A> {
    given(AggregateId(uuid(0xA6)), events).at(noon_plus(21 * 3600))
}

/// Begins a test: what has happened so far, to the aggregate of this id.
pub fn given<A: Aggregate>(
    id: AggregateId,
    events: impl IntoIterator<Item = A::Event>,
) -> Given<A> {
    let events: Vec<_> = events.into_iter().collect();
    Given { state: state_of::<A>(&events), version: events.len() as u64, id, now: noon() }
}

pub struct Given<A: Aggregate> {
    pub state: A::State,
    version: u64,
    id: AggregateId,
    now: DateTime<Utc>,
}

impl<A: Aggregate> Given<A> {
    /// Lets time pass before the command comes.
    pub fn at(mut self, now: DateTime<Utc>) -> Self {
        self.now = now;
        self
    }

    /// Applies the events of a command.
    #[track_caller]
    fn moves(&mut self, command: &A::Command, events: &[A::Event]) {
        let before = self.state.clone();
        events.iter().for_each(|event| A::apply(&mut self.state, event));
        self.version += events.len() as u64;
        let changed = events.is_empty() || self.state != before;
        assert!(changed, "{command:?} changes nothing, and has the events {events:?}");
    }

    /// The aggregate's id, where it matters.
    pub fn of(mut self, id: AggregateId) -> Self {
        self.id = id;
        self
    }

    /// Gives the command. It and a refusal of it must survive the way to another node and back.
    #[track_caller]
    pub fn when(self, command: A::Command) -> When<A> {
        wire::assert_crosses(&command);
        let outcome = A::decide(&self.state, &command, &context(self.id, self.now, self.version));
        if let Err(refusal) = &outcome {
            wire::assert_crosses(refusal);
        }
        When { given: self, command, outcome }
    }
}

pub struct When<A: Aggregate> {
    given: Given<A>,
    command: A::Command,
    outcome: Result<Vec<A::Event>, A::Refusal>,
}

impl<A: Aggregate> When<A> {
    /// The command happened as these events; goes on from there.
    #[track_caller]
    pub fn then(self, expected: impl AsRef<[A::Event]>) -> Given<A> {
        match &self.outcome {
            Ok(events) => assert_eq!(events, expected.as_ref(), "events of {:?}", self.command),
            Err(refusal) => {
                panic!("{:?} was refused: {refusal} ({})", self.command, refusal.code())
            }
        }
        self.accepted()
    }

    /// The command happened, whatever its events are; goes on from there. Events change something,
    /// those of the command and those of the same one a second time: what changes nothing has none.
    #[track_caller]
    pub fn accepted(self) -> Given<A> {
        let mut given = self.given;
        match self.outcome {
            Ok(events) => {
                given.moves(&self.command, &events);
                let context = context(given.id, given.now, given.version);
                let again = A::decide(&given.state, &self.command, &context);
                let second = Given { state: given.state.clone(), ..given };
                { second }.moves(&self.command, &again.unwrap_or_default());
            }
            Err(refusal) => {
                panic!("{:?} was refused: {refusal} ({})", self.command, refusal.code())
            }
        }
        given
    }

    /// The command was refused with this code; goes on from the unchanged state.
    #[track_caller]
    pub fn refused(self, code: &str) -> Given<A> {
        match &self.outcome {
            Ok(events) => panic!("{:?} was not refused but became {events:?}", self.command),
            Err(refusal) => assert_eq!(refusal.code(), code, "refusal of {:?}", self.command),
        }
        self.given
    }

    /// The command was refused with exactly this.
    #[track_caller]
    pub fn refused_as(self, expected: A::Refusal) -> Given<A> {
        assert_eq!(self.outcome, Err(expected), "refusal of {:?}", self.command);
        self.given
    }
}

/// Holds the stored shape of an aggregate's events: one sample per variant, compared with
/// `tests/golden/events/<aggregate>.json`, which `EMPORIUM_BLESS=1` writes anew. What is in that
/// file may be in someone's journal: a difference needs a new schema version and an upcaster.
#[track_caller]
pub fn golden<E: DomainEvent>(aggregate: &str, samples: &[E]) {
    let stored = serde_json::to_value(samples).expect("events serialise");
    for value in stored.as_array().expect("a slice serialises as an array") {
        let object = value.as_object().expect("an event is an object");
        let name = object["type"].as_str().expect("an event names its type");
        assert!(
            object.keys().all(|key| key == "type" || key == "data"),
            "{name} is not type and data"
        );
        assert!(object["data"].is_object(), "{name} is not a struct variant");
    }
    let back: Vec<E> = serde_json::from_value(stored.clone()).expect("stored events decode");
    assert_eq!(back, samples, "events survive the round trip");

    compare(
        &format!("events/{aggregate}.json"),
        &stored,
        "give the event a new schema and an upcaster, or, for an event that nobody has stored yet,",
    );
}

/// Compares with a golden file, or writes it anew where `EMPORIUM_BLESS=1`. `cure` says what to do
/// about a difference rather than that.
#[track_caller]
fn compare(file: &str, value: &Value, cure: &str) {
    let mut text = serde_json::to_string_pretty(value).expect("JSON prints");
    text.push('\n');
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(file);
    if std::env::var_os("EMPORIUM_BLESS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().expect("the path has a folder"))
            .expect("folder made");
        std::fs::write(&path, &text).expect("golden file written");
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("no golden file {}: {error}; EMPORIUM_BLESS=1 writes it", path.display())
    });
    assert_eq!(
        golden, text,
        "what {file} holds has another form now: {cure} write it anew with EMPORIUM_BLESS=1",
    );
}
