//! What stands in arguments: literals of every form, variables with and without values, and what is
//! neither.

use apollo_compiler::ast::Type;
use apollo_compiler::schema::ExtendedType;
use serde_json::{Map, Value, json};

use super::generator::{Generator, Variable};

/// Strings of every form: escapes, surrogate pairs, blocks with what they lose and keep.
const STRINGS: [&str; 12] = [
    "\"\"",
    "\"fail\"",
    "\"t \\u{1F600} \\uD83D\\uDE00 \\n\"",
    "\"\\b\\f\\/\\t\\r\\\\ \\\" \\u00e4 \\u{e4}\"",
    "\"# no comment\"",
    "\"ä 😀\"",
    "\"\"\"block \\\"\"\" \"\"\"",
    "\"\"\"\"\"\"",
    "\"\"\"\n    deep\n      deeper\n\n   \t\n    deep\n  \"\"\"",
    "\"\"\"first\n    second\r\n  third\r    fourth\"\"\"",
    "\"\"\"\n\n\n\"\"\"",
    "\"\"\"no \\u00e4 \\n \"quoted\" escape\"\"\"",
];

/// What looks like a string.
const NO_STRINGS: [&str; 8] = [
    "\"\\uD83D\"",
    "\"\\uDE00\\uD83D\"",
    "\"\\uD83Dx\"",
    "\"\\u{110000}\"",
    "\"\\u{}\"",
    "\"\\u{D83D}\"",
    "\"\\x\"",
    "\"a\nb\"",
];

impl Generator<'_> {
    /// The name of a type, as a literal or by a variable that is made for it.
    pub(super) fn named(&mut self, name: &str) -> String {
        if !self.dice.one_in(4) {
            return format!("\"{name}\"");
        }
        let variable = format!("v{}", self.variables.len());
        let (declared, value) = match self.dice.below(3) {
            0 => (format!("${variable}: String = \"{name}\""), None),
            _ => (format!("${variable}: String!"), Some(json!(name))),
        };
        self.variables.push(Variable { name: variable.clone(), declared, value });
        format!("${variable}")
    }

    /// A literal, or a variable that is made for it.
    pub(super) fn value(&mut self, ty: &Type, depth: usize) -> String {
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
                "00",
                "1.",
                ".5",
                "1e",
                "0x1",
                "+1",
                "-",
                "1a",
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
            "Int" => (*self.dice.pick(&["0", "-0", "1", "2", "3", "5", "8"])).to_owned(),
            "Float" => (*self.dice.pick(&["0", "1.5", "-2e3", "1E+2", "0.0e-0"])).to_owned(),
            "Boolean" => (*self.dice.pick(&["true", "false"])).to_owned(),
            "ID" => (*self.dice.pick(&["\"x\"", "7", "\"\""])).to_owned(),
            _ if self.slips() => (*self.dice.pick(&NO_STRINGS)).to_owned(),
            _ => (*self.dice.pick(&STRINGS)).to_owned(),
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
