//! What somebody asks for counts at whichever node he asks: what was spent here is told to the others through
//! Redis, under names that say nothing of who it was.

use std::sync::Arc;
use std::time::Duration;

use cli::Failure;
use config::Settings;
use domain::id::AggregateId;
use http::{Book, Spent};
use parking_lot::Mutex;
use peers::tally::{self, Host, Spending};
use persistence::cause::chain;
use supervisors::node::Node;

/// Whether there are others to be told, and a Redis to tell them by.
pub fn are_shared(settings: &Settings) -> bool {
    settings.cluster.address.is_some() && settings.general.redis.is_some()
}

/// Tells the others from now on, for as long as the node lives.
pub fn share(settings: &Settings, node: &Node, book: Arc<Book>) -> Result<(), Failure> {
    let Some(redis) = &settings.general.redis else { return Ok(()) };
    let services = Arc::clone(&node.engine.services);
    let installation = services.vault.installation.name();
    let name = move |who: &str| {
        AggregateId::keyed(services.keyed.names(), &[b"rate", who.as_bytes()]).0.as_u128()
    };
    tally::start(redis.0.reveal(), &installation, Arc::new(Keeper::new(book, name)))
        .map_err(|error| Failure::Usage(format!("redis: {}", chain(&error))))
}

/// Reads a book out, and writes into it what is heard.
pub struct Keeper<N> {
    book: Arc<Book>,
    name: N,
    /// What was read out last.
    told: Mutex<Vec<Spent>>,
}

impl<N> Keeper<N> {
    pub fn new(book: Arc<Book>, name: N) -> Self {
        Self { book, name, told: Mutex::default() }
    }
}

impl<N: Fn(&str) -> u128 + Send + Sync + 'static> Host for Keeper<N> {
    fn spent(&self) -> Vec<Spending> {
        let told = self.book.spent();
        let spending =
            |spent: &Spent| Spending { name: (self.name)(spent.who()), price_us: spent.price_us };
        let spending = told.iter().map(spending).collect();
        *self.told.lock() = told;
        spending
    }

    fn owed(&self, from: usize, owed_us: &[u64]) {
        let told = self.told.lock();
        for (spent, owed) in told.iter().skip(from).zip(owed_us) {
            spent.is_owed(Duration::from_micros(*owed));
        }
    }
}
