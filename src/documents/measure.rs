//! A document against its limits, before it is validated: whatever is hostile by its shape alone
//! ends here (deep, wide, repeated, circular), at a cost that the limits bound.

use apollo_compiler::ast::{
    Definition, Document, Field, FragmentDefinition, OperationDefinition, Selection, Value,
};
use apollo_compiler::collections::HashMap;
use apollo_compiler::{Name, Node};
use async_graphql::ServerError;

use crate::errors::{VALIDATION_FAILED, refused};
use crate::limits::{DocumentLimits, too_deep};

/// The lists of introspection that lead back to themselves, and how many of them may stand within
/// each other: what they name is multiplied each time (graphql-js: `MaxIntrospectionDepthRule`).
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];
const INTROSPECTION_LISTS_MAX: usize = 2;

/// What was found in an operation.
pub(crate) struct Measured {
    /// The names of the fields at its root, each once.
    pub root_fields: Vec<Name>,
    /// The variables that say how long a list may be.
    pub page_variables: Vec<Name>,
}

/// Measures every operation of a document, in their order.
pub(crate) fn measure(
    document: &Document,
    limits: &DocumentLimits,
) -> Result<Vec<Measured>, ServerError> {
    let mut fragments = HashMap::default();
    for definition in &document.definitions {
        if let Definition::FragmentDefinition(fragment) = definition {
            fragments.entry(&fragment.name).or_insert(fragment);
        }
    }
    let operations = document.definitions.iter().filter_map(Definition::as_operation_definition);
    operations.map(|operation| of_operation(operation, &fragments, limits)).collect()
}

type Fragments<'a> = HashMap<&'a Name, &'a Node<FragmentDefinition>>;

fn of_operation<'a>(
    operation: &'a OperationDefinition,
    fragments: &Fragments<'a>,
    limits: &DocumentLimits,
) -> Result<Measured, ServerError> {
    let mut walk = Walk {
        known: fragments,
        limits,
        fragments: Vec::new(),
        fields: 0,
        aliases: 0,
        directives: operation.directives.len(),
        root_fields: 0,
        root_names: Vec::new(),
        page_variables: Vec::new(),
        introspection_lists: None,
    };
    walk.selection(&operation.selection_set, 1, limits.depth_max)?;
    let Walk { root_names, page_variables, .. } = walk;
    for variable in &operation.variables {
        if let Some(default) = &variable.default_value
            && page_variables.contains(&variable.name)
        {
            check_literal_page(default, limits)?;
        }
    }
    Ok(Measured { root_fields: root_names, page_variables })
}

/// Refuses a page that is too long.
pub(crate) fn check_page(first: Option<i64>, limits: &DocumentLimits) -> Result<(), ServerError> {
    match first {
        Some(first) if (0..=limits.page_max).contains(&first) => Ok(()),
        _ => Err(refused(
            "PAGE_TOO_LARGE",
            format!("a list is asked for by 0 to {} at a time", limits.page_max),
        )),
    }
}

/// A number that is no whole one is the validator's to refuse.
fn check_literal_page(value: &Value, limits: &DocumentLimits) -> Result<(), ServerError> {
    match value {
        Value::Int(number) => check_page(number.as_str().parse().ok(), limits),
        _ => Ok(()),
    }
}

/// A walk over an operation with its fragments unfolded; ends at the first limit.
struct Walk<'a> {
    known: &'a Fragments<'a>,
    limits: &'a DocumentLimits,
    /// The fragments that the walk is in.
    fragments: Vec<&'a Name>,
    fields: usize,
    aliases: usize,
    directives: usize,
    root_fields: usize,
    root_names: Vec<Name>,
    page_variables: Vec<Name>,
    /// The lists of introspection that the walk is in, if it is below `__schema` or `__type`.
    introspection_lists: Option<usize>,
}

impl<'a> Walk<'a> {
    fn selection(
        &mut self,
        set: &'a [Selection],
        depth: usize,
        depth_max: usize,
    ) -> Result<(), ServerError> {
        if depth > depth_max {
            return Err(too_deep(depth_max));
        }
        for selection in set {
            // Every selection counts, not only fields: fragments within fragments multiply too.
            self.fields += 1;
            self.bound(self.fields, self.limits.fields_max, "FIELDS_TOO_MANY", "fields")?;
            let directives = match selection {
                Selection::Field(field) => &field.directives,
                Selection::InlineFragment(fragment) => &fragment.directives,
                Selection::FragmentSpread(spread) => &spread.directives,
            };
            self.directives += directives.len();
            let max = self.limits.directives_max;
            self.bound(self.directives, max, "DIRECTIVES_TOO_MANY", "directives")?;
            match selection {
                Selection::Field(field) => self.field(field, depth, depth_max)?,
                Selection::InlineFragment(fragment) => {
                    self.selection(&fragment.selection_set, depth, depth_max)?;
                }
                Selection::FragmentSpread(spread) => {
                    self.spread(&spread.fragment_name, depth, depth_max)?;
                }
            }
        }
        Ok(())
    }

    fn spread(
        &mut self,
        name: &'a Name,
        depth: usize,
        depth_max: usize,
    ) -> Result<(), ServerError> {
        if self.fragments.contains(&name) {
            let message = format!("the fragment {name} contains itself");
            return Err(refused(VALIDATION_FAILED, message));
        }
        // A fragment that is not there is the validator's to name.
        if let Some(fragment) = self.known.get(name) {
            self.fragments.push(name);
            self.selection(&fragment.selection_set, depth, depth_max)?;
            self.fragments.pop();
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &'a Field,
        depth: usize,
        depth_max: usize,
    ) -> Result<(), ServerError> {
        let name = &field.name;
        if field.alias.is_some() {
            self.aliases += 1;
            self.bound(self.aliases, self.limits.aliases_max, "ALIASES_TOO_MANY", "aliases")?;
        }
        if depth == 1 {
            self.root_fields += 1;
            let max = self.limits.root_fields_max;
            self.bound(self.root_fields, max, "ROOT_FIELDS_TOO_MANY", "fields at its root")?;
            if !self.root_names.contains(name) {
                self.root_names.push(name.clone());
            }
        }
        for argument in &field.arguments {
            if matches!(argument.name.as_str(), "first" | "last") {
                match &*argument.value {
                    Value::Variable(name) => self.page_variables.push(name.clone()),
                    literal => check_literal_page(literal, self.limits)?,
                }
            }
        }
        if field.selection_set.is_empty() {
            return Ok(());
        }
        let outside = self.introspection_lists;
        let is_introspection = depth == 1 && matches!(name.as_str(), "__schema" | "__type");
        if is_introspection {
            self.introspection_lists = Some(0);
        }
        self.count_introspection_list(name)?;
        let depth_max =
            if is_introspection { self.limits.introspection_depth_max } else { depth_max };
        self.selection(&field.selection_set, depth + 1, depth_max)?;
        self.introspection_lists = outside;
        Ok(())
    }

    fn count_introspection_list(&mut self, name: &Name) -> Result<(), ServerError> {
        if let Some(lists) = &mut self.introspection_lists
            && INTROSPECTION_LISTS.contains(&name.as_str())
        {
            *lists += 1;
            if *lists > INTROSPECTION_LISTS_MAX {
                let message = "lists of introspection stand within each other twice at most";
                return Err(refused("DOCUMENT_TOO_DEEP", message));
            }
        }
        Ok(())
    }

    fn bound(&self, found: usize, max: usize, code: &str, what: &str) -> Result<(), ServerError> {
        if found <= max {
            return Ok(());
        }
        Err(refused(code, format!("an operation has at most {max} {what}")))
    }
}
