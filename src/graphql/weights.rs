//! Every field of the schema, and whether what it answers is bounded: a list, and whatever an argument
//! makes longer, has a weight of its own, and a text is short or counted. Whoever adds a field and does
//! not say is told here.

use async_graphql::registry::{MetaField, MetaType, Registry};
use async_graphql::{OutputType, SubscriptionType};

use crate::{Mutation, Query, Subscription};

/// Lists that need no weight: by the name of the field, or of the type and the field.
const LISTS: [(&str, &str); 14] = [
    // As long as the page that was asked for, by which the field above counts them.
    ("edges", "the field above has the weight of the page"),
    ("CapablePage.nodes", "the field above has the weight of the page"),
    ("RoleHolders.nodes", "the field above has the weight of the page"),
    ("PersonData.things", "the field above counts the page"),
    ("Occurrences.occurrences", "the field above has the weight of the page"),
    ("FreeBusy.busy", "the field above counts its days, and the intervals when they are known"),
    ("FreeBusy.open", "the field above counts its days, and the intervals when they are known"),
    ("OrdersByDay.rows", "the field above counts its days"),
    ("ProductFacet.values", "the field above has the weight of their number"),
    ("OutboxConsumer.parked", "counted when it is known how many there are"),
    ("Follower.parked", "counted when it is known how many there are"),
    ("Quote.lines", "the field above counts them"),
    ("userErrors", "one, where there is one"),
    ("path", "the names of some inputs within each other"),
];

/// Arguments by which a field answers more, or works longer.
const MULTIPLIERS: [&str; 7] = ["first", "last", "asOf", "start", "end", "from", "days"];

/// What the texts of these names are no longer than, in bytes.
const SHORT_TEXTS: [(&str, usize); 63] = [
    ("action", 100),
    ("actor", 100),
    ("onBehalfOf", 100),
    ("session", 100),
    ("thingType", 100),
    ("aggregateId", 36),
    ("aggregateType", 32),
    ("amount", 32),
    ("at", 32),
    ("cancelledBecause", 800),
    ("client", 64),
    ("code", 64),
    ("currency", 3),
    ("cursor", 1_000),
    ("device", 64),
    ("displayName", 480),
    ("email", 254),
    ("fromNode", 64),
    ("language", 35),
    ("languages", 8),
    ("node", 64),
    ("owner", 64),
    ("peerAddress", 255),
    ("pinned", 64),
    ("placed", 64),
    ("toNode", 64),
    ("endCursor", 1_000),
    ("eventName", 96),
    ("eventType", 64),
    ("eventTypes", 64),
    ("family", 800),
    ("generation", 64),
    ("guestEmail", 254),
    ("idempotencyKey", 128),
    ("kind", 64),
    ("locale", 35),
    ("message", 1_600),
    ("name", 800),
    ("number", 32),
    ("paymentProvider", 256),
    ("paymentReference", 400),
    ("parkedEvents", 128),
    ("path", 64),
    ("permission", 64),
    ("permissions", 64),
    ("quarantinedBy", 256),
    ("recurrenceRule", 512),
    ("role", 64),
    ("roles", 64),
    ("scope", 128),
    ("signingSecret", 64),
    ("sku", 256),
    ("subject", 128),
    ("table", 24),
    ("startCursor", 1_000),
    ("step", 32),
    ("timeZoneData", 8),
    ("title", 800),
    ("token", 1_600),
    ("trace", 55),
    ("url", 500),
    ("value", 800),
    ("version", 32),
];

/// Those that may be longer: [`Text`](crate::texts::Text)s, which are counted.
const COUNTED_TEXTS: [&str; 22] = [
    "preference",
    "Account.reason",
    "Impersonation.reason",
    "Role.purpose",
    "ShippedRole.purpose",
    "Location.address",
    "Product.description",
    "ProductTranslation.description",
    "User.suspensionReason",
    "Checkout.reason",
    "Saga.lastError",
    "SagaStep.error",
    "ParkedEntry.reason",
    "ActorStatus.quarantined",
    "HistoryPrincipal.subject",
    "HistoryPrincipal.onBehalfOf",
    "HistoryPrincipal.session",
    "Change.path",
    "SearchPiece.text",
    "WebhookDelivery.failure",
    "Job.lastError",
    "JobPart.text",
];

fn fields(mut each: impl FnMut(&str, &MetaField)) {
    let mut registry = Registry::default();
    Query::create_type_info(&mut registry);
    Mutation::create_type_info(&mut registry);
    <Subscription as SubscriptionType>::create_type_info(&mut registry);
    for kind in registry.types.values() {
        if let MetaType::Object { name, fields, .. } = kind {
            fields.values().for_each(|field| each(name, field));
        }
    }
}

#[test]
fn every_list_and_everything_that_multiplies_has_a_weight() {
    let (mut without, mut lists) = (Vec::new(), 0);
    fields(|of, field| {
        let full = format!("{of}.{}", field.name);
        let is_list = field.ty.contains('[');
        lists += usize::from(is_list);
        let is_excused = LISTS.iter().any(|(name, _)| *name == field.name || *name == full);
        let multiplies = field.args.keys().any(|argument| MULTIPLIERS.contains(&argument.as_str()));
        if field.compute_complexity.is_none() && (multiplies || is_list && !is_excused) {
            without.push(full);
        }
    });
    assert!(lists > 20, "{lists}");
    assert!(without.is_empty(), "say what they cost, by #[graphql(complexity)]: {without:?}");
}

#[test]
fn every_text_is_short_or_counted() {
    let mut unsaid = Vec::new();
    fields(|of, field| {
        let is_text = field.ty.trim_matches(['[', ']', '!']) == "String";
        let full = format!("{of}.{}", field.name);
        let short = SHORT_TEXTS.iter().any(|(name, _)| *name == field.name);
        if is_text
            && !short
            && ![&full, &field.name].iter().any(|name| COUNTED_TEXTS.contains(&name.as_str()))
        {
            unsaid.push(full);
        }
    });
    assert!(unsaid.is_empty(), "say how long they are: {unsaid:?}");
    for (name, bytes) in SHORT_TEXTS {
        assert!(bytes <= crate::texts::SHORT_BYTES_MAX, "{name} is a Text");
    }
}
