//! What is hostile in the conditions of lists, by shape: nested, endless, of the wrong kind. Over every list of
//! the schema and each of its conditions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::app::TestApp;

/// Longer than any of this takes, on whatever machine.
const SOON: Duration = Duration::from_secs(10);

const TYPES: &str = "{ __schema { types { name kind
    fields { name args { name type { ...T } } }
    inputFields { name type { ...T } }
    enumValues { name } } } }
    fragment T on __Type { name kind ofType { name kind ofType { name kind ofType { name kind } } } }";

/// The types of the schema, by name.
struct Schema(BTreeMap<String, Value>);

/// A list that takes conditions.
struct List {
    field: String,
    /// The input that its conditions are.
    of: String,
    /// Arguments that it cannot do without.
    rest: &'static str,
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The named type in a type, and whether it is a list.
fn named(of: &Value) -> (&str, bool) {
    match of["kind"].as_str() {
        Some("NON_NULL") => named(&of["ofType"]),
        Some("LIST") => (named(&of["ofType"]).0, true),
        _ => (text(&of["name"]), false),
    }
}

impl Schema {
    async fn of(app: &TestApp) -> Self {
        let mut told = app.data(TYPES, json!({})).await;
        let types = told["__schema"]["types"].as_array_mut().expect("types").drain(..);
        Self(types.map(|of| (text(&of["name"]).to_owned(), of)).collect())
    }

    fn lists(&self) -> Vec<List> {
        let mut lists = Vec::new();
        for field in self.0["Query"]["fields"].as_array().expect("fields") {
            let arguments = field["args"].as_array().expect("arguments");
            let Some(by) = arguments.iter().find(|argument| argument["name"] == "where") else {
                continue;
            };
            let needed = |argument: &&Value| argument["type"]["kind"] == "NON_NULL";
            let field = text(&field["name"]).to_owned();
            // A list that is not a page of rows, and one that takes more than conditions.
            if field == "searchProducts" || arguments.iter().filter(needed).count() > 0 {
                continue;
            }
            lists.push(List { field, of: named(&by["type"]).0.to_owned(), rest: "first: 1" });
        }
        lists
    }

    fn conditions(&self, of: &str) -> Vec<(String, Value)> {
        let fields = self.0[of]["inputFields"].as_array().expect("an input").iter();
        let condition = |field: &Value| (text(&field["name"]).to_owned(), field["type"].clone());
        fields.map(condition).filter(|(name, _)| name != "and" && name != "or").collect()
    }

    /// A value of a type that is well-formed, wherever it stands.
    fn value(&self, of: &Value, within: &str) -> Value {
        let (name, is_list) = named(of);
        let one = match (name, self.0[name]["kind"].as_str()) {
            (_, Some("ENUM")) => self.0[name]["enumValues"][0]["name"].clone(),
            (_, Some("INPUT_OBJECT")) => {
                let fields = self.0[name]["inputFields"].as_array().expect("an input");
                let first = &fields[0];
                json!({text(&first["name"]): self.value(&first["type"], name)})
            }
            ("Boolean", _) => json!(true),
            ("Int" | "Long", _) => json!(1),
            ("ID", _) => json!(id_of(within)),
            ("DateTime" | "Instant", _) => json!("2027-03-01T00:00:00Z"),
            _ => json!("1"),
        };
        if is_list { json!([one]) } else { one }
    }
}

/// An id of the kind that a filter is of: `UserIdFilter` takes `user_…`.
fn id_of(filter: &str) -> String {
    let kind = filter.trim_end_matches("IdFilter").trim_end_matches("Filter");
    format!("{}_00000000-0000-8000-8000-000000000001", kind.to_lowercase())
}

impl List {
    /// The code of the one error and its text, if there is one.
    async fn asked(&self, app: &TestApp, by: &Value) -> Option<(String, String)> {
        self.in_order(app, by, None).await
    }

    /// The same in an order of its own.
    async fn in_order(
        &self,
        app: &TestApp,
        by: &Value,
        order: Option<&str>,
    ) -> Option<(String, String)> {
        let Self { field, of, rest } = self;
        let order = order.map(|order| format!(", orderBy: {{field: {order}}}")).unwrap_or_default();
        let query = format!(
            "query($by: {of}) {{ {field}({rest}{order}, where: $by) {{ pageInfo {{ hasNextPage }} }} }}"
        );
        let began = Instant::now();
        let reply = app.reply(&query, json!({ "by": by })).await;
        assert!(began.elapsed() < SOON, "{field} took {:?}", began.elapsed());
        let error = reply["errors"].get(0)?;
        let code = text(&error["extensions"]["code"]).to_owned();
        Some((code, text(&error["message"]).to_owned()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_that_are_hostile_by_shape_are_refused_at_once_in_every_list() {
    let app = TestApp::start().await;
    app.heads().await;
    let schema = Schema::of(&app).await;
    for list in &schema.lists() {
        let conditions = schema.conditions(&list.of);
        let Some((name, of)) = conditions.first() else { continue };
        let one = json!({ name: schema.value(of, &list.of) });
        let has = |field: &str| {
            let fields = schema.0[&list.of]["inputFields"].as_array().expect("an input");
            fields.iter().any(|of| of["name"] == field)
        };
        let mut hostile: Vec<(Value, &[&str])> = Vec::new();
        if has("and") {
            let deep = (0..50).fold(one.clone(), |inner, _| json!({ "and": [inner] }));
            // However deep, it says what it holds: it is answered as that is.
            hostile.push((deep, &["", "INVALID_FILTER", "VALUE_TOO_DEEP"]));
            // Two to the thirtieth alternatives.
            let either = json!({ "or": [one, { "or": [one, one] }] });
            let product = json!({ "and": vec![either; 30] });
            hostile.push((product, &["", "INVALID_FILTER"]));
            hostile.push((json!({ "or": vec![one.clone(); 5_000] }), &["", "INVALID_FILTER"]));
            hostile.push((json!({ "or": [] }), &["", "INVALID_FILTER"]));
        }
        for (name, of) in &conditions {
            let (filter, _) = named(of);
            for wrong in [json!([[1]]), json!("\u{0}"), json!(-1), json!({ "nothing": 1 })] {
                let is_wrong = &[
                    "",
                    "INVALID_VALUE",
                    "INVALID_ID",
                    "INVALID_FILTER",
                    "GRAPHQL_VALIDATION_FAILED",
                ];
                hostile.push((json!({ name: wrong }), is_wrong));
            }
            let fields = schema.0[filter]["inputFields"].as_array();
            for field in fields.into_iter().flatten().filter(|field| field["name"] == "in") {
                // Many that differ, so that none of them is the same alternative.
                let one = schema.value(&field["type"], filter)[0].clone();
                let other = |number: usize| match &one {
                    Value::String(id) if id.ends_with("000000000001") => {
                        json!(format!("{}{number:012x}", &id[..id.len() - 12]))
                    }
                    Value::String(text) if text == "1" => json!(number.to_string()),
                    one => one.clone(),
                };
                let many: Vec<Value> = (1..=5_000).map(other).collect();
                let is_same = many[0] == many[1];
                let codes: &[&str] = match is_same {
                    true => &["", "INVALID_FILTER", "INVALID_VALUE"],
                    false => &["INVALID_FILTER", "INVALID_VALUE", "INVALID_ID"],
                };
                hostile.push((json!({ name: { "in": many } }), codes));
            }
        }
        for (by, codes) in &hostile {
            let met = list.asked(&app, by).await;
            let code = met.as_ref().map_or("", |(code, _)| code.as_str());
            let shown: String = by.to_string().chars().take(120).collect();
            assert!(codes.contains(&code), "{} by {shown}: {met:?}", list.field);
        }
    }
    app.stop().await;
}

/// What a refusal says of the indexes there are: `these are served: a by c, a and b by c, everything by c`.
fn served(message: &str) -> Vec<(Vec<String>, String)> {
    let (_, served) =
        message.split_once("these are served: ").unwrap_or_else(|| panic!("{message}"));
    let sentence = |sentence: &str| {
        let (fields, order) = sentence.rsplit_once(" by ").unwrap_or_else(|| panic!("{message}"));
        let fields = fields.split(" and ").filter(|field| *field != "everything");
        (fields.map(str::to_owned).collect(), order.to_owned())
    };
    served.split(", ").map(sentence).collect()
}

/// `createdAt` of `CREATED_AT`.
fn in_camels(name: &str) -> String {
    let mut words = name.split('_').map(str::to_lowercase);
    let first = words.next().unwrap_or_default();
    words.fold(first, |all, word| all + &word[..1].to_uppercase() + &word[1..])
}

impl Schema {
    /// What a list may be ordered by; one without a name, where it has one order.
    fn orders(&self, list: &List) -> Vec<Option<String>> {
        let fields = self.0["Query"]["fields"].as_array().expect("fields");
        let field = fields.iter().find(|field| field["name"] == list.field).expect("the list");
        let arguments = field["args"].as_array().expect("arguments");
        let Some(by) = arguments.iter().find(|argument| argument["name"] == "orderBy") else {
            return vec![None];
        };
        let fields = self.0[named(&by["type"]).0]["inputFields"].as_array().expect("an input");
        let field = fields.iter().find(|field| field["name"] == "field").expect("a field");
        let values = self.0[named(&field["type"]).0]["enumValues"].as_array().expect("values");
        values.iter().map(|value| Some(text(&value["name"]).to_owned())).collect()
    }
}

/// Each condition and each two of them, in each order of each list: it is answered, or refused with what would
/// be; and what a refusal names is answered, in the schema's words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_index_serves_is_refused_with_what_would_serve_in_every_list() {
    let app = TestApp::start().await;
    app.heads().await;
    let schema = Schema::of(&app).await;
    let mut refused = 0;
    for list in &schema.lists() {
        let conditions = schema.conditions(&list.of);
        let value = |(name, of): &(String, Value)| (name.clone(), schema.value(of, &list.of));
        let values: Vec<_> = conditions.iter().map(value).collect();
        let names: BTreeSet<&str> = conditions.iter().map(|(name, _)| name.as_str()).collect();
        let mut asked = Vec::new();
        for (place, (name, one)) in values.iter().enumerate() {
            asked.push(json!({ name: one }));
            for (other, two) in &values[place + 1..] {
                asked.push(json!({ name: one, other: two }));
            }
        }
        for order in schema.orders(list) {
            let word = order.as_deref().map(in_camels);
            let mut answered = BTreeSet::new();
            let mut named = BTreeSet::new();
            for by in &asked {
                let fields: BTreeSet<String> =
                    by.as_object().expect("an object").keys().cloned().collect();
                let shown = format!("{} by {by}, {order:?}", list.field);
                match list.in_order(&app, by, order.as_deref()).await {
                    None => drop(answered.insert(fields)),
                    Some((code, message)) if message.contains("these are served") => {
                        assert_eq!(code, "INVALID_FILTER", "{shown}: {message}");
                        refused += 1;
                        for (fields, order) in served(&message) {
                            let either = |field: &String| {
                                field.split(" or ").map(str::to_owned).collect::<Vec<_>>()
                            };
                            let fields: Vec<_> = fields.iter().map(either).collect();
                            let known = |field: &String| names.contains(&**field);
                            let known = fields.iter().flatten().all(known);
                            assert!(known, "{shown} is told other words than it has: {message}");
                            if word.as_ref().is_none_or(|word| *word == order) {
                                named.insert(fields);
                            }
                        }
                    }
                    // A value of this test's making that is none of these.
                    Some((code, message)) => {
                        assert!(
                            ["INVALID_VALUE", "INVALID_ID"].contains(&&*code),
                            "{shown}: {code} {message}"
                        );
                    }
                }
            }
            let is_asked = |fields: &&Vec<Vec<String>>| (1..=2).contains(&fields.len());
            for fields in named.iter().filter(is_asked) {
                // Where two names stand for one column, either is served.
                let of = |at: usize| {
                    let name = |field: &Vec<String>| field[at.min(field.len() - 1)].clone();
                    fields.iter().map(name).collect::<BTreeSet<_>>()
                };
                for fields in [of(0), of(1)] {
                    let is_served = answered.contains(&fields);
                    assert!(is_served, "{} {order:?} is not served {fields:?}", list.field);
                }
            }
        }
    }
    assert!(refused > 100, "{refused} were refused");
    app.stop().await;
}
