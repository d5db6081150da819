//! How somebody proves who he is: by a token that he bears. What it says, and who made it, is known
//! elsewhere; here is what an entrance asks.

use std::sync::Arc;

use async_trait::async_trait;
use domain::access::permission::Permissions;
use domain::access::shipped::GUEST;
use uuid::Uuid;

use crate::{Access, Identity, Principal};

/// Whoever knows what a bearer token is worth.
#[async_trait]
pub trait Tokens: Send + Sync + 'static {
    /// What a token says that was verified before and holds still; nobody waits for this.
    fn remembered(&self, bearer: &str) -> Option<Borne>;

    /// What a token says. May wait for its issuer.
    async fn verify(&self, bearer: &str) -> Result<Borne, Unverified>;
}

/// What a token that holds says of whoever bears it.
#[derive(Clone, Debug, PartialEq)]
pub struct Borne {
    pub identity: Arc<Identity>,
    /// What it is good for at most, whatever its bearer may.
    pub limit: Option<Permissions>,
    /// The guest that its bearer was until he signed in.
    pub guest: Option<Uuid>,
}

impl Borne {
    /// All that somebody may, and of no guest.
    pub fn by(identity: Arc<Identity>) -> Self {
        Self { identity, limit: None, guest: None }
    }

    /// Whoever bears it, with what he may do now by this token.
    pub fn principal(self, access: &dyn Access) -> Principal {
        let Self { identity, limit, guest } = self;
        let mut principal = access.principal(identity);
        if limit.is_none() && guest.is_none() {
            return principal;
        }
        let mut grants = Arc::unwrap_or_clone(principal.grants);
        if let Some(guest) = guest {
            grants.add_members(vec![[guest].into_iter().collect()], GUEST);
        }
        principal.grants = Arc::new(match limit {
            Some(limit) => grants.limited_to(limit),
            None => grants,
        });
        principal
    }
}

/// Why it is not known whom a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// It names nobody. Why, nobody is told.
    Invalid,
    /// Its issuer cannot be asked now: the same token may hold later.
    Unavailable,
}

#[cfg(test)]
mod tests {
    use domain::access::belongs::Belongs;
    use domain::access::permission::Permission::{OrdersRead, OrdersWrite, StockRead};
    use domain::principal::PrincipalKind;

    use super::*;
    use crate::Grants;

    struct Everything;

    impl Access for Everything {
        fn principal(&self, identity: Arc<Identity>) -> Principal {
            Principal { identity, grants: Arc::new(Grants::everything()) }
        }
    }

    struct Nothing;

    impl Access for Nothing {
        fn principal(&self, identity: Arc<Identity>) -> Principal {
            Principal { identity, grants: Arc::new(Grants::default()) }
        }
    }

    fn borne() -> Borne {
        Borne::by(Arc::new(Identity::new(PrincipalKind::User, "u")))
    }

    #[test]
    fn a_limit_is_all_that_is_left() {
        let limit = Some(Permissions::of(&[OrdersRead]));
        let grants = Borne { limit, ..borne() }.principal(&Everything).grants;
        assert!(grants.may_everywhere(OrdersRead) && !grants.may_somewhere(StockRead));
        let grants = Borne { limit, ..borne() }.principal(&Nothing).grants;
        assert!(!grants.may_somewhere(OrdersRead), "it gives nothing");
    }

    #[test]
    fn who_was_a_guest_keeps_what_was_that_guests_and_gets_nobody_elses() {
        let (guest, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let of = |to| Belongs { to: Some(to), ..Belongs::NOBODY };
        let grants = Borne { guest: Some(guest), ..borne() }.principal(&Nothing).grants;
        assert!(grants.may(OrdersWrite, &of(guest)) && !grants.may(OrdersRead, &of(other)));
        assert!(!grants.may_somewhere(StockRead));
    }
}
