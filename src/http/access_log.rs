//! A line in the log for one request of many: what was asked for, how it ended, how long it took.
//! No line holds what a client sent but the name it gave its operation, and no address.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use uuid::Uuid;

/// The longest name of an operation that is told.
const NAME_BYTES_MAX: usize = 64;

/// Which requests are told of: evenly, so many of a million.
#[derive(Debug)]
pub struct AccessLog {
    per_million: u64,
    requests: AtomicU64,
}

/// What is told of a request.
#[derive(Debug, Default)]
pub struct Record {
    /// As the client calls it.
    pub name: Option<String>,
    /// Its first root field, as in metrics.
    pub operation: String,
    /// Of its first error.
    pub code: Option<String>,
    pub correlation_id: Uuid,
}

impl AccessLog {
    /// `ratio`: 0 none, 1 all.
    pub fn new(ratio: f64) -> Self {
        let per_million = (ratio.clamp(0.0, 1.0) * 1_000_000.0).round() as u64;
        Self { per_million, requests: AtomicU64::new(0) }
    }

    /// A record for one of those that are told of.
    pub fn begin(&self) -> Option<Record> {
        if self.per_million == 0 {
            return None;
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let told = |number: u64| number.wrapping_mul(self.per_million) / 1_000_000;
        (told(number + 1) > told(number)).then(Record::default)
    }
}

impl Record {
    pub fn named(&mut self, name: Option<&str>) {
        let is_name = |name: &&str| {
            name.len() <= NAME_BYTES_MAX
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        self.name = name.filter(is_name).map(str::to_owned);
    }

    pub fn write(&self, reply: &HttpResponse, took: Duration) {
        let bytes = match reply.body().size() {
            BodySize::Sized(bytes) => bytes,
            _ => 0,
        };
        tracing::info!(
            name = self.name.as_deref().unwrap_or_default(),
            operation = self.operation,
            status = reply.status().as_u16(),
            code = self.code.as_deref().unwrap_or("OK"),
            ms = took.as_secs_f64() * 1_000.0,
            bytes,
            correlation_id = %self.correlation_id,
            "request"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_of_evenly() {
        for (ratio, expected) in [(0.0, 0), (0.01, 100), (0.5, 5_000), (1.0, 10_000)] {
            let log = AccessLog::new(ratio);
            let told = (0..10_000).filter(|_| log.begin().is_some()).count();
            assert_eq!(told, expected, "{ratio}");
        }
    }

    #[test]
    fn only_names_are_told() {
        let mut record = Record::default();
        record.named(Some("Checkout_2"));
        assert_eq!(record.name.as_deref(), Some("Checkout_2"));
        for bad in ["a b", "a\nb", "é", &"x".repeat(65)] {
            record.named(Some(bad));
            assert_eq!(record.name, None, "{bad}");
        }
    }
}
