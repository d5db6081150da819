//! Traces: the way of a request through the program, as spans that a collector gathers.
//!
//! Off unless a collector is configured. A request is sampled at the door or not at all
//! ([`Door`]); what is not sampled pays one branch wherever a span could begin, for whether it is
//! sampled stands in the text that its metadata carry anyhow (W3C Trace Context). Spans are made
//! when they end, from two times and what is known by then: nothing is open on the way of a
//! command, and nothing travels with it but that text.
//!
//! What follows the log (commits, views, sagas) finds the spans that it belongs to by the entry or
//! the aggregate ([`rode()`]).

mod context;
mod door;
mod rode;
mod span;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "otlp")]
mod secured;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

pub use context::{Context, is_sampled};
pub use door::Door;
pub use rode::{Key, Rode, remember, rode};
pub use span::{Kind, OpenSpan, Span};

use crate::options::TelemetryOptions;

/// Where finished spans go. Never waits: what there is no room for is lost.
pub trait Sink: Send + Sync {
    fn take(&self, span: Span);
    /// Sends what was taken and ends. May wait, some seconds at most.
    fn finish(&self);
}

static ON: AtomicBool = AtomicBool::new(false);
static SINK: RwLock<Option<Arc<dyn Sink>>> = RwLock::new(None);

/// Whether spans go anywhere.
#[inline]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Whether a command or request with this `traceparent` is to have spans.
#[inline]
pub fn is_traced(trace: Option<&str>) -> bool {
    trace.is_some_and(is_sampled) && is_on()
}

/// The id of the trace of what is to have spans, for exemplars.
pub fn sampled_trace_id(trace: Option<&str>) -> Option<String> {
    let traced = trace.filter(|_| is_traced(trace))?;
    Context::parse(traced).map(|context| context.trace_text())
}

/// Begins to send spans to the collector that is configured, if one is. `node` names this process
/// there. Called within the runtime; says why it cannot.
pub fn start(options: &TelemetryOptions, node: &str) -> Result<(), String> {
    let Some(endpoint) = &options.otlp_endpoint else { return Ok(()) };
    door::sample(options.sample_ratio);
    send_to(collector(endpoint, options, node)?);
    Ok(())
}

#[cfg(feature = "otlp")]
fn collector(
    endpoint: &str,
    options: &TelemetryOptions,
    node: &str,
) -> Result<Arc<dyn Sink>, String> {
    Ok(Arc::new(otlp::Collector::new(endpoint, options, node)?))
}

#[cfg(not(feature = "otlp"))]
fn collector(_: &str, _: &TelemetryOptions, _: &str) -> Result<Arc<dyn Sink>, String> {
    Err("this build sends no traces; `make release` builds one that does".to_owned())
}

/// Sends spans there from now on.
pub fn send_to(sink: Arc<dyn Sink>) {
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = Some(sink);
    ON.store(true, Ordering::Relaxed);
}

/// Sends what is left and makes no more spans. May wait for the collector, in a thread of its own.
pub async fn stop() {
    ON.store(false, Ordering::Relaxed);
    let sink = SINK.write().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(sink) = sink {
        // It blocks, and what it waits for may need this runtime.
        let _ = tokio::task::spawn_blocking(move || sink.finish()).await;
    }
}

fn send(span: Span) {
    if let Some(sink) = &*SINK.read().unwrap_or_else(PoisonError::into_inner) {
        sink.take(span);
    }
}
