//! A real browser on the pages of the built-in issuer, with an app that is a stock client, and a device that makes
//! passkeys. Where there is no browser, nobody looks.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::npm::script;
use super::process::Server;

/// The program; `scripts/services` sets it.
const BROWSER: &str = "EMPORIUM_TEST_BROWSER";

/// Ended with the test.
struct People(Child);

impl Drop for People {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_a_browser_registers_signs_in_to_an_app_and_has_a_passkey() {
    let Some(browser) = std::env::var_os(BROWSER) else {
        let left_out = std::env::var_os("EMPORIUM_TEST_ALL").is_none();
        assert!(left_out, "{BROWSER} is not set: see scripts/services");
        println!("{BROWSER} is not set: no browser looked at the pages to sign in");
        return;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = include_str!("browser/people.mjs");
    let Some(mut command) = script(directory.path(), "people.mjs", text) else { return };
    let command = command.arg(browser).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut people = People(command.spawn().expect("Node is there"));
    let stdout = people.0.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let mut said = || -> Value {
        let line = lines.find(|line| line.starts_with('{')).expect("it goes on");
        serde_json::from_str(&line).expect("one JSON object")
    };
    let at = said();
    let named = |name: &str| at[name].as_str().expect("an address");
    let settings = format!(
        "[auth]\napps = ['till {app}/in']\nurl = '{issuer}'\n[http]\ncors_origins = ['{app}']\n\
         [mail]\nsmtp = 'smtp://127.0.0.1:{smtp}'\nfrom = 'Shop <no-reply@shop.example>'\n",
        app = named("app"),
        issuer = named("issuer"),
        smtp = at["smtp"],
    );
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let mut stdin = people.0.stdin.take().expect("it is piped");
    writeln!(stdin, "{}", server.address()).expect("it reads");
    let seen = said();
    assert_eq!(seen["complaints"], json!([]), "of the browser: {seen}");
    for (what, right) in [
        ("withoutScripts", json!(false)),
        ("signedIn", json!("You are signed in")),
        ("spare", json!(8)),
        ("signedOut", json!("You are signed out")),
        ("asked", json!("One more code")),
        ("renewed", json!(true)),
        ("me", json!({"me": {"email": "ann@example.com"}})),
        ("made", json!("From now on you can sign in by this passkey.")),
        ("listed", json!(1)),
        ("known", json!([["localhost", true]])),
        ("out", json!("Sign out?")),
        ("again", json!(true)),
        ("meAgain", json!({"me": {"email": "ann@example.com"}})),
    ] {
        assert_eq!(seen[what], right, "{what}: {seen}");
    }
    let begins = |what: &str, text: &str| {
        let said = seen[what].as_str().unwrap_or_default();
        assert!(said.starts_with(text), "{what}: {seen}");
    };
    begins("subject", "user:");
    begins("unverified", "That did not work");
    begins("removed", "This passkey is not known here");
}
