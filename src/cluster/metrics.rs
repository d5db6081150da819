//! What is told of the hold on shards.

telemetry::metrics! { "cluster":
    /// Questions to the database about shards: `look`, `take`, `renew`, `record` (of a log that
    /// went backwards); `failed` where it did not answer.
    counter LEASE_REQUESTS = "lease_requests" by "request", "outcome";
    /// Shards that this node took, the first time after its start included: `free`, `silent` (its
    /// holder was not heard of for a lease), `own` (a life of this node that ended), `alone` (an
    /// embedded database). Shards that go to and fro show as `silent` here and in `losses` there.
    counter TAKEOVERS = "takeovers" by "because";
    /// Shards that this node lost while it was not stopping: `fenced`, `not_ours`, `regressed`;
    /// `handed_over` to another node that is to have it.
    counter LOSSES = "losses" by "because";
    /// Shards that this node serves now.
    gauge SHARDS_SERVED = "shards_served";
    /// Questions to the database about members: `announce` (this node's own row), `look`; `failed` where
    /// it did not answer.
    counter MEMBER_REQUESTS = "member_requests" by "request", "outcome";
    /// Members that live, as this node sees it, itself included.
    gauge MEMBERS_LIVING = "members_living";
}
