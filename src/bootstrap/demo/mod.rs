//! The demo data: a small shop, made by sending the mutations that any client sends.
//!
//! Everything has an idempotency key of its own, and the last thing that is made tells a later
//! start that all of it is there. A start that was interrupted goes on where it was.

mod goods;
pub mod people;

use std::time::Duration;

use chrono::{Datelike, Days, NaiveDate, Utc, Weekday};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Client, ClientError};
use actors::aggregate_ref::Engine;
use actors::core::CommandMeta;
use auth::Principal;
use domain::access::shipped::{CUSTOMER, SHIPPED};
use domain::commerce::order::{self, Order};
use goods::{GOODS, Good, LOCATIONS, RETAIL, Variant};
use graphql::GraphqlSchema;
use graphql::ids::PublicOrderId;
use supervisors::services::Followers;

/// Products made at one time: what they write is committed together.
const AT_ONCE: usize = 16;
/// How long the checkouts of the demo orders may take.
const CHECKOUTS_WITHIN: Duration = Duration::from_secs(30);
const CUSTOMERS: usize = 8;
/// Registered last: whoever finds it finds everything.
const LAST_EMAIL: &str = "newcomer@example.com";

/// What stands before each idempotency key.
const KEY_PREFIX: &str = "demo-data-1";

/// Makes what is missing.
pub async fn prepare(
    schema: &GraphqlSchema,
    engine: &Engine,
    followers: &Followers,
) -> Result<(), ClientError> {
    let client = client(schema);
    if client.user(LAST_EMAIL).await?.is_some() {
        tracing::info!("the demo data is there");
        return Ok(());
    }
    tracing::info!("making the demo data");
    let shelves = locations(&client).await?;
    let products = stream::iter(&GOODS)
        .map(|good| product(&client, good, &shelves))
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let catalogue: Vec<&Sellable> = products.iter().flatten().collect();
    retail(&client, &catalogue).await?;
    let customers = customers(&client).await?;
    orders(&client, engine, followers, &catalogue, &customers, &shelves[0]).await?;
    calendars(&client).await?;
    staff(&client).await?;
    tracing::info!(products = GOODS.len(), customers = customers.len(), "the demo data is made");
    Ok(())
}

/// Asks as the installation itself.
pub fn client(schema: &GraphqlSchema) -> Client<'_> {
    Client::new(schema, Principal::installation(), KEY_PREFIX)
}

/// A variant that can be ordered.
struct Sellable {
    product: String,
    variant: String,
    sku: &'static str,
}

/// The ids of the places that keep stock.
async fn locations(client: &Client<'_>) -> Result<Vec<String>, ClientError> {
    let mut ids = Vec::new();
    for (name, kind, address) in LOCATIONS {
        let input =
            json!({ "name": name, "kind": kind, "timeZone": "Europe/Berlin", "address": address });
        let made = client.mutate("createLocation", "location { id }", name, input).await?;
        ids.push(text(&made, "/location/id")?);
    }
    Ok(ids)
}

async fn product(
    client: &Client<'_>,
    good: &Good,
    shelves: &[String],
) -> Result<Vec<Sellable>, ClientError> {
    let key = good.variants[0].sku;
    let input =
        json!({ "name": good.name, "family": good.family, "description": good.description });
    let made = client.mutate("createProduct", "product { id }", key, input).await?;
    let product = text(&made, "/product/id")?;
    let mut sellable = Vec::new();
    for variant in good.variants {
        let id = self::variant(client, &product, variant, shelves).await?;
        sellable.push(Sellable { product: product.clone(), variant: id, sku: variant.sku });
    }
    if good.tax_millionths > 0 {
        let input = json!({ "productId": product, "millionths": good.tax_millionths });
        client.mutate("setTaxRate", "", key, input).await?;
    }
    client.mutate("publishProduct", "", key, json!({ "productId": product })).await?;
    Ok(sellable)
}

async fn variant(
    client: &Client<'_>,
    product: &str,
    variant: &Variant,
    shelves: &[String],
) -> Result<String, ClientError> {
    let input = json!({ "productId": product, "sku": variant.sku, "name": variant.name });
    let made = client.mutate("addVariant", "variantId", variant.sku, input).await?;
    let id = text(&made, "/variantId")?;
    for (amount, currency) in [(variant.eur, "EUR"), (variant.usd, "USD")] {
        let price = json!({ "amount": amount, "currency": currency });
        let input = json!({ "productId": product, "variantId": id, "price": price });
        client.mutate("setPrice", "", &format!("{}-{currency}", variant.sku), input).await?;
    }
    for (shelf, quantity) in shelves.iter().zip(variant.stock) {
        let stock = json!({ "variantId": id, "locationId": shelf });
        client.mutate("openStock", "", variant.sku, stock.clone()).await?;
        if quantity > 0 {
            let mut received = stock;
            received["quantity"] = json!(quantity.to_string());
            client.mutate("receiveStock", "", variant.sku, received).await?;
        }
    }
    Ok(id)
}

/// Prices with tax inside, beside the default ones, which are net.
async fn retail(client: &Client<'_>, catalogue: &[&Sellable]) -> Result<(), ClientError> {
    let input = json!({ "name": "Retail, tax included", "currency": "EUR", "priceMode": "GROSS" });
    let opened = client.mutate("openPriceList", "priceList { id }", "retail", input).await?;
    let list = text(&opened, "/priceList/id")?;
    for (sku, amount) in RETAIL {
        let sold = sold(catalogue, sku);
        let input = json!({
            "productId": sold.product,
            "variantId": sold.variant,
            "price": { "amount": amount, "currency": "EUR" },
            "priceListId": list,
        });
        client.mutate("setPrice", "", &format!("{sku}-retail"), input).await?;
    }
    Ok(())
}

fn sold<'a>(catalogue: &[&'a Sellable], sku: &str) -> &'a Sellable {
    let sold = catalogue.iter().find(|sold| sold.sku == sku);
    sold.expect("goods of the demo shop are named")
}

async fn customers(client: &Client<'_>) -> Result<Vec<String>, ClientError> {
    let mut ids = Vec::new();
    for number in 1..=CUSTOMERS {
        let email = format!("customer-{number}@example.com");
        let name = format!("Customer {number}");
        ids.push(user(client, &email, &name, "en").await?);
    }
    let last = ids.last().expect("there are customers");
    let input = json!({ "userId": last, "reason": "shows what a suspended user looks like" });
    client.mutate("suspendUser", "", "suspend", input).await?;
    Ok(ids)
}

async fn user(
    client: &Client<'_>,
    email: &str,
    name: &str,
    locale: &str,
) -> Result<String, ClientError> {
    let input = json!({ "email": email, "displayName": name, "locale": locale });
    // A key is kept as it is: nothing personal stands in it.
    let made = client.mutate("registerUser", "user { id }", name, input).await?;
    text(&made, "/user/id")
}

/// How far a demo order goes.
enum Until {
    Draft,
    CancelledByBuyer,
    /// Nobody came back to it.
    Expired,
    /// To the end of its checkout, whatever that is.
    CheckedOut,
    Completed,
}

/// The goods (SKU, quantity), the currency, and how far the order goes.
type Wanted = (&'static [(&'static str, i64)], &'static str, Until);

async fn orders(
    client: &Client<'_>,
    engine: &Engine,
    followers: &Followers,
    catalogue: &[&Sellable],
    customers: &[String],
    shelf: &str,
) -> Result<(), ClientError> {
    use Until::{CancelledByBuyer, CheckedOut, Completed, Draft, Expired};
    let wanted: [Wanted; 13] = [
        (&[("ESP-250", 2), ("MUG-BLU", 4)], "EUR", Completed),
        (&[("NOT-A5-D", 3), ("PEN-F", 1), ("INK-BLU", 2)], "EUR", Completed),
        (&[("PAC-GRY", 1), ("FLA-50", 1)], "USD", Completed),
        (&[("MOK-3", 1), ("ESP-1000", 1)], "EUR", CheckedOut),
        (&[("LAM-WHT", 1)], "EUR", CheckedOut),
        (&[("SEE-TOM", 5), ("TRO-1", 1), ("CAN-5", 1)], "EUR", CheckedOut),
        (&[("TRY-05", 1)], "USD", CheckedOut),
        (&[("TRY-02", 1)], "EUR", CheckedOut),
        (&[("STO-1", 50)], "EUR", CheckedOut),
        (&[("KNI-20", 1), ("BOA-L", 1)], "EUR", CancelledByBuyer),
        (&[("GRI-1", 1)], "EUR", Expired),
        (&[("BLA-RED", 2)], "EUR", Draft),
        (&[("SCA-5", 1), ("FIL-500", 2)], "USD", Draft),
    ];
    for (number, (lines, currency, until)) in wanted.into_iter().enumerate() {
        // The last customer is suspended.
        let buyer = json!({ "userId": customers[number % (customers.len() - 1)] });
        let key = format!("order-{number}");
        let input = json!({ "buyer": buyer, "currency": currency });
        let made = client.mutate("draftOrder", "order { id }", &key, input).await?;
        let order = text(&made, "/order/id")?;
        for (sku, quantity) in lines {
            let sold = sold(catalogue, sku);
            let input = json!({
                "orderId": order,
                "productId": sold.product,
                "variantId": sold.variant,
                "locationId": shelf,
                "quantity": quantity.to_string(),
            });
            client.mutate("addOrderLine", "", &format!("{key}-{sku}"), input).await?;
        }
        let same = json!({ "orderId": order });
        match until {
            Draft => {}
            CancelledByBuyer => {
                let input = json!({ "orderId": order, "reason": "ordered by mistake" });
                client.mutate("cancelOrder", "", &key, input).await?;
            }
            Expired => expire(engine, &order, client.key("expire", &key)).await?,
            CheckedOut | Completed => {
                client.mutate("placeOrder", "", &key, same.clone()).await?;
                checked_out(client, followers, &order).await?;
                if matches!(until, Completed) {
                    ship(client, &order, &key).await?;
                    client.mutate("completeOrder", "", &format!("{key}-done"), same).await?;
                }
            }
        }
    }
    Ok(())
}

/// Ships whatever an order is about.
async fn ship(client: &Client<'_>, order: &str, key: &str) -> Result<(), ClientError> {
    for (number, claim) in client.claims(order).await?.into_iter().enumerate() {
        client.mutate("shipHold", "", &format!("{key}-{number}"), claim).await?;
    }
    Ok(())
}

/// Ends a draft as time would: no client can.
async fn expire(engine: &Engine, order: &str, key: String) -> Result<(), ClientError> {
    let refused =
        |reason: String| ClientError::Answer(format!("{order} does not expire: {reason}"));
    let id = PublicOrderId::read(order).ok_or_else(|| refused("no id of an order".to_owned()))?;
    let meta = CommandMeta {
        command_id: Uuid::now_v7(),
        key: Some(key.into()),
        correlation_id: Uuid::now_v7(),
        cause: None,
        principal: Principal::installation().identity,
        trace: None,
        expected_version: None,
        dry_run: false,
    };
    let asked = engine.aggregate::<Order>(id.into()).ask(order::Command::Expire, meta).await;
    asked.map(|_| ()).map_err(|error| refused(format!("{error:?}")))
}

/// Waits for the end of an order's checkout.
async fn checked_out(
    client: &Client<'_>,
    followers: &Followers,
    order: &str,
) -> Result<(), ClientError> {
    let mut changes = followers.views().orders.follower.changes();
    let ended = async {
        loop {
            changes.mark_unchanged();
            let status = client.order_status(order).await?;
            if !matches!(status.as_str(), "PENDING_PAYMENT" | "PLACED") {
                return Ok(());
            }
            if changes.changed().await.is_err() {
                return Err(ClientError::Answer("the views ended".to_owned()));
            }
        }
    };
    match tokio::time::timeout(CHECKOUTS_WITHIN, ended).await {
        Ok(ended) => ended,
        // It goes on by itself; the demo need not wait.
        Err(_) => {
            tracing::warn!(order, "the checkout of a demo order takes long");
            Ok(())
        }
    }
}

async fn calendars(client: &Client<'_>) -> Result<(), ClientError> {
    let monday = next_monday(Utc::now().date_naive());
    let at = |day: u64, time: &str| format!("{}T{time}:00", monday + Days::new(day));
    let weekdays = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"];

    let room = json!({ "name": "Consultation room", "timeZone": "Europe/Berlin",
        "availability": { "kind": "EXCLUSIVE" }, "withinOpeningHours": true });
    let room = calendar(client, "room", room, &weekdays, &[(540, 720), (780, 1_020)]).await?;
    book(client, &room, "Coffee tasting for two", &at(0, "10:00"), "PT45M", None).await?;
    book(client, &room, "Fitting of a desk lamp", &at(1, "13:30"), "PT30M", None).await?;
    let weekly = json!({ "rule": "FREQ=WEEKLY;BYDAY=WE;COUNT=10" });
    book(client, &room, "Planning", &at(2, "09:00"), "PT1H", Some(weekly)).await?;

    let workshop = json!({ "name": "Barista workshop", "timeZone": "Europe/Berlin",
        "availability": { "kind": "CAPACITY", "capacity": 12 }, "withinOpeningHours": true });
    let workshop = calendar(client, "workshop", workshop, &["SATURDAY"], &[(600, 1_080)]).await?;
    for guest in ["Customer 1", "Customer 2", "Customer 3"] {
        book(client, &workshop, guest, &at(5, "14:00"), "PT3H", None).await?;
    }

    let bay = json!({ "name": "Delivery bay", "timeZone": "America/New_York",
        "availability": { "kind": "EXCLUSIVE" }, "withinOpeningHours": true });
    let bay = calendar(client, "bay", bay, &weekdays, &[(360, 840)]).await?;
    book(client, &bay, "Beans from the port", &at(3, "07:00"), "PT2H", None).await
}

async fn calendar(
    client: &Client<'_>,
    key: &str,
    input: Value,
    weekdays: &[&str],
    spans: &[(u16, u16)],
) -> Result<String, ClientError> {
    let made = client.mutate("createCalendar", "calendar { id }", key, input).await?;
    let id = text(&made, "/calendar/id")?;
    let span = |(opens, closes): &(u16, u16)| json!({ "opens": opens, "closes": closes });
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let days: Vec<Value> =
        weekdays.iter().map(|weekday| json!({ "weekday": weekday, "spans": spans })).collect();
    let input = json!({ "calendarId": id, "days": days });
    client.mutate("setOpeningHours", "", &format!("{key}-hours"), input).await?;
    Ok(id)
}

async fn book(
    client: &Client<'_>,
    calendar: &str,
    title: &str,
    start: &str,
    duration: &str,
    recurrence: Option<Value>,
) -> Result<(), ClientError> {
    let timing =
        json!({ "start": start, "length": { "duration": duration }, "recurrence": recurrence });
    let input = json!({ "calendarId": calendar, "title": title, "timing": timing });
    client.mutate("scheduleEvent", "", &format!("{title}-{start}"), input).await.map(|_| ())
}

fn next_monday(today: NaiveDate) -> NaiveDate {
    let since_monday = today.weekday().days_since(Weekday::Mon);
    today + Days::new(u64::from(7 - since_monday))
}

/// Somebody for each role that ships, who has that role about everything.
async fn staff(client: &Client<'_>) -> Result<(), ClientError> {
    for role in SHIPPED.iter().map(|role| role.name).filter(|role| *role != CUSTOMER) {
        let user = user(client, &people::email(role), &people::name(role), "en").await?;
        let input = json!({ "userId": user, "role": role, "scope": "all" });
        client.mutate("assignRole", "", role, input).await?;
    }
    // What is made of several parts would not be the last thing made.
    user(client, LAST_EMAIL, "Newcomer", "en").await.map(|_| ())
}

fn text(value: &Value, pointer: &str) -> Result<String, ClientError> {
    match value.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(ClientError::Answer(format!("no {pointer} in {value}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_is_plausible() {
        let families: std::collections::BTreeSet<_> =
            GOODS.iter().map(|good| good.family).collect();
        let skus: Vec<_> =
            GOODS.iter().flat_map(|good| good.variants).map(|variant| variant.sku).collect();
        let different: std::collections::BTreeSet<_> = skus.iter().collect();
        assert!(GOODS.len() >= 40 && families.len() >= 4);
        assert_eq!(different.len(), skus.len(), "a sku names one variant");
    }

    #[test]
    fn the_next_monday_is_never_today() {
        for (today, monday) in [("2026-11-23", "2026-11-30"), ("2026-11-29", "2026-11-30")] {
            let date = |text: &str| text.parse::<NaiveDate>().expect("a date");
            assert_eq!(next_monday(date(today)), date(monday));
        }
    }
}
