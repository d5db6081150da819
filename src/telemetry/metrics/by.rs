//! Metrics with labels: one cell for each set of values that was seen, in a table that never grows
//! and is read without a lock.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

use super::cells::Cell;

/// Places in the table …
const PLACES: usize = 1_024;
/// … and how many of them are used: the others keep every search short.
pub(super) const VALUES_MAX: usize = 768;
/// What all values count as that came when the table was full.
const OTHER: &str = "other";

struct Place<M, const L: usize> {
    values: [Box<str>; L],
    metric: M,
}

impl<M, const L: usize> Place<M, L> {
    fn is_of(&self, values: &[&str; L]) -> bool {
        self.values.iter().zip(values).all(|(ours, theirs)| **ours == **theirs)
    }
}

/// See the module. Bounded whatever is thrown at it: beyond `VALUES_MAX` sets of values all
/// further ones are one, `other`.
pub struct By<M: Cell, const L: usize> {
    labels: &'static [&'static str],
    bounds: &'static [f64],
    places: [OnceLock<Place<M, L>>; PLACES],
    used: AtomicUsize,
    other: OnceLock<M>,
}

impl<M: Cell, const L: usize> By<M, L> {
    #[doc(hidden)]
    pub const fn declared(labels: &'static [&'static str], bounds: &'static [f64]) -> Self {
        Self {
            labels,
            bounds,
            places: [const { OnceLock::new() }; PLACES],
            used: AtomicUsize::new(0),
            other: OnceLock::new(),
        }
    }

    #[doc(hidden)]
    pub const fn with_bounds(mut self, bounds: &'static [f64]) -> Self {
        self.bounds = bounds;
        self
    }

    /// The cell of these values, in the order of the labels.
    pub fn with(&self, values: [&str; L]) -> &M {
        let mut at = place_of(&values);
        loop {
            let place = match self.places[at].get() {
                Some(place) => place,
                None => {
                    if self.used.load(Ordering::Relaxed) >= VALUES_MAX {
                        return self.other.get_or_init(|| M::new(self.bounds));
                    }
                    self.take(at, &values)
                }
            };
            if place.is_of(&values) {
                return &place.metric;
            }
            at = (at + 1) % PLACES;
        }
    }

    /// Takes a place for these values, unless others came first.
    fn take(&self, at: usize, values: &[&str; L]) -> &Place<M, L> {
        self.places[at].get_or_init(|| {
            self.used.fetch_add(1, Ordering::Relaxed);
            Place { values: values.map(Box::from), metric: M::new(self.bounds) }
        })
    }
}

/// FNV-1a: short texts, and nobody from outside chooses them.
fn place_of<const L: usize>(values: &[&str; L]) -> usize {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for value in values {
        for byte in value.bytes().chain([0xFF]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
    }
    usize::try_from(hash % PLACES as u64).expect("less than the number of places")
}

impl<M: Cell, const L: usize> fmt::Debug for By<M, L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("By").field(&self.labels).finish()
    }
}

impl<M: Cell, const L: usize> EncodeMetric for By<M, L> {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let mut write = |values: [&str; L], metric: &M| {
            let set: Vec<_> = self.labels.iter().copied().zip(values).collect();
            metric.encode(encoder.encode_family(&set)?)
        };
        for place in self.places.iter().filter_map(OnceLock::get) {
            write(place.values.each_ref().map(|value| &**value), &place.metric)?;
        }
        self.other.get().map_or(Ok(()), |other| write([OTHER; L], other))
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}
