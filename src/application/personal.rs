//! What is personal becomes sealed here, at the edge: before it enters a command, and after its type
//! has seen that it keeps its rule.

use actors::aggregate_ref::{Engine, Fault};
use domain::access::user::DisplayName;
use domain::commerce::order::{Buyer, guest_person};
use domain::email::{EmailAddress, SealedEmail};
use domain::id::AggregateId;
use domain::sealed::{PersonId, Sealed};

/// The address of a user.
pub async fn email_of(
    engine: &Engine,
    user: AggregateId,
    email: &EmailAddress,
) -> Result<SealedEmail, Fault> {
    engine.seal_indexed(PersonId(user.0), email).await
}

/// The name of a user.
pub async fn name_of(
    engine: &Engine,
    user: AggregateId,
    name: &DisplayName,
) -> Result<Sealed<DisplayName>, Fault> {
    let key = engine.person_key(PersonId(user.0)).await?;
    Ok(Sealed::new(name, &key))
}

/// Who a guest of this address is.
pub fn guest_id(engine: &Engine, email: &EmailAddress) -> PersonId {
    guest_person(&engine.index_of(email))
}

/// Whoever buys without being registered: one person for all orders under one address.
pub async fn guest(engine: &Engine, email: &EmailAddress) -> Result<Buyer, Fault> {
    let person = guest_id(engine, email);
    Ok(Buyer::Guest { email: engine.seal_indexed(person, email).await? })
}
