//! Documents before they run: read, measured against the limits and remembered. Whatever is
//! hostile by its shape alone ends here: deep, wide, repeated, circular. Executes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, ServerError, Value, Variables};
use parking_lot::RwLock;
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::errors::{OPERATION_NOT_FOUND, PARSE_FAILED, VALIDATION_FAILED, refused_request};

/// The bounds of one document; each is answered with a code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentLimits {
    /// Names, numbers, strings and signs.
    pub tokens_max: usize,
    /// Fields within fields, fragments unfolded.
    pub depth_max: usize,
    /// The same below `__schema` and `__type`, where tools nest deep by nature.
    pub introspection_depth_max: usize,
    /// Fields of one operation, fragments unfolded.
    pub fields_max: usize,
    pub aliases_max: usize,
    pub directives_max: usize,
    /// Fields at the root of one operation.
    pub root_fields_max: usize,
    /// The `first` of any list.
    pub page_max: i64,
    /// What the fields of an operation may cost: 1 each, times `first` within a list.
    pub complexity_max: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            tokens_max: 5_000,
            depth_max: 15,
            introspection_depth_max: 25,
            fields_max: 2_000,
            aliases_max: 30,
            directives_max: 30,
            root_fields_max: 20,
            page_max: 100,
            complexity_max: 10_000,
        }
    }
}

/// The deepest that brackets may nest: what reads the text calls itself for each.
const BRACKETS_DEEP_MAX: usize = 48;
/// The lists of introspection that lead back to themselves, and how many of them may stand within
/// each other: what they name is multiplied each time (graphql-js: `MaxIntrospectionDepthRule`).
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];
const INTROSPECTION_LISTS_MAX: usize = 2;
/// Documents remembered in each of two generations …
const REMEMBERED_MAX: usize = 512;
/// … and the longest text of one.
const REMEMBERED_BYTES_MAX: usize = 16 << 10;

/// A document that was read and is within the limits.
#[derive(Debug)]
pub struct Prepared {
    pub document: ExecutableDocument,
    operations: Vec<Operation>,
}

/// What is known of an operation before it runs.
#[derive(Debug)]
pub struct Operation {
    name: Option<Name>,
    pub kind: OperationType,
    /// Each once.
    pub root_fields: Vec<Name>,
    /// The variables that say how long a list may be.
    page_variables: Vec<Name>,
}

impl Prepared {
    /// Reads and measures a document.
    pub fn read(text: &str, limits: &DocumentLimits) -> Result<Self, ServerError> {
        count_tokens(text, limits)?;
        let document = parse_query(text).map_err(|error| ServerError {
            extensions: refused_request(PARSE_FAILED, "").extensions,
            ..ServerError::from(error)
        })?;
        let operations = document
            .operations
            .iter()
            .map(|(name, operation)| measure(name, &operation.node, &document, limits))
            .collect::<Result<_, _>>()?;
        Ok(Self { document, operations })
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
            refused_request(OPERATION_NOT_FOUND, "operationName names no operation of the document")
        })
    }
}

impl Operation {
    /// Refuses lists that variables make too long.
    pub fn check_pages(
        &self,
        variables: &Variables,
        limits: &DocumentLimits,
    ) -> Result<(), ServerError> {
        for name in &self.page_variables {
            if let Some(Value::Number(number)) = variables.get(name) {
                check_page(number.as_i64(), limits)?;
            }
        }
        Ok(())
    }
}

fn check_page(first: Option<i64>, limits: &DocumentLimits) -> Result<(), ServerError> {
    match first {
        Some(first) if (0..=limits.page_max).contains(&first) => Ok(()),
        _ => Err(refused_request(
            "PAGE_TOO_LARGE",
            format!("a list is asked for by 0 to {} at a time", limits.page_max),
        )),
    }
}

/// Counts roughly what a lexer would find, and how deep brackets nest, before anything recurses.
fn count_tokens(text: &str, limits: &DocumentLimits) -> Result<(), ServerError> {
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut deep) = (0, 0_usize, 0_usize);
    while at < bytes.len() {
        let byte = bytes[at];
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at +=
                    bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at);
                continue;
            }
            b'"' => at = end_of_string(bytes, at),
            _ if is_word(byte) => {
                at += bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
            }
            b'{' | b'[' | b'(' => {
                deep += 1;
                at += 1;
            }
            b'}' | b']' | b')' => {
                deep = deep.saturating_sub(1);
                at += 1;
            }
            _ => at += 1,
        }
        tokens += 1;
        if tokens > limits.tokens_max {
            let message = format!("a document has at most {} tokens", limits.tokens_max);
            return Err(refused_request("TOKENS_TOO_MANY", message));
        }
        if deep > BRACKETS_DEEP_MAX {
            return Err(too_deep(BRACKETS_DEEP_MAX));
        }
    }
    Ok(())
}

/// The first byte behind the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let block = bytes[start..].starts_with(b"\"\"\"");
    let mut at = start + if block { 3 } else { 1 };
    while at < bytes.len() {
        let rest = &bytes[at..];
        match rest[0] {
            b'\\' if block => at += if rest.starts_with(b"\\\"\"\"") { 4 } else { 1 },
            b'\\' => at += 2,
            b'"' if block && rest.starts_with(b"\"\"\"") => return at + 3,
            b'"' if !block => return at + 1,
            b'\n' if !block => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn too_deep(max: usize) -> ServerError {
    refused_request("DOCUMENT_TOO_DEEP", format!("a document nests at most {max} deep"))
}

fn measure(
    name: Option<&Name>,
    operation: &OperationDefinition,
    document: &ExecutableDocument,
    limits: &DocumentLimits,
) -> Result<Operation, ServerError> {
    let mut walk = Walk {
        document,
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
    walk.selection(&operation.selection_set.node, 1, limits.depth_max)?;
    let Walk { root_names, page_variables, .. } = walk;
    for variable in &operation.variable_definitions {
        let is_page = page_variables.contains(&variable.node.name.node);
        if let Some(default) = &variable.node.default_value
            && let Value::Number(number) = &default.node
            && is_page
        {
            check_page(number.as_i64(), limits)?;
        }
    }
    Ok(Operation {
        name: name.cloned(),
        kind: operation.ty,
        root_fields: root_names,
        page_variables,
    })
}

/// A walk over an operation with its fragments unfolded; ends at the first limit.
struct Walk<'a> {
    document: &'a ExecutableDocument,
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
        set: &'a SelectionSet,
        depth: usize,
        depth_max: usize,
    ) -> Result<(), ServerError> {
        if depth > depth_max {
            return Err(too_deep(depth_max));
        }
        for selection in &set.items {
            // Every selection counts, not only fields: fragments within fragments multiply too.
            self.fields += 1;
            self.bound(self.fields, self.limits.fields_max, "FIELDS_TOO_MANY", "fields")?;
            self.directives += selection.node.directives().len();
            self.bound(
                self.directives,
                self.limits.directives_max,
                "DIRECTIVES_TOO_MANY",
                "directives",
            )?;
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, depth, depth_max)?,
                Selection::InlineFragment(fragment) => {
                    self.selection(&fragment.node.selection_set.node, depth, depth_max)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if self.fragments.contains(&name) {
                        let message = format!("the fragment {name} contains itself");
                        return Err(refused_request(VALIDATION_FAILED, message));
                    }
                    // A fragment that is not there is the validator's to name.
                    if let Some(fragment) = self.document.fragments.get(name) {
                        self.fragments.push(name);
                        self.selection(&fragment.node.selection_set.node, depth, depth_max)?;
                        self.fragments.pop();
                    }
                }
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &'a Field,
        depth: usize,
        depth_max: usize,
    ) -> Result<(), ServerError> {
        let name = &field.name.node;
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
        for (argument, value) in &field.arguments {
            if matches!(argument.node.as_str(), "first" | "last") {
                let literal = value.node.clone().into_const_with(|variable| {
                    self.page_variables.push(variable);
                    Ok::<_, std::convert::Infallible>(Value::Null)
                });
                if let Ok(Value::Number(number)) = literal {
                    check_page(number.as_i64(), self.limits)?;
                }
            }
        }
        let is_introspection = depth == 1 && matches!(name.as_str(), "__schema" | "__type");
        let depth_max =
            if is_introspection { self.limits.introspection_depth_max } else { depth_max };
        if field.selection_set.node.items.is_empty() {
            return Ok(());
        }
        let outside = self.introspection_lists;
        if is_introspection {
            self.introspection_lists = Some(0);
        } else if let Some(lists) = &mut self.introspection_lists
            && INTROSPECTION_LISTS.contains(&name.as_str())
        {
            *lists += 1;
            if *lists > INTROSPECTION_LISTS_MAX {
                let message = "lists of introspection stand within each other twice at most";
                return Err(refused_request("DOCUMENT_TOO_DEEP", message));
            }
        }
        self.selection(&field.selection_set.node, depth + 1, depth_max)?;
        self.introspection_lists = outside;
        Ok(())
    }

    fn bound(&self, found: usize, max: usize, code: &str, what: &str) -> Result<(), ServerError> {
        if found <= max {
            return Ok(());
        }
        Err(refused_request(code, format!("an operation has at most {max} {what}")))
    }
}

/// The documents that came lately, so that each is read once: two generations, the older of which
/// is forgotten when the younger is full.
#[derive(Default)]
pub struct Documents {
    generations: RwLock<Generations>,
}

type ByText = HashMap<Box<str>, Arc<Prepared>, Xxh3DefaultBuilder>;

#[derive(Default)]
struct Generations {
    young: ByText,
    old: ByText,
}

impl Documents {
    pub fn prepare(
        &self,
        text: &str,
        limits: &DocumentLimits,
    ) -> Result<Arc<Prepared>, ServerError> {
        if text.len() > REMEMBERED_BYTES_MAX {
            return Prepared::read(text, limits).map(Arc::new);
        }
        {
            let generations = self.generations.read();
            if let Some(known) = generations.young.get(text) {
                return Ok(Arc::clone(known));
            }
        }
        let known = self.generations.read().old.get(text).map(Arc::clone);
        let prepared = match known {
            Some(known) => known,
            None => Arc::new(Prepared::read(text, limits)?),
        };
        let mut generations = self.generations.write();
        if generations.young.len() >= REMEMBERED_MAX {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(text.into(), Arc::clone(&prepared));
        Ok(prepared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        let refused = Prepared::read(text, &DocumentLimits::default());
        let error = refused.err().unwrap_or_else(|| panic!("accepted: {text}"));
        super::super::errors::code_of(&error).expect("a code").to_owned()
    }

    #[test]
    fn each_limit_has_its_code() {
        let repeat =
            |part: &dyn Fn(usize) -> String, times| (0..times).map(part).collect::<String>();
        let aliases = format!("{{r{{{}}}}}", repeat(&|number| format!("a{number}: b "), 31));
        assert_eq!(code(&aliases), "ALIASES_TOO_MANY");
        let deep = format!("{}{}", "{a".repeat(16), "}".repeat(16));
        assert_eq!(code(&deep), "DOCUMENT_TOO_DEEP");
        assert_eq!(code(&"{a".repeat(100_000)), "DOCUMENT_TOO_DEEP");
        assert_eq!(code(&format!("{{a(b:{}", "[".repeat(100_000))), "DOCUMENT_TOO_DEEP");
        assert_eq!(code(&"a ".repeat(5_001)), "TOKENS_TOO_MANY");
        assert_eq!(code(&format!("{{{}}}", "a ".repeat(21))), "ROOT_FIELDS_TOO_MANY");
        assert_eq!(code(&format!("{{a{}}}", " @b".repeat(31))), "DIRECTIVES_TOO_MANY");
        assert_eq!(code("{a(first: 101)}"), "PAGE_TOO_LARGE");
        assert_eq!(code("{a(first: 99999999999999999999)}"), "PAGE_TOO_LARGE");
        assert_eq!(code("query($n: Int = 101) {a(first: $n)}"), "PAGE_TOO_LARGE");
        assert_eq!(
            code("{...F} fragment F on Q {a ...G} fragment G on Q {b ...F}"),
            VALIDATION_FAILED
        );
        assert_eq!(code("{a"), PARSE_FAILED);
    }

    #[test]
    fn fragments_that_double_each_other_are_bounded() {
        let mut bomb = "{r {...F0}}".to_owned();
        for number in 0..40 {
            let next = number + 1;
            bomb.push_str(&format!(" fragment F{number} on Q {{...F{next} ...F{next}}}"));
        }
        bomb.push_str(" fragment F40 on Q {a}");
        assert_eq!(code(&bomb), "FIELDS_TOO_MANY");
    }

    #[test]
    fn lists_of_introspection_do_not_multiply_each_other() {
        let amplifier = "{__type(name: \"UserError\") {possibleTypes {...F}}}
            fragment F on __Type {interfaces {possibleTypes {interfaces {name}}}}";
        assert_eq!(code(amplifier), "DOCUMENT_TOO_DEEP");
        let of_an_object = "{orders {fields {fields {fields {fields {name}}}}}}";
        let tool = "{__schema {types {fields {type {name} args {type {interfaces {name}}}}
            possibleTypes {name}} directives {args {name}}}}";
        for fine in [of_an_object, tool] {
            assert!(Prepared::read(fine, &DocumentLimits::default()).is_ok(), "{fine}");
        }
    }

    #[test]
    fn variables_do_not_get_around_the_length_of_a_page() {
        let limits = DocumentLimits::default();
        let prepared = Prepared::read("query($n: Int) {a(first: $n)}", &limits).expect("sound");
        let check = |json| {
            let variables = Variables::from_json(json);
            prepared.operation(None).expect("one").check_pages(&variables, &limits)
        };
        assert!(check(serde_json::json!({"n": 100})).is_ok());
        assert!(check(serde_json::json!({"n": 101})).is_err());
        assert!(check(serde_json::json!({"n": -1})).is_err());
    }

    #[test]
    fn strings_and_comments_are_one_token() {
        let limits = DocumentLimits { tokens_max: 8, ..DocumentLimits::default() };
        for text in [
            r#"{a(b: "{ { { { { { { { \" {")}"#,
            "{a(b: \"\"\"{ { \\\"\"\" { { { { \"\"\")}",
            "{a(b: 1) # { { { { { { { { { {\n}",
        ] {
            assert!(count_tokens(text, &limits).is_ok(), "{text}");
        }
    }
}
