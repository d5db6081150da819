//! Documents made from a schema and a seed: mostly sound, some with a mistake or two.

use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, FieldDefinition};
use apollo_compiler::{Name, Schema};
use serde_json::{Map, Value, json};

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

struct Variable {
    name: String,
    declared: String,
    /// Nothing: it is left out.
    value: Option<Value>,
}

pub struct Generator<'a> {
    schema: &'a Schema,
    dice: Dice,
    /// A mistake is made about once in so many places; never for none.
    mistakes: usize,
    variables: Vec<Variable>,
    fragments: Vec<(String, String, String)>,
    left: usize,
}

impl<'a> Generator<'a> {
    pub fn new(schema: &'a Schema, seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mistakes = *dice.pick(&[0, 0, 0, 200, 60, 25]);
        let left = 6 + dice.below(24);
        Self { schema, dice, mistakes, variables: Vec::new(), fragments: Vec::new(), left }
    }

    /// `{query, operation, variables}`.
    pub fn request(mut self) -> Value {
        let kind = match self.dice.below(12) {
            0..8 => "query",
            11 if self.mistakes > 0 => "subscription",
            _ => "mutation",
        };
        let root = if kind == "mutation" { "Mutation" } else { "Query" };
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
            _ => format!("{kind} {name}{declared} "),
        };
        let mut query = format!("{head}{body}");
        for (name, on, body) in &self.fragments {
            query.push_str(&format!("\nfragment {name} on {on} {body}"));
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

    fn slips(&mut self) -> bool {
        self.mistakes > 0 && self.dice.one_in(self.mistakes)
    }

    fn fields(&self, name: &str) -> Vec<&'a FieldDefinition> {
        let schema: &'a Schema = self.schema;
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
            // graphql-js does not see that a key of this may be in the way of another.
            let alias = if self.dice.one_in(8) { "named: " } else { "" };
            let directives = self.directives();
            return Some(format!("{alias}__typename{directives}"));
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

    /// A literal, or a variable that is made for it.
    fn value(&mut self, ty: &Type, depth: usize) -> String {
        if self.dice.one_in(3) && depth < 4 {
            return self.variable(ty);
        }
        if self.slips() {
            return (*self.dice.pick(&[
                "null",
                "1.5",
                "\"text\"",
                "RED",
                "[1]",
                "{a: 1}",
                "true",
                "2147483648",
                "$missing",
            ]))
            .to_owned();
        }
        if !ty.is_non_null() && self.dice.one_in(8) {
            return "null".to_owned();
        }
        match ty {
            Type::List(item) | Type::NonNullList(item) => {
                if self.dice.one_in(4) {
                    return self.value(item, depth + 1);
                }
                let items: Vec<_> =
                    (0..self.dice.below(3)).map(|_| self.value(item, depth + 1)).collect();
                format!("[{}]", items.join(", "))
            }
            Type::Named(name) | Type::NonNullNamed(name) => match self.schema.types.get(name) {
                Some(ExtendedType::Enum(of)) => {
                    let values: Vec<_> = of.values.keys().collect();
                    self.dice.pick(&values).to_string()
                }
                Some(ExtendedType::InputObject(of)) => {
                    let mut fields = Vec::new();
                    let one = of.directives.has("oneOf").then(|| self.dice.below(of.fields.len()));
                    for (number, field) in of.fields.values().enumerate() {
                        let given = match one {
                            Some(one) => number == one,
                            None if field.is_required() => !self.slips(),
                            None => depth < 3 && self.dice.one_in(3),
                        };
                        if one.is_some() && given {
                            // graphql-js takes variables here that may be null: none, then.
                            let ty = (*field.ty).clone().non_null();
                            fields.push(format!("{}: {}", field.name, self.value(&ty, 9)));
                        } else if given || self.slips() {
                            fields.push(format!(
                                "{}: {}",
                                field.name,
                                self.value(&field.ty, depth + 1)
                            ));
                        }
                    }
                    if self.slips() {
                        fields.push(self.dice.pick(&["a: 1", "unknown: 1"]).to_string());
                    }
                    format!("{{{}}}", fields.join(", "))
                }
                _ => self.scalar(name),
            },
        }
    }

    fn scalar(&mut self, name: &str) -> String {
        match name {
            "Int" => (*self.dice.pick(&["0", "1", "2", "3", "5", "8"])).to_owned(),
            "Float" => (*self.dice.pick(&["0", "1.5", "-2e3"])).to_owned(),
            "Boolean" => (*self.dice.pick(&["true", "false"])).to_owned(),
            "ID" => (*self.dice.pick(&["\"x\"", "7", "\"\""])).to_owned(),
            _ => (*self.dice.pick(&[
                "\"\"",
                "\"fail\"",
                "\"t \\u{1F600} \\uD83D\\uDE00 \\n\"",
                "\"\"\"block \\\"\"\" \"\"\"",
                "\"ä\"",
            ]))
            .to_owned(),
        }
    }

    fn variable(&mut self, ty: &Type) -> String {
        let known = self.variables.len();
        if known > 0 && self.slips() {
            // One of another type, most likely.
            return format!("${}", self.variables[self.dice.below(known)].name);
        }
        let name = format!("v{known}");
        let mut declared = ty.clone();
        if self.dice.one_in(4) {
            declared = declared.non_null();
        }
        let mut default = String::new();
        if self.dice.one_in(3) {
            let literal = self.constant(&declared);
            default = format!(" = {literal}");
            if declared.is_non_null() && literal != "null" && self.dice.one_in(2) {
                declared = declared.nullable();
            }
        } else if self.slips() {
            declared = declared.nullable();
        }
        let optional = !default.is_empty() || !declared.is_non_null();
        let value = if optional && self.dice.one_in(3) || self.slips() {
            None
        } else {
            Some(self.json(&declared, 0))
        };
        self.variables.push(Variable {
            name: name.clone(),
            declared: format!("${name}: {declared}{default}"),
            value,
        });
        format!("${name}")
    }

    /// A literal without variables.
    fn constant(&mut self, ty: &Type) -> String {
        let known = self.variables.len();
        let text = self.value(ty, 4);
        // One was made nevertheless: it belongs to no place, so it goes again.
        self.variables.truncate(known);
        if text.contains('$') { "null".to_owned() } else { text }
    }

    fn json(&mut self, ty: &Type, depth: usize) -> Value {
        if self.slips() {
            return self
                .dice
                .pick(&[
                    json!(null),
                    json!(1.5),
                    json!("text"),
                    json!([1]),
                    json!({"a": 1}),
                    json!(true),
                    json!(3_000_000_000_i64),
                ])
                .clone();
        }
        if !ty.is_non_null() && (self.dice.one_in(6) || depth > 3) {
            return Value::Null;
        }
        match ty {
            Type::List(item) | Type::NonNullList(item) => {
                if self.dice.one_in(4) {
                    return self.json(item, depth + 1);
                }
                (0..self.dice.below(3)).map(|_| self.json(item, depth + 1)).collect()
            }
            Type::Named(name) | Type::NonNullNamed(name) => match self.schema.types.get(name) {
                Some(ExtendedType::Enum(of)) => {
                    let values: Vec<_> = of.values.keys().collect();
                    json!(self.dice.pick(&values).to_string())
                }
                Some(ExtendedType::InputObject(of)) => {
                    let one = of.directives.has("oneOf").then(|| self.dice.below(of.fields.len()));
                    let mut object = Map::new();
                    for (number, field) in of.fields.values().enumerate() {
                        let given = match one {
                            Some(one) => number == one,
                            None => field.is_required() || depth < 3 && self.dice.one_in(3),
                        };
                        if given != self.slips() {
                            let value = match one {
                                Some(_) => self.json(&(*field.ty).clone().non_null(), depth + 1),
                                None => self.json(&field.ty, depth + 1),
                            };
                            object.insert(field.name.to_string(), value);
                        }
                    }
                    Value::Object(object)
                }
                _ => match name.as_str() {
                    "Int" => self
                        .dice
                        .pick(&[json!(0), json!(1), json!(2.0), json!(5), json!(8)])
                        .clone(),
                    "Float" => self.dice.pick(&[json!(0), json!(1.5)]).clone(),
                    "Boolean" => json!(self.dice.one_in(2)),
                    "ID" => self.dice.pick(&[json!("x"), json!(7)]).clone(),
                    _ => self.dice.pick(&[json!(""), json!("fail"), json!("t 😀")]).clone(),
                },
            },
        }
    }
}
