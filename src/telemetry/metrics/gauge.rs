//! Gauges: what stands somewhere anyhow and is asked for when the page is read, so that keeping it
//! costs nothing in between.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

/// Tells a value, or nothing any more.
type Source = Box<dyn Fn() -> Option<f64> + Send + Sync>;

type Label = Cow<'static, str>;

/// The sum of what its sources say. A source ends with what it looks at; a gauge does not keep it.
pub struct Gauge {
    labels: &'static [&'static str],
    sources: Mutex<Vec<(Label, Source)>>,
}

impl Gauge {
    #[doc(hidden)]
    pub const fn declared(labels: &'static [&'static str], _bounds: &'static [f64]) -> Self {
        Self { labels, sources: Mutex::new(Vec::new()) }
    }

    /// From now on `read` is asked, for as long as somebody else keeps `of`.
    pub fn observe<T: Send + Sync + 'static>(
        &self,
        of: &Arc<T>,
        read: impl Fn(&T) -> f64 + Send + Sync + 'static,
    ) {
        self.observe_as("", of, read);
    }

    /// The same under a value of the label.
    pub fn observe_as<T: Send + Sync + 'static>(
        &self,
        value: impl Into<Label>,
        of: &Arc<T>,
        read: impl Fn(&T) -> f64 + Send + Sync + 'static,
    ) {
        let of = Arc::downgrade(of);
        let source = move || of.upgrade().map(|of| read(&of));
        self.sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((value.into(), Box::new(source)));
    }

    /// What its sources say now, by the value of the label; those that are gone are let go.
    pub fn read(&self) -> BTreeMap<Label, f64> {
        let mut sums = BTreeMap::new();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|(label, source)| {
            let Some(value) = source() else { return false };
            *sums.entry(label.clone()).or_default() += value;
            true
        });
        sums
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Gauge").field(&self.labels).finish()
    }
}

impl EncodeMetric for Gauge {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        for (value, sum) in self.read() {
            match self.labels.first() {
                None => encoder.encode_gauge(&sum)?,
                Some(label) => encoder.encode_family(&[(*label, &*value)])?.encode_gauge(&sum)?,
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}
