//! How much of the server somebody asks for in a second: by what his requests cost, for each principal, and for each
//! address whoever asks from there. One number each: when what was asked for until now will have been paid for
//! at the rate that is allowed (GCRA, ITU-T I.371). So nothing runs in the background, a burst is let through
//! up to its bound, and how long to wait is known to the microsecond.
//!
//! Of one node: with N nodes somebody has N times as much, until nodes tell each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use auth::Identity as Principal;

/// Principals that are known at one time; who has paid for all is forgotten first.
const KNOWN_MAX: usize = 65_536;
/// Tables of them, so that few wait for each other.
const TABLES: usize = 16;
/// What may be asked for at once, beyond which it goes by the rate: as much as is allowed in so many seconds.
const BURST_SECONDS: u64 = 10;

/// Paid for until this time, in nanoseconds since the node began.
#[derive(Debug, Default)]
pub struct Rate(AtomicU64);

/// How much is allowed in a second; 0: as much as anybody likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed(pub u64);

impl Rate {
    /// Takes so much, or says how long to wait for it. Whatever costs more than a whole burst is let through
    /// when nothing is owed, and owed afterwards.
    pub fn take(&self, cost: u64, allowed: Allowed, now: u64) -> Result<(), Duration> {
        let Some(price) = allowed.price(cost) else { return Ok(()) };
        let burst = BURST_SECONDS * 1_000_000_000;
        let mut known = self.0.load(Ordering::Relaxed);
        loop {
            let paid_until = known.max(now).saturating_add(price);
            let room = now.saturating_add(burst.max(price));
            if paid_until > room {
                return Err(Duration::from_nanos(paid_until - room));
            }
            let order = (Ordering::Relaxed, Ordering::Relaxed);
            match self.0.compare_exchange_weak(known, paid_until, order.0, order.1) {
                Ok(_) => return Ok(()),
                Err(other) => known = other,
            }
        }
    }

    /// Undoes [`take`](Self::take).
    pub fn give_back(&self, cost: u64, allowed: Allowed) {
        let Some(price) = allowed.price(cost) else { return };
        let order = (Ordering::Relaxed, Ordering::Relaxed);
        let owed = |known: u64| Some(known.saturating_sub(price));
        _ = self.0.fetch_update(order.0, order.1, owed);
    }

    fn is_paid(&self, now: u64) -> bool {
        self.0.load(Ordering::Relaxed) <= now
    }
}

impl Allowed {
    /// What it takes to pay for so much, in nanoseconds.
    fn price(self, cost: u64) -> Option<u64> {
        (self.0 > 0).then(|| cost.saturating_mul(1_000_000_000) / self.0)
    }
}

/// Those of principals.
#[derive(Debug)]
pub struct Rates {
    began: Instant,
    hasher: RandomState,
    tables: [Mutex<HashMap<u64, Arc<Rate>>>; TABLES],
}

impl Default for Rates {
    fn default() -> Self {
        let tables = std::array::from_fn(|_| Mutex::default());
        Self { began: Instant::now(), hasher: RandomState::new(), tables }
    }
}

impl Rates {
    /// Nanoseconds since the node began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// That of a principal, whatever session he asks in.
    pub fn of(&self, principal: &Principal, now: u64) -> Arc<Rate> {
        let hash =
            self.hasher.hash_one((principal.kind, &principal.subject, &principal.on_behalf_of));
        let mut table = self.tables[usize::try_from(hash % TABLES as u64).unwrap_or(0)].lock();
        if let Some(rate) = table.get(&hash) {
            return Arc::clone(rate);
        }
        if table.len() >= KNOWN_MAX / TABLES {
            table.retain(|_, rate| !rate.is_paid(now));
            if table.len() >= KNOWN_MAX / TABLES {
                // All of them owe: whoever comes now is one of a crowd, and the bound on addresses holds it.
                table.clear();
            }
        }
        Arc::clone(table.entry(hash).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth::PrincipalKind;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_is_let_through_and_then_it_goes_by_the_rate() {
        let (rate, allowed) = (Rate::default(), Allowed(100));
        for _ in 0..1_000 {
            assert_eq!(rate.take(1, allowed, 0), Ok(()));
        }
        assert_eq!(rate.take(1, allowed, 0), Err(Duration::from_millis(10)));
        assert_eq!(rate.take(100, allowed, 0), Err(Duration::from_secs(1)));
        assert_eq!(rate.take(1, allowed, SECOND / 100), Ok(()));
        assert!(rate.take(1, allowed, SECOND / 100).is_err());
        let allowed_in = |seconds: u64| {
            let now = SECOND / 100 + seconds * SECOND;
            (0..).take_while(|_| rate.take(1, allowed, now).is_ok()).count()
        };
        assert_eq!(allowed_in(3), 300);
        assert_eq!(allowed_in(1_000), 1_000, "no more than a burst is saved");
    }

    #[test]
    fn what_costs_more_than_a_burst_is_owed_and_what_costs_nothing_is_free() {
        let (rate, allowed) = (Rate::default(), Allowed(100));
        assert_eq!(rate.take(5_000, allowed, 0), Ok(()));
        assert_eq!(rate.take(1, allowed, 0), Err(Duration::from_millis(40_010)));
        assert_eq!(rate.take(1, allowed, 41 * SECOND), Ok(()));
        assert_eq!(rate.take(u64::MAX, Allowed(0), 0), Ok(()), "none is set");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (rate, allowed) = (Rate::default(), Allowed(100));
        assert_eq!(rate.take(900, allowed, 0), Ok(()));
        assert_eq!(rate.take(100, allowed, 0), Ok(()));
        rate.give_back(100, allowed);
        assert_eq!(rate.take(100, allowed, 0), Ok(()));
        assert!(rate.take(1, allowed, 0).is_err());
    }

    #[test]
    fn many_at_once_get_no_more_than_there_is() {
        let (rate, allowed) = (Arc::<Rate>::default(), Allowed(100));
        let taken: usize = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..8)
                .map(|_| {
                    let rate = &rate;
                    scope.spawn(move || {
                        (0..500).filter(|_| rate.take(1, allowed, 0).is_ok()).count()
                    })
                })
                .collect();
            takers.into_iter().map(|taker| taker.join().expect("it ends")).sum()
        });
        assert_eq!(taken, 1_000);
    }

    #[test]
    fn principals_are_told_apart_and_bounded() {
        let rates = Rates::default();
        let user = |name: &str| Principal::new(PrincipalKind::User, name);
        let in_session = |name: &str| Principal { session: Some("s".into()), ..user(name) };
        assert!(Arc::ptr_eq(&rates.of(&user("a"), 0), &rates.of(&in_session("a"), 0)));
        assert!(!Arc::ptr_eq(&rates.of(&user("a"), 0), &rates.of(&user("b"), 0)));
        let client = Principal::new(PrincipalKind::Client, "a");
        assert!(!Arc::ptr_eq(&rates.of(&user("a"), 0), &rates.of(&client, 0)));
        for number in 0..3 * KNOWN_MAX {
            rates.of(&user(&number.to_string()), 0);
        }
        let known: usize = rates.tables.iter().map(|table| table.lock().len()).sum();
        assert!(known <= KNOWN_MAX, "{known}");
    }
}
