//! Somebody registers by a letter that comes by SMTP to a receiver of other hands, sees where he is signed in and ends
//! it, and has a token for a script; and a subject of another issuer is whom its address or an operator says.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::npm::script;
use super::process::{PATIENCE, Server, run};
use super::sign_in::{Browser, SETTINGS, answered, hidden, text};

const PASSWORD: &str = "k7fq2m9xw4 plum";

/// A program of other hands that says what it has to say in lines of JSON; ended with the test.
struct Peer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(directory: &Path, name: &str, text: &str, arguments: &[&str]) -> Option<Self> {
        let mut command = script(directory, name, text)?;
        let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Node is there");
        let stdout = child.stdout.take().expect("it is piped");
        Some(Self { child, lines: BufReader::new(stdout).lines() })
    }

    fn says(&mut self) -> Value {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        let line = lines.find(|line| line.starts_with('{')).expect("it goes on");
        serde_json::from_str(&line).expect("one JSON object")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of the link in a letter, as it came over the wire (RFC 2045, 6.7).
fn path_in(letter: &Value) -> String {
    let raw = text(letter, "raw").replace("=\r\n", "").replace("=3D", "=");
    let (_, rest) = raw.split_once("https://shop.example").expect("a link");
    rest.split_whitespace().next().expect("it ends").to_owned()
}

/// Asks for a letter by the page of this path.
async fn ask_for(browser: &mut Browser<'_>, path: &str, address: &str) {
    let page = browser.send(path, None).await.text().await.expect("a page");
    let form = hidden(&page, "form");
    let fields = [("form", &*form), ("request", ""), ("login", address)];
    let told = browser.send(path, Some(&fields)).await;
    assert_eq!(told.status(), 200);
}

async fn choose(browser: &mut Browser<'_>, path: &str, name: &str, password: &str) -> u16 {
    let page = browser.send(path, None).await.text().await.expect("a page");
    let (form, link) = (hidden(&page, "form"), hidden(&page, "link"));
    let fields = [("form", &*form), ("link", &*link), ("name", name), ("password", password)];
    browser.send("/auth/finish", Some(&fields)).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_registers_by_a_letter_and_looks_after_his_sessions() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let receiver = include_str!("letters/receiver.mjs");
    // The first letter is not taken at once: it is sent again.
    let Some(mut mail) = Peer::start(directory.path(), "receiver.mjs", receiver, &["1"]) else {
        return;
    };
    let port = mail.says()["port"].as_u64().expect("a port");
    let settings = format!(
        "{SETTINGS}[mail]\nsmtp = 'smtp://127.0.0.1:{port}'\nfrom = 'Shop <no-reply@shop.example>'\n"
    );
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let mut browser = Browser::at(&server);
    ask_for(&mut browser, "/auth/register", "Ann@Example.com").await;
    let letter = mail.says();
    assert_eq!(letter["to"], json!(["ann@example.com"]));
    assert_eq!(letter["from"], json!("no-reply@shop.example"));
    assert!(text(&letter, "raw").contains("Auto-Submitted: auto-generated"), "{letter}");
    assert_eq!(choose(&mut browser, &path_in(&letter), "Ann", PASSWORD).await, 200);

    let code = browser.sign_in("ann@example.com", PASSWORD).await.expect("it is right");
    let reply = browser.redeem(&code).await;
    let token = text(&reply, "access_token").to_owned();
    let me = answered(&server, &token, "{ me { email displayName } }").await;
    assert_eq!(me["data"]["me"], json!({ "email": "ann@example.com", "displayName": "Ann" }));

    let sessions = "{ sessions { id client device isThis scope } }";
    let listed = answered(&server, &token, sessions).await;
    let of = |listed: &Value| listed["data"]["sessions"].as_array().cloned().unwrap_or_default();
    let known: Vec<_> =
        of(&listed).iter().map(|it| (it["client"].clone(), it["isThis"].clone())).collect();
    assert_eq!(known.len(), 2, "{listed}");
    assert!(known.contains(&(json!("till"), json!(true))), "{listed}");
    assert!(known.contains(&(json!("browser"), json!(false))), "{listed}");

    let make = |scope: &str| {
        format!(
            "mutation {{ createApiToken(input: {{name: \"nightly\", scope: [{scope}], days: 200}}) \
             {{ token session {{ id }} userErrors {{ code }} }} }}"
        )
    };
    let made = answered(&server, &token, &make("\"orders.read\"")).await;
    let made = &made["data"]["createApiToken"];
    let (api, id) = (text(made, "token").to_owned(), text(&made["session"], "id").to_owned());
    assert_eq!(browser.asks(&api).await, 200);
    let orders = answered(&server, &api, "{ orders(first: 1) { totalCount } }").await;
    assert_eq!(orders["data"], json!({ "orders": { "totalCount": 0 } }), "{orders}");
    let me = answered(&server, &api, "{ me { email } }").await;
    assert!(me["data"]["me"].is_null(), "it is for orders: {me}");
    for (scope, code) in [
        ("\"cluster.operate\"", "PERMISSION_REQUIRED"),
        ("\"orders.fly\"", "INVALID_PERMISSION"),
        ("", "INVALID_PERMISSION"),
    ] {
        let told = answered(&server, &token, &make(scope)).await;
        assert_eq!(told["data"]["createApiToken"]["userErrors"][0]["code"], code, "{told}");
    }
    let more = answered(&server, &api, &make("\"orders.read\"")).await;
    assert!(more["data"]["createApiToken"]["token"].is_null(), "{more}");

    let end = format!(
        "mutation {{ endSession(input: {{sessionId: \"{id}\"}}) {{ userErrors {{ code }} }} }}"
    );
    let told = answered(&server, &token, &end).await;
    assert_eq!(told["data"]["endSession"]["userErrors"], json!([]), "{told}");
    let until = Instant::now() + PATIENCE;
    while browser.asks(&api).await != 401 {
        assert!(Instant::now() < until, "it does not end");
    }
    let told = answered(&server, &token, &end).await;
    assert_eq!(told["data"]["endSession"]["userErrors"][0]["code"], "SESSION_NOT_FOUND");

    // Another's sessions are nobody's.
    let (status, admin, errors) = run(directory.path(), &["user", "token", "administrator"]);
    assert_eq!(status, 0, "{errors}");
    let ann = answered(&server, &token, "{ me { id } }").await["data"]["me"]["id"].clone();
    let of_ann = format!("{{ sessions(userId: {ann}) {{ id }} }}");
    assert_eq!(of(&answered(&server, admin.trim_end(), &of_ann).await).len(), 2);
    let (_, made, _) = run(directory.path(), &["user", "create", "eve", "--json"]);
    let made: Value = serde_json::from_str(&made).expect("one JSON object");
    let (_, eve, _) = run(directory.path(), &["user", "token", text(&made, "user")]);
    assert_eq!(of(&answered(&server, eve.trim_end(), &of_ann).await), Vec::<Value>::new());

    // She forgets her password, and is out everywhere when she has another.
    ask_for(&mut browser, "/auth/reset", "ann@example.com").await;
    let letter = mail.says();
    let other = "another k7fq2m9xw4";
    assert_eq!(choose(&mut browser, &path_in(&letter), "", other).await, 200);
    assert!(text(&mail.says(), "raw").contains("Subject: Your password was changed"));
    let until = Instant::now() + PATIENCE;
    while browser.asks(&token).await != 401 {
        assert!(Instant::now() < until, "her session does not end");
    }
    let mut browser = Browser::at(&server);
    assert_eq!(browser.sign_in("ann@example.com", PASSWORD).await, None);
    assert!(browser.sign_in("ann@example.com", other).await.is_some());
    server.signal("TERM");
    let (_, lines, log) = server.end();
    for secret in [PASSWORD, other, "ann@example.com", &token, &api] {
        assert!(!log.contains(secret), "{secret} is in the log");
        assert!(!lines.iter().any(|line| line.contains(secret)), "{secret} is printed");
    }
}

/// Without a server letters are printed, and nobody registers where that is shut.
#[tokio::test(flavor = "multi_thread")]
async fn letters_are_printed_where_no_server_takes_them_and_registering_can_be_shut() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("cluster.toml"), SETTINGS).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let mut browser = Browser::at(&server);
    ask_for(&mut browser, "/auth/register", "ann@example.com").await;
    let mut line = server.line();
    while !line.starts_with("https://shop.example/auth/finish?link=") {
        line = server.line();
    }
    let path = line.trim_start_matches("https://shop.example").to_owned();
    assert_eq!(choose(&mut browser, &path, "Ann", PASSWORD).await, 200);
    server.signal("TERM");
    server.end();

    let shut = format!("{SETTINGS}registration = false\n");
    std::fs::write(directory.path().join("cluster.toml"), shut).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let mut browser = Browser::at(&server);
    let page = browser.send("/auth/", None).await.text().await.expect("a page");
    assert!(!page.contains("/auth/register") && page.contains("/auth/reset"), "{page}");
    assert_eq!(browser.send("/auth/register", None).await.status(), 404);
    assert!(browser.sign_in("ann@example.com", PASSWORD).await.is_some());
}

/// The subject of a token is somebody of his own; who was there before he is by his address, once and if nobody else
/// signs in as that one, or because an operator says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_subject_of_another_issuer_takes_nobodys_account() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let provider = include_str!("openid/people.mjs");
    let Some(mut peer) = Peer::start(directory.path(), "people.mjs", provider, &[]) else {
        return;
    };
    let told = peer.says();
    let issuer = text(&told, "issuer").to_owned();
    let settings = format!("[auth]\nissuers = ['{issuer}']\nlinked_by_email = ['{issuer}']\n");
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let (_, admin, _) = run(directory.path(), &["user", "token", "administrator"]);
    let admin = admin.trim_end();
    let register = async |name: &str| {
        let mutation = format!(
            "mutation {{ registerUser(input: {{email: \"{name}@example.com\", displayName: \"{name}\"}}) \
             {{ id userErrors {{ code }} }} }}"
        );
        let told = answered(&server, admin, &mutation).await;
        text(&told["data"]["registerUser"], "id").to_owned()
    };
    let (ann, bob, eve) = (register("ann").await, register("bob").await, register("eve").await);
    // Bob signs in here by a password: no address makes anybody else him.
    let id = bob.trim_start_matches("user_");
    let (status, _, errors) =
        run(directory.path(), &["user", "create", "bob@example.com", "--user", id]);
    assert_eq!(status, 0, "{errors}");
    let me = async |token: &str| {
        let told = answered(&server, token, "{ me { id } }").await;
        assert!(told["errors"].is_null(), "{told}");
        told["data"]["me"]["id"].clone()
    };
    let token = |name: &str| text(&told, name).to_owned();
    assert_eq!(me(&token("ann")).await, json!(ann), "verified, and nobody else is she");
    assert_eq!(me(&token("again")).await, Value::Null, "another subject with her address");
    assert_eq!(me(&token("bob")).await, Value::Null);
    assert_eq!(me(&token("eve")).await, Value::Null, "the address was not verified");
    let link = ["user", "link", &eve, "--issuer", &issuer, "--subject", "eve"];
    let (status, _, errors) = run(directory.path(), &link);
    assert_eq!(status, 0, "{errors}");
    assert_eq!(me(&token("eve_later")).await, json!(eve), "an operator says who she is");
    let unlink = ["user", "unlink", "--issuer", &issuer, "--subject", "eve"];
    assert_eq!(run(directory.path(), &unlink).0, 0);
    assert_eq!(run(directory.path(), &unlink).0, 1, "linked with nobody");
    assert_eq!(me(&token("eve_last")).await, Value::Null);
}

/// Roles that an issuer gives are had until it says otherwise, in the order in which it says so; what somebody was
/// given here without end is his, whatever an issuer says.
#[tokio::test(flavor = "multi_thread")]
async fn roles_of_another_issuer_are_given_and_taken_by_what_it_said_last() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let provider = include_str!("openid/people.mjs");
    let Some(mut peer) = Peer::start(directory.path(), "people.mjs", provider, &[]) else {
        return;
    };
    let told = peer.says();
    let issuer = text(&told, "issuer").to_owned();
    let settings = format!(
        "[auth]\nissuers = ['{issuer}']\nlinked_by_email = ['{issuer}']\n\
         roles = ['{issuer} floor warehouse', '{issuer} boss operator']\n"
    );
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let (_, admin, _) = run(directory.path(), &["user", "token", "administrator"]);
    let admin = admin.trim_end();
    let done = async |mutation: &str| {
        let told = answered(&server, admin, mutation).await;
        assert!(told["errors"].is_null(), "{told}");
        told
    };
    let who = async |name: &str| {
        let told = answered(&server, text(&told, name), "{ me { id email displayName } }").await;
        assert!(told["errors"].is_null(), "{told}");
        told["data"]["me"].clone()
    };
    // Her role, and whether it ends.
    let roles = async |id: &Value| {
        let query = format!("{{ user(id: {id}) {{ roles {{ role scope validUntil }} }} }}");
        let told = done(&query).await;
        let held = told["data"]["user"]["roles"].as_array().expect("a list").clone();
        let held = held.iter().map(|held| (held["role"].clone(), held["validUntil"].is_string()));
        held.collect::<Vec<_>>()
    };

    let fay = who("fay_floor").await;
    assert_eq!(
        (&fay["email"], &fay["displayName"]),
        (&json!("fay@example.com"), &json!("fay Miller")),
        "whoever is given a role is registered"
    );
    let id = &fay["id"];
    assert_eq!(roles(id).await, [(json!("warehouse"), true)]);
    assert_eq!(who("fay_boss").await, fay);
    assert_eq!(roles(id).await, [(json!("warehouse"), true)], "that was said before");
    let take = format!(
        "mutation {{ revokeRole(input: {{userId: {id}, role: \"warehouse\"}}) {{ userErrors {{ code }} }} }}"
    );
    let taken = done(&take).await;
    assert_eq!(taken["data"]["revokeRole"]["userErrors"], json!([]), "{taken}");
    assert_eq!(who("fay_floor_twice").await, fay);
    assert_eq!(roles(id).await, [], "what was taken here is not given by what was said before");
    assert_eq!(who("fay_again").await, fay);
    assert_eq!(roles(id).await, [(json!("warehouse"), true)]);
    assert_eq!(who("fay_none").await, fay);
    assert_eq!(roles(id).await, [(json!("warehouse"), true)], "it was said before, too");

    let register = "mutation { registerUser(input: {email: \"hal@example.com\", displayName: \"Hal\"}) { id } }";
    let made = done(register).await;
    let id = &made["data"]["registerUser"]["id"];
    let give = format!(
        "mutation {{ assignRole(input: {{userId: {id}, role: \"operator\"}}) {{ userErrors {{ code }} }} }}"
    );
    done(&give).await;
    assert_eq!(who("hal").await["id"], *id);
    let mut held = roles(id).await;
    held.sort_by_key(|(role, _)| role.to_string());
    assert_eq!(held, [(json!("operator"), false), (json!("warehouse"), true)]);
    assert_eq!(who("hal_none").await["id"], *id);
    assert_eq!(roles(id).await, [(json!("operator"), false)]);

    assert_eq!(who("ida").await, Value::Null, "her address is not verified: she is nobody here");
}
