//! What a request that came from outside may use of this node: until when, and whether it may wait.
//! It holds for everything that is done within [`within`], however deep, so that twenty steps of one
//! request have one deadline and not twenty. What the node does by itself has none of this: the
//! bounds of each step hold alone.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::questions::Gathering;

tokio::task_local! {
    static CURRENT: RequestScope;
    /// Made by whoever first asks something of another node.
    static GATHERING: OnceCell<Gathering>;
}

/// The place of a request among those that are at work. While it waits for something to happen it
/// gives that up for one among those that wait, which are many more.
pub trait Place: Send + Sync + 'static {
    /// False: too many wait already.
    fn begin_wait(&self) -> bool;
    fn end_wait(&self);
    /// Counts so many more values of its reply; false where that is too many.
    fn take_values(&self, values: usize) -> bool;
    /// Counts so many more bytes of it, before they are there; false where that is too many.
    fn take_bytes(&self, bytes: usize) -> bool;
}

/// See the module.
#[derive(Clone)]
pub struct RequestScope {
    pub deadline: Instant,
    pub place: Arc<dyn Place>,
}

/// Runs what belongs to a request.
pub async fn within<F: Future>(scope: RequestScope, request: F) -> F::Output {
    CURRENT.scope(scope, GATHERING.scope(OnceCell::new(), request)).await
}

/// When something must end that may take `at_most`: with its request at the latest. Nothing, if the
/// request has no time left.
pub(crate) fn until(at_most: Duration) -> Option<Instant> {
    let now = Instant::now();
    let own = now + at_most;
    let of_request = CURRENT.try_with(|scope| scope.deadline).unwrap_or(own);
    (of_request > now).then(|| own.min(of_request))
}

/// Until when it may be waited for something, so that there is time left to say that it did not come: as long as
/// the request has, but for a tenth of that; `own` without one. Nothing, if the request has no time left.
pub(crate) fn patience(own: Duration) -> Option<Instant> {
    let now = Instant::now();
    let ends = CURRENT.try_with(|scope| {
        let left = scope.deadline.saturating_duration_since(now);
        now + left - left / 10
    });
    let ends = ends.unwrap_or(now + own);
    (ends > now).then_some(ends)
}

/// What the request is about to ask of other nodes, where there is a request.
pub(crate) fn gathering() -> Option<Gathering> {
    GATHERING.try_with(|made| made.get_or_init(Gathering::default).clone()).ok()
}

/// Counts so many more values of the reply of the request, where there is one; false where that is
/// too many.
pub fn take_values(values: usize) -> bool {
    CURRENT.try_with(|scope| scope.place.take_values(values)).unwrap_or(true)
}

/// Counts so many more bytes of the reply of the request, where there is one; false where that is too
/// many.
pub fn take_bytes(bytes: usize) -> bool {
    CURRENT.try_with(|scope| scope.place.take_bytes(bytes)).unwrap_or(true)
}

/// A place among those that wait, given back when it is dropped.
pub(crate) struct Waiting(Option<Arc<dyn Place>>);

impl Waiting {
    /// Nothing where too many wait already.
    pub(crate) fn begin() -> Option<Self> {
        match CURRENT.try_with(|scope| Arc::clone(&scope.place)) {
            Ok(place) => place.begin_wait().then(|| Self(Some(place))),
            Err(_) => Some(Self(None)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(place) = &self.0 {
            place.end_wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// One may wait.
    #[derive(Default)]
    struct One(AtomicBool);

    impl Place for One {
        fn begin_wait(&self) -> bool {
            !self.0.swap(true, Ordering::AcqRel)
        }

        fn end_wait(&self) {
            self.0.store(false, Ordering::Release);
        }

        fn take_values(&self, values: usize) -> bool {
            values < 10
        }

        fn take_bytes(&self, bytes: usize) -> bool {
            bytes < 100
        }
    }

    fn scope(deadline: Instant) -> RequestScope {
        RequestScope { deadline, place: Arc::new(One::default()) }
    }

    #[tokio::test]
    async fn steps_end_with_their_request_and_wait_where_there_is_a_place() {
        let (now, hour) = (Instant::now(), Duration::from_secs(3_600));
        assert!(until(hour) >= Some(now + hour), "outside, a step is alone");
        within(scope(now + hour), async {
            assert_eq!(until(2 * hour), Some(now + hour));
            assert!(until(hour / 2) < Some(now + hour));
            let (patient, least) = (patience(hour / 1_000), now + hour / 100 * 89);
            assert!(Some(least) < patient && patient < Some(now + hour / 100 * 91));
            let waiting = Waiting::begin().expect("a place");
            assert!(Waiting::begin().is_none(), "one may wait");
            drop(waiting);
            assert!(Waiting::begin().is_some());
            assert!(take_values(9) && !take_values(10));
            assert!(take_bytes(99) && !take_bytes(100));
        })
        .await;
        within(scope(now), async { assert_eq!((until(hour), patience(hour)), (None, None)) }).await;
    }
}
