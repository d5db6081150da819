//! What a command that is not sampled pays for traces: the same node sells the same item with
//! traces off and on, in turns, so that both meet the same hour and the same log.

use std::sync::Arc;

use emporium::actors::shard::Limits;
use emporium::telemetry::trace::{self, Sink, Span};

use crate::engine::{PATIENCE, sell, start, stocked};
use crate::place::{Kind, Places};
use crate::samples::{Samples, Window};
use crate::settings::Settings;

pub const OFF: &str = "one hot stock item, traces off";
pub const UNSAMPLED: &str = "one hot stock item, traces on and not sampled";

/// Callers at one time: what is near the best rate.
const CALLERS: usize = 256;
/// Turns of each side in one round; the median of all turns counts.
const TURNS: usize = 8;

/// A collector that must never see a span.
struct Nothing;

impl Sink for Nothing {
    fn take(&self, span: Span) {
        unreachable!("nothing is sampled here, but there is {span:?}");
    }

    fn finish(&self) {}
}

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let node = start(&place.open().await, kind, Limits::default()).await;
    let items = [stocked(&node.engine).await];
    for turn in 0..2 * TURNS {
        let on = turn % 2 == 1;
        if on {
            trace::send_to(Arc::new(Nothing));
        }
        let window = Window::after(settings.warm_up(), settings.short_window());
        let tally = sell(&items, CALLERS, window).await;
        samples.push(kind, if on { UNSAMPLED } else { OFF }, tally.rate(&window));
        trace::stop().await;
    }
    node.drain(PATIENCE).await;
    place.remove().await;
}
