//! What is told of starting again what failed.

telemetry::metrics! { "supervisors":
    /// Actors that were started again after a failure: views, drivers of sagas, aggregates,
    /// and the supervisors of shards.
    counter RESTARTS = "restarts" by "actor";
}
