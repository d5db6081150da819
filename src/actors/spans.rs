//! The spans of sampled commands and of what they cause. What is not sampled pays a branch at the
//! top of [`of_command`] and one load in each follower.

use std::sync::Arc;

use telemetry::trace::{Context, Key, Kind, OpenSpan, is_on, is_traced, rode};

use crate::aggregate_ref::AskError;
use crate::checkpoint;
use crate::core::{CommandMeta, Committed};
use domain::aggregate::{Aggregate, Refusal};
use domain::commerce::payment::PaymentOutcome;
use domain::id::AggregateId;
use payments::Unanswered;
use persistence::journal::Entry;

/// Begins the span of a command if it is sampled, and has the command carry it from here on.
#[inline]
pub(crate) fn of_command<A: Aggregate>(
    id: AggregateId,
    command: &A::Command,
    meta: &mut CommandMeta,
) -> Option<OpenSpan> {
    if !is_traced(meta.trace.as_deref()) {
        return None;
    }
    let mut span = OpenSpan::begin(format!("{} {}", A::TYPE, name(command)), parent(meta));
    span.set("emporium.aggregate.kind", A::TYPE);
    span.set("emporium.aggregate.id", id);
    span.set("emporium.command.id", meta.command_id);
    meta.trace = Some(span.traceparent().into());
    Some(span)
}

/// Ends it with what came of the command; links it to the commit that it rode in.
pub(crate) fn answered<X: Refusal>(mut span: OpenSpan, asked: &Result<Committed, AskError<X>>) {
    match asked {
        Ok(Committed { version, shard, seq }) => {
            span.set("emporium.version", version);
            span.set("emporium.position", format_args!("{shard}/{seq}"));
            let rode = rode(Key::Entry { shard: *shard, seq: *seq });
            span = span.with_links(rode.map(|rode| rode.commit));
        }
        // A refusal is an answer like any other; a fault is an error.
        Err(AskError::Refused(refusal)) => span.set("emporium.refusal", refusal.code()),
        Err(AskError::Fault(fault)) => span.fail(fault.code()),
    }
    span.end();
}

fn parent(meta: &CommandMeta) -> Option<Context> {
    meta.trace.as_deref().and_then(Context::parse)
}

/// The variant of a command, without what it holds: that may be personal.
fn name(command: &impl std::fmt::Debug) -> String {
    let text = format!("{command:?}");
    let end = text.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(text.len());
    text[..end].to_owned()
}

/// The spans of a follower that takes an entry, one for each sampled command in it; they end when
/// this is dropped.
pub(crate) struct Following(Vec<OpenSpan>);

pub(crate) fn of_follower(follower: checkpoint::Name, entry: &Entry) -> Following {
    let Some(rode) = rode(Key::Entry { shard: entry.shard, seq: entry.seq }) else {
        return Following(Vec::new());
    };
    let begin = |command: Context| {
        let mut span =
            OpenSpan::begin(format!("{} {}", follower.kind, follower.name), Some(command));
        span.set("emporium.position", format_args!("{}/{}", entry.shard, entry.seq));
        span
    };
    Following(rode.commands.into_iter().map(begin).collect())
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.drain(..).for_each(OpenSpan::end);
    }
}

/// What a command that an entry causes is to carry, so that it belongs to the same trace.
pub(crate) fn caused_by(entry: &Entry) -> Option<Arc<str>> {
    let rode = rode(Key::Entry { shard: entry.shard, seq: entry.seq })?;
    Some(rode.commands.first()?.to_string().into())
}

tokio::task_local! {
    /// What the steps of the saga that this task drives are to carry.
    static SAGA: Arc<str>;
}

/// Drives a saga within a span below the command that called for it, where that was sampled.
pub(crate) async fn of_saga<T>(
    kind: &'static str,
    saga: AggregateId,
    cause: Option<AggregateId>,
    driving: impl Future<Output = T>,
) -> T {
    // What calls for it, as long as it has not begun; then the last that it did itself.
    let parent = [cause, Some(saga)].into_iter().flatten().find_map(|aggregate| {
        let rode = rode(Key::Aggregate(aggregate.0.as_u128()))?;
        rode.commands.first().copied()
    });
    let Some(parent) = parent.filter(|_| is_on()) else { return driving.await };
    let mut span = OpenSpan::begin(format!("saga {kind}"), Some(parent));
    span.set("emporium.aggregate.id", saga);
    let driven = SAGA.scope(span.traceparent().into(), driving).await;
    span.end();
    driven
}

/// Asks a payment provider, within a span below the saga that is driven here, if that has one.
pub(crate) async fn of_payment<T: PaymentAnswer>(
    call: &'static str,
    reference: &str,
    asking: impl Future<Output = T>,
) -> T {
    let saga = SAGA.try_with(|saga| Context::parse(saga)).ok().flatten();
    let Some(saga) = saga else { return asking.await };
    let mut span = OpenSpan::begin(format!("payment {call}"), Some(saga)).of_kind(Kind::Client);
    span.set("emporium.payment.reference", reference);
    let answer = asking.await;
    answer.tell(&mut span);
    span.end();
    answer
}

/// What a payment provider said, as a span tells it: no answer is an error, no is an answer.
pub(crate) trait PaymentAnswer {
    fn tell(&self, span: &mut OpenSpan);
}

impl PaymentAnswer for PaymentOutcome {
    fn tell(&self, span: &mut OpenSpan) {
        let outcome = match self {
            Self::Approved { provider, .. } => {
                span.set("emporium.payment.provider", provider);
                "approved"
            }
            Self::Declined { .. } => "declined",
            Self::NotFound => "not found",
            Self::Unknown => return span.fail("no answer"),
        };
        span.set("emporium.payment.outcome", outcome);
    }
}

impl PaymentAnswer for Result<(), Unanswered> {
    fn tell(&self, span: &mut OpenSpan) {
        match self {
            Ok(()) => span.set("emporium.payment.outcome", "voided"),
            Err(Unanswered) => span.fail("no answer"),
        }
    }
}

/// What a step of the saga that is driven here is to carry.
pub(crate) fn of_this_saga() -> Option<Arc<str>> {
    SAGA.try_with(Arc::clone).ok()
}
