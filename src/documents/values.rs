//! Literals of a document as values of the library that runs operations, and as constants.

use apollo_compiler::ast::Value as Literal;
use async_graphql::{Name, Number, Value};
use async_graphql_value::Value as Input;

/// A literal in which variables stand; one that is absent leaves out the field it is the value of
/// (June 2018 and later, "Input Objects", rule 3).
pub(crate) fn input(literal: &Literal, is_absent: &dyn Fn(&str) -> bool) -> Input {
    match literal {
        Literal::Null => Input::Null,
        Literal::Enum(name) => Input::Enum(Name::new(name)),
        Literal::Variable(name) if is_absent(name) => Input::Null,
        Literal::Variable(name) => Input::Variable(Name::new(name)),
        Literal::String(text) => Input::String(text.clone()),
        Literal::Float(number) => self::number(number.as_str()).map_or(Input::Null, Input::Number),
        Literal::Int(number) => self::number(number.as_str()).map_or(Input::Null, Input::Number),
        Literal::Boolean(is) => Input::Boolean(*is),
        Literal::List(items) => {
            Input::List(items.iter().map(|item| input(item, is_absent)).collect())
        }
        Literal::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !is_absent_variable(value, is_absent));
            Input::Object(given.map(|(n, value)| (Name::new(n), input(value, is_absent))).collect())
        }
    }
}

pub(crate) fn is_absent_variable(literal: &Literal, is_absent: &dyn Fn(&str) -> bool) -> bool {
    matches!(literal, Literal::Variable(name) if is_absent(name))
}

/// A literal without variables.
pub(crate) fn constant(literal: &Literal) -> Option<Value> {
    input(literal, &|_| false).into_const()
}

/// Whole numbers beyond 64 bits become what is nearest, and no type takes them.
fn number(text: &str) -> Option<Number> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}
