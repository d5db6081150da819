//! A house with an issuer in it, tables in memory, and browsers that come: for the tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use serde_json::Value;
use uuid::Uuid;

use super::fields::with_fields;
use super::*;
use auth::sign_in::{NotLetIn, Registration, Unregistered, Witness};
use domain::sealed::INDEX_BYTES;
use mail::{Carrier, Letter, NotCarried};
use persistence::clock::Time;
use persistence::sign_ins::{Credential, End, Passkey, PasskeyId, SecondFactor, Session};
use tokens::issuer::Issuer;
use tokens::signing::set_of;
use tokens::{Names, TokenOptions, Trusted, Verifier};
use tokio::sync::Notify;

pub const SHOP: &str = "https://shop.example";
pub const BACK: &str = "https://manager.example/in";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The tables, in memory.
#[derive(Default)]
pub struct Tables {
    pub credentials: Mutex<Vec<Credential>>,
    pub sessions: Mutex<BTreeMap<Uuid, Session>>,
    pub factors: Mutex<BTreeMap<Uuid, SecondFactor>>,
    pub passkeys: Mutex<Vec<Passkey>>,
    pub ended: Mutex<Vec<End>>,
}

#[async_trait]
impl SignInStore for Tables {
    async fn credential(&self, login: Login) -> Result<Option<Credential>, JournalError> {
        Ok(self.credentials.lock().iter().find(|it| it.login == login).cloned())
    }

    async fn has_credentials(&self) -> Result<bool, JournalError> {
        Ok(!self.credentials.lock().is_empty())
    }

    async fn add_credential(&self, credential: &Credential) -> Result<bool, JournalError> {
        self.credentials.lock().push(credential.clone());
        Ok(true)
    }

    async fn set_password(&self, _: Uuid, _: &str, _: i64) -> Result<bool, JournalError> {
        Ok(false)
    }

    async fn change_password(
        &self,
        user: Uuid,
        from_us: i64,
        password: &str,
        changed_us: i64,
    ) -> Result<bool, JournalError> {
        let mut credentials = self.credentials.lock();
        let mut known = credentials.iter_mut();
        let known = known.find(|it| it.user == user && it.changed_us == from_us);
        Ok(known.is_some_and(|known| {
            password.clone_into(&mut known.password);
            known.changed_us = changed_us;
            true
        }))
    }

    async fn password_of(&self, user: Uuid) -> Result<Option<String>, JournalError> {
        let credentials = self.credentials.lock();
        Ok(credentials.iter().find(|it| it.user == user).map(|it| it.password.clone()))
    }

    async fn can_sign_in(&self, user: Uuid) -> Result<bool, JournalError> {
        Ok(self.credentials.lock().iter().any(|it| it.user == user))
    }

    async fn second_factor(&self, user: Uuid) -> Result<Option<SecondFactor>, JournalError> {
        Ok(self.factors.lock().get(&user).cloned())
    }

    async fn begin_second_factor(&self, factor: &SecondFactor) -> Result<bool, JournalError> {
        let mut factors = self.factors.lock();
        let holds = factors.get(&factor.user).is_some_and(|it| it.confirmed_us > 0);
        if !holds {
            factors.insert(factor.user, factor.clone());
        }
        Ok(!holds)
    }

    async fn move_second_factor(
        &self,
        from: &SecondFactor,
        to: &SecondFactor,
    ) -> Result<bool, JournalError> {
        let mut factors = self.factors.lock();
        let known = factors.get_mut(&from.user).filter(|known| *known == from);
        Ok(known.is_some_and(|known| {
            known.clone_from(to);
            true
        }))
    }

    async fn remove_second_factor(&self, user: Uuid) -> Result<(), JournalError> {
        self.factors.lock().remove(&user);
        Ok(())
    }

    async fn passkey(&self, id: PasskeyId) -> Result<Option<Passkey>, JournalError> {
        Ok(self.passkeys.lock().iter().find(|it| it.id == id).cloned())
    }

    async fn passkeys_of(&self, user: Uuid) -> Result<Vec<Passkey>, JournalError> {
        Ok(self.passkeys.lock().iter().filter(|it| it.user == user).cloned().collect())
    }

    async fn add_passkey(&self, passkey: &Passkey, asked_us: i64) -> Result<bool, JournalError> {
        let mut passkeys = self.passkeys.lock();
        let since = |it: &Passkey| it.user == passkey.user && it.made_us >= asked_us;
        let is_new = passkeys.iter().all(|it| it.id != passkey.id && !since(it));
        if is_new {
            passkeys.push(passkey.clone());
        }
        Ok(is_new)
    }

    async fn use_passkey(
        &self,
        known: &Passkey,
        counter: u32,
        used_us: i64,
    ) -> Result<bool, JournalError> {
        let mut passkeys = self.passkeys.lock();
        let found = passkeys.iter_mut().find(|it| *it == known);
        Ok(found.is_some_and(|it| {
            (it.counter, it.used_us) = (counter, used_us);
            true
        }))
    }

    async fn remove_passkey(&self, user: Uuid, id: PasskeyId) -> Result<(), JournalError> {
        self.passkeys.lock().retain(|it| it.user != user || it.id != id);
        Ok(())
    }

    async fn remove_passkeys_of(&self, user: Uuid) -> Result<(), JournalError> {
        self.passkeys.lock().retain(|it| it.user != user);
        Ok(())
    }

    async fn roles_told(&self, _: Uuid) -> Result<i64, JournalError> {
        unreachable!("issuers elsewhere are nobody's here")
    }

    async fn note_roles_told(&self, _: Uuid, _: Uuid, _: i64) -> Result<(), JournalError> {
        unreachable!("issuers elsewhere are nobody's here")
    }

    async fn linked(&self, _: Uuid) -> Result<Option<Uuid>, JournalError> {
        unreachable!("issuers elsewhere are nobody's here")
    }

    async fn link(&self, _: Uuid, _: Uuid, _: i64) -> Result<bool, JournalError> {
        unreachable!("issuers elsewhere are nobody's here")
    }

    async fn link_unless_known(&self, _: Uuid, _: Uuid, _: i64) -> Result<bool, JournalError> {
        unreachable!("issuers elsewhere are nobody's here")
    }

    async fn unlink(&self, _: Uuid) -> Result<bool, JournalError> {
        unreachable!("issuers elsewhere are nobody's here")
    }

    async fn begin_session(&self, session: &Session) -> Result<(), JournalError> {
        self.sessions.lock().insert(session.id, session.clone());
        Ok(())
    }

    async fn session(&self, id: Uuid) -> Result<Option<Session>, JournalError> {
        Ok(self.sessions.lock().get(&id).cloned())
    }

    async fn renew_session(
        &self,
        id: Uuid,
        from: u32,
        asked: &str,
        used_us: i64,
        ends_us: i64,
    ) -> Result<bool, JournalError> {
        let mut sessions = self.sessions.lock();
        let session = sessions.get_mut(&id).filter(|session| session.generation == from);
        Ok(session.is_some_and(|session| {
            session.generation += 1;
            asked.clone_into(&mut session.asked);
            (session.used_us, session.ends_us) = (used_us, ends_us);
            true
        }))
    }

    async fn sessions_of(&self, user: Uuid) -> Result<Vec<Session>, JournalError> {
        Ok(self.sessions.lock().values().filter(|it| it.user == user).cloned().collect())
    }

    async fn end_session(&self, id: Uuid, now: i64) -> Result<(), JournalError> {
        let mut ended = self.ended.lock();
        self.sessions.lock().retain(|_, session| {
            let ends = session.id == id || session.parent == Some(id);
            if ends {
                let number = ended.len() as u64 + 1;
                let until_us = session.end_kept_until(now);
                ended.push(End { number, session: session.id, until_us });
            }
            !ends
        });
        Ok(())
    }

    async fn remove_credential(&self, _: Uuid) -> Result<(), JournalError> {
        unreachable!("nobody is forgotten here")
    }

    async fn end_sessions_of(&self, user: Uuid, now: i64) -> Result<(), JournalError> {
        for session in self.sessions_of(user).await? {
            self.end_session(session.id, now).await?;
        }
        Ok(())
    }

    async fn ended_after(&self, number: u64) -> Result<Vec<End>, JournalError> {
        let ended = self.ended.lock();
        Ok(ended.iter().filter(|end| end.number > number).copied().collect())
    }

    async fn sweep(&self, _: i64) -> Result<(), JournalError> {
        Ok(())
    }
}

pub struct Index;

impl IndexKey for Index {
    fn hash(&self, kind: &str, normalised: &str) -> [u8; INDEX_BYTES] {
        let text = format!("{kind}\0{normalised}");
        *digest(&SHA256, text.as_bytes()).as_ref().first_chunk().expect("it has 32 bytes")
    }
}

/// A clock on the wall that a test moves on.
pub struct Shown(Arc<AtomicI64>);

impl Time for Shown {
    fn wall_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic_us(&self) -> u64 {
        0
    }
}

/// Letters as they arrive, and users as they register: those of the same address are the same.
#[derive(Default)]
pub struct World {
    pub letters: Mutex<Vec<Letter>>,
    pub arrived: Notify,
    pub users: Mutex<Vec<(String, Uuid)>>,
    pub refused: Mutex<Vec<(Option<Uuid>, NotLetIn)>>,
}

#[async_trait]
impl Carrier for World {
    async fn carry(&self, letter: &Letter) -> Result<(), NotCarried> {
        self.letters.lock().push(letter.clone());
        self.arrived.notify_one();
        Ok(())
    }
}

#[async_trait]
impl Registrar for World {
    async fn register(&self, registration: Registration) -> Result<Uuid, Unregistered> {
        let mut users = self.users.lock();
        let known = users.iter().find(|(email, _)| *email == registration.email);
        if let Some((_, user)) = known {
            return Ok(*user);
        }
        let user = Uuid::new_v4();
        users.push((registration.email, user));
        Ok(user)
    }
}

impl Witness for World {
    fn refused(&self, user: Option<Uuid>, why: NotLetIn) {
        self.refused.lock().push((user, why));
    }
}

impl World {
    /// The next letter that arrives.
    pub async fn letter(&self) -> Letter {
        self.arrived.notified().await;
        self.letters.lock().last().cloned().expect("it has arrived")
    }

    /// The path that a letter leads to.
    pub async fn path(&self) -> String {
        let Letter { text, .. } = self.letter().await;
        let (_, rest) = text.split_once(SHOP).expect("a link");
        rest.split_whitespace().next().expect("a path").to_owned()
    }
}

pub struct House {
    pub issuer: BuiltIn,
    pub world: Arc<World>,
    pub sealer: Arc<Sealer>,
    pub outgoing: Outgoing,
    /// What the clock shows, in microseconds since 1970.
    pub now: Arc<AtomicI64>,
    pub tables: Arc<Tables>,
    pub verifier: Arc<Verifier>,
    pub user: Uuid,
}

/// A browser with its cookies.
#[derive(Default)]
pub struct Browser {
    pub cookies: BTreeMap<String, String>,
    pub address: String,
}

impl House {
    pub fn store(&self) -> Arc<dyn SignInStore> {
        Arc::clone(&self.tables) as Arc<dyn SignInStore>
    }

    pub async fn open() -> Self {
        let tables = Arc::new(Tables::default());
        let store = Arc::clone(&tables) as Arc<dyn SignInStore>;
        let passwords = Passwords::new();
        let user = Uuid::from_u128(7);
        let password = passwords.hash("correct horse").await.expect("there is a place");
        let login = login_of(&Index, "Ada@Example.com");
        let ada = Credential { user, login, password, changed_us: 0 };
        store.add_credential(&ada).await.expect("memory answers");
        let keys = vec![SigningKey::new(&[7; 32])];
        let ended = Ended::open(Arc::clone(&store)).await.expect("memory answers");
        let own = Arc::new(Issuer::own(SHOP));
        own.give(set_of(&keys));
        let names = Names::Own { ended: Arc::clone(&ended) as Arc<dyn tokens::Sessions> };
        let options = TokenOptions {
            audience: "emporium".to_owned(),
            leeway_seconds: 0,
            remembered_bytes_max: 1 << 20,
        };
        let trusted = vec![Trusted { issuer: own, names }];
        let verifier = Arc::new(Verifier::new(options, trusted));
        let world = Arc::<World>::default();
        let now = Arc::new(AtomicI64::new(Clock::system().wall_us()));
        let shown = Arc::clone(&now);
        let sealer = Arc::new(Sealer::new(&[[9; 32]]));
        let outgoing = Outgoing::by(Arc::clone(&world) as Arc<dyn Carrier>);
        let issuer = BuiltIn::new(IssuerParts {
            sealer: Arc::clone(&sealer),
            outgoing: outgoing.clone(),
            registrar: Some(Arc::clone(&world) as Arc<dyn Registrar>),
            witness: Arc::clone(&world) as Arc<dyn Witness>,
            address: SHOP.to_owned(),
            audience: "emporium".to_owned(),
            apps: Apps::read(&[format!("manager {BACK}")]).expect("an app"),
            keys,
            proofs: Proofs::new(&[[9; 32]]),
            store,
            ended,
            tokens: Arc::clone(&verifier) as Arc<dyn Tokens>,
            index: Arc::new(Index),
            passwords,
            clock: Clock::Given(Arc::new(Shown(shown))),
        });
        Self { issuer, world, sealer, outgoing, now, tables, verifier, user }
    }

    pub async fn ask(
        &self,
        browser: &mut Browser,
        path: &str,
        form: Option<&[(&str, &str)]>,
    ) -> Told {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let cookies: Vec<_> = browser.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let form = form.map(|fields| with_fields("", fields).trim_start_matches('?').to_owned());
        let told = self
            .issuer
            .answer(Asked {
                is_post: form.is_some(),
                path: path.to_owned(),
                query: query.to_owned(),
                form: form.unwrap_or_default(),
                cookies: cookies.join("; "),
                address: browser.address.clone(),
                ..Asked::default()
            })
            .await;
        for (_, cookie) in told.headers.iter().filter(|(name, _)| *name == "set-cookie") {
            assert!(cookie.contains("; HttpOnly; SameSite=Lax") && cookie.ends_with("; Secure"));
            let (name, value) =
                cookie.split(';').next().and_then(|it| it.split_once('=')).expect("a cookie");
            browser.cookies.insert(name.to_owned(), value.to_owned());
        }
        told
    }

    /// Signs in by the page that an app leads to; the address with the code.
    pub async fn sign_in(&self, browser: &mut Browser, request: &str) -> String {
        let page = self.ask(browser, request, None).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let fields = [
            ("request", hidden(&page, "request")),
            ("form", hidden(&page, "form")),
            ("login", "ada@example.com".to_owned()),
            ("password", "correct horse".to_owned()),
        ];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let signed_in = self.ask(browser, "/auth/sign-in", Some(&fields)).await;
        let on = location(&signed_in);
        location(&self.ask(browser, &on, None).await)
    }

    pub async fn token(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let told = self.ask(&mut Browser::default(), "/auth/token", Some(fields)).await;
        (told.status, serde_json::from_str(&told.body).expect("JSON"))
    }

    pub async fn redeem(&self, code: &str, verifier: &str) -> (u16, Value) {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", "manager"),
            ("redirect_uri", BACK),
            ("code_verifier", verifier),
        ])
        .await
    }

    pub async fn renew(&self, refresh: &str) -> (u16, Value) {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh),
            ("client_id", "manager"),
        ])
        .await
    }
}

pub fn request(more: &[(&str, &str)]) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", "manager"),
        ("redirect_uri", BACK),
        ("scope", "openid email"),
        ("state", "a state"),
        ("nonce", "a nonce"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    fields.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    fields.extend(more);
    with_fields("/auth/authorize", &fields)
}

pub fn location(told: &Told) -> String {
    let found = told.headers.iter().find(|(name, _)| *name == "location");
    found.unwrap_or_else(|| panic!("it leads nowhere: {told:?}")).1.clone()
}

pub fn field(address: &str, name: &str) -> String {
    let (_, query) = address.split_once('?').expect("a query");
    Fields::read(query).get(name).to_owned()
}

pub fn hidden(page: &Told, name: &str) -> String {
    let before = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.body.split_once(&before).expect("a hidden field");
    let (value, _) = rest.split_once('"').expect("it ends");
    value.replace("&amp;", "&")
}

pub fn text<'a>(reply: &'a Value, name: &str) -> &'a str {
    reply[name].as_str().unwrap_or_else(|| panic!("no {name} in {reply}"))
}
