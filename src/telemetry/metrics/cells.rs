//! What is counted in: [`Counter`] and [`Histogram`], made to stand in a `static`.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;

/// What [`By`](super::By) can keep one of for each of its labels.
pub trait Cell: EncodeMetric + Send + Sync {
    const TYPE: MetricType;
    fn new(bounds: &'static [f64]) -> Self;
}

/// A number that only grows.
#[derive(Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    #[doc(hidden)]
    pub const fn declared(_labels: &[&'static str], _bounds: &'static [f64]) -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Cell for Counter {
    const TYPE: MetricType = MetricType::Counter;

    fn new(bounds: &'static [f64]) -> Self {
        Self::declared(&[], bounds)
    }
}

impl EncodeMetric for Counter {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        encoder.encode_counter::<NoLabelSet, _, u64>(&self.get(), None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

type Exemplar = [(&'static str, String); 1];

/// How values spread over bounds. One that was observed within a sampled trace may name it, as an
/// example to look at. Takes a lock of its own at each observation: for what happens once a batch
/// or once a request, not once a command.
pub struct Histogram {
    bounds: &'static [f64],
    observed: OnceLock<HistogramWithExemplars<Exemplar>>,
}

impl Histogram {
    #[doc(hidden)]
    pub const fn declared(_labels: &[&'static str], bounds: &'static [f64]) -> Self {
        Self { bounds, observed: OnceLock::new() }
    }

    #[doc(hidden)]
    pub const fn with_bounds(mut self, bounds: &'static [f64]) -> Self {
        self.bounds = bounds;
        self
    }

    pub fn observe(&self, value: f64) {
        self.inner().observe(value, None, None);
    }

    pub fn observe_time(&self, time: Duration) {
        self.observe(time.as_secs_f64());
    }

    /// With the id of the sampled trace that it was observed in, if there is one.
    pub fn observe_in(&self, time: Duration, trace_id: Option<String>) {
        let exemplar = trace_id.map(|id| [("trace_id", id)]);
        self.inner().observe(time.as_secs_f64(), exemplar, None);
    }

    fn inner(&self) -> &HistogramWithExemplars<Exemplar> {
        self.observed.get_or_init(|| HistogramWithExemplars::new(self.bounds.iter().copied()))
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Histogram").field(&self.bounds).finish()
    }
}

impl Cell for Histogram {
    const TYPE: MetricType = MetricType::Histogram;

    fn new(bounds: &'static [f64]) -> Self {
        Self::declared(&[], bounds)
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, encoder: MetricEncoder) -> Result<(), fmt::Error> {
        self.inner().encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
