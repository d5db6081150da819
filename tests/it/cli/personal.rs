//! What is personal is found nowhere in the clear: not in the database's files while a server runs,
//! not after it stopped, not in what it logs and measures. And whoever was erased is listed still.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::{Value, json};

use super::process::{Server, run};
use super::serving::location;

/// What a search must not find, as it is written and in either case: parts of addresses and names of nobody.
const MARKS: [&str; 5] =
    ["zqCanary-One", "zqcanary-moved", "ZQCANARY-guest", "Zqcanaria Plainsight", "Zqrenamed Lady"];
/// What it must find, so that the right files are searched.
const KEY: &str = "zqvisible-key";

const ALPHABETS: [&[u8; 64]; 2] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
];

/// What base64 makes of `text` wherever it stands in what is encoded: the whole digits of each of the
/// three alignments.
fn base64(text: &[u8], alphabet: &[u8; 64]) -> Vec<Vec<u8>> {
    let aligned = (0..3).map(|skipped| {
        let whole = &text[skipped..];
        let digits = whole.chunks_exact(3).flat_map(|three| {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            [18, 12, 6, 0].map(|shift| alphabet[(bits >> shift) as usize & 63])
        });
        digits.collect()
    });
    aligned.collect()
}

/// Every form in which a mark might stand somewhere.
fn forms(mark: &str) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for text in [mark.to_owned(), mark.to_lowercase(), mark.to_uppercase()] {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let escaped = text.replace(' ', "%20").into_bytes();
        forms.extend([escaped, hex.to_uppercase().into_bytes(), hex.into_bytes()]);
        ALPHABETS.iter().for_each(|alphabet| forms.extend(base64(text.as_bytes(), alphabet)));
        forms.push(text.into_bytes());
    }
    forms
}

/// So many bytes of a form are looked up first.
const PREFIX: usize = 8;

/// The marks that stand in `bytes` in any form, each as often as it does. One walk for all forms.
fn marks_in<'a>(bytes: &[u8], marks: &[&'a str]) -> Vec<&'a str> {
    let mut by_prefix: HashMap<[u8; PREFIX], Vec<(Vec<u8>, &str)>> = HashMap::new();
    for mark in marks {
        for form in forms(mark) {
            let prefix = *form.first_chunk().expect("a form is longer");
            by_prefix.entry(prefix).or_default().push((form, mark));
        }
    }
    let firsts: HashSet<u8> = by_prefix.keys().map(|prefix| prefix[0]).collect();
    let mut is_first = [false; 256];
    firsts.iter().for_each(|first| is_first[usize::from(*first)] = true);
    let mut found = Vec::new();
    for place in (0..bytes.len()).filter(|place| is_first[usize::from(bytes[*place])]) {
        let rest = &bytes[place..];
        let Some(known) = rest.first_chunk().and_then(|prefix| by_prefix.get(prefix)) else {
            continue;
        };
        found
            .extend(known.iter().filter(|(form, _)| rest.starts_with(form)).map(|(_, mark)| *mark));
    }
    found
}

fn is_in(bytes: &[u8], mark: &str) -> bool {
    !marks_in(bytes, &[mark]).is_empty()
}

#[track_caller]
fn nowhere(bytes: &[u8], what: &str) {
    assert_eq!(marks_in(bytes, &MARKS), <[&str; 0]>::default(), "in {what}");
}

/// Every file of a data directory but the lock and the key.
fn files(directory: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(directory.join("data")).expect("a data directory") {
        let path = file.expect("an entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("emporium.db")) {
            all.extend(std::fs::read(path).expect("it can be read"));
        }
    }
    all
}

async fn change(server: &Server, mutation: &str, input: &str, selection: &str, of: Value) -> Value {
    let query = format!(
        "mutation($input: {input}!) {{ \
         {mutation}(input: $input) {{ {selection} userErrors {{ code }} }} }}"
    );
    server.data(&query, json!({ "input": of })).await[mutation].take()
}

/// A user who takes another name and another address; the id.
async fn user(server: &Server) -> String {
    let input = json!({"email": "zqCanary-One@example.com", "displayName": MARKS[3],
                       "idempotencyKey": KEY});
    let payload = change(server, "registerUser", "RegisterUserInput", "user { id }", input).await;
    let id = payload["user"]["id"].as_str().unwrap_or_else(|| panic!("{payload}")).to_owned();
    for round in 0..12 {
        let name = if round % 2 == 0 { MARKS[4] } else { MARKS[3] };
        let input = json!({"userId": id, "displayName": name, "idempotencyKey": round.to_string()});
        let user = "user { displayName }";
        let payload =
            change(server, "updateUserProfile", "UpdateUserProfileInput", user, input).await;
        assert_eq!(payload["user"]["displayName"], name);
    }
    let input = json!({"userId": id, "email": "zqcanary-moved@example.com"});
    let payload =
        change(server, "changeUserEmail", "ChangeUserEmailInput", "user { email }", input).await;
    assert_eq!(payload["user"]["email"], "zqcanary-moved@example.com");
    id
}

/// An order of a guest, carried to the end of its checkout; the id.
async fn order(server: &Server) -> String {
    let goods =
        server.data("{ products(first: 1) { edges { node { id variants { id } } } } }", json!({}));
    let product = goods.await["products"]["edges"][0]["node"].take();
    let variant = product["variants"][0]["id"].clone();
    let shelf = location(server).await;
    let place =
        |key: &str| json!({"variantId": variant, "locationId": shelf, "idempotencyKey": key});
    change(server, "openStock", "OpenStockInput", "", place("open")).await;
    let mut received = place("received");
    received["quantity"] = json!(5);
    change(server, "receiveStock", "ReceiveStockInput", "", received).await;
    let lines = json!([{"productId": product["id"], "variantId": variant, "locationId": shelf, "quantity": 1}]);
    let input = json!({"buyer": {"guestEmail": "ZQCANARY-guest@example.com"}, "currency": "EUR",
                       "idempotencyKey": "draft", "lines": lines});
    let drafted = change(server, "draftOrder", "DraftOrderInput", "order { id guestEmail }", input);
    let drafted = drafted.await;
    assert_eq!(drafted["order"]["guestEmail"], "ZQCANARY-guest@example.com", "{drafted}");
    let id = drafted["order"]["id"].as_str().expect("an id").to_owned();
    let input = json!({"orderId": id, "waitMs": 10_000, "idempotencyKey": "place"});
    let placed = change(server, "placeOrder", "PlaceOrderInput", "order { status }", input).await;
    assert_eq!(placed["order"]["status"], "CONFIRMED", "{placed}");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_personal_stands_nowhere_in_the_clear() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Every line of ours, and a snapshot of whatever has ten events.
    let settings = "[limits]\nsnapshot_interval = 10\n[log]\nfilter = 'debug'\nformat = 'json'\n";
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &["--demo"]);
    let user = user(&server).await;
    let order = order(&server).await;
    let query = "query($id: ID!, $order: ID!) { user(id: $id) { email displayName erased } \
         order(id: $order) { guestEmail guestErased } users { edges { node { email } } } \
         userByEmail(email: \"ZQCANARY-moved@example.com\") { id } }";
    let shown = server.data(query, json!({ "id": user, "order": order })).await;
    assert_eq!(shown["user"]["displayName"], MARKS[3]);
    assert_eq!(shown["userByEmail"]["id"], json!(user));
    assert_eq!(
        (&shown["user"]["erased"], &shown["order"]["guestErased"]),
        (&json!(false), &json!(false))
    );
    // Mistakes are told in the words of ours.
    let wrong = json!({"input": {"email": "zqcanary-one at example.com", "displayName": MARKS[4]}});
    let mutation = "mutation($input: RegisterUserInput!) { \
         registerUser(input: $input) { userErrors { code message } } }";
    nowhere(
        server.ask(mutation, wrong).await.expect("a reply").to_string().as_bytes(),
        "a mistake",
    );
    let metrics = reqwest::get(format!("http://{}/metrics", server.address())).await;
    let metrics = metrics.expect("a page").text().await.expect("text");
    assert!(metrics.contains("emporium_persistence_person_keys_made_total"), "{metrics}");
    nowhere(metrics.as_bytes(), "the metrics");

    let running = files(directory.path());
    assert!(is_in(&running, KEY), "the files of the database are searched");
    nowhere(&running, "the database of a running server");
    server.signal("TERM");
    let (status, _, log) = server.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("\"level\":\"DEBUG\"") || log.contains("DEBUG"), "{log}");
    nowhere(log.as_bytes(), "the log");
    let stopped = files(directory.path());
    assert!(is_in(&stopped, "UserRegistered"));
    nowhere(&stopped, "the database of a server that stopped");
    let (status, printed, _) = run(directory.path(), &["journal", "read", "--limit", "100000"]);
    assert_eq!(status, 0);
    assert!(printed.contains("UserRegistered"));
    nowhere(printed.as_bytes(), "what `journal read` prints");
    assert_eq!(run(directory.path(), &["journal", "verify"]).0, 0);

    // The keys are there still after a restart.
    let server = Server::start(directory.path(), &["--demo"]);
    let shown = server.data(query, json!({ "id": user, "order": order })).await;
    assert_eq!(shown["user"]["email"], "zqcanary-moved@example.com");
    assert_eq!(shown["order"]["guestEmail"], "ZQCANARY-guest@example.com");
}

#[test]
fn the_search_finds_what_is_planted() {
    for mark in MARKS {
        assert!(!is_in(b"nothing of that kind, and much of it", mark));
        for form in forms(mark) {
            for before in [&b""[..], b"a", b"ab", b"abc"] {
                let planted = [before, &form, b"..."].concat();
                assert!(is_in(&planted, mark), "{}", String::from_utf8_lossy(&planted));
            }
        }
        let hidden = |before: &str| {
            let text = format!("{before}{mark}@example.com").into_bytes();
            base64(&text, ALPHABETS[1])[0].clone()
        };
        for before in ["", "x", "xy"] {
            assert!(is_in(&hidden(before), mark), "{before}{mark} in base64");
        }
    }
}
