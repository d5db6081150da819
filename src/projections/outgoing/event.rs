//! One integration event: which fact becomes it, and how it is written.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::catalogue::{Kind, kind};
use crate::{Fact, Place};
use domain::access::user::{self, User};
use domain::aggregate::Aggregate;
use domain::commerce::order::{self, Order};
use domain::id::{PriceListId, VariantId};
use domain::money::Money;
use domain::products::product::{self, Product};
use domain::tax::PriceMode;

/// See the module.
#[derive(Clone, Debug)]
pub struct CloudEvent {
    pub kind: &'static Kind,
    /// The name of the event that it tells of: `order/<uuid>/3`. The same however often it is told.
    pub id: String,
    /// As JSON (`application/cloudevents+json`).
    pub body: String,
}

/// Whether something of what happens to aggregates of this kind is told.
pub fn tells(aggregate_type: &str) -> bool {
    [Order::TYPE, Product::TYPE, User::TYPE].contains(&aggregate_type)
}

/// What is told of a fact, if it is. `source` is the installation.
pub fn told(source: &str, at: Place, fact: &Fact) -> Option<CloudEvent> {
    let id = at.aggregate_id;
    let (of, subject, name, data) = match fact {
        Fact::Order(event) => {
            let subject = format!("order_{id}");
            let (name, data) = of_order(event, json!({"orderId": &subject}))?;
            (Order::TYPE, subject, name, data)
        }
        Fact::Product(event) => {
            let subject = format!("product_{id}");
            let (name, data) = of_product(event, json!({"productId": &subject}))?;
            (Product::TYPE, subject, name, data)
        }
        Fact::User(event) => {
            let subject = format!("user_{id}");
            (User::TYPE, subject.clone(), of_user(event)?, json!({"userId": subject}))
        }
        _ => return None,
    };
    let kind = kind(name).expect("what is told is in the catalogue");
    let id = format!("{of}/{id}/{}", at.version);
    let time = Timestamp::from_microsecond(at.recorded_us).ok()?.to_string();
    let body = json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("urn:emporium:{source}"),
        "type": kind.name,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "dataschema": kind.schema_name(),
        "sequence": at.version.to_string(),
        "data": data,
    });
    Some(CloudEvent { kind, id, body: body.to_string() })
}

type Named = (&'static str, Value);

fn of_order(event: &order::Event, mut data: Value) -> Option<Named> {
    use order::Event;
    let name = match event {
        Event::OrderSubmitted { lines, totals, at, .. } => {
            data["lineCount"] = (*lines).into();
            data["net"] = money(totals.net);
            data["tax"] = money(totals.tax);
            data["gross"] = money(totals.gross);
            data["submittedAt"] = json!(at);
            "emporium.order.submitted.v1"
        }
        Event::OrderPlaced { payment_reference } => {
            data["paymentReference"] = payment_reference.as_str().into();
            "emporium.order.placed.v1"
        }
        Event::OrderConfirmed { at } => {
            data["confirmedAt"] = json!(at);
            "emporium.order.confirmed.v1"
        }
        Event::OrderCompleted {} => "emporium.order.completed.v1",
        Event::OrderCancelled { .. } => "emporium.order.cancelled.v1",
        Event::OrderExpired {} => "emporium.order.expired.v1",
        // A draft is the buyer's own affair, and what is kept of him ours.
        Event::OrderBuyerReleased {}
        | Event::OrderDrafted { .. }
        | Event::OrderLineAdded { .. }
        | Event::OrderLineChanged { .. }
        | Event::OrderLineRemoved { .. }
        | Event::OrderLineRepriced { .. } => return None,
    };
    Some((name, data))
}

fn of_product(event: &product::Event, mut data: Value) -> Option<Named> {
    use product::Event;
    let mut priced = |variant: &VariantId, list: &PriceListId| {
        data["variantId"] = format!("variant_{}", variant.0).into();
        data["priceListId"] = format!("price_list_{}", list.0).into();
    };
    let name = match event {
        Event::ProductCreated { .. } => "emporium.product.created.v1",
        Event::ProductRevised { .. }
        | Event::ProductTranslated { .. }
        | Event::TranslationRemoved { .. } => "emporium.product.revised.v1",
        Event::VariantAdded { variant, sku, .. } => {
            data["variantId"] = format!("variant_{}", variant.0).into();
            data["sku"] = sku.as_str().into();
            "emporium.product.variant_added.v1"
        }
        Event::PriceChanged { variant, list, to, .. } => {
            priced(variant, list);
            data["price"] = money(to.amount);
            data["priceMode"] = mode(to.mode).into();
            "emporium.product.price_changed.v1"
        }
        Event::PriceRemoved { variant, list, .. } => {
            priced(variant, list);
            "emporium.product.price_removed.v1"
        }
        Event::ProductPublished {} => "emporium.product.published.v1",
        Event::ProductUnpublished {} => "emporium.product.unpublished.v1",
        Event::ProductArchived {} => "emporium.product.archived.v1",
        Event::TaxRateChanged { .. } => return None,
    };
    Some((name, data))
}

fn of_user(event: &user::Event) -> Option<&'static str> {
    use user::Event;
    match event {
        Event::UserRegistered { .. } => Some("emporium.user.registered.v1"),
        Event::UserSuspended { .. } => Some("emporium.user.suspended.v1"),
        Event::UserReinstated {} => Some("emporium.user.reinstated.v1"),
        Event::UserClosed { .. } => Some("emporium.user.closed.v1"),
        _ => None,
    }
}

fn mode(mode: PriceMode) -> &'static str {
    match mode {
        PriceMode::Net => "NET",
        PriceMode::Gross => "GROSS",
    }
}

fn money(money: Money) -> Value {
    json!({"amount": money.decimal(), "minor": money.minor, "currency": money.currency.code()})
}
