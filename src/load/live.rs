//! A run while it goes on: a bar on a terminal, a log line now and then elsewhere. Both on
//! standard error.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::meter::{Counts, Meter};
use super::pace::Pace;
use super::report::grouped;

const DRAWN_EVERY: Duration = Duration::from_millis(250);
const LOGGED_EVERY: Duration = Duration::from_secs(5);
/// Codes that the bar has room for.
const CODES_SHOWN: usize = 4;

/// Shows how far a run is until it is dropped.
pub struct Live {
    task: JoinHandle<()>,
    bar: Option<ProgressBar>,
}

impl Live {
    pub fn show(what: &str, pace: &Arc<Pace>, meter: &Arc<Meter>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {elapsed}\n{msg}");
            let style = style.expect("the template is a constant");
            ProgressBar::new(pace.progress().1).with_style(style).with_prefix(what.to_owned())
        });
        let task =
            tokio::spawn(show(what.to_owned(), bar.clone(), Arc::clone(pace), Arc::clone(meter)));
        Self { task, bar }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

async fn show(what: String, bar: Option<ProgressBar>, pace: Arc<Pace>, meter: Arc<Meter>) {
    let mut ticks = tokio::time::interval(if bar.is_some() { DRAWN_EVERY } else { LOGGED_EVERY });
    ticks.tick().await;
    let (mut then, mut ended) = (Instant::now(), 0);
    loop {
        ticks.tick().await;
        let counts = meter.counts();
        let rate = (counts.attempted - ended) as f64 / then.elapsed().as_secs_f64().max(0.001);
        (then, ended) = (Instant::now(), counts.attempted);
        let latest = meter.latest();
        let latency = latest.map_or_else(String::new, |second| {
            format!("p50 {:.1} p99 {:.1} max {:.1} ms", second.p50, second.p99, second.max)
        });
        let Some(bar) = &bar else {
            let Counts { succeeded, refused, unknown, failed, .. } = counts;
            let rate = rate.round() as u64;
            tracing::info!(rate, succeeded, refused, unknown, failed, latency, "{what}");
            continue;
        };
        bar.set_position(pace.progress().0);
        let codes = meter.codes();
        let mut codes: Vec<_> = codes.iter().collect();
        codes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let codes: Vec<String> = codes
            .iter()
            .take(CODES_SHOWN)
            .map(|(code, count)| format!("{code} {}", grouped(**count)))
            .collect();
        let message =
            format!("{}/s  {latency}  {}", grouped(rate.round() as u64), codes.join("  "));
        bar.set_message(message);
    }
}
