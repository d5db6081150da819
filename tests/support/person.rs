//! What is personal, sealed as the application seals it.

use emporium::actors::aggregate_ref::Engine;
use emporium::application::personal::Sealing;
use emporium::domain::access::user::DisplayName;
use emporium::domain::commerce::order::Buyer;
use emporium::domain::email::{EmailAddress, SealedEmail};
use emporium::domain::id::AggregateId;
use emporium::domain::sealed::Sealed;

pub fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("a valid address")
}

pub async fn email_of(engine: &Engine, user: AggregateId, text: &str) -> SealedEmail {
    Sealing::new(engine, true).email_of(user, &address(text)).await.expect("it is sealed")
}

pub async fn name_of(engine: &Engine, user: AggregateId, text: &str) -> Sealed<DisplayName> {
    let name = DisplayName::read(text).expect("a valid name");
    Sealing::new(engine, true).name_of(user, &name).await.expect("it is sealed")
}

pub async fn guest(engine: &Engine, text: &str) -> Buyer {
    Sealing::new(engine, true).guest(&address(text)).await.expect("it is sealed")
}
