//! How much an introspection answers, counted on the schema before it runs: it is answered in one
//! go, whatever became of the client, so that its size must be known.

use apollo_compiler::ast::{FieldDefinition, InputValueDefinition, Type, Value};
use apollo_compiler::executable::{ExecutableDocument, Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::{DirectiveDefinition, ExtendedType};
use async_graphql::ServerError;

use crate::api::{Api, argument};
use crate::errors::refused;
use crate::limits::DocumentLimits;

/// Refuses an operation whose introspection answers more fields than the limits allow.
pub(crate) fn check(
    api: &Api,
    document: &ExecutableDocument,
    operation: &Operation,
    limits: &DocumentLimits,
) -> Result<(), ServerError> {
    if !operation.operation_type.is_query() {
        return Ok(());
    }
    let max = limits.introspection_nodes_max;
    let mut count = Count { api, document, left: max };
    match count.root(&operation.selection_set) {
        Some(()) => Ok(()),
        None => Err(refused(
            "DOCUMENT_TOO_COMPLEX",
            format!("an introspection answers at most {max} fields"),
        )),
    }
}

/// What is looked at.
#[derive(Clone, Copy)]
enum At<'a> {
    Schema,
    Named(&'a ExtendedType),
    /// A list of something, or what is never null.
    Wrapped(&'a Type),
    Field(&'a FieldDefinition),
    Input(&'a InputValueDefinition),
    Directive(&'a DirectiveDefinition),
    EnumValue,
}

/// A walk that ends, with nothing, when too much was counted.
struct Count<'a> {
    api: &'a Api,
    document: &'a ExecutableDocument,
    left: usize,
}

impl<'a> Count<'a> {
    fn root(&mut self, set: &'a SelectionSet) -> Option<()> {
        for field in fields(self.document, set) {
            match field.name.as_str() {
                "__schema" => self.object(&field.selection_set, At::Schema)?,
                "__type" => {
                    for kind in self.named(field) {
                        self.object(&field.selection_set, At::Named(kind))?;
                    }
                }
                _ => {}
            }
        }
        Some(())
    }

    /// The type that is asked for; all of them, if a variable says which.
    fn named(&self, field: &Field) -> Vec<&'a ExtendedType> {
        let api: &'a Api = self.api;
        match argument(&field.arguments, "name").map(|value| &**value) {
            Some(Value::String(name)) => api.schema.types.get(name.as_str()).into_iter().collect(),
            _ => api.schema.types.values().collect(),
        }
    }

    fn object(&mut self, set: &'a SelectionSet, at: At<'a>) -> Option<()> {
        for field in fields(self.document, set) {
            self.left = self.left.checked_sub(1)?;
            if !field.selection_set.is_empty() {
                for child in self.children(at, &field.name) {
                    self.left = self.left.checked_sub(1)?;
                    self.object(&field.selection_set, child)?;
                }
            }
        }
        Some(())
    }

    fn children(&self, at: At<'a>, name: &str) -> Vec<At<'a>> {
        let api: &'a Api = self.api;
        let schema = &api.schema;
        let by_name = |name: &str| schema.types.get(name).map(At::Named);
        match (at, name) {
            (At::Schema, "types") => schema.types.values().map(At::Named).collect(),
            (At::Schema, "directives") => {
                schema.directive_definitions.values().map(|of| At::Directive(of)).collect()
            }
            (At::Schema, _) => {
                let roots = schema.schema_definition.iter_root_operations();
                roots.filter_map(|(_, root)| by_name(root)).collect()
            }
            (At::Wrapped(Type::NonNullNamed(inner)), "ofType") => {
                by_name(inner).into_iter().collect()
            }
            (At::Wrapped(Type::List(item) | Type::NonNullList(item)), "ofType") => {
                self.of(item).into_iter().collect()
            }
            (At::Named(kind), _) => self.of_named(kind, name),
            (At::Field(field), "args") => field.arguments.iter().map(|of| At::Input(of)).collect(),
            (At::Field(field), "type") => self.of(&field.ty).into_iter().collect(),
            (At::Input(input), "type") => self.of(&input.ty).into_iter().collect(),
            (At::Directive(of), "args") => of.arguments.iter().map(|of| At::Input(of)).collect(),
            _ => Vec::new(),
        }
    }

    fn of(&self, ty: &'a Type) -> Option<At<'a>> {
        let api: &'a Api = self.api;
        match ty {
            Type::Named(name) => api.schema.types.get(name).map(At::Named),
            wrapped => Some(At::Wrapped(wrapped)),
        }
    }

    fn of_named(&self, kind: &'a ExtendedType, list: &str) -> Vec<At<'a>> {
        let api: &'a Api = self.api;
        let by_name = |name: &str| api.schema.types.get(name).map(At::Named);
        match (kind, list) {
            (ExtendedType::Object(of), "fields") => {
                of.fields.values().map(|of| At::Field(of)).collect()
            }
            (ExtendedType::Interface(of), "fields") => {
                of.fields.values().map(|of| At::Field(of)).collect()
            }
            (ExtendedType::InputObject(of), "inputFields") => {
                of.fields.values().map(|of| At::Input(of)).collect()
            }
            (ExtendedType::Enum(of), "enumValues") => {
                of.values.values().map(|_| At::EnumValue).collect()
            }
            (ExtendedType::Object(of), "interfaces") => {
                of.implements_interfaces.iter().filter_map(|of| by_name(&of.name)).collect()
            }
            (ExtendedType::Interface(_) | ExtendedType::Union(_), "possibleTypes") => {
                api.possible(kind.name()).iter().filter_map(|of| by_name(of)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The fields of a selection, fragments unfolded.
fn fields<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet) -> Vec<&'a Field> {
    let mut found = Vec::new();
    let mut sets = vec![set];
    while let Some(set) = sets.pop() {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => found.push(&**field),
                Selection::InlineFragment(fragment) => sets.push(&fragment.selection_set),
                Selection::FragmentSpread(spread) => {
                    sets.extend(spread.fragment_def(document).map(|of| &of.selection_set));
                }
            }
        }
    }
    found
}
