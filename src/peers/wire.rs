//! The frames that cross. Their numbers are for ever: `proto/node.proto` has them for people, and a
//! test holds the two together.

use prost::{Enumeration, Message, Oneof};

/// The version of the protocol that this program speaks …
pub const VERSION: u32 = 1;
/// … and the oldest one that it still understands.
pub const OLDEST: u32 = 1;

/// The longest frame, in bytes: more than the longest command and the longest answer.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// From whoever made the link.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    #[prost(oneof = "Asking", tags = "1, 2, 3")]
    pub what: Option<Asking>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Asking {
    /// The first frame, and no other.
    #[prost(message, tag = "1")]
    Hello(Hello),
    #[prost(message, tag = "2")]
    Call(Call),
    #[prost(message, tag = "3")]
    Notice(Notice),
}

/// Who makes the link, and what it speaks.
#[derive(Clone, PartialEq, Message)]
pub struct Hello {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(uint32, tag = "2")]
    pub oldest: u32,
    #[prost(string, tag = "3")]
    pub node: String,
    /// Of which installation: two of them never talk.
    #[prost(string, tag = "4")]
    pub installation: String,
}

/// What a call wants. The payload is JSON, in the form that the golden files show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Wish {
    Unspecified = 0,
    /// A command to one aggregate, or what became of one by its key.
    Command = 1,
    /// A question to one aggregate.
    Question = 2,
    /// What was committed behind these places of logs that the other serves, as soon as there is some.
    Tail = 3,
    /// What an operator wants of one aggregate.
    Errand = 4,
    /// Many questions, each to one aggregate.
    Questions = 5,
    /// What a command to one aggregate would do.
    Rehearsal = 6,
}

impl Wish {
    /// What metrics call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Command => "command",
            Self::Question => "question",
            Self::Tail => "tail",
            Self::Errand => "errand",
            Self::Questions => "questions",
            Self::Rehearsal => "rehearsal",
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct Call {
    /// Of the link, and never used twice on it.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(enumeration = "Wish", tag = "2")]
    pub wish: i32,
    /// The time that is left for it.
    #[prost(uint32, tag = "3")]
    pub left_ms: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub payload: Vec<u8>,
}

/// Something to look at; what is true stands in the database.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Notice {
    #[prost(enumeration = "News", tag = "1")]
    pub news: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum News {
    Unspecified = 0,
    /// Shards were given up.
    Released = 1,
    /// A node comes or goes.
    Members = 2,
}

/// From whoever was linked to.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    #[prost(oneof = "Answering", tags = "1, 2")]
    pub what: Option<Answering>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Answering {
    /// The first frame, and no other.
    #[prost(message, tag = "1")]
    Welcome(Welcome),
    #[prost(message, tag = "2")]
    Reply(Reply),
}

/// The link stands.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Welcome {
    /// The version that both speak.
    #[prost(uint32, tag = "1")]
    pub version: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Reply {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(enumeration = "Outcome", tag = "2")]
    pub outcome: i32,
    /// What was answered, as JSON.
    #[prost(bytes = "vec", tag = "3")]
    pub payload: Vec<u8>,
    /// Who is taken to have it, where it is not here.
    #[prost(string, tag = "4")]
    pub owner: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Outcome {
    Unspecified = 0,
    Answered = 1,
    /// Nothing was done: the shard is not served there.
    NotHere = 2,
    /// Nothing was done: too much is under way there.
    Busy = 3,
    /// Nothing was done: it cannot be read there.
    Unreadable = 4,
}
