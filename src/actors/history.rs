//! What happened to an aggregate, event by event, as its log tells it; and its state as data. For
//! people who ask who, when and why. The log is the same for all nodes, so that any node tells it, and
//! no actor is started for it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::aggregate_ref::{AggregateRef, Engine, Fault, dropped, out_of_time};
use super::reading::Moment;
use super::request::until;
use domain::aggregate::Aggregate;
use domain::event_name::EventName;
use domain::id::AggregateId;
use persistence::cause::Cause;
use persistence::codec::{self, NOTHING_CHANGED};
use persistence::journal::{Entry, JournalError, PageLimit};
use persistence::writer::lane::Dropped;

/// The most bytes of a state that is shown as data, as JSON.
pub const STATE_BYTES_MAX: usize = 1 << 20;

/// One event, in its present form.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    pub version: u64,
    /// Microseconds since 1970 UTC.
    pub recorded_us: i64,
    /// `OrderPlaced`, or [`NOTHING_CHANGED`].
    pub name: String,
    /// An object.
    pub data: Value,
    pub by: Arc<By>,
}

/// What is known of the command that an event came of.
#[derive(Clone, Debug, PartialEq)]
pub struct By {
    pub principal: Arc<domain::principal::Principal>,
    /// The event that it followed from, if it did.
    pub cause: Option<EventName>,
    pub correlation_id: Uuid,
    pub key: Option<Arc<str>>,
    /// W3C `traceparent`.
    pub trace: Option<Arc<str>>,
}

/// A state as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shown {
    State {
        version: u64,
        state: Value,
    },
    /// Longer than [`STATE_BYTES_MAX`].
    TooLarge,
}

impl<A: Aggregate> AggregateRef<A> {
    /// The versions of a range that there are, in order.
    async fn history(&self, versions: RangeInclusive<u64>) -> Result<Vec<Happened>, Fault> {
        let services = &self.engine.services;
        let (mut next, to) = versions.into_inner();
        let mut all = Vec::new();
        while next <= to {
            let until = until(services.deadline()).ok_or_else(out_of_time)?;
            let limit = PageLimit::default();
            let page = services.journal.read_aggregate(A::TYPE, self.id.0, next, to, limit);
            let page = tokio::time::timeout_at(until, page).await.map_err(|_| out_of_time())?;
            let page = page.map_err(|error| self.untold(error))?;
            let Some(last) = page.last() else { break };
            let begin = next;
            next = last.last_version() + 1;
            for entry in &page {
                let told = told::<A>(entry).map_err(|error| self.untold(error))?;
                let asked = told.into_iter();
                all.extend(asked.filter(|one| (begin..=to).contains(&one.version)));
            }
        }
        Ok(all)
    }

    /// The state at a moment; nothing where there was none.
    async fn shown(&self, moment: Moment) -> Result<Option<Shown>, Fault> {
        let (confirmed, _) = self.state_at(moment).await?;
        if confirmed.version == 0 {
            return Ok(None);
        }
        let mut text = Bounded(Vec::new());
        if serde_json::to_writer(&mut text, &confirmed.state).is_err() {
            return Ok(Some(Shown::TooLarge));
        }
        let state = serde_json::from_slice(&text.0).expect("it was written just now");
        Ok(Some(Shown::State { version: confirmed.version, state }))
    }

    fn untold(&self, error: JournalError) -> Fault {
        let cause = |error| Cause::of(error).at(format_args!("{} {}", A::TYPE, self.id));
        match error {
            JournalError::Corrupt(_) => Fault::Unreadable { source: cause(error) },
            error => dropped(Dropped::Unread(cause(error))),
        }
    }
}

/// Takes no more than [`STATE_BYTES_MAX`].
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > STATE_BYTES_MAX {
            return Err(std::io::ErrorKind::OutOfMemory.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The events of an entry.
fn told<A: Aggregate>(entry: &Entry) -> Result<Vec<Happened>, JournalError> {
    let corrupt = |error| JournalError::Corrupt(Cause::of(error));
    let mut all = Vec::new();
    let mut by: Option<Arc<By>> = None;
    let stored = codec::decode::<A>(&entry.events).map_err(corrupt)?;
    for (version, stored) in (entry.version..).zip(stored) {
        if let Some(meta) = stored.command {
            by = Some(Arc::new(said::<A>(AggregateId(entry.aggregate_id), meta)));
        }
        let by = by.clone().expect("the first event says of its command");
        let (name, data) = match stored.event {
            None => (NOTHING_CHANGED.to_owned(), Value::Object(<_>::default())),
            Some(event) => parted(serde_json::to_value(&event).expect("events are plain data")),
        };
        all.push(Happened { version, recorded_us: entry.recorded_us, name, data, by });
    }
    Ok(all)
}

fn said<A: Aggregate>(id: AggregateId, meta: codec::Meta) -> By {
    let cause = meta.cause.map(|cause| match cause {
        codec::Cause::Here(version) => EventName::of::<A>(id, version),
        codec::Cause::Elsewhere(name) => name,
    });
    let usual = cause.as_ref().map_or(id, |cause| cause.aggregate);
    By {
        principal: meta.principal,
        correlation_id: meta.correlation_id.unwrap_or(usual.0),
        cause,
        key: meta.key,
        trace: meta.trace,
    }
}

/// An event is `{"type": …, "data": …}`.
pub(super) fn parted(event: Value) -> (String, Value) {
    let Value::Object(mut event) = event else { return <_>::default() };
    let name = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let data = event.remove("data").unwrap_or_else(|| Value::Object(<_>::default()));
    (name, data)
}

macro_rules! history_of_any_kind {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        impl Engine {
            /// The versions of a range that an aggregate has come to, in order; nothing of a kind that
            /// there is not.
            pub async fn history(
                &self,
                kind: &str,
                id: AggregateId,
                versions: RangeInclusive<u64>,
            ) -> Result<Vec<Happened>, Fault> {
                $(if kind == <$aggregate as Aggregate>::TYPE {
                    return self.aggregate::<$aggregate>(id).history(versions).await;
                })+
                Ok(Vec::new())
            }

            /// The state at a moment of an aggregate that is served here, as it is kept; nothing where
            /// there was none.
            pub(super) async fn shown(
                &self,
                kind: &str,
                id: AggregateId,
                moment: Moment,
            ) -> Result<Option<Shown>, Fault> {
                $(if kind == <$aggregate as Aggregate>::TYPE {
                    return self.aggregate::<$aggregate>(id).shown(moment).await;
                })+
                Ok(None)
            }
        }
    };
}

sagas::kinds!(history_of_any_kind);

impl Engine {
    /// The version that an aggregate has come to, by its log; 0 for what never was.
    pub async fn last_version(&self, kind: &'static str, id: AggregateId) -> Result<u64, Fault> {
        let services = &self.services;
        let until = until(services.deadline()).ok_or_else(out_of_time)?;
        let asked = services.last_versions.of((kind, id.0));
        let last = tokio::time::timeout_at(until, asked).await.map_err(|_| out_of_time())?;
        last.map_err(|error| dropped(Dropped::Unread(Cause::of(error))))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_state_is_shown_up_to_its_bound() {
        let mut text = Bounded(Vec::new());
        text.write_all(&vec![0; STATE_BYTES_MAX]).expect("so much is shown");
        text.write_all(&[0]).expect_err("and no more");
    }
}
