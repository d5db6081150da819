//! The promises, checked at every statement, answer and read.
//!
//! The log is the witness. Versions of an aggregate order its history, so that linearizability is
//! an online check: an operation takes its place at a version; it must not stand before anything
//! that was *heard* (an answer that reached a client) before it was sent, nor behind what is in the
//! log when it is answered. A write stands at its own version, which is behind whatever was in the
//! log when it was appended; a read stands at the version it shows; a refusal at some version in
//! between whose state refuses (the first one, which leaves later operations the most room).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::cell::Told;
use crate::node::{Message, command_id};
use crate::stock::{Event, Stock};
use actors::core::Verdict;
use persistence::codec;
use persistence::journal::{Entry, Epoch, SHARD_RECORD, Seq, ShardId};

type Check<T = ()> = Result<T, String>;

/// What a command did, as the log has it.
#[derive(Clone, Debug)]
struct Done {
    input_hash: u64,
    version: u64,
    shard: ShardId,
    seq: Seq,
}

#[derive(Default)]
struct Item {
    /// The quantity at each version from 0; `None` between the events of one command.
    quantities: Vec<Option<i64>>,
    quantity: i64,
    heard: u64,
}

#[derive(Default)]
pub struct Promises {
    heads: BTreeMap<ShardId, (Seq, Epoch, i64)>,
    items: BTreeMap<Uuid, Item>,
    keys: HashMap<Arc<str>, Done>,
    commands: HashMap<Uuid, Done>,
    entries: HashMap<(ShardId, Seq), Entry>,
    /// Tries whose callers were told that they did nothing.
    denied: HashSet<Uuid>,
}

impl Promises {
    pub fn with_items(ids: &[Uuid]) -> Self {
        let empty = || Item { quantities: vec![Some(0)], ..Item::default() };
        Self { items: ids.iter().map(|id| (*id, empty())).collect(), ..Self::default() }
    }

    /// The newest version that any client has heard of: the floor of what is sent now.
    pub fn heard(&self, id: Uuid) -> u64 {
        self.items[&id].heard
    }

    pub fn hear(&mut self, id: Uuid, version: u64) {
        let item = self.items.get_mut(&id).expect("a known item");
        item.heard = item.heard.max(version);
    }

    /// A row was written.
    pub fn appended(&mut self, entry: &Entry) -> Check {
        let (head, epoch, recorded_us) = self.heads.entry(entry.shard).or_default();
        if entry.seq != *head + 1 {
            return Err(format!("number {} follows {head} in the log", entry.seq));
        }
        if entry.epoch < *epoch {
            return Err(format!("epoch {} follows epoch {epoch}", entry.epoch));
        }
        if entry.recorded_us < *recorded_us {
            return Err(format!("time goes back from {recorded_us} to {}", entry.recorded_us));
        }
        (*head, *epoch, *recorded_us) = (entry.seq, entry.epoch, entry.recorded_us);
        self.entries.insert((entry.shard, entry.seq), entry.clone());
        if entry.aggregate_type.as_ref() == SHARD_RECORD {
            return Ok(());
        }
        let stored = codec::decode::<Stock>(&entry.events).map_err(|e| e.to_string())?;
        let item = self.items.get_mut(&entry.aggregate_id);
        let item = item.ok_or("an unknown item")?;
        if entry.version != item.quantities.len() as u64 || stored.len() != entry.count as usize {
            return Err(format!(
                "{} events from version {} on follow version {}",
                stored.len(),
                entry.version,
                item.quantities.len() - 1
            ));
        }
        let mut meta = None;
        for (index, one) in stored.iter().enumerate() {
            meta = one.command.as_ref().or(meta);
            let meta = meta.ok_or("an event of no command")?;
            let id = meta.command_id.ok_or("a command without an id")?;
            match one.event {
                Some(Event::Sold { quantity }) => item.quantity -= quantity,
                Some(Event::Received { quantity }) => item.quantity += quantity,
                None => {}
            }
            if item.quantity < 0 {
                return Err(format!("oversold: {} are left", item.quantity));
            }
            let last = stored.get(index + 1).is_none_or(|next| next.command.is_some());
            item.quantities.push(last.then_some(item.quantity));
            if !last {
                continue;
            }
            let done = Done {
                input_hash: meta.input_hash.unwrap_or_default(),
                version: item.quantities.len() as u64 - 1,
                shard: entry.shard,
                seq: entry.seq,
            };
            if self.denied.contains(&id) {
                return Err(format!("false failure: try {id} was denied and took effect"));
            }
            if let Some(key) = &meta.key
                && self.keys.insert(Arc::clone(key), done.clone()).is_some()
            {
                return Err(format!("{key} takes effect twice"));
            }
            if self.commands.insert(id, done).is_some() {
                return Err(format!("try {id} takes effect twice"));
            }
        }
        Ok(())
    }

    /// A writer says that these are durable.
    pub fn announced(&self, entries: &[Entry]) -> Check {
        for entry in entries {
            if self.entries.get(&(entry.shard, entry.seq)) != Some(entry) {
                let (shard, seq) = (entry.shard, entry.seq);
                return Err(format!("{shard}/{seq} is announced and not in the log"));
            }
        }
        Ok(())
    }

    /// A node answers a try that was sent when `floor` had been heard. Returns the version that
    /// whoever hears it then knows of.
    pub fn told(&mut self, message: &Message, floor: u64, told: &Told) -> Check<u64> {
        let id = command_id(message.attempt);
        let item = &self.items[&message.id];
        let head = item.quantities.len() as u64 - 1;
        let of_key = message.key.as_ref().and_then(|key| self.keys.get(key));
        match told {
            Told::Verdict(Verdict::Done(committed)) if message.is_look() => {
                let version = committed.version;
                if !(floor..=head).contains(&version) || item.quantities[version as usize].is_none()
                {
                    return Err(format!("a look at {version}, not in {floor}..={head}"));
                }
                Ok(version)
            }
            Told::Verdict(Verdict::Done(committed)) => {
                let done = match &message.key {
                    Some(_) => of_key,
                    None => self.commands.get(&id),
                };
                let done = done.ok_or("acknowledged, and not in the log")?;
                if message.key.is_some() && done.input_hash != message.input_hash {
                    return Err("other content is acknowledged under a used key".into());
                }
                if (done.version, done.shard, done.seq)
                    != (committed.version, committed.shard, committed.seq)
                {
                    return Err(format!("told {committed:?}, but the log has {done:?}"));
                }
                Ok(done.version)
            }
            Told::Verdict(Verdict::Refused(refusal)) => (floor..=head)
                .find(|version| {
                    let quantity = item.quantities[*version as usize];
                    quantity.is_some_and(|quantity| quantity < refusal.wanted)
                })
                .ok_or_else(|| format!("false refusal: no version of {floor}..={head} refuses")),
            Told::Verdict(Verdict::VersionConflict { expected, actual }) => {
                let known = (floor..=head).contains(actual) && expected != actual;
                if !known || item.quantities[*actual as usize].is_none() {
                    return Err(format!("conflict at version {actual}, not in {floor}..={head}"));
                }
                Ok(*actual)
            }
            Told::Verdict(Verdict::KeyReused) => match of_key {
                Some(done) if done.input_hash != message.input_hash => Ok(floor),
                _ => Err("a key is said to be used for other content and is not".into()),
            },
            Told::Verdict(Verdict::KeyUnused) => match of_key {
                _ if message.command.is_some() => {
                    Err("a command is answered like a question".into())
                }
                Some(done) if done.version <= floor => {
                    Err("a key is said to be unused, and its use was heard of before".into())
                }
                _ => Ok(floor),
            },
            Told::Verdict(Verdict::KeysFull) => Err("few keys fill no index".into()),
            Told::Verdict(Verdict::Dropped(_)) | Told::Unavailable => {
                if self.commands.contains_key(&id) {
                    return Err("false failure: the try took effect".into());
                }
                self.denied.insert(id);
                Ok(floor)
            }
        }
    }

    /// A node answers a read that was sent when `floor` had been heard.
    pub fn read(&self, id: Uuid, floor: u64, version: u64, quantity: i64) -> Check {
        let item = &self.items[&id];
        let head = item.quantities.len() as u64 - 1;
        if version < floor {
            return Err(format!("stale read: version {version}, heard {floor}"));
        }
        if version > head || item.quantities[version as usize] != Some(quantity) {
            return Err(format!(
                "read {quantity} at version {version}, which is not what the log has"
            ));
        }
        Ok(())
    }
}
