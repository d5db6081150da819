//! How requests arrive on a connection: the time that each head may take to come, and the bytes that
//! are held of what is not read yet. actix-http times the first head of a connection and no other, and
//! holds of each as much as comes: so both are seen to here.
//!
//! Whoever answers requests says how far the one is that is in hand ([`Arrival`]); the connection, which
//! sees the bytes, holds them to that ([`Watch`]).

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::HttpLimits;
use super::clients::{Client, give_back, take};
use super::places::Places;
use super::refusals::Refusal;

/// So long a connection may stand idle between two requests, by the rule of actix-http: it comes on
/// top of the time that the next head may take.
const IDLE: Duration = Duration::from_secs(5);
/// So much of what is not read yet each connection may hold without its being counted.
const UNCOUNTED_BYTES: usize = 8 << 10;
/// actix-http reads no further ahead than this.
const AHEAD_BYTES_MAX: usize = 128 << 10;

/// How far a connection is with its request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// The head of the next one is to come.
    Head,
    /// Its body is being read, and counted as that goes on.
    Body,
    /// All of it is read, and it is being answered.
    Answering,
    /// It was answered before its body was read: that is thrown away as it comes.
    Leftover,
}

/// See the module.
pub struct Arrival {
    stage: Cell<Stage>,
    /// When the connection was there, or the last request ended.
    since: Cell<Instant>,
    /// How often a request was read to its end or ended: then what came before is done with.
    turn: Cell<u64>,
    /// Whether anything came in this turn.
    has_come: Cell<bool>,
    /// The reply to this one goes on, and no other comes after it.
    goes_on: Cell<bool>,
    /// A connection that reads no further until its request is answered.
    waiting: RefCell<Option<Waker>>,
}

impl Arrival {
    fn new() -> Self {
        Self {
            stage: Cell::new(Stage::Head),
            since: Cell::new(Instant::now()),
            turn: Cell::new(0),
            has_come: Cell::new(false),
            goes_on: Cell::new(false),
            waiting: RefCell::default(),
        }
    }

    /// The head of a request is read. Whether it was read together with the one before: then others had
    /// no turn in between.
    pub fn begin(&self, has_body: bool) -> bool {
        self.stage.set(if has_body { Stage::Body } else { Stage::Answering });
        !self.has_come.get()
    }

    /// Its body is read too.
    pub fn is_read(&self) {
        self.stage.set(Stage::Answering);
        self.turn.set(self.turn.get() + 1);
    }

    /// Its reply goes on until the connection ends. Whether the client talks meanwhile: what he says is
    /// read as it comes, and bounded where it is read.
    pub fn goes_on(&self, talks: bool) {
        self.goes_on.set(true);
        self.stage.set(if talks { Stage::Body } else { Stage::Answering });
    }

    /// It is answered.
    pub fn end(&self) {
        if self.goes_on.get() {
            return;
        }
        let unread = self.stage.get() == Stage::Body;
        self.stage.set(if unread { Stage::Leftover } else { Stage::Head });
        self.since.set(Instant::now());
        self.has_come.set(false);
        self.turn.set(self.turn.get() + 1);
        if let Some(waiting) = self.waiting.borrow_mut().take() {
            waiting.wake();
        }
    }
}

/// See the module.
pub struct Watch {
    pub arrival: Rc<Arrival>,
    /// What of `arrival` the bytes belong to.
    turn: u64,
    /// Bytes that came in this turn, but for those of a body.
    bytes: usize,
    /// Whether what came was looked at: if it was and is no whole head, there is none yet.
    is_looked_at: bool,
    /// What of them is counted.
    counted: usize,
    client: Arc<Client>,
    places: Arc<Places>,
    limits: HttpLimits,
    idle: Duration,
    over: Pin<Box<Sleep>>,
}

impl Watch {
    pub fn new(client: Arc<Client>, places: Arc<Places>, limits: HttpLimits) -> Self {
        let over = Box::pin(sleep(limits.head_timeout()));
        let arrival = Rc::new(Arrival::new());
        Self {
            arrival,
            turn: 0,
            bytes: 0,
            is_looked_at: false,
            counted: 0,
            client,
            places,
            limits,
            idle: IDLE,
            over,
        }
    }

    fn follow(&mut self) {
        if self.turn != self.arrival.turn.get() {
            self.turn = self.arrival.turn.get();
            self.bytes = 0;
            self.is_looked_at = false;
            self.forget();
        }
    }

    /// Ready where more may be read. Who has sent so much of further requests is not heard when it hangs
    /// up, before the one in hand is answered, and before the reply is on its way where `is_writing`.
    pub fn poll_read_on(
        &mut self,
        cx: &Context<'_>,
        is_writing: bool,
    ) -> Poll<Result<(), Refusal>> {
        self.follow();
        if self.bytes < self.limits.head_bytes_max {
            return Poll::Ready(Ok(()));
        }
        match self.arrival.stage.get() {
            Stage::Body | Stage::Leftover => Poll::Ready(Ok(())),
            Stage::Head if is_writing => Poll::Pending,
            Stage::Head if self.is_looked_at => Poll::Ready(Err(Refusal::HEAD_TOO_LARGE)),
            Stage::Head => {
                // Much of it may be a body: whoever reads this looks first what there is.
                self.is_looked_at = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Stage::Answering => {
                *self.arrival.waiting.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes note of bytes that came.
    pub fn came(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.follow();
        self.arrival.has_come.set(true);
        if self.arrival.stage.get() == Stage::Body {
            return Ok(());
        }
        self.bytes += bytes;
        self.is_looked_at = false;
        let held = self.bytes.min(AHEAD_BYTES_MAX).saturating_sub(UNCOUNTED_BYTES);
        if held > self.counted && !self.count(held - self.counted) {
            return Err(Refusal::OVERLOADED);
        }
        Ok(())
    }

    fn count(&mut self, more: usize) -> bool {
        let max = self.limits.bodies_bytes_max;
        if !take(&self.client.body_bytes, more, max / 4) {
            return false;
        }
        if !take(&self.places.body_bytes, more, max) {
            give_back(&self.client.body_bytes, more);
            return false;
        }
        self.counted += more;
        true
    }

    fn forget(&mut self) {
        let counted = std::mem::take(&mut self.counted);
        if counted > 0 {
            give_back(&self.client.body_bytes, counted);
            give_back(&self.places.body_bytes, counted);
        }
    }

    /// Ready when the next head, of which not all is there, took too long; with what is said of that,
    /// if anything was asked. A reply may take its time after its request has ended: until `last_write`.
    pub fn poll_late(
        &mut self,
        cx: &mut Context<'_>,
        last_write: Instant,
    ) -> Poll<Option<Refusal>> {
        let stage = self.arrival.stage.get();
        if !matches!(stage, Stage::Head | Stage::Leftover) {
            return Poll::Pending;
        }
        loop {
            ready!(self.over.as_mut().poll(cx));
            let is_first = self.arrival.turn.get() == 0;
            let patience =
                self.limits.head_timeout() + if is_first { Duration::ZERO } else { self.idle };
            let until = self.arrival.since.get().max(last_write) + patience;
            if until <= Instant::now() {
                if self.bytes > 0 && !self.is_looked_at {
                    // It was here that nobody had the time.
                    self.is_looked_at = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let has_begun = self.turn == self.arrival.turn.get() && self.bytes > 0;
                let is_told = stage == Stage::Head && (is_first || has_begun);
                return Poll::Ready(is_told.then_some(Refusal::HEAD_TIMED_OUT));
            }
            self.over.as_mut().reset(until);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use futures::future::poll_fn;

    use super::*;

    fn watch(limits: HttpLimits) -> Watch {
        Watch::new(Arc::default(), Arc::default(), limits)
    }

    fn counted(watch: &Watch) -> [usize; 2] {
        [&watch.client.body_bytes, &watch.places.body_bytes]
            .map(|counter| counter.load(Ordering::Relaxed))
    }

    fn read_on(watch: &mut Watch) -> Poll<Result<(), Refusal>> {
        let waker = futures::task::noop_waker();
        watch.poll_read_on(&Context::from_waker(&waker), false)
    }

    const ON: Poll<Result<(), Refusal>> = Poll::Ready(Ok(()));

    #[tokio::test]
    async fn what_is_held_of_a_head_is_bounded_and_counted() {
        let limits = HttpLimits {
            head_bytes_max: 30_000,
            bodies_bytes_max: 100_000,
            ..HttpLimits::default()
        };
        let mut watch = watch(limits);
        assert_eq!((watch.came(UNCOUNTED_BYTES), counted(&watch)), (Ok(()), [0, 0]));
        assert_eq!((watch.came(1_000), counted(&watch)), (Ok(()), [1_000, 1_000]));
        assert_eq!(read_on(&mut watch), ON);
        assert_eq!(watch.came(25_000), Err(Refusal::OVERLOADED), "a quarter is a client's");
        // It may be a head with much of its body, or a head that is too long.
        assert_eq!(read_on(&mut watch), Poll::Pending);
        assert_eq!(read_on(&mut watch), Poll::Ready(Err(Refusal::HEAD_TOO_LARGE)));
        let (client, places) = (Arc::clone(&watch.client), Arc::clone(&watch.places));
        drop(watch);
        let left = [&client.body_bytes, &places.body_bytes].map(|it| it.load(Ordering::Relaxed));
        assert_eq!(left, [0, 0]);
    }

    #[tokio::test]
    async fn bodies_are_counted_elsewhere_and_requests_that_come_early_wait() {
        let mut watch = watch(HttpLimits { head_bytes_max: 10_000, ..HttpLimits::default() });
        assert_eq!((watch.came(20_000), read_on(&mut watch)), (Ok(()), Poll::Pending));
        assert!(!watch.arrival.begin(true));
        assert_eq!((watch.came(1 << 20), read_on(&mut watch)), (Ok(()), ON));
        watch.arrival.is_read();
        assert_eq!((read_on(&mut watch), counted(&watch)), (ON, [0, 0]));
        assert_eq!((watch.came(10_000), read_on(&mut watch)), (Ok(()), Poll::Pending));
        watch.arrival.end();
        assert_eq!((read_on(&mut watch), counted(&watch)), (ON, [0, 0]), "it is another's turn");
        // What was not read of a body is no head, whatever its length.
        assert!(watch.arrival.begin(true), "nothing came since");
        watch.arrival.end();
        assert_eq!((watch.came(1 << 20), read_on(&mut watch)), (Ok(()), ON));
        assert_eq!(counted(&watch)[0], AHEAD_BYTES_MAX - UNCOUNTED_BYTES);
    }

    #[tokio::test]
    async fn each_head_has_its_time() {
        let limits = HttpLimits { head_timeout_ms: 20, ..HttpLimits::default() };
        let mut watch = watch(limits);
        watch.idle = Duration::from_millis(40);
        let arrival = Rc::clone(&watch.arrival);
        let late = async |watch: &mut Watch, since: Instant| {
            let said = poll_fn(|cx| watch.poll_late(cx, since)).await;
            (since.elapsed(), said)
        };
        let (took, said) = late(&mut watch, arrival.since.get()).await;
        assert!(took >= Duration::from_millis(20), "{took:?}");
        assert_eq!(said, Some(Refusal::HEAD_TIMED_OUT));
        _ = arrival.begin(false);
        assert!(
            futures::poll!(poll_fn(|cx| watch.poll_late(cx, Instant::now()))).is_pending(),
            "it is in hand"
        );
        arrival.end();
        watch.came(10).expect("little came");
        watch.is_looked_at = true;
        let (took, said) = late(&mut watch, arrival.since.get()).await;
        assert!(took >= Duration::from_millis(60), "{took:?}");
        assert_eq!(said, Some(Refusal::HEAD_TIMED_OUT));
        _ = arrival.begin(false);
        arrival.end();
        assert_eq!(late(&mut watch, arrival.since.get()).await.1, None, "nothing was asked");
    }
}
