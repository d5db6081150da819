//! The pure core of ownership: which shards this node holds, until when it may serve reads, when
//! to renew and when to take again. No IO and no clock: times are microseconds of a monotonic clock
//! of the node's own, answers of the database come in, [`Step`]s go out.
//!
//! Leases decide who serves reads; only the log decides who writes.

use std::collections::BTreeMap;
use std::time::Duration;

use persistence::journal::{Epoch, Seq, ShardId, Taken};
use persistence::shortcut::{Planted, Shortcut};

/// How a lease is timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeaseTerms {
    /// What the database is asked for.
    pub lease: Duration,
    /// Reads end this much before the lease, for clocks that run at different speeds.
    pub margin: Duration,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self { lease: Duration::from_secs(5), margin: Duration::from_millis(500) }
    }
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Take these; answer with [`Ownership::taken`].
    Take(Vec<ShardId>),
    /// Renew all leases of this incarnation; answer with [`Ownership::renewed`].
    Renew,
    /// Begin to serve.
    Open { shard: ShardId, epoch: Epoch, head: Seq },
    /// Stop serving at once; what is pending is answered with the truth.
    Close { shard: ShardId },
    /// Give these up in the database.
    Release(Vec<ShardId>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ShardState {
    /// Not ours; to be taken from `at` on.
    Vacant {
        at: u64,
    },
    Serving {
        reads_until: u64,
    },
    /// Its log went backwards: not to be touched until an operator says so.
    Stopped,
}

/// See the module.
pub struct Ownership {
    terms: LeaseTerms,
    shards: BTreeMap<ShardId, ShardState>,
    asking: bool,
    renew_at: u64,
    draining: bool,
    pub planted: Planted,
}

impl Ownership {
    /// Wants every one of `shards`.
    pub fn new(terms: LeaseTerms, shards: impl IntoIterator<Item = ShardId>) -> Self {
        Self {
            terms,
            shards: shards.into_iter().map(|shard| (shard, ShardState::Vacant { at: 0 })).collect(),
            asking: false,
            renew_at: 0,
            draining: false,
            planted: Planted::default(),
        }
    }

    /// Whether this node may answer reads of the shard from memory at `now`.
    pub fn serves_reads(&self, shard: ShardId, now: u64) -> bool {
        if self.planted.is(Shortcut::ReadAfterLease) {
            return matches!(self.shards.get(&shard), Some(ShardState::Serving { .. }));
        }
        matches!(self.shards.get(&shard), Some(ShardState::Serving { reads_until }) if now < *reads_until)
    }

    /// Until when reads are served, for a shell that checks without asking here.
    pub fn reads_until(&self, shard: ShardId) -> Option<u64> {
        match self.shards.get(&shard) {
            Some(ShardState::Serving { reads_until }) => Some(*reads_until),
            _ => None,
        }
    }

    pub fn is_serving(&self, shard: ShardId) -> bool {
        matches!(self.shards.get(&shard), Some(ShardState::Serving { .. }))
    }

    /// Every wanted shard is served or stopped.
    pub fn serves_all(&self) -> bool {
        !self.shards.values().any(|state| matches!(state, ShardState::Vacant { .. }))
    }

    /// What is due. One question to the database at a time.
    pub fn tick(&mut self, now: u64) -> Vec<Step> {
        if self.asking || self.draining {
            return Vec::new();
        }
        if now >= self.renew_at
            && self.shards.values().any(|state| !matches!(state, ShardState::Vacant { .. }))
        {
            self.asking = true;
            return vec![Step::Renew];
        }
        let due = |state: &ShardState| matches!(state, ShardState::Vacant { at } if *at <= now);
        let vacant: Vec<_> =
            self.shards.iter().filter(|(_, state)| due(state)).map(|(shard, _)| *shard).collect();
        if vacant.is_empty() {
            return Vec::new();
        }
        self.asking = true;
        vec![Step::Take(vacant)]
    }

    /// When [`tick`](Self::tick) has something to do next, as far as is known.
    pub fn next_tick(&self) -> u64 {
        if self.asking || self.draining {
            return u64::MAX;
        }
        let due = self.shards.values().map(|state| match state {
            ShardState::Vacant { at } => *at,
            // A stopped shard stays held, so that no other node carries on with its log.
            ShardState::Serving { .. } | ShardState::Stopped => self.renew_at,
        });
        due.min().unwrap_or(u64::MAX)
    }

    /// The answer to [`Step::Take`], which was sent at `sent_at`; `None` if there was none. The
    /// lease counts from before it was asked for.
    pub fn taken(
        &mut self,
        asked: &[ShardId],
        sent_at: u64,
        now: u64,
        answer: Option<Vec<Taken>>,
    ) -> Vec<Step> {
        self.asking = false;
        let Some(answer) = answer else {
            let at = now + self.third();
            for shard in asked {
                self.end(*shard, ShardState::Vacant { at });
            }
            return Vec::new();
        };
        let mut steps = Vec::new();
        // Renewals that are due already are not put off by what is taken beside them.
        if !self.shards.keys().any(|shard| self.is_serving(*shard)) {
            self.renew_at = sent_at + self.third();
        }
        for taken in answer {
            match taken {
                Taken::Owned { shard, .. }
                    if self.shards.get(&shard) == Some(&ShardState::Stopped) => {}
                Taken::Owned { shard, .. } if self.draining => {
                    steps.push(Step::Release(vec![shard]));
                }
                Taken::Owned { shard, epoch, head } => {
                    self.shards.insert(
                        shard,
                        ShardState::Serving { reads_until: self.reads_end(sent_at) },
                    );
                    steps.push(Step::Open { shard, epoch, head });
                }
                Taken::Held { shard, remaining, .. } => {
                    let wait = micros(remaining).clamp(1_000, micros(self.terms.lease));
                    self.end(shard, ShardState::Vacant { at: now + wait });
                }
            }
        }
        steps
    }

    /// The answer to [`Step::Renew`]: the shards that are still this incarnation's.
    pub fn renewed(&mut self, sent_at: u64, now: u64, answer: Option<Vec<ShardId>>) -> Vec<Step> {
        self.asking = false;
        let Some(ours) = answer else {
            // Ask again soon; until then the lease runs down and reads end by themselves.
            self.renew_at = now + self.third() / 4;
            return Vec::new();
        };
        self.renew_at = sent_at + self.third();
        let reads_until = self.reads_end(sent_at);
        let mut steps = Vec::new();
        for (shard, state) in &mut self.shards {
            if let ShardState::Serving { reads_until: until } = state {
                if ours.contains(shard) {
                    *until = (*until).max(reads_until);
                } else {
                    *state = ShardState::Vacant { at: now };
                    steps.push(Step::Close { shard: *shard });
                }
            }
        }
        steps
    }

    /// The log says that another writes here now.
    pub fn fenced(&mut self, shard: ShardId, now: u64) -> Vec<Step> {
        self.end(shard, ShardState::Vacant { at: now + micros(self.terms.lease) })
    }

    /// The log went backwards: stop, loudly, and do not take it again.
    pub fn regressed(&mut self, shard: ShardId) -> Vec<Step> {
        self.end(shard, ShardState::Stopped)
    }

    /// Serve nothing more and give everything up. The caller has flushed what was pending.
    pub fn drain(&mut self) -> Vec<Step> {
        self.draining = true;
        let serving: Vec<_> = self.shards.keys().copied().filter(|s| self.is_serving(*s)).collect();
        let mut steps: Vec<_> = serving.iter().map(|shard| Step::Close { shard: *shard }).collect();
        for shard in &serving {
            self.shards.insert(*shard, ShardState::Vacant { at: u64::MAX });
        }
        steps.push(Step::Release(serving));
        steps
    }

    fn end(&mut self, shard: ShardId, then: ShardState) -> Vec<Step> {
        let served = self.is_serving(shard);
        if self.shards.get(&shard) != Some(&ShardState::Stopped) {
            self.shards.insert(shard, then);
        }
        if served { vec![Step::Close { shard }] } else { Vec::new() }
    }

    fn third(&self) -> u64 {
        micros(self.terms.lease) / 3
    }

    fn reads_end(&self, sent_at: u64) -> u64 {
        sent_at + micros(self.terms.lease.saturating_sub(self.terms.margin))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE_US: u64 = 5_000_000;

    fn owned(shard: ShardId) -> Taken {
        Taken::Owned { shard, epoch: 1, head: 1 }
    }

    fn held(shard: ShardId) -> Taken {
        Taken::Held { shard, node: "other".into(), remaining: Duration::from_millis(1) }
    }

    /// Shard 0 taken at 0, shard 1 held by another.
    fn serving() -> Ownership {
        let mut ownership = Ownership::new(LeaseTerms::default(), [0, 1]);
        assert_eq!(ownership.tick(0), [Step::Take(vec![0, 1])]);
        let steps = ownership.taken(&[0, 1], 0, 10, Some(vec![owned(0), held(1)]));
        assert!(matches!(steps[..], [Step::Open { shard: 0, .. }]));
        ownership
    }

    #[test]
    fn reads_end_before_the_lease_counted_from_before_it_was_asked_for() {
        let ownership = serving();
        assert!(ownership.serves_reads(0, 4_499_999));
        assert!(!ownership.serves_reads(0, 4_500_000));
        assert!(!ownership.serves_reads(1, 10));
    }

    #[test]
    fn asking_for_a_held_shard_again_and_again_puts_off_no_renewal() {
        let mut ownership = serving();
        let mut now = 10;
        while now < LEASE_US / 3 {
            now = ownership.next_tick().max(now + 1);
            let steps = ownership.tick(now);
            if steps == [Step::Renew] {
                break;
            }
            assert_eq!(steps, [Step::Take(vec![1])]);
            ownership.taken(&[1], now, now + 1, Some(vec![held(1)]));
        }
        assert!(now <= LEASE_US / 3 + 10_000, "renewed only at {now}");
    }

    #[test]
    fn nothing_is_due_while_an_answer_is_awaited() {
        let mut ownership = serving();
        ownership.tick(LEASE_US / 3);
        assert_eq!(ownership.next_tick(), u64::MAX);
        ownership.renewed(LEASE_US / 3, LEASE_US / 3 + 5, None);
        assert!(ownership.next_tick() < LEASE_US);
    }

    #[test]
    fn what_is_taken_while_draining_is_given_back() {
        let mut ownership = Ownership::new(LeaseTerms::default(), [0]);
        ownership.tick(0);
        ownership.drain();
        let steps = ownership.taken(&[0], 0, 10, Some(vec![owned(0)]));
        assert_eq!(steps, [Step::Release(vec![0])]);
        assert!(!ownership.is_serving(0));
    }

    #[test]
    fn a_regressed_shard_stays_stopped_and_stays_held() {
        let mut ownership = serving();
        assert_eq!(ownership.regressed(0), [Step::Close { shard: 0 }]);
        assert_eq!(ownership.fenced(0, 20), []);
        assert_eq!(ownership.taken(&[0], 20, 30, Some(vec![owned(0)])), []);
        assert!(!ownership.is_serving(0));
        assert_eq!(ownership.tick(2 * LEASE_US), [Step::Renew]);
    }
}
