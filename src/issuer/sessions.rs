//! In which browsers somebody is known, and how that ends: here, one by one, everywhere, or because an app says
//! so (OpenID Connect RP-Initiated Logout 1.0).

use chrono::DateTime;
use uuid::Uuid;

use super::fields::{Fields, cookie, with_fields};
use super::pages::{self, Listed};
use super::proofs::{Kind, Proof};
use super::{BROWSER_US, BuiltIn, Fault, SECOND_US};
use auth::sign_in::{Asked, Told};
use persistence::sign_ins::Session;

const BROWSER: &str = "emporium_session";
const FORM: &str = "emporium_form";

impl BuiltIn {
    /// The session of this browser.
    pub(super) async fn browser(&self, asked: &Asked) -> Result<Option<Session>, Fault> {
        let brought = cookie(&asked.cookies, BROWSER);
        let proof = brought.and_then(|text| self.parts.proofs.read(Kind::Browser, text));
        let Some(proof) = proof else { return Ok(None) };
        let session = self.going_on(proof.session).await?;
        Ok(session.filter(|session| session.parent.is_none()))
    }

    pub(super) fn browser_cookie(&self, session: Uuid) -> (&'static str, String) {
        let proof = self.parts.proofs.make(Kind::Browser, Proof { session, generation: 0 });
        ("set-cookie", self.cookie_of(BROWSER, &proof, BROWSER_US / SECOND_US))
    }

    fn cookie_of(&self, name: &str, value: &str, seconds: i64) -> String {
        // Lax: an app sends people here by a link.
        let secure = if self.parts.address.starts_with("https://") { "; Secure" } else { "" };
        format!("{name}={value}; Path=/auth; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
    }

    /// What a form of this browser carries, and the cookie by which it is known, where there is none yet.
    pub(super) fn form_of(&self, asked: &Asked) -> (String, Option<(&'static str, String)>) {
        if let Some(known) = self.known_form(asked) {
            return (known.to_owned(), None);
        }
        let proof = Proof { session: Uuid::new_v4(), generation: 0 };
        let form = self.parts.proofs.make(Kind::Form, proof);
        let cookie = self.cookie_of(FORM, &form, BROWSER_US / SECOND_US);
        (form, Some(("set-cookie", cookie)))
    }

    fn known_form<'a>(&self, asked: &'a Asked) -> Option<&'a str> {
        let brought = cookie(&asked.cookies, FORM)?;
        self.parts.proofs.read(Kind::Form, brought).map(|_| brought)
    }

    /// Whether a form was sent by a page of this issuer in this browser: another site can neither read the
    /// cookie nor set it.
    pub(super) fn is_own_form(&self, asked: &Asked, form: &Fields) -> bool {
        let is_ours = asked.origin.as_deref().is_none_or(|origin| origin == self.parts.address);
        is_ours && self.known_form(asked).is_some_and(|known| known == form.get("form"))
    }

    pub(super) async fn sessions(&self, asked: &Asked) -> Result<Told, Fault> {
        let Some(browser) = self.browser(asked).await? else {
            return Ok(self.form(asked, 200, "", None));
        };
        let now = self.now_us();
        let sessions = self.parts.store.sessions_of(browser.user).await?;
        let listed: Vec<Listed> = sessions
            .into_iter()
            .filter(|session| session.ends_us > now)
            .map(|session| Listed {
                id: session.id.to_string(),
                is_this: session.id == browser.id,
                client: session.client,
                device: session.device,
                since: utc(session.began_us),
            })
            .collect();
        let (form, cookie) = self.form_of(asked);
        let mut page = pages::sessions(&form, &listed);
        page.headers.extend(cookie);
        Ok(page)
    }

    /// Ends one session of whoever is signed in here, and nobody else's.
    pub(super) async fn end_one(&self, asked: &Asked, form: &Fields) -> Result<Told, Fault> {
        if !self.is_own_form(asked, form) {
            return Ok(not_ours());
        }
        if let Some(browser) = self.browser(asked).await?
            && let Ok(id) = Uuid::try_parse(form.get("session"))
            && self.parts.store.session(id).await?.is_some_and(|it| it.user == browser.user)
        {
            self.end_it(id).await?;
        }
        Ok(to("/auth/".to_owned()))
    }

    /// An app has somebody sign out: he is asked, for any site could send him here.
    pub(super) async fn end(&self, asked: &Asked) -> Result<Told, Fault> {
        let fields = Fields::read(if asked.is_post { &asked.form } else { &asked.query });
        let back = fields.get("post_logout_redirect_uri");
        let back = match back {
            "" => String::new(),
            known if self.parts.apps.may_return_after(known) => {
                with_fields(known, &[("state", fields.get("state"))])
            }
            _ => {
                return Ok(pages::said(
                    400,
                    "This app is not known here",
                    "It cannot be returned to.",
                ));
            }
        };
        if self.browser(asked).await?.is_none() {
            return Ok(if back.is_empty() { signed_out() } else { to(back) });
        }
        let leads_to = super::apps::origin(&back);
        let (form, cookie) = self.form_of(asked);
        let mut page = pages::sign_out(&form, &back, leads_to.as_deref());
        page.headers.extend(cookie);
        Ok(page)
    }

    pub(super) async fn sign_out(&self, asked: &Asked, form: &Fields) -> Result<Told, Fault> {
        if !self.is_own_form(asked, form) {
            return Ok(not_ours());
        }
        if let Some(browser) = self.browser(asked).await? {
            if form.get("everywhere").is_empty() {
                self.end_it(browser.id).await?;
            } else {
                self.end_all_of(browser.user).await?;
            }
        }
        let back = form.get("back");
        let (base, _) = back.split_once('?').unwrap_or((back, ""));
        let may = self.parts.apps.may_return_after(base) || self.parts.apps.may_return_after(back);
        let mut told = if may { to(back.to_owned()) } else { signed_out() };
        told.headers.push(("set-cookie", self.cookie_of(BROWSER, "", 0)));
        Ok(told)
    }

    /// Ends all sessions of somebody: here at once, elsewhere within a second.
    pub(super) async fn end_all_of(&self, user: Uuid) -> Result<(), Fault> {
        let known = self.parts.store.sessions_of(user).await?;
        self.parts.store.end_sessions_of(user, self.now_us()).await?;
        for session in known {
            self.parts.ended.add(session.id);
        }
        Ok(())
    }

    /// Ends a session with those that were begun by it: here at once, elsewhere within a second.
    pub(super) async fn end_it(&self, id: Uuid) -> Result<(), Fault> {
        if let Some(session) = self.parts.store.session(id).await? {
            let all = self.parts.store.sessions_of(session.user).await?;
            self.parts.store.end_session(id, self.now_us()).await?;
            for below in all.iter().filter(|it| it.parent == Some(id)) {
                self.parts.ended.add(below.id);
            }
            self.parts.ended.add(id);
        }
        Ok(())
    }
}

pub(super) fn to(address: String) -> Told {
    Told { status: 303, headers: vec![("location", address)], body: String::new() }
}

fn signed_out() -> Told {
    pages::said(200, "You are signed out", "You can close this page.")
}

pub(super) fn not_ours() -> Told {
    pages::said(403, "Please try again", "This form was not sent by this browser, or is too old.")
}

/// `2026-11-28 17:00`.
pub(super) fn utc(microseconds: i64) -> String {
    let time = DateTime::from_timestamp_micros(microseconds).unwrap_or_default();
    time.format("%Y-%m-%d %H:%M").to_string()
}
