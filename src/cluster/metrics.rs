//! What is told of the hold on shards.

telemetry::metrics! { "cluster":
    /// Questions to the database for leases: `renew` and `take`; `failed` where it did not answer.
    counter LEASE_REQUESTS = "lease_requests" by "request", "outcome";
    /// Shards that this node took, the first time after its start included.
    counter TAKEOVERS = "takeovers";
    /// Shards that this node lost while it was not stopping.
    counter LOSSES = "losses";
    /// Shards that this node serves now.
    gauge SHARDS_SERVED = "shards_served";
}
