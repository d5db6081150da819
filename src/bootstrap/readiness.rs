//! Whether this node should be sent requests. A prober is told yes or no; why not is for operators: a
//! line in the log when it changes, and a gauge.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::metrics::READY;
use super::node::Program;
use http::Health;

/// How often is looked whether something changed.
const LOOKED_EVERY: Duration = Duration::from_millis(250);

/// What runs behind the entrance, from before it does.
#[derive(Default)]
pub struct Running {
    program: OnceLock<Arc<Program>>,
    pub caught_up: AtomicBool,
    pub stopping: AtomicBool,
}

impl Health for Running {
    fn is_live(&self) -> bool {
        self.program.get().is_none_or(|program| program.node.is_live())
    }

    fn is_ready(&self) -> bool {
        self.obstacle().is_none()
    }
}

impl Running {
    /// One of which the metrics tell.
    pub fn observed() -> Arc<Self> {
        let running = Arc::new(Self::default());
        READY.observe(&running, |running| f64::from(u8::from(running.is_ready())));
        running
    }

    /// Its node serves, and what stands on it has been started.
    pub fn begin(&self, program: &Arc<Program>) {
        let first = self.program.set(Arc::clone(program));
        debug_assert!(first.is_ok(), "one program runs behind an entrance");
    }

    /// Why it is not ready, if it is not.
    fn obstacle(&self) -> Option<&'static str> {
        let Some(program) = self.program.get() else { return Some("this node is starting") };
        if self.stopping.load(Ordering::Acquire) {
            Some("this node is stopping")
        } else if !program.node.serves_some() {
            Some("not every shard is served")
        } else if !self.caught_up.load(Ordering::Acquire) {
            Some("the views are catching up")
        } else {
            program.node.trouble()
        }
    }

    /// Tells in the log whenever it is ready, and whenever it is not any more; for ever.
    pub async fn tell(self: Arc<Self>) {
        let mut told = self.obstacle();
        loop {
            tokio::time::sleep(LOOKED_EVERY).await;
            let found = self.obstacle();
            if found == told {
                continue;
            }
            match found {
                Some(reason) => tracing::warn!(reason, "this node is not ready"),
                None => tracing::info!("this node is ready"),
            }
            told = found;
        }
    }
}
