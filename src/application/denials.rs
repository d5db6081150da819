//! What was not permitted on its way to the log: gathered here for a moment, so that the same one asked a
//! hundred times is one note, and then told to the [`Denials`] of this node and day. Bounded in number; what
//! comes beyond that is counted.
//!
//! Whoever was refused was told so before it is written: a node that ends in between has forgotten what it
//! gathered last. [`Limits::denials_after_ms`](actors::shard::Limits) says how much that is at most.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use uuid::Uuid;

use actors::aggregate_ref::{AskError, Engine};
use actors::core::CommandMeta;
use domain::access::denials::{
    Command, Denial, Denials as Aggregate, NOTED_AT_ONCE_MAX, TEXT_BYTES_MAX, denials_id,
};
use domain::id::AggregateId;
use domain::principal::Principal;

/// A part of the system that asks.
const NOTER: &str = "denials";

/// What was asked for and not permitted.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The field of the API, or what took its place.
    pub action: &'a str,
    /// Kind and id, where a thing was named.
    pub thing: Option<(&'a str, AggregateId)>,
    /// What was answered.
    pub code: &'a str,
}

/// What makes two attempts the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Same {
    by: Principal,
    action: String,
    thing: Option<(String, AggregateId)>,
    code: String,
}

#[derive(Debug)]
struct Times {
    count: u32,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

#[derive(Debug, Default)]
struct Gathered {
    attempts: HashMap<Same, Times>,
    others: u64,
    /// Somebody is on the way to write them down.
    is_awaited: bool,
}

/// See the module. A handle: cheap to clone.
#[derive(Clone)]
pub struct Denials {
    engine: Engine,
    gathered: Arc<Mutex<Gathered>>,
}

impl Denials {
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone(), gathered: Arc::default() }
    }

    /// Notes an attempt. Waits for nothing.
    pub fn note(&self, by: &Principal, attempt: Attempt<'_>) {
        let now = self.engine.services.now();
        let mut gathered = self.gathered.lock();
        gathered.take(by, attempt, now);
        if !std::mem::replace(&mut gathered.is_awaited, true) {
            let this = self.clone();
            let after = Duration::from_millis(self.engine.services.limits.denials_after_ms);
            self.engine.services.runtime.spawn(async move {
                tokio::time::sleep(after).await;
                this.write().await;
            });
        }
    }

    /// Tells the log what was gathered. What cannot be told now is gathered further, as far as there is room.
    pub async fn write(&self) {
        let (denials, others) = {
            let mut gathered = self.gathered.lock();
            gathered.is_awaited = false;
            gathered.drain()
        };
        let now = self.engine.services.now();
        let id = denials_id(&self.engine.services.name, now);
        let count: u64 = denials.iter().map(|denial| u64::from(denial.count)).sum();
        let command = Command::Note { denials, others };
        let told = self.engine.aggregate::<Aggregate>(id).ask(command, meta()).await;
        if let Err(error) = told {
            let error = match error {
                AskError::Refused(refusal) => refusal.to_string(),
                AskError::Fault(fault) => fault.to_string(),
            };
            tracing::warn!(error, attempts = count + others, "refused attempts are counted alone");
            let mut gathered = self.gathered.lock();
            gathered.others = gathered.others.saturating_add(count).saturating_add(others);
        }
    }
}

fn meta() -> CommandMeta {
    CommandMeta {
        command_id: Uuid::now_v7(),
        key: None,
        correlation_id: Uuid::now_v7(),
        cause: None,
        principal: Principal::system(NOTER),
        trace: None,
        expected_version: None,
        dry_run: false,
    }
}

impl Gathered {
    fn take(&mut self, by: &Principal, attempt: Attempt<'_>, now: DateTime<Utc>) {
        let Attempt { action, thing, code } = attempt;
        let thing = thing.map(|(kind, id)| (cut(kind), id));
        let same = Same { by: by.clone(), action: cut(action), thing, code: cut(code) };
        let is_known = self.attempts.contains_key(&same);
        if !is_known && self.attempts.len() >= NOTED_AT_ONCE_MAX {
            self.others = self.others.saturating_add(1);
            return;
        }
        let times = self.attempts.entry(same).or_insert(Times { count: 0, first: now, last: now });
        times.count = times.count.saturating_add(1);
        times.last = now;
    }

    /// All of it, in the order in which they came first.
    fn drain(&mut self) -> (Vec<Denial>, u64) {
        let text = |text: &Arc<str>| cut(text);
        let denial = |(same, times): (Same, Times)| Denial {
            by: cut(&same.by.to_string()),
            on_behalf_of: same.by.on_behalf_of.as_ref().map(text),
            session: same.by.session.as_ref().map(text),
            action: same.action,
            thing: same.thing,
            code: same.code,
            count: times.count,
            first: times.first,
            last: times.last,
        };
        let mut denials: Vec<Denial> = self.attempts.drain().map(denial).collect();
        denials.sort_by(|one, other| (one.first, &one.by).cmp(&(other.first, &other.by)));
        (denials, std::mem::take(&mut self.others))
    }
}

/// The beginning of a text that is not too long.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::principal::PrincipalKind;

    fn attempt(gathered: &mut Gathered, by: &str, action: &str) {
        let by = Principal::new(PrincipalKind::User, by);
        gathered.take(
            &by,
            Attempt { action, thing: None, code: "FORBIDDEN" },
            DateTime::UNIX_EPOCH,
        );
    }

    #[test]
    fn the_same_one_is_noted_once_and_no_flood_takes_more_room() {
        let mut gathered = Gathered::default();
        for _ in 0..3 {
            attempt(&mut gathered, "ada", "orders");
        }
        for number in 0..10_000 {
            attempt(&mut gathered, "eve", &format!("field{number}"));
        }
        assert_eq!(gathered.attempts.len(), NOTED_AT_ONCE_MAX);
        // One that is known already is counted, however full it is.
        attempt(&mut gathered, "ada", "orders");
        let (denials, others) = gathered.drain();
        let ada = denials.iter().find(|denial| denial.by == "user:ada").map(|denial| denial.count);
        assert_eq!(ada, Some(4));
        let named: u64 = denials.iter().map(|denial| u64::from(denial.count)).sum();
        assert_eq!(named + others, 10_004);
        assert!(gathered.attempts.is_empty());
    }
}
