//! What the issuer says of itself (OpenID Connect Discovery 1.0, RFC 8414), so that clients need be told
//! nothing else.

use serde_json::{Value, json};

use super::exchange::GUEST_GRANT;
use super::{BuiltIn, pages, passkey_pages};
use auth::sign_in::Told;
use tokens::signing::SigningKey;

/// How long others may keep what is said here, in seconds: less than a new key waits to be used.
const KEPT_SECONDS: u32 = 300;

impl BuiltIn {
    pub(super) fn discovery(&self) -> Told {
        let at = |path: &str| format!("{}{path}", self.parts.address);
        kept(&json!({
            "issuer": self.parts.address,
            "authorization_endpoint": at("/auth/authorize"),
            "token_endpoint": at("/auth/token"),
            "userinfo_endpoint": at("/auth/userinfo"),
            "jwks_uri": at("/auth/keys"),
            "revocation_endpoint": at("/auth/revoke"),
            "end_session_endpoint": at("/auth/end"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "introspection_endpoint": at("/auth/introspect"),
            "grant_types_supported":
                ["authorization_code", "refresh_token", "client_credentials", GUEST_GRANT],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported":
                ["none", "client_secret_basic", "client_secret_post"],
            "introspection_endpoint_auth_methods_supported":
                ["client_secret_basic", "client_secret_post"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": ["openid", "offline_access"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "sid"],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "authorization_response_iss_parameter_supported": true,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        }))
    }

    pub(super) fn keys(&self) -> Told {
        let keys: Vec<Value> = self.parts.keys.iter().map(SigningKey::described).collect();
        kept(&json!({ "keys": keys }))
    }
}

pub fn style() -> Told {
    file("text/css; charset=utf-8", pages::STYLE)
}

pub fn script() -> Told {
    file("text/javascript; charset=utf-8", passkey_pages::SCRIPT)
}

fn file(kind: &str, text: &str) -> Told {
    let headers = vec![
        ("content-type", kind.to_owned()),
        ("cache-control", format!("public, max-age={KEPT_SECONDS}")),
    ];
    Told { status: 200, headers, body: text.to_owned() }
}

/// A document that may be kept.
fn kept(document: &Value) -> Told {
    let mut told = said(200, document);
    told.headers.push(("cache-control", format!("public, max-age={KEPT_SECONDS}")));
    told
}

/// What a program is told.
pub fn said(status: u16, document: &Value) -> Told {
    let headers = vec![("content-type", "application/json".to_owned())];
    Told { status, headers, body: document.to_string() }
}
