//! The one list of what follows the logs on a node: views, reactions, sagas. From a line here
//! follow its place in start and stop, in "caught up", its checkpoints, and what operators are
//! shown.

use std::sync::Arc;

use super::aggregate_ref::Engine;
use super::checkout::{CheckoutActor, CheckoutOptions, CheckoutSetup};
use super::follower::{AnyFollower, Follower, FollowerActor, FollowerRef, Parked};
use super::reaction::Reactor;
use super::service::Service;
use super::view::{View, ViewRef};
use payments::PaymentProvider;
use projections::calendars::Calendars;
use projections::checkouts::OpenCheckouts;
use projections::orders::Orders;
use projections::position::Position;
use projections::products::Products;
use projections::users::Users;
use sagas::registration::Registration;

/// What followers and sagas are made of, beside their own rules.
#[derive(Clone)]
pub struct Parts {
    pub engine: Engine,
    pub payments: Arc<dyn PaymentProvider>,
    pub checkout: CheckoutOptions,
}

/// How far a follower is, for operators.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowerStatus {
    pub name: &'static str,
    pub position: Position,
    /// What it could not take, with the reasons.
    pub parked: Vec<Parked>,
}

macro_rules! registry {
    (
        views { $($view:ident: $projection:ty,)+ }
        reactions { $($reaction:ident: $rules:ty,)+ }
    ) => {
        /// What queries read. The default is empty for ever.
        #[derive(Clone, Default)]
        pub struct Views {
            $(pub $view: ViewRef<$projection>,)+
        }

        /// How far the consequences of what happened are drawn.
        #[derive(Clone, Default)]
        pub struct Reactions {
            $(pub $reaction: FollowerRef<()>,)+
        }

        impl Registry {
            fn start_followers(&self, parts: &Parts, services: &mut Vec<Service>) {
                $(services.push(follower(parts, &self.views.$view, |_| {
                    View::<$projection>::default()
                }));)+
                $(services.push(follower(parts, &self.reactions.$reaction, |parts| {
                    Reactor::<$rules>::new(parts.engine.clone())
                }));)+
            }

            /// Each with its name, in the order in which they start.
            fn followers(&self) -> Vec<(&'static str, &dyn AnyFollower)> {
                vec![
                    $((View::<$projection>::NAME.name, &self.views.$view),)+
                    $((Reactor::<$rules>::NAME.name, &self.reactions.$reaction),)+
                ]
            }
        }
    };
}

registry! {
    views {
        orders: Orders,
        products: Products,
        users: Users,
        calendars: Calendars,
        open_checkouts: OpenCheckouts,
    }
    reactions {
        registration: Registration,
    }
}

/// All that is listed above, as others hold it.
#[derive(Clone, Default)]
pub struct Registry {
    pub views: Views,
    pub reactions: Reactions,
}

impl Registry {
    /// What is to be started, in this order, and stopped in the opposite one: a saga ends before
    /// the view that it follows.
    pub fn services(&self, parts: &Parts) -> Vec<Service> {
        let mut services = Vec::new();
        self.start_followers(parts, &mut services);
        let (parts, open) = (parts.clone(), self.views.open_checkouts.clone());
        services.push(Service::new::<CheckoutActor>("checkout", move || CheckoutSetup {
            engine: parts.engine.clone(),
            payments: Arc::clone(&parts.payments),
            open: open.clone(),
            options: parts.checkout.clone(),
        }));
        services
    }

    /// Waits until every follower has read as far as this.
    pub async fn reached(&self, position: &Position) {
        for (_, follower) in self.followers() {
            follower.reached(position).await;
        }
    }

    /// What operators are shown of each follower.
    pub fn status(&self) -> Vec<FollowerStatus> {
        let status = |(name, follower): (&'static str, &dyn AnyFollower)| FollowerStatus {
            name,
            position: follower.position(),
            parked: follower.parked(),
        };
        self.followers().into_iter().map(status).collect()
    }
}

fn follower<F: Follower>(
    parts: &Parts,
    published: &FollowerRef<F::Content>,
    make: fn(&Parts) -> F,
) -> Service {
    let (parts, published) = (parts.clone(), published.clone());
    Service::new::<FollowerActor<F>>(F::NAME.name, move || {
        (Arc::clone(&parts.engine.services), published.clone(), make(&parts))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn checkpoints_and_logs_tell_followers_apart() {
        let registry = Registry::default();
        let names: Vec<_> = registry.status().into_iter().map(|status| status.name).collect();
        let different: BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }
}
