//! What this room tells of itself: whether spans arrive.

crate::metrics! { "telemetry":
    /// Spans that were made.
    counter SPANS = "spans";
    /// Spans that were handed to the collector, or `lost` because it did not take them. Those that
    /// are in neither wait, or found a full queue.
    counter EXPORTED_SPANS = "exported_spans" by "outcome";
}
