//! The places of requests: those at work, those that wait, and the bytes of what is read and
//! written for them. Each has a bound of its own for all, and a lower one for one client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth::Identity;
use graphql::{Payer, Place};
use parking_lot::Mutex;

use super::HttpLimits;
use super::clients::{Client, give_back, take};
use super::rates::{Allowed, Book, Rates};

/// What all requests of the server have taken.
#[derive(Debug, Default)]
pub struct Places {
    /// Requests that are being answered.
    pub answering: AtomicUsize,
    pub waiting: AtomicUsize,
    pub body_bytes: AtomicUsize,
    pub reply_bytes: AtomicUsize,
    pub subscriptions: AtomicUsize,
    pub rates: Rates,
}

impl Places {
    /// What is asked for is noted in a book, where there are other nodes.
    pub fn with(book: Option<Arc<Book>>) -> Self {
        Self { rates: Rates::new(book), ..Self::default() }
    }
}

/// Whoever asks by a connection that goes on: what he asks for is charged like any other, and takes no place.
pub struct Account {
    pub places: Arc<Places>,
    pub client: Arc<Client>,
    pub limits: HttpLimits,
}

impl Payer for Account {
    fn charge(&self, caller: &Identity, cost: u64) -> Result<(), Duration> {
        let Self { places, client, limits } = self;
        charge(places, client, limits, caller, cost)
    }
}

fn charge(
    places: &Places,
    client: &Client,
    limits: &HttpLimits,
    caller: &Identity,
    cost: u64,
) -> Result<(), Duration> {
    let now = places.rates.now();
    let (all, own) = (limits.cost_per_second_per_client_max, limits.cost_per_second_max);
    let known;
    let (rate, own) = if auth::is_nobody(caller) {
        (&client.anonymous_rate, Allowed(limits.cost_per_second_anonymous_max))
    } else {
        known = places.rates.of(caller, now);
        (&known, Allowed(own))
    };
    rate.take(cost, own, now)?;
    // What others from there have left no room for is nothing that he had.
    client.rate.take(cost, Allowed(all), now).inspect_err(|_| rate.give_back(cost, own))
}

/// A request that came in, from its head to its reply.
pub struct Visit {
    places: Arc<Places>,
    client: Arc<Client>,
    limits: HttpLimits,
    body_bytes: AtomicUsize,
    values: AtomicUsize,
    text_bytes: AtomicUsize,
    work: Mutex<Work>,
}

/// Whether the request is at work, and how many of its parts wait.
#[derive(Default)]
struct Work {
    is_answered: bool,
    waiting: usize,
}

impl Visit {
    /// Lets a request in by its head; nothing where this client has too many, or all work places
    /// are taken: what would be turned away when it was read is not read.
    pub fn enter(
        places: &Arc<Places>,
        client: Arc<Client>,
        limits: HttpLimits,
    ) -> Option<Arc<Self>> {
        let is_full = places.answering.load(Ordering::Relaxed) >= limits.requests_max;
        if is_full || !take(&client.requests, 1, limits.requests_per_client_max) {
            return None;
        }
        let (places, work) = (Arc::clone(places), Mutex::default());
        let [body_bytes, values, text_bytes] = [const { AtomicUsize::new(0) }; 3];
        Some(Arc::new(Self { places, client, limits, body_bytes, values, text_bytes, work }))
    }

    /// Room for more bytes of its body; false where there is none.
    pub fn take_body(&self, bytes: usize) -> bool {
        let of_client = self.limits.bodies_bytes_max / 4;
        if !take(&self.client.body_bytes, bytes, of_client) {
            return false;
        }
        if !take(&self.places.body_bytes, bytes, self.limits.bodies_bytes_max) {
            give_back(&self.client.body_bytes, bytes);
            return false;
        }
        self.body_bytes.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// Takes a place at work; false where all are taken.
    pub fn begin_work(&self) -> bool {
        let taken = take(&self.places.answering, 1, self.limits.requests_max);
        self.work.lock().is_answered = taken;
        taken
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let work = self.work.get_mut();
        if work.waiting > 0 {
            give_back(&self.places.waiting, 1);
            give_back(&self.client.waits, 1);
        } else {
            give_back(&self.places.answering, usize::from(work.is_answered));
            give_back(&self.client.requests, 1);
        }
        let body_bytes = *self.body_bytes.get_mut();
        give_back(&self.places.body_bytes, body_bytes);
        give_back(&self.client.body_bytes, body_bytes);
        give_back(&self.places.reply_bytes, *self.text_bytes.get_mut());
    }
}

impl Payer for Visit {
    fn charge(&self, caller: &Identity, cost: u64) -> Result<(), Duration> {
        charge(&self.places, &self.client, &self.limits, caller, cost)
    }
}

impl Place for Visit {
    fn begin_wait(&self) -> bool {
        let mut work = self.work.lock();
        if work.waiting == 0 {
            if !take(&self.client.waits, 1, self.limits.waits_per_client_max) {
                return false;
            }
            if !take(&self.places.waiting, 1, self.limits.waits_max) {
                give_back(&self.client.waits, 1);
                return false;
            }
            give_back(&self.places.answering, 1);
            // What waits is counted among the waits alone.
            give_back(&self.client.requests, 1);
        }
        work.waiting += 1;
        true
    }

    fn take_values(&self, values: usize) -> bool {
        take(&self.values, values, self.limits.reply_values_max)
    }

    fn take_bytes(&self, bytes: usize) -> bool {
        if !take(&self.text_bytes, bytes, self.limits.reply_bytes_max) {
            return false;
        }
        let fits = take(&self.places.reply_bytes, bytes, self.limits.replies_bytes_max);
        if !fits {
            give_back(&self.text_bytes, bytes);
        }
        fits
    }

    fn end_wait(&self) {
        let mut work = self.work.lock();
        work.waiting -= 1;
        if work.waiting == 0 {
            give_back(&self.places.waiting, 1);
            give_back(&self.client.waits, 1);
            // Whoever was let in goes on, also where others have taken the place meanwhile: there are
            // no more of these than there may wait.
            self.places.answering.fetch_add(1, Ordering::AcqRel);
            self.client.requests.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> HttpLimits {
        HttpLimits {
            requests_max: 2,
            requests_per_client_max: 2,
            waits_max: 2,
            waits_per_client_max: 1,
            bodies_bytes_max: 40,
            ..HttpLimits::default()
        }
    }

    fn taken(places: &Places, client: &Client) -> [usize; 6] {
        let all = [
            &places.answering,
            &places.waiting,
            &places.body_bytes,
            &client.requests,
            &client.waits,
            &client.body_bytes,
        ];
        all.map(|counter| counter.load(Ordering::Relaxed))
    }

    #[test]
    fn what_waits_takes_no_place_of_work_and_all_is_given_back() {
        let (places, client) = (Arc::<Places>::default(), Arc::<Client>::default());
        let enter = || Visit::enter(&places, Arc::clone(&client), limits());
        let first = enter().expect("a place");
        assert!(first.begin_work() && first.begin_wait() && first.begin_wait());
        assert_eq!(taken(&places, &client), [0, 1, 0, 0, 1, 0]);
        let second = enter().expect("a place");
        assert!(second.begin_work());
        assert!(!second.begin_wait(), "one of a client waits");
        first.end_wait();
        assert_eq!(taken(&places, &client), [1, 1, 0, 1, 1, 0]);
        first.end_wait();
        assert_eq!(taken(&places, &client), [2, 0, 0, 2, 0, 0]);
        assert!(enter().is_none(), "all are at work");
        assert!(first.begin_wait());
        drop((first, second));
        assert_eq!(taken(&places, &client), [0; 6]);
    }

    #[test]
    fn somebody_has_his_rate_an_address_has_its_own_and_nobody_has_little() {
        let limits = HttpLimits {
            cost_per_second_max: 10,
            cost_per_second_per_client_max: 20,
            cost_per_second_anonymous_max: 1,
            ..limits()
        };
        let (places, client) = (Arc::<Places>::default(), Arc::<Client>::default());
        let (other, third) = (Arc::<Client>::default(), Arc::<Client>::default());
        let visit = |client: &Arc<Client>| {
            Visit::enter(&places, Arc::clone(client), limits).expect("a place")
        };
        let user = |name: &str| Identity::new(auth::PrincipalKind::User, name);
        let nobody = auth::Principal::anonymous().identity;
        // Ten seconds of it at once, and an hour is to be waited for all the rest.
        let at = visit(&client);
        assert_eq!(at.charge(&user("ada"), 100), Ok(()));
        assert!(at.charge(&user("ada"), 50).is_err());
        assert!(visit(&other).charge(&user("ada"), 50).is_err(), "wherever she asks from");
        assert_eq!(at.charge(&user("eve"), 100), Ok(()));
        assert!(at.charge(&user("bob"), 50).is_err(), "all from there have a bound together");
        assert_eq!(visit(&third).charge(&user("bob"), 50), Ok(()), "it is not his");
        assert_eq!(visit(&third).charge(&nobody, 10), Ok(()));
        assert!(visit(&third).charge(&nobody, 5).is_err());
        assert_eq!(visit(&third).charge(&user("bob"), 5), Ok(()));
    }

    #[test]
    fn the_texts_of_a_reply_are_counted_as_it_is_made() {
        let limits = HttpLimits { reply_bytes_max: 100, replies_bytes_max: 150, ..limits() };
        let (places, client) = (Arc::<Places>::default(), Arc::<Client>::default());
        let enter = || Visit::enter(&places, Arc::clone(&client), limits).expect("a place");
        let (one, other) = (enter(), enter());
        assert!(one.take_bytes(60) && one.take_bytes(40) && !one.take_bytes(1));
        assert!(!other.take_bytes(51), "all have a bound together");
        assert!(other.take_bytes(50));
        drop((one, other));
        assert_eq!(places.reply_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_bytes_of_bodies_have_one_bound_for_all_and_one_for_a_client() {
        let places = Arc::<Places>::default();
        let clients: Vec<_> = (0..5).map(|_| Arc::<Client>::default()).collect();
        let visits: Vec<_> = clients
            .iter()
            .map(|client| Visit::enter(&places, Arc::clone(client), limits()).expect("a place"))
            .collect();
        assert!(!visits[0].take_body(11), "a quarter is a client's");
        assert!(visits[..4].iter().all(|visit| visit.take_body(10)));
        assert!(!visits[4].take_body(1));
        drop(visits);
        assert_eq!(taken(&places, &clients[0]), [0; 6]);
    }
}
