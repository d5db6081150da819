//! Whose turn it is to recover: so many at a time on a node, since a recovery reads the database and
//! replays, and no shard before the others.
//!
//! A place that becomes free goes to the shard that has the fewest of them, among those where
//! somebody waits, and there to the aggregate that is asked for most. So a shard on which thousands
//! wake up at once takes what is free, and yet the first of another shard waits for one recovery
//! and not for thousands.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::shard::AnyActivation;
use persistence::journal::ShardId;

/// Among how many, the longest waiting ones of a shard, the most asked for is looked for.
const LOOKED_AT: usize = 256;
/// Each such turn of a shard is the longest waiting one's, whatever is asked of it.
const TURN_OF_THE_FIRST: u64 = 4;

/// See the module.
pub struct Recoveries(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// Only shards where something runs or waits.
    shards: HashMap<ShardId, OfShard>,
    /// How many wait, on all shards.
    waiting: usize,
    turns: u64,
}

#[derive(Default)]
struct OfShard {
    running: usize,
    /// The longest first.
    waiting: VecDeque<Waiting>,
    /// When it had its last turn, in turns.
    last_turn: u64,
}

struct Waiting {
    activation: Arc<dyn AnyActivation>,
    turn: oneshot::Sender<Turn>,
}

/// A place; given back when it is dropped.
pub struct Turn {
    /// Nothing once it was given back.
    recoveries: Option<Arc<Mutex<State>>>,
    shard: ShardId,
}

impl Recoveries {
    /// At most `places`, at least one, at a time.
    pub fn new(places: usize) -> Self {
        let free = places.max(1);
        let state = State { free, shards: HashMap::new(), waiting: 0, turns: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for a place.
    pub async fn turn(&self, shard: ShardId, activation: Arc<dyn AnyActivation>) -> Turn {
        let waiting = {
            let mut state = self.0.lock();
            if state.free > 0 {
                state.begin(shard);
                return Turn { recoveries: Some(Arc::clone(&self.0)), shard };
            }
            let (turn, waiting) = oneshot::channel();
            state.shards.entry(shard).or_default().waiting.push_back(Waiting { activation, turn });
            state.waiting += 1;
            waiting
        };
        waiting.await.expect("whoever gives a place back hands it on")
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().waiting
    }
}

impl State {
    fn begin(&mut self, shard: ShardId) {
        self.free -= 1;
        self.turns += 1;
        let of_shard = self.shards.entry(shard).or_default();
        of_shard.running += 1;
        of_shard.last_turn = self.turns;
    }

    fn end(&mut self, shard: ShardId) {
        self.free += 1;
        if let Some(of_shard) = self.shards.get_mut(&shard) {
            of_shard.running -= 1;
            if of_shard.running == 0 && of_shard.waiting.is_empty() {
                self.shards.remove(&shard);
            }
        }
    }

    /// Who is next, if anybody waits and there is a place, which is taken for it.
    fn next(&mut self) -> Option<(ShardId, Waiting)> {
        if self.free == 0 {
            return None;
        }
        let waiting = self.shards.iter().filter(|(_, of_shard)| !of_shard.waiting.is_empty());
        let next =
            waiting.min_by_key(|(shard, of_shard)| (of_shard.running, of_shard.last_turn, **shard));
        let shard = *next?.0;
        self.begin(shard);
        let turns = self.turns;
        let queue = &mut self.shards.get_mut(&shard)?.waiting;
        let place = if turns.is_multiple_of(TURN_OF_THE_FIRST) { 0 } else { most_asked_for(queue) };
        let one = queue.remove(place)?;
        self.waiting -= 1;
        Some((shard, one))
    }
}

/// Where the one stands that is asked for most; of equals the longest waiting.
fn most_asked_for(queue: &VecDeque<Waiting>) -> usize {
    let looked_at = queue.iter().take(LOOKED_AT).enumerate();
    let asked =
        |(place, one): (usize, &Waiting)| (one.activation.asked_for(), std::cmp::Reverse(place));
    let most = looked_at.map(asked).max();
    most.map_or(0, |(_, std::cmp::Reverse(place))| place)
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(recoveries) = self.recoveries.take() {
            give_back(&recoveries, self.shard);
        }
    }
}

/// Frees a place of a shard, and hands out what is free to those who still wait.
fn give_back(recoveries: &Arc<Mutex<State>>, shard: ShardId) {
    recoveries.lock().end(shard);
    loop {
        let Some((shard, next)) = recoveries.lock().next() else { return };
        let turn = Turn { recoveries: Some(Arc::clone(recoveries)), shard };
        if let Err(mut turn) = next.turn.send(turn) {
            // Its actor was stopped. What is dropped here must not come back to this very function.
            turn.recoveries = None;
            recoveries.lock().end(shard);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::FutureExt;
    use futures::future::BoxFuture;
    use ractor::ActorId;
    use uuid::Uuid;

    use super::*;
    use crate::shard::{ActivationKey, ActivationStatus, Leaving};
    use domain::id::AggregateId;

    /// Something that is asked for so often.
    struct Asked(AtomicUsize);

    impl AnyActivation for Asked {
        fn as_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
            self
        }
        fn key(&self) -> ActivationKey {
            ("asked", AggregateId(Uuid::nil()))
        }
        fn actor_id(&self) -> Option<ActorId> {
            None
        }
        fn last_used_us(&self) -> u64 {
            0
        }
        fn asked_for(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
        fn is_idle(&self) -> bool {
            false
        }
        fn retire(self: Arc<Self>, _: Leaving) {}
        fn failed(&self, _: &str) -> Option<Duration> {
            None
        }
        fn restart(self: Arc<Self>) {}
        fn quarantine(&self, _: &str) {}
        fn send_waiting_away(&self) {}
        fn status(&self) -> ActivationStatus {
            unreachable!("nobody looks at it")
        }
        fn weight(&self) -> usize {
            0
        }
    }

    /// Those who wait, each with a name, in the order in which they came.
    struct Queue<'a> {
        recoveries: &'a Recoveries,
        waiting: Vec<(String, BoxFuture<'a, Turn>)>,
    }

    impl<'a> Queue<'a> {
        fn join(&mut self, shard: ShardId, asked: usize) {
            let activation = Arc::new(Asked(AtomicUsize::new(asked)));
            let mut turn = self.recoveries.turn(shard, activation).boxed();
            assert!((&mut turn).now_or_never().is_none(), "all places are taken");
            self.waiting.push((format!("{shard}:{asked}"), turn));
        }

        /// Who has a place now.
        fn next(&mut self) -> Option<(String, Turn)> {
            for place in 0..self.waiting.len() {
                if let Some(turn) = (&mut self.waiting[place].1).now_or_never() {
                    return Some((self.waiting.remove(place).0, turn));
                }
            }
            None
        }

        /// The order in which all have their turn, one at a time.
        fn order(&mut self, first: Turn) -> Vec<String> {
            let (mut order, mut turn) = (Vec::new(), first);
            loop {
                drop(turn);
                let Some((name, next)) = self.next() else { return order };
                order.push(name);
                turn = next;
            }
        }
    }

    fn taken(recoveries: &Recoveries, shard: ShardId) -> Turn {
        let nobody = Arc::new(Asked(AtomicUsize::new(0)));
        recoveries.turn(shard, nobody).now_or_never().expect("a place is free")
    }

    #[test]
    fn shards_take_turns_however_many_wait_on_one_and_the_most_asked_for_come_first() {
        let recoveries = Recoveries::new(1);
        let first = taken(&recoveries, 7);
        let mut queue = Queue { recoveries: &recoveries, waiting: Vec::new() };
        for asked in [1, 5, 9, 3] {
            queue.join(7, asked);
        }
        queue.join(8, 1);
        queue.join(8, 2);
        queue.join(9, 1);
        assert_eq!(recoveries.waiting(), 7);
        // Each fourth turn is the longest waiting one's of its shard.
        assert_eq!(queue.order(first), ["8:2", "9:1", "7:1", "8:1", "7:9", "7:5", "7:3"]);
        assert_eq!(recoveries.waiting(), 0);
        assert!(recoveries.0.lock().shards.is_empty());
    }

    #[test]
    fn one_shard_has_all_places_until_another_asks() {
        let recoveries = Recoveries::new(4);
        let mut running: Vec<Turn> = (0..4).map(|_| taken(&recoveries, 7)).collect();
        let mut queue = Queue { recoveries: &recoveries, waiting: Vec::new() };
        for asked in [100, 200] {
            queue.join(7, asked);
        }
        queue.join(8, 1);
        queue.join(8, 1);
        running.pop();
        let (name, of_other) = queue.next().expect("a place is free");
        assert_eq!(name, "8:1");
        running.pop();
        let (name, second) = queue.next().expect("a place is free");
        assert_eq!(name, "8:1", "two of four are the other shard's share");
        running.pop();
        assert_eq!(queue.next().expect("a place is free").0, "7:200");
        drop((of_other, second));
    }

    #[test]
    fn who_is_gone_takes_no_place() {
        let recoveries = Recoveries::new(1);
        let first = taken(&recoveries, 7);
        let mut queue = Queue { recoveries: &recoveries, waiting: Vec::new() };
        for asked in 1..=9 {
            queue.join(7, asked);
        }
        queue.waiting.truncate(1);
        assert_eq!(queue.order(first), ["7:1"]);
        taken(&recoveries, 8);
        assert!(recoveries.0.lock().shards.is_empty());
    }
}
