//! What a node cannot live without: its lanes, its lease manager, its root. A node that renews its
//! leases and cannot write must not look alive: where one of these ends, the process does, and
//! another takes over. This file knows what ended; who ends the process is its caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// See the module. Copies are of one node.
#[derive(Clone)]
pub struct Vitals {
    /// Why the node must end.
    ended: Arc<watch::Sender<Option<String>>>,
    /// The node stops: what ends now ends in good order.
    may_end: Arc<AtomicBool>,
    /// It must end for what it was told to be.
    misled: Arc<AtomicBool>,
}

impl Default for Vitals {
    fn default() -> Self {
        Self {
            ended: Arc::new(watch::channel(None).0),
            may_end: Arc::default(),
            misled: Arc::default(),
        }
    }
}

impl Vitals {
    /// The node is to end when this task does.
    pub fn watch(&self, what: &'static str, task: JoinHandle<()>) {
        let vitals = self.clone();
        tokio::spawn(async move {
            match task.await {
                Ok(()) => vitals.died(what, "it ended"),
                Err(error) if error.is_panic() => vitals.died(what, "it panicked"),
                // The runtime ends, and everything with it.
                Err(_) => {}
            }
        });
    }

    /// What ends from now on does so in good order.
    pub fn may_end(&self) {
        self.may_end.store(true, Ordering::Release);
    }

    /// Something of the node has ended by itself.
    pub fn died(&self, what: &str, reason: &str) {
        self.end(format!("{what} died ({reason})"));
    }

    /// The node must end, for this reason; the first one counts.
    pub fn end(&self, reason: String) {
        if self.may_end.load(Ordering::Acquire) {
            return;
        }
        self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            ended.get_or_insert(reason);
            is_first
        });
    }

    /// The node must end because its configuration cannot be right.
    pub fn misled(&self, reason: String) {
        self.misled.store(true, Ordering::Release);
        self.end(reason);
    }

    pub fn are_misled(&self) -> bool {
        self.misled.load(Ordering::Acquire)
    }

    pub fn are_well(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Waits until the node must end, and says why.
    pub async fn ended(&self) -> String {
        let mut ended = self.ended.subscribe();
        let reason = ended.wait_for(Option::is_some).await.expect("the sender is held here");
        reason.clone().expect("waited for")
    }
}
