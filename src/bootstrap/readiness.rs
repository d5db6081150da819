//! Whether this node should be sent requests. A prober is told yes or no; why not is for operators: a
//! line in the log when it changes, and a gauge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::metrics::READY;
use super::node::Program;
use http::Health;

/// How often is looked whether something changed.
const LOOKED_EVERY: Duration = Duration::from_millis(250);

/// What runs behind the entrance.
pub struct Running {
    pub program: Program,
    pub caught_up: AtomicBool,
    pub stopping: AtomicBool,
}

impl Health for Running {
    fn is_live(&self) -> bool {
        self.program.node.is_live()
    }

    fn is_ready(&self) -> bool {
        self.obstacle().is_none()
    }
}

impl Running {
    pub fn of(program: Program) -> Arc<Self> {
        let (caught_up, stopping) = (AtomicBool::new(false), AtomicBool::new(false));
        let running = Arc::new(Self { program, caught_up, stopping });
        READY.observe(&running, |running| f64::from(u8::from(running.is_ready())));
        running
    }

    /// Why it is not ready, if it is not.
    fn obstacle(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Acquire) {
            Some("this node is stopping")
        } else if !self.program.node.serves_all() {
            Some("not every shard is served")
        } else if !self.caught_up.load(Ordering::Acquire) {
            Some("the views are catching up")
        } else {
            self.program.node.trouble()
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
