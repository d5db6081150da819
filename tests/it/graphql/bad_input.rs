//! What is malformed or hostile is answered with a code and leaves the log as it is.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::products::{BUYER, SHELF, teapot};
use crate::support::app::TestApp;

const STRICT: &str = "application/graphql-response+json";

/// Asks and gives the status and the code of the one error.
async fn code(app: &TestApp, query: &str, variables: Value) -> (StatusCode, String) {
    let body = json!({"query": query, "variables": variables});
    app.refusal(app.post().header("accept", STRICT).json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_hostile_by_shape_are_refused_quickly() {
    let app = TestApp::start().await;
    let repeat = |part: &dyn Fn(usize) -> String, times| (0..times).map(part).collect::<String>();
    let aliases = |times| {
        format!(
            "mutation {{ {} }}",
            repeat(&|n| format!("a{n}: noOp {{ idempotencyKey }} "), times)
        )
    };
    let mut doubling = "{ serverInfo { ...F0 } }".to_owned();
    for number in 0..40 {
        let next = number + 1;
        doubling
            .push_str(&format!(" fragment F{number} on ServerInfo {{ ...F{next} ...F{next} }}"));
    }
    doubling.push_str(" fragment F40 on ServerInfo { name }");
    let wide = |n: usize| {
        format!(
            "w{n}: orders(first: $n) {{ edges {{ node {{ lines {{ name line }} totals {{ net {{ amount }} gross {{ amount }} }} }} }} }} "
        )
    };
    let wide = format!("query($n: Int!) {{ {} }}", repeat(&wide, 15));
    let cases = [
        (aliases(10_000), json!({}), "TOKENS_TOO_MANY"),
        (aliases(31), json!({}), "ROOT_FIELDS_TOO_MANY"),
        (
            format!("{{ serverInfo {{ {} }} }}", repeat(&|n| format!("a{n}: name "), 31)),
            json!({}),
            "ALIASES_TOO_MANY",
        ),
        (format!("{}{}", "{a".repeat(16), "}".repeat(16)), json!({}), "DOCUMENT_TOO_DEEP"),
        ("{a".repeat(100_000), json!({}), "DOCUMENT_TOO_DEEP"),
        (
            format!("{{ serverInfo {{ name{} }} }}", " @include(if: true)".repeat(31)),
            json!({}),
            "DIRECTIVES_TOO_MANY",
        ),
        (doubling, json!({}), "FIELDS_TOO_MANY"),
        (
            "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned(),
            json!({}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("{ orders(first: 101) { position } }".to_owned(), json!({}), "PAGE_TOO_LARGE"),
        ("{ orders(first: -1) { position } }".to_owned(), json!({}), "PAGE_TOO_LARGE"),
        (
            "query($n: Int!) { orders(first: $n) { position } }".to_owned(),
            json!({"n": 99_999_999}),
            "PAGE_TOO_LARGE",
        ),
        (wide, json!({"n": 100}), "DOCUMENT_TOO_COMPLEX"),
        ("{ nothing }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("{ serverInfo { nothing } }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { orders }".to_owned(), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("{ serverInfo { name }".to_owned(), json!({}), "GRAPHQL_PARSE_FAILED"),
        (
            "query A { serverInfo { name } } query B { serverInfo { name } }".to_owned(),
            json!({}),
            "OPERATION_NOT_FOUND",
        ),
    ];
    for (query, variables, expected) in cases {
        let began = Instant::now();
        let (status, code) = code(&app, &query, variables).await;
        let shown: String = query.chars().take(80).collect();
        assert_eq!(code, expected, "{shown}");
        assert!(status.is_client_error(), "{shown}: {status}");
        assert!(began.elapsed() < Duration::from_secs(2), "{shown} took {:?}", began.elapsed());
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_the_wrong_kind_never_reach_an_aggregate() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 5).await;
    let receive = "mutation($quantity: Long!, $variant: ID!, $key: String!) { receiveStock(input: {
        variantId: $variant, locationId: \"LOCATION\", quantity: $quantity, idempotencyKey: $key }) { version } }";
    let receive = receive.replace("LOCATION", SHELF);
    let with = |quantity: Value, variant: Value, key: Value| json!({"quantity": quantity, "variant": variant, "key": key});
    let good = json!(variant);
    for (variables, expected) in [
        (with(json!("many"), good.clone(), json!("k")), "INVALID_VALUE"),
        (with(json!(1.5), good.clone(), json!("k")), "INVALID_VALUE"),
        (with(json!(true), good.clone(), json!("k")), "GRAPHQL_VALIDATION_FAILED"),
        (with(json!([1, 2]), good.clone(), json!("k")), "GRAPHQL_VALIDATION_FAILED"),
        (with(Value::Null, good.clone(), json!("k")), "GRAPHQL_VALIDATION_FAILED"),
        (with(json!(1), json!(product), json!("k")), "INVALID_ID"),
        (with(json!(1), json!("variant_1"), json!("k")), "INVALID_ID"),
        (with(json!(1), json!(7), json!("k")), "INVALID_ID"),
        (with(json!(1), good.clone(), json!("")), "INVALID_IDEMPOTENCY_KEY"),
        (with(json!(1), good.clone(), json!("k".repeat(129))), "INVALID_IDEMPOTENCY_KEY"),
        (with(json!(1), good.clone(), Value::Null), "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let (_, code) = code(&app, &receive, variables.clone()).await;
        assert_eq!(code, expected, "{variables}");
    }
    let overflow = "9223372036854775808";
    let query = format!(
        "mutation {{ receiveStock(input: {{ variantId: \"{variant}\", locationId: \"{SHELF}\", \
         quantity: {overflow}, idempotencyKey: \"k\" }}) {{ version }} }}"
    );
    assert_eq!(code(&app, &query, json!({})).await.1, "INVALID_VALUE");
    for (query, expected) in [
        ("{ calendar(id: \"calendar_1\") { id } }", "INVALID_ID"),
        ("{ node(id: \"nothing\") { id } }", "INVALID_ID"),
        ("{ orders(after: \"x\") { position } }", "INVALID_CURSOR"),
        ("{ orders(atLeast: \"x\") { position } }", "INVALID_POSITION"),
        ("{ orders(atLeast: \"AAAAAAAAAAAAAQI\") { position } }", "INVALID_POSITION"),
        ("{ userByEmail(email: \"nobody\") { id } }", "INVALID_EMAIL"),
        (
            "{ product(id: \"product_00000000-0000-0000-0000-000000000001\", asOf: {version: -1}) { id } }",
            "INVALID_VALUE",
        ),
        (
            "{ product(id: \"product_00000000-0000-0000-0000-000000000001\", asOf: {time: \"yesterday\"}) { id } }",
            "INVALID_VALUE",
        ),
    ] {
        assert_eq!(code(&app, query, json!({})).await.1, expected, "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quantities_and_amounts_out_of_range_are_refused_by_the_rules() {
    let app = TestApp::start().await;
    let (product, variant) = teapot(&app, 5).await;
    let stock = |fields: Value| {
        let mut input = json!({"variantId": variant, "locationId": SHELF, "idempotencyKey": "k"});
        input
            .as_object_mut()
            .expect("an object")
            .extend(fields.as_object().expect("an object").clone());
        input
    };
    let nowhere = json!({"variantId": variant, "locationId": format!("location_{}", uuid::Uuid::from_u128(9)),
                         "quantity": 1, "idempotencyKey": "k"});
    let price = |amount: &str, currency: &str| {
        json!({"productId": product, "variantId": variant, "idempotencyKey": "k",
               "price": {"amount": amount, "currency": currency}})
    };
    let product_input =
        |text: &str| json!({"name": text, "family": "kitchen", "idempotencyKey": "k"});
    let cases = [
        ("receiveStock", stock(json!({"quantity": -1})), "INVALID_QUANTITY"),
        ("receiveStock", stock(json!({"quantity": 0})), "INVALID_QUANTITY"),
        ("receiveStock", stock(json!({"quantity": i64::MAX})), "INVALID_QUANTITY"),
        ("receiveStock", nowhere, "STOCK_ITEM_NOT_OPEN"),
        ("sellStock", stock(json!({"quantity": 6})), "STOCK_INSUFFICIENT"),
        ("adjustStock", stock(json!({"delta": -6, "reason": "gone"})), "STOCK_INSUFFICIENT"),
        ("adjustStock", stock(json!({"delta": 1, "reason": ""})), "INVALID_TEXT"),
        ("setBackorderLimit", stock(json!({"units": -1})), "INVALID_QUANTITY"),
        (
            "holdStock",
            stock(json!({"customerId": BUYER, "quantity": 1, "duration": "PT2H"})),
            "INVALID_DURATION",
        ),
        (
            "holdStock",
            stock(json!({"customerId": BUYER, "quantity": 1, "duration": "P99999D"})),
            "INVALID_DURATION",
        ),
        (
            "releaseHold",
            stock(json!({"holdId": format!("hold_{}", uuid::Uuid::from_u128(1))})),
            "HOLD_NOT_FOUND",
        ),
        ("setPrice", price("-0.01", "EUR"), "INVALID_PRICE"),
        ("setPrice", price("1.999", "EUR"), "INVALID_AMOUNT"),
        ("setPrice", price("1e3", "EUR"), "INVALID_AMOUNT"),
        ("setPrice", price("1.00", "JPY"), "INVALID_AMOUNT"),
        ("setPrice", price("99999999999999999.99", "EUR"), "AMOUNT_OUT_OF_RANGE"),
        ("setPrice", price("1.00", "euro"), "INVALID_CURRENCY"),
        (
            "setTaxRate",
            json!({"productId": product, "millionths": 1_000_001, "idempotencyKey": "k"}),
            "INVALID_RATE",
        ),
        ("createProduct", product_input("a\u{0}b"), "INVALID_TEXT"),
        ("createProduct", product_input(&"x".repeat(201)), "INVALID_TEXT"),
        (
            "publishProduct",
            json!({"productId": format!("product_{}", uuid::Uuid::from_u128(1))}),
            "PRODUCT_NOT_FOUND",
        ),
        ("registerUser", json!({"email": "nobody", "displayName": "x"}), "INVALID_EMAIL"),
    ];
    for (mutation, input, expected) in cases {
        let error = app.refused(mutation, input.clone()).await;
        assert_eq!(error["code"], expected, "{mutation} {input}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    app.stop().await;
}
