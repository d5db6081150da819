//! Logs in several databases: what is asked of the shards of one goes on while another is away, what needs that
//! waits for it, and nobody serves them otherwise than they were made.

use serde_json::{Value, json};

use super::nodes::Home;
use super::process::Server;
use super::serving::{ON_HAND, RECEIVE};
use crate::support::database::{Operator, SHARDS, on_mysql};
use crate::support::eventually;
use crate::support::replica;

const STATUS: &str = "query($id: ID!) { order(id: $id) { status } }";
const LISTED: &str =
    "query($at: Position) { orders(first: 50, atLeast: $at) { edges { node { id status } } } }";

/// The second half of the shards.
fn far(url: &str) -> String {
    format!("[[databases]]\nurl = \"{url}\"\nshards = \"{}-{}\"", SHARDS / 2, SHARDS - 1)
}

async fn done(server: &Server, mutation: &str, selection: &str, mut input: Value) -> Value {
    if input["idempotencyKey"].is_null() {
        input["idempotencyKey"] = json!(format!("key-{}", fastrand::u64(..)));
    }
    let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {selection} userErrors {{ code }} }} }}"
    );
    let payload = server.data(&query, json!({ "input": input })).await[mutation].take();
    assert_eq!(payload["userErrors"], json!([]), "{mutation}: {payload}");
    payload
}

/// Whether the log of this public id stands in the first database.
async fn is_near(operator: &mut Operator, id: &str) -> bool {
    let (_, uuid) = id.rsplit_once('_').expect("a prefix");
    let uuid = uuid.replace('-', "");
    let found = format!("SELECT 'x' FROM journal WHERE aggregate_id = UNHEX('{uuid}') LIMIT 1");
    !operator.texts(&found).await.is_empty()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// What is sold: a product that the first database has, at a place whose stock it has, and at one whose stock
/// the other has.
struct Goods {
    product: String,
    variant: String,
    near: String,
    far: String,
}

impl Goods {
    async fn find(server: &Server, operator: &mut Operator) -> Self {
        let query = "{ products(first: 50) { edges { node { id variants { id } } } } }";
        let listed = server.data(query, json!({})).await;
        let mut sold = None;
        for edge in listed["products"]["edges"].as_array().expect("a list") {
            let (product, variant) = (&edge["node"]["id"], &edge["node"]["variants"][0]["id"]);
            if is_near(operator, &text(product)).await {
                sold = Some((text(product), text(variant)));
            }
        }
        let (product, variant) = sold.expect("one of the demo's products is near");
        let (mut near, mut far) = (None, None);
        for number in 0.. {
            let key = format!("place-{number}");
            let input = json!({ "name": key, "timeZone": "UTC", "idempotencyKey": key });
            let place = text(&done(server, "createLocation", "id", input).await["id"]);
            let input = json!({ "variantId": variant, "locationId": place });
            done(server, "openStock", "", input.clone()).await;
            let mut received = input.clone();
            received["quantity"] = json!("100");
            done(server, "receiveStock", "", received).await;
            let item =
                "query($v: ID!, $l: ID!) { stockItem(variantId: $v, locationId: $l) { id } }";
            let item = server.data(item, json!({ "v": variant, "l": place })).await;
            let id = text(&item["stockItem"]["id"]);
            if is_near(operator, &id).await {
                near = Some(place)
            } else {
                far = Some(place)
            }
            if let (Some(near), Some(far)) = (&near, &far) {
                let (near, far) = (near.clone(), far.clone());
                return Self { product, variant, near, far };
            }
        }
        unreachable!("one of many is there, and one here")
    }

    /// A draft of both, in the first database.
    async fn draft(&self, server: &Server, operator: &mut Operator, key: &str) -> String {
        let line = |place: &String| {
            json!({ "productId": self.product, "variantId": self.variant, "locationId": place,
                    "quantity": "1" })
        };
        for number in 0.. {
            let input = json!({
                "buyer": { "guestEmail": "guest@example.com" }, "currency": "EUR",
                "lines": [line(&self.near), line(&self.far)],
                "idempotencyKey": format!("{key}-{number}"),
            });
            let id = text(&done(server, "draftOrder", "id", input).await["id"]);
            if is_near(operator, &id).await {
                return id;
            }
        }
        unreachable!("one of many is near")
    }

    fn at(&self, place: &String) -> Value {
        json!({ "v": self.variant, "l": place })
    }
}

async fn status(server: &Server, order: &str) -> String {
    text(&server.data(STATUS, json!({ "id": order })).await["order"]["status"])
}

/// What is asked of the near shards goes on, lists too; what needs the far ones is told so, or waits.
#[tokio::test(flavor = "multi_thread")]
async fn while_one_server_of_logs_is_away_the_shards_of_the_other_go_on() {
    on_mysql(|database| async move {
        let mut other = replica::Server::start(7, &["--innodb-flush-log-at-trx-commit=1"]).await;
        other.execute("CREATE DATABASE lists").await;
        let home = Home::of(&database, 2, &far(&other.url()));
        let server = home.start();
        let mut operator = database.location.operator().await;
        let goods = Goods::find(&server, &mut operator).await;
        let first = goods.draft(&server, &mut operator, "first").await;
        let second = goods.draft(&server, &mut operator, "second").await;

        // A checkout across both.
        let input = json!({ "orderId": first, "waitMs": 10_000 });
        done(&server, "placeOrder", "", input).await;
        let confirmed = async |order: &str| {
            eventually("the checkout to end", || async {
                (status(&server, order).await == "CONFIRMED").then_some(())
            })
            .await;
        };
        confirmed(&first).await;

        other.kill();
        let (near, away) = (goods.at(&goods.near), goods.at(&goods.far));
        eventually("the far shards to be away", || async {
            let reply = server.ask(ON_HAND, away.clone()).await.expect("an answer");
            (reply["errors"][0]["extensions"]["code"] == "UNAVAILABLE").then_some(())
        })
        .await;
        let receipt = |place: &String| {
            let key = format!("key-{}", fastrand::u64(..));
            json!({ "input": { "variantId": goods.variant, "locationId": place, "quantity": "1",
                               "idempotencyKey": key } })
        };
        let refused = server.ask(RECEIVE, receipt(&goods.far)).await.expect("an answer");
        assert_eq!(refused["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{refused}");
        let before = server.data(ON_HAND, near.clone()).await["stockItem"]["onHand"].clone();
        server.data(RECEIVE, receipt(&goods.near)).await;
        let after = server.data(ON_HAND, near.clone()).await["stockItem"]["onHand"].clone();
        assert_eq!(after.as_u64(), before.as_u64().map(|before| before + 1), "{before}");
        let ready = server.url.replace("/graphql", "/readyz");
        assert_eq!(reqwest::get(&ready).await.expect("an answer").status(), 200);

        // What needs both waits; the list has it.
        let input = json!({ "orderId": second, "waitMs": 0 });
        let placed = done(&server, "placeOrder", "position", input).await;
        eventually("the list to have it", || async {
            let at = json!({ "at": placed["position"] });
            let reply = server.ask(LISTED, at).await.expect("an answer");
            let edges = reply["data"]["orders"]["edges"].as_array()?;
            let found = edges.iter().find(|edge| edge["node"]["id"] == *second)?;
            (found["node"]["status"] != "DRAFT").then_some(())
        })
        .await;
        assert_ne!(status(&server, &second).await, "CONFIRMED");

        other.start_again().await;
        confirmed(&second).await;
        let far = server.data(ON_HAND, away).await["stockItem"]["onHand"].clone();
        assert!(far.as_u64() >= Some(98), "nothing acknowledged is lost: {far}");
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
        let (status, out, errors) = home.run(&["journal", "verify"]);
        assert_eq!(status, 0, "{out}{errors}");
    })
    .await;
}

/// Nobody looks for a shard in another database than those who made them.
#[tokio::test(flavor = "multi_thread")]
async fn logs_stay_in_the_databases_in_which_they_were_made() {
    on_mysql(|database| async move {
        let mut operator = database.location.operator().await;
        let own = database.location.mysql_url(None);
        let own = own.split('?').next().expect("a first part");
        let (server, name) = own.rsplit_once('/').expect("a database");
        let others = ["one", "two"].map(|number| format!("{name}_{number}"));
        for other in &others {
            operator.execute(&format!("CREATE DATABASE {other}")).await;
        }
        let [one, two] = others.each_ref().map(|other| format!("{server}/{other}"));
        let at = |url: &str, shards: &str| {
            format!("[[databases]]\nurl = \"{url}\"\nshards = \"{shards}\"\n")
        };
        let both = at(&one, "8-11") + &at(&two, "12-15");
        let made = Home::of(&database, 2, &both);
        assert_eq!(made.run(&["migrate"]).0, 0);
        assert_eq!(made.run(&["migrate"]).0, 0, "and again");

        let otherwise = [
            (String::new(), "was made with"),
            (at(&one, "8-15"), "was made with"),
            (at(&two, "8-11") + &at(&one, "12-15"), "name each in its place"),
            (at(&one, "8-12") + &at(&two, "13-15"), "was made with"),
        ];
        for (databases, told) in otherwise {
            let (status, _, errors) = Home::of(&database, 2, &databases).run(&["migrate"]);
            assert_eq!(status, 2, "{databases}: {errors}");
            assert!(errors.contains("databases") && errors.contains(told), "{errors}");
        }
        // One of those, taken for a whole installation.
        let alone = Home::at(one.clone(), "");
        let (status, _, errors) = alone.run(&["migrate"]);
        assert_eq!(status, 2, "{errors}");
        assert!(errors.contains("databases"), "{errors}");
        for other in &others {
            operator.execute(&format!("DROP DATABASE {other}")).await;
        }
    })
    .await;
}
