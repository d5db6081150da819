//! The payment providers that this program knows by name, a file for each, and which of them a node
//! uses.

pub mod test_provider;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PaymentProvider;
use super::several::Several;
use test_provider::TestProvider;

type Make = fn() -> Arc<dyn PaymentProvider>;

/// A line here, beside its `mod`, makes a provider known to the configuration.
const KNOWN: &[(&str, Make)] = &[("test", || Arc::new(TestProvider::default()))];

/// Which providers a node uses; each can be configured under `[payments]` by the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaymentsOptions {
    /// All that payments may stand with. One that takes no new payments stays here for as long as
    /// a checkout may be open that began with it.
    pub providers: Vec<String>,
    /// The one of them that new payments are asked of.
    pub default: String,
}

impl Default for PaymentsOptions {
    fn default() -> Self {
        Self { providers: vec!["test".to_owned()], default: "test".to_owned() }
    }
}

impl PaymentsOptions {
    /// The first key that is of no use, with what would be right.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        let unknown = self.providers.iter().find(|name| make(name).is_none());
        if let Some(unknown) = unknown {
            let known: Vec<_> = KNOWN.iter().map(|(name, _)| *name).collect();
            let problem = format!("{unknown:?} is not known; known are {}", known.join(", "));
            return Some(("payments.providers", problem));
        }
        let repeats = |(place, name): (usize, &String)| self.providers[..place].contains(name);
        if self.providers.iter().enumerate().any(repeats) {
            return Some(("payments.providers", "each may be named once".to_owned()));
        }
        (!self.providers.contains(&self.default)).then(|| {
            let problem = format!("{:?} is not among payments.providers", self.default);
            ("payments.default", problem)
        })
    }

    /// The providers as one. The options have no [`problem`](Self::problem).
    pub fn open(&self) -> Arc<dyn PaymentProvider> {
        let open = |name: &String| make(name).expect("the options were examined")();
        let others: Vec<_> =
            self.providers.iter().filter(|name| **name != self.default).map(open).collect();
        let default = open(&self.default);
        if others.is_empty() { default } else { Arc::new(Several::new(default, others)) }
    }
}

fn make(name: &str) -> Option<Make> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, make)| *make)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(providers: &[&str], default: &str) -> PaymentsOptions {
        let providers = providers.iter().map(|name| (*name).to_owned()).collect();
        PaymentsOptions { providers, default: default.to_owned() }
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_key() {
        assert_eq!(PaymentsOptions::default().problem(), None);
        for (options, key, part) in [
            (options(&["nobody"], "nobody"), "payments.providers", "\"nobody\" is not known"),
            (options(&["test", "test"], "test"), "payments.providers", "once"),
            (options(&["test"], "nobody"), "payments.default", "nobody"),
            (options(&[], "test"), "payments.default", "not among"),
        ] {
            let (found, problem) = options.problem().expect("a problem");
            assert_eq!(found, key);
            assert!(problem.contains(part), "{problem}");
        }
    }
}
