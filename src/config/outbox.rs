//! `[webhooks]`: how whoever is outside is told.

use std::sync::Arc;

use super::Settings;
use actors::outbox::OutboxSetup;
use http::clients::Network;

impl Settings {
    pub fn outbox(&self) -> OutboxSetup {
        // What cannot be read was refused when the configuration was loaded.
        let networks = self.webhooks.allowed_networks.iter();
        let networks: Vec<Network> = networks.filter_map(|network| network.parse().ok()).collect();
        OutboxSetup {
            webhooks: self.webhooks.clone(),
            allowed: Arc::new(move |address| {
                networks.iter().any(|network| network.contains(address))
            }),
        }
    }

    /// The first key whose value is of no use, with what would be right.
    pub(super) fn problem_of_outbox(&self) -> Option<(&'static str, String)> {
        let mut networks = self.webhooks.allowed_networks.iter();
        let unreadable = networks.find_map(|network| network.parse::<Network>().err());
        match unreadable {
            Some(problem) => Some(("webhooks.allowed_networks", problem)),
            None => self.webhooks.problem(),
        }
    }
}
