//! A document that was read, is valid and within the limits: its operations, each with what a
//! request must still be held to, and with its plan.

use std::sync::Arc;

use apollo_compiler::Node;
use apollo_compiler::ast::{DirectiveList, OperationType as Kind, Value as Literal};
use apollo_compiler::collections::IndexSet;
use apollo_compiler::executable::{ExecutableDocument, Operation as Definition, Selection};
use apollo_compiler::parser::Parser;
use async_graphql::parser::types::OperationType;
use async_graphql::{Name, ServerError, Value, Variables};
use parking_lot::RwLock;

use crate::api::{Api, argument};
use crate::errors::{OPERATION_NOT_FOUND, PARSE_FAILED, VALIDATION_FAILED, first_of, refused};
use crate::limits::{BRACKETS_DEEP_MAX, DocumentLimits, count_tokens};
use crate::measure::{Measured, check_page, measure};
use crate::plan::{Plan, plan};
use crate::variables::{Variable, coerce_all};
use crate::{introspection, rules};

/// How many of an operation's plans are remembered: one for each set of choices that its variables
/// make. Further ones are made anew each time.
const PLANS_MAX: usize = 8;
/// How many variables may make such choices for plans to be remembered.
const CHOICES_MAX: usize = 64;
/// The most selections of a plan, for each field that the limits allow: an abstract type is
/// unfolded into the objects that it may be.
const UNFOLDED_MAX: usize = 4;
/// What a token of a document weighs once it is prepared, and a selection of a plan: measured, and
/// rather more than less.
const TOKEN_BYTES: usize = 80;
const SELECTION_BYTES: usize = 320;

/// A document that was read and may be run.
#[derive(Debug)]
pub struct Prepared {
    operations: Vec<Operation>,
    /// About how many bytes it takes.
    pub(crate) weight: usize,
}

/// What is known of an operation before it runs.
#[derive(Debug)]
pub struct Operation {
    name: Option<Name>,
    pub kind: OperationType,
    /// Each once.
    pub root_fields: Vec<Name>,
    page_variables: Vec<Name>,
    variables: Vec<Variable>,
    plans: Plans,
    selections_max: usize,
}

#[derive(Debug)]
enum Plans {
    /// No variable changes what is run.
    One(Arc<Plan>),
    Many {
        source: Source,
        choices: Vec<Choice>,
        known: RwLock<Vec<(u64, Arc<Plan>)>>,
    },
}

/// What a plan is made of.
#[derive(Clone, Debug)]
struct Source {
    document: Arc<ExecutableDocument>,
    operation: Node<Definition>,
}

/// A variable that changes what is run.
#[derive(Debug)]
enum Choice {
    /// It stands in `@skip` or `@include`.
    Condition(Name),
    /// Without a value, what it is given for is left out.
    Absence(Name),
}

impl Prepared {
    /// Reads, measures and validates a document.
    pub fn read(text: &str, api: &Api, limits: &DocumentLimits) -> Result<Self, ServerError> {
        let tokens = count_tokens(text, limits)?;
        // Each bracket is some levels of the reader's own.
        let mut parser = Parser::new()
            .token_limit(4 * limits.tokens_max.max(1_000))
            .recursion_limit(8 * BRACKETS_DEEP_MAX);
        let parsed = parser
            .parse_ast(text, "document")
            .map_err(|wrong| first_of(PARSE_FAILED, &wrong.errors))?;
        let measured = measure(&parsed, limits)?;
        let document = parsed
            .to_executable_validate(&api.schema)
            .map_err(|wrong| first_of(VALIDATION_FAILED, &wrong.errors))?;
        let document = Arc::new(document.into_inner());
        if document.operations.is_empty() {
            return Err(refused(VALIDATION_FAILED, "a document has an operation"));
        }
        let mut weight = text.len() + tokens * TOKEN_BYTES;
        let mut operations = Vec::with_capacity(measured.len());
        for (operation, measured) in document.operations.iter().zip(measured) {
            let source = Source { document: Arc::clone(&document), operation: operation.clone() };
            let operation = Operation::prepare(source, measured, api, limits)?;
            weight += operation.weight(tokens);
            operations.push(operation);
        }
        Ok(Self { operations, weight })
    }

    /// The operation that a request means.
    pub fn operation(&self, name: Option<&str>) -> Result<&Operation, ServerError> {
        let found = match (name, self.operations.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), all) => {
                all.iter().find(|operation| operation.name.as_deref() == Some(name))
            }
        };
        found.ok_or_else(|| {
            refused(OPERATION_NOT_FOUND, "operationName names no operation of the document")
        })
    }
}

impl Operation {
    fn prepare(
        source: Source,
        measured: Measured,
        api: &Api,
        limits: &DocumentLimits,
    ) -> Result<Self, ServerError> {
        let Source { document, operation } = &source;
        let kind = match operation.operation_type {
            Kind::Query => OperationType::Query,
            Kind::Mutation => OperationType::Mutation,
            Kind::Subscription => OperationType::Subscription,
        };
        rules::check(api, document, operation)?;
        introspection::check(api, document, operation, limits)?;
        let variables = operation.variables.iter().map(|variable| Variable::of(variable, api));
        let variables = variables.collect::<Result<Vec<_>, _>>()?;
        let choices = choices(document, operation, &variables);
        let selections_max = limits.fields_max.saturating_mul(UNFOLDED_MAX);
        let plans = if choices.is_empty() {
            // All variables have a value, and none is a condition.
            let plan = plan(api, document, operation, &AllGiven, selections_max)?;
            Plans::One(Arc::new(plan))
        } else {
            Plans::Many { source: source.clone(), choices, known: RwLock::default() }
        };
        let names = |names: &[apollo_compiler::Name]| names.iter().map(Name::new).collect();
        Ok(Self {
            name: operation.name.as_ref().map(Name::new),
            kind,
            root_fields: names(&measured.root_fields),
            page_variables: names(&measured.page_variables),
            variables,
            plans,
            selections_max,
        })
    }

    /// About how many bytes it takes, with the plans that it may come to have.
    fn weight(&self, tokens: usize) -> usize {
        match &self.plans {
            Plans::One(plan) => plan.selections * SELECTION_BYTES,
            Plans::Many { .. } => tokens * SELECTION_BYTES,
        }
    }

    /// The values of its variables, from those of a request.
    pub fn coerce(
        &self,
        given: Variables,
        api: &Api,
        limits: &DocumentLimits,
    ) -> Result<Variables, ServerError> {
        let coerced = coerce_all(api, &self.variables, given)?;
        for name in &self.page_variables {
            if let Some(Value::Number(number)) = coerced.get(name) {
                check_page(number.as_i64(), limits)?;
            }
        }
        Ok(coerced)
    }

    /// What is run with these variables, which have been coerced.
    pub fn plan(&self, variables: &Variables, api: &Api) -> Result<Arc<Plan>, ServerError> {
        let (source, choices, known) = match &self.plans {
            Plans::One(plan) => return Ok(Arc::clone(plan)),
            Plans::Many { source, choices, known } => (source, choices, known),
        };
        refuse_null_conditions(choices, variables)?;
        let chosen = chosen(choices, variables);
        if let Some(chosen) = chosen {
            let known = known.read();
            if let Some((_, plan)) = known.iter().find(|(known, _)| *known == chosen) {
                return Ok(Arc::clone(plan));
            }
        }
        let Source { document, operation } = source;
        let plan = Arc::new(plan(api, document, operation, variables, self.selections_max)?);
        if let Some(chosen) = chosen {
            let mut known = known.write();
            if known.len() < PLANS_MAX && known.iter().all(|(known, _)| *known != chosen) {
                known.push((chosen, Arc::clone(&plan)));
            }
        }
        Ok(plan)
    }
}

/// A request that leaves nothing out.
struct AllGiven;

impl crate::plan::Given for AllGiven {
    fn is_true(&self, _: &str) -> bool {
        false
    }

    fn is_absent(&self, _: &str) -> bool {
        false
    }
}

/// A condition may come as null where its variable has a default. Neither way is what was meant.
fn refuse_null_conditions(choices: &[Choice], variables: &Variables) -> Result<(), ServerError> {
    for choice in choices {
        if let Choice::Condition(name) = choice
            && variables.get(name) == Some(&Value::Null)
        {
            let message = format!("${name}, of @skip or @include, is null");
            return Err(refused(VALIDATION_FAILED, message));
        }
    }
    Ok(())
}

/// What variables choose, a bit each; nothing if these are too many.
fn chosen(choices: &[Choice], variables: &Variables) -> Option<u64> {
    if choices.len() > CHOICES_MAX {
        return None;
    }
    let mut chosen = 0_u64;
    for choice in choices {
        let is = match choice {
            Choice::Condition(name) => variables.get(name) == Some(&Value::Boolean(true)),
            Choice::Absence(name) => !variables.contains_key(name),
        };
        chosen = chosen << 1 | u64::from(is);
    }
    Some(chosen)
}

fn choices(
    document: &ExecutableDocument,
    operation: &Definition,
    variables: &[Variable],
) -> Vec<Choice> {
    let mut conditions = IndexSet::default();
    let mut sets = vec![&operation.selection_set];
    let mut seen = IndexSet::default();
    while let Some(set) = sets.pop() {
        for selection in &set.selections {
            conditions_of(selection.directives(), &mut conditions);
            match selection {
                Selection::Field(field) => sets.push(&field.selection_set),
                Selection::InlineFragment(fragment) => sets.push(&fragment.selection_set),
                Selection::FragmentSpread(spread) => {
                    if seen.insert(&spread.fragment_name) {
                        sets.extend(spread.fragment_def(document).map(|of| &of.selection_set));
                    }
                }
            }
        }
    }
    let absences = variables.iter().filter(|variable| variable.may_be_absent());
    let absences = absences.map(|variable| Choice::Absence(variable.name.clone()));
    conditions.into_iter().map(|name| Choice::Condition(Name::new(name))).chain(absences).collect()
}

fn conditions_of<'a>(
    directives: &'a DirectiveList,
    conditions: &mut IndexSet<&'a apollo_compiler::Name>,
) {
    for directive in directives.iter() {
        if let Some(value) = argument(&directive.arguments, "if")
            && let Literal::Variable(name) = &**value
        {
            conditions.insert(name);
        }
    }
}
