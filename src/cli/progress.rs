//! How far long work has come: a bar on a terminal, a log line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const LOG_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub struct Progress {
    what: &'static str,
    bar: Option<ProgressBar>,
    done: u64,
    total: u64,
    logged: Instant,
}

impl Progress {
    /// For `total` steps of something, named in the plural.
    pub fn new(what: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}");
            let style = style.expect("the template is a constant");
            ProgressBar::new(total).with_style(style).with_message(what)
        });
        Self { what, bar, done: 0, total, logged: Instant::now() }
    }

    pub fn advance(&mut self, steps: u64) {
        self.done += steps;
        match &self.bar {
            Some(bar) => bar.inc(steps),
            None if self.logged.elapsed() >= LOG_EVERY => {
                self.logged = Instant::now();
                tracing::info!(done = self.done, total = self.total, "{}", self.what);
            }
            None => {}
        }
    }

    /// So much of so much is done, where both may change.
    pub fn stands_at(&mut self, done: u64, total: u64) {
        self.total = total;
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
        self.advance(done.saturating_sub(self.done));
    }

    /// Runs what prints, with the bar out of the way.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
