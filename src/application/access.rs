//! Who may do what, by what this node has read of the logs.

use std::sync::Arc;

use auth::{Access, Grants, Principal};
use domain::access::shipped::{CUSTOMER, shipped};
use domain::principal::{Principal as Identity, PrincipalKind};
use uuid::Uuid;

use crate::views::Views;

/// See the module.
#[derive(Clone)]
pub struct Known {
    #[expect(dead_code, reason = "what users were given is read from there")]
    views: Views,
}

impl Known {
    pub fn new(views: &Views) -> Self {
        Self { views: views.clone() }
    }
}

impl Access for Known {
    fn principal(&self, identity: Arc<Identity>) -> Principal {
        let subject = match identity.kind {
            PrincipalKind::User | PrincipalKind::Client => Uuid::try_parse(&identity.subject).ok(),
            PrincipalKind::Guest | PrincipalKind::System => None,
        };
        let grants = match subject {
            None => Grants::public(),
            Some(subject) => {
                let mut grants = Grants::of(subject);
                grants.add_own(shipped(CUSTOMER).expect("it ships").permissions);
                grants
            }
        };
        Principal { identity, grants: Arc::new(grants) }
    }
}
