//! The pages: no script, no picture, one sheet of style. They work with a keyboard and are read aloud in
//! order. Everything that somebody brought is escaped.

use auth::sign_in::Told;

/// What every page says to browsers.
fn html(status: u16, title: &str, body: &str, may_lead_to: Option<&str>) -> Told {
    // A form leads to the app by way of redirects, and browsers hold those to the same rule.
    let leads_to = may_lead_to.map_or(String::new(), |origin| format!(" {origin}"));
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self'{leads_to}; frame-ancestors 'none'; \
         base-uri 'none'"
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

pub const STYLE: &str = "\
:root{color-scheme:light dark;font:100%/1.5 system-ui,sans-serif}
body{margin:0;display:grid;place-items:center;min-height:100vh}
main{width:min(24rem,90vw);padding:2rem 0}
label,input,button{display:block;width:100%;box-sizing:border-box;font:inherit}
input,button{min-height:2.75rem;padding:.5rem .75rem;margin:.25rem 0 1rem}
button{cursor:pointer;font-weight:600}
[role=alert]{border-left:.25rem solid #c00;padding-left:.75rem}
table{width:100%;border-collapse:collapse}
td,th{text-align:start;padding:.25rem .5rem .25rem 0}
";

/// The form to sign in by. `wrong` is what to say of the last try.
pub fn sign_in(
    status: u16,
    request: &str,
    form: &str,
    wrong: Option<&str>,
    may_lead_to: Option<&str>,
) -> Told {
    let (alert, described) = match wrong {
        Some(wrong) => {
            let alert = format!("<p role=\"alert\" id=\"wrong\">{}</p>\n", escaped(wrong));
            (alert, " aria-describedby=\"wrong\"")
        }
        None => (String::new(), ""),
    };
    let body = format!(
        "{alert}<form method=\"post\" action=\"/auth/sign-in\">\n{hidden}\
         <label for=\"login\">E-mail address or name</label>\n\
         <input id=\"login\" name=\"login\" autocomplete=\"username\" autocapitalize=\"none\" \
         spellcheck=\"false\" required{described}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required{described}>\n\
         <button>Sign in</button>\n</form>\n",
        hidden = hidden(&[("request", request), ("form", form)]),
    );
    html(status, "Sign in", &body, may_lead_to)
}

/// One session of the list that its owner sees.
pub struct Listed {
    pub id: String,
    pub client: String,
    /// As text, in UTC.
    pub since: String,
    pub is_this: bool,
}

/// Where somebody is signed in, and the ways to end that.
pub fn sessions(form: &str, listed: &[Listed]) -> Told {
    let mut rows = String::new();
    for Listed { id, client, since, is_this } in listed {
        let this = if *is_this { " (this browser)" } else { "" };
        rows.push_str(&format!(
            "<tr><td>{client}{this}</td><td>{since}</td><td><form method=\"post\" \
             action=\"/auth/end-session\">\n{}<button aria-label=\"End {client}, since {since}\">End\
             </button></form></td></tr>\n",
            hidden(&[("form", form), ("session", id)]),
            client = escaped(client),
            since = escaped(since),
        ));
    }
    let body = format!(
        "<table>\n<thead><tr><th>Where</th><th>Since (UTC)</th><th>End it</th></tr></thead>\n<tbody>\n\
         {rows}</tbody>\n</table>\n\
         <form method=\"post\" action=\"/auth/sign-out\">\n{here}<button>Sign out</button>\n</form>\n\
         <form method=\"post\" action=\"/auth/sign-out\">\n{everywhere}\
         <button>Sign out everywhere</button>\n</form>\n",
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

fn hidden(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escaped(value))
    };
    fields.iter().map(field).collect()
}

fn escaped(text: &str) -> String {
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
            sign_in(200, attack, attack, Some(attack), None),
            sign_out(attack, attack, None),
            said(400, attack, attack),
            sessions(
                attack,
                &[Listed {
                    id: attack.into(),
                    client: attack.into(),
                    since: attack.into(),
                    is_this: true,
                }],
            ),
        ] {
            assert!(!page.body.contains("<script") && !page.body.contains("\"><"), "{}", page.body);
            let policy = page.headers.iter().find(|(name, _)| *name == "content-security-policy");
            assert!(policy.is_some_and(|(_, policy)| policy.starts_with("default-src 'none'")));
        }
    }
}
