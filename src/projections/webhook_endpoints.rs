//! The endpoints outside that are told what happened: as many as somebody registered by hand, and not removed.
//! Small; whoever tells them has all of it in memory.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{Fact, Place, Projection};
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use domain::messaging::webhook_endpoint::{State, Status, WebhookEndpoint};

/// See the module.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct WebhookEndpoints {
    endpoints: OrdMap<AggregateId, State>,
}

impl WebhookEndpoints {
    /// All of them, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = (AggregateId, &State)> {
        self.endpoints.iter().map(|(id, state)| (*id, state))
    }

    pub fn get(&self, id: AggregateId) -> Option<&State> {
        self.endpoints.get(&id)
    }

    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }
}

impl Projection for WebhookEndpoints {
    const NAME: &'static str = "webhook_endpoints";
    const SCHEMA: u32 = 1;

    fn wants(aggregate_type: &str, _: u64) -> bool {
        aggregate_type == WebhookEndpoint::TYPE
    }

    fn rows(&self) -> usize {
        self.endpoints.len()
    }

    fn apply(&mut self, place: Place, fact: &Fact) {
        let Fact::WebhookEndpoint(event) = fact else { return };
        let state = self.endpoints.entry(place.aggregate_id).or_default();
        state.apply(event);
        if state.status == Status::Removed {
            self.endpoints.remove(&place.aggregate_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{History, id, round_trip};
    use domain::messaging::webhook_endpoint::{Details, Event};

    #[test]
    fn an_endpoint_is_there_from_its_registration_to_its_removal() {
        let mut history = History::<WebhookEndpoints>::default();
        let details = |url: &str| Details { url: url.to_owned(), types: vec![] };
        let since = domain::testing::noon();
        for number in [1, 2] {
            let details = details("https://one.example");
            let registered = Event::EndpointRegistered { details, since };
            history.happens(id(number), Fact::WebhookEndpoint(registered));
        }
        let revised = Event::EndpointRevised { details: details("https://two.example") };
        history.happens(id(1), Fact::WebhookEndpoint(revised));
        history.happens(id(2), Fact::WebhookEndpoint(Event::EndpointRemoved {}));
        for view in [&history.view, &round_trip(&history.view)] {
            let there: Vec<_> = view.iter().collect();
            assert_eq!((there.len(), view.len(), view.is_empty()), (1, 1, false));
            assert_eq!(there[0].1.details, Some(details("https://two.example")));
            assert_eq!(there[0].1.telling.since, since);
            assert!(view.get(id(2)).is_none());
        }
    }
}
