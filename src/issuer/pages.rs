//! The pages: no picture, one sheet of style, and no script but that of passkeys, which none of them needs. They work with a keyboard and are read aloud in
//! order. Everything that somebody brought is escaped.

use super::fields::with_fields;
use super::passkey_pages;
use auth::sign_in::Told;

/// A page, but for what stands on it.
pub(super) struct Page<'a> {
    pub status: u16,
    pub title: &'a str,
    /// Where a form of it may lead, beside this issuer.
    pub may_lead_to: Option<&'a str>,
    /// It brings the script of passkeys.
    pub has_script: bool,
}

impl Default for Page<'_> {
    fn default() -> Self {
        Self { status: 200, title: "", may_lead_to: None, has_script: false }
    }
}

fn html(status: u16, title: &str, body: &str, may_lead_to: Option<&str>) -> Told {
    Page { status, title, may_lead_to, has_script: false }.html(body)
}

impl Page<'_> {
    /// With what every page says to browsers.
    pub fn html(&self, body: &str) -> Told {
        let Page { status, title, may_lead_to, has_script } = *self;
        // A form leads to the app by way of redirects, and browsers hold those to the same rule.
        let leads_to = may_lead_to.map_or(String::new(), |origin| format!(" {origin}"));
        let scripts = if has_script { "script-src 'self'; " } else { "" };
        let policy = format!(
            "default-src 'none'; {scripts}style-src 'self'; form-action 'self'{leads_to}; \
         frame-ancestors 'none'; base-uri 'none'"
        );
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} – Emporium</title>\n<link rel=\"stylesheet\" href=\"/auth/style.css\">\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
        );
        let headers = vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", policy),
            ("x-frame-options", "DENY".to_owned()),
        ];
        Told { status, headers, body }
    }
}

pub const STYLE: &str = "\
:root{color-scheme:light dark;font:100%/1.5 system-ui,sans-serif}
body{margin:0;display:grid;place-items:center;min-height:100vh}
main{width:min(24rem,90vw);padding:2rem 0}
label,input,button{display:block;width:100%;box-sizing:border-box;font:inherit}
input,button{min-height:2.75rem;padding:.5rem .75rem;margin:.25rem 0 1rem}
button{cursor:pointer;font-weight:600}
[role=alert],[role=status]{border-left:.25rem solid #c00;padding-left:.75rem}
[role=status]{border-color:#080}
code{overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse}
td,th{text-align:start;padding:.25rem .5rem .25rem 0}
";

/// What is said above a form, of the last try or of what was done.
#[derive(Clone, Copy)]
pub enum Remark<'a> {
    Wrong(&'a str),
    Done(&'a str),
}

/// The form to sign in by.
pub struct SignIn<'a> {
    /// What an app asked for.
    pub request: &'a str,
    pub form: &'a str,
    pub remark: Option<Remark<'a>>,
    pub may_register: bool,
    pub may_lead_to: Option<&'a str>,
    /// What is asked of the browser for a passkey, and the same sealed.
    pub passkey: Option<(&'a str, &'a str)>,
}

pub fn sign_in(status: u16, page: &SignIn<'_>) -> Told {
    let (remark, described) = remarked(page.remark);
    let on = |path: &str| escaped(&with_fields(path, &[("request", page.request)]));
    let register = if page.may_register {
        format!("<p><a href=\"{}\">Register</a></p>\n", on("/auth/register"))
    } else {
        String::new()
    };
    let passkey = page.passkey.map_or(String::new(), |(options, sealed)| {
        passkey_pages::sign_in(page.request, page.form, options, sealed)
    });
    let body = format!(
        "{remark}<form method=\"post\" action=\"/auth/sign-in\">\n{hidden}\
         <label for=\"login\">E-mail address or name</label>\n\
         <input id=\"login\" name=\"login\" autocomplete=\"username\" autocapitalize=\"none\" \
         spellcheck=\"false\" required{described}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required{described}>\n\
         <button>Sign in</button>\n</form>\n{passkey}\
         <p><a href=\"{reset}\">Forgotten your password?</a></p>\n{register}",
        hidden = hidden(&[("request", page.request), ("form", page.form)]),
        reset = on("/auth/reset"),
    );
    let (may_lead_to, has_script) = (page.may_lead_to, page.passkey.is_some());
    Page { status, title: "Sign in", may_lead_to, has_script }.html(&body)
}

pub(super) fn remarked(remark: Option<Remark<'_>>) -> (String, &'static str) {
    match remark {
        Some(Remark::Wrong(wrong)) => {
            let alert = format!("<p role=\"alert\" id=\"wrong\">{}</p>\n", escaped(wrong));
            (alert, " aria-describedby=\"wrong\"")
        }
        Some(Remark::Done(done)) => (format!("<p role=\"status\">{}</p>\n", escaped(done)), ""),
        None => (String::new(), ""),
    }
}

/// Asks for the address that a letter is to go to.
pub fn letter(status: u16, is_new: bool, request: &str, form: &str, wrong: Option<&str>) -> Told {
    let (remark, described) = remarked(wrong.map(Remark::Wrong));
    let (title, action, says) = if is_new {
        ("Register", "/auth/register", "You get a letter with a link by which you go on.")
    } else {
        let says = "If there is an account with this address, a letter with a link goes there.";
        ("Choose another password", "/auth/reset", says)
    };
    let body = format!(
        "{remark}<p>{says}</p>\n<form method=\"post\" action=\"{action}\">\n{hidden}\
         <label for=\"login\">E-mail address</label>\n\
         <input id=\"login\" name=\"login\" type=\"email\" autocomplete=\"email\" required{described}>\n\
         <button>Send the letter</button>\n</form>\n",
        hidden = hidden(&[("request", request), ("form", form)]),
    );
    html(status, title, &body, None)
}

/// What somebody chooses who has a link.
pub struct Chosen<'a> {
    pub address: &'a str,
    /// He has no account yet.
    pub is_new: bool,
    pub link: &'a str,
    pub form: &'a str,
    pub wrong: Option<&'a str>,
}

pub fn choose(status: u16, chosen: &Chosen<'_>) -> Told {
    let (remark, described) = remarked(chosen.wrong.map(Remark::Wrong));
    let name = if chosen.is_new {
        format!(
            "<label for=\"name\">Your name</label>\n<input id=\"name\" name=\"name\" \
             autocomplete=\"name\" maxlength=\"200\" required{described}>\n"
        )
    } else {
        String::new()
    };
    // Not to be changed: so that a manager of passwords knows for what this one is.
    let body = format!(
        "{remark}<form method=\"post\" action=\"/auth/finish\">\n{hidden}\
         <label for=\"login\">E-mail address</label>\n\
         <input id=\"login\" type=\"email\" autocomplete=\"username\" value=\"{address}\" readonly>\n{name}\
         <label for=\"password\">Password, 8 characters at least</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" minlength=\"8\" \
         autocomplete=\"new-password\" required{described}>\n\
         <button>Set the password</button>\n</form>\n",
        hidden = hidden(&[("link", chosen.link), ("form", chosen.form)]),
        address = escaped(chosen.address),
    );
    let title = if chosen.is_new { "Register" } else { "Choose another password" };
    html(status, title, &body, None)
}

/// Asks for a code besides the password.
pub fn code(
    status: u16,
    proved: &str,
    request: &str,
    form: &str,
    wrong: Option<&str>,
    may_lead_to: Option<&str>,
) -> Told {
    let (remark, described) = remarked(wrong.map(Remark::Wrong));
    let body = format!(
        "{remark}<p>Type the code that your device shows, or one of those on paper.</p>\n\
         <form method=\"post\" action=\"/auth/second\">\n{hidden}\
         <label for=\"code\">Code</label>\n\
         <input id=\"code\" name=\"code\" autocomplete=\"one-time-code\" autocapitalize=\"characters\" \
         spellcheck=\"false\" required{described}>\n\
         <button>Sign in</button>\n</form>\n",
        hidden = hidden(&[("proved", proved), ("request", request), ("form", form)]),
    );
    html(status, "One more code", &body, may_lead_to)
}

/// What somebody does with his second factor.
pub enum Factor<'a> {
    None,
    /// It is to be confirmed: the secret, and the same as a device reads it.
    Begun {
        secret: &'a str,
        address: &'a str,
    },
    /// It holds; with the codes on paper, where they were made just now.
    Holds {
        spare: &'a [String],
    },
}

pub fn factor(status: u16, form: &str, factor: &Factor<'_>, wrong: Option<&str>) -> Told {
    let (remark, described) = remarked(wrong.map(Remark::Wrong));
    let step = |step: &str| hidden(&[("form", form), ("step", step)]);
    let of_form = |hidden: &str, rest: &str| {
        format!("<form method=\"post\" action=\"/auth/factor\">\n{hidden}{rest}</form>\n")
    };
    let code = format!(
        "<label for=\"code\">Code</label>\n<input id=\"code\" name=\"code\" \
         autocomplete=\"one-time-code\" spellcheck=\"false\" required{described}>\n"
    );
    let body = match factor {
        Factor::None => {
            let password = format!(
                "<label for=\"password\">Your password</label>\n<input id=\"password\" name=\"password\" \
                 type=\"password\" autocomplete=\"current-password\" required{described}>\n\
                 <button>Begin</button>\n"
            );
            let says =
                "<p>Besides your password, a device of yours shows a code that is asked for.</p>\n";
            format!("{says}{}", of_form(&step("begin"), &password))
        }
        Factor::Begun { secret, address } => {
            let confirm = format!("{code}<button>Confirm</button>\n");
            format!(
                "<p>Open <a href=\"{}\">this link</a> on the device, or type there: <code>{}</code>. \
                 Then type the code that it shows.</p>\n{}",
                escaped(address),
                escaped(secret),
                of_form(&step("confirm"), &confirm),
            )
        }
        Factor::Holds { spare } => {
            let remove = format!("{code}<button>Do without it</button>\n");
            let listed: String = spare
                .iter()
                .map(|code| format!("<li><code>{}</code></li>\n", escaped(code)))
                .collect();
            let shown = if spare.is_empty() {
                String::new()
            } else {
                format!(
                    "<p>Keep these codes on paper, for when the device is lost. Each is good once, and they \
                     are not shown again.</p>\n<ul>\n{listed}</ul>\n"
                )
            };
            format!(
                "<p>A code is asked for besides your password.</p>\n{shown}{}",
                of_form(&step("remove"), &remove)
            )
        }
    };
    let back = "<p><a href=\"/auth/\">Back</a></p>\n";
    html(status, "Second factor", &format!("{remark}{body}{back}"), None)
}

/// One session of the list that its owner sees.
pub struct Listed {
    pub id: String,
    pub client: String,
    /// The kind of browser, or how its owner calls it.
    pub device: String,
    /// As text, in UTC.
    pub since: String,
    pub is_this: bool,
}

/// Where somebody is signed in, and the ways to end that.
pub fn sessions(form: &str, listed: &[Listed]) -> Told {
    let mut rows = String::new();
    for Listed { id, client, device, since, is_this } in listed {
        let this = if *is_this { " (this browser)" } else { "" };
        rows.push_str(&format!(
            "<tr><td>{client}, {device}{this}</td><td>{since}</td><td><form method=\"post\" \
             action=\"/auth/end-session\">\n{}<button aria-label=\"End {client}, {device}, since {since}\">End\
             </button></form></td></tr>\n",
            hidden(&[("form", form), ("session", id)]),
            client = escaped(client),
            device = escaped(device),
            since = escaped(since),
        ));
    }
    let body = format!(
        "<table>\n<thead><tr><th>Where</th><th>Since (UTC)</th><th>End it</th></tr></thead>\n<tbody>\n\
         {rows}</tbody>\n</table>\n\
         <form method=\"post\" action=\"/auth/sign-out\">\n{here}<button>Sign out</button>\n</form>\n\
         <form method=\"post\" action=\"/auth/sign-out\">\n{everywhere}\
         <button>Sign out everywhere</button>\n</form>\n\
         <p><a href=\"/auth/passkeys\">Passkeys</a></p>\n\
         <p><a href=\"/auth/factor\">Second factor</a></p>\n",
        here = hidden(&[("form", form)]),
        everywhere = hidden(&[("form", form), ("everywhere", "yes")]),
    );
    html(200, "You are signed in", &body, None)
}

/// Asks whether to sign out, because an app said so.
pub fn sign_out(form: &str, back: &str, may_lead_to: Option<&str>) -> Told {
    let body = format!(
        "<form method=\"post\" action=\"/auth/sign-out\">\n{}<button>Sign out</button>\n</form>\n",
        hidden(&[("form", form), ("back", back)])
    );
    html(200, "Sign out?", &body, may_lead_to)
}

/// A page that says one thing.
pub fn said(status: u16, title: &str, text: &str) -> Told {
    html(status, &escaped(title), &format!("<p>{}</p>\n", escaped(text)), None)
}

pub(super) fn hidden(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escaped(value))
    };
    fields.iter().map(field).collect()
}

pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_brought_is_text_and_never_a_part_of_the_page() {
        let attack = "\"><script>alert('x')</script>";
        for page in [
            sign_in(
                200,
                &SignIn {
                    request: attack,
                    form: attack,
                    remark: Some(Remark::Wrong(attack)),
                    may_register: true,
                    may_lead_to: None,
                    passkey: Some((attack, attack)),
                },
            ),
            passkey_pages::make(attack, attack, attack),
            passkey_pages::list(
                200,
                attack,
                &[passkey_pages::Listed {
                    id: attack.into(),
                    device: attack.into(),
                    since: attack.into(),
                    used: attack.into(),
                }],
                true,
                Some(Remark::Done(attack)),
            ),
            letter(200, true, attack, attack, Some(attack)),
            choose(
                200,
                &Chosen {
                    address: attack,
                    is_new: true,
                    link: attack,
                    form: attack,
                    wrong: Some(attack),
                },
            ),
            code(200, attack, attack, attack, Some(attack), None),
            factor(200, attack, &Factor::Begun { secret: attack, address: attack }, Some(attack)),
            factor(200, attack, &Factor::Holds { spare: &[attack.to_owned()] }, None),
            sign_out(attack, attack, None),
            said(400, attack, attack),
            sessions(
                attack,
                &[Listed {
                    id: attack.into(),
                    client: attack.into(),
                    device: attack.into(),
                    since: attack.into(),
                    is_this: true,
                }],
            ),
        ] {
            assert!(
                !page.body.contains("<script>") && !page.body.contains("\"><script"),
                "{}",
                page.body
            );
            let policy = page.headers.iter().find(|(name, _)| *name == "content-security-policy");
            assert!(policy.is_some_and(|(_, policy)| policy.starts_with("default-src 'none'")));
        }
    }
}
