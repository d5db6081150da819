//! Rules of validation that the reader of documents does not have: what scalars take, `@oneOf`, the
//! same field twice in an object, and where a variable may stand within a value ("Values of Correct
//! Type", "All Variable Usages Are Allowed").

use apollo_compiler::ast::{DirectiveList, InputValueDefinition, Type, Value, VariableDefinition};
use apollo_compiler::collections::HashSet;
use apollo_compiler::executable::{ExecutableDocument, Operation, Selection, SelectionSet};
use apollo_compiler::schema::{ExtendedType, InputObjectType};
use apollo_compiler::{Name, Node};
use async_graphql::ServerError;

use crate::api::{Api, Unfit, argument};
use crate::errors::{INVALID_VALUE, VALIDATION_FAILED, place, refused_at};
use crate::values::constant;

/// Holds an operation, and the fragments that it uses, to the rules.
pub(crate) fn check(
    api: &Api,
    document: &ExecutableDocument,
    operation: &Operation,
) -> Result<(), ServerError> {
    let mut walk = Walk { api, document, operation, seen: HashSet::default() };
    for variable in &operation.variables {
        if let Some(default) = &variable.default_value {
            walk.value(&variable.ty, false, default)?;
        }
    }
    walk.directives(&operation.directives)?;
    walk.selections(&operation.selection_set)
}

struct Walk<'a> {
    api: &'a Api,
    document: &'a ExecutableDocument,
    operation: &'a Operation,
    seen: HashSet<&'a Name>,
}

impl<'a> Walk<'a> {
    fn selections(&mut self, set: &'a SelectionSet) -> Result<(), ServerError> {
        for selection in &set.selections {
            self.directives(selection.directives())?;
            match selection {
                Selection::Field(field) => {
                    self.arguments(&field.definition.arguments, &field.arguments)?;
                    self.selections(&field.selection_set)?;
                }
                Selection::InlineFragment(fragment) => self.selections(&fragment.selection_set)?,
                Selection::FragmentSpread(spread) => {
                    if self.seen.insert(&spread.fragment_name)
                        && let Some(fragment) = spread.fragment_def(self.document)
                    {
                        self.directives(&fragment.directives)?;
                        self.selections(&fragment.selection_set)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn directives(&self, directives: &DirectiveList) -> Result<(), ServerError> {
        for directive in directives.iter() {
            if let Some(known) = self.api.schema.directive_definitions.get(&directive.name) {
                self.arguments(&known.arguments, &directive.arguments)?;
            }
        }
        Ok(())
    }

    fn arguments(
        &self,
        known: &[Node<InputValueDefinition>],
        given: &[Node<apollo_compiler::ast::Argument>],
    ) -> Result<(), ServerError> {
        for definition in known {
            if let Some(value) = argument(given, &definition.name) {
                self.value(&definition.ty, has_default(definition), value)?;
            }
        }
        Ok(())
    }

    fn refuse(&self, code: &str, message: impl Into<String>, at: &Node<Value>) -> ServerError {
        refused_at(code, message, Some(place(at, &self.document.sources)))
    }

    fn value(&self, ty: &Type, defaulted: bool, value: &Node<Value>) -> Result<(), ServerError> {
        match (&**value, ty) {
            (Value::Variable(name), _) => self.variable(ty, defaulted, name, value),
            (Value::Null, _) => Ok(()),
            (Value::List(items), Type::List(item) | Type::NonNullList(item)) => {
                items.iter().try_for_each(|value| self.value(item, false, value))
            }
            (_, Type::List(item) | Type::NonNullList(item)) => self.value(item, false, value),
            (literal, Type::Named(name) | Type::NonNullNamed(name)) => {
                match (self.api.schema.types.get(name), literal) {
                    (Some(ExtendedType::InputObject(of)), Value::Object(fields)) => {
                        self.object(of, fields, value)
                    }
                    (Some(ExtendedType::Scalar(_)), _) => self.scalar(name, value),
                    _ => Ok(()),
                }
            }
        }
    }

    fn variable(
        &self,
        ty: &Type,
        defaulted: bool,
        name: &Name,
        at: &Node<Value>,
    ) -> Result<(), ServerError> {
        let Some(variable) = self.operation.variables.iter().find(|known| known.name == *name)
        else {
            return Err(self.refuse(VALIDATION_FAILED, format!("${name} is not declared"), at));
        };
        let fits = match ty.is_non_null() && !variable.ty.is_non_null() {
            true => {
                (defaulted || has_value(variable))
                    && variable.ty.is_assignable_to(&ty.clone().nullable())
            }
            false => variable.ty.is_assignable_to(ty),
        };
        if fits {
            return Ok(());
        }
        let message = format!("${name} of the type {} cannot stand for {ty}", variable.ty);
        Err(self.refuse(VALIDATION_FAILED, message, at))
    }

    fn object(
        &self,
        of: &InputObjectType,
        fields: &[(Name, Node<Value>)],
        at: &Node<Value>,
    ) -> Result<(), ServerError> {
        let mut names = HashSet::default();
        for (name, value) in fields {
            if !names.insert(name) {
                return Err(self.refuse(VALIDATION_FAILED, format!("{name} stands twice"), value));
            }
            if let Some(definition) = of.fields.get(name) {
                self.value(&definition.ty, has_default(definition), value)?;
            }
        }
        if of.directives.has("oneOf") {
            let is_one = match fields {
                [(_, value)] => match &**value {
                    Value::Null => false,
                    Value::Variable(name) => {
                        let mut known = self.operation.variables.iter();
                        known.any(|known| known.name == *name && known.ty.is_non_null())
                    }
                    _ => true,
                },
                _ => false,
            };
            if !is_one {
                let message = format!("{} takes exactly one of its fields, and no null", of.name);
                return Err(self.refuse(VALIDATION_FAILED, message, at));
            }
        }
        Ok(())
    }

    fn scalar(&self, name: &Name, value: &Node<Value>) -> Result<(), ServerError> {
        let (Some(rule), Some(constant)) = (self.api.scalar(name), constant(value)) else {
            return Ok(());
        };
        match rule.check(&constant) {
            Ok(()) => Ok(()),
            Err(Unfit::Shape) => {
                let message = format!("a value of the type {name} was expected");
                Err(self.refuse(VALIDATION_FAILED, message, value))
            }
            Err(Unfit::Meaning(why)) => Err(self.refuse(INVALID_VALUE, why, value)),
        }
    }
}

fn has_default(definition: &InputValueDefinition) -> bool {
    definition.default_value.is_some()
}

fn has_value(variable: &VariableDefinition) -> bool {
    variable.default_value.as_ref().is_some_and(|default| !default.is_null())
}
