//! What is kept of one person, for himself: all that erasing him would destroy, opened, and what stays in his name.
//! Each thing of his is told as its log tells it, so that what was said before and changed since is there too.

use actors::aggregate_ref::{Engine, Fault};
use actors::history::Happened;
use chrono::DateTime;
use domain::access::person::{Person, person_id};
use domain::access::preferences::Preferences;
use domain::access::user::{DisplayName, User};
use domain::aggregate::Aggregate;
use domain::commerce::order::Order;
use domain::email::EmailAddress;
use domain::id::AggregateId;
use domain::sealed::{PersonId, PersonKey, Personal, Sealed};
use sagas::checkout::{Checkout, checkout_id};
use serde_json::{Value, json};

/// What is sealed of a person.
const KINDS: [&str; 2] = [EmailAddress::KIND, DisplayName::KIND];
/// Events of one thing that are told at most, the first ones. Nobody's order has as many.
pub const EVENTS_MAX: u64 = 5_000;

/// One thing of a person, as its log tells it.
#[derive(Debug)]
pub struct Thing {
    pub kind: &'static str,
    pub id: AggregateId,
    /// `{version, at, type, data}` each, in order.
    pub events: Vec<Value>,
}

/// What is his beside what he bought.
pub async fn own(engine: &Engine, person: PersonId) -> Result<Vec<Thing>, Fault> {
    let user = AggregateId(person.0);
    let parts = [(User::TYPE, user), (Preferences::TYPE, user), (Person::TYPE, person_id(person))];
    all(engine, person, &parts).await
}

/// An order of his, and what came of it.
pub async fn order(
    engine: &Engine,
    person: PersonId,
    order: AggregateId,
) -> Result<Vec<Thing>, Fault> {
    let parts = [(Order::TYPE, order), (Checkout::TYPE, checkout_id(order))];
    all(engine, person, &parts).await
}

async fn all(
    engine: &Engine,
    person: PersonId,
    parts: &[(&'static str, AggregateId)],
) -> Result<Vec<Thing>, Fault> {
    let mut all = Vec::new();
    for (kind, id) in parts {
        let events = engine.history(kind, *id, 1..=EVENTS_MAX).await?;
        if events.is_empty() {
            continue;
        }
        let key = engine.known_person_key(person).await?;
        let events = events.into_iter().map(|happened| told(happened, key.as_ref())).collect();
        all.push(Thing { kind, id: *id, events });
    }
    Ok(all)
}

fn told(happened: Happened, key: Option<&impl PersonKey>) -> Value {
    let Happened { version, recorded_us, name, mut data, .. } = happened;
    open(&mut data, key);
    let at = DateTime::from_timestamp_micros(recorded_us).map(|at| at.to_rfc3339());
    json!({"version": version, "at": at, "type": name, "data": data})
}

/// Puts what a sealed text says in its place; null where nobody can read it any more, or it is of somebody else.
fn open(value: &mut Value, key: Option<&impl PersonKey>) {
    match value {
        Value::String(text) => {
            if let Some(sealed) = Sealed::written(text) {
                *value = key.and_then(|key| sealed.open_as(&KINDS, key)).into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| open(value, key)),
        Value::Object(fields) => fields.values_mut().for_each(|value| open(value, key)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use domain::sealed::PersonId;
    use domain::testing::{TestKey, email, sealed_email, sealed_name};

    use super::*;

    #[test]
    fn what_is_sealed_is_opened_wherever_it_stands_and_nobody_elses() {
        let event = json!({"email": sealed_email("ada@example.org"), "names": [sealed_name("Ada")],
                           "note": "AQAAAAAA", "count": 7, "none": null});
        let mut opened = event.clone();
        open(&mut opened, Some(&TestKey::default()));
        assert_eq!(opened["email"]["sealed"], email("ada@example.org").as_str());
        assert_eq!(opened["names"], json!(["Ada"]));
        assert_eq!((&opened["note"], &opened["count"]), (&json!("AQAAAAAA"), &json!(7)));
        let others = TestKey { person: PersonId(uuid::Uuid::from_u128(1)), number: 1 };
        for key in [None, Some(&others)] {
            let mut hidden = event.clone();
            open(&mut hidden, key);
            assert_eq!(
                (&hidden["email"]["sealed"], &hidden["names"]),
                (&Value::Null, &json!([null]))
            );
        }
    }
}
