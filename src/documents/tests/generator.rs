//! Documents made from a schema and a seed: mostly sound, some with a mistake or two. What stands in
//! their arguments is made in [`literals`](super::literals).

use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, FieldDefinition};
use apollo_compiler::{Name, Schema};
use serde_json::{Map, Value, json};

/// SplitMix64: small, and the same everywhere.
pub(super) struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }

    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

pub(super) struct Variable {
    pub name: String,
    pub declared: String,
    /// Nothing: it is left out.
    pub value: Option<Value>,
}

/// Directives that may stand on no operation and on no fragment.
const MISPLACED: [&str; 4] =
    [" @skip(if: false)", " @include(if: true)", " @deprecated", " @oneOf"];

pub struct Generator<'a> {
    pub(super) schema: &'a Schema,
    pub(super) dice: Dice,
    /// Of the schema itself only what is told alike everywhere: the order of types, and what is said of the
    /// types of introspection, each library has of its own.
    is_run: bool,
    /// A mistake is made about once in so many places; never for none.
    mistakes: usize,
    pub(super) variables: Vec<Variable>,
    fragments: Vec<(String, String, String)>,
    left: usize,
}

impl<'a> Generator<'a> {
    /// Documents that are run on both sides.
    pub fn to_run(schema: &'a Schema, seed: u64) -> Self {
        Self { is_run: true, ..Self::new(schema, seed) }
    }

    pub fn new(schema: &'a Schema, seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mistakes = *dice.pick(&[0, 0, 0, 200, 60, 25]);
        let left = 6 + dice.below(24);
        Self {
            schema,
            dice,
            is_run: false,
            mistakes,
            variables: Vec::new(),
            fragments: Vec::new(),
            left,
        }
    }

    /// `{query, operation, variables}`.
    pub fn request(mut self) -> Value {
        let kind = match self.dice.below(12) {
            0..8 => "query",
            11 if self.mistakes > 0 || self.schema.types.contains_key("Subscription") => {
                "subscription"
            }
            _ => "mutation",
        };
        let root = match kind {
            "mutation" => "Mutation",
            "subscription" => "Subscription",
            _ => "Query",
        };
        let root = if self.schema.types.contains_key(root) { root } else { "Query" };
        let body = self.selections(root, 0);
        let name = (*self.dice.pick(&["", "", "A", "Ask"])).to_owned();
        let mut declared: Vec<String> =
            self.variables.iter().map(|variable| variable.declared.clone()).collect();
        if self.slips() {
            declared.push("$unused: Int".to_owned());
        }
        if self.slips()
            && let Some(first) = declared.first().cloned()
        {
            declared.push(first);
        }
        let declared =
            if declared.is_empty() { String::new() } else { format!("({})", declared.join(", ")) };
        let head = match (kind, name.as_str(), declared.as_str()) {
            ("query", "", "") if self.dice.one_in(2) => String::new(),
            _ => format!("{kind} {name}{declared}{} ", self.misplaced()),
        };
        let mut query = format!("{head}{body}");
        for (name, on, body) in std::mem::take(&mut self.fragments) {
            let misplaced = self.misplaced();
            query.push_str(&format!("\nfragment {name} on {on}{misplaced} {body}"));
        }
        if self.slips() {
            let more = *self.dice.pick(&[
                "\nfragment Loop on Query { ...Loop }\nquery Looks { ...Loop }",
                "\n{ __typename }",
                "\nquery Twice { __typename }\nquery Twice { __typename }",
                "\nfragment on on Query { __typename }",
                "\nfragment F0 on Query { __typename }",
                "\ntype Other { a: Int }",
            ]);
            query.push_str(more);
        }
        if self.slips() {
            query.push_str(&format!("\nfragment Unused on {root} {{ __typename }}"));
        }
        if !name.is_empty() && self.dice.one_in(8) {
            query.push_str("\nquery Other { __typename }");
        }
        let operation = match self.dice.below(20) {
            0 => json!("Nobody"),
            1..8 if !name.is_empty() => json!(name),
            _ if query.contains("query Other") => json!(name),
            _ => Value::Null,
        };
        let mut values = Map::new();
        for variable in self.variables {
            if let Some(value) = variable.value {
                values.insert(variable.name, value);
            }
        }
        json!({"query": query, "operation": operation, "variables": values})
    }

    pub(super) fn slips(&mut self) -> bool {
        self.mistakes > 0 && self.dice.one_in(self.mistakes)
    }

    fn fields(&self, name: &str) -> Vec<&'a FieldDefinition> {
        let schema: &'a Schema = self.schema;
        let mut fields = self.all_fields(schema, name);
        if self.is_run && name.starts_with("__") {
            fields.retain(|of| !["description", "types", "directives"].contains(&of.name.as_str()));
        }
        fields
    }

    fn all_fields(&self, schema: &'a Schema, name: &str) -> Vec<&'a FieldDefinition> {
        match schema.types.get(name) {
            Some(ExtendedType::Object(of)) => of.fields.values().map(|of| &***of).collect(),
            Some(ExtendedType::Interface(of)) => of.fields.values().map(|of| &***of).collect(),
            _ => Vec::new(),
        }
    }

    fn is_composite(&self, name: &str) -> bool {
        let kind = self.schema.types.get(name);
        kind.is_some_and(|it| it.is_object() || it.is_interface() || it.is_union())
    }

    fn selections(&mut self, on: &str, depth: usize) -> String {
        let count = if depth == 0 { 1 + self.dice.below(4) } else { 1 + self.dice.below(5) };
        let mut all = Vec::new();
        for _ in 0..count {
            let fragment = self.dice.below(9);
            if fragment == 0 && depth < 6 {
                all.push(self.inline(on, depth));
            } else if fragment == 1 && depth < 6 {
                all.push(self.spread(on, depth));
            } else if let Some(field) = self.field(on, depth) {
                all.push(field);
            }
        }
        if all.is_empty() {
            all.push("__typename".to_owned());
        }
        // Now and then the same again, which is merged.
        if self.dice.one_in(6) {
            let again = self.dice.pick(&all).clone();
            all.push(again);
        }
        if self.slips() {
            all.clear();
        }
        format!("{{ {} }}", all.join(" "))
    }

    fn field(&mut self, on: &str, depth: usize) -> Option<String> {
        if self.dice.one_in(10) {
            // graphql-js does not see that a key of this may be in the way of another: these are of
            // nothing else.
            let alias = *self.dice.pick(&["", "", "named: ", "t0: ", "t1: ", "_kind: "]);
            let directives = self.directives();
            return Some(format!("{alias}__typename{directives}"));
        }
        if on == "Query" && self.dice.one_in(12) {
            return Some(self.introspection(depth));
        }
        if self.slips() {
            return Some(
                (*self.dice.pick(&["nothing", "id", "name", "ok", "__schema"])).to_owned(),
            );
        }
        self.left = self.left.saturating_sub(1);
        let mut fields = self.fields(on);
        if self.left == 0 || depth > 6 {
            fields.retain(|field| !self.is_composite(field.ty.inner_named_type()));
        }
        if fields.is_empty() {
            return None;
        }
        let field = *self.dice.pick(&fields);
        let inner = field.ty.inner_named_type().clone();
        let alias = self.alias();
        let arguments = self.arguments(field);
        let directives = self.directives();
        let composite = self.is_composite(&inner) != self.slips();
        let below = if composite {
            format!(" {}", self.selections(&inner, depth + 1))
        } else {
            String::new()
        };
        Some(format!("{alias}{}{arguments}{directives}{below}", field.name))
    }

    /// A look at the schema itself.
    fn introspection(&mut self, depth: usize) -> String {
        let directives = self.directives();
        if self.dice.one_in(3) {
            return format!("__schema{directives} {}", self.selections("__Schema", depth + 1));
        }
        let names = self.schema.types.keys().filter(|name| !self.is_run || !name.starts_with("__"));
        let names: Vec<_> = names.map(ToString::to_string).collect();
        let name = match self.dice.below(10) {
            0 => "Nothing".to_owned(),
            _ => self.dice.pick(&names).clone(),
        };
        let alias = *self.dice.pick(&["", "", "k_type: "]);
        let name = self.named(&name);
        let below = self.selections("__Type", depth + 1);
        format!("{alias}__type(name: {name}){directives} {below}")
    }

    /// A directive that may not stand where this is put.
    fn misplaced(&mut self) -> &'static str {
        if !self.slips() {
            return "";
        }
        self.dice.pick::<&str>(&MISPLACED)
    }

    fn alias(&mut self) -> String {
        match self.dice.below(14) {
            0 => format!("{}: ", self.dice.pick(&["a", "b", "id", "_type"])),
            1 => format!("k{}: ", self.dice.below(1_000)),
            _ => String::new(),
        }
    }

    fn directives(&mut self) -> String {
        if self.slips() {
            return (*self.dice.pick(&[
                " @unknown",
                " @skip",
                " @skip(if: 1)",
                " @include(if: true, if: false)",
                " @skip(if: true) @skip(if: true)",
                " @deprecated",
            ]))
            .to_owned();
        }
        if !self.dice.one_in(10) {
            return String::new();
        }
        let name = *self.dice.pick(&["skip", "include"]);
        let ty = Type::NonNullNamed(Name::new("Boolean").expect("a name"));
        let value = self.value(&ty, 0);
        format!(" @{name}(if: {value})")
    }

    fn condition(&mut self, on: &str) -> String {
        if self.slips() {
            return (*self.dice.pick(&["Nothing", "Int", "Query", "Item", "Mutation"])).to_owned();
        }
        let schema = self.schema;
        let mut conditions = vec![on.to_owned()];
        for (name, kind) in &schema.types {
            let related = schema.is_subtype(on, name) || schema.is_subtype(name, on);
            if related && (kind.is_object() || kind.is_interface() || kind.is_union()) {
                conditions.push(name.to_string());
            }
        }
        self.dice.pick(&conditions).clone()
    }

    fn inline(&mut self, on: &str, depth: usize) -> String {
        let directives = self.directives();
        if self.dice.one_in(4) {
            return format!("...{directives} {}", self.selections(on, depth + 1));
        }
        let condition = self.condition(on);
        let below = self.selections(&condition, depth + 1);
        format!("... on {condition}{directives} {below}")
    }

    fn spread(&mut self, on: &str, depth: usize) -> String {
        let directives = self.directives();
        let known: Vec<String> = self
            .fragments
            .iter()
            .filter(|(_, condition, _)| condition == on)
            .map(|(name, ..)| name.clone())
            .collect();
        if !known.is_empty() && self.dice.one_in(2) {
            return format!("...{}{directives}", self.dice.pick(&known));
        }
        if self.slips() {
            return "...Missing".to_owned();
        }
        let condition = self.condition(on);
        let body = self.selections(&condition, depth + 1);
        let name = format!("F{}", self.fragments.len());
        self.fragments.push((name.clone(), condition, body));
        format!("...{name}{directives}")
    }

    fn arguments(&mut self, field: &FieldDefinition) -> String {
        let mut all = Vec::new();
        for argument in &field.arguments {
            let given = if argument.is_required() { !self.slips() } else { self.dice.one_in(3) };
            if given {
                all.push(format!("{}: {}", argument.name, self.value(&argument.ty, 0)));
            }
        }
        if self.slips() {
            all.push("unknown: 1".to_owned());
        }
        if self.slips()
            && let Some(first) = all.first().cloned()
        {
            all.push(first);
        }
        if all.is_empty() { String::new() } else { format!("({})", all.join(", ")) }
    }
}
