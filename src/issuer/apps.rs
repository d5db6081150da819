//! The apps that people sign in for: by their names, and where each is sent back to. They keep no secret
//! (RFC 8252, RFC 9700): what proves that a code is theirs is PKCE.

use std::collections::BTreeMap;

use hyper::Uri;

use persistence::sign_ins::{API_TOKEN, BROWSER};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Apps(BTreeMap<String, Vec<String>>);

impl Apps {
    /// Of lines `NAME ADDRESS`; an app may have several.
    pub fn read(lines: &[String]) -> Result<Self, String> {
        let mut apps = BTreeMap::<String, Vec<String>>::new();
        for line in lines {
            let wrong = || {
                format!(
                    "{line:?} is no app: expected a name and an address to come back to, such as \
                         \"manager https://manager.example/signed-in\" (http:// on this machine only)"
                )
            };
            let (name, address) = line.split_once(' ').ok_or_else(wrong)?;
            let is_ours = [API_TOKEN, BROWSER].contains(&name);
            let is_name = !is_ours
                && (1..=64).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let is_address = tokens::fetch::allowed(address).is_some() && !address.contains('#');
            if !is_name || !is_address {
                return Err(wrong());
            }
            apps.entry(name.to_owned()).or_default().push(address.to_owned());
        }
        Ok(Self(apps))
    }

    pub fn is_known(&self, app: &str) -> bool {
        self.0.contains_key(app)
    }

    /// Whether the app may be sent back to there: letter by letter, but for the port of an address on this
    /// machine, which an app takes as it finds it free (RFC 8252, 7.3).
    pub fn may_return(&self, app: &str, address: &str) -> bool {
        let Some(known) = self.0.get(app) else { return false };
        known.iter().any(|known| known == address || same_but_for_port(known, address))
    }

    /// The same after signing out; the root of such a site will do too.
    pub fn may_return_after(&self, address: &str) -> bool {
        let names = self.0.keys().any(|app| self.may_return(app, address));
        let all = || self.0.values().flatten();
        names || all().any(|known| origin(known).is_some_and(|it| format!("{it}/") == address))
    }
}

/// Scheme, host and port.
pub fn origin(address: &str) -> Option<String> {
    let uri: Uri = address.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

fn same_but_for_port(known: &str, address: &str) -> bool {
    let (Ok(known), Ok(address)) = (known.parse::<Uri>(), address.parse::<Uri>()) else {
        return false;
    };
    let has_user = address.authority().is_some_and(|it| it.as_str().contains('@'));
    let is_loopback = matches!(known.host(), Some("127.0.0.1" | "[::1]"));
    is_loopback
        && !has_user
        && known.scheme_str() == Some("http")
        && address.scheme_str() == Some("http")
        && known.host() == address.host()
        && known.path_and_query() == address.path_and_query()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_sent_back_to_where_it_said_and_nowhere_else() {
        let lines =
            ["m https://m.example/in", "m http://127.0.0.1:1/in", "c https://c.example/in?a=1"];
        let apps = Apps::read(&lines.map(str::to_owned)).expect("they can be read");
        for (app, address, may) in [
            ("m", "https://m.example/in", true),
            ("m", "http://127.0.0.1:50123/in", true),
            ("c", "https://c.example/in?a=1", true),
            ("m", "https://m.example/in/", false),
            ("m", "https://m.example/in?x=1", false),
            ("m", "https://m.example:444/in", false),
            ("m", "https://m.example@thief.example/in", false),
            ("m", "http://127.0.0.1:1@thief.example/in", false),
            ("m", "http://localhost:1/in", false),
            ("m", "http://127.0.0.1:1/other", false),
            ("m", "https://c.example/in?a=1", false),
            ("x", "https://m.example/in", false),
            ("m", "", false),
        ] {
            assert_eq!(apps.may_return(app, address), may, "{app} {address}");
        }
        assert!(apps.may_return_after("https://c.example/"));
        assert!(!apps.may_return_after("https://thief.example/"));
        for wrong in [
            "api-token https://x/",
            "browser https://x/",
            "m",
            "m x",
            "m http://m.example/",
            "m https://m.example/#a",
            "a b https://x/",
        ] {
            assert!(Apps::read(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
