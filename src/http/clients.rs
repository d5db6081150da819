//! Who asks, by address: how much of the entrance each client has taken, so that none can take all
//! of it. An IPv6 client is a whole /64, which is what one subscriber has. Behind a proxy that is
//! trusted by configuration a client is whom the proxy says it speaks for; nobody else is believed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::rates::{Book, Rate};

/// Clients without anything taken are forgotten at the latest when so many are known.
const KNOWN_MAX: usize = 16_384;

/// What one client has taken.
#[derive(Debug, Default)]
pub struct Client {
    pub connections: AtomicUsize,
    /// Requests that are being read or answered.
    pub requests: AtomicUsize,
    /// Those that wait.
    pub waits: AtomicUsize,
    /// Bytes of bodies that were read and are not done with.
    pub body_bytes: AtomicUsize,
    /// Subscriptions that are open.
    pub subscriptions: AtomicUsize,
    /// What is asked for from there, by whomever, and by those who do not say who they are.
    pub rate: Arc<Rate>,
    pub anonymous_rate: Arc<Rate>,
}

/// Takes `more` of what has a bound; false, and nothing taken, where that would be too much.
pub fn take(counter: &AtomicUsize, more: usize, max: usize) -> bool {
    // Count first, look afterwards: two that come at once cannot both take the last place.
    let before = counter.fetch_add(more, Ordering::AcqRel);
    let fits = before.saturating_add(more) <= max;
    if !fits {
        counter.fetch_sub(more, Ordering::AcqRel);
    }
    fits
}

pub fn give_back(counter: &AtomicUsize, taken: usize) {
    counter.fetch_sub(taken, Ordering::AcqRel);
}

/// See the module.
pub struct Clients {
    known: Mutex<HashMap<IpAddr, Arc<Client>>>,
    proxies: Vec<Network>,
    /// Where it is noted what they spend, where there are other nodes.
    book: Option<Arc<Book>>,
}

impl Clients {
    pub fn new(proxies: Vec<Network>, book: Option<Arc<Book>>) -> Self {
        Self { known: Mutex::default(), proxies, book }
    }

    /// The client of an address.
    pub fn of(&self, address: IpAddr) -> Arc<Client> {
        let address = subscriber(address);
        let mut known = self.known.lock();
        if let Some(client) = known.get(&address) {
            return Arc::clone(client);
        }
        if known.len() >= KNOWN_MAX {
            known.retain(|_, client| Arc::strong_count(client) > 1);
        }
        let rate = |whose| Rate::of(self.book.as_ref(), || format!("{whose} {address}"));
        let (rate, anonymous_rate) = (rate("address"), rate("nobody"));
        let client = Arc::new(Client { rate, anonymous_rate, ..Client::default() });
        known.insert(address, Arc::clone(&client));
        client
    }

    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }

    /// For whom a trusted proxy speaks: the last address of `X-Forwarded-For` that is no trusted
    /// proxy itself. What stands before that, anybody may have written.
    pub fn forwarded(&self, header: Option<&str>) -> Option<Arc<Client>> {
        self.forwarded_address(header).map(|address| self.of(address))
    }

    /// The address of that one, as clients are told apart by it.
    pub fn forwarded_address(&self, header: Option<&str>) -> Option<IpAddr> {
        let addresses = header?.rsplit(',').map(|part| part.trim().parse::<IpAddr>());
        for address in addresses {
            let address = address.ok()?;
            if !self.is_proxy(address) {
                return Some(subscriber(address));
            }
        }
        None
    }
}

/// Of IPv6 the first 64 bits; IPv4 as it is, also where it comes dressed as IPv6.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address => address,
    }
}

/// Addresses that begin alike: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: u128,
    mask: u128,
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.first
    }
}

/// IPv4 as it stands within IPv6.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is no address or network, such as 10.0.0.0/8");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (whole, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length: u32 = length.map_or(Ok(whole), str::parse).map_err(|_| wrong())?;
        if length > whole {
            return Err(wrong());
        }
        let mask = u128::MAX.checked_shl(128 - before - length).unwrap_or(0);
        Ok(Self { first: bits(address) & mask, mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn networks(all: &[&str]) -> Vec<Network> {
        all.iter().map(|text| text.parse().expect("a network")).collect()
    }

    #[test]
    fn one_subscriber_is_one_client() {
        let clients = Clients::new(Vec::new(), None);
        let same = |one, other| Arc::ptr_eq(&clients.of(address(one)), &clients.of(address(other)));
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("10.0.0.1", "::ffff:10.0.0.1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
    }

    #[test]
    fn a_trusted_proxy_is_believed_in_what_it_wrote_itself() {
        let clients = Clients::new(networks(&["10.0.0.0/8", "fd00::/8", "192.0.2.7"]), None);
        for (proxy, is_one) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("fd12::1", true),
            ("fe80::1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
        ] {
            assert_eq!(clients.is_proxy(address(proxy)), is_one, "{proxy}");
        }
        let whom = |header| clients.forwarded(header);
        let named = |name| Some(clients.of(address(name)));
        let same = |one: Option<Arc<Client>>, other: Option<Arc<Client>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(&one, &other),
            (one, other) => one.is_none() && other.is_none(),
        };
        assert!(same(whom(Some("203.0.113.9")), named("203.0.113.9")));
        assert!(same(whom(Some("1.1.1.1, 203.0.113.9 , 10.0.0.3")), named("203.0.113.9")));
        assert!(same(whom(Some("1.1.1.1, nonsense")), None));
        assert!(same(whom(Some("10.0.0.3")), None));
        assert!(same(whom(None), None));
    }

    #[test]
    fn networks_are_read_strictly() {
        for wrong in ["", "10.0.0.0/33", "::/129", "a/8", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        assert!(networks(&["0.0.0.0/0"])[0].contains(address("8.8.8.8")));
        assert!(!networks(&["0.0.0.0/0"])[0].contains(address("2001:db8::1")));
    }

    #[test]
    fn what_is_taken_is_bounded_and_comes_back() {
        let counter = AtomicUsize::new(0);
        assert!(take(&counter, 3, 4));
        assert!(!take(&counter, 2, 4));
        assert!(take(&counter, 1, 4));
        give_back(&counter, 4);
        assert_eq!(counter.into_inner(), 0);
    }
}
