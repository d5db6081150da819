//! The two times of a node: the one on the wall, which events record, and the monotonic one, by which
//! leases and idleness are measured. A test gives times of its own.

use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;

use crate::shortcut::{Planted, Shortcut};

/// Times that are given from outside.
pub trait Time: Send + Sync + 'static {
    /// Microseconds since 1970 UTC.
    fn wall_us(&self) -> i64;
    /// Microseconds since some moment; never less than before.
    fn monotonic_us(&self) -> u64;
}

/// Where a node has its times from. It is asked several times for each command, so that the
/// system's clocks are read without a call through a pointer.
#[derive(Clone)]
pub enum Clock {
    System { started: Instant },
    Given(Arc<dyn Time>),
}

/// What nobody may measure leases by: it is planted to be caught.
struct ByTheWall;

impl Time for ByTheWall {
    fn wall_us(&self) -> i64 {
        Utc::now().timestamp_micros()
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.wall_us()).unwrap_or(0)
    }
}

impl Clock {
    /// The system's clocks; the monotonic one begins now.
    pub fn system() -> Self {
        if Planted::default().is(Shortcut::WallClock) {
            return Self::Given(Arc::new(ByTheWall));
        }
        Self::System { started: Instant::now() }
    }

    #[inline]
    pub fn wall_us(&self) -> i64 {
        match self {
            Self::System { .. } => Utc::now().timestamp_micros(),
            Self::Given(time) => time.wall_us(),
        }
    }

    #[inline]
    pub fn monotonic_us(&self) -> u64 {
        match self {
            Self::System { started } => u64::try_from(started.elapsed().as_micros())
                .expect("a node lives less than 500,000 years"),
            Self::Given(time) => time.monotonic_us(),
        }
    }
}
