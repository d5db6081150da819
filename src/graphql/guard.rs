//! What each root field of the schema needs. Each context says it of its own, beside its resolvers;
//! here the tables are merged. A field that is in none, or in more than one, is open to nobody.
//!
//! A need is a permission, and about what: about everything, or about things that decide for
//! themselves whose they are, where they are read, listed and sent to.

use std::collections::HashMap;
use std::sync::LazyLock;

use async_graphql::ServerError;

use super::errors::{FORBIDDEN, pending, refused_request, unauthenticated};
use super::{access, commerce, history, live, operations, products, scheduling};
use auth::Principal;
use documents::Operation;
use domain::access::permission::Permission;

/// What a root field needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: what it leads to is asked for itself.
    Nothing,
    /// The permission about something; the things themselves are looked at one by one.
    Some(Permission),
    /// The permission about everything.
    All(Permission),
}

/// Root fields by what they need, spelled as in the schema or as in the sources.
pub type Needs = &'static [(Need, &'static [&'static str])];

/// The tables of all contexts, and that of what belongs to none.
pub const TABLES: [Needs; 8] = [
    &[
        (Need::Nothing, &["__typename", "node"]),
        (Need::Some(Permission::SchemaRead), &["__schema", "__type"]),
    ],
    access::NEEDS,
    products::NEEDS,
    commerce::NEEDS,
    scheduling::NEEDS,
    operations::NEEDS,
    history::NEEDS,
    live::NEEDS,
];

/// Nothing for a field that is listed twice.
type Merged = HashMap<String, Option<Need>>;

static MERGED: LazyLock<Merged> = LazyLock::new(|| merged(needs(&TABLES)));

/// What is listed, field by field, spelled as in the schema.
pub fn needs(tables: &[Needs]) -> impl Iterator<Item = (Need, String)> {
    let rows = tables.iter().copied().flatten();
    rows.flat_map(|(need, fields)| fields.iter().map(|field| (*need, in_schema(field))))
}

fn merged(needs: impl Iterator<Item = (Need, String)>) -> Merged {
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

/// Why an operation does not pass.
#[derive(Debug)]
pub enum Refused {
    /// It might, if he who asks said who he is.
    Unauthenticated(ServerError),
    Forbidden(ServerError),
    /// Nobody knows yet what he may do.
    Pending(ServerError),
}

/// Lets an operation pass if the principal may use every one of its root fields.
/// Else says which one he may not use, and why.
pub fn admit<'a>(
    principal: &Principal,
    operation: &'a Operation,
) -> Result<(), Box<(&'a str, Refused)>> {
    for field in &operation.root_fields {
        if need_of(&MERGED, field).is_some_and(|need| need.is_met_by(principal)) {
            continue;
        }
        if principal.grants.is_pending() {
            return Err(Box::new((field, Refused::Pending(pending()))));
        }
        if principal.is_anonymous() {
            return Err(Box::new((field, Refused::Unauthenticated(unauthenticated()))));
        }
        let message = format!("{field} is no field that is open to you");
        return Err(Box::new((field, Refused::Forbidden(refused_request(FORBIDDEN, message)))));
    }
    Ok(())
}

impl Need {
    /// How a table of roles shows it.
    pub fn cell(self, principal: &Principal) -> &'static str {
        match self {
            _ if !self.is_met_by(principal) => "–",
            Self::Nothing => "some",
            Self::Some(permission) if !principal.grants.may_everywhere(permission) => "some",
            Self::Some(_) | Self::All(_) => "all",
        }
    }

    pub fn is_met_by(self, principal: &Principal) -> bool {
        match self {
            Self::Nothing => true,
            Self::Some(permission) => principal.grants.may_somewhere(permission),
            Self::All(permission) => principal.grants.may_everywhere(permission),
        }
    }
}

fn need_of(merged: &Merged, field: &str) -> Option<Need> {
    merged.get(field).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Need::{All, Nothing, Some as Of};
    use Permission::{ClusterOperate, OrdersRead};

    #[test]
    fn a_field_in_no_table_or_in_two_is_open_to_nobody() {
        let tables: [Needs; 2] = [
            &[(Nothing, &["a", "b_c", "__d"])],
            &[(All(ClusterOperate), &["bC"]), (Of(OrdersRead), &["eF"])],
        ];
        let merged = merged(needs(&tables));
        assert_eq!(need_of(&merged, "a"), Some(Nothing));
        assert_eq!(need_of(&merged, "bC"), None, "two tables speak of it");
        assert_eq!(need_of(&merged, "__d"), Some(Nothing));
        assert_eq!(need_of(&merged, "eF"), Some(Of(OrdersRead)));
        assert_eq!(need_of(&merged, "g"), None, "no table speaks of it");
    }
}
