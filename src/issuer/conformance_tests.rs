//! What the OpenID Foundation's suite expects of a provider in its basic plan, walked test by test: docs/openid.md has
//! the table. Each is called there as it is called in the suite.

use std::sync::atomic::Ordering;

use auth::sign_in::{Asked, SignIn as _, Told};
use auth::tokens::Tokens as _;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::SECOND_US;
use super::house::*;

/// What an ID token says.
fn claims(reply: &Value) -> Value {
    let part = text(reply, "id_token").split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("Base64")).expect("JSON")
}

/// Signs in by a request, and redeems the code.
async fn signed_in(house: &House, browser: &mut Browser, more: &[(&str, &str)]) -> Value {
    let back = house.sign_in(browser, &request(more)).await;
    let (status, reply) = house.redeem(&field(&back, "code"), VERIFIER).await;
    assert_eq!(status, 200, "{reply}");
    reply
}

/// What comes of a further request in that browser.
async fn asked(house: &House, browser: &mut Browser, more: &[(&str, &str)]) -> Told {
    house.ask(browser, &request(more), None).await
}

fn error(told: &Told) -> String {
    field(&location(told), "error")
}

#[tokio::test]
async fn what_the_provider_says_of_itself_is_complete() {
    let house = House::open().await;
    let told = house.ask(&mut Browser::default(), "/.well-known/openid-configuration", None).await;
    let document: Value = serde_json::from_str(&told.body).expect("JSON");
    for required in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ] {
        assert!(!document[required].is_null(), "{required}");
    }
    assert_eq!(document["issuer"], SHOP);
    // Defaults of the specification that do not hold here are said otherwise.
    assert_eq!(document["request_uri_parameter_supported"], false);
    assert_eq!(document["claims_parameter_supported"], Value::Null, "false by default");
}

#[tokio::test]
async fn a_response_type_is_required() {
    let house = House::open().await;
    let told = asked(&house, &mut Browser::default(), &[("response_type", "")]).await;
    assert_eq!(error(&told), "unsupported_response_type");
    assert_eq!(field(&location(&told), "state"), "a state");
}

#[tokio::test]
async fn id_tokens_say_what_they_must() {
    let house = House::open().await;
    let reply = signed_in(&house, &mut Browser::default(), &[]).await;
    let claims = claims(&reply);
    let now = house.now.load(Ordering::Relaxed) / SECOND_US;
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(SHOP), &json!("manager")));
    assert_eq!((&claims["nonce"], &claims["auth_time"]), (&json!("a nonce"), &json!(now)));
    assert!(claims["sub"].as_str().is_some_and(|it| it.is_ascii() && it.len() <= 255));
    assert!(claims["exp"].as_i64() > Some(now) && claims["iat"] == now);
}

#[tokio::test]
async fn userinfo_is_given_for_a_token_in_the_head_or_in_a_form() {
    let house = House::open().await;
    let reply = signed_in(&house, &mut Browser::default(), &[]).await;
    let token = text(&reply, "access_token").to_owned();
    let bearer = format!("Bearer {token}");
    let ask = async |is_post: bool, authorization: &str, form: &str, query: &str| {
        let path = "/auth/userinfo".to_owned();
        let (authorization, form, query) = (authorization.into(), form.into(), query.into());
        let asked = Asked { is_post, path, authorization, form, query, ..Asked::default() };
        house.issuer.answer(asked).await
    };
    let in_form = format!("access_token={token}");
    for told in [
        ask(false, &bearer, "", "").await,
        ask(true, &bearer, "", "").await,
        ask(true, "", &in_form, "").await,
    ] {
        assert_eq!(told.status, 200, "{}", told.body);
        let told: Value = serde_json::from_str(&told.body).expect("JSON");
        assert_eq!(told["sub"], claims(&reply)["sub"], "the same as in the ID token");
    }
    for told in [
        ask(true, &bearer, &in_form, "").await,
        ask(false, "", "", &in_form).await,
        ask(false, "", "", "").await,
    ] {
        assert_eq!(told.status, 401);
        assert!(told.headers.iter().any(|(name, _)| *name == "www-authenticate"));
    }
}

#[tokio::test]
async fn a_request_without_a_nonce_or_with_what_nobody_knows_succeeds() {
    let house = House::open().await;
    let mut browser = Browser::default();
    let reply = signed_in(&house, &mut browser, &[("nonce", "")]).await;
    assert_eq!(claims(&reply)["nonce"], Value::Null);
    for more in [
        [("extra", "foobar")],
        [("scope", "email openid profile address phone")],
        [("display", "page")],
        [("display", "popup")],
        [("login_hint", "ada@example.com")],
        [("ui_locales", "se")],
        [("claims_locales", "se")],
        [("acr_values", "1 2")],
        [("claims", "{\"userinfo\":{\"name\":{\"essential\":true}}}")],
        [("prompt", "consent")],
    ] {
        let told = asked(&house, &mut browser, &more).await;
        let (status, reply) = house.redeem(&field(&location(&told), "code"), VERIFIER).await;
        assert_eq!(status, 200, "{more:?}: {reply}");
        // What is granted is said, where it is not what was asked for (RFC 6749, 3.3).
        assert_eq!(text(&reply, "scope"), "openid", "{more:?}");
    }
}

#[tokio::test]
async fn prompts_are_heeded() {
    let house = House::open().await;
    let mut browser = Browser::default();
    let told = asked(&house, &mut browser, &[("prompt", "none")]).await;
    assert_eq!(error(&told), "login_required");
    let first = claims(&signed_in(&house, &mut browser, &[]).await);
    let told = asked(&house, &mut browser, &[("prompt", "none")]).await;
    let (_, reply) = house.redeem(&field(&location(&told), "code"), VERIFIER).await;
    assert_eq!(
        (&claims(&reply)["sub"], &claims(&reply)["auth_time"]),
        (&first["sub"], &first["auth_time"])
    );
    house.now.fetch_add(5 * SECOND_US, Ordering::Relaxed);
    for prompt in ["login", "select_account", "consent login"] {
        assert_eq!(asked(&house, &mut browser, &[("prompt", prompt)]).await.status, 200);
    }
    let again = claims(&signed_in(&house, &mut browser, &[("prompt", "login")]).await);
    assert_eq!(again["sub"], first["sub"]);
    assert!(again["auth_time"].as_i64() > first["auth_time"].as_i64(), "later than the first");
}

#[tokio::test]
async fn whoever_signed_in_too_long_ago_does_so_again() {
    let house = House::open().await;
    let mut browser = Browser::default();
    let first = claims(&signed_in(&house, &mut browser, &[]).await);
    house.now.fetch_add(3 * SECOND_US, Ordering::Relaxed);
    let told = asked(&house, &mut browser, &[("max_age", "10000")]).await;
    let (_, reply) = house.redeem(&field(&location(&told), "code"), VERIFIER).await;
    assert_eq!(claims(&reply)["auth_time"], first["auth_time"]);
    let none = [("max_age", "1"), ("prompt", "none")];
    assert_eq!(error(&asked(&house, &mut browser, &none).await), "login_required");
    for age in ["1", "0"] {
        assert_eq!(asked(&house, &mut browser, &[("max_age", age)]).await.status, 200);
        let again = claims(&signed_in(&house, &mut browser, &[("max_age", age)]).await);
        assert!(again["auth_time"].as_i64() > first["auth_time"].as_i64());
        house.now.fetch_add(3 * SECOND_US, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn whoever_is_hinted_at_is_the_one_or_nobody() {
    let house = House::open().await;
    let mut browser = Browser::default();
    let reply = signed_in(&house, &mut browser, &[]).await;
    let hinted = |hint: &str| [("prompt", "none".to_owned()), ("id_token_hint", hint.to_owned())];
    let other = URL_SAFE_NO_PAD
        .encode(json!({"sub": "user:0192f3c1-0000-7000-8000-000000000001"}).to_string());
    for (hint, is_he) in [
        (text(&reply, "id_token").to_owned(), true),
        (format!("a.{other}.b"), false),
        ("nonsense".to_owned(), false),
    ] {
        let more = hinted(&hint);
        let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let told = asked(&house, &mut browser, &more).await;
        let expected = if is_he { "" } else { "login_required" };
        assert_eq!(error(&told), expected, "{hint}");
    }
}

#[tokio::test]
async fn a_code_that_comes_twice_ends_what_came_of_it_whenever_it_comes() {
    for later in [0, 30 * SECOND_US] {
        let house = House::open().await;
        let back = house.sign_in(&mut Browser::default(), &request(&[])).await;
        let (_, first) = house.redeem(&field(&back, "code"), VERIFIER).await;
        house.now.fetch_add(later, Ordering::Relaxed);
        let (status, reply) = house.redeem(&field(&back, "code"), VERIFIER).await;
        assert_eq!((status, text(&reply, "error")), (400, "invalid_grant"));
        assert!(house.verifier.verify(text(&first, "access_token")).await.is_err());
    }
}

#[tokio::test]
async fn a_request_comes_by_a_form_too() {
    let house = House::open().await;
    let mut browser = Browser::default();
    signed_in(&house, &mut browser, &[]).await;
    let address = request(&[]);
    let (path, query) = address.split_once('?').expect("a query");
    let fields: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let told = house.ask(&mut browser, path, Some(&fields)).await;
    assert!(!field(&location(&told), "code").is_empty());
}

#[tokio::test]
async fn what_is_not_supported_is_refused_and_not_passed_over() {
    let house = House::open().await;
    let mut browser = Browser::default();
    signed_in(&house, &mut browser, &[]).await;
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"), "e30");
    for (name, value, expected) in [
        ("request", unsigned.as_str(), "request_not_supported"),
        ("request_uri", "https://manager.example/r", "request_uri_not_supported"),
        ("registration", "{}", "registration_not_supported"),
        ("response_mode", "fragment", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
    ] {
        let told = asked(&house, &mut browser, &[(name, value)]).await;
        assert_eq!(
            (error(&told).as_str(), field(&location(&told), "code")),
            (expected, String::new())
        );
    }
}
