//! A reaction: a saga without a state of its own. An event of one aggregate asks another for
//! something, and whatever that answers is the end of it.

use domain::aggregate::Aggregate;
use domain::id::AggregateId;

/// See the module. Whoever runs it sends each command at least once, those that one aggregate
/// caused in the order of its log.
pub trait Reaction: Send + Sync + 'static {
    /// The principal of its commands, and the name of its place in the logs: lower snake case,
    /// ASCII, at most 32 bytes, never changed.
    const NAME: &'static str;
    /// Raise it to react to everything that ever happened once more.
    const SCHEMA: u32;

    /// Whose events cause something.
    type Cause: Aggregate;
    /// Who is asked for it.
    type Target: Aggregate;

    /// What an event asks for, in this order. Each command must be harmless when it is repeated,
    /// and a refusal of it must be one that needs no retry.
    fn react(
        cause: AggregateId,
        event: &<Self::Cause as Aggregate>::Event,
    ) -> Vec<(AggregateId, <Self::Target as Aggregate>::Command)>;
}
