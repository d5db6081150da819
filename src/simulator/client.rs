//! What clients want and how they insist: operations that are tried, timed out, tried again with
//! the same key, here or elsewhere, at once or much later. A client knows nothing of the log.

use std::sync::Arc;

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::cell::Told;
use crate::node::Message;
use crate::random::Random;
use crate::stock::Command;
use actors::core::Verdict;
use persistence::journal::ShardId;

/// Where a client stands with what it wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// To be tried (again).
    Open,
    Answered,
    /// The client lost patience; nobody will hear of it again.
    Abandoned,
}

/// One thing that a client wants done.
pub struct Operation {
    pub message: Message,
    pub standing: Standing,
    /// The tries under way or timed out start at this number; older ones are not listened to.
    pub attempt: u64,
    pub tries: u32,
}

/// One look at an item.
pub struct Look {
    pub id: Uuid,
    pub shard: ShardId,
    pub floor: u64,
    pub answered: bool,
    /// It is repeated until answered.
    pub insists: bool,
}

pub struct Items {
    pub ids: Vec<Uuid>,
    pub shards: u16,
}

impl Items {
    pub fn shard(&self, index: usize) -> ShardId {
        u16::try_from(index).expect("few items") % self.shards
    }
}

/// What the next client wants. Now and then it uses a key of an earlier one, for the same or other
/// content, or only asks what became of it.
pub fn want(
    random: &mut Random,
    items: &Items,
    earlier: &[Operation],
    known_version: impl Fn(Uuid) -> u64,
) -> Operation {
    let index = random.index(items.ids.len());
    let mut id = items.ids[index];
    let mut shard = items.shard(index);
    let mut command = match random.below(10) {
        0..=5 => Command::Sell(1 + random.below(3) as i64),
        6..=8 => Command::Receive(1 + random.below(3) as i64),
        _ => Command::Look,
    };
    let mut key = Some(Arc::from(format!("key-{}", earlier.len())));
    let mut only_asks = false;
    if random.chance(80) && !earlier.is_empty() {
        let other = &earlier[random.index(earlier.len())].message;
        (id, shard) = (other.id, other.shard);
        key.clone_from(&other.key);
        only_asks = key.is_some() && random.chance(500);
        if let (true, Some(wish)) = (random.chance(500), &other.command) {
            command = wish.clone();
        }
    } else if random.chance(80) {
        key = None;
    }
    let json = serde_json::to_vec(&command).expect("a command serializes");
    Operation {
        message: Message {
            attempt: 0,
            id,
            shard,
            // All of one generation of the secret: those of two cannot be told apart.
            input_hash: if key.is_some() { xxh3_64(&json) >> 16 } else { 0 },
            command: (!only_asks).then_some(command),
            key,
            expected_version: random.chance(60).then(|| known_version(id)),
            has_crossed: false,
        },
        standing: Standing::Open,
        attempt: 0,
        tries: 0,
    }
}

impl Operation {
    /// A try is answered. True if it is to be tried again.
    pub fn hear(&mut self, told: &Told, random: &mut Random) -> bool {
        match told {
            Told::Verdict(Verdict::Dropped(_) | Verdict::KeysFull) | Told::Unavailable => {
                self.standing == Standing::Open
            }
            Told::Verdict(_) => {
                // A few ask again although they were answered: the answer must stay the same.
                let again = self.message.key.is_some() && self.tries < 6 && random.chance(150);
                self.standing = Standing::Answered;
                again
            }
        }
    }

    /// No answer came in time. True if it is to be tried again with the same key.
    pub fn time_out(&mut self, random: &mut Random, healed: bool) -> bool {
        if self.standing != Standing::Open {
            return false;
        }
        if self.message.key.is_none() || (!healed && random.chance(100)) {
            self.standing = Standing::Abandoned;
            return false;
        }
        true
    }
}
