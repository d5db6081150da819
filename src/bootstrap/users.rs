//! `emporium user`: who signs in here, and tokens for whoever can read the master key. Works on the tables of
//! sign-ins alone, so also beside a running server; roles are given by asking that server. Makes the first
//! administrator.

use serde_json::json;
use uuid::Uuid;

use auth::{Identity, Principal};
use cli::output::Output;
use cli::{Failure, StorageArguments, Subject, UserCommand, user};
use config::Settings;
use domain::access::shipped::ADMINISTRATOR;
use domain::principal::PrincipalKind;
use graphql::GraphqlSchema;
use issuer::clients::client_of;
use issuer::login_of;
use issuer::passwords::Passwords;
use persistence::cause::chain;
use persistence::clock::Clock;
use persistence::journal::JournalError;
use persistence::secrets::{Vault, master};
use persistence::sign_ins::{Credential, Login, SignInStore};

use super::client::{Client, ClientError};
use super::node::NodeBuilder;
use super::{keys, proof, settings, subjects, written};

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
        UserCommand::Create { storage, login, user, client, json } => {
            let (_, store, vault) = open(&storage).await?;
            let user = user.unwrap_or_else(Uuid::new_v4);
            let (login, password) = (login.trim(), drawn());
            if !keep(&*store, found_by(&vault, login, client)?, user, &password).await? {
                let said = format!("{login} signs in here already, or that user does");
                return Err(Failure::Failed(said));
            }
            print(&Made { login: login.to_owned(), user, password }, json)
        }
        UserCommand::Reset { storage, login, client, second_factor, json } => {
            let (_, store, vault) = open(&storage).await?;
            let known = known(&*store, found_by(&vault, &login, client)?, &login).await?;
            let password = drawn();
            let hashed = hashed(&password).await?;
            let now = Clock::system().wall_us();
            store.set_password(known.user, &hashed, now).await.map_err(unwritten)?;
            if second_factor {
                store.remove_second_factor(known.user).await.map_err(unwritten)?;
            }
            store.remove_passkeys_of(known.user).await.map_err(unwritten)?;
            store.end_sessions_of(known.user, now).await.map_err(unwritten)?;
            print(&Made { login, user: known.user, password }, json)
        }
        UserCommand::Link { storage, user, issuer, subject } => {
            let (_, store, vault) = open(&storage).await?;
            let name = subjects::named(&subjects::secret(&vault.installation), &issuer, &subject);
            let user = Uuid::try_parse(&user.0.subject).map_err(|_| {
                Failure::Usage("a subject is linked with a user, by his id".to_owned())
            })?;
            store.unlink(name).await.map_err(unwritten)?;
            store.link(name, user, Clock::system().wall_us()).await.map_err(unwritten)?;
            say(&format!("{subject} of {issuer} is user {user} from his next token on"))
        }
        UserCommand::Unlink { storage, issuer, subject } => {
            let (_, store, vault) = open(&storage).await?;
            let name = subjects::named(&subjects::secret(&vault.installation), &issuer, &subject);
            if !store.unlink(name).await.map_err(unwritten)? {
                return Err(Failure::Failed("this subject is linked with nobody".to_owned()));
            }
            say(&format!("{subject} of {issuer} is a user of his own from his next token on"))
        }
        UserCommand::Grant { server, role, until, json } => {
            user::grant(&server, &role, until.as_deref(), json).await
        }
        UserCommand::Revoke { server, role, json } => user::revoke(&server, &role, json).await,
        UserCommand::Token { storage, name, seconds, scope } => {
            let (settings, store, vault) = open(&storage).await?;
            let identity = match name.parse::<Subject>() {
                Ok(subject) => subject.0,
                Err(_) => {
                    let user = known(&*store, found_by(&vault, &name, false)?, &name).await?.user;
                    Identity::new(PrincipalKind::User, user.to_string())
                }
            };
            let (installation, audience) = (&vault.installation, &settings.auth.audience);
            let token = proof::token_of(installation, audience, &identity, seconds, &scope);
            let mut output = Output::default();
            output.line(&token)?;
            output.flush()
        }
    }
}

/// The address that the first administrator is registered under until he says another: nobody reads mail there.
const FIRST_EMAIL: &str = "administrator@emporium.invalid";
const FIRST_PREFIX: &str = "first-administrator";

/// Makes an administrator where nobody can sign in yet: a user, his role, and last of all the password, so
/// that what was begun and not ended is taken up at the next start.
pub async fn first(builder: &NodeBuilder, schema: &GraphqlSchema) -> Result<Option<Made>, Failure> {
    let (store, vault) = builder.sign_ins();
    if store.has_credentials().await.map_err(unwritten)? {
        return Ok(None);
    }
    let client = Client::new(schema, Principal::installation(), FIRST_PREFIX);
    let registered = registered(&client).await;
    let user = registered.map_err(|error| Failure::failed("making an administrator", error))?;
    let password = drawn();
    // Of several nodes that start at once, one makes it.
    let is_new = keep(&*store, found_by(vault, FIRST, false)?, user, &password).await?;
    Ok(is_new.then(|| Made { login: FIRST.to_owned(), user, password }))
}

/// The user who is the first administrator.
async fn registered(client: &Client<'_>) -> Result<Uuid, ClientError> {
    let input = json!({ "email": FIRST_EMAIL, "displayName": "Administrator" });
    let made = client.mutate("registerUser", "id", FIRST, input).await?;
    let id = made["id"].as_str().unwrap_or_default().to_owned();
    let input = json!({ "userId": id, "role": ADMINISTRATOR });
    client.mutate("assignRole", "id", FIRST, input).await?;
    let user = id.split_once('_').and_then(|(_, id)| Uuid::try_parse(id).ok());
    user.ok_or_else(|| ClientError::Answer(made.to_string()))
}

type Opened = (Settings, std::sync::Arc<dyn SignInStore>, Vault);

async fn open(storage: &StorageArguments) -> Result<Opened, Failure> {
    let settings = settings(storage)?;
    let (stores, _) = written(&settings).await?;
    let vault = keys::open_known(&settings, stores.secrets).await?;
    Ok((settings, stores.sign_ins, vault))
}

/// By what somebody's credential is found, or a program's.
pub fn found_by(vault: &Vault, login: &str, is_client: bool) -> Result<Login, Failure> {
    match (login.trim().is_empty(), is_client) {
        (true, _) => Err(Failure::Failed("whoever has no name does not sign in here".to_owned())),
        (false, true) => Ok(client_of(&vault.index, login)),
        (false, false) => Ok(login_of(&vault.index, login)),
    }
}

async fn known(store: &dyn SignInStore, by: Login, login: &str) -> Result<Credential, Failure> {
    let found = store.credential(by).await.map_err(unwritten)?;
    found.ok_or_else(|| Failure::Failed(format!("{login} does not sign in here")))
}

/// Lets a user sign in; not, where the login or the user is known already.
pub async fn keep(
    store: &dyn SignInStore,
    login: Login,
    user: Uuid,
    password: &str,
) -> Result<bool, Failure> {
    // Hashing takes its time.
    if store.credential(login).await.map_err(unwritten)?.is_some() {
        return Ok(false);
    }
    let (password, changed_us) = (hashed(password).await?, Clock::system().wall_us());
    let credential = Credential { user, login, password, changed_us };
    store.add_credential(&credential).await.map_err(unwritten)
}

async fn hashed(password: &str) -> Result<String, Failure> {
    let hashed = Passwords::new().hash(password).await;
    hashed.map_err(|_| Failure::Failed("the password was not hashed".to_owned()))
}

fn drawn() -> String {
    readable(&master::draw::<PASSWORD_CHARACTERS>())
}

/// A password of bytes that nobody can guess; as many characters as are enough.
pub fn readable(bytes: &[u8]) -> String {
    let bytes = &bytes[..PASSWORD_CHARACTERS];
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

fn say(line: &str) -> Result<(), Failure> {
    let mut output = Output::default();
    output.line(line)?;
    output.flush()
}

fn unwritten(error: JournalError) -> Failure {
    Failure::failed("the tables of sign-ins", chain(&error))
}
