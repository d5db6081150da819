//! The span of a commit that sampled commands ride in. One commit serves many commands of many
//! traces: its span is the root of a trace of its own, and linked with each of them both ways.

use std::collections::BTreeSet;

use telemetry::trace::{Context, Key, OpenSpan, Rode, is_on, remember};

use crate::codec;
use crate::journal::{Appended, Entry};
use crate::writer::lane::{Cell, Lane};

/// A commit under way that has sampled commands in it.
pub(crate) struct CommitSpan {
    span: OpenSpan,
    /// Places of entries that hold some.
    traced: Vec<usize>,
}

impl CommitSpan {
    /// Begins it, if there is one in the batch that the lane is about to append.
    pub(crate) fn begin<C: Cell>(lane: &Lane<C>) -> Option<Self> {
        if !is_on() {
            return None;
        }
        let traced: Vec<usize> = lane.traced().collect();
        (!traced.is_empty()).then(|| Self { span: OpenSpan::begin("commit", None), traced })
    }

    /// Ends it. Whoever follows the entries finds the commands in them from now on: before their
    /// replies go out.
    pub(crate) fn end(mut self, entries: &[Entry], outcome: &Appended) {
        let commit = self.span.context();
        self.span.set("emporium.entries", entries.len());
        self.span.set("emporium.outcome", outcome.name());
        if !matches!(outcome, Appended::Committed) {
            self.span.fail(outcome.name());
        }
        for entry in self.traced.iter().filter_map(|place| entries.get(*place)) {
            let commands = sampled_in(entry);
            self.span = self.span.with_links(commands.iter().copied());
            if !commands.is_empty() && matches!(outcome, Appended::Committed) {
                let rode = Rode { commit, commands };
                let aggregate = Key::Aggregate(entry.aggregate_id.as_u128());
                remember(aggregate, rode.clone());
                remember(Key::Entry { shard: entry.shard, seq: entry.seq }, rode);
            }
        }
        self.span.end();
    }
}

/// The spans of the sampled commands whose events an entry holds.
fn sampled_in(entry: &Entry) -> Vec<Context> {
    let Ok(all) = codec::commands(&entry.events) else { return Vec::new() };
    let traces: BTreeSet<_> = all.into_iter().filter_map(|command| command.meta.trace).collect();
    let contexts = traces.iter().filter_map(|trace| Context::parse(trace));
    contexts.filter(|context| context.sampled).collect()
}
