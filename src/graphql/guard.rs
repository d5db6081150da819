//! What each root field of the schema needs. Each context says it of its own, beside its resolvers;
//! here the tables are merged. A field that is in none, or in more than one, is open to nobody.

use std::collections::HashMap;
use std::sync::LazyLock;

use async_graphql::ServerError;

use super::errors::{FORBIDDEN, refused_request};
use super::{access, commerce, history, operations, products, scheduling};
use auth::Permission::Read;
use auth::{Permission, Principal};
use documents::Operation;

/// Root fields by what they need, spelled as in the schema or as in the sources.
pub type Needs = &'static [(Permission, &'static [&'static str])];

/// The tables of all contexts, and that of what belongs to none.
pub const TABLES: [Needs; 7] = [
    &[(Read, &["__schema", "__type", "__typename", "node"])],
    access::NEEDS,
    products::NEEDS,
    commerce::NEEDS,
    scheduling::NEEDS,
    operations::NEEDS,
    history::NEEDS,
];

/// Nothing for a field that is listed twice.
type Merged = HashMap<String, Option<Permission>>;

static MERGED: LazyLock<Merged> = LazyLock::new(|| merged(needs(&TABLES)));

/// What is listed, field by field, spelled as in the schema.
pub fn needs(tables: &[Needs]) -> impl Iterator<Item = (Permission, String)> {
    let rows = tables.iter().copied().flatten();
    rows.flat_map(|(need, fields)| fields.iter().map(|field| (*need, in_schema(field))))
}

fn merged(needs: impl Iterator<Item = (Permission, String)>) -> Merged {
    let mut merged = Merged::new();
    for (need, field) in needs {
        merged.entry(field).and_modify(|known| *known = None).or_insert(Some(need));
    }
    merged
}

/// `release_hold` is `releaseHold` in the schema; `__schema` stays as it is.
fn in_schema(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    for (number, word) in field.split('_').enumerate() {
        match word.chars().next() {
            Some(first) if number > 0 && !field.starts_with('_') => {
                name.push(first.to_ascii_uppercase());
                name.push_str(&word[first.len_utf8()..]);
            }
            Some(_) => name.push_str(word),
            None => name.push('_'),
        }
    }
    name
}

/// Lets an operation pass if the principal may use every one of its root fields.
pub fn admit(principal: &Principal, operation: &Operation) -> Result<(), ServerError> {
    for field in &operation.root_fields {
        if need_of(&MERGED, field).is_some_and(|need| principal.may(need)) {
            continue;
        }
        return Err(refused_request(FORBIDDEN, format!("{field} is no field that is open to you")));
    }
    Ok(())
}

fn need_of(merged: &Merged, field: &str) -> Option<Permission> {
    merged.get(field).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Permission::{Operate, Write};

    #[test]
    fn a_field_in_no_table_or_in_two_is_open_to_nobody() {
        let tables: [Needs; 2] =
            [&[(Read, &["a", "b_c", "__d"])], &[(Operate, &["bC"]), (Write, &["eF"])]];
        let merged = merged(needs(&tables));
        assert_eq!(need_of(&merged, "a"), Some(Read));
        assert_eq!(need_of(&merged, "bC"), None, "two tables speak of it");
        assert_eq!(need_of(&merged, "__d"), Some(Read));
        assert_eq!(need_of(&merged, "eF"), Some(Write));
        assert_eq!(need_of(&merged, "g"), None, "no table speaks of it");
    }
}
