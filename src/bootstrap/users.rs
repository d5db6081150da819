//! `emporium user`: who signs in here, and tokens for whoever can read the master key. Works on the tables of
//! sign-ins alone, so also beside a running server.

use serde_json::json;
use uuid::Uuid;

use auth::Identity;
use cli::output::Output;
use cli::{Failure, StorageArguments, Subject, UserCommand};
use config::Settings;
use domain::principal::PrincipalKind;
use issuer::login_of;
use issuer::passwords::Passwords;
use persistence::cause::chain;
use persistence::clock::Clock;
use persistence::journal::JournalError;
use persistence::secrets::{Vault, master};
use persistence::sign_ins::{Credential, SignInStore};

use super::node::NodeBuilder;
use super::{keys, proof, settings, written};

/// Who a new installation is signed in to by.
const FIRST: &str = "administrator";
/// 5 bits each: 100 bits nobody guesses. Without letters that look alike.
const PASSWORD_CHARACTERS: usize = 20;
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Somebody who can sign in now, with the password that is shown once.
pub struct Made {
    pub login: String,
    pub user: Uuid,
    pub password: String,
}

/// Does what the command says.
pub async fn perform(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create { storage, login, user, json } => {
            let (_, store, vault) = open(&storage).await?;
            let user = user.unwrap_or_else(Uuid::new_v4);
            let made = make(&*store, &vault, login.trim(), user).await?;
            let made = made.ok_or_else(|| {
                Failure::Failed(format!("{login} signs in here already, or that user does"))
            })?;
            print(&made, json)
        }
        UserCommand::Reset { storage, login, json } => {
            let (_, store, vault) = open(&storage).await?;
            let known = known(&*store, &vault, &login).await?;
            let password = drawn();
            let hashed = hashed(&password).await?;
            let now = Clock::system().wall_us();
            store.set_password(known.user, &hashed, now).await.map_err(unwritten)?;
            store.end_sessions_of(known.user, now).await.map_err(unwritten)?;
            print(&Made { login, user: known.user, password }, json)
        }
        UserCommand::Token { storage, name, seconds } => {
            let (settings, store, vault) = open(&storage).await?;
            let identity = match name.parse::<Subject>() {
                Ok(subject) => subject.0,
                Err(_) => {
                    let user = known(&*store, &vault, &name).await?.user;
                    Identity::new(PrincipalKind::User, user.to_string())
                }
            };
            let (installation, audience) = (&vault.installation, &settings.auth.audience);
            let token = proof::token_of(installation, audience, &identity, seconds);
            let mut output = Output::default();
            output.line(&token)?;
            output.flush()
        }
    }
}

/// Makes an administrator where nobody can sign in yet.
pub async fn first(settings: &Settings, builder: &NodeBuilder) -> Result<Option<Made>, Failure> {
    let (store, vault) = builder.sign_ins();
    if settings.general.demo || store.has_credentials().await.map_err(unwritten)? {
        return Ok(None);
    }
    // Of several nodes that start at once, one makes it.
    make(&*store, vault, FIRST, Uuid::new_v4()).await
}

type Opened = (Settings, std::sync::Arc<dyn SignInStore>, Vault);

async fn open(storage: &StorageArguments) -> Result<Opened, Failure> {
    let settings = settings(storage)?;
    let (stores, _) = written(&settings).await?;
    let vault = keys::open_known(&settings, stores.secrets).await?;
    Ok((settings, stores.sign_ins, vault))
}

async fn known(store: &dyn SignInStore, vault: &Vault, login: &str) -> Result<Credential, Failure> {
    let found = store.credential(login_of(&vault.index, login)).await.map_err(unwritten)?;
    found.ok_or_else(|| Failure::Failed(format!("{login} does not sign in here")))
}

/// Nothing, where the login or the user is known already.
async fn make(
    store: &dyn SignInStore,
    vault: &Vault,
    login: &str,
    user: Uuid,
) -> Result<Option<Made>, Failure> {
    if login.is_empty() {
        return Err(Failure::Usage("a login has at least one character".to_owned()));
    }
    let password = drawn();
    let credential = Credential {
        user,
        login: login_of(&vault.index, login),
        password: hashed(&password).await?,
        changed_us: Clock::system().wall_us(),
    };
    let is_new = store.add_credential(&credential).await.map_err(unwritten)?;
    Ok(is_new.then(|| Made { login: login.to_owned(), user, password }))
}

async fn hashed(password: &str) -> Result<String, Failure> {
    let hashed = Passwords::new().hash(password).await;
    hashed.map_err(|_| Failure::Failed("the password was not hashed".to_owned()))
}

fn drawn() -> String {
    let bytes: [u8; PASSWORD_CHARACTERS] = master::draw();
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

fn print(made: &Made, json: bool) -> Result<(), Failure> {
    let Made { login, user, password } = made;
    let mut output = Output::default();
    if json {
        output.line(&json!({ "login": login, "user": user, "password": password }).to_string())?;
    } else {
        output
            .line(&format!("{login} (user {user}) signs in with {password}; this is shown once"))?;
    }
    output.flush()
}

fn unwritten(error: JournalError) -> Failure {
    Failure::failed("the tables of sign-ins", chain(&error))
}
