//! What is said on the channel of an installation, and what is not listened to. Versioned JSON that an
//! operator can read; a test holds it to its form.

use serde::{Deserialize, Serialize};

/// The version of the message that this program says, and the only one it listens to: whoever says
/// another one is heard by the looks that need no bell.
pub const VERSION: u32 = 1;

/// The longest message, in bytes: more than all heads that one may hold.
pub const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Heads in one message; what moved beside them is in the next.
pub const HEADS_MAX: usize = 256;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    pub version: u32,
    pub installation: String,
    /// Who says it, and in which life.
    pub node: String,
    pub life: String,
    pub what: What,
    /// How far the logs of shards go that this node serves, of those where that changed.
    pub heads: Vec<(u16, u64)>,
    pub load: Load,
}

/// Why it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// The bell is in order, and this node lives.
    Alive,
    /// Logs go further.
    Heads,
    /// A row of a member changed.
    Members,
    /// A shard was taken or given up.
    Owners,
}

/// How much a node has to do. For operators who listen; nobody is placed by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Load {
    pub live_aggregates: u64,
    pub admitted_bytes: u64,
}

/// Why a message is not listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    Length,
    Malformed,
    Version,
    Installation,
}

impl Dropped {
    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Installation => "installation",
        }
    }
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Message {
    /// Reads what came over the channel of `installation`.
    pub fn read(bytes: &[u8], installation: &str) -> Result<Self, Dropped> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Dropped::Length);
        }
        let Versioned { version } =
            serde_json::from_slice(bytes).map_err(|_| Dropped::Malformed)?;
        if version != VERSION {
            return Err(Dropped::Version);
        }
        let message: Self = serde_json::from_slice(bytes).map_err(|_| Dropped::Malformed)?;
        if message.installation != installation {
            return Err(Dropped::Installation);
        }
        if message.heads.len() > HEADS_MAX {
            return Err(Dropped::Length);
        }
        Ok(message)
    }

    pub fn written(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a message has string keys and whole numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"version":1,"installation":"17","node":"node-1","life":"a","what":"heads","heads":[[3,7]],"load":{"liveAggregates":2,"admittedBytes":5}}"#;

    fn message() -> Message {
        Message {
            version: VERSION,
            installation: "17".to_owned(),
            node: "node-1".to_owned(),
            life: "a".to_owned(),
            what: What::Heads,
            heads: vec![(3, 7)],
            load: Load { live_aggregates: 2, admitted_bytes: 5 },
        }
    }

    #[test]
    fn a_message_has_its_form() {
        assert_eq!(String::from_utf8(message().written()).expect("text"), TEXT);
        assert_eq!(Message::read(TEXT.as_bytes(), "17"), Ok(message()));
    }

    #[test]
    fn what_is_too_long_or_of_others_or_of_another_version_or_malformed_is_dropped() {
        let read = |text: &str| Message::read(text.as_bytes(), "17").map_err(Dropped::name);
        for (text, because) in [
            (TEXT.replace(r#":"17""#, r#":"18""#), "installation"),
            (TEXT.replace(r#""version":1"#, r#""version":2"#), "version"),
            (r#"{"version":2,"of":"the future"}"#.to_owned(), "version"),
            (TEXT.replace("heads\"", "rumours\""), "malformed"),
            (TEXT.replace("[3,7]", "[3,-7]"), "malformed"),
            (TEXT.replace("[3,7]", "[70000,7]"), "malformed"),
            (TEXT.replace(r#""life":"a","#, ""), "malformed"),
            (TEXT[..TEXT.len() - 1].to_owned(), "malformed"),
            ("[".repeat(MESSAGE_BYTES_MAX), "malformed"),
            (String::new(), "malformed"),
            (format!("{TEXT}{}", " ".repeat(MESSAGE_BYTES_MAX)), "length"),
            (TEXT.replace("[3,7]", &["[3,7]"; HEADS_MAX + 1].join(",")), "length"),
        ] {
            assert_eq!(read(&text), Err(because), "{text}");
        }
    }

    #[test]
    fn the_longest_message_may_be_said() {
        let node = "n".repeat(253);
        let heads = (0..).take(HEADS_MAX).map(|shard: u16| (60_000 + shard, u64::MAX)).collect();
        let longest = Message { node, heads, life: "f".repeat(36), ..message() };
        assert!(Message::read(&longest.written(), "17").is_ok());
    }
}
