//! `[auth]`: whose tokens are believed, and by what name this installation is meant in them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use issuer::apps::Apps;
use tokens::fetch::allowed;
use tokens::roles::RoleMap;

/// The longest name of this installation, and the longest address of an issuer, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// The most issuers beside this program's own.
const ISSUERS_MAX: usize = 16;
/// Clocks that lie further apart are to be set.
const LEEWAY_SECONDS_MAX: u64 = 300;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSection {
    /// Where this server is reached by browsers and apps, as the issuer that its tokens name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Apps that people sign in for here: a name, a space, and an address to come back to.
    pub apps: Vec<String>,
    /// Whether people register by themselves; else they are let in by an operator.
    pub registration: bool,
    /// What tokens must name as the one they are for (`aud`).
    pub audience: String,
    /// Issuers elsewhere that are believed, by their addresses as their tokens have them (`iss`).
    pub issuers: Vec<String>,
    /// Those of them that are believed about the e-mail addresses that they say are verified.
    pub linked_by_email: Vec<String>,
    /// Which roles here the roles of those issuers are: the issuer, its name for the role, and the role here.
    pub roles: Vec<String>,
    /// Certificates of authorities, in PEM, that issuers are believed by, besides those that browsers know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<PathBuf>,
    /// How far the clocks of issuers and this server may lie apart.
    pub leeway_seconds: u64,
    /// What tokens may take that were verified and are remembered, in bytes.
    pub remembered_bytes_max: usize,
}

impl Default for AuthSection {
    fn default() -> Self {
        Self {
            url: None,
            apps: Vec::new(),
            registration: true,
            audience: "emporium".to_owned(),
            issuers: Vec::new(),
            linked_by_email: Vec::new(),
            roles: Vec::new(),
            authorities: None,
            leeway_seconds: 60,
            remembered_bytes_max: 16 << 20,
        }
    }
}

impl AuthSection {
    /// The first key whose value is of no use, with what would be right.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let is_name = (1..=NAME_BYTES_MAX).contains(&self.audience.len())
            && self.audience.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name {
            let right = format!("expected 1 to {NAME_BYTES_MAX} visible ASCII characters");
            return Some(("auth.audience", right));
        }
        if let Some(url) = &self.url
            && (allowed(url).is_none() || url.ends_with('/') || url.contains(['?', '#']))
        {
            let right =
                "expected https://… without a slash at its end (http://… on this machine only)";
            return Some(("auth.url", right.to_owned()));
        }
        if let Err(problem) = Apps::read(&self.apps) {
            return Some(("auth.apps", problem));
        }
        if self.issuers.len() > ISSUERS_MAX {
            return Some(("auth.issuers", format!("expected {ISSUERS_MAX} issuers at most")));
        }
        let is_issuer =
            |issuer: &String| issuer.len() <= NAME_BYTES_MAX && allowed(issuer).is_some();
        if let Some(wrong) = self.issuers.iter().find(|issuer| !is_issuer(issuer)) {
            let right = format!(
                "{wrong:?} is no issuer: expected https://… (http://… on this machine only), such as \
                 https://login.example/realms/emporium"
            );
            return Some(("auth.issuers", right));
        }
        let twice = |(at, issuer): (usize, &String)| self.issuers[..at].contains(issuer);
        if self.issuers.iter().enumerate().any(twice) {
            return Some(("auth.issuers", "an issuer is named twice".to_owned()));
        }
        if self.linked_by_email.iter().any(|issuer| !self.issuers.contains(issuer)) {
            let right = "expected issuers that auth.issuers names, too";
            return Some(("auth.linked_by_email", right.to_owned()));
        }
        let roles = match RoleMap::read(&self.roles) {
            Ok(roles) => roles,
            Err(problem) => return Some(("auth.roles", problem)),
        };
        if roles.issuers().any(|issuer| self.issuers.iter().all(|known| known != issuer)) {
            let right = "expected issuers that auth.issuers names, too";
            return Some(("auth.roles", right.to_owned()));
        }
        None
    }

    /// Every number with the range that makes sense for it, both ends included.
    pub(super) fn ranges(&self) -> [(&'static str, u64, (u64, u64)); 2] {
        let remembered = self.remembered_bytes_max as u64;
        [
            ("auth.leeway_seconds", self.leeway_seconds, (0, LEEWAY_SECONDS_MAX)),
            ("auth.remembered_bytes_max", remembered, (1 << 20, u64::MAX)),
        ]
    }
}
