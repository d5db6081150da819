//! Metrics: how a room declares them, and the page that Prometheus reads.
//!
//! A metric is a `static`, declared once with [`metrics!`](crate::metrics!) and counted wherever
//! its name is in sight: nothing is looked up by name and nothing is passed along. What has labels
//! takes them from a set that is bounded ([`By`]); what need not be counted, because somebody knows
//! it anyhow, is asked for when the page is read ([`Gauge`]).

mod by;
mod cells;
mod gauge;

use std::fmt;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry;

pub use by::By;
pub use cells::{Counter, Histogram};
pub use gauge::Gauge;

/// Bounds for times in seconds: from a commit to a patient client.
pub const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
/// Bounds for numbers of things.
pub const COUNTS: &[f64] =
    &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0];
/// Bounds for bytes, up to 4 MiB.
pub const BYTES: &[f64] =
    &[1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 2_097_152.0, 4_194_304.0];

/// What stands on the page.
pub trait Exposed: EncodeMetric + fmt::Debug + Sync {}

impl<T: EncodeMetric + fmt::Debug + Sync> Exposed for T {}

/// A metric as a room declared it.
#[derive(Debug)]
pub struct Declared {
    /// `emporium_<room>_<what>_<unit>`; a counter is shown with `_total` behind it.
    pub name: &'static str,
    pub help: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub labels: &'static [&'static str],
    pub metric: &'static dyn Exposed,
}

/// Declares the metrics of a room and lists them in a table `METRICS`.
///
/// ```
/// telemetry::metrics! { "kitchen":
///     /// Cups that were filled.
///     counter CUPS = "cups" by "tea";
///     /// How long one cup drew.
///     histogram DRAWN = "drawn_seconds" with telemetry::metrics::SECONDS;
///     /// Kettles on the fire.
///     gauge KETTLES = "kettles";
/// }
/// CUPS.with(["green"]).inc();
/// assert_eq!(METRICS[0].name, "emporium_kitchen_cups");
/// ```
#[macro_export]
macro_rules! metrics {
    ($room:literal: $(
        $(#[doc = $help:literal])+
        $kind:ident $name:ident = $what:literal
            $(by $($label:literal),+)? $(with $bounds:expr)?;
    )+) => {
        $(
            $(#[doc = $help])+
            pub static $name: $crate::metrics!(@type $kind $($($label),+)?) =
                <$crate::metrics!(@type $kind $($($label),+)?)>::declared(
                    &[$($($label),+)?],
                    &[],
                )$(.with_bounds($bounds))?;
        )+

        /// Every metric of this room.
        pub static METRICS: &[$crate::metrics::Declared] = &[$(
            $crate::metrics::Declared {
                name: concat!("emporium_", $room, "_", $what),
                help: concat!($($help),+),
                kind: stringify!($kind),
                labels: &[$($($label),+)?],
                metric: &$name,
            }
        ),+];
    };
    (@type counter) => { $crate::metrics::Counter };
    (@type counter $($label:literal),+) => {
        $crate::metrics::By<$crate::metrics::Counter, { [$($label),+].len() }>
    };
    (@type histogram) => { $crate::metrics::Histogram };
    (@type histogram $($label:literal),+) => {
        $crate::metrics::By<$crate::metrics::Histogram, { [$($label),+].len() }>
    };
    (@type gauge $($label:literal),*) => { $crate::metrics::Gauge };
}

/// A declared metric, for a registry that wants to own what it shows.
#[derive(Debug)]
struct Shown(&'static dyn Exposed);

impl EncodeMetric for Shown {
    fn encode(&self, encoder: MetricEncoder) -> Result<(), fmt::Error> {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.0.metric_type()
    }
}

/// The page of `/metrics`.
#[derive(Debug)]
pub struct Page(registry::Registry);

impl Page {
    /// With the metrics of these rooms, in this order.
    pub fn of(rooms: &[&'static [Declared]]) -> Self {
        let mut registry = registry::Registry::default();
        for declared in rooms.iter().copied().flatten() {
            let help = declared.help.trim().trim_end_matches('.');
            registry.register(declared.name, help, Shown(declared.metric));
        }
        Self(registry)
    }

    /// Its media type and its text as they stand now. Whoever takes OpenMetrics, as a Prometheus
    /// server does, gets exemplars too; everybody else gets the older text format.
    pub fn write(&self, accept: Option<&str>) -> (&'static str, String) {
        let mut written = String::with_capacity(32 << 10);
        let open = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        let (media_type, done) = if open {
            let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (media_type, text::encode(&mut written, &self.0))
        } else {
            (prometheus_text::CONTENT_TYPE, prometheus_text::encode(&mut written, &self.0))
        };
        done.expect("memory takes it");
        (media_type, written)
    }
}

#[cfg(test)]
mod tests;
