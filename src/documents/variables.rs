//! Variables of a request, coerced to the types that the operation gives them ("Coercing Variable
//! Values", "Input Coercion"). What cannot be is refused before anything runs.

use std::fmt::Write as _;

use apollo_compiler::ast::{Type, VariableDefinition};
use apollo_compiler::schema::{ExtendedType, InputObjectType};
use async_graphql::{Name, ServerError, Value, Variables};

use crate::api::{Api, Unfit};
use crate::errors::{INVALID_VALUE, VALIDATION_FAILED, refused};
use crate::values::constant;

/// A variable of an operation.
#[derive(Debug)]
pub(crate) struct Variable {
    pub name: Name,
    pub ty: Type,
    pub default: Option<Value>,
}

impl Variable {
    pub fn of(definition: &VariableDefinition, api: &Api) -> Result<Self, ServerError> {
        let name = Name::new(&definition.name);
        let ty = (*definition.ty).clone();
        let default = definition.default_value.as_ref().and_then(|literal| constant(literal));
        let default = default.map(|value| coerce(api, &name, &ty, value)).transpose()?;
        Ok(Self { name, ty, default })
    }

    /// Whether a request may leave it out without its having a value then.
    pub fn may_be_absent(&self) -> bool {
        self.default.is_none() && !self.ty.is_non_null()
    }
}

/// The values of all variables that have one.
pub(crate) fn coerce_all(
    api: &Api,
    variables: &[Variable],
    mut given: Variables,
) -> Result<Variables, ServerError> {
    let mut coerced = Variables::default();
    for variable in variables {
        let value = match (given.remove(&variable.name), &variable.default) {
            (Some(value), _) => coerce(api, &variable.name, &variable.ty, value)?,
            (None, Some(default)) => default.clone(),
            (None, None) if variable.ty.is_non_null() => {
                let message = format!("${} of the type {} is missing", variable.name, variable.ty);
                return Err(refused(VALIDATION_FAILED, message));
            }
            (None, None) => continue,
        };
        coerced.insert(variable.name.clone(), value);
    }
    Ok(coerced)
}

fn coerce(api: &Api, name: &Name, ty: &Type, value: Value) -> Result<Value, ServerError> {
    let coercion = Coercion { api, at: At::Variable(name) };
    coercion.value(ty, value)
}

/// Where a value stands within a variable.
enum At<'a> {
    Variable(&'a str),
    Field(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    fn write(&self, text: &mut String) {
        match self {
            At::Variable(name) => _ = write!(text, "${name}"),
            At::Field(outer, name) => {
                outer.write(text);
                _ = write!(text, ".{name}");
            }
            At::Item(outer, index) => {
                outer.write(text);
                _ = write!(text, "[{index}]");
            }
        }
    }
}

struct Coercion<'a> {
    api: &'a Api,
    at: At<'a>,
}

impl Coercion<'_> {
    fn refuse(&self, code: &str, why: &str) -> ServerError {
        let mut message = String::new();
        self.at.write(&mut message);
        _ = write!(message, ": {why}");
        refused(code, message)
    }

    fn expected(&self, ty: &Type) -> ServerError {
        self.refuse(VALIDATION_FAILED, &format!("a value of the type {ty} was expected"))
    }

    fn value(&self, ty: &Type, value: Value) -> Result<Value, ServerError> {
        if value == Value::Null {
            return if ty.is_non_null() { Err(self.expected(ty)) } else { Ok(value) };
        }
        match (ty, value) {
            (Type::List(item) | Type::NonNullList(item), Value::List(items)) => {
                let coerced = items.into_iter().enumerate().map(|(index, value)| {
                    Coercion { api: self.api, at: At::Item(&self.at, index) }.value(item, value)
                });
                Ok(Value::List(coerced.collect::<Result<_, _>>()?))
            }
            // A value alone is the list of it.
            (Type::List(item) | Type::NonNullList(item), value) => {
                Ok(Value::List(vec![self.value(item, value)?]))
            }
            (Type::Named(name) | Type::NonNullNamed(name), value) => {
                match self.api.schema.types.get(name) {
                    Some(ExtendedType::Scalar(_)) => self.scalar(name, ty, value),
                    Some(ExtendedType::Enum(of)) => match value {
                        Value::String(text) if of.values.contains_key(text.as_str()) => {
                            Ok(Value::Enum(Name::new(text)))
                        }
                        Value::Enum(name) if of.values.contains_key(name.as_str()) => {
                            Ok(Value::Enum(name))
                        }
                        _ => Err(self.expected(ty)),
                    },
                    Some(ExtendedType::InputObject(of)) => self.object(of, ty, value),
                    _ => Err(self.expected(ty)),
                }
            }
        }
    }

    fn scalar(&self, name: &str, ty: &Type, value: Value) -> Result<Value, ServerError> {
        let coerced = match (name, &value) {
            ("Int", Value::Number(number)) => {
                whole(number).filter(|whole| i32::try_from(*whole).is_ok()).map(Value::from)
            }
            ("Float", Value::Number(_))
            | ("String" | "ID", Value::String(_))
            | ("Boolean", Value::Boolean(_)) => return Ok(value),
            ("ID", Value::Number(number)) => {
                whole(number).map(|whole| Value::String(whole.to_string()))
            }
            ("Int" | "Float" | "String" | "Boolean" | "ID", _) => None,
            _ => match self.api.scalar(name).map(|rule| rule.check(&value)) {
                None | Some(Ok(())) => return Ok(value),
                Some(Err(Unfit::Shape)) => None,
                Some(Err(Unfit::Meaning(why))) => return Err(self.refuse(INVALID_VALUE, &why)),
            },
        };
        coerced.ok_or_else(|| self.expected(ty))
    }

    fn object(&self, of: &InputObjectType, ty: &Type, value: Value) -> Result<Value, ServerError> {
        let Value::Object(mut fields) = value else { return Err(self.expected(ty)) };
        for (name, value) in &mut fields {
            let at = At::Field(&self.at, name);
            let field = Coercion { api: self.api, at };
            let Some(definition) = of.fields.get(name.as_str()) else {
                let why = format!("{} has no field of this name", of.name);
                return Err(field.refuse(VALIDATION_FAILED, &why));
            };
            *value = field.value(&definition.ty, std::mem::take(value))?;
        }
        for definition in of.fields.values() {
            if definition.is_required() && !fields.contains_key(definition.name.as_str()) {
                let field = Coercion { api: self.api, at: At::Field(&self.at, &definition.name) };
                return Err(
                    field.refuse(VALIDATION_FAILED, &format!("{} is missing", definition.ty))
                );
            }
        }
        let is_one = fields.len() == 1 && fields.values().all(|value| *value != Value::Null);
        if of.directives.has("oneOf") && !is_one {
            return Err(self.refuse(VALIDATION_FAILED, "exactly one of its fields is given"));
        }
        Ok(Value::Object(fields))
    }
}

/// A whole number, also if it is written with a fraction of nothing: JSON has one kind.
fn whole(number: &async_graphql::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        let is_whole = float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        is_whole.then_some(float as i64)
    })
}
