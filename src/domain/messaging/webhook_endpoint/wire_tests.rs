//! What an endpoint sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::question::{Version, Whole};
use crate::testing::{noon, noon_plus, wire};

const EVENT: &str = "order/1cbb8471-c930-8224-8227-233b70ae530b/3";

#[test]
fn what_crosses_keeps_its_form() {
    let (url, types) = ("https://hooks.example/shop".to_owned(), vec!["order.placed".to_owned()]);
    let details = Details { url: url.clone(), types: types.clone() };
    wire::golden::<WebhookEndpoint>(
        &[
            Command::Register { url: url.clone(), types: types.clone() },
            Command::Revise { url: Some(url), types: Some(types) },
            Command::Pause {},
            Command::Resume {},
            Command::RotateSecret { overlap_seconds: 60 },
            Command::Replay { since: noon() },
            Command::Park { event: EVENT.to_owned() },
            Command::Remove {},
        ],
        &[
            Refusal::NotFound,
            Refusal::AlreadyExists,
            Refusal::Removed,
            Refusal::InvalidUrl { max: URL_BYTES_MAX },
            Refusal::InvalidTypes { max: TYPES_MAX },
            Refusal::InvalidOverlap { max: OVERLAP_SECONDS_MAX },
            Refusal::InvalidSince,
            Refusal::InvalidEvent,
        ],
        wire::Answers::after(&[
            Event::EndpointRegistered { details, since: noon() },
            Event::SecretRotated { number: 2, previous_until: noon_plus(60) },
        ])
        .to(Version)
        .to(Whole),
    );
}
