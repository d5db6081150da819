//! Signing in from the first page to the last token, and each way to get in that is none.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

use super::fields::with_fields;
use super::house::*;
use super::*;
use auth::tokens::Unverified;
use domain::access::permission::Permission;
use domain::principal::PrincipalKind;
use persistence::sign_ins::{Credential, End};

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_and_the_app_has_tokens_that_are_verified() {
    let house = House::open().await;
    let mut browser = Browser::default();
    let back = house.sign_in(&mut browser, &request(&[])).await;
    assert!(back.starts_with(&format!("{BACK}?")), "{back}");
    assert_eq!(
        (field(&back, "state"), field(&back, "iss")),
        ("a state".to_owned(), SHOP.to_owned())
    );
    let (status, reply) = house.redeem(&field(&back, "code"), VERIFIER).await;
    assert_eq!((status, text(&reply, "scope")), (200, "openid"), "{reply}");
    let identity =
        house.verifier.verify(text(&reply, "access_token")).await.expect("it holds").identity;
    assert_eq!(identity.to_string(), format!("user:{}", house.user));
    assert!(identity.session.is_some());
    let id_token = text(&reply, "id_token");
    assert_eq!(
        house.verifier.verify(id_token).await,
        Err(Unverified::Invalid),
        "it is no access token"
    );
    let claims = id_token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = serde_json::from_slice(&claims.expect("a part")).expect("JSON");
    assert_eq!((text(&claims, "nonce"), text(&claims, "aud")), ("a nonce", "manager"));
    // The browser is known: the next app needs no page, not even in a hidden frame.
    let again = house.ask(&mut browser, &request(&[("prompt", "none")]), None).await;
    assert!(!field(&location(&again), "code").is_empty());
    let asked = house.ask(&mut browser, &request(&[("prompt", "login")]), None).await;
    assert_eq!(asked.status, 200, "it wants the password anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_good_once_and_a_second_time_ends_its_session() {
    let house = House::open().await;
    let back = house.sign_in(&mut Browser::default(), &request(&[])).await;
    let (_, first) = house.redeem(&field(&back, "code"), VERIFIER).await;
    let (status, second) = house.renew(text(&first, "refresh_token")).await;
    assert_eq!(status, 200, "{second}");
    house.verifier.verify(text(&second, "access_token")).await.expect("it holds");
    // A thief has the first one.
    let (status, reply) = house.renew(text(&first, "refresh_token")).await;
    assert_eq!((status, text(&reply, "error")), (400, "invalid_grant"));
    assert_eq!(house.renew(text(&second, "refresh_token")).await.0, 400);
    for reply in [&first, &second] {
        let told = house.verifier.verify(text(reply, "access_token")).await;
        assert_eq!(told, Err(Unverified::Invalid));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_once_for_whoever_asked_for_it() {
    let house = House::open().await;
    let mut browser = Browser::default();
    let back = house.sign_in(&mut browser, &request(&[])).await;
    let code = field(&back, "code");
    for (name, value) in [
        ("code_verifier", "x".repeat(43)),
        ("code_verifier", String::new()),
        ("redirect_uri", "https://thief.example".to_owned()),
        ("client_id", "other".to_owned()),
        ("code", format!("{code}A")),
    ] {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("client_id", "manager"),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        fields.retain(|(known, _)| *known != name);
        fields.push((name, &value));
        assert_eq!(house.token(&fields).await.0, 400, "{name}");
    }
    let (status, reply) = house.redeem(&code, VERIFIER).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(house.redeem(&code, VERIFIER).await.0, 400);
    assert_eq!(house.renew(text(&reply, "refresh_token")).await.0, 400, "its session has ended");
    let refresh_as_code = house.redeem(text(&reply, "refresh_token"), VERIFIER).await;
    assert_eq!(refresh_as_code.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_where_an_app_does_not_belong() {
    let house = House::open().await;
    let browser = &mut Browser::default();
    for (name, value) in
        [("redirect_uri", "https://thief.example/in"), ("redirect_uri", ""), ("client_id", "thief")]
    {
        let told = house.ask(browser, &request(&[(name, value)]), None).await;
        assert_eq!(told.status, 400, "{name}");
        assert!(told.headers.iter().all(|(name, _)| *name != "location"), "{name}");
    }
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("prompt", "none", "login_required"),
        ("prompt", "create", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
    ] {
        let told = house.ask(browser, &request(&[(name, value)]), None).await;
        assert_eq!(field(&location(&told), "error"), error, "{name}");
    }
    let after = "/auth/end?post_logout_redirect_uri=https%3A%2F%2Fthief.example";
    assert_eq!(house.ask(browser, after, None).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_browser_or_site_is_none() {
    let house = House::open().await;
    let (mut own, mut other) = (Browser::default(), Browser::default());
    let page = house.ask(&mut own, &request(&[]), None).await;
    let theirs = house.ask(&mut other, &request(&[]), None).await;
    let (form, foreign) = (hidden(&page, "form"), hidden(&theirs, "form"));
    for form in ["", &foreign, "AAAA"] {
        let fields = [("form", form), ("login", "ada@example.com"), ("password", "correct horse")];
        let told = house.ask(&mut own, "/auth/sign-in", Some(&fields)).await;
        assert_eq!(told.status, 403, "{form}");
    }
    let asked = Asked {
        is_post: true,
        path: "/auth/sign-in".to_owned(),
        form: with_fields(
            "",
            &[("form", &form), ("login", "ada@example.com"), ("password", "correct horse")],
        ),
        cookies: format!("emporium_form={form}"),
        origin: Some("https://thief.example".to_owned()),
        ..Asked::default()
    };
    assert_eq!(house.issuer.answer(asked).await.status, 403);
    assert!(house.tables.sessions.lock().is_empty());
}

/// A page but for what is asked for a passkey, which is another each time.
fn without_challenge(page: &str) -> String {
    let (before, rest) =
        page.split_once("<form method=\"post\" action=\"/auth/passkey\"").expect("a form");
    let (_, after) = rest.split_once("</form>").expect("it ends");
    format!("{before}{after}")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_stopped_and_whom_he_guesses_at_is_not() {
    let house = House::open().await;
    let mut thief = Browser { address: "thief".to_owned(), ..Browser::default() };
    let page = house.ask(&mut thief, &request(&[]), None).await;
    let form = hidden(&page, "form");
    let guess = [("form", form.as_str()), ("login", "ada@example.com"), ("password", "guess")];
    let unknown = [("form", form.as_str()), ("login", "eve@example.com"), ("password", "guess")];
    let bodies = [&guess, &unknown].map(|fields| fields.as_slice());
    let mut said = Vec::new();
    for fields in bodies {
        let told = house.ask(&mut thief, "/auth/sign-in", Some(fields)).await;
        said.push((told.status, without_challenge(&told.body)));
    }
    assert_eq!(said[0], said[1], "who is known and who is not is answered alike");
    for _ in 0..4 {
        assert_eq!(house.ask(&mut thief, "/auth/sign-in", Some(&guess)).await.status, 400);
    }
    let right =
        [("form", form.as_str()), ("login", "ada@example.com"), ("password", "correct horse")];
    let told = house.ask(&mut thief, "/auth/sign-in", Some(&right)).await;
    assert_eq!(told.status, 429);
    assert!(told.headers.iter().any(|(name, _)| *name == "retry-after"));
    let mut home = Browser { address: "home".to_owned(), ..Browser::default() };
    house.sign_in(&mut home, &request(&[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_what_was_begun_in_that_browser_and_everywhere_means_everywhere() {
    let house = House::open().await;
    let (mut desk, mut phone) = (Browser::default(), Browser::default());
    let mut tokens = Vec::new();
    for browser in [&mut desk, &mut phone] {
        let back = house.sign_in(browser, &request(&[])).await;
        let (_, reply) = house.redeem(&field(&back, "code"), VERIFIER).await;
        tokens.push(text(&reply, "access_token").to_owned());
    }
    let holds = async |number: usize| house.verifier.verify(&tokens[number]).await.is_ok();
    let page = house.ask(&mut desk, "/auth/", None).await;
    assert_eq!(page.body.matches("(this browser)").count(), 1, "{}", page.body);
    let form = hidden(&page, "form");
    let told = house.ask(&mut desk, "/auth/sign-out", Some(&[("form", &form)])).await;
    assert_eq!(told.status, 200);
    assert_eq!((holds(0).await, holds(1).await), (false, true));
    let page = house.ask(&mut phone, "/auth/", None).await;
    let form = hidden(&page, "form");
    let everywhere = [("form", form.as_str()), ("everywhere", "yes")];
    house.ask(&mut phone, "/auth/sign-out", Some(&everywhere)).await;
    assert!(!holds(1).await);
    let page = house.ask(&mut phone, "/auth/", None).await;
    assert!(page.body.contains("current-password"), "nobody is signed in here");
}

#[tokio::test]
async fn what_ends_on_one_node_ends_on_the_others_when_they_look() {
    let tables = Arc::new(Tables::default());
    let store = Arc::clone(&tables) as Arc<dyn SignInStore>;
    let other = Ended::open(store).await.expect("memory answers");
    other.follow(|| 0);
    let id = Uuid::from_u128(1);
    tables.ended.lock().push(End { number: 1, session: id, until_us: 0 });
    let is_ended = || tokens::Sessions::is_ended(&*other, &id.to_string());
    let seen = async {
        while !is_ended() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen).await.expect("it looks");
}

async fn guest(house: &House, app: &str) -> (u16, Value) {
    house.token(&[("grant_type", "urn:emporium:grant:guest"), ("client_id", app)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_somebody_of_his_own_and_stays_the_same_one() {
    let house = House::open().await;
    let (status, first) = guest(&house, "manager").await;
    assert_eq!(status, 200, "{first}");
    let (_, other) = guest(&house, "manager").await;
    let who = async |reply: &Value| {
        house.verifier.verify(text(reply, "access_token")).await.expect("it holds")
    };
    let (one, two) = (who(&first).await, who(&other).await);
    assert_eq!(
        (one.identity.kind, two.identity.kind),
        (PrincipalKind::Guest, PrincipalKind::Guest)
    );
    assert_ne!(one.identity.subject, two.identity.subject, "nobody shares him");
    assert!(first["id_token"].is_null() && one.guest.is_none() && one.limit.is_none());
    let (_, renewed) = house.renew(text(&first, "refresh_token")).await;
    assert_eq!(who(&renewed).await.identity.subject, one.identity.subject);
    // As with everybody else.
    assert_eq!(house.renew(text(&first, "refresh_token")).await.0, 400);
    let told = house.verifier.verify(text(&renewed, "access_token")).await;
    assert_eq!(told, Err(Unverified::Invalid));
    assert_eq!(guest(&house, "thief").await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_that_one_address_begins_are_counted() {
    let house = House::open().await;
    let mut statuses = Vec::new();
    for _ in 0..210 {
        statuses.push(guest(&house, "manager").await.0);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 200);
    assert!(statuses[200..].iter().all(|status| *status == 429));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_amid_a_cart_brings_his_own_guest_along_and_nobody_elses() {
    let house = House::open().await;
    let (_, guest) = guest(&house, "manager").await;
    let refresh = text(&guest, "refresh_token").to_owned();
    let of_guest = house.verifier.verify(text(&guest, "access_token")).await.expect("it holds");
    let id = Uuid::try_parse(&of_guest.identity.subject).expect("an id");
    let mut browser = Browser::default();
    let redeem = async |browser: &mut Browser, guest: &str| {
        let back = match browser.cookies.contains_key("emporium_session") {
            false => house.sign_in(browser, &request(&[])).await,
            true => location(&house.ask(browser, &request(&[]), None).await),
        };
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &field(&back, "code")),
            ("client_id", "manager"),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("guest", guest),
        ];
        let (status, reply) = house.token(&fields).await;
        assert_eq!(status, 200, "{reply}");
        reply
    };
    let who = async |reply: &Value| {
        house.verifier.verify(text(reply, "access_token")).await.expect("it holds")
    };
    let signed_in = redeem(&mut browser, &refresh).await;
    let borne = who(&signed_in).await;
    assert_eq!((borne.identity.kind, borne.guest), (PrincipalKind::User, Some(id)));
    let (_, renewed) = house.renew(text(&signed_in, "refresh_token")).await;
    assert_eq!(who(&renewed).await.guest, Some(id), "and keeps him");
    // What is in flight in the guest's name is asked again in his name.
    house.verifier.verify(text(&guest, "access_token")).await.expect("he goes on");

    // What proves no guest is passed over: made up, spent, or somebody's who signed in.
    let (_, newer) = house.renew(&refresh).await;
    let of_user = text(&renewed, "refresh_token").to_owned();
    for wrong in ["", "AAAA", &refresh, &of_user, text(&guest, "access_token")] {
        let reply = redeem(&mut browser, wrong).await;
        assert_eq!(who(&reply).await.guest, None, "{wrong}");
    }
    assert!(newer["refresh_token"].is_string());
}

async fn with_client() -> (House, Uuid) {
    let house = House::open().await;
    let (user, login) = (Uuid::from_u128(8), clients::client_of(&Index, "till"));
    let password = house.issuer.parts.passwords.hash("a secret of the till").await;
    let password = password.expect("there is a place");
    let till = Credential { user, login, password, changed_us: 0 };
    house.tables.add_credential(&till).await.expect("memory answers");
    (house, user)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_proves_who_it_is_and_gets_what_it_says_it_needs() {
    let (house, user) = with_client().await;
    let ask = async |name: &str, secret: &str, scope: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", name),
            ("client_secret", secret),
            ("scope", scope),
        ];
        house.token(&fields).await
    };
    let (status, reply) = ask("till", "a secret of the till", "orders.read stock.read").await;
    assert_eq!((status, &reply["refresh_token"]), (200, &Value::Null), "{reply}");
    let borne = house.verifier.verify(text(&reply, "access_token")).await.expect("it holds");
    assert_eq!(borne.identity.to_string(), format!("client:{user}"));
    let limit = borne.limit.expect("a scope was said");
    assert!(limit.has(Permission::OrdersRead) && !limit.has(Permission::OrdersWrite));
    let (_, whole) = ask("till", "a secret of the till", "").await;
    let borne = house.verifier.verify(text(&whole, "access_token")).await.expect("it holds");
    assert_eq!(borne.limit, None);
    assert_eq!(ask("till", "a secret of the till", "openid").await.0, 400);
    // A person's name and password are no program's.
    for (name, secret) in [
        ("till", "another secret"),
        ("ada@example.com", "correct horse"),
        ("nobody", "a secret of the till"),
        ("till", ""),
        ("", "a secret of the till"),
    ] {
        assert_eq!(ask(name, secret, "").await.0, 401, "{name}");
    }
    // It ends with whatever ends the sessions of that user.
    house.issuer.parts.ended.follow(|| 0);
    house.tables.end_sessions_of(user, 0).await.expect("memory answers");
    let ended = async {
        while house.verifier.verify(text(&reply, "access_token")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Long before it ends by itself.
    tokio::time::timeout(Duration::from_secs(120), ended).await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_what_a_token_is_worth_and_nobody_else_is() {
    let (house, user) = with_client().await;
    let basic =
        |pair: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let ask = async |authorization: &str, token: &str| {
        let told = house
            .issuer
            .answer(Asked {
                is_post: true,
                path: "/auth/introspect".to_owned(),
                form: with_fields("", &[("token", token)]).trim_start_matches('?').to_owned(),
                authorization: authorization.to_owned(),
                ..Asked::default()
            })
            .await;
        (told.status, serde_json::from_str::<Value>(&told.body).expect("JSON"))
    };
    let till = basic("till:a+secret+of+the+till");
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", "till"),
        ("client_secret", "a secret of the till"),
        ("scope", "orders.read"),
    ];
    let (_, reply) = house.token(&fields).await;
    let token = text(&reply, "access_token").to_owned();
    let (status, told) = ask(&till, &token).await;
    assert_eq!((status, &told["active"]), (200, &Value::Bool(true)), "{told}");
    assert_eq!(text(&told, "sub"), format!("client:{user}"));
    assert_eq!((text(&told, "scope"), text(&told, "client_id")), ("orders.read", "till"));
    assert!(told["sid"].is_null() && told["exp"].is_number());
    for wrong in ["", "a.b.c", &token[..token.len() - 1]] {
        assert_eq!(
            ask(&till, wrong).await,
            (200, serde_json::json!({ "active": false })),
            "{wrong}"
        );
    }
    for nobody in ["", &basic("till:another secret"), &basic("till"), "Basic", "Bearer x"] {
        assert_eq!(ask(nobody, &token).await.0, 401, "{nobody}");
    }
}
