//! Passkeys on the pages: made by somebody who is signed in and types his password, listed, removed, and signed in
//! by. What was asked of the browser goes along sealed; it is good for minutes, in this browser, and once.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::attempts::{Name, Wait};
use super::devices::device;
use super::fields::Fields;
use super::pages::Remark;
use super::passkey_pages::{self, Listed};
use super::sealing::drawn;
use super::sessions::{not_ours, to, utc};
use super::webauthn::{EDDSA, ES256, Known, RelyingParty, Shown};
use super::{BuiltIn, Fault, SECOND_US};
use auth::sign_in::{Asked, NotLetIn, Told};
use persistence::sign_ins::{PASSKEYS_MAX, Passkey, PasskeyId, Session};

/// How long somebody may take to show a passkey.
const SHOWN_WITHIN_US: i64 = 300 * SECOND_US;
const CHALLENGE_BYTES: usize = 32;
const PURPOSE: &str = "passkey is asked for";
/// The longest of each thing that a browser sends, in Base64.
const FIELD_BYTES_MAX: usize = 6_000;
/// The longest name that a device is told, in characters.
const NAME_MAX: usize = 64;
const WRONG: &str = "This passkey is not known here, or was not shown in time. Please try again, or use your password.";

/// What a browser was asked for.
#[derive(Serialize, Deserialize)]
struct Challenge {
    bytes: [u8; CHALLENGE_BYTES],
    /// For whom one is to be made; nobody, where somebody signs in.
    user: Option<Uuid>,
    /// The browser, by what its forms carry.
    form: String,
    asked_us: i64,
}

impl BuiltIn {
    /// Nobody, where the address of this server has no name.
    pub(super) fn relying_party(&self) -> Option<RelyingParty> {
        RelyingParty::at(&self.parts.address)
    }

    /// What the page to sign in asks a browser for, and the same sealed.
    pub(super) fn ask_for_passkey(&self, form: &str) -> Option<(String, String)> {
        let party = self.relying_party()?;
        let (challenge, sealed) = self.challenge(None, form);
        let options = json!({
            "challenge": challenge,
            "rpId": party.id,
            "userVerification": "required",
            "timeout": SHOWN_WITHIN_US / 1_000,
        });
        Some((options.to_string(), sealed))
    }

    fn challenge(&self, user: Option<Uuid>, form: &str) -> (String, String) {
        let bytes = drawn::<CHALLENGE_BYTES>();
        let challenge = Challenge { bytes, user, form: form.to_owned(), asked_us: self.now_us() };
        let sealed = serde_json::to_vec(&challenge).expect("numbers and texts are JSON");
        let sealed = URL_SAFE_NO_PAD.encode(self.parts.sealer.seal(PURPOSE, &sealed));
        (URL_SAFE_NO_PAD.encode(bytes), sealed)
    }

    /// What this browser was asked for, lately.
    fn challenged(&self, form: &Fields, user: Option<Uuid>) -> Option<Challenge> {
        let sealed = field(form, "asked")?;
        let opened = self.parts.sealer.open(PURPOSE, &sealed)?;
        let challenge: Challenge = serde_json::from_slice(&opened).ok()?;
        let age = self.now_us() - challenge.asked_us;
        let is_this = challenge.form == form.get("form") && challenge.user == user;
        (is_this && (0..SHOWN_WITHIN_US).contains(&age)).then_some(challenge)
    }

    /// Somebody signs in by a passkey.
    pub(super) async fn sign_in_by_passkey(
        &self,
        asked: &Asked,
        form: &Fields,
        now: Instant,
    ) -> Result<Told, Fault> {
        let request = form.get("request");
        if !self.is_own_form(asked, form) {
            let again = "This form was not sent by this browser, or is too old. Please try again.";
            return Ok(self.form(asked, 403, request, Some(again)));
        }
        let id = named(&field(form, "credential").unwrap_or_default());
        let name = self.of_passkey(&id);
        if let Err(Wait(time)) = self.attempts.begin(name, &asked.address, now) {
            self.parts.witness.refused(None, NotLetIn::TooManyTries);
            return Ok(self.too_many(asked, request, time));
        }
        let known = self.parts.store.passkey(id).await?;
        let counter = known.as_ref().and_then(|known| self.shown(form, known));
        let (Some(known), Some(counter)) = (&known, counter) else {
            let user = known.map(|known| known.user);
            self.parts.witness.refused(user, NotLetIn::WrongPasskey);
            return Ok(self.form(asked, 400, request, Some(WRONG)));
        };
        let used_us = self.now_us();
        if !self.parts.store.use_passkey(known, counter, used_us).await? {
            self.parts.witness.refused(Some(known.user), NotLetIn::UsedTwice);
            return Ok(self.form(asked, 400, request, Some(WRONG)));
        }
        self.attempts.succeeded(name, &asked.address);
        // Its owner was verified by the authenticator: no other factor is asked for.
        self.let_in(asked, known.user, request).await
    }

    /// How often a passkey has signed, if it is shown rightly and was asked for after its last use.
    fn shown(&self, form: &Fields, known: &Passkey) -> Option<u32> {
        let challenge = self.challenged(form, None)?;
        // The user whom the authenticator made it for, where it says so: with none named it must.
        let person = field(form, "person")?;
        if person != known.user.as_bytes() || challenge.asked_us <= known.used_us {
            return None;
        }
        let (client_data, data) = (field(form, "client")?, field(form, "data")?);
        let signature = field(form, "signature")?;
        let shown =
            Shown { client_data: &client_data, authenticator_data: &data, signature: &signature };
        let Passkey { key, counter, may_be_copied, .. } = known;
        let known = Known { key, counter: *counter, may_be_copied: *may_be_copied };
        let told = self.relying_party()?.verify(&challenge.bytes, &shown, &known);
        told.inspect_err(|wrong| tracing::info!(?wrong, "a passkey was not taken")).ok()
    }

    /// The passkeys of whoever is signed in here.
    pub(super) async fn passkeys(&self, asked: &Asked) -> Result<Told, Fault> {
        let Some(browser) = self.browser(asked).await? else {
            return Ok(self.form(asked, 200, "", None));
        };
        self.passkeys_page(asked, 200, &browser, None).await
    }

    async fn passkeys_page(
        &self,
        asked: &Asked,
        status: u16,
        browser: &Session,
        remark: Option<Remark<'_>>,
    ) -> Result<Told, Fault> {
        let known = self.parts.store.passkeys_of(browser.user).await?;
        let used = |used_us: i64| if used_us > 0 { utc(used_us) } else { "never".to_owned() };
        let listed: Vec<Listed> = known
            .into_iter()
            .map(|known| Listed {
                id: URL_SAFE_NO_PAD.encode(known.id),
                device: known.device,
                since: utc(known.made_us),
                used: used(known.used_us),
            })
            .collect();
        let may_add = self.relying_party().is_some() && listed.len() < PASSKEYS_MAX;
        let (form, cookie) = self.form_of(asked);
        let mut page = passkey_pages::list(status, &form, &listed, may_add, remark);
        page.headers.extend(cookie);
        Ok(page)
    }

    /// Begins with another, which takes the password; keeps it; or forgets one.
    pub(super) async fn change_passkeys(
        &self,
        asked: &Asked,
        form: &Fields,
        now: Instant,
    ) -> Result<Told, Fault> {
        if !self.is_own_form(asked, form) {
            return Ok(not_ours());
        }
        let Some(browser) = self.browser(asked).await? else {
            return Ok(to("/auth/".to_owned()));
        };
        match (form.get("step"), self.relying_party()) {
            ("begin", Some(party)) => self.begin_passkey(asked, form, &browser, &party, now).await,
            ("add", Some(party)) => self.add_passkey(asked, form, &browser, &party).await,
            ("remove", _) => {
                if let Some(Ok(id)) = field(form, "passkey").map(PasskeyId::try_from) {
                    self.parts.store.remove_passkey(browser.user, id).await?;
                }
                Ok(to("/auth/passkeys".to_owned()))
            }
            _ => Ok(to("/auth/passkeys".to_owned())),
        }
    }

    async fn begin_passkey(
        &self,
        asked: &Asked,
        form: &Fields,
        browser: &Session,
        party: &RelyingParty,
        now: Instant,
    ) -> Result<Told, Fault> {
        let name = self.of_passkey(browser.user.as_bytes());
        if let Err(Wait(time)) = self.attempts.begin(name, &asked.address, now) {
            return Ok(self.too_many(asked, "", time));
        }
        let hashed = self.parts.store.password_of(browser.user).await?;
        let told = self.parts.passwords.is_right(form.get("password"), hashed.as_deref()).await;
        let Ok(is_right) = told else {
            self.attempts.succeeded(name, &asked.address);
            let many = "Many people sign in at this moment. Please try again in a few seconds.";
            return self.passkeys_page(asked, 503, browser, Some(Remark::Wrong(many))).await;
        };
        if !is_right {
            let wrong = "This is not your password.";
            return self.passkeys_page(asked, 400, browser, Some(Remark::Wrong(wrong))).await;
        }
        self.attempts.succeeded(name, &asked.address);
        let known = self.parts.store.passkeys_of(browser.user).await?;
        let known: Vec<_> = known
            .iter()
            .map(|it| json!({"type": "public-key", "id": URL_SAFE_NO_PAD.encode(&it.credential)}))
            .collect();
        let named: String = form.get("name").trim().chars().take(NAME_MAX).collect();
        let named = if named.is_empty() { party.id.clone() } else { named };
        let kinds = [EDDSA, ES256].map(|it| json!({"type": "public-key", "alg": it}));
        let (challenge, sealed) = self.challenge(Some(browser.user), form.get("form"));
        let options = json!({
            "challenge": challenge,
            "rp": {"id": party.id, "name": party.id},
            "user": {
                "id": URL_SAFE_NO_PAD.encode(browser.user.as_bytes()),
                "name": named,
                "displayName": named,
            },
            "pubKeyCredParams": kinds,
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": "required",
            },
            "excludeCredentials": known,
            "attestation": "none",
            "timeout": SHOWN_WITHIN_US / 1_000,
        });
        Ok(passkey_pages::make(form.get("form"), &options.to_string(), &sealed))
    }

    async fn add_passkey(
        &self,
        asked: &Asked,
        form: &Fields,
        browser: &Session,
        party: &RelyingParty,
    ) -> Result<Told, Fault> {
        let made = self.challenged(form, Some(browser.user)).and_then(|challenge| {
            let (client_data, object) = (field(form, "client")?, field(form, "object")?);
            let made = party.made(&challenge.bytes, &client_data, &object);
            let made = made.inspect_err(|wrong| tracing::info!(?wrong, "a passkey was not taken"));
            Some((made.ok()?, challenge.asked_us))
        });
        let kept = match made {
            None => false,
            Some((made, asked_us)) => {
                let passkey = Passkey {
                    id: named(&made.credential),
                    credential: made.credential,
                    user: browser.user,
                    key: made.key,
                    counter: made.counter,
                    may_be_copied: made.may_be_copied,
                    device: device(&asked.agent),
                    made_us: self.now_us(),
                    used_us: 0,
                };
                // What was asked with the password is good for one.
                self.parts.store.add_passkey(&passkey, asked_us).await?
            }
        };
        if kept {
            let done = Remark::Done("From now on you can sign in by this passkey.");
            return self.passkeys_page(asked, 200, browser, Some(done)).await;
        }
        let wrong = "This passkey could not be taken. Please begin anew.";
        self.passkeys_page(asked, 400, browser, Some(Remark::Wrong(wrong))).await
    }

    /// Tries are counted apart from those of passwords.
    fn of_passkey(&self, what: &[u8]) -> Name {
        self.parts.index.hash("passkey", &URL_SAFE_NO_PAD.encode(what))
    }

    fn too_many(&self, asked: &Asked, request: &str, time: std::time::Duration) -> Told {
        let minutes = time.as_secs().div_ceil(60);
        let wait = format!("Too many tries. Please wait {minutes} minutes.");
        let mut page = self.form(asked, 429, request, Some(&wait));
        page.headers.push(("retry-after", time.as_secs().max(1).to_string()));
        page
    }
}

fn named(credential: &[u8]) -> PasskeyId {
    *digest(&SHA256, credential).as_ref().first_chunk().expect("a hash has 32 bytes")
}

/// What a browser sent under a name, if it is anything.
fn field(form: &Fields, name: &str) -> Option<Vec<u8>> {
    let text = form.get(name);
    if text.is_empty() || text.len() > FIELD_BYTES_MAX {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()
}
