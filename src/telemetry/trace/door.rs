//! Where it is decided what is sampled: once, when a request comes in. Whoever sent it decides, if
//! it says so in its `traceparent`; else a part of all requests is drawn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::{Context, Kind, OpenSpan, is_on};

/// Requests out of 2^32 that are sampled.
static SAMPLED: AtomicU64 = AtomicU64::new(0);

/// Samples this part of the requests that come without a `traceparent`: 0 none, 1 all.
pub(super) fn sample(ratio: f64) {
    SAMPLED.store((ratio.clamp(0.0, 1.0) * 2_f64.powi(32)) as u64, Ordering::Relaxed);
}

fn is_drawn() -> bool {
    let sampled = SAMPLED.load(Ordering::Relaxed);
    if sampled == 0 {
        return false;
    }
    let bytes = Uuid::new_v4().into_bytes();
    let drawn = u32::from_le_bytes(bytes[..4].try_into().expect("four of sixteen bytes"));
    u64::from(drawn) < sampled
}

/// What a request says of its trace, and its span if it is sampled.
#[derive(Debug)]
pub struct Door {
    /// What everything that it causes is told: the `traceparent` of its span, or the one it brought.
    pub trace: Option<Arc<str>>,
    pub span: Option<OpenSpan>,
}

impl Door {
    /// Lets a request in. What is not well formed is not passed on.
    pub fn enter(traceparent: Option<&str>, name: &'static str) -> Self {
        let brought = traceparent.and_then(|text| Some((text, Context::parse(text)?)));
        let sampled = is_on() && brought.map_or_else(is_drawn, |(_, parent)| parent.sampled);
        if !sampled {
            return Self { trace: brought.map(|(text, _)| text.into()), span: None };
        }
        let parent = brought.map(|(_, parent)| parent);
        let span = OpenSpan::begin(name, parent).of_kind(Kind::Server).with_remote_parent();
        Self { trace: Some(span.traceparent().into()), span: Some(span) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_collector_what_came_is_passed_on_and_nothing_more() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (brought, passed_on) in [(Some(good), Some(good)), (Some("x"), None), (None, None)] {
            let door = Door::enter(brought, "request");
            assert_eq!(door.trace.as_deref(), passed_on);
            assert!(door.span.is_none());
        }
    }
}
