//! What is told of the search index.

use telemetry::metrics::SECONDS;

telemetry::metrics! { "search":
    /// Products that were written into the index, each time anew.
    counter WRITTEN = "written_products";
    /// How long it took to make what was written durable and findable.
    histogram COMMIT_SECONDS = "commit_seconds" with SECONDS;
}
