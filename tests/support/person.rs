//! What is personal, sealed as the application seals it.

use emporium::actors::aggregate_ref::Engine;
use emporium::application::personal;
use emporium::domain::access::user::DisplayName;
use emporium::domain::commerce::order::Buyer;
use emporium::domain::email::{EmailAddress, SealedEmail};
use emporium::domain::id::AggregateId;
use emporium::domain::sealed::Sealed;

pub fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("a valid address")
}

pub async fn email_of(engine: &Engine, user: AggregateId, text: &str) -> SealedEmail {
    personal::email_of(engine, user, &address(text)).await.expect("it is sealed")
}

pub async fn name_of(engine: &Engine, user: AggregateId, text: &str) -> Sealed<DisplayName> {
    let name = DisplayName::read(text).expect("a valid name");
    personal::name_of(engine, user, &name).await.expect("it is sealed")
}

pub async fn guest(engine: &Engine, text: &str) -> Buyer {
    personal::guest(engine, &address(text)).await.expect("it is sealed")
}
