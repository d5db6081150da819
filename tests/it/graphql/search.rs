//! The search for products through the API: pages, filters, facets, and what is refused.

use serde_json::{Value, json};

use super::products::{SHELF, teapot};
use crate::support::app::TestApp;
use crate::support::eventually;

/// A published product in one variant; gives the position at which it is for sale.
async fn product(app: &TestApp, name: &str, family: &str, variant: &str, price: &str) -> Value {
    let input = json!({"name": name, "family": family, "idempotencyKey": name});
    let created = app.done("createProduct", input, "product { id }").await;
    let product = created["product"]["id"].as_str().expect("an id").to_owned();
    let sku = format!("SKU-{}", name.len());
    let input = json!({"productId": product, "sku": sku, "name": variant, "idempotencyKey": sku});
    let added = app.done("addVariant", input, "variantId").await;
    let price = json!({"amount": price, "currency": "EUR"});
    let input = json!({"productId": product, "variantId": added["variantId"], "price": price, "idempotencyKey": "p"});
    app.done("setPrice", input, "").await;
    let input = json!({"productId": product});
    app.done("publishProduct", input, "position").await["position"].clone()
}

const FOUND: &str = "edges { cursor node { name status variants { sku } } }
    pageInfo { hasNextPage endCursor } totalCount matched catchingUp position
    facets { field values { value count } hasMore }";

async fn search(app: &TestApp, arguments: &str) -> Value {
    let mut data =
        app.data(&format!("{{ searchProducts({arguments}) {{ {FOUND} }} }}"), json!({})).await;
    data["searchProducts"].take()
}

fn names(found: &Value) -> Vec<&str> {
    let edges = found["edges"].as_array().expect("a list");
    edges.iter().map(|edge| edge["node"]["name"].as_str().expect("a name")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_found_by_words_filters_and_pages() {
    let app = TestApp::start().await;
    let mut positions = Vec::new();
    for (name, family, variant, price) in [
        ("Teapot", "Tea", "blue", "20.00"),
        ("Teapot tall", "Tea", "red", "30.00"),
        ("Teapot for travelling", "Travel", "red", "15.00"),
        ("Häuschen", "Toys", "red", "9.00"),
    ] {
        positions.push(product(&app, name, family, variant, price).await);
    }
    let draft = json!({"name": "Teapot to come", "family": "Tea", "idempotencyKey": "draft"});
    positions.push(app.done("createProduct", draft, "position").await["position"].clone());
    for position in &positions {
        let query = format!("{{ searchProducts(atLeast: {position}) {{ totalCount }} }}");
        let found = async || {
            let reply = app.reply(&query, json!({})).await;
            (reply["errors"] == Value::Null).then_some(())
        };
        eventually("a search at a position", found).await;
    }

    let found = search(&app, "query: \"teapots\", first: 2").await;
    assert_eq!(names(&found), ["Teapot", "Teapot tall"]);
    assert_eq!((&found["totalCount"], &found["matched"]), (&json!(3), &json!("ALL_WORDS")));
    assert_eq!(found["catchingUp"], false);
    assert_eq!(found["edges"][0]["node"]["variants"][0]["sku"], "SKU-6");
    assert_eq!(found["pageInfo"]["hasNextPage"], true);
    assert_eq!(
        found["facets"],
        json!([
            {"field": "FAMILY", "hasMore": false, "values": [
                {"value": "Tea", "count": 2}, {"value": "Travel", "count": 1}]},
            {"field": "VARIANT", "hasMore": false, "values": [
                {"value": "red", "count": 2}, {"value": "blue", "count": 1}]},
        ])
    );
    let after = &found["pageInfo"]["endCursor"];
    let next = search(&app, &format!("query: \"teapots\", first: 2, after: {after}")).await;
    assert_eq!(names(&next), ["Teapot for travelling"]);
    assert_eq!(next["pageInfo"]["hasNextPage"], false);

    let red = "where: {variants: [\"red\"], price: {currency: \"EUR\", to: \"20.00\"}}";
    let found = search(&app, &format!("{red}, orderBy: DEAREST")).await;
    assert_eq!(names(&found), ["Teapot for travelling", "Häuschen"]);
    let found = search(&app, "query: \"haeuschens\", language: \"de-AT\"").await;
    assert_eq!(names(&found), ["Häuschen"]);
    let found = search(&app, "query: \"haeuschens\", language: \"tlh\"").await;
    assert_eq!(names(&found), ["Häuschen"], "in any language");
    let told = "languages edges { highlights { field pieces { text isMatch } } }";
    let highlights = async |arguments: &str| {
        let query = format!("{{ searchProducts({arguments}) {{ {told} }} }}");
        app.data(&query, json!({})).await["searchProducts"].take()
    };
    let met = |text: &str| json!({"text": text, "isMatch": true});
    let found = highlights("query: \"haeuschens\", language: \"tlh\"").await;
    assert_eq!(found["languages"], json!(["en", "de"]));
    let of_name = json!([{"field": "NAME", "pieces": [met("Häuschen")]}]);
    assert_eq!(found["edges"][0]["highlights"], of_name);
    let found = highlights("query: \"teapots travel\", language: \"en-GB\"").await;
    assert_eq!(found["languages"], json!(["en"]));
    let pieces = json!([
        met("Teapot"), {"text": " for ", "isMatch": false}, met("travelling")
    ]);
    let family = json!({"field": "FAMILY", "pieces": [met("Travel")]});
    let expected = json!([{"field": "NAME", "pieces": pieces}, family]);
    assert_eq!(found["edges"][0]["highlights"], expected);
    let query = "{ searchProducts(query: \"teapot tall\") { edges { node { id } } } }";
    let tall = app.data(query, json!({})).await["searchProducts"]["edges"][0]["node"]["id"].take();
    let translated = "position product { translations { language name description } }";
    let input = json!({"productId": tall, "language": "DE-at", "name": "Hohe Kannen",
                       "description": "Für Gäste", "idempotencyKey": "de"});
    let told = app.done("translateProduct", input, translated).await;
    let text = json!({"language": "de-AT", "name": "Hohe Kannen", "description": "Für Gäste"});
    assert_eq!(told["product"]["translations"], json!([text]));
    let at = told["position"].clone();
    let told = format!(
        "{{ searchProducts(query: \"kanne\", atLeast: {at}) {{ edges {{
         node {{ name }} highlights {{ field language pieces {{ text isMatch }} }} }} }} }}"
    );
    let found = eventually("a search at a position", async || {
        let reply = app.reply(&told, json!({})).await;
        (reply["errors"] == Value::Null).then(|| reply["data"]["searchProducts"].clone())
    })
    .await;
    let pieces = json!([{"text": "Hohe ", "isMatch": false}, met("Kannen")]);
    let highlights = json!([{"field": "NAME", "language": "de-AT", "pieces": pieces}]);
    assert_eq!(
        found["edges"],
        json!([{"node": {"name": "Teapot tall"}, "highlights": highlights}])
    );
    let found = search(&app, "query: \"teepot tall wooden\"").await;
    assert_eq!((names(&found)[0], &found["matched"]), ("Teapot tall", &json!("SOME_WORDS")));
    let found = search(&app, "query: \"teapot\", where: {statuses: [DRAFT]}").await;
    assert_eq!(names(&found), ["Teapot to come"]);
    assert_eq!(found["edges"][0]["node"]["status"], "DRAFT");

    for (arguments, code) in [
        (format!("query: \"{}\"", "x".repeat(201)), "SEARCH_TOO_LONG"),
        ("query: \"a b c d e f g h i\"".to_owned(), "SEARCH_TOO_LONG"),
        (format!("where: {{families: {:?}}}", vec!["x"; 51]), "SEARCH_TOO_LONG"),
        ("orderBy: CHEAPEST".to_owned(), "INVALID_VALUE"),
        (
            "where: {price: {currency: \"EUR\", from: \"2.00\", to: \"1.00\"}}".to_owned(),
            "INVALID_VALUE",
        ),
        ("after: \"x\"".to_owned(), "INVALID_CURSOR"),
        (format!("query: \"tall\", after: {after}"), "INVALID_CURSOR"),
        ("atLeast: \"x\"".to_owned(), "INVALID_POSITION"),
        ("first: 101".to_owned(), "PAGE_TOO_LARGE"),
    ] {
        let query = format!("{{ searchProducts({arguments}) {{ totalCount }} }}");
        let reply = app.reply(&query, json!({})).await;
        assert_eq!(reply["errors"][0]["extensions"]["code"], code, "{arguments}: {reply}");
    }
    app.stop().await;
}

/// A product is found by whether it can be had, as soon as a mutation's position is asked for, on the way down
/// and up again.
#[tokio::test(flavor = "multi_thread")]
async fn products_are_found_by_what_can_be_had() {
    let app = TestApp::start().await;
    let (_, variant) = teapot(&app, 1).await;
    let none = json!({"name": "Teapot to come", "family": "kitchen", "idempotencyKey": "none"});
    app.done("createProduct", none, "").await;
    let counted = async |position: &Value, had: u64| {
        let query = format!(
            "{{ all: searchProducts(atLeast: {position}) {{ inStockCount totalCount }}
             had: searchProducts(where: {{inStock: true}}, atLeast: {position}) {{ totalCount }}
             gone: searchProducts(where: {{inStock: false}}, atLeast: {position}) {{ inStockCount totalCount }} }}"
        );
        let found = eventually("a search at a position", async || {
            let reply = app.reply(&query, json!({})).await;
            (reply["errors"] == Value::Null).then(|| reply["data"].clone())
        })
        .await;
        let expected = json!({
            "all": {"inStockCount": had, "totalCount": 1},
            "had": {"totalCount": had},
            "gone": {"inStockCount": had, "totalCount": 1 - had},
        });
        assert_eq!(found, expected);
    };
    let place = json!({"variantId": variant, "locationId": SHELF});
    let with = |key: &str, field: &str, value: Value| {
        let mut input = place.clone();
        (input["idempotencyKey"], input[field]) = (json!(key), value);
        input
    };
    let more = app.done("receiveStock", with("a", "quantity", json!(1)), "position").await;
    counted(&more["position"], 1).await;
    let sold = app.done("sellStock", with("b", "quantity", json!(2)), "position").await;
    counted(&sold["position"], 0).await;
    let more = app.done("receiveStock", with("c", "quantity", json!(1)), "position").await;
    counted(&more["position"], 1).await;
    app.stop().await;
}
