//! What is run of an operation: its selections merged, so that each key of the result is asked for
//! once ("Field Collection", "Merging Selection Sets"), without fragments, `@skip` and `@include`;
//! and beside it the shape that the result must have.

use apollo_compiler::Name as SchemaName;
use apollo_compiler::ast::{DirectiveList, OperationType as Kind, Type, Value as Literal};
use apollo_compiler::collections::{HashSet, IndexMap};
use apollo_compiler::executable::{
    ExecutableDocument as Document, Field as Asked, Operation, Selection, SelectionSet,
};
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, InlineFragment, OperationDefinition,
    OperationType, Selection as Run, SelectionSet as RunSet, TypeCondition,
};
use async_graphql::parser::types::{Type as RunType, VariableDefinition};
use async_graphql::{Name, Pos, Positioned, Response, ServerError, Variables};

use crate::api::{Api, argument};
use crate::errors::refused;
use crate::shape::{self, Below, Fields, Wrapping};
use crate::values::{input, is_absent_variable};

/// An operation as it is run, and the shape of its result.
#[derive(Debug)]
pub struct Plan {
    pub document: ExecutableDocument,
    shape: Fields,
    /// Keys and fragments of `document`: what it weighs.
    pub(crate) selections: usize,
}

impl Plan {
    /// What the operation costs: 1 for each field of what may be answered, as many times as a page has rows; a
    /// look into the past as much as a page of `PAST`.
    pub fn cost(&self, variables: &Variables) -> u64 {
        let DocumentOperations::Single(operation) = &self.document.operations else { return 0 };
        cost_of(&operation.node.selection_set.node, variables)
    }

    /// Brings what came of the operation into the shape that was asked for.
    pub fn complete(&self, response: &mut Response) {
        shape::complete(&self.shape, &mut response.data, &mut response.errors);
    }
}

/// Rows of a list that is asked for without saying how many.
const PAGE: u64 = 20;
/// What a look into the past costs.
const PAST: u64 = 100;

fn cost_of(set: &RunSet, variables: &Variables) -> u64 {
    let costs = set.items.iter().map(|item| match &item.node {
        Run::Field(field) => {
            let field = &field.node;
            let below = cost_of(&field.selection_set.node, variables);
            let past = if given(field, "asOf").is_some() { PAST } else { 0 };
            below.saturating_mul(rows_of(field, variables)).saturating_add(1 + past)
        }
        Run::InlineFragment(fragment) => cost_of(&fragment.node.selection_set.node, variables),
        // A plan has none.
        Run::FragmentSpread(_) => 0,
    });
    costs.fold(0, u64::saturating_add)
}

fn given<'a>(field: &'a Field, name: &str) -> Option<&'a async_graphql_value::Value> {
    let mut arguments = field.arguments.iter();
    let found = arguments.find(|(known, _)| known.node == name)?;
    Some(&found.1.node)
}

/// How often what is below a field may be answered.
fn rows_of(field: &Field, variables: &Variables) -> u64 {
    let number = |value: &async_graphql_value::Value| match value {
        async_graphql_value::Value::Number(number) => number.as_u64(),
        async_graphql_value::Value::Variable(name) => match variables.get(name) {
            Some(async_graphql::Value::Number(number)) => number.as_u64(),
            _ => None,
        },
        _ => None,
    };
    let said = ["first", "last"].iter().find_map(|name| number(given(field, name)?));
    let is_list = || {
        let below = &field.selection_set.node.items;
        let name = |item: &Positioned<Run>| match &item.node {
            Run::Field(field) => Some(field.node.name.node.clone()),
            _ => None,
        };
        below.iter().filter_map(name).any(|name| name == "edges" || name == "nodes")
    };
    said.unwrap_or_else(|| if is_list() { PAGE } else { 1 })
}

/// What of a request's variables changes what is run.
pub(crate) trait Given {
    /// Whether a variable of `@skip` or `@include` is true.
    fn is_true(&self, variable: &str) -> bool;
    /// Whether a variable has no value, not even null.
    fn is_absent(&self, variable: &str) -> bool;
}

impl Given for Variables {
    fn is_true(&self, variable: &str) -> bool {
        self.get(variable) == Some(&async_graphql::Value::Boolean(true))
    }

    fn is_absent(&self, variable: &str) -> bool {
        !self.contains_key(variable)
    }
}

/// Makes the plan of an operation.
pub(crate) fn plan(
    api: &Api,
    document: &Document,
    operation: &Operation,
    given: &dyn Given,
    selections_max: usize,
) -> Result<Plan, ServerError> {
    let mut builder = Builder { api, document, given, selections: 0, selections_max };
    let (items, below) =
        builder.selections(&operation.selection_set.ty, &[&operation.selection_set])?;
    let Below::Object(shape) = below else { unreachable!("the root is an object") };
    let ty = match operation.operation_type {
        Kind::Query => OperationType::Query,
        Kind::Mutation => OperationType::Mutation,
        Kind::Subscription => OperationType::Subscription,
    };
    let definition = OperationDefinition {
        ty,
        variable_definitions: operation.variables.iter().map(|it| declared(&it.name)).collect(),
        directives: Vec::new(),
        selection_set: here(RunSet { items }),
    };
    Ok(Plan {
        document: ExecutableDocument {
            operations: DocumentOperations::Single(here(definition)),
            fragments: Default::default(),
        },
        shape,
        selections: builder.selections,
    })
}

/// Whatever runs the operation looks variables up by their declarations. Their values have been
/// coerced: the type says nothing any more.
fn declared(name: &SchemaName) -> Positioned<VariableDefinition> {
    here(VariableDefinition {
        name: here(Name::new(name)),
        var_type: here(RunType::new("Any").expect("a name is a type")),
        directives: Vec::new(),
        default_value: None,
    })
}

fn here<T>(node: T) -> Positioned<T> {
    Positioned::new(node, Pos::default())
}

/// Fields by their key, in the order in which the request names them first.
type Collected<'a> = IndexMap<&'a SchemaName, Vec<&'a Asked>>;

struct Builder<'a> {
    api: &'a Api,
    document: &'a Document,
    given: &'a dyn Given,
    selections: usize,
    selections_max: usize,
}

impl<'a> Builder<'a> {
    fn count(&mut self) -> Result<(), ServerError> {
        self.selections += 1;
        if self.selections <= self.selections_max {
            return Ok(());
        }
        let message = "an operation has too many fields, counted for each type that they may be of";
        Err(refused("FIELDS_TOO_MANY", message))
    }

    /// What is run, and its shape, of all selections on a value of this type.
    fn selections(
        &mut self,
        parent: &'a SchemaName,
        sets: &[&'a SelectionSet],
    ) -> Result<(Vec<Positioned<Run>>, Below), ServerError> {
        if !self.api.is_abstract(parent) {
            let collected = self.collected(parent, sets);
            let (mut items, fields) = self.fields(parent, &collected)?;
            if items.is_empty() {
                // An object of which nothing is asked is not null for that.
                items.push(type_name(Name::new("__typename")));
            }
            let lists = interfaces_of_types(parent, &collected);
            if lists.is_empty() {
                return Ok((items, Below::Object(fields)));
            }
            let marker = free_name("_kind", collected.keys().copied());
            items.push(named("kind", marker.clone()));
            return Ok((items, Below::Type { marker, fields, lists }));
        }
        let possible = self.api.possible(parent);
        let objects: Vec<_> =
            possible.iter().map(|object| (object, self.collected(object, sets))).collect();
        if let Some((first, collected)) = objects.first()
            && self.is_alike(parent, &objects)
        {
            let (items, fields) = self.fields(first, collected)?;
            if !items.is_empty() {
                return Ok((items, Below::Alike(fields)));
            }
        }
        self.either(objects)
    }

    /// Whether every object that the value may be is asked for the same, so that it can be asked
    /// without knowing which it is.
    fn is_alike(&self, parent: &SchemaName, objects: &[(&'a SchemaName, Collected<'a>)]) -> bool {
        let Some((_, first)) = objects.first() else { return false };
        let same = |one: &Vec<&Asked>, other: &Vec<&Asked>| {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| std::ptr::eq(*one, *other))
        };
        let of_interface = first.values().all(|asked| {
            let name = &asked[0].name;
            *name == "__typename"
                || self.api.type_of_field(parent, name).is_some_and(|declared| {
                    let objects = objects.iter();
                    let mut types = objects.map(|(object, _)| self.api.type_of_field(object, name));
                    types.all(|ty| ty == Some(declared))
                })
        });
        of_interface
            && objects.iter().all(|(_, other)| {
                other.len() == first.len()
                    && first.iter().zip(other).all(|((key, one), (other_key, other))| {
                        key == other_key && same(one, other)
                    })
            })
    }

    fn either(
        &mut self,
        objects: Vec<(&'a SchemaName, Collected<'a>)>,
    ) -> Result<(Vec<Positioned<Run>>, Below), ServerError> {
        let keys = objects.iter().flat_map(|(_, asked)| asked.keys().copied());
        let marker = free_name("_type", keys);
        let mut items = vec![type_name(marker.clone())];
        let mut shapes = Vec::with_capacity(objects.len());
        for (object, collected) in objects {
            let (selected, fields) = self.fields(object, &collected)?;
            let name = Name::new(object);
            if !selected.is_empty() {
                self.count()?;
                items.push(here(Run::InlineFragment(here(InlineFragment {
                    type_condition: Some(here(TypeCondition { on: here(name.clone()) })),
                    directives: Vec::new(),
                    selection_set: here(RunSet { items: selected }),
                }))));
            }
            shapes.push((name, fields));
        }
        Ok((items, Below::Either { marker, objects: shapes }))
    }

    fn fields(
        &mut self,
        object: &'a SchemaName,
        collected: &Collected<'a>,
    ) -> Result<(Vec<Positioned<Run>>, Fields), ServerError> {
        let mut items = Vec::with_capacity(collected.len());
        let mut fields = Vec::with_capacity(collected.len());
        for (key, asked) in collected {
            let (item, field) = self.field(object, key, asked)?;
            items.push(item);
            fields.push(field);
        }
        Ok((items, fields))
    }

    fn field(
        &mut self,
        object: &'a SchemaName,
        key: &SchemaName,
        asked: &[&'a Asked],
    ) -> Result<(Positioned<Run>, shape::Field), ServerError> {
        self.count()?;
        let first = asked[0];
        let at = self.at(first);
        let ty = self.api.type_of_field(object, &first.name).unwrap_or(&first.definition.ty);
        let inner = ty.inner_named_type();
        let (items, below) = if self.api.is_composite(inner) {
            let sets: Vec<_> = asked.iter().map(|field| &field.selection_set).collect();
            self.selections(&first.selection_set.ty, &sets)?
        } else {
            (Vec::new(), Below::Leaf)
        };
        let is_absent = |name: &str| self.given.is_absent(name);
        let given =
            first.arguments.iter().filter(|given| !is_absent_variable(&given.value, &is_absent));
        let arguments = given.map(|given| {
            let value = input(&given.value, &is_absent);
            (Positioned::new(Name::new(&given.name), at), Positioned::new(value, at))
        });
        let key = Name::new(key);
        let name = Name::new(&first.name);
        let field = Field {
            alias: (key != name).then(|| Positioned::new(key.clone(), at)),
            name: Positioned::new(name, at),
            arguments: arguments.collect(),
            directives: Vec::new(),
            selection_set: here(RunSet { items }),
        };
        let run = Positioned::new(Run::Field(Positioned::new(field, at)), at);
        Ok((run, shape::Field { key, wrapping: wrapping(ty), below }))
    }

    /// Where a field stands in the document.
    fn at(&self, field: &Asked) -> Pos {
        field.name.line_column_range(&self.document.sources).map_or_else(Pos::default, |range| {
            Pos { line: range.start.line, column: range.start.column }
        })
    }

    fn collected(&self, object: &SchemaName, sets: &[&'a SelectionSet]) -> Collected<'a> {
        let mut collected = Collected::default();
        let mut seen = HashSet::default();
        for set in sets {
            self.collect(object, set, &mut seen, &mut collected);
        }
        collected
    }

    fn collect(
        &self,
        object: &SchemaName,
        set: &'a SelectionSet,
        seen: &mut HashSet<&'a SchemaName>,
        collected: &mut Collected<'a>,
    ) {
        for selection in &set.selections {
            if self.is_left_out(selection.directives()) {
                continue;
            }
            match selection {
                Selection::Field(field) => {
                    collected.entry(field.response_key()).or_default().push(field);
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.type_condition.as_ref();
                    if condition.is_none_or(|condition| self.api.applies(condition, object)) {
                        self.collect(object, &fragment.selection_set, seen, collected);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    if seen.insert(&spread.fragment_name)
                        && let Some(fragment) = self.document.fragments.get(&spread.fragment_name)
                        && self.api.applies(fragment.type_condition(), object)
                    {
                        self.collect(object, &fragment.selection_set, seen, collected);
                    }
                }
            }
        }
    }

    fn is_left_out(&self, directives: &DirectiveList) -> bool {
        directives.iter().any(|directive| {
            let unless = match directive.name.as_str() {
                "skip" => true,
                "include" => false,
                _ => return false,
            };
            let holds = argument(&directive.arguments, "if").map(|value| match &**value {
                Literal::Boolean(is) => *is,
                Literal::Variable(name) => self.given.is_true(name),
                _ => false,
            });
            holds == Some(unless)
        })
    }
}

/// A name that none of these keys has.
fn free_name<'a>(begin: &str, keys: impl Iterator<Item = &'a SchemaName> + Clone) -> Name {
    let mut name = begin.to_owned();
    while keys.clone().any(|key| *key == *name) {
        name.push('_');
    }
    Name::new(name)
}

/// The keys under which a description of a type is asked for its interfaces.
fn interfaces_of_types(parent: &SchemaName, asked: &Collected<'_>) -> Vec<Name> {
    if *parent != "__Type" {
        return Vec::new();
    }
    let of_interfaces = asked.iter().filter(|(_, asked)| asked[0].name == "interfaces");
    of_interfaces.map(|(key, _)| Name::new(key)).collect()
}

fn type_name(key: Name) -> Positioned<Run> {
    named("__typename", key)
}

/// A field without anything below it.
fn named(name: &str, key: Name) -> Positioned<Run> {
    let name = Name::new(name);
    here(Run::Field(here(Field {
        alias: (key != name).then(|| here(key)),
        name: here(name),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: here(RunSet { items: Vec::new() }),
    })))
}

fn wrapping(ty: &Type) -> Wrapping {
    let may_be_null = !ty.is_non_null();
    match ty {
        Type::Named(_) | Type::NonNullNamed(_) => Wrapping::Named { may_be_null },
        Type::List(item) | Type::NonNullList(item) => {
            Wrapping::List { may_be_null, item: Box::new(wrapping(item)) }
        }
    }
}
