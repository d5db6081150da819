//! What is told of requests, whatever they ask for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};

use super::places::Places;
use telemetry::metrics::SECONDS;

telemetry::metrics! { "http":
    /// Requests to `/graphql` that were answered, by the status of the reply.
    counter REQUESTS = "requests" by "status";
    /// How long a request to `/graphql` took, from its head to the end of its reply's making.
    histogram REQUEST_SECONDS = "request_seconds" with SECONDS;
    /// Messages of payment providers, by what became of each: `kept`, `unknown_provider`, `malformed`, `refused`
    /// (not signed by who is believed, or not lately), `conflict`, `not_kept`.
    counter WEBHOOKS = "webhooks" by "outcome";
    /// Requests that are being answered.
    gauge IN_FLIGHT = "requests_in_flight";
    /// Requests that wait for a view or for the end of a checkout.
    gauge WAITING = "requests_waiting";
    /// Bytes of the bodies of requests that are being read or answered.
    gauge BODY_BYTES = "body_bytes_in_flight";
    /// Bytes of long replies that are on their way.
    gauge REPLY_BYTES = "reply_bytes_in_flight";
    /// Subscriptions that are open.
    gauge SUBSCRIPTIONS = "subscriptions";
    /// Connections that were closed at once, because their client had too many.
    counter CONNECTIONS_REFUSED = "connections_refused";
    /// Bytes of the bodies of requests.
    counter REQUEST_BYTES = "request_bytes";
    /// Bytes of the bodies of replies.
    counter RESPONSE_BYTES = "response_bytes";
}

/// Tells how much of what has a bound is taken.
pub(crate) fn observe(places: &Arc<Places>) {
    IN_FLIGHT.observe(places, |places| places.answering.load(Ordering::Relaxed) as f64);
    WAITING.observe(places, |places| places.waiting.load(Ordering::Relaxed) as f64);
    BODY_BYTES.observe(places, |places| places.body_bytes.load(Ordering::Relaxed) as f64);
    SUBSCRIPTIONS.observe(places, |places| places.subscriptions.load(Ordering::Relaxed) as f64);
    REPLY_BYTES.observe(places, |places| places.reply_bytes.load(Ordering::Relaxed) as f64);
}

/// Counts a reply that is ready to be sent.
pub(crate) fn count_reply(response: &HttpResponse, began: Instant) {
    REQUESTS.with([response.status().as_str()]).inc();
    REQUEST_SECONDS.observe_time(began.elapsed());
    if let BodySize::Sized(bytes) = response.body().size() {
        RESPONSE_BYTES.add(bytes);
    }
}
