//! The payment providers that this program knows by name, a file for each, and which of them a node
//! uses.

pub mod test_provider;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::several::Several;
use super::webhooks::{SECRETS_MAX, Secret};
use super::{Notice, PaymentProvider};
use test_provider::TestProvider;

/// A provider that the configuration may name.
struct Known {
    name: &'static str,
    make: fn() -> Arc<dyn PaymentProvider>,
    /// What a message says that the provider sent of its own accord; nothing, where it cannot be read.
    read: fn(&[u8]) -> Option<Notice>,
}

/// A line here, beside its `mod`, makes a provider known to the configuration.
const KNOWN: &[Known] = &[Known {
    name: "test",
    make: || Arc::new(TestProvider::default()),
    read: test_provider::read,
}];

/// What a message of a provider says whose sender was made sure of. See [`webhooks`](crate::webhooks).
pub fn read(provider: &str, body: &[u8]) -> Option<Notice> {
    known(provider).and_then(|known| (known.read)(body))
}

/// Which providers a node uses; each can be configured under `[payments]` by the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaymentsOptions {
    /// All that payments may stand with. One that takes no new payments stays here for as long as
    /// a checkout may be open that began with it.
    pub providers: Vec<String>,
    /// The one of them that new payments are asked of.
    pub default: String,
    /// By what the messages of each are signed that it sends of its own accord; none are taken of one that
    /// is not named. Several while one is replaced.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub webhook_secrets: BTreeMap<String, Vec<Secret>>,
}

impl Default for PaymentsOptions {
    fn default() -> Self {
        let (providers, default) = (vec!["test".to_owned()], "test".to_owned());
        Self { providers, default, webhook_secrets: BTreeMap::new() }
    }
}

impl PaymentsOptions {
    /// The first key that is of no use, with what would be right.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        let unknown = self.providers.iter().find(|name| known(name).is_none());
        if let Some(unknown) = unknown {
            let known: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
            let problem = format!("{unknown:?} is not known; known are {}", known.join(", "));
            return Some(("payments.providers", problem));
        }
        let repeats = |(place, name): (usize, &String)| self.providers[..place].contains(name);
        if self.providers.iter().enumerate().any(repeats) {
            return Some(("payments.providers", "each may be named once".to_owned()));
        }
        let is_sound = |(name, secrets): (&String, &Vec<Secret>)| {
            self.providers.contains(name) && (1..=SECRETS_MAX).contains(&secrets.len())
        };
        if !self.webhook_secrets.iter().all(is_sound) {
            let problem = format!("1 to {SECRETS_MAX} for each, of those in payments.providers");
            return Some(("payments.webhook_secrets", problem));
        }
        (!self.providers.contains(&self.default)).then(|| {
            let problem = format!("{:?} is not among payments.providers", self.default);
            ("payments.default", problem)
        })
    }

    /// The providers as one. The options have no [`problem`](Self::problem).
    pub fn open(&self) -> Arc<dyn PaymentProvider> {
        let open = |name: &String| (known(name).expect("the options were examined").make)();
        let others: Vec<_> =
            self.providers.iter().filter(|name| **name != self.default).map(open).collect();
        let default = open(&self.default);
        if others.is_empty() { default } else { Arc::new(Several::new(default, others)) }
    }
}

fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(providers: &[&str], default: &str) -> PaymentsOptions {
        let providers = providers.iter().map(|name| (*name).to_owned()).collect();
        PaymentsOptions { providers, default: default.to_owned(), ..PaymentsOptions::default() }
    }

    fn with_secrets(name: &str, count: usize) -> PaymentsOptions {
        let secret = Secret::try_from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let secrets = vec![secret.expect("a secret"); count];
        let webhook_secrets = BTreeMap::from([(name.to_owned(), secrets)]);
        PaymentsOptions { webhook_secrets, ..PaymentsOptions::default() }
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_key() {
        assert_eq!(PaymentsOptions::default().problem(), None);
        for (options, key, part) in [
            (options(&["nobody"], "nobody"), "payments.providers", "\"nobody\" is not known"),
            (options(&["test", "test"], "test"), "payments.providers", "once"),
            (options(&["test"], "nobody"), "payments.default", "nobody"),
            (options(&[], "test"), "payments.default", "not among"),
            (with_secrets("nobody", 1), "payments.webhook_secrets", "payments.providers"),
            (with_secrets("test", 0), "payments.webhook_secrets", "1 to 4"),
            (with_secrets("test", 5), "payments.webhook_secrets", "1 to 4"),
        ] {
            let (found, problem) = options.problem().expect("a problem");
            assert_eq!(found, key);
            assert!(problem.contains(part), "{problem}");
        }
    }
}
