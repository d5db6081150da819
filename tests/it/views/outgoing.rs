//! What is told outside: docs/events.md has each type with its schema and an example, and every example, made of the
//! golden events of the rules, keeps its schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use emporium::domain::access::user::User;
use emporium::domain::aggregate::Aggregate;
use emporium::domain::commerce::order::Order;
use emporium::domain::id::AggregateId;
use emporium::domain::products::product::Product;
use emporium::projections::outgoing::{CATALOGUE, tells, told};
use emporium::projections::{Fact, Place};
use serde_json::Value;

const DOCUMENT: &str = "docs/events.md";
const RULE: &str = "<!-- written from the catalogue -->\n";

fn golden<A: Aggregate>() -> Vec<A::Event> {
    let path = format!("tests/golden/events/{}.json", A::TYPE);
    let text = std::fs::read_to_string(&path).expect("a golden file");
    let all: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    // Those of older schemas are lifted where they are read, and told as those of today are.
    all.into_iter().filter_map(|event| serde_json::from_value(event).ok()).collect()
}

/// An example of each type, by its name.
fn examples() -> BTreeMap<&'static str, Value> {
    let id = AggregateId(uuid::Uuid::from_u128(0x1cbb_8471_c930_8224_8227_233b_70ae_530b));
    let facts = golden::<Order>().into_iter().map(Fact::Order);
    let facts = facts.chain(golden::<Product>().into_iter().map(Fact::Product));
    let facts = facts.chain(golden::<User>().into_iter().map(Fact::User));
    let mut examples = BTreeMap::new();
    for (version, fact) in (1..).zip(facts) {
        let place = Place { aggregate_id: id, version, recorded_us: 1_772_366_400_000_000 };
        if let Some(event) = told("0123456789abcdef", place, &fact) {
            let body: Value = serde_json::from_str(&event.body).expect("JSON");
            assert_eq!(body["id"], event.id.as_str());
            examples.entry(event.kind.name).or_insert(body);
        }
    }
    examples
}

/// What of a value is not as its schema has it: of the words that the catalogue uses.
fn faults(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let is_of = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some(other) => panic!("{other}: nobody reads this here"),
        None => schema["enum"].as_array().is_some_and(|all| all.contains(value)),
    };
    if !is_of {
        wrong.push(format!("{at}: {value} is not as {schema}"));
    }
    let names = |of: &Value| -> Vec<String> {
        of.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
    };
    if schema["type"] == "object" && names(&schema["properties"]) != names(value) {
        wrong.push(format!("{at}: {:?}, and {:?}", names(&schema["properties"]), names(value)));
    }
    for name in names(&schema["properties"]) {
        faults(&schema["properties"][&name], &value[&name], &format!("{at}.{name}"), wrong);
    }
    if let Some(prefix) =
        schema["pattern"].as_str().and_then(|text| text.strip_suffix("[0-9a-f-]{36}$"))
    {
        let prefix = prefix.trim_start_matches('^');
        let rest = value.as_str().and_then(|text| text.strip_prefix(prefix));
        if rest.is_none_or(|id| uuid::Uuid::parse_str(id).is_err()) {
            wrong.push(format!("{at}: {value} is no id that begins with {prefix}"));
        }
    }
}

fn written(examples: &BTreeMap<&str, Value>) -> String {
    let mut text = String::new();
    for kind in CATALOGUE {
        let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON prints");
        let (name, says) = (kind.name, kind.says);
        let _ = write!(
            text,
            "\n## {name}\n\n{says}\n\n```json\n{}\n```\n\nIts `data`:\n\n```json\n{}\n```\n",
            pretty(&examples[name]),
            pretty(&kind.schema()),
        );
    }
    text
}

#[test]
fn every_type_has_an_example_that_keeps_its_schema_and_stands_in_the_document() {
    let examples = examples();
    let mut wrong = Vec::new();
    for kind in CATALOGUE {
        match examples.get(kind.name) {
            Some(example) => faults(&kind.schema(), &example["data"], kind.name, &mut wrong),
            None => wrong.push(format!("{}: no golden event becomes it", kind.name)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let names: Vec<_> = CATALOGUE.iter().map(|kind| kind.name).collect();
    assert!(names.is_sorted() && examples.len() == names.len(), "each once, in order");
    let document = std::fs::read_to_string(DOCUMENT).expect("a document of the project");
    let (words, rest) = document.split_once(RULE).expect("the rule between words and types");
    let written = written(&examples);
    if std::env::var_os("EMPORIUM_BLESS").is_some() {
        std::fs::write(DOCUMENT, format!("{words}{RULE}{written}")).expect("it can be written");
        return;
    }
    assert_eq!(rest, written, "EMPORIUM_BLESS=1 cargo test --test it outgoing writes it anew");
}

#[test]
fn whatever_is_told_is_of_a_kind_that_is_read_for_it() {
    for kind in [Order::TYPE, Product::TYPE, User::TYPE] {
        assert!(tells(kind), "{kind}");
    }
    assert!(!tells("stock_item"));
}
