//! By what callers prove who they are: tokens that this installation signs under a secret of its own,
//! and those of the issuers that the configuration names.

use std::sync::Arc;

use ring::hmac;
use serde_json::json;
use uuid::Uuid;

use super::registrar::Registered;
use super::subjects::{self, Linked};
use auth::Identity;
use auth::sign_in::{Registrar, Witness};
use auth::tokens::Tokens;
use cli::Failure;
use config::Settings;
use domain::access::permission::Permission;
use issuer::apps::Apps;
use issuer::ended::Ended;
use issuer::passwords::Passwords;
use issuer::proofs::Proofs;
use issuer::sealing::Sealer;
use issuer::{BuiltIn, IssuerParts};
use mail::{Carrier, Outgoing, Printed, Smtp};
use persistence::cause::chain;
use persistence::clock::Clock;
use persistence::patience::patiently;
use persistence::secrets::{Installation, KEY_BYTES, Purpose, Vault};
use persistence::sign_ins::SignInStore;
use tokens::fetch::Fetcher;
use tokens::issuer::Issuer;
use tokens::roles::RoleMap;
use tokens::signing::{ACCESS_TOKEN, SigningKey, set_of};
use tokens::{Names, Sessions, Subjects, TokenOptions, Trusted, Verifier, wall_seconds};

/// Reads what issuers elsewhere are known by.
pub fn fetcher(settings: &Settings) -> Result<Fetcher, Failure> {
    let Some(path) = &settings.auth.authorities else {
        return Ok(Fetcher::new(None).expect("what browsers know needs no reading"));
    };
    let wrong = |problem: String| {
        Failure::Usage(format!("auth.authorities ({}): {problem}", path.display()))
    };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    Fetcher::new(Some(&pem)).map_err(|error| wrong(error.to_string()))
}

/// The keys by which this installation signs tokens, the newest last.
pub fn signing_keys(installation: &Installation) -> Vec<SigningKey> {
    let key = |secret: &[u8; KEY_BYTES]| SigningKey::new(&derived(secret, b"sign"));
    installation.generations(Purpose::Tokens).iter().map(|secret| key(&secret.key)).collect()
}

/// What the command line calls this installation in the tokens that it signs: an issuer that has no
/// address, for there may be no server.
pub fn own_name(installation: &Installation) -> String {
    format!("urn:emporium:{}", installation.name())
}

/// A token that names whom the caller says, for so many seconds, good for these permissions at most; for
/// whatever he may, if there are none.
pub fn token_of(
    installation: &Installation,
    audience: &str,
    identity: &Identity,
    seconds: u32,
    scope: &[Permission],
) -> String {
    let now = wall_seconds();
    let scope: Vec<&str> = scope.iter().map(|permission| permission.name()).collect();
    let claims = json!({
        "iss": own_name(installation),
        "sub": identity.to_string(),
        "aud": audience,
        "client_id": "emporium",
        "scope": scope.join(" "),
        "iat": now,
        "exp": now + i64::from(seconds),
        "jti": Uuid::new_v4(),
    });
    let keys = signing_keys(installation);
    let newest = keys.last().expect("every purpose has a secret");
    newest.sign(ACCESS_TOKEN, &claims)
}

/// Whoever says whom a token names, and where people sign in.
pub struct Proof {
    pub tokens: Arc<Verifier>,
    pub sign_in: Arc<BuiltIn>,
}

/// What proves who somebody is, at the address where this server is reached.
pub async fn open(
    settings: &Settings,
    vault: &Vault,
    store: Arc<dyn SignInStore>,
    people: Arc<Registered>,
    address: &str,
) -> Result<Proof, Failure> {
    let (auth, installation) = (&settings.auth, &vault.installation);
    let fetcher = fetcher(settings)?;
    let ended = patiently("reading which sessions were ended", || Ended::open(Arc::clone(&store)));
    let ended = ended.await;
    let ended = ended.map_err(|error| Failure::failed("reading sessions", chain(&error)))?;
    let clock = Clock::system();
    let told = clock.clone();
    ended.follow(move || told.wall_us());
    let keys = signing_keys(installation);
    let own = |name: &str| {
        let issuer = Arc::new(Issuer::own(name));
        issuer.give(set_of(&keys));
        Trusted { issuer, names: Names::Own { ended: Arc::clone(&ended) as Arc<dyn Sessions> } }
    };
    let mut trusted = vec![own(&own_name(installation)), own(address)];
    let linked: Arc<dyn Subjects> = Arc::new(Linked {
        secret: subjects::secret(installation),
        store: Arc::clone(&store),
        people: Arc::clone(&people),
        by_email: auth.linked_by_email.clone(),
        roles: RoleMap::read(&auth.roles)
            .map_err(|problem| Failure::Usage(format!("auth.roles: {problem}")))?,
        clock: clock.clone(),
    });
    for name in &auth.issuers {
        let issuer = Arc::new(Issuer::elsewhere(name, fetcher.clone()));
        let names = Names::Foreign { subjects: Arc::clone(&linked) };
        trusted.push(Trusted { issuer, names });
    }
    let options = TokenOptions {
        audience: auth.audience.clone(),
        leeway_seconds: auth.leeway_seconds.cast_signed(),
        remembered_bytes_max: auth.remembered_bytes_max,
    };
    let tokens = Arc::new(Verifier::new(options, trusted));
    let apps = Apps::read(&apps_of(settings, address))
        .map_err(|problem| Failure::Usage(format!("auth.apps: {problem}")))?;
    let secrets = installation.generations(Purpose::Tokens).iter();
    let secrets: Vec<_> = secrets.map(|secret| derived(&secret.key, b"sessions")).collect();
    let sealing = installation.generations(Purpose::Tokens).iter();
    let sealing: Vec<_> = sealing.map(|secret| derived(&secret.key, b"letters")).collect();
    let sign_in = Arc::new(BuiltIn::new(IssuerParts {
        address: address.to_owned(),
        audience: auth.audience.clone(),
        apps,
        keys,
        proofs: Proofs::new(&secrets),
        sealer: Arc::new(Sealer::new(&sealing)),
        outgoing: Outgoing::by(carrier(settings)?),
        witness: Arc::clone(&people) as Arc<dyn Witness>,
        registrar: auth.registration.then_some(people as Arc<dyn Registrar>),
        store,
        ended,
        tokens: Arc::clone(&tokens) as Arc<dyn Tokens>,
        index: Arc::new(vault.index.clone()),
        passwords: Passwords::new(),
        clock,
    }));
    Ok(Proof { tokens, sign_in })
}

/// The apps that are named, and the explorer where it is shown.
fn apps_of(settings: &Settings, address: &str) -> Vec<String> {
    let is_shown = settings.general.demo || settings.http.explorer;
    let is_reached = tokens::fetch::allowed(address).is_some();
    let explorer = (is_shown && is_reached).then(|| format!("explorer {address}/graphiql"));
    settings.auth.apps.iter().cloned().chain(explorer).collect()
}

/// By whom letters leave.
fn carrier(settings: &Settings) -> Result<Arc<dyn Carrier>, Failure> {
    let Some(smtp) = &settings.mail.smtp else {
        return Ok(Arc::new(Printed));
    };
    let smtp = Smtp::new(smtp.0.reveal(), &settings.mail.from);
    Ok(Arc::new(smtp.map_err(|problem| Failure::Usage(format!("mail: {problem}")))?))
}

/// What the password of somebody in the demo follows from, always the same in one installation.
pub fn of_demo(installation: &Installation, login: &str) -> [u8; KEY_BYTES] {
    let first = &installation.generations(Purpose::Ids)[0].key;
    derived(first, format!("demo {login}").as_bytes())
}

pub(super) fn derived(secret: &[u8; KEY_BYTES], what: &[u8]) -> [u8; KEY_BYTES] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), what);
    *tag.as_ref().first_chunk().expect("a hash has 32 bytes")
}
