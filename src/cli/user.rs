//! `emporium user grant` and `revoke`: roles of users, by asking the GraphQL API of a running server like any
//! other client. Who may give which, the server decides.

use serde_json::{Value, json};

use super::actor::change;
use super::output::Output;
use super::{Failure, RoleArguments, ServerArguments};

/// Gives a role, or changes until when it holds.
pub async fn grant(
    server: &ServerArguments,
    role: &RoleArguments,
    until: Option<&str>,
    is_json: bool,
) -> Result<(), Failure> {
    let mut input = input(role);
    input["validUntil"] = json!(until);
    let told = change(server, "assignRole", "AssignRoleInput", "id version", input).await?;
    print(&told, is_json, &format!("{} is given to {}", role.role, role.user.0))
}

/// Takes a role away.
pub async fn revoke(
    server: &ServerArguments,
    role: &RoleArguments,
    is_json: bool,
) -> Result<(), Failure> {
    let input = input(role);
    let told = change(server, "revokeRole", "RevokeRoleInput", "id version", input).await?;
    print(&told, is_json, &format!("{} is taken from {}", role.role, role.user.0))
}

fn input(RoleArguments { user, role, scope }: &RoleArguments) -> Value {
    json!({ "userId": format!("user_{}", user.0.subject), "role": role, "scope": scope })
}

fn print(told: &Value, is_json: bool, said: &str) -> Result<(), Failure> {
    let mut output = Output::default();
    if is_json {
        output.json(&json!({ "id": told["id"], "version": told["version"] }))?;
    } else {
        output.line(said)?;
    }
    output.flush()
}
