//! What the specification says of requests and results, case by case.

use serde_json::{Value, json};

use super::limits::code_of;
use super::mirror::answer;

/// The data as text, for the order of keys counts.
fn data(query: &str, variables: Value) -> String {
    let response = answer(query, None, variables);
    serde_json::to_string(&response.data).expect("JSON")
}

/// The paths of the errors.
fn paths(query: &str) -> Vec<String> {
    let response = answer(query, None, json!({}));
    let paths = response.errors.iter();
    paths.map(|error| serde_json::to_string(&error.path).expect("JSON")).collect()
}

fn refusal(query: &str, variables: Value) -> String {
    let response = answer(query, None, variables);
    assert_eq!(response.data, async_graphql::Value::Null, "{query}");
    let [error] = response.errors.as_slice() else { panic!("one error: {:?}", response.errors) };
    assert!(error.path.is_empty(), "nothing ran");
    assert!(error.message.chars().count() <= 201, "{}", error.message);
    code_of(error)
}

#[test]
fn what_failed_is_null_and_carries_null_up() {
    assert_eq!(data("{item(n: 1) {soft ok}}", json!({})), r#"{"item":{"soft":null,"ok":1}}"#);
    assert_eq!(paths("{item(n: 1) {soft ok}}"), [r#"["item","soft"]"#]);
    assert_eq!(data("{maybe(n: 1) {bad ok}}", json!({})), r#"{"maybe":null}"#);
    assert_eq!(data("{item(n: 1) {bad ok}}", json!({})), "null");
    assert_eq!(
        data("{maybe(n: 1) {bad} item {ok}}", json!({})),
        r#"{"maybe":null,"item":{"ok":1}}"#
    );
    let lists = "{node(n: 2) {... on Item {owner {loose {ok bad}}}}}";
    assert_eq!(
        data(lists, json!({})),
        r#"{"node":{"owner":{"loose":[{"ok":4,"bad":"b"},null,null]}}}"#,
        "an item of a list that may be null"
    );
    assert_eq!(paths(lists), [r#"["node","owner","loose",2,"bad"]"#]);
}

#[test]
fn what_an_interface_fails_in_has_its_place() {
    let alike = "{node(n: 5) {id bad} maybe {ok}}";
    assert_eq!(data(alike, json!({})), r#"{"node":null,"maybe":{"ok":1}}"#);
    assert_eq!(paths(alike), [r#"["node","bad"]"#]);
    assert_eq!(paths("{nodes {bad}}"), Vec::<String>::new());
    let alone = "{node(n: 5) {bad}}";
    assert_eq!(data(alone, json!({})), r#"{"node":null}"#);
    assert_eq!(paths(alone), [r#"["node","bad"]"#]);
}

#[test]
fn keys_come_in_the_order_of_the_request_and_once() {
    let order = "{item {late ok} echo: item {ok late strictChild {late ok}} item {name}}";
    assert_eq!(
        data(order, json!({})),
        r#"{"item":{"late":1,"ok":1,"name":"name1"},"echo":{"ok":1,"late":1,"strictChild":{"late":4,"ok":4}}}"#
    );
    let twice = "mutation {count {before} count {item {ok}} again: count {before}}";
    assert_eq!(
        data(twice, json!({})),
        r#"{"count":{"before":0,"item":{"ok":0}},"again":{"before":1}}"#,
        "what is asked twice under one key runs once"
    );
}

#[test]
fn what_variables_leave_out_is_left_out() {
    let echo = "query($n: Int, $text: String) {item {echo(n: $n, text: $text)}}";
    for (variables, told) in [
        (json!({}), "n=7;"),
        (json!({"text": null}), "n=7;text=null;"),
        (json!({"n": 1, "text": "t"}), "n=1;text=t;"),
        (json!({"n": 2.0}), "n=2;"),
    ] {
        assert_eq!(data(echo, variables), format!(r#"{{"item":{{"echo":"{told}"}}}}"#));
    }
    let condition =
        "mutation($s: Boolean! = true) {count {before} skipped: count @skip(if: $s) {before}}";
    assert_eq!(data(condition, json!({})), r#"{"count":{"before":0}}"#);
    assert_eq!(
        data(condition, json!({"s": false})),
        r#"{"count":{"before":0},"skipped":{"before":1}}"#
    );
    let nullable = condition.replace("Boolean!", "Boolean");
    assert_eq!(data(&nullable, json!({})), r#"{"count":{"before":0}}"#);
    assert_eq!(refusal(&nullable, json!({"s": null})), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(data("{item {ok @skip(if: true)}}", json!({})), r#"{"item":{}}"#, "not null");
    assert_eq!(data("{item @include(if: false) {ok}}", json!({})), "{}");
}

#[test]
fn texts_may_be_escaped_in_every_way() {
    let text = r#"{item {echo(text: "\uD83D\uDE00 \u{1F600} \u00e4 \n")}}"#;
    assert_eq!(data(text, json!({})), r#"{"item":{"echo":"n=7;text=😀 😀 ä \n;"}}"#);
    assert_eq!(refusal(r#"{item {echo(text: "\uD83D")}}"#, json!({})), "GRAPHQL_PARSE_FAILED");
}

#[test]
fn what_is_not_valid_is_refused_before_anything_runs() {
    let long = format!("{{{}}}", "x".repeat(10_000));
    for query in [
        "{nothing}",
        long.as_str(),
        "{item {ok {deeper}}}",
        "{item}",
        "{echo(filter: {a: 1, a: 2})}",
        "{echo(one: {a: 1, b: \"x\"})}",
        "{echo(one: {a: null})}",
        "query($n: String) {item(n: $n) {ok}}",
        "query($n: Int) {must(n: $n, filter: {a: 1})}",
        "query($n: Int) {must(n: 1, filter: {a: $n})}",
        "query($n: Int) {item {ok}}",
        "{item(n: $n) {ok}}",
        "{item(n: 2147483648) {ok}}",
        "{echo(kind: BLUE)}",
        "{echo(kind: \"RED\")}",
        "{item {x: ok x: late}}",
        "{item {... on Count {before}}}",
        "subscription {item {ok}}",
        "fragment F on Item {ok} {item {ok}}",
        "{item {ok @unknown}}",
    ] {
        assert_eq!(refusal(query, json!({})), "GRAPHQL_VALIDATION_FAILED", "{query}");
    }
    let filter = "query($f: Filter!) {must(n: 1, filter: $f)}";
    for bad in [
        json!({}),
        json!({"f": null}),
        json!({"f": 1}),
        json!({"f": {}}),
        json!({"f": {"a": "1"}}),
        json!({"f": {"a": 1.5}}),
        json!({"f": {"a": 1, "more": 1}}),
        json!({"f": {"a": 1, "kind": "BLUE"}}),
        json!({"f": {"a": 1, "inner": {"a": 3_000_000_000_i64}}}),
    ] {
        assert_eq!(refusal(filter, bad.clone()), "GRAPHQL_VALIDATION_FAILED", "{bad}");
    }
    let one = json!({"f": {"a": 1, "list": 5, "kind": "GREEN"}});
    assert_eq!(data(filter, one), r#"{"must":"n=1;filter={a=1;b=x;kind=GREEN;list=[5];}"}"#);
}

#[test]
fn an_interface_that_has_no_interfaces_has_an_empty_list_of_them() {
    let of = |name: &str| {
        let query = format!(
            "{{ __type(name: \"{name}\") {{ _kind: name all: interfaces {{ name }} ... on __Type \
             {{ interfaces {{ kind }} }} }} }}"
        );
        data(&query, json!({}))
    };
    let told = |name: &str, list: &str| {
        format!(r#"{{"__type":{{"_kind":"{name}","all":{list},"interfaces":{list}}}}}"#)
    };
    assert_eq!(of("Node"), told("Node", "[]"));
    assert_eq!(of("String"), told("String", "null"));
}

#[test]
fn an_object_is_known_by_its_own_type() {
    let either = "{nodes {__typename id _type: id ... on Item {ok} ... on Owner {bad}}}";
    assert_eq!(
        data(either, json!({})),
        r#"{"nodes":[{"__typename":"Item","id":"item3","_type":"item3","ok":3},{"__typename":"Owner","id":"owner4","_type":"owner4","bad":"b"},{"__typename":"Item","id":"item6","_type":"item6","ok":6}]}"#
    );
    assert_eq!(
        data("{any {... on Node {id} ... on Owner {name}}}", json!({})),
        r#"{"any":[{"id":"owner2","name":"owner2"},{"id":"item5"}]}"#
    );
}
