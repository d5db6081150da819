//! Passkeys from page to page: what is asked of a browser, what its authenticator answers, and what is nobody's.

use auth::sign_in::{NotLetIn, Told};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::sync::atomic::Ordering;

use super::SECOND_US;
use super::authenticator::Authenticator;
use super::house::{Browser, House, SHOP, field, hidden, location, request};
use super::second;

const PASSWORD: &str = "correct horse";

fn written(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a page asks of the browser.
fn options(page: &Told) -> Value {
    let (_, rest) = page.body.split_once("data-options=\"").unwrap_or_else(|| panic!("{page:?}"));
    let (options, _) = rest.split_once('"').expect("it ends");
    serde_json::from_str(&options.replace("&quot;", "\"")).expect("JSON")
}

fn challenge(options: &Value) -> Vec<u8> {
    let challenge = options["challenge"].as_str().expect("a challenge");
    URL_SAFE_NO_PAD.decode(challenge).expect("Base64")
}

fn authenticator() -> Authenticator {
    Authenticator::es256(SHOP, "shop.example")
}

async fn signed_in(house: &House) -> Browser {
    let mut browser = Browser::default();
    house.sign_in(&mut browser, &request(&[])).await;
    browser
}

/// The page on which a browser makes one.
async fn begun(house: &House, browser: &mut Browser) -> Told {
    house.now.fetch_add(SECOND_US, Ordering::Relaxed);
    let page = house.ask(browser, "/auth/passkeys", None).await;
    let form = hidden(&page, "form");
    let fields =
        [("form", form.as_str()), ("step", "begin"), ("password", PASSWORD), ("name", "Ada")];
    house.ask(browser, "/auth/passkeys", Some(&fields)).await
}

/// What a browser sends of a new one.
async fn add(house: &House, browser: &mut Browser, page: &Told, by: &Authenticator) -> Told {
    let (client_data, object) = by.make(&challenge(&options(page)));
    let (client_data, object) = (written(&client_data), written(&object));
    let (form, asked) = (hidden(page, "form"), hidden(page, "asked"));
    let fields = [
        ("form", form.as_str()),
        ("asked", &asked),
        ("step", "add"),
        ("credential", "ignored"),
        ("client", &client_data),
        ("object", &object),
    ];
    house.ask(browser, "/auth/passkeys", Some(&fields)).await
}

async fn made(house: &House, by: &Authenticator) -> Browser {
    let mut browser = signed_in(house).await;
    let page = begun(house, &mut browser).await;
    let told = add(house, &mut browser, &page, by).await;
    assert_eq!(told.status, 200, "{}", told.body);
    browser
}

/// What a browser sends to sign in, with whatever is said otherwise.
async fn show(
    house: &House,
    browser: &mut Browser,
    page: &Told,
    by: &Authenticator,
    otherwise: &[(&str, &str)],
) -> Told {
    let [client, data, signature] = by.sign(&challenge(&options(page)));
    let sent = [
        ("request", hidden(page, "request")),
        ("form", hidden(page, "form")),
        ("asked", hidden(page, "asked")),
        ("credential", written(&by.credential)),
        ("client", written(&client)),
        ("data", written(&data)),
        ("signature", written(&signature)),
        ("person", written(house.user.as_bytes())),
    ];
    let sent: Vec<(&str, &str)> = sent
        .iter()
        .map(|(name, value)| {
            let other = otherwise.iter().find(|(known, _)| known == name);
            (*name, other.map_or(value.as_str(), |(_, other)| other))
        })
        .collect();
    house.ask(browser, "/auth/passkey", Some(&sent)).await
}

/// The page to sign in, to somebody who is not, a moment later.
async fn page(house: &House, browser: &mut Browser) -> Told {
    browser.cookies.remove("emporium_session");
    house.now.fetch_add(SECOND_US, Ordering::Relaxed);
    house.ask(browser, &request(&[]), None).await
}

#[tokio::test]
async fn somebody_makes_a_passkey_and_signs_in_by_it_alone() {
    let house = House::open().await;
    for mut by in [authenticator(), Authenticator::eddsa(SHOP, "shop.example")] {
        by.credential[0] = house.tables.passkeys.lock().len() as u8;
        let mut known = made(&house, &by).await;
        let list = house.ask(&mut known, "/auth/passkeys", None).await;
        assert!(list.body.contains("Remove that of a program"), "{}", list.body);
        // Somebody who has another factor is not asked for it: his device has verified him.
        let factor = second::begun(&house.sealer, house.user);
        let factor = second::confirmed(&house.sealer, factor, 1).0;
        house.tables.factors.lock().insert(house.user, factor);
        let mut browser = Browser::default();
        let page = page(&house, &mut browser).await;
        let asked = options(&page);
        assert_eq!(
            (&asked["rpId"], &asked["userVerification"]),
            (&"shop.example".into(), &"required".into())
        );
        assert_eq!(asked.get("allowCredentials"), None, "nobody is told who has one");
        let told = show(&house, &mut browser, &page, &by, &[]).await;
        assert_eq!(told.status, 303, "{}", told.body);
        let on = house.ask(&mut browser, &location(&told), None).await;
        assert!(!field(&location(&on), "code").is_empty(), "{on:?}");
        house.tables.factors.lock().clear();
    }
}

#[tokio::test]
async fn what_a_browser_is_asked_names_what_is_there_and_takes_the_password() {
    let house = House::open().await;
    let by = authenticator();
    let mut browser = made(&house, &by).await;
    let page = begun(&house, &mut browser).await;
    let asked = options(&page);
    assert_eq!(asked["excludeCredentials"][0]["id"], written(&by.credential));
    assert_eq!(asked["user"]["id"], written(house.user.as_bytes()));
    assert_eq!((&asked["user"]["name"], &asked["attestation"]), (&"Ada".into(), &"none".into()));
    let policy = page.headers.iter().find(|(name, _)| *name == "content-security-policy");
    assert!(policy.is_some_and(|(_, it)| it.contains("script-src 'self';")), "{page:?}");
    let form = hidden(&page, "form");
    let wrong = [("form", form.as_str()), ("step", "begin"), ("password", "wrong")];
    for tries in 1..=6 {
        let told = house.ask(&mut browser, "/auth/passkeys", Some(&wrong)).await;
        assert_eq!(told.status, if tries <= 5 { 400 } else { 429 });
        assert!(!told.body.contains("excludeCredentials"));
    }
    // Nobody makes one who is not signed in here.
    let told = add(&house, &mut Browser::default(), &page, &by).await;
    assert_eq!(told.status, 403);
}

#[tokio::test]
async fn what_was_asked_with_the_password_is_good_for_one_passkey() {
    let house = House::open().await;
    let mut browser = made(&house, &authenticator()).await;
    let page = begun(&house, &mut browser).await;
    for (credential, status) in [(8, 200), (9, 400)] {
        let mut by = authenticator();
        by.credential[0] = credential;
        house.now.fetch_add(SECOND_US, Ordering::Relaxed);
        assert_eq!(add(&house, &mut browser, &page, &by).await.status, status);
    }
}

#[tokio::test]
async fn what_was_asked_is_good_once_soon_and_in_one_browser() {
    let house = House::open().await;
    let by = authenticator();
    let mut browser = made(&house, &by).await;
    // One that is known is not taken again, and nobody else can take it over.
    let again = begun(&house, &mut browser).await;
    assert_eq!(add(&house, &mut browser, &again, &by).await.status, 400);
    let mut guest = Browser::default();
    let first = page(&house, &mut guest).await;
    assert_eq!(show(&house, &mut guest, &first, &by, &[]).await.status, 303);
    assert_eq!(show(&house, &mut guest, &first, &by, &[]).await.status, 400, "a second time");
    // What was asked before the last use is over, too.
    let (older, newer) = (page(&house, &mut guest).await, page(&house, &mut guest).await);
    let form = hidden(&newer, "form");
    assert_eq!(show(&house, &mut guest, &newer, &by, &[]).await.status, 303);
    assert_eq!(show(&house, &mut guest, &older, &by, &[]).await.status, 400);
    let mut other = Browser::default();
    let others = page(&house, &mut other).await;
    let told = show(&house, &mut other, &others, &by, &[("asked", &hidden(&newer, "asked"))]).await;
    assert_eq!(told.status, 400, "asked in another browser");
    let told = show(&house, &mut other, &others, &by, &[("form", &form)]).await;
    assert_eq!(told.status, 403, "a form of another browser");
    house.now.fetch_add(300 * SECOND_US, Ordering::Relaxed);
    assert_eq!(show(&house, &mut other, &others, &by, &[]).await.status, 400, "too late");
    // What was asked to make one is nothing to sign in by.
    let making = begun(&house, &mut browser).await;
    let asked = hidden(&making, "asked");
    let [client, data, signature] = by.sign(&challenge(&options(&making)));
    let form = hidden(&again, "form");
    let sent = [
        ("form", form.as_str()),
        ("asked", &asked),
        ("credential", &written(&by.credential)),
        ("client", &written(&client)),
        ("data", &written(&data)),
        ("signature", &written(&signature)),
        ("person", &written(house.user.as_bytes())),
    ];
    assert_eq!(house.ask(&mut browser, "/auth/passkey", Some(&sent)).await.status, 400);
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_the_same_and_remembered() {
    let house = House::open().await;
    let mut by = authenticator();
    made(&house, &by).await;
    let mut browser = Browser { address: "192.0.2.1".into(), ..Browser::default() };
    let wrong = [
        [("credential", "AAAA")],
        [("credential", "")],
        [("person", "AAAA")],
        [("person", "")],
        [("client", "AAAA")],
        [("data", "AAAA")],
        [("signature", "")],
        [("signature", "no Base64!")],
        [("asked", "AAAA")],
    ];
    let mut bodies = Vec::new();
    for otherwise in &wrong {
        browser.address.push('1');
        let page = page(&house, &mut browser).await;
        let told = show(&house, &mut browser, &page, &by, otherwise).await;
        assert_eq!(told.status, 400, "{otherwise:?}");
        let (remark, _) = told.body.split_once("<form").expect("a form");
        bodies.push(remark.to_owned());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let refused = house.world.refused.lock().clone();
    assert_eq!(refused.len(), wrong.len());
    assert!(refused.iter().all(|(_, why)| *why == NotLetIn::WrongPasskey));
    assert_eq!(refused[0].0, None, "nobody has that one");
    assert_eq!(refused[2].0, Some(house.user));
    // A copy of an authenticator that counts.
    by.counter = 7;
    browser.address = "192.0.2.2".into();
    let first = page(&house, &mut browser).await;
    assert_eq!(show(&house, &mut browser, &first, &by, &[]).await.status, 303);
    for (counter, status) in [(7, 400), (8, 303)] {
        by.counter = counter;
        let next = page(&house, &mut browser).await;
        assert_eq!(show(&house, &mut browser, &next, &by, &[]).await.status, status);
    }
    // Tries at one are bounded, like those of a password.
    for tries in 1..=6 {
        let page = page(&house, &mut browser).await;
        let told = show(&house, &mut browser, &page, &by, &[]).await;
        assert_eq!(told.status, if tries <= 5 { 400 } else { 429 }, "{tries}");
    }
}

#[tokio::test]
async fn a_passkey_is_removed_by_its_owner_and_nobody_else() {
    let house = House::open().await;
    let by = authenticator();
    let mut browser = made(&house, &by).await;
    let list = house.ask(&mut browser, "/auth/passkeys", None).await;
    let (form, passkey) = (hidden(&list, "form"), hidden(&list, "passkey"));
    let remove = [("form", form.as_str()), ("step", "remove"), ("passkey", passkey.as_str())];
    // Another's: whoever is signed in as somebody else.
    house.tables.passkeys.lock()[0].user = uuid::Uuid::from_u128(99);
    assert_eq!(house.ask(&mut browser, "/auth/passkeys", Some(&remove)).await.status, 303);
    assert_eq!(house.tables.passkeys.lock().len(), 1);
    house.tables.passkeys.lock()[0].user = house.user;
    let foreign = [("form", "forged"), remove[1], remove[2]];
    assert_eq!(house.ask(&mut browser, "/auth/passkeys", Some(&foreign)).await.status, 403);
    assert_eq!(house.tables.passkeys.lock().len(), 1);
    house.ask(&mut browser, "/auth/passkeys", Some(&remove)).await;
    assert_eq!(house.tables.passkeys.lock().len(), 0);
    let mut guest = Browser::default();
    let page = page(&house, &mut guest).await;
    assert_eq!(show(&house, &mut guest, &page, &by, &[]).await.status, 400);
}
