//! How often somebody may try to sign in. Counted for each pair of name and address, for each address, and for
//! each name from wherever: the first two stop, the third only slows down, so that nobody can lock
//! another out by typing nonsense in his name. In memory and of one node; bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Failures of one name from one address.
const PAIR_MAX: u32 = 5;
/// Failures from one address, with whatever names.
const ADDRESS_MAX: u32 = 50;
/// Failures of one name from anywhere; beyond it one try is let in each …
const NAME_MAX: u32 = 50;
/// … of these.
const NAME_PAUSE: Duration = Duration::from_secs(5);
/// Guests that begin at one address.
const GUESTS_MAX: u32 = 200;
/// Letters that are asked for from one address.
const LETTERS_MAX: u32 = 20;
/// Letters to one mailbox from wherever. Beyond it none goes there and nobody is told: those that were sent are good
/// for longer than they are counted, so whoever has this done to him goes on by one of them.
const MAILBOX_MAX: u32 = 3;
/// What is counted at most; what failed longest ago is forgotten first.
const COUNTED_MAX: usize = 50_000;

/// A name as its blind index, and an address as whoever counts clients sees it.
pub type Name = [u8; 16];
pub type Address = String;

/// See the module.
#[derive(Default)]
pub struct Attempts(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    pairs: HashMap<(Name, Address), Failures>,
    addresses: HashMap<Address, Failures>,
    names: HashMap<Name, Failures>,
    guests: HashMap<Address, Failures>,
    letters: HashMap<Address, Failures>,
    mailboxes: HashMap<Name, Failures>,
}

#[derive(Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
    let_in: Instant,
}

/// Not now.
#[derive(Debug, PartialEq)]
pub struct Wait(pub Duration);

impl Attempts {
    /// Counts a try, as one that fails, before anything is compared: many at once are no way around.
    pub fn begin(&self, name: Name, address: &str, now: Instant) -> Result<(), Wait> {
        let mut counted = self.0.lock();
        let pair = (name, address.to_owned());
        let left = [
            left(&counted.pairs, &pair, PAIR_MAX, now),
            left(&counted.addresses, &pair.1, ADDRESS_MAX, now),
        ];
        if let Some(longest) = left.into_iter().flatten().max() {
            return Err(Wait(longest));
        }
        if let Some(many) = fresh(&counted.names, &name, now).filter(|it| it.count >= NAME_MAX) {
            let since = now.saturating_duration_since(many.let_in);
            if since < NAME_PAUSE {
                return Err(Wait(NAME_PAUSE - since));
            }
        }
        count(&mut counted.pairs, pair.clone(), now);
        count(&mut counted.addresses, pair.1, now);
        count(&mut counted.names, name, now);
        Ok(())
    }

    /// Counts a guest: each is a row that is kept for a while.
    pub fn guest(&self, address: &str, now: Instant) -> Result<(), Wait> {
        let (mut counted, address) = (self.0.lock(), address.to_owned());
        if let Some(time) = left(&counted.guests, &address, GUESTS_MAX, now) {
            return Err(Wait(time));
        }
        count(&mut counted.guests, address, now);
        Ok(())
    }

    /// Counts a letter that somebody asks for; whether one may go to that mailbox.
    pub fn letter(&self, mailbox: Name, address: &str, now: Instant) -> Result<bool, Wait> {
        let (mut counted, address) = (self.0.lock(), address.to_owned());
        if let Some(time) = left(&counted.letters, &address, LETTERS_MAX, now) {
            return Err(Wait(time));
        }
        count(&mut counted.letters, address, now);
        if left(&counted.mailboxes, &mailbox, MAILBOX_MAX, now).is_some() {
            return Ok(false);
        }
        count(&mut counted.mailboxes, mailbox, now);
        Ok(true)
    }

    /// It was the right password: what was counted of this name from there is forgotten.
    pub fn succeeded(&self, name: Name, address: &str) {
        let mut counted = self.0.lock();
        counted.pairs.remove(&(name, address.to_owned()));
        if let Some(failures) = counted.addresses.get_mut(address) {
            failures.count = failures.count.saturating_sub(1);
        }
        if let Some(failures) = counted.names.get_mut(&name) {
            failures.count = failures.count.saturating_sub(1);
        }
    }
}

fn fresh<K: Hash + Eq>(of: &HashMap<K, Failures>, key: &K, now: Instant) -> Option<Failures> {
    let failures = of.get(key)?;
    (now.saturating_duration_since(failures.since) < WINDOW).then_some(*failures)
}

/// How long to wait, where there were as many as may be.
fn left<K: Hash + Eq>(
    of: &HashMap<K, Failures>,
    key: &K,
    max: u32,
    now: Instant,
) -> Option<Duration> {
    let failures = fresh(of, key, now).filter(|failures| failures.count >= max)?;
    Some(WINDOW.saturating_sub(now.saturating_duration_since(failures.since)))
}

fn count<K: Hash + Eq + Clone>(of: &mut HashMap<K, Failures>, key: K, now: Instant) {
    if of.len() >= COUNTED_MAX && !of.contains_key(&key) {
        of.retain(|_, failures| now.saturating_duration_since(failures.since) < WINDOW);
        if of.len() >= COUNTED_MAX {
            let mut ages: Vec<Instant> = of.values().map(|failures| failures.since).collect();
            let (_, middle, _) = ages.select_nth_unstable(COUNTED_MAX / 2);
            let middle = *middle;
            of.retain(|_, failures| failures.since > middle);
        }
    }
    let new = Failures { since: now, count: 0, let_in: now };
    let failures = of.entry(key).or_insert(new);
    if now.saturating_duration_since(failures.since) >= WINDOW {
        *failures = new;
    }
    failures.count += 1;
    failures.let_in = now;
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Name = [1; 16];

    #[test]
    fn a_name_is_tried_a_few_times_from_one_address_and_elsewhere_goes_on() {
        let (attempts, began) = (Attempts::default(), Instant::now());
        for _ in 0..PAIR_MAX {
            assert_eq!(attempts.begin(ADA, "thief", began), Ok(()));
        }
        assert_eq!(attempts.begin(ADA, "thief", began), Err(Wait(WINDOW)));
        assert_eq!(attempts.begin(ADA, "home", began), Ok(()), "she is not locked out");
        assert_eq!(attempts.begin([2; 16], "thief", began), Ok(()));
        assert_eq!(attempts.begin(ADA, "thief", began + WINDOW), Ok(()), "it passes");
    }

    #[test]
    fn who_signs_in_is_not_counted() {
        let (attempts, began) = (Attempts::default(), Instant::now());
        for _ in 0..1_000 {
            assert_eq!(attempts.begin(ADA, "home", began), Ok(()));
            attempts.succeeded(ADA, "home");
        }
    }

    #[test]
    fn one_address_with_many_names_and_one_name_from_many_addresses() {
        let (attempts, began) = (Attempts::default(), Instant::now());
        for number in 0..ADDRESS_MAX {
            let name = [number as u8; 16];
            assert_eq!(attempts.begin(name, "sprayer", began), Ok(()));
        }
        assert!(attempts.begin([200; 16], "sprayer", began).is_err());

        let attempts = Attempts::default();
        for number in 0..NAME_MAX {
            assert_eq!(attempts.begin(ADA, &format!("bot {number}"), began), Ok(()));
        }
        // Slowed down, whoever it is, and never shut out.
        assert_eq!(attempts.begin(ADA, "home", began), Err(Wait(NAME_PAUSE)));
        assert_eq!(attempts.begin(ADA, "home", began + NAME_PAUSE), Ok(()));
    }

    #[test]
    fn letters_flood_no_mailbox_and_one_that_was_sent_is_good_while_none_goes() {
        assert!(WINDOW.as_micros() < u128::try_from(crate::letters::LINK_US).expect("it is long"));
        let (attempts, began) = (Attempts::default(), Instant::now());
        for number in 0..100 {
            let told = attempts.letter(ADA, &format!("bot {number}"), began);
            assert_eq!(told, Ok(number < MAILBOX_MAX));
        }
        assert_eq!(attempts.letter([2; 16], "bot 1", began), Ok(true), "others get theirs");
        assert_eq!(attempts.letter(ADA, "home", began + WINDOW), Ok(true), "it passes");
        for number in 0..LETTERS_MAX {
            let name: Name = u128::from(number).to_be_bytes();
            assert_eq!(attempts.letter(name, "flooder", began), Ok(true));
        }
        assert_eq!(attempts.letter([9; 16], "flooder", began), Err(Wait(WINDOW)));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let (attempts, began) = (Attempts::default(), Instant::now());
        for number in 0..u32::try_from(COUNTED_MAX).expect("it fits") * 2 {
            let now = began + Duration::from_micros(number.into());
            _ = attempts.begin(ADA, &format!("bot {number}"), now);
            let name: Name = u128::from(number).to_be_bytes();
            _ = attempts.begin(name, &format!("bot {number}"), now);
        }
        let counted = attempts.0.lock();
        assert!(counted.addresses.len() <= COUNTED_MAX && counted.names.len() <= COUNTED_MAX);
    }
}
