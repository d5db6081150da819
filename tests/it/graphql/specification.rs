//! What the specification of GraphQL asks, seen through the door. All its cases, and the comparison
//! with graphql-js, are in the room `documents`.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::app::TestApp;

const STRICT: &str = "application/graphql-response+json";

/// Asks and gives the body as text, but for what it cost, which stands at its end: the order of keys counts.
async fn text(app: &TestApp, query: &str, variables: Value) -> String {
    let request = app.post().json(&json!({"query": query, "variables": variables}));
    let told = request.send().await.expect("an answer").text().await.expect("a body");
    match told.rsplit_once(",\"extensions\":{\"cost\":") {
        Some((before, _)) => format!("{before}}}"),
        None => told,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_failed_is_null_and_stands_where_it_was_asked_for() {
    let app = TestApp::start().await;
    let reply = text(&app, "{ a: node(id: \"x\") { id } serverInfo { name } }", json!({})).await;
    assert!(reply.contains("INVALID_ID") && reply.contains(r#""path":["a"]"#), "{reply}");
    assert!(reply.contains(r#""data":{"a":null,"serverInfo":{"name""#), "{reply}");
    let reply = text(&app, "{ orders(after: \"x\") { position } }", json!({})).await;
    assert!(reply.contains(r#""data":null"#), "a list is never null: {reply}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_left_out_takes_the_default_of_its_place() {
    let app = TestApp::start().await;
    let list = "query($first: Int, $after: String) {
        users(first: $first, after: $after) { pageInfo { hasNextPage } } }";
    let reply = text(&app, list, json!({})).await;
    assert!(reply.ends_with(r#""data":{"users":{"pageInfo":{"hasNextPage":false}}}}"#), "{reply}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_does_not_run_and_what_stands_twice_runs_once() {
    let app = TestApp::start().await;
    let register = "registerUser(input: { email: \"EMAIL@example.com\", displayName: \"x\" })";
    let skipped = format!(
        "mutation($s: Boolean! = true) {{ {register} @skip(if: $s) {{ version }}
         noOp {{ idempotencyKey }} }}"
    );
    let reply = text(&app, &skipped.replace("EMAIL", "skipped"), json!({})).await;
    assert_eq!(reply, r#"{"data":{"noOp":{"idempotencyKey":null}}}"#);
    let asked = "{ userByEmail(email: \"skipped@example.com\") { id } }";
    assert_eq!(text(&app, asked, json!({})).await, r#"{"data":{"userByEmail":null}}"#);
    let twice =
        format!("mutation {{ {register} {{ version }} {register} {{ userErrors {{ code }} }} }}");
    let reply = text(&app, &twice.replace("EMAIL", "twice"), json!({})).await;
    assert_eq!(reply, r#"{"data":{"registerUser":{"version":1,"userErrors":[]}}}"#);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_in_the_schema_is_no_matter_of_rights_and_is_not_repeated_at_length() {
    let app = TestApp::start().await;
    let query = format!("{{ {} }}", "x".repeat(50_000));
    let request = app.post().header("accept", STRICT).json(&json!({"query": query}));
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body = response.text().await.expect("a body");
    assert!(body.contains("GRAPHQL_VALIDATION_FAILED") && body.len() < 500, "{body}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_introspection_is_as_large_as_tools_need_and_no_larger() {
    let app = TestApp::start().await;
    let tool = "{ __schema { queryType { name } types { kind name description
        fields(includeDeprecated: true) { name args { name defaultValue type { ...T } } type { ...T } }
        inputFields { name type { ...T } } interfaces { name } enumValues { name } possibleTypes { name } }
        directives { name locations args { name type { ...T } } } } }
        fragment T on __Type { kind name isOneOf ofType { kind name ofType { kind name ofType { kind name } } } }";
    let reply = text(&app, tool, json!({})).await;
    assert!(reply.starts_with(r#"{"data":{"__schema":{"queryType":{"name":"Query"}"#), "{reply}");
    let deep = |levels: usize| {
        let pair = "{ possibleTypes { interfaces ".repeat(levels);
        format!("{{ __type(name: \"UserError\") {pair} {{ name }} {} }}", "} }".repeat(levels))
    };
    for levels in [2, 6] {
        let reply = text(&app, &deep(levels), json!({})).await;
        assert!(reply.contains("DOCUMENT_TOO_DEEP") && reply.len() < 500, "{reply}");
    }
    let types = |number: usize| {
        format!(
            "a{number}: types {{ fields {{ name description type {{ name kind
             ofType {{ name kind ofType {{ name }} }} }} args {{ name type {{ name }} }} }} }} "
        )
    };
    let wide: String = (0..20).map(types).collect();
    let wide = format!("{{ __schema {{ {wide} }} }}");
    let reply = text(&app, &wide, json!({})).await;
    let start = reply.get(..500).unwrap_or(&reply);
    assert!(reply.contains("DOCUMENT_TOO_COMPLEX"), "{start}");
    app.stop().await;
}
