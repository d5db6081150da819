//! Which rooms have metrics, in the order in which the page shows them.

use telemetry::metrics::{Declared, Page};

telemetry::metrics! { "node":
    /// 1 while this node is ready for requests, as `/readyz` says; the log says why it is not.
    gauge READY = "ready";
    /// 1 while the database of lists, which was away when this node began, is not found yet.
    gauge LISTS_AWAY = "lists_away";

    /// Messages of the inbox in Redis that were put into the log, by whether they could be read (`kept`) or not (`parked`).
    counter INBOX_MESSAGES = "inbox_messages" by "outcome";
}

/// The page of `/metrics`.
pub fn page() -> Page {
    Page::of(&rooms())
}

/// What each room declares.
pub fn rooms() -> [&'static [Declared]; 11] {
    [
        METRICS,
        http::metrics::METRICS,
        tokens::metrics::METRICS,
        graphql::metrics::METRICS,
        actors::metrics::METRICS,
        supervisors::metrics::METRICS,
        search::metrics::METRICS,
        persistence::metrics::METRICS,
        ::cluster::metrics::METRICS,
        peers::metrics::METRICS,
        telemetry::metrics_of_traces::METRICS,
    ]
}
