//! Where an input stands. A type refuses a value without knowing that; a client wants to hear which
//! of its inputs it was. So a refusal takes the value along, and here it is looked for in what was sent.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{InputType, InputValueError, ServerError, Value as Constant, Variables};
use async_graphql_value::Value;

use super::errors::INVALID_ID;

/// What a refusal takes along, for this file alone.
const GIVEN: &str = "given";
const EXPECTED: &str = "expected";

/// The refusal of a value by its type.
pub fn refuse<T: InputType>(
    code: &str,
    given: Option<&Constant>,
    expected: &str,
) -> InputValueError<T> {
    InputValueError::custom(expected)
        .with_extension("code", code)
        .with_extension(EXPECTED, expected)
        .with_extension(GIVEN, given.cloned().unwrap_or_default())
}

/// Gives each refusal of [`refuse`] its place: in the message, and part by part in `extensions.input`.
pub fn name(errors: &mut [ServerError], document: &ExecutableDocument, variables: &Variables) {
    for error in errors {
        let Some(extensions) = &mut error.extensions else { continue };
        let (Some(given), Some(Constant::String(expected))) =
            (extensions.get(GIVEN).cloned(), extensions.get(EXPECTED).cloned())
        else {
            continue;
        };
        extensions.unset(GIVEN);
        extensions.unset(EXPECTED);
        let is_id =
            matches!(extensions.get("code"), Some(Constant::String(code)) if code == INVALID_ID);
        let search = Search { given, is_id, variables };
        let mut selections = document.operations.iter();
        let place = selections
            .find_map(|(_, operation)| search.selections(&operation.node.selection_set.node));
        error.message = match &place {
            Some(place) => format!("{}: {expected}", written(place)),
            None => expected,
        };
        if let Some(place) = place {
            let parts = place.into_iter().map(Constant::String);
            extensions.set("input", Constant::List(parts.collect()));
        }
    }
}

fn is_named_id(field: &str) -> bool {
    field == "id" || field.ends_with("Id")
}

/// `input.lines[2].quantity`.
fn written(place: &[String]) -> String {
    let mut text = String::new();
    for part in place {
        match part.parse::<usize>() {
            Ok(index) => text.push_str(&format!("[{index}]")),
            Err(_) if text.is_empty() => text.push_str(part),
            Err(_) => text.push_str(&format!(".{part}")),
        }
    }
    text
}

/// The first place of a value; the parts of a place from the outermost on.
struct Search<'a> {
    given: Constant,
    /// Of an id: another input may have the same text.
    is_id: bool,
    variables: &'a Variables,
}

impl Search<'_> {
    fn selections(&self, set: &SelectionSet) -> Option<Vec<String>> {
        set.items.iter().find_map(|selection| match &selection.node {
            Selection::Field(field) => {
                let mut arguments = field.node.arguments.iter();
                let found = arguments.find_map(|(name, value)| {
                    self.value(&name.node, &value.node).map(|inner| outer(&name.node, inner))
                });
                found.or_else(|| self.selections(&field.node.selection_set.node))
            }
            Selection::InlineFragment(fragment) => {
                self.selections(&fragment.node.selection_set.node)
            }
            Selection::FragmentSpread(_) => None,
        })
    }

    /// The parts that lead on from a value of a field.
    fn value(&self, of: &str, value: &Value) -> Option<Vec<String>> {
        match value {
            Value::Variable(name) => self.constant(of, self.variables.get(name)?),
            Value::List(items) => {
                let mut items = items.iter().enumerate();
                items.find_map(|(index, item)| Some(outer(index, self.value(of, item)?)))
            }
            Value::Object(fields) => {
                fields.iter().find_map(|(name, value)| Some(outer(name, self.value(name, value)?)))
            }
            other => self.constant(of, &other.clone().into_const()?),
        }
    }

    fn constant(&self, of: &str, value: &Constant) -> Option<Vec<String>> {
        if *value == self.given && (!self.is_id || is_named_id(of)) {
            return Some(Vec::new());
        }
        match value {
            Constant::List(items) => {
                let mut items = items.iter().enumerate();
                items.find_map(|(index, item)| Some(outer(index, self.constant(of, item)?)))
            }
            Constant::Object(fields) => fields
                .iter()
                .find_map(|(name, value)| Some(outer(name, self.constant(name, value)?))),
            _ => None,
        }
    }
}

fn outer(part: impl ToString, mut inner: Vec<String>) -> Vec<String> {
    inner.insert(0, part.to_string());
    inner
}
