//! What is told of requests, whatever they ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};

use telemetry::metrics::SECONDS;

telemetry::metrics! { "http":
    /// Requests to `/graphql` that were answered, by the status of the reply.
    counter REQUESTS = "requests" by "status";
    /// How long a request to `/graphql` took, from its head to the end of its reply's making.
    histogram REQUEST_SECONDS = "request_seconds" with SECONDS;
    /// Requests that are being answered.
    gauge IN_FLIGHT = "requests_in_flight";
    /// Bytes of the bodies of requests.
    counter REQUEST_BYTES = "request_bytes";
    /// Bytes of the bodies of replies.
    counter RESPONSE_BYTES = "response_bytes";
}

/// Tells how many places of those that answer are taken.
pub(crate) fn observe(answering: &Arc<AtomicUsize>) {
    IN_FLIGHT.observe(answering, |answering| answering.load(Ordering::Relaxed) as f64);
}

/// Counts a reply that is ready to be sent.
pub(crate) fn count_reply(response: &HttpResponse, began: Instant) {
    REQUESTS.with([response.status().as_str()]).inc();
    REQUEST_SECONDS.observe_time(began.elapsed());
    if let BodySize::Sized(bytes) = response.body().size() {
        RESPONSE_BYTES.add(bytes);
    }
}
