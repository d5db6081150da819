//! Every type of integration event, with what it says. From here follow its JSON Schema, docs/events.md, and the
//! names that an endpoint may ask for.

use serde_json::{Map, Value, json};

/// A type of integration event. Fields may be added to one; what else changes makes another, of the next version.
#[derive(Debug, PartialEq)]
pub struct Kind {
    /// The `type` of CloudEvents: `emporium.order.placed.v1`.
    pub name: &'static str,
    /// When it is told.
    pub says: &'static str,
    /// What its `data` have: every field, always.
    pub fields: &'static [Field],
}

#[derive(Debug, PartialEq)]
pub struct Field {
    pub name: &'static str,
    pub form: Form,
    pub says: &'static str,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An id as the API gives it out, with this prefix.
    Id(&'static str),
    Text,
    /// A whole number, 0 or more.
    Count,
    /// `{amount, minor, currency}`.
    Money,
    /// RFC 3339, UTC.
    Time,
    /// `NET` or `GROSS`.
    PriceMode,
}

impl Form {
    fn schema(self) -> Value {
        match self {
            Self::Id(prefix) => {
                json!({"type": "string", "pattern": format!("^{prefix}[0-9a-f-]{{36}}$")})
            }
            Self::Text => json!({"type": "string"}),
            Self::Count => json!({"type": "integer", "minimum": 0}),
            Self::Money => json!({
                "type": "object",
                "required": ["amount", "minor", "currency"],
                "properties": {
                    "amount": {"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$"},
                    "minor": {"type": "integer"},
                    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
                },
            }),
            Self::Time => json!({"type": "string", "format": "date-time"}),
            Self::PriceMode => json!({"enum": ["NET", "GROSS"]}),
        }
    }
}

impl Kind {
    /// The JSON Schema (2020-12) of its `data`.
    pub fn schema(&self) -> Value {
        let described = |field: &Field| {
            let mut schema = field.form.schema();
            schema["description"] = field.says.into();
            (field.name.to_owned(), schema)
        };
        let properties: Map<String, Value> = self.fields.iter().map(described).collect();
        let required: Vec<_> = self.fields.iter().map(|field| field.name).collect();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": self.schema_name(),
            "description": self.says,
            "type": "object",
            "required": required,
            "properties": properties,
        })
    }

    /// The `dataschema` of CloudEvents.
    pub fn schema_name(&self) -> String {
        format!("urn:emporium:schema:{}", self.name)
    }
}

/// The type of this name, if there is one.
pub fn kind(name: &str) -> Option<&'static Kind> {
    CATALOGUE.iter().find(|kind| kind.name == name)
}

const fn field(name: &'static str, form: Form, says: &'static str) -> Field {
    Field { name, form, says }
}

const ORDER: Field = field("orderId", Form::Id("order_"), "Which order.");
const PRODUCT: Field = field("productId", Form::Id("product_"), "Which product.");
const VARIANT: Field = field("variantId", Form::Id("variant_"), "Which variant of it.");
const LIST: Field = field("priceListId", Form::Id("price_list_"), "In which price list.");
const MODE: Field = field("priceMode", Form::PriceMode, "Whether tax comes on top or is inside.");
const USER: Field = field("userId", Form::Id("user_"), "Which user.");

/// All there are, in the order of their names.
pub static CATALOGUE: &[Kind] = &[
    Kind {
        name: "emporium.order.cancelled.v1",
        says: "An order was cancelled: nothing of it is held, and no payment of it stands.",
        fields: &[ORDER],
    },
    Kind {
        name: "emporium.order.completed.v1",
        says: "Everything of an order was delivered.",
        fields: &[ORDER],
    },
    Kind {
        name: "emporium.order.confirmed.v1",
        says: "Stock and payment of an order are certain.",
        fields: &[ORDER, field("confirmedAt", Form::Time, "When.")],
    },
    Kind {
        name: "emporium.order.expired.v1",
        says: "A draft was not placed in time.",
        fields: &[ORDER],
    },
    Kind {
        name: "emporium.order.placed.v1",
        says: "The payment of an order was authorised.",
        fields: &[
            ORDER,
            field("paymentReference", Form::Text, "What the payment provider calls it."),
        ],
    },
    Kind {
        name: "emporium.order.submitted.v1",
        says: "A buyer wants an order: its lines and prices are frozen, and payment is awaited.",
        fields: &[
            ORDER,
            field("lineCount", Form::Count, "How many lines it has."),
            field("net", Form::Money, "What it comes to without tax."),
            field("tax", Form::Money, "The tax on that."),
            field("gross", Form::Money, "What is to be paid."),
            field("submittedAt", Form::Time, "When."),
        ],
    },
    Kind {
        name: "emporium.product.archived.v1",
        says: "A product is sold no more, for ever.",
        fields: &[PRODUCT],
    },
    Kind {
        name: "emporium.product.created.v1",
        says: "There is a new product, which is a draft.",
        fields: &[PRODUCT],
    },
    Kind {
        name: "emporium.product.price_changed.v1",
        says: "A variant has another price in a price list, or its first one there.",
        fields: &[PRODUCT, VARIANT, LIST, field("price", Form::Money, "Of one unit."), MODE],
    },
    Kind {
        name: "emporium.product.price_removed.v1",
        says: "A variant is not sold at the prices of a list any more.",
        fields: &[PRODUCT, VARIANT, LIST],
    },
    Kind {
        name: "emporium.product.published.v1",
        says: "A product is on sale.",
        fields: &[PRODUCT],
    },
    Kind {
        name: "emporium.product.revised.v1",
        says: "A product is described otherwise, in whatever language.",
        fields: &[PRODUCT],
    },
    Kind {
        name: "emporium.product.unpublished.v1",
        says: "A product is a draft again.",
        fields: &[PRODUCT],
    },
    Kind {
        name: "emporium.product.variant_added.v1",
        says: "A product has another variant.",
        fields: &[PRODUCT, VARIANT, field("sku", Form::Text, "Its stock keeping unit.")],
    },
    Kind { name: "emporium.user.closed.v1", says: "A user's account was closed.", fields: &[USER] },
    Kind { name: "emporium.user.registered.v1", says: "There is a new user.", fields: &[USER] },
    Kind {
        name: "emporium.user.reinstated.v1",
        says: "A user who was suspended is active again.",
        fields: &[USER],
    },
    Kind {
        name: "emporium.user.suspended.v1",
        says: "A user may do nothing until he is reinstated.",
        fields: &[USER],
    },
];
