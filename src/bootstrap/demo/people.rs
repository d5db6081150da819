//! Who signs in to a demo: somebody for each role that ships, under the name of that role. Whoever starts a demo
//! is shown the passwords, at every start: they follow from a secret of the installation.

use std::net::SocketAddr;

use uuid::Uuid;

use super::super::client::Client;
use super::super::{proof, users};
use cli::Failure;
use domain::access::shipped::{CUSTOMER, SHIPPED, ShippedRole};
use persistence::secrets::Vault;
use persistence::sign_ins::SignInStore;
use users::Made;

/// Under which address somebody with this role is registered. The customer is one who has ordered.
pub fn email(role: &str) -> String {
    match role {
        CUSTOMER => "customer-1@example.com".to_owned(),
        _ => format!("{role}@example.com"),
    }
}

/// What he is called.
pub fn name(role: &str) -> String {
    let (first, rest) = role.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

/// Lets those sign in who cannot yet; everybody with his password.
pub async fn let_in(
    client: &Client<'_>,
    store: &dyn SignInStore,
    vault: &Vault,
) -> Result<Vec<Made>, Failure> {
    let mut all = Vec::new();
    for ShippedRole { name: role, .. } in SHIPPED {
        let found = client.user(&email(role)).await;
        let found = found.map_err(|error| Failure::failed("looking for who signs in", error))?;
        let user = found.and_then(|id| Uuid::try_parse(id.split_once('_')?.1).ok());
        let Some(user) = user else { continue };
        let password = users::readable(&proof::of_demo(&vault.installation, role));
        users::keep(store, users::found_by(vault, role, false)?, user, &password).await?;
        all.push(Made { login: (*role).to_owned(), user, password });
    }
    Ok(all)
}

/// Says on standard error how to begin.
pub fn welcome(address: SocketAddr, people: &[Made]) {
    let mut rows = String::new();
    for Made { login, password, .. } in people {
        let purpose = SHIPPED.iter().find(|role| role.name == login).map(|role| role.purpose);
        rows += &format!("  {login:<14} {password}  {}\n", purpose.unwrap_or_default());
    }
    let command = token_command(std::env::args());
    eprintln!(
        "\nTo try it out, open http://{address}/graphiql. Who signs in at http://{address}/auth/, and by \
         which password:\n\n{rows}\nA token for an hour, and a first request:\n\n  \
         TOKEN=$({command})\n  \
         curl -s http://{address}/graphql -H \"authorization: Bearer $TOKEN\" \\\n    \
         -H 'content-type: application/json' \\\n    \
         -d '{{\"query\":\"{{ products(first: 3) {{ edges {{ node {{ id name }} }} }} }}\"}}'\n"
    );
}

/// What prints a token: as the program was called, with where its data are; what an address of a database holds is
/// not shown.
fn token_command(mut arguments: impl Iterator<Item = String>) -> String {
    let mut command = arguments.next().unwrap_or_else(|| "emporium".to_owned());
    command += " user token administrator";
    while let Some(argument) = arguments.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let shown = match &*flag {
            "--config" | "--data" => value.or_else(|| arguments.next()),
            "--database" => Some("URL".to_owned()),
            _ => None,
        };
        if let Some(shown) = shown {
            command += &format!(" {flag} {shown}");
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_is_shown_finds_the_same_data_and_tells_no_password() {
        let of = |line: &str| token_command(line.split(' ').map(str::to_owned));
        assert_eq!(of("emporium serve --demo"), "emporium user token administrator");
        let long = "./emporium serve --data here --listen 127.0.0.1:1 --database mysql://a:b@c/d";
        let shown = "./emporium user token administrator --data here --database URL";
        assert_eq!(of(long), shown);
        assert_eq!(of("e serve --config=a.toml"), "e user token administrator --config a.toml");
    }
}
