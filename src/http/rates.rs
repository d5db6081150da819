//! How much of the server somebody asks for in a second: by what his requests cost, for each principal, and for each
//! address whoever asks from there. One number each: when what was asked for until now will have been paid for
//! at the rate that is allowed (GCRA, ITU-T I.371). So nothing runs in the background, a burst is let through
//! up to its bound, and how long to wait is known to the microsecond.
//!
//! Where nodes share what was spent, each notes it for the others in a [`Book`], and hears what is owed at all of
//! them together. Until it hears it, and while nobody tells it, it goes by its own count.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use auth::Identity as Principal;

/// Principals that are known at one time; who has paid for all is forgotten first.
const KNOWN_MAX: usize = 65_536;
/// Tables of them, so that few wait for each other.
const TABLES: usize = 16;
/// What may be asked for at once, beyond which it goes by the rate: as much as is allowed in so many seconds.
const BURST_SECONDS: u64 = 10;
/// What is believed of others: nobody waits for longer than this, whatever is said of him.
pub const OWED_MAX: Duration = Duration::from_secs(600);

/// See the module.
#[derive(Debug, Default)]
pub struct Rate {
    /// Paid for until this time, in nanoseconds since the node began.
    paid_until: AtomicU64,
    told: Option<Told>,
}

/// What the others are told of.
#[derive(Debug)]
struct Told {
    book: Arc<Book>,
    who: Box<str>,
    /// Since they were told, in nanoseconds; less than nothing where something was given back.
    spent: AtomicI64,
    /// It stands in the book.
    is_noted: AtomicBool,
}

/// How much is allowed in a second; 0: as much as anybody likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed(pub u64);

impl Rate {
    /// One that is told to the others, where there are some.
    pub fn of(book: Option<&Arc<Book>>, who: impl FnOnce() -> String) -> Arc<Self> {
        let told = book.map(|book| Told {
            book: Arc::clone(book),
            who: who().into(),
            spent: AtomicI64::new(0),
            is_noted: AtomicBool::new(false),
        });
        Arc::new(Self { paid_until: AtomicU64::new(0), told })
    }

    /// Takes so much, or says how long to wait for it. Whatever costs more than a whole burst is let through
    /// when nothing is owed, and owed afterwards.
    pub fn take(self: &Arc<Self>, cost: u64, allowed: Allowed, now: u64) -> Result<(), Duration> {
        let Some(price) = allowed.price(cost) else { return Ok(()) };
        let burst = BURST_SECONDS * 1_000_000_000;
        let mut known = self.paid_until.load(Ordering::Relaxed);
        loop {
            let paid_until = known.max(now).saturating_add(price);
            let room = now.saturating_add(burst.max(price));
            if paid_until > room {
                return Err(Duration::from_nanos(paid_until - room));
            }
            let order = (Ordering::Relaxed, Ordering::Relaxed);
            match self.paid_until.compare_exchange_weak(known, paid_until, order.0, order.1) {
                Ok(_) => break,
                Err(other) => known = other,
            }
        }
        self.note(i64::try_from(price).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Undoes [`take`](Self::take).
    pub fn give_back(self: &Arc<Self>, cost: u64, allowed: Allowed) {
        let Some(price) = allowed.price(cost) else { return };
        let order = (Ordering::Relaxed, Ordering::Relaxed);
        let owed = |known: u64| Some(known.saturating_sub(price));
        _ = self.paid_until.fetch_update(order.0, order.1, owed);
        self.note(i64::try_from(price).map_or(i64::MIN, |price| -price));
    }

    fn note(self: &Arc<Self>, price: i64) {
        let Some(told) = &self.told else { return };
        let order = (Ordering::Relaxed, Ordering::Relaxed);
        let more = |spent: i64| Some(spent.saturating_add(price));
        _ = told.spent.fetch_update(order.0, order.1, more);
        if !told.is_noted.swap(true, Ordering::AcqRel) {
            told.book.noted.lock().push(Arc::clone(self));
        }
    }

    fn is_paid(&self, now: u64) -> bool {
        self.paid_until.load(Ordering::Relaxed) <= now
    }
}

impl Allowed {
    /// What it takes to pay for so much, in nanoseconds.
    fn price(self, cost: u64) -> Option<u64> {
        (self.0 > 0).then(|| cost.saturating_mul(1_000_000_000) / self.0)
    }
}

/// What was spent here and is still to be told to other nodes: each rate once, however often something was taken.
#[derive(Debug)]
pub struct Book {
    began: Instant,
    noted: Mutex<Vec<Arc<Rate>>>,
}

/// What somebody spent since the others were told.
pub struct Spent {
    rate: Arc<Rate>,
    /// In microseconds of his rate; less than nothing where something was given back.
    pub price_us: i64,
}

impl Default for Book {
    fn default() -> Self {
        Self { began: Instant::now(), noted: Mutex::default() }
    }
}

impl Book {
    /// Nanoseconds since the node began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// What is to be told; it is told once, whatever comes of it.
    pub fn spent(&self) -> Vec<Spent> {
        let noted = std::mem::take(&mut *self.noted.lock());
        let spent = noted.into_iter().filter_map(|rate| {
            let told = rate.told.as_ref()?;
            told.is_noted.store(false, Ordering::Release);
            let price_us = told.spent.swap(0, Ordering::AcqRel) / 1_000;
            (price_us != 0).then_some(Spent { rate, price_us })
        });
        spent.collect()
    }
}

impl Spent {
    /// By whom: the same on each node.
    pub fn who(&self) -> &str {
        self.rate.told.as_ref().map_or("", |told| &told.who)
    }

    /// Hears how long it takes him to pay for what he spent anywhere. He never owes less than what he spent here.
    pub fn is_owed(&self, owed: Duration) {
        let Some(told) = &self.rate.told else { return };
        let owed = u64::try_from(owed.min(OWED_MAX).as_nanos()).unwrap_or(u64::MAX);
        let paid_until = told.book.now().saturating_add(owed);
        self.rate.paid_until.fetch_max(paid_until, Ordering::Relaxed);
    }
}

/// Those of principals.
#[derive(Debug)]
pub struct Rates {
    began: Instant,
    book: Option<Arc<Book>>,
    hasher: RandomState,
    tables: [Mutex<HashMap<u64, Arc<Rate>>>; TABLES],
}

impl Default for Rates {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Rates {
    /// Those that are noted in a book, where there are other nodes.
    pub fn new(book: Option<Arc<Book>>) -> Self {
        let began = book.as_ref().map_or_else(Instant::now, |book| book.began);
        let tables = std::array::from_fn(|_| Mutex::default());
        Self { began, book, hasher: RandomState::new(), tables }
    }

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
        let made = || {
            let Principal { kind, subject, on_behalf_of, .. } = principal;
            Rate::of(self.book.as_ref(), || format!("{kind:?} {subject:?} {on_behalf_of:?}"))
        };
        Arc::clone(table.entry(hash).or_insert_with(made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth::PrincipalKind;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_is_let_through_and_then_it_goes_by_the_rate() {
        let (rate, allowed) = (Arc::<Rate>::default(), Allowed(100));
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
        let (rate, allowed) = (Arc::<Rate>::default(), Allowed(100));
        assert_eq!(rate.take(5_000, allowed, 0), Ok(()));
        assert_eq!(rate.take(1, allowed, 0), Err(Duration::from_millis(40_010)));
        assert_eq!(rate.take(1, allowed, 41 * SECOND), Ok(()));
        assert_eq!(rate.take(u64::MAX, Allowed(0), 0), Ok(()), "none is set");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (rate, allowed) = (Arc::<Rate>::default(), Allowed(100));
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

    /// Two nodes that tell each other all at once, as what tells them does it.
    fn tell(books: [&Arc<Book>; 2], owed: &mut HashMap<String, i64>) {
        for book in books {
            for spent in book.spent() {
                let all = owed.entry(spent.who().to_owned()).or_default();
                *all += spent.price_us;
                spent.is_owed(Duration::from_micros(u64::try_from(*all).unwrap_or(0)));
            }
        }
    }

    #[test]
    fn what_is_spent_at_one_node_is_owed_at_the_other_when_that_is_told() {
        let books: [Arc<Book>; 2] = std::array::from_fn(|_| Arc::default());
        let [one, other] = [0, 1].map(|at: usize| Rates::new(Some(Arc::clone(&books[at]))));
        let user = |name: &str| Principal::new(PrincipalKind::User, name);
        // Two hundred seconds of it at a time: it is not paid for while this runs.
        let (allowed, much) = (Allowed(100), 20_000);
        let take = |rates: &Rates, name: &str, cost| {
            rates.of(&user(name), rates.now()).take(cost, allowed, rates.now())
        };
        let mut owed = HashMap::new();
        assert_eq!(take(&one, "ada", much), Ok(()));
        assert_eq!(take(&other, "ada", much), Ok(()), "nobody has said anything yet");
        tell([&books[0], &books[1]], &mut owed);
        assert!(take(&other, "ada", much).is_err(), "what he spent at both");
        assert_eq!(take(&other, "eve", much), Ok(()), "it is not hers");
        let before = owed.len();
        tell([&books[0], &books[1]], &mut owed);
        assert_eq!((before, owed.len()), (1, 2), "each is told once");
    }

    #[test]
    fn what_is_given_back_is_told_too_and_what_is_said_is_believed_up_to_a_bound() {
        let book = Arc::<Book>::default();
        let rates = Rates::new(Some(Arc::clone(&book)));
        let rate = rates.of(&Principal::new(PrincipalKind::User, "ada"), 0);
        let allowed = Allowed(100);
        assert_eq!(rate.take(500, allowed, 0), Ok(()));
        rate.give_back(200, allowed);
        let spent = book.spent();
        assert_eq!(spent.iter().map(|spent| spent.price_us).collect::<Vec<_>>(), [3_000_000]);
        assert!(book.spent().is_empty());
        rate.give_back(300, allowed);
        assert_eq!(book.spent()[0].price_us, -3_000_000);
        spent[0].is_owed(Duration::MAX);
        let now = rates.now();
        let waits = rate.take(1, allowed, now).expect_err("he owes");
        assert!(waits <= OWED_MAX, "{waits:?}");
        // Who is told that nothing is owed, as by one that was flushed, forgets nothing.
        spent[0].is_owed(Duration::ZERO);
        assert!(rate.take(1, allowed, now).is_err());
    }
}
