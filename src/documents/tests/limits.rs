//! Each limit of a document, at its edge.

use async_graphql::{ServerError, Variables};

use super::mirror::API;
use crate::errors::{PARSE_FAILED, VALIDATION_FAILED};
use crate::{DocumentLimits, Documents, Prepared};

pub fn code_of(error: &ServerError) -> String {
    match error.extensions.as_ref().and_then(|all| all.get("code")) {
        Some(async_graphql::Value::String(code)) => code.clone(),
        other => panic!("no code: {other:?}"),
    }
}

fn code(text: &str) -> String {
    let refused = Prepared::read(text, &API, &DocumentLimits::default());
    let error = refused.err().unwrap_or_else(|| panic!("accepted: {text}"));
    code_of(&error)
}

#[test]
fn each_limit_has_its_code() {
    let repeat = |part: &dyn Fn(usize) -> String, times| (0..times).map(part).collect::<String>();
    let aliases = format!("{{r{{{}}}}}", repeat(&|number| format!("a{number}: b "), 31));
    assert_eq!(code(&aliases), "ALIASES_TOO_MANY");
    let deep = format!("{}{}", "{a".repeat(16), "}".repeat(16));
    assert_eq!(code(&deep), "DOCUMENT_TOO_DEEP");
    assert_eq!(code(&"{a".repeat(100_000)), "DOCUMENT_TOO_DEEP");
    assert_eq!(code(&format!("{{a(b:{}", "[".repeat(100_000))), "DOCUMENT_TOO_DEEP");
    assert_eq!(code(&"a ".repeat(5_001)), "TOKENS_TOO_MANY");
    assert_eq!(code(&format!("{{{}}}", "a ".repeat(21))), "ROOT_FIELDS_TOO_MANY");
    assert_eq!(code(&format!("{{a{}}}", " @b".repeat(31))), "DIRECTIVES_TOO_MANY");
    assert_eq!(code("{a(first: 101)}"), "PAGE_TOO_LARGE");
    assert_eq!(code("{a(first: 99999999999999999999)}"), "PAGE_TOO_LARGE");
    assert_eq!(code("query($n: Int = 101) {a(first: $n)}"), "PAGE_TOO_LARGE");
    assert_eq!(code("{...F} fragment F on Q {a ...G} fragment G on Q {b ...F}"), VALIDATION_FAILED);
    assert_eq!(code("{a"), PARSE_FAILED);
}

#[test]
fn fragments_that_double_each_other_are_bounded() {
    let mut bomb = "{r {...F0}}".to_owned();
    for number in 0..40 {
        let next = number + 1;
        bomb.push_str(&format!(" fragment F{number} on Q {{...F{next} ...F{next}}}"));
    }
    bomb.push_str(" fragment F40 on Q {a}");
    assert_eq!(code(&bomb), "FIELDS_TOO_MANY");
}

#[test]
fn lists_of_introspection_do_not_multiply_each_other() {
    let amplifier = "{__type(name: \"UserError\") {possibleTypes {...F}}}
        fragment F on __Type {interfaces {possibleTypes {interfaces {name}}}}";
    assert_eq!(code(amplifier), "DOCUMENT_TOO_DEEP");
    let tool = "{__schema {types {fields {type {name} args {type {interfaces {name}}}}
        possibleTypes {name}} directives {args {name}}}}";
    assert!(Prepared::read(tool, &API, &DocumentLimits::default()).is_ok());
}

#[test]
fn an_introspection_is_counted_before_it_runs() {
    let read = |text: &str, introspection_nodes_max| {
        let limits = DocumentLimits { introspection_nodes_max, ..DocumentLimits::default() };
        Prepared::read(text, &API, &limits).map(|_| ()).map_err(|error| code_of(&error))
    };
    let too_complex = || Err("DOCUMENT_TOO_COMPLEX".to_owned());
    let names = "{__schema {types {name}}}";
    assert_eq!(read(names, 200), Ok(()));
    assert_eq!(read(names, 20), too_complex());
    let twice = "{a: __schema {types {...F}} __schema {types {...F}}}
        fragment F on __Type {fields {name args {type {name ofType {name}}}}}";
    assert_eq!(read(twice, 5_000), Ok(()));
    assert_eq!(read(twice, 500), too_complex());
    let of_any = "query($n: String!) {__type(name: $n) {possibleTypes {fields {name}}}}";
    assert_eq!(read(of_any, 1_000), Ok(()));
    assert_eq!(read(of_any, 50), too_complex());
}

#[test]
fn variables_do_not_get_around_the_length_of_a_page() {
    let limits = DocumentLimits::default();
    let text = "query($n: Int!) {node(n: 1) {... on Owner {items(first: $n) {id}}}}";
    let prepared = Prepared::read(text, &API, &limits).expect("sound");
    let check = |json| {
        let variables = Variables::from_json(json);
        prepared.operation(None).expect("one").coerce(variables, &API, &limits)
    };
    assert!(check(serde_json::json!({"n": 100})).is_ok());
    assert!(check(serde_json::json!({"n": 101})).is_err());
    assert!(check(serde_json::json!({"n": -1})).is_err());
}

#[test]
fn documents_are_remembered_by_what_they_weigh() {
    let limits = DocumentLimits { remembered_bytes_max: 1 << 20, ..DocumentLimits::default() };
    let documents = Documents::default();
    for number in 0..2_000 {
        let text = format!("{{item {{{}}} a{number}: maybe {{ok}}}}", "name ".repeat(200));
        documents.prepare(&text, &API, &limits).expect("sound");
        assert!(documents.weight() <= limits.remembered_bytes_max, "after {number}");
    }
    let known = "{item {ok}}";
    let first = documents.prepare(known, &API, &limits).expect("sound");
    let second = documents.prepare(known, &API, &limits).expect("sound");
    assert!(std::sync::Arc::ptr_eq(&first, &second), "it is read once");
    let big = format!("{{item {{{}}}}}", "name ".repeat(1_500));
    let (first, second) =
        (documents.prepare(&big, &API, &limits), documents.prepare(&big, &API, &limits));
    let same = std::sync::Arc::ptr_eq(&first.expect("sound"), &second.expect("sound"));
    assert!(!same, "what weighs as much as many others is not remembered");
}
