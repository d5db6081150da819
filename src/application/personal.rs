//! What is personal becomes sealed here, at the edge: before it enters a command, and after its type
//! has seen that it keeps its rule.

use actors::aggregate_ref::{Engine, Fault};
use domain::access::user::DisplayName;
use domain::commerce::order::{Buyer, guest_person};
use domain::email::{EmailAddress, SealedEmail};
use domain::id::AggregateId;
use domain::sealed::{PersonId, Sealed};

/// By which keys something is sealed.
#[derive(Clone, Copy)]
pub struct Sealing<'a> {
    engine: &'a Engine,
    /// What is sealed is written down, and so is the key of somebody who had none.
    kept: bool,
}

impl<'a> Sealing<'a> {
    pub fn new(engine: &'a Engine, kept: bool) -> Self {
        Self { engine, kept }
    }

    /// The address of a user.
    pub async fn email_of(
        self,
        user: AggregateId,
        email: &EmailAddress,
    ) -> Result<SealedEmail, Fault> {
        self.email(PersonId(user.0), email).await
    }

    /// The name of a user.
    pub async fn name_of(
        self,
        user: AggregateId,
        name: &DisplayName,
    ) -> Result<Sealed<DisplayName>, Fault> {
        let key = self.engine.person_key(PersonId(user.0), self.kept).await?;
        Ok(Sealed::new(name, &key))
    }

    /// Whoever buys without being registered: one person for all orders under one address.
    pub async fn guest(self, email: &EmailAddress) -> Result<Buyer, Fault> {
        let person = guest_id(self.engine, email);
        Ok(Buyer::Guest { email: self.email(person, email).await? })
    }

    async fn email(self, person: PersonId, email: &EmailAddress) -> Result<SealedEmail, Fault> {
        let key = self.engine.person_key(person, self.kept).await?;
        Ok(self.engine.seal_indexed(email, &key))
    }
}

/// Who a guest of this address is.
pub fn guest_id(engine: &Engine, email: &EmailAddress) -> PersonId {
    guest_person(&engine.index_of(email))
}
