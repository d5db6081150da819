//! The schema as documents are held to it: its text, and of its scalars what they take.

use std::collections::HashMap;

use apollo_compiler::ast::{FieldDefinition, NamedType, Type};
use apollo_compiler::schema::{Component, ExtendedType};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Node, Schema, name};
use async_graphql::{InputType, ScalarType, Value};

/// What a scalar of the schema takes.
#[derive(Clone, Copy)]
pub struct ScalarRule {
    pub name: &'static str,
    /// Whether a value has the right shape.
    is_valid: fn(&Value) -> bool,
    /// Whether it means something; if not, why.
    check: fn(Value) -> Result<(), String>,
}

impl ScalarRule {
    /// The rule of a scalar that the schema calls `name`.
    pub const fn of<T: ScalarType + InputType>(name: &'static str) -> Self {
        Self { name, is_valid: <T as ScalarType>::is_valid, check: check::<T> }
    }

    pub(crate) fn check(&self, value: &Value) -> Result<(), Unfit> {
        if !(self.is_valid)(value) {
            return Err(Unfit::Shape);
        }
        (self.check)(value.clone()).map_err(Unfit::Meaning)
    }
}

/// Why a value is none of its type.
pub(crate) enum Unfit {
    Shape,
    Meaning(String),
}

fn check<T: ScalarType + InputType>(value: Value) -> Result<(), String> {
    match <T as ScalarType>::parse(value) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.into_server_error(Default::default()).message),
    }
}

/// A schema and its scalars.
pub struct Api {
    pub(crate) schema: Valid<Schema>,
    scalars: HashMap<&'static str, ScalarRule>,
    /// The objects that a value of an abstract type may be, by its name, in the schema's order.
    possible: HashMap<NamedType, Vec<NamedType>>,
}

impl Api {
    /// Reads the text of a schema. A scalar without a rule takes whatever comes.
    ///
    /// # Panics
    /// If the text is no valid schema: it is the program's own.
    pub fn new(sdl: &str, scalars: &[ScalarRule]) -> Self {
        let mut schema = Schema::parse(sdl, "schema.graphql").expect("the schema can be read");
        name_what_is_new(&mut schema);
        let schema = schema.validate().expect("the schema is valid");
        let possible = possible_types(&schema);
        Self { schema, scalars: scalars.iter().map(|rule| (rule.name, *rule)).collect(), possible }
    }

    pub(crate) fn scalar(&self, name: &str) -> Option<&ScalarRule> {
        self.scalars.get(name)
    }

    /// The objects that a value of this composite type may be: itself, if it is one.
    pub(crate) fn possible<'a>(&'a self, name: &'a NamedType) -> &'a [NamedType] {
        self.possible.get(name).map_or(std::slice::from_ref(name), Vec::as_slice)
    }

    pub(crate) fn is_abstract(&self, name: &str) -> bool {
        self.possible.contains_key(name)
    }

    pub(crate) fn is_composite(&self, name: &str) -> bool {
        let found = self.schema.types.get(name);
        found.is_some_and(|kind| kind.is_object() || kind.is_interface() || kind.is_union())
    }

    /// Whether a fragment on `condition` takes an object of this type.
    pub(crate) fn applies(&self, condition: &NamedType, object: &NamedType) -> bool {
        condition == object || self.schema.is_subtype(condition, object)
    }

    pub(crate) fn type_of_field(&self, object: &str, field: &str) -> Option<&Type> {
        Some(&self.schema.type_field(object, field).ok()?.ty)
    }
}

/// What the reader's own introspection types lack and those that are served have.
fn name_what_is_new(schema: &mut Schema) {
    if let Some(ExtendedType::Object(of_types)) = schema.types.get_mut("__Type") {
        let is_one_of = FieldDefinition {
            description: None,
            name: name!("isOneOf"),
            arguments: Vec::new(),
            ty: Type::Named(name!("Boolean")),
            directives: Default::default(),
        };
        of_types.make_mut().fields.insert(name!("isOneOf"), Component::new(is_one_of));
    }
}

fn possible_types(schema: &Schema) -> HashMap<NamedType, Vec<NamedType>> {
    let mut possible: HashMap<NamedType, Vec<NamedType>> = HashMap::new();
    for (name, kind) in &schema.types {
        match kind {
            ExtendedType::Interface(_) => _ = possible.entry(name.clone()).or_default(),
            ExtendedType::Object(object) => {
                for interface in &object.implements_interfaces {
                    possible.entry(interface.name.clone()).or_default().push(name.clone());
                }
            }
            ExtendedType::Union(of) => {
                let members = of.members.iter().map(|member| member.name.clone());
                possible.insert(name.clone(), members.collect());
            }
            _ => {}
        }
    }
    possible
}

/// The value of an argument of a directive.
pub(crate) fn argument<'a>(
    arguments: &'a [Node<apollo_compiler::ast::Argument>],
    name: &str,
) -> Option<&'a Node<apollo_compiler::ast::Value>> {
    arguments.iter().find(|argument| argument.name == name).map(|argument| &argument.value)
}
