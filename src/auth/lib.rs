//! Who asks, and what he may do: the [`Principal`] that every request runs as. Reads no token, knows
//! no aggregate, and asks nothing: what a principal may do was gathered when it was made.

mod grants;
pub mod sessions;
pub mod sign_in;
pub mod tokens;

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use domain::access::permission::Permissions;
pub use domain::principal::Principal as Identity;
pub use domain::principal::PrincipalKind;

pub use grants::{Grants, Reach};

/// Whoever keeps by what people sign in.
#[async_trait]
pub trait Forgets: Send + Sync + 'static {
    /// Forgets by what a user signs in, and ends his sessions. Success too where there is nothing of him.
    async fn forget(&self, user: Uuid) -> Result<(), Unforgotten>;
}

/// It cannot be reached now; ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unforgotten;

/// What nobody in particular is called.
const ANONYMOUS: &str = "anonymous";

/// Whoever a request runs as.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Who that is, in the metadata of events; scopes idempotency keys.
    pub identity: Arc<Identity>,
    /// What he may do, as it stood when the request came in.
    pub grants: Arc<Grants>,
}

/// What is known of who may do what. In memory: nobody waits for it, and it is asked with every request.
pub trait Access: Send + Sync + 'static {
    /// The principal of an identity that was proved, with what it may do now: a user's by what he was
    /// given, a client's likewise, and of anybody else what is public. Whoever is suspended or closed may do
    /// nothing that is not public.
    fn principal(&self, identity: Arc<Identity>) -> Principal;

    /// Who has not said who he is.
    fn anonymous(&self) -> Principal {
        Principal::anonymous()
    }
}

impl Principal {
    /// The program itself, where nobody else is there yet: may do everything.
    pub fn installation() -> Self {
        let identity = Arc::new(Identity::new(PrincipalKind::System, "installation"));
        Self { identity, grants: Arc::new(Grants::everything()) }
    }

    /// Sees what is public.
    pub fn anonymous() -> Self {
        let nobody = Identity::new(PrincipalKind::Guest, ANONYMOUS);
        Self { identity: Arc::new(nobody), grants: Arc::new(Grants::public()) }
    }

    /// The same with no more than what is named.
    #[must_use]
    pub fn limited_to(self, permissions: Permissions) -> Self {
        let grants = Arc::unwrap_or_clone(self.grants).limited_to(permissions);
        Self { grants: Arc::new(grants), ..self }
    }

    /// He has not said who he is.
    pub fn is_anonymous(&self) -> bool {
        is_nobody(&self.identity)
    }
}

/// Whether that is who has not said who he is.
pub fn is_nobody(identity: &Identity) -> bool {
    identity.kind == PrincipalKind::Guest && &*identity.subject == ANONYMOUS
}
