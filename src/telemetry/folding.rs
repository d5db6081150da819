//! Warnings and errors that come in storms: one line is written and the others are counted, and after
//! ten seconds a line says how many were left out. A log that says one thing two thousand times hides
//! whatever else it says, and costs the most when the program has the least to spare.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt::{Debug, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How long lines of a kind are counted before it is told how many they were.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Lines that one place of the program may write within a window, where they differ.
const LINES_OF_PLACE_MAX: usize = 20;
/// What differs between requests that met the same: lines that differ in it alone are equal.
const OF_REQUESTS: [&str; 2] = ["correlation_id", "trace_id"];

/// See the module. Copies are of one.
#[derive(Clone, Default)]
pub struct Folding(Arc<Mutex<HashMap<Place, Lines>>>);

/// Where in the program a line is written: file and line.
type Place = (&'static str, u32);

/// What one place has written in this window.
#[derive(Default)]
struct Lines {
    written: HashSet<u64>,
    left_out: u64,
    /// The last that was left out.
    text: String,
}

/// Lines that were left out.
#[derive(Debug, PartialEq)]
pub struct LeftOut {
    pub times: u64,
    /// The last of them.
    pub text: String,
}

impl Folding {
    /// Whether a line is to be written, or to be counted.
    fn admit(&self, place: Place, line: &Line) -> bool {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = match places.entry(place) {
            Entry::Occupied(lines) => lines.into_mut(),
            Entry::Vacant(place) => place.insert(Lines::default()),
        };
        let is_first =
            lines.written.len() < LINES_OF_PLACE_MAX && lines.written.insert(line.content.finish());
        if !is_first {
            lines.left_out += 1;
            lines.text.clone_from(&line.text);
        }
        is_first
    }

    /// Begins another window; says what was left out in the last one.
    pub fn turn(&self) -> Vec<LeftOut> {
        let places = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let told = |lines: Lines| LeftOut { times: lines.left_out, text: lines.text };
        places.into_values().filter(|lines| lines.left_out > 0).map(told).collect()
    }

    /// Tells of what was left out, window by window, for ever.
    pub fn tell(&self) {
        loop {
            std::thread::sleep(WINDOW);
            for LeftOut { times, text } in self.turn() {
                let seconds = WINDOW.as_secs();
                tracing::warn!(times, seconds, line = text, "more lines like this were left out");
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for Folding {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // Levels compare by how much they let through.
        if *metadata.level() > Level::WARN {
            return true;
        }
        let place = (metadata.file().unwrap_or_default(), metadata.line().unwrap_or_default());
        let mut line = Line::default();
        event.record(&mut line);
        self.admit(place, &line)
    }
}

/// What a line says, for comparing it and for telling of it.
#[derive(Default)]
struct Line {
    content: DefaultHasher,
    text: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if OF_REQUESTS.contains(&field.name()) {
            return;
        }
        let before = self.text.len();
        let space = if before == 0 { "" } else { " " };
        // Writing into a text cannot fail.
        _ = match field.name() {
            "message" => write!(self.text, "{space}{value:?}"),
            name => write!(self.text, "{space}{name}={value:?}"),
        };
        self.text[before..].hash(&mut self.content);
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;

    /// Counts the lines that come through.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<usize>>);

    impl<S: Subscriber> Layer<S> for Written {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            *self.0.lock().expect("nobody panics with it") += 1;
        }
    }

    fn written(folding: &Folding, lines: impl FnOnce()) -> usize {
        let written = Written::default();
        let subscriber = registry().with(written.clone()).with(folding.clone());
        tracing::subscriber::with_default(subscriber, lines);
        *written.0.lock().expect("nobody panics with it")
    }

    #[test]
    fn a_storm_is_one_line_and_a_count() {
        let folding = Folding::default();
        let storm = || {
            for request in 0..1_753 {
                tracing::warn!(
                    correlation_id = request,
                    code = "UNAVAILABLE",
                    "a request met a fault"
                );
            }
        };
        assert_eq!(written(&folding, storm), 1);
        let text = "a request met a fault code=\"UNAVAILABLE\"".to_owned();
        assert_eq!(folding.turn(), [LeftOut { times: 1_752, text }]);
        assert_eq!(folding.turn(), []);
        assert_eq!(written(&folding, storm), 1, "in each window");
    }

    #[test]
    fn lines_that_differ_are_written_up_to_a_bound_and_others_always() {
        let folding = Folding::default();
        let differ = || (0..100).for_each(|id| tracing::error!(id, "an entry is parked"));
        assert_eq!(written(&folding, differ), LINES_OF_PLACE_MAX);
        let left_out = folding.turn();
        assert_eq!(left_out.len(), 1);
        assert_eq!(left_out[0].times, 100 - LINES_OF_PLACE_MAX as u64);
        let told = || (0..100).for_each(|_| tracing::info!("a request"));
        assert_eq!(written(&folding, told), 100);
    }
}
