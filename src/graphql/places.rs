//! Where an input stands. A type refuses a value without knowing that; a client wants to hear which
//! of its inputs it was. So a refusal takes the value along, and here it is looked for in what was sent.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{InputType, InputValueError, ServerError, Value as Constant, Variables};
use async_graphql_value::Value;

use super::errors::INVALID_ID;
use super::ids::other_name;

/// What a refusal takes along, for this file alone.
const GIVEN: &str = "given";
const EXPECTED: &str = "expected";
const KIND: &str = "kind";

/// The refusal of an id that is none of the kind with this prefix.
pub fn refuse_id<T: InputType>(
    prefix: &str,
    given: Option<&Constant>,
    expected: &str,
) -> InputValueError<T> {
    refuse(INVALID_ID, given, expected).with_extension(KIND, prefix)
}

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
        let prefix = match extensions.get(KIND) {
            Some(Constant::String(prefix)) => Some(prefix.clone()),
            _ => None,
        };
        for mine in [GIVEN, EXPECTED, KIND] {
            extensions.unset(mine);
        }
        // The same text may be an id of the right kind elsewhere: inputs of this kind come first.
        let names = match &prefix {
            Some(prefix) => vec![Names::OfKind(words_of(prefix)), Names::OfIds],
            None => vec![Names::All],
        };
        let place = names.into_iter().find_map(|names| {
            let search = Search { given: given.clone(), names, variables };
            let mut operations = document.operations.iter();
            operations
                .find_map(|(_, operation)| search.selections(&operation.node.selection_set.node))
        });
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

/// Which inputs a value may be one of, by their names.
enum Names {
    All,
    OfIds,
    /// In lower case, how inputs end that take ids of a kind.
    OfKind(Vec<String>),
}

impl Names {
    fn have(&self, field: &str) -> bool {
        match self {
            Self::All => true,
            Self::OfIds => field == "id" || field.ends_with("Id"),
            Self::OfKind(words) => {
                let field = field.to_lowercase();
                words.iter().any(|word| field.ends_with(word))
            }
        }
    }
}

/// `pricelistid` for `price_list_`: a user goes by two names.
fn words_of(prefix: &str) -> Vec<String> {
    let word = |prefix: &str| format!("{}id", prefix.replace('_', ""));
    std::iter::once(prefix).chain(other_name(prefix)).map(word).collect()
}

/// The name by which a value is known: that of a filter stands around it.
fn known_as<'a>(of: &'a str, field: &'a str) -> &'a str {
    if matches!(field, "eq" | "in") { of } else { field }
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
    names: Names,
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
                let mut fields = fields.iter();
                fields.find_map(|(name, value)| {
                    Some(outer(name, self.value(known_as(of, name), value)?))
                })
            }
            other => self.constant(of, &other.clone().into_const()?),
        }
    }

    fn constant(&self, of: &str, value: &Constant) -> Option<Vec<String>> {
        if *value == self.given && self.names.have(of) {
            return Some(Vec::new());
        }
        match value {
            Constant::List(items) => {
                let mut items = items.iter().enumerate();
                items.find_map(|(index, item)| Some(outer(index, self.constant(of, item)?)))
            }
            Constant::Object(fields) => {
                let mut fields = fields.iter();
                fields.find_map(|(name, value)| {
                    Some(outer(name, self.constant(known_as(of, name), value)?))
                })
            }
            _ => None,
        }
    }
}

fn outer(part: impl ToString, mut inner: Vec<String>) -> Vec<String> {
    inner.insert(0, part.to_string());
    inner
}
