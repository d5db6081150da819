//! Ids as clients see them: opaque, a prefix that names the kind over a UUID. All of them are the
//! scalar `ID` in the schema, and a type each in code, so that one cannot pass for another.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    ContextSelectionSet, ID, InputType, InputValueResult, OutputType, Positioned, ServerResult,
    Value,
};
use uuid::Uuid;

use domain::id::{AggregateId, CustomerId, HoldId, LocationId, PriceListId, TransferId, VariantId};
use domain::scheduling::agenda::EventId;

macro_rules! public_ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What stands before the UUID.
            pub const PREFIX: &'static str = $prefix;

            pub fn read(text: &str) -> Option<Self> {
                read(Self::PREFIX, text).map(Self)
            }

            pub fn text(self) -> String {
                write(Self::PREFIX, self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.text())
            }
        }

        impl InputType for $name {
            type RawValueType = Self;

            fn type_name() -> Cow<'static, str> {
                <ID as InputType>::type_name()
            }

            fn create_type_info(registry: &mut Registry) -> String {
                <ID as InputType>::create_type_info(registry)
            }

            fn parse(value: Option<Value>) -> InputValueResult<Self> {
                let known = match &value {
                    Some(Value::String(text)) => Self::read(text),
                    _ => None,
                };
                known.ok_or_else(|| {
                    let expected =
                        concat!("an id that begins with ", $prefix, " was expected, as it was given out");
                    super::places::refuse_id($prefix, value.as_ref(), expected)
                })
            }

            fn to_value(&self) -> Value {
                Value::String(self.text())
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
        }

        impl OutputType for $name {
            fn type_name() -> Cow<'static, str> {
                <ID as OutputType>::type_name()
            }

            fn create_type_info(registry: &mut Registry) -> String {
                <ID as OutputType>::create_type_info(registry)
            }

            async fn resolve(
                &self,
                _: &ContextSelectionSet<'_>,
                _: &Positioned<Field>,
            ) -> ServerResult<Value> {
                Ok(Value::String(self.text()))
            }
        }
    )+};
}

macro_rules! conversions {
    ($($public:ident => $domain:ident),+ $(,)?) => {$(
        impl From<$public> for $domain {
            fn from(id: $public) -> Self {
                Self(id.0)
            }
        }

        impl From<$domain> for $public {
            fn from(id: $domain) -> Self {
                Self(id.0)
            }
        }
    )+};
}

/// The ids of what has a kind: those of its aggregates.
macro_rules! ids_of_kinds {
    ($($kind:ident = $aggregate:ty,
        public($($id:ident $prefix:literal $node:ident)?), fact($($fact:ident)?);)+) => {
        public_ids! { $($($id, $prefix;)?)+ }
        conversions! { $($($id => AggregateId,)?)+ }
        $($(impl super::context::Shown for $aggregate { type Id = $id; })?)+

        /// The kind and the aggregate of an id, of whatever kind; nothing for what is no id of one.
        pub fn named(id: &str) -> Option<(&'static str, AggregateId)> {
            $($(if let Some(id) = $id::read(id) {
                return Some((<$aggregate as domain::aggregate::Aggregate>::TYPE, id.into()));
            })?)+
            None
        }

        /// The id of an aggregate of this kind, by its stored name, where clients see such ids.
        pub fn public(kind: &str, id: AggregateId) -> Option<String> {
            $($(if kind == <$aggregate as domain::aggregate::Aggregate>::TYPE {
                return Some($id::from(id).text());
            })?)+
            None
        }
    };
}

sagas::kinds!(ids_of_kinds);

// The ids of what lies within an aggregate, or is none of ours.
public_ids! {
    PublicVariantId, "variant_";
    PublicHoldId, "hold_";
    PublicEventId, "event_";
    /// A buyer who need not be a user.
    PublicCustomerId, "customer_";
}

fn write(prefix: &str, id: Uuid) -> String {
    let mut buffer = Uuid::encode_buffer();
    let id = id.as_hyphenated().encode_lower(&mut buffer);
    [prefix, id].concat()
}

/// What [`write()`] writes, in whatever case its digits are.
fn read(prefix: &str, text: &str) -> Option<Uuid> {
    let rest = text.strip_prefix(prefix).or_else(|| text.strip_prefix(other_name(prefix)?))?;
    // Other forms of a UUID are not what was given here.
    let is_hyphenated = rest.len() == uuid::fmt::Hyphenated::LENGTH;
    is_hyphenated.then(|| Uuid::try_parse(rest).ok())?
}

/// A user who buys is a customer, and is shown under both names: each is taken back for the other.
pub fn other_name(prefix: &str) -> Option<&'static str> {
    match prefix {
        PublicUserId::PREFIX => Some(PublicCustomerId::PREFIX),
        PublicCustomerId::PREFIX => Some(PublicUserId::PREFIX),
        _ => None,
    }
}

conversions! {
    PublicPriceListId => PriceListId,
    PublicVariantId => VariantId,
    PublicLocationId => LocationId,
    PublicHoldId => HoldId,
    PublicTransferId => TransferId,
    PublicUserId => CustomerId,
    PublicCustomerId => CustomerId,
    PublicEventId => EventId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written_in_whatever_case() {
        let id = PublicOrderId(Uuid::from_u128(0xABCD));
        assert_eq!(PublicOrderId::read(&id.text()), Some(id));
        let capital = "order_00000000-0000-0000-0000-00000000ABCD";
        assert_eq!(PublicOrderId::read(capital), Some(id));
        let customer = PublicCustomerId(id.0);
        assert_eq!(PublicUserId::read(&customer.text()), Some(PublicUserId(id.0)));
        assert_eq!(PublicCustomerId::read(&PublicUserId(id.0).text()), Some(customer));
        assert_eq!(customer.text(), "customer_00000000-0000-0000-0000-00000000abcd");
        for bad in [
            "",
            "order_",
            "user_00000000-0000-0000-0000-00000000abcd",
            "order_0000000000000000000000000000abcd",
            "order_{00000000-0000-0000-0000-0000abcd}",
            " order_00000000-0000-0000-0000-00000000abcd",
        ] {
            assert_eq!(PublicOrderId::read(bad), None, "{bad}");
        }
    }
}
