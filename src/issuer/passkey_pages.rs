//! The pages of passkeys, and the part of the page to sign in that is theirs. They alone have a script, which comes
//! from here; without scripts their form is not shown.

use super::pages::{Page, Remark, escaped, hidden, remarked};
use auth::sign_in::Told;

pub const SCRIPT: &str = include_str!("passkey.js");
const SOURCE: &str = "<script src=\"/auth/passkey.js\" defer></script>\n";

/// A form that the script fills in: with what is asked of the browser, and the fields that its answer has.
fn filled(
    action: &str,
    options: &str,
    sent: &[(&str, &str)],
    answer: &[&str],
    says: &str,
) -> String {
    let answer: Vec<_> = answer.iter().map(|name| (*name, "")).collect();
    format!(
        "<form method=\"post\" action=\"{action}\" id=\"passkey\" data-options=\"{options}\" hidden>\n\
         {sent}{answer}<p role=\"alert\" hidden></p>\n<button>{says}</button>\n</form>\n{SOURCE}",
        options = escaped(options),
        sent = hidden(sent),
        answer = hidden(&answer),
    )
}

/// What stands below the form to sign in.
pub fn sign_in(request: &str, form: &str, options: &str, sealed: &str) -> String {
    let sent = [("request", request), ("form", form), ("asked", sealed)];
    let answer = ["credential", "client", "data", "signature", "person"];
    filled("/auth/passkey", options, &sent, &answer, "Sign in by a passkey")
}

/// Has the browser make one.
pub fn make(form: &str, options: &str, sealed: &str) -> Told {
    let sent = [("form", form), ("asked", sealed), ("step", "add")];
    let answer = ["credential", "client", "object"];
    let filled = filled("/auth/passkeys", options, &sent, &answer, "Make a passkey");
    let body = format!(
        "<p>Your browser asks you for a device, and that device for you.</p>\n{filled}\
         <noscript><p role=\"alert\">This takes a browser that runs scripts.</p></noscript>\n\
         <p><a href=\"/auth/passkeys\">Back</a></p>\n"
    );
    Page { title: "New passkey", has_script: true, ..Page::default() }.html(&body)
}

/// One passkey of the list that its owner sees.
pub struct Listed {
    pub id: String,
    /// The kind of browser that it was made in.
    pub device: String,
    /// As text, in UTC, as the following.
    pub since: String,
    pub used: String,
}

pub fn list(
    status: u16,
    form: &str,
    listed: &[Listed],
    may_add: bool,
    remark: Option<Remark<'_>>,
) -> Told {
    let (remark, described) = remarked(remark);
    let mut rows = String::new();
    for Listed { id, device, since, used } in listed {
        rows.push_str(&format!(
            "<tr><td>{device}</td><td>{since}</td><td>{used}</td><td><form method=\"post\" \
             action=\"/auth/passkeys\">\n{}<button aria-label=\"Remove that of {device}, since {since}\">Remove\
             </button></form></td></tr>\n",
            hidden(&[("form", form), ("step", "remove"), ("passkey", id)]),
            device = escaped(device),
            since = escaped(since),
            used = escaped(used),
        ));
    }
    let table = format!(
        "<table>\n<thead><tr><th>Made in</th><th>Since (UTC)</th><th>Last used</th><th>Remove</th></tr>\
         </thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    );
    let table = if rows.is_empty() { "<p>You have none.</p>\n".to_owned() } else { table };
    let add = if may_add {
        format!(
            "<form method=\"post\" action=\"/auth/passkeys\">\n{hidden}\
             <label for=\"name\">Your name, as your device shows it</label>\n\
             <input id=\"name\" name=\"name\" autocomplete=\"username\" maxlength=\"64\">\n\
             <label for=\"password\">Your password</label>\n\
             <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" \
             required{described}>\n<button>Begin with a new one</button>\n</form>\n",
            hidden = hidden(&[("form", form), ("step", "begin")]),
        )
    } else {
        String::new()
    };
    let body = format!(
        "{remark}<p>By a passkey you sign in without a password: by a device that knows you.</p>\n{table}{add}\
         <p><a href=\"/auth/\">Back</a></p>\n"
    );
    Page { status, title: "Passkeys", ..Page::default() }.html(&body)
}
