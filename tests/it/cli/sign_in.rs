//! Somebody signs in to the program as it is served, with nothing but what a browser and an app send.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, redirect};
use serde_json::{Value, json};

use super::process::{PATIENCE, Server, run};

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const SETTINGS: &str =
    "[auth]\nurl = 'https://shop.example'\napps = ['till http://127.0.0.1/in']\n";
const BACK: &str = "http://127.0.0.1:50123/in";

/// A browser at a server that has a name of its own to the outside.
pub struct Browser<'a> {
    client: Client,
    server: &'a Server,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub fn at(server: &'a Server) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().build();
        Self { client: client.expect("a client"), server, cookies: BTreeMap::new() }
    }

    pub async fn send(&mut self, path: &str, form: Option<&[(&str, &str)]>) -> Response {
        let url = format!("http://{}{path}", self.server.address());
        let request = match form {
            None => self.client.get(url),
            Some(fields) => {
                let body = encoded(fields);
                let kind = "application/x-www-form-urlencoded";
                self.client.post(url).header("content-type", kind).body(body)
            }
        };
        let cookies: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let told = request.header(COOKIE, cookies.join("; ")).send().await;
        let told = told.expect("the server answers");
        for cookie in told.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("it is text");
            let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.expect("a cookie");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        told
    }

    /// Signs in by the page that an app leads to; the code.
    pub async fn sign_in(&mut self, login: &str, password: &str) -> Option<String> {
        let request = encoded(&[
            ("response_type", "code"),
            ("client_id", "till"),
            ("redirect_uri", BACK),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let page = self.send(&format!("/auth/authorize?{request}"), None).await;
        assert_eq!(page.status(), 200);
        let page = page.text().await.expect("a page");
        let form = hidden(&page, "form");
        let fields =
            [("request", &*request), ("form", &form), ("login", login), ("password", password)];
        let told = self.send("/auth/sign-in", Some(&fields)).await;
        if told.status() != 303 {
            return None;
        }
        let on = location(&told);
        let back = location(&self.send(&on, None).await);
        assert!(back.starts_with(BACK), "{back}");
        let (_, code) = back.split_once("code=").expect("a code");
        Some(code.split('&').next().unwrap_or_default().to_owned())
    }

    async fn token(&mut self, fields: &[(&str, &str)]) -> (u16, Value) {
        let fields = [&[("client_id", "till")], fields].concat();
        let told = self.send("/auth/token", Some(&fields)).await;
        (told.status().as_u16(), told.json().await.expect("JSON"))
    }

    pub async fn redeem(&mut self, code: &str) -> Value {
        let (status, reply) = self
            .token(&[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", BACK),
                ("code_verifier", VERIFIER),
            ])
            .await;
        assert_eq!(status, 200, "{reply}");
        reply
    }

    async fn renew(&mut self, refresh: &str) -> (u16, Value) {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await
    }

    pub async fn asks(&self, token: &str) -> u16 {
        let body = json!({ "query": "{ __typename }" });
        let request = self.client.post(&self.server.url).json(&body).bearer_auth(token);
        request.send().await.expect("the server answers").status().as_u16()
    }
}

pub fn encoded(fields: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://x/", fields).expect("fields");
    url.query().unwrap_or_default().to_owned()
}

fn location(told: &Response) -> String {
    let found = told.headers().get(LOCATION).expect("it leads somewhere");
    found.to_str().expect("it is text").to_owned()
}

/// What a field of a page holds that nobody sees.
pub fn hidden(page: &str, name: &str) -> String {
    let before = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&before).unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split_once('"').expect("it ends").0.replace("&amp;", "&")
}

pub fn text<'a>(reply: &'a Value, name: &str) -> &'a str {
    reply[name].as_str().unwrap_or_else(|| panic!("no {name} in {reply}"))
}

fn told(directory: &Path, arguments: &[&str]) -> Value {
    let (status, out, errors) = run(directory, &[&["user"], arguments, &["--json"]].concat());
    assert_eq!(status, 0, "{errors}");
    serde_json::from_str(&out).expect("one JSON object")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_shows_an_administrator_who_signs_in_and_stays_so_through_a_crash() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("cluster.toml"), SETTINGS).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let line = server.line();
    let (_, rest) = line.split_once(" as administrator with ").expect("it shows one");
    let password = rest.split(';').next().unwrap_or_default().to_owned();
    let mut browser = Browser::at(&server);
    assert_eq!(browser.sign_in("administrator", "wrong").await, None);
    let code = browser.sign_in("Administrator", &password).await.expect("it is right");
    let first = browser.redeem(&code).await;
    assert_eq!(browser.asks(text(&first, "access_token")).await, 200);
    assert_eq!(browser.asks(text(&first, "id_token")).await, 401);

    let cookies = browser.cookies.clone();
    let (_, log) = server.kill();
    for secret in [&password, text(&first, "access_token"), text(&first, "refresh_token")] {
        assert!(!log.contains(secret), "it is in the log");
    }
    let server = Server::start(directory.path(), &[]);
    let mut browser = Browser { cookies, ..Browser::at(&server) };
    assert_eq!(browser.asks(text(&first, "access_token")).await, 200);
    let (status, second) = browser.renew(text(&first, "refresh_token")).await;
    assert_eq!(status, 200, "{second}");
    // What was good once, a second time ends it all.
    assert_eq!(browser.renew(text(&first, "refresh_token")).await.0, 400);
    assert_eq!(browser.renew(text(&second, "refresh_token")).await.0, 400);
    assert_eq!(browser.asks(text(&second, "access_token")).await, 401);
    let page = browser.send("/auth/", None).await.text().await.expect("a page");
    assert!(page.contains("(this browser)"), "the browser is known still: {page}");
    server.signal("TERM");
    let (_, lines, _) = server.end();
    assert!(lines.is_empty(), "the password is shown once: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_let_somebody_sign_in_beside_a_running_server_and_give_another_password() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("cluster.toml"), SETTINGS).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let made = told(directory.path(), &["create", "ada@example.com"]);
    let (status, _, errors) = run(directory.path(), &["user", "create", "ADA@example.com"]);
    assert_eq!(status, 1, "{errors}");
    let mut browser = Browser::at(&server);
    let code = browser.sign_in("ada@example.com", text(&made, "password")).await;
    let reply = browser.redeem(&code.expect("it is right")).await;
    let token = text(&reply, "access_token");
    assert_eq!(browser.asks(token).await, 200);
    let (status, own, errors) = run(directory.path(), &["user", "token", "ada@example.com"]);
    assert_eq!(status, 0, "{errors}");
    assert_eq!(browser.asks(own.trim_end()).await, 200);

    let again = told(directory.path(), &["reset", "ada@example.com"]);
    assert_eq!(again["user"], made["user"]);
    let until = Instant::now() + PATIENCE;
    while browser.asks(token).await != 401 {
        assert!(Instant::now() < until, "its session does not end");
    }
    let mut browser = Browser::at(&server);
    assert_eq!(browser.sign_in("ada@example.com", text(&made, "password")).await, None);
    let code = browser.sign_in("ada@example.com", text(&again, "password")).await;
    assert!(code.is_some());
}

/// What somebody is answered, by the token that a command prints.
pub async fn answered(server: &Server, token: &str, query: &str) -> Value {
    let client = Client::builder().no_proxy().build().expect("a client");
    let request = client.post(&server.url).bearer_auth(token).json(&json!({ "query": query }));
    request.send().await.expect("the server answers").json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrator_gives_roles_and_takes_them_and_stays_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = directory.path();
    let server = Server::start(place, &[]);
    let token = |name: &str| {
        let (status, out, errors) = run(place, &["user", "token", name]);
        assert_eq!(status, 0, "{errors}");
        out.trim_end().to_owned()
    };
    let admin = token("administrator");
    let told = answered(&server, &admin, "{ me { id email } administrators { id } }").await;
    let own = text(&told["data"]["me"], "id").to_owned();
    assert_eq!(told["data"]["administrators"], json!([{ "id": own }]), "{told}");

    let register = "mutation { registerUser(input: {email: \"ada@example.com\", \
                    displayName: \"Ada\"}) { id userErrors { code } } }";
    let made = answered(&server, &admin, register).await;
    let ada = text(&made["data"]["registerUser"], "id").to_owned();
    let of_ada = token(&ada);
    let asked = "{ operations { shards { epoch } } }";
    let code = |told: &Value| told["errors"][0]["extensions"]["code"].clone();
    assert_eq!(code(&answered(&server, &of_ada, asked).await), "FORBIDDEN");

    let user = |token: &str, what: &str, of: &str, role: &str| {
        let there = ["--url", &server.url, "--token", token];
        run(place, &[&["user", what, of, role], there.as_slice()].concat())
    };
    // Nobody gives himself what he has not.
    let (status, _, errors) = user(&of_ada, "grant", &ada, "operator");
    assert_eq!(status, 1, "{errors}");
    let (status, out, errors) = user(&admin, "grant", &ada, "operator");
    assert_eq!((status, out.contains("operator is given")), (0, true), "{errors}");
    let until = Instant::now() + PATIENCE;
    while code(&answered(&server, &of_ada, asked).await) != Value::Null {
        assert!(Instant::now() < until, "she does not become an operator");
    }
    let (status, _, errors) = user(&admin, "revoke", &ada, "operator");
    assert_eq!(status, 0, "{errors}");
    while code(&answered(&server, &of_ada, asked).await) != "FORBIDDEN" {
        assert!(Instant::now() < until, "she stays an operator");
    }
    let (status, _, errors) = user(&admin, "revoke", &own, "administrator");
    assert_eq!(status, 1, "{errors}");
    assert!(errors.contains("ADMINISTRATOR_REQUIRED"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_says_what_it_is_and_pages_keep_their_rules() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("cluster.toml"), SETTINGS).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let mut browser = Browser::at(&server);
    let discovery = browser.send("/.well-known/openid-configuration", None).await;
    let discovery: Value = discovery.json().await.expect("JSON");
    assert_eq!(discovery["issuer"], "https://shop.example");
    let keys = text(&discovery, "jwks_uri").strip_prefix("https://shop.example");
    let keys = browser.send(keys.expect("one of its own"), None).await;
    let keys: Value = keys.json().await.expect("JSON");
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["d"]), (&json!("OKP"), &Value::Null));
    let page = browser.send("/auth/", None).await;
    for (name, part) in [
        ("content-security-policy", "default-src 'none'"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
    ] {
        let value = page.headers().get(name).and_then(|value| value.to_str().ok());
        assert!(value.is_some_and(|value| value.contains(part)), "{name}: {value:?}");
    }
    assert_eq!(browser.send("/auth/nothing", None).await.status(), 404);
    let url = format!("http://{}/auth/token", server.address());
    let told = browser.client.post(&url).json(&json!({})).send().await.expect("an answer");
    assert_eq!(told.status(), 415);
    let told = browser.client.delete(&url).send().await.expect("an answer");
    assert_eq!(told.status(), 405);
}

/// A guest whom the app begins; his tokens.
async fn guest(browser: &mut Browser<'_>) -> Value {
    let (status, reply) = browser.token(&[("grant_type", "urn:emporium:grant:guest")]).await;
    assert_eq!(status, 200, "{reply}");
    reply
}

/// The same guest as Ann from now on; her tokens.
async fn signs_in(browser: &mut Browser<'_>, guest: &Value, password: &str) -> Value {
    let code = browser.sign_in("ann@example.com", password).await.expect("it is right");
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("guest", text(guest, "refresh_token")),
    ];
    let (status, reply) = browser.token(&fields).await;
    assert_eq!(status, 200, "{reply}");
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_sees_what_is_public_and_his_own_and_brings_it_along_when_he_signs_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("cluster.toml"), SETTINGS).expect("it can be written");
    let server = Server::start(directory.path(), &["--demo"]);
    let mut browser = Browser::at(&server);
    let reply = guest(&mut browser).await;
    let own = text(&reply, "access_token").to_owned();
    let told = answered(&server, &own, "{ orders(first: 1) { totalCount } }").await;
    assert_eq!(
        told["data"],
        json!({ "orders": { "totalCount": 0 } }),
        "of the orders of others none"
    );
    let told = answered(&server, &own, "{ products(first: 1) { totalCount } }").await;
    assert_eq!(told["data"], json!({ "products": { "totalCount": 45 } }));
    for closed in ["{ stock(first: 1) { totalCount } }", "{ operations { shards { epoch } } }"] {
        let told = answered(&server, &own, closed).await;
        assert!(told["errors"][0]["extensions"]["code"].is_string(), "{told}");
    }

    let made = self::told(directory.path(), &["create", "ann@example.com"]);
    let password = text(&made, "password");
    let signed_in = signs_in(&mut browser, &reply, password).await;
    let (status, renewed) = browser.renew(text(&signed_in, "refresh_token")).await;
    assert_eq!(status, 200, "{renewed}");
    assert_eq!(browser.asks(text(&renewed, "access_token")).await, 200);
    assert_eq!(browser.asks(&own).await, 200, "what is in flight is asked again by the guest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_has_orders_of_his_own_and_keeps_them_when_he_signs_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("cluster.toml"), SETTINGS).expect("it can be written");
    let server = Server::start(directory.path(), &["--demo"]);
    let mut browser = Browser::at(&server);
    let (one, other) = (guest(&mut browser).await, guest(&mut browser).await);
    let [own, others] = [&one, &other].map(|reply| text(reply, "access_token").to_owned());
    let draft = "mutation { draftOrder(input: {buyer: {guestEmail: \"ann@example.org\"}, currency: \
                 \"EUR\", idempotencyKey: \"cart\"}) { id userErrors { code } } }";
    let drafted = answered(&server, &own, draft).await;
    let order = text(&drafted["data"]["draftOrder"], "id").to_owned();
    let again = answered(&server, &own, draft).await;
    assert_eq!(text(&again["data"]["draftOrder"], "id"), order, "his key is his");
    let elsewhere = answered(&server, &others, draft).await;
    assert_ne!(text(&elsewhere["data"]["draftOrder"], "id"), order, "and nobody else's");
    let query = format!("{{ order(id: \"{order}\") {{ id }} }}");
    let sees =
        async |token: &str| !answered(&server, token, &query).await["data"]["order"].is_null();
    assert!(sees(&own).await && !sees(&others).await);
    for closed in ["{ stock(first: 1) { totalCount } }", "{ users(first: 1) { totalCount } }"] {
        let told = answered(&server, &own, closed).await;
        assert!(told["errors"][0]["extensions"]["code"].is_string(), "{told}");
    }

    // He signs in amid his cart; somebody else does so without one.
    let made = told(directory.path(), &["create", "ann@example.com"]);
    let password = text(&made, "password");
    let reply = signs_in(&mut browser, &one, password).await;
    assert!(sees(text(&reply, "access_token")).await, "the cart is still there");
    assert!(sees(&own).await, "what was in flight is answered in the guest's name");
    let mut without = Browser::at(&server);
    let code = without.sign_in("ann@example.com", password).await.expect("it is right");
    let reply = without.redeem(&code).await;
    assert!(!sees(text(&reply, "access_token")).await, "a guest is one browser's");
}
