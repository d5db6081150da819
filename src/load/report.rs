//! What a run came to, as a value, and as text for people. JSON is this value; the page of
//! `report_html` is drawn from it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::checks::Check;
use super::meter::{Counts, Quantiles, Second};

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub scenario: String,
    pub seed: u64,
    /// What stands in the ids and keys of the run.
    pub run: String,
    /// How long operations were started and awaited.
    pub seconds: f64,
    pub clients: usize,
    /// Starts a second in the open loop; null for the closed one.
    pub rate_target: Option<f64>,
    #[serde(flatten)]
    pub counts: Counts,
    /// Operations that succeeded, a second, over the whole run.
    pub per_second: f64,
    pub latency_ms: Quantiles,
    /// How often each code was answered, tries that were repeated included.
    pub errors: BTreeMap<String, u64>,
    pub checks: Vec<Check>,
    pub series: Vec<Second>,
}

impl Report {
    /// Whether the run is worth exit status 0.
    pub fn is_good(&self) -> bool {
        self.counts.succeeded > 0 && self.checks.iter().all(|check| check.ok)
    }

    /// For people, without a line end at its end.
    pub fn text(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        let Counts { attempted, succeeded, refused, unknown, failed } = self.counts;
        let pace = match self.rate_target {
            Some(rate) => format!(
                "{} starts a second, at most {} in flight",
                grouped(rate.round() as u64),
                self.clients
            ),
            None => format!("{} clients, one operation after another", self.clients),
        };
        let mut line = |line: String| writeln!(text, "{line}").expect("text grows");
        line(format!(
            "{}: {pace}, {:.1} s, seed {}, run {}",
            self.scenario, self.seconds, self.seed, self.run
        ));
        line(format!(
            "  operations  {} attempted: {} succeeded, {} refused, {} unknown, {} failed",
            grouped(attempted),
            grouped(succeeded),
            grouped(refused),
            grouped(unknown),
            grouped(failed)
        ));
        line(format!(
            "  throughput  {} succeeded a second",
            grouped(self.per_second.round() as u64)
        ));
        let Quantiles { p50, p90, p99, p999, max } = self.latency_ms;
        line(format!(
            "  latency     p50 {p50:.2} ms, p90 {p90:.2}, p99 {p99:.2}, p99.9 {p999:.2}, max {max:.2}"
        ));
        for (code, count) in &self.errors {
            line(format!("  code        {code} {}", grouped(*count)));
        }
        for check in &self.checks {
            let verdict = if check.ok { "ok    " } else { "FAILED" };
            line(format!("  {verdict}      {}: {}", check.name, check.detail));
        }
        if succeeded == 0 {
            line("  FAILED      nothing succeeded".to_owned());
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
