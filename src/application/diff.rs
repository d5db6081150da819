//! What differs between two states of an aggregate, as data.

use serde_json::Value;

/// The most differences that are told.
pub const CHANGES_MAX: usize = 500;

/// One place in which two states differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where, as a JSON pointer (RFC 6901): `/lines/0/quantity`.
    pub path: String,
    /// Nothing where it was not there.
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// The places in which two states differ, in order, at most [`CHANGES_MAX`] and one more. Objects and
/// lists are gone into as far as both sides have them.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut all = Vec::new();
    compare(&mut String::new(), Some(before), Some(after), &mut all);
    all
}

fn compare(
    path: &mut String,
    before: Option<&Value>,
    after: Option<&Value>,
    all: &mut Vec<Change>,
) {
    if before == after || all.len() > CHANGES_MAX {
        return;
    }
    let below = path.len();
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let gone = before.keys().filter(|name| !after.contains_key(*name));
            let mut names: Vec<&String> = after.keys().chain(gone).collect();
            names.sort();
            for name in names {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                compare(path, before.get(name), after.get(name), all);
                path.truncate(below);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for place in 0..before.len().max(after.len()) {
                path.push('/');
                path.push_str(&place.to_string());
                compare(path, before.get(place), after.get(place), all);
                path.truncate(below);
            }
        }
        (before, after) => {
            all.push(Change { path: path.clone(), before: before.cloned(), after: after.cloned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Puts the changes into the state before.
    fn applied(mut state: Value, changes: &[Change]) -> Value {
        // What a list loses at its end goes from the last to the first.
        for change in changes.iter().rev().filter(|change| change.after.is_none()) {
            let (parent, name) = change.path.rsplit_once('/').expect("the whole is never gone");
            let name = name.replace("~1", "/").replace("~0", "~");
            match state.pointer_mut(parent).expect("its parent is there") {
                Value::Object(fields) => drop(fields.remove(&name)),
                Value::Array(values) => drop(values.remove(name.parse().expect("a place"))),
                _ => panic!("{parent} has no parts"),
            }
        }
        for Change { path, after, .. } in changes {
            let Some(after) = after else { continue };
            let Some((parent, name)) = path.rsplit_once('/') else {
                state = after.clone();
                continue;
            };
            let name = name.replace("~1", "/").replace("~0", "~");
            match state.pointer_mut(parent).expect("its parent is there") {
                Value::Object(fields) => drop(fields.insert(name, after.clone())),
                Value::Array(values) => {
                    let place: usize = name.parse().expect("a place");
                    values.truncate(values.len().max(place));
                    if place < values.len() {
                        values[place] = after.clone();
                    } else {
                        values.push(after.clone());
                    }
                }
                _ => panic!("{parent} has no parts"),
            }
        }
        state
    }

    #[test]
    fn what_is_told_leads_from_one_state_to_the_other() {
        let states = [
            json!({}),
            json!({"a": 1, "b": [1, 2, 3], "c": {"d": null, "e/f": "x", "g~h": [{"i": 1}]}}),
            json!({"a": 2, "b": [1, 3], "c": {"d": 0, "e/f": "y", "g~h": [{"i": 2}, {"j": 1}]}}),
            json!({"a": {"b": 1}, "b": {}, "c": []}),
            json!([1, {"a": [[]]}]),
            json!(null),
        ];
        for before in &states {
            for after in &states {
                let changes = changes(before, after);
                assert_eq!(changes.is_empty(), before == after);
                assert_eq!(&applied(before.clone(), &changes), after, "{changes:?}");
            }
        }
    }

    #[test]
    fn it_says_where_and_ends_somewhere() {
        let told =
            changes(&json!({"lines": [{"n": 1}]}), &json!({"lines": [{"n": 2}], "x/y": true}));
        let paths: Vec<_> = told.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["/lines/0/n", "/x~1y"]);
        let many: Vec<usize> = (0..10 * CHANGES_MAX).collect();
        assert_eq!(changes(&json!([]), &json!(many)).len(), CHANGES_MAX + 1);
    }
}
