//! An app sends somebody here to be known, and gets a code for it (RFC 6749, 4.1; RFC 7636; OpenID Connect
//! Core, 3.1.2). Until app and address are known to belong together, nobody is sent anywhere.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::apps::origin;
use super::attempts::Wait;
use super::devices::device;
use super::fields::{Fields, with_fields};
use super::pages::Remark;
use super::proofs::{Kind, Proof};
use super::{BROWSER_US, BuiltIn, CODE_US, Fault, LOGIN_BYTES_MAX, SECOND_US, login_of, pages};
use auth::sign_in::{Asked, NotLetIn, Told};
use persistence::sign_ins::{BROWSER, Session};

/// The longest of what an app sends along, in bytes.
const FIELD_BYTES_MAX: usize = 512;
/// A hash by SHA-256, in Base64.
const CHALLENGE_BYTES: usize = 43;

/// What an app asked for, as it is kept with the session until the code is redeemed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Request {
    pub redirect_uri: String,
    pub challenge: String,
    pub nonce: String,
    pub scope: String,
    /// When the person signed in, in seconds since 1970.
    pub auth_time: i64,
    /// Nobody has signed in: it is a guest's.
    pub is_guest: bool,
    /// The guest that this person was in the app, before.
    pub guest: Option<Uuid>,
}

impl BuiltIn {
    pub(super) async fn authorize(&self, asked: &Asked, request: &str) -> Result<Told, Fault> {
        let fields = Fields::read(request);
        let (app, back) = (fields.get("client_id"), fields.get("redirect_uri"));
        if !self.parts.apps.may_return(app, back) {
            return Ok(pages::said(
                400,
                "This app is not known here",
                "The address that it wants to come back to is not one of its own.",
            ));
        }
        if let Err((error, why)) = is_sound(&fields) {
            return Ok(self.back(&fields, &[("error", error), ("error_description", why)]));
        }
        let known = self.browser(asked).await?;
        let browser = known.filter(|browser| is_enough(&fields, browser, self.now_us()));
        let Some(browser) = browser else {
            if fields.get("prompt") == "none" {
                return Ok(self.back(&fields, &[("error", "login_required")]));
            }
            return Ok(self.form(asked, 200, request, None));
        };
        self.give_code(asked, &fields, app, &browser).await
    }

    async fn give_code(
        &self,
        asked: &Asked,
        fields: &Fields,
        app: &str,
        browser: &Session,
    ) -> Result<Told, Fault> {
        let now = self.now_us();
        let request = Request {
            redirect_uri: fields.get("redirect_uri").to_owned(),
            challenge: fields.get("code_challenge").to_owned(),
            nonce: fields.get("nonce").to_owned(),
            scope: granted(fields.get("scope")),
            auth_time: browser.began_us / SECOND_US,
            ..Request::default()
        };
        let session = Session {
            id: Uuid::new_v4(),
            user: browser.user,
            parent: Some(browser.id),
            client: app.to_owned(),
            device: device(&asked.agent),
            asked: serde_json::to_string(&request).expect("texts and a number are JSON"),
            generation: 0,
            began_us: now,
            used_us: now,
            ends_us: now + CODE_US,
        };
        self.parts.store.begin_session(&session).await?;
        let proof = Proof { session: session.id, generation: 0 };
        let code = self.parts.proofs.make(Kind::Code, proof);
        Ok(self.back(fields, &[("code", &code)]))
    }

    /// Sends somebody back to the app, which was seen to be one (RFC 9207 has `iss`).
    fn back(&self, fields: &Fields, with: &[(&str, &str)]) -> Told {
        let said = [("state", fields.get("state")), ("iss", self.parts.address.as_str())];
        let address = with_fields(fields.get("redirect_uri"), &[with, &said].concat());
        Told { status: 303, headers: vec![("location", address)], body: String::new() }
    }

    /// The page to sign in by; `wrong` is what to say of the last try.
    pub(super) fn form(
        &self,
        asked: &Asked,
        status: u16,
        request: &str,
        wrong: Option<&str>,
    ) -> Told {
        self.form_with(asked, status, request, wrong.map(Remark::Wrong))
    }

    /// The same after something was done.
    pub(super) fn form_after(&self, asked: &Asked, request: &str, done: &str) -> Told {
        self.form_with(asked, 200, request, Some(Remark::Done(done)))
    }

    fn form_with(
        &self,
        asked: &Asked,
        status: u16,
        request: &str,
        remark: Option<Remark<'_>>,
    ) -> Told {
        let leads_to = origin(Fields::read(request).get("redirect_uri"));
        let (form, cookie) = self.form_of(asked);
        let passkey = self.ask_for_passkey(&form);
        let page = pages::SignIn {
            request,
            form: &form,
            remark,
            may_register: self.may_register(),
            may_lead_to: leads_to.as_deref(),
            passkey: passkey.as_ref().map(|(options, sealed)| (options.as_str(), sealed.as_str())),
        };
        let mut page = pages::sign_in(status, &page);
        page.headers.extend(cookie);
        page
    }

    pub(super) async fn sign_in(
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
        let (typed, password) = (form.get("login"), form.get("password"));
        let is_typed = (1..=LOGIN_BYTES_MAX).contains(&typed.len())
            && (1..=*super::passwords::BYTES.end()).contains(&password.len());
        let wrong = "Name and password do not belong together.";
        if !is_typed {
            return Ok(self.form(asked, 400, request, Some(wrong)));
        }
        let login = login_of(&*self.parts.index, typed);
        if let Err(Wait(time)) = self.attempts.begin(login, &asked.address, now) {
            self.parts.witness.refused(None, NotLetIn::TooManyTries);
            let minutes = time.as_secs().div_ceil(60);
            let wait = format!("Too many tries. Please wait {minutes} minutes.");
            let mut page = self.form(asked, 429, request, Some(&wait));
            page.headers.push(("retry-after", time.as_secs().max(1).to_string()));
            return Ok(page);
        }
        let known = self.parts.store.credential(login).await?;
        let hashed = known.as_ref().map(|known| known.password.as_str());
        let Ok(is_right) = self.parts.passwords.is_right(password, hashed).await else {
            self.attempts.succeeded(login, &asked.address);
            let many = "Many people sign in at this moment. Please try again in a few seconds.";
            let mut page = self.form(asked, 503, request, Some(many));
            page.headers.push(("retry-after", "2".to_owned()));
            return Ok(page);
        };
        let user = known.as_ref().map(|known| known.user);
        let Some(known) = known.filter(|_| is_right) else {
            self.parts.witness.refused(user, NotLetIn::WrongPassword);
            return Ok(self.form(asked, 400, request, Some(wrong)));
        };
        self.attempts.succeeded(login, &asked.address);
        let factor = self.parts.store.second_factor(known.user).await?;
        if factor.is_some_and(|factor| factor.confirmed_us > 0) {
            return Ok(self.ask_for_code(asked, known.user, request, None));
        }
        self.let_in(asked, known.user, request).await
    }

    /// Somebody has shown all that he is to show.
    pub(super) async fn let_in(
        &self,
        asked: &Asked,
        user: Uuid,
        request: &str,
    ) -> Result<Told, Fault> {
        let began = self.now_us();
        let session = Session {
            id: Uuid::new_v4(),
            user,
            parent: None,
            client: BROWSER.to_owned(),
            device: device(&asked.agent),
            asked: "{}".to_owned(),
            generation: 0,
            began_us: began,
            used_us: began,
            ends_us: began + BROWSER_US,
        };
        self.parts.store.begin_session(&session).await?;
        // What was asked for with `prompt=login` is done; a second time it would ask for ever.
        let on = match Fields::read(request).get("client_id") {
            "" => "/auth/".to_owned(),
            _ => format!("/auth/authorize?{}", without_wish_to_sign_in(request)),
        };
        let headers = vec![("location", on), self.browser_cookie(session.id)];
        Ok(Told { status: 303, headers, body: String::new() })
    }
}

/// What is wrong with a request of an app that is known, as it is told.
fn is_sound(fields: &Fields) -> Result<(), (&'static str, &'static str)> {
    if fields.get("response_type") != "code" {
        return Err(("unsupported_response_type", "the one response type is code"));
    }
    if !matches!(fields.get("response_mode"), "" | "query") {
        return Err(("invalid_request", "the one response mode is query"));
    }
    if fields.get("code_challenge_method") != "S256"
        || fields.get("code_challenge").len() != CHALLENGE_BYTES
    {
        return Err(("invalid_request", "a code_challenge by S256 is required (RFC 7636)"));
    }
    if ["state", "nonce", "scope"].iter().any(|name| fields.get(name).len() > FIELD_BYTES_MAX) {
        return Err(("invalid_request", "state, nonce and scope have at most 512 bytes each"));
    }
    // What is said within a signed or stored request is not passed over: it is not read here.
    for (name, error) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        if !fields.get(name).is_empty() {
            return Err((error, "it is said in the address, or not at all"));
        }
    }
    let prompts: Vec<&str> = fields.get("prompt").split_ascii_whitespace().collect();
    let is_known = |prompt: &&str| ["none", "login", "consent", "select_account"].contains(prompt);
    if !prompts.iter().all(is_known) || (prompts.contains(&"none") && prompts.len() > 1) {
        return Err(("invalid_request", "prompt is none alone, or login, consent, select_account"));
    }
    let age = fields.get("max_age");
    if !age.is_empty() && age.parse::<u32>().is_err() {
        return Err(("invalid_request", "max_age is a number of seconds"));
    }
    Ok(())
}

/// Whether whoever is signed in in a browser is known well enough for a request that is sound.
fn is_enough(fields: &Fields, browser: &Session, now_us: i64) -> bool {
    let mut prompts = fields.get("prompt").split_ascii_whitespace();
    if prompts.any(|prompt| ["login", "select_account"].contains(&prompt)) {
        return false;
    }
    // In whole seconds, as the app is told when that was.
    let age = now_us / SECOND_US - browser.began_us / SECOND_US;
    let is_fresh = fields.get("max_age").parse::<u32>().is_ok_and(|max| age <= i64::from(max));
    if !is_fresh && !fields.get("max_age").is_empty() {
        return false;
    }
    let hint = fields.get("id_token_hint");
    hint.is_empty() || hinted(hint) == Some(browser.user)
}

/// Whom an ID token names. It is believed without a proof: somebody else's leads to the page to sign in.
fn hinted(token: &str) -> Option<Uuid> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Uuid::try_parse(claims["sub"].as_str()?.strip_prefix("user:")?).ok()
}

/// Of the scopes that were asked for, those that there are.
fn granted(scope: &str) -> String {
    let known = scope.split(' ').filter(|name| ["openid", "offline_access"].contains(name));
    known.collect::<Vec<_>>().join(" ")
}

/// A request whose person has just signed in: that he is to do so would be asked for ever. Of `consent` there is nothing to
/// ask: apps are the shop's own.
fn without_wish_to_sign_in(request: &str) -> String {
    let asked = form_urlencoded::parse(request.as_bytes());
    let kept = asked.filter(|(name, _)| !["prompt", "max_age", "id_token_hint"].contains(&&**name));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
}
