//! Generated documents, most of them sound and some with a mistake, and what we and graphql-js make of
//! them: the same verdict, the same data in the same order, errors at the same paths.

use async_graphql::{PathSegment, Response};
use serde_json::Value;

use super::generator::Generator;
use super::graphql_js::{Answer, answers};
use super::mirror::{API, WIDE, answer, mirror};
use crate::Api;

/// The seed of the first document; the others follow. `EMPORIUM_SEED` sets another.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let first = std::env::var("EMPORIUM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let count =
        std::env::var("EMPORIUM_SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(count);
    println!("seeds {first} to {}", first + count);
    first..first + count
}

/// Data as text: the order of keys counts.
fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("JSON")
}

fn path(path: &[PathSegment]) -> Vec<Value> {
    let segments = path.iter().map(|segment| match segment {
        PathSegment::Field(key) => Value::from(key.as_str()),
        PathSegment::Index(index) => Value::from(*index),
    });
    segments.collect()
}

/// Whether a value, or something above it, is null.
fn is_nulled(data: &Value, path: &[Value]) -> bool {
    let mut at = data;
    for segment in path {
        if at.is_null() {
            return true;
        }
        at = match segment {
            Value::String(key) => &at[key],
            index => &at[usize::try_from(index.as_u64().unwrap_or(0)).unwrap_or(0)],
        };
    }
    at.is_null()
}

fn difference(ours: &Response, theirs: &Answer) -> Option<String> {
    let executed = ours.data != async_graphql::Value::Null
        || ours.errors.iter().any(|error| !error.path.is_empty());
    match (&theirs.refused, executed) {
        (Some(_), false) => return None,
        (Some(why), true) => return Some(format!("they refuse ({why}), we run")),
        // They mind a condition that is null where they come to it, we do before anything runs.
        (None, false) if ours.errors[0].message.contains("of @skip or @include") => return None,
        (None, false) => return Some(format!("we refuse ({:?}), they run", ours.errors)),
        (None, true) => {}
    }
    let ordered = theirs.data.as_ref().map_or("null", |data| data.get());
    if text(&ours.data) != ordered {
        return Some(format!("data: ours {}, theirs {ordered}", text(&ours.data)));
    }
    let data: Value = serde_json::from_str(ordered).expect("JSON");
    let our_paths: Vec<_> = ours.errors.iter().map(|error| path(&error.path)).collect();
    // Where several errors null the same value, they may leave some out, and so may we.
    let lacking = theirs.errors.iter().find(|path| !our_paths.contains(path));
    let above = |path: &&Vec<Value>| !our_paths.iter().any(|ours| shares_null(&data, ours, path));
    if let Some(path) = lacking.filter(above) {
        return Some(format!("no error of ours at {path:?}, only at {our_paths:?}"));
    }
    let of_nothing = our_paths.iter().find(|path| !is_nulled(&data, path));
    of_nothing.map(|path| format!("an error of ours at {path:?}, where there is a value"))
}

/// Whether the nearest null above two places is the same one.
fn shares_null(data: &Value, one: &[Value], other: &[Value]) -> bool {
    let nearest = |path: &[Value]| (0..=path.len()).find(|end| is_nulled(data, &path[..*end]));
    match (nearest(one), nearest(other)) {
        (Some(one_end), Some(other_end)) => {
            one_end == other_end && one[..one_end] == other[..other_end]
        }
        _ => false,
    }
}

/// They compare arguments as they would be printed, so that an empty string and an empty block string are
/// two; the specification compares what they mean.
fn is_one_string_in_two_forms(query: &str, why: &str) -> bool {
    let query = query.replace("\\\"\"\"", "");
    let blocks: Vec<&str> = query.split("\"\"\"").collect();
    let has_empty_block = blocks.iter().skip(1).step_by(2).any(|block| block.trim().is_empty());
    let has_empty = blocks.iter().step_by(2).any(|rest| rest.contains("\"\""));
    why.contains("differing arguments") && has_empty_block && has_empty
}

fn report(differences: &[(u64, Value, String)], compared: usize) {
    println!("{compared} documents compared, {} differ", differences.len());
    for (seed, request, difference) in differences.iter().take(8) {
        println!("seed {seed}: {difference}\n{}", request["query"].as_str().unwrap_or_default());
        println!("variables {} operation {}\n", request["variables"], request["operation"]);
    }
    assert!(differences.is_empty(), "{} of {compared} differ", differences.len());
}

#[test]
fn what_is_run_is_answered_as_graphql_js_answers_it() {
    let seeds: Vec<u64> = seeds(3_000).collect();
    let requests: Vec<Value> =
        seeds.iter().map(|seed| Generator::to_run(&API.schema, *seed).request()).collect();
    let Some(theirs) = answers(&mirror().sdl(), "execute", &requests) else { return };
    let ran = theirs.iter().filter(|answer| answer.refused.is_none()).count();
    println!("{ran} of {} run", theirs.len());
    let mut differences = Vec::new();
    for ((seed, request), theirs) in seeds.into_iter().zip(requests).zip(theirs) {
        let query = request["query"].as_str().expect("text");
        let ours = answer(query, request["operation"].as_str(), request["variables"].clone());
        if let Some(difference) = difference(&ours, &theirs) {
            differences.push((seed, request, difference));
        }
    }
    report(&differences, ran.max(1));
}

#[test]
fn what_is_valid_for_the_schema_of_the_shop_is_what_graphql_js_takes() {
    let sdl = include_str!("../../../schema.graphql");
    let api = Api::new(sdl, &[]);
    let seeds: Vec<u64> = seeds(3_000).collect();
    let requests: Vec<Value> =
        seeds.iter().map(|seed| Generator::new(&api.schema, *seed).request()).collect();
    let Some(theirs) = answers(sdl, "validate", &requests) else { return };
    let valid = theirs.iter().filter(|answer| answer.refused.is_none()).count();
    println!("{valid} of {} are valid", theirs.len());
    let compared = theirs.len();
    let mut differences = Vec::new();
    for ((seed, request), theirs) in seeds.into_iter().zip(requests).zip(theirs) {
        let query = request["query"].as_str().expect("text");
        let variables = async_graphql::Variables::from_json(request["variables"].clone());
        let ours = crate::Prepared::read(query, &api, &WIDE).and_then(|prepared| {
            let operation = prepared.operation(request["operation"].as_str())?;
            operation.coerce(variables, &api, &WIDE)?;
            Ok(())
        });
        let difference = match (&ours, &theirs.refused) {
            (Ok(()), None) | (Err(_), Some(_)) => continue,
            (Ok(()), Some(why)) if is_one_string_in_two_forms(query, why) => continue,
            (Ok(()), Some(why)) => format!("they refuse ({why}), we take it"),
            // A subscription has one field at its root here, said once and without conditions.
            (Err(error), None) if error.message.contains("root field") => continue,
            (Err(error), None) => format!("we refuse ({}), they take it", error.message),
        };
        differences.push((seed, request, difference));
    }
    report(&differences, compared);
}
