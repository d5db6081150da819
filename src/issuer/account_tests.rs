//! Registering, forgetting a password, a second factor, API tokens, and what those who mean harm get of it.

use std::sync::atomic::Ordering;

use super::house::*;
use super::letters::LINK_US;
use super::*;
use auth::sessions::{ApiToken, Sessions as _, Undone};
use auth::sign_in::NotLetIn;
use auth::tokens::Unverified;
use domain::access::permission::{Permission, Permissions};
use persistence::sign_ins::{API_TOKEN, END_KEPT_US};
use uuid::Uuid;

const SENT: &str = "If this address can be used here, a letter is on its way to it.";
const GOOD: &str = "k7fq2m9xw4 plum";

impl House {
    /// Asks for a letter by a page; what is told.
    async fn ask_for(&self, browser: &mut Browser, path: &str, address: &str) -> Told {
        let page = self.ask(browser, path, None).await;
        let fields = [
            ("form", hidden(&page, "form")),
            ("request", hidden(&page, "request")),
            ("login", address.to_owned()),
        ];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.ask(browser, path.split('?').next().unwrap_or(path), Some(&fields)).await
    }

    /// Chooses a password by the link of a letter.
    async fn choose(&self, browser: &mut Browser, path: &str, name: &str, password: &str) -> Told {
        let page = self.ask(browser, path, None).await;
        if page.status != 200 {
            return page;
        }
        let fields = [
            ("form", hidden(&page, "form")),
            ("link", hidden(&page, "link")),
            ("name", name.to_owned()),
            ("password", password.to_owned()),
        ];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.ask(browser, "/auth/finish", Some(&fields)).await
    }

    /// Signs in at the page itself.
    async fn enter(&self, browser: &mut Browser, login: &str, password: &str) -> Told {
        let page = self.ask(browser, "/auth/", None).await;
        let form = hidden(&page, "form");
        let fields = [("form", form.as_str()), ("login", login), ("password", password)];
        self.ask(browser, "/auth/sign-in", Some(&fields)).await
    }

    fn pass(&self, microseconds: i64) {
        self.now.fetch_add(microseconds, Ordering::Relaxed);
    }
}

fn from(address: &str) -> Browser {
    Browser { address: address.to_owned(), ..Browser::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_registers_by_a_letter_and_signs_in() {
    let house = House::open().await;
    let mut browser = from("home");
    let page = house.ask(&mut browser, "/auth/", None).await;
    assert!(page.body.contains("href=\"/auth/register\""), "{}", page.body);
    let told = house.ask_for(&mut browser, "/auth/register", " Eve@Example.com ").await;
    assert!(told.status == 200 && told.body.contains(SENT), "{}", told.body);
    let letter = house.world.letter().await;
    assert_eq!(letter.to, "eve@example.com");
    let path = letter.text.split_once(SHOP).and_then(|(_, rest)| rest.split_whitespace().next());
    let path = path.expect("a link");
    // A program that looks at letters opens it, and nothing happens.
    for _ in 0..3 {
        assert_eq!(house.ask(&mut from("mail server"), path, None).await.status, 200);
    }
    assert!(house.world.users.lock().is_empty());
    for (name, password, why) in [
        ("Eve", "short", "at least 8"),
        ("Eve", "password1", "tried first"),
        ("Eve", "eve@example.com", "everybody knows"),
        ("", GOOD, "how you want to be called"),
    ] {
        let told = house.choose(&mut browser, path, name, password).await;
        assert!(told.status == 400 && told.body.contains(why), "{password}: {}", told.body);
    }
    let told = house.choose(&mut browser, path, "Eve", GOOD).await;
    assert!(told.status == 200 && told.body.contains("Your password is set"), "{}", told.body);
    let user = house.world.users.lock().first().expect("she is a user").1;
    assert_eq!(house.enter(&mut browser, "eve@example.com", GOOD).await.status, 303);
    let listed = house.issuer.sessions_of(user).await.expect("memory answers");
    assert_eq!(listed.len(), 1);
    // The link was good once.
    let told = house.choose(&mut browser, path, "Eve", "another k7fq2m9xw4").await;
    assert!(told.status == 400 && told.body.contains("not good any more"), "{}", told.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_tells_whether_an_address_is_known() {
    let house = House::open().await;
    let mut answers = Vec::new();
    for path in ["/auth/register", "/auth/reset"] {
        for address in ["ada@example.com", "nobody@example.com"] {
            let mut browser = from("home");
            let told = house.ask_for(&mut browser, path, address).await;
            answers.push((told.status, told.body, told.headers));
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    // Three of the four have a letter: whoever has no account forgot no password.
    while house.world.letters.lock().len() < 3 {
        house.world.arrived.notified().await;
    }
    let letters = house.world.letters.lock();
    let mut subjects: Vec<_> = letters.iter().map(|it| (&*it.to, &*it.subject)).collect();
    subjects.sort_unstable();
    assert_eq!(
        subjects,
        [
            ("ada@example.com", "Choose another password"),
            ("ada@example.com", "You have an account already"),
            ("nobody@example.com", "Confirm your e-mail address"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_all_sessions_and_the_link_is_good_once() {
    let house = House::open().await;
    let mut browser = from("home");
    let back = house.sign_in(&mut from("thief"), &request(&[])).await;
    let (_, stolen) = house.redeem(&field(&back, "code"), VERIFIER).await;
    house.ask_for(&mut browser, "/auth/reset", "ada@example.com").await;
    let first = house.world.path().await;
    house.ask_for(&mut browser, "/auth/reset", "ada@example.com").await;
    let second = house.world.path().await;
    let told = house.choose(&mut browser, &first, "", GOOD).await;
    assert!(told.body.contains("Your password is set"), "{}", told.body);
    let token = stolen["access_token"].as_str().expect("a token");
    assert_eq!(house.verifier.verify(token).await, Err(Unverified::Invalid));
    assert_eq!(house.renew(stolen["refresh_token"].as_str().expect("a token")).await.0, 400);
    assert_eq!(house.enter(&mut browser, "ada@example.com", "correct horse").await.status, 400);
    assert_eq!(house.enter(&mut browser, "ada@example.com", GOOD).await.status, 303);
    // Neither the same link nor one of before it changes it once more.
    for path in [&first, &second] {
        let told = house.choose(&mut browser, path, "", "another k7fq2m9xw4").await;
        assert!(told.status == 400 && told.body.contains("not good any more"), "{}", told.body);
    }
    assert_eq!(house.enter(&mut browser, "ada@example.com", GOOD).await.status, 303);
    let letter = house.world.letter().await;
    assert_eq!(letter.subject, "Your password was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_too_old_after_an_hour_and_nobody_makes_one_up() {
    let house = House::open().await;
    let mut browser = from("home");
    house.ask_for(&mut browser, "/auth/reset", "ada@example.com").await;
    let path = house.world.path().await;
    house.pass(LINK_US - SECOND_US);
    assert_eq!(house.ask(&mut browser, &path, None).await.status, 200);
    for place in "/auth/finish?link=".len()..path.len() {
        let mut changed = path.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        assert_eq!(house.ask(&mut browser, &changed, None).await.status, 400, "{place}");
    }
    house.pass(SECOND_US);
    assert_eq!(house.ask(&mut browser, &path, None).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_a_user_and_signs_in_otherwise_is_not_taken_over() {
    let house = House::open().await;
    // Ada's account has Eve's address, too; by a slip, or to see who comes.
    house.world.users.lock().push(("eve@example.com".to_owned(), house.user));
    let mut browser = from("home");
    house.ask_for(&mut browser, "/auth/register", "eve@example.com").await;
    let path = house.world.path().await;
    let told = house.choose(&mut browser, &path, "Eve", GOOD).await;
    assert_eq!(told.status, 409, "{}", told.body);
    assert_eq!(house.enter(&mut browser, "eve@example.com", GOOD).await.status, 400);
}

/// Letters that others asked for leave whoever they went to a link that is good, and a flood stops.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_letters_is_no_way_to_lock_somebody_out() {
    let house = House::open().await;
    for number in 0..40 {
        let mut browser = from(&format!("bot {number}"));
        let told = house.ask_for(&mut browser, "/auth/reset", "ada@example.com").await;
        assert_eq!(told.status, 200, "whoever asks is told the same");
    }
    let told = house.ask_for(&mut from("home"), "/auth/reset", "ada@example.com").await;
    assert!(told.body.contains(SENT));
    while house.world.letters.lock().len() < 3 {
        house.world.arrived.notified().await;
    }
    assert_eq!(house.world.letters.lock().len(), 3);
    let letter = house.world.letters.lock()[0].text.clone();
    let (_, rest) = letter.split_once(SHOP).expect("a link");
    let path = rest.split_whitespace().next().expect("a path");
    let told = house.choose(&mut from("home"), path, "", GOOD).await;
    assert!(told.body.contains("Your password is set"), "{}", told.body);
    let mut flooder = from("flooder");
    let mut last = 200;
    for number in 0..30 {
        let address = format!("x{number}@example.com");
        let told = house.ask_for(&mut flooder, "/auth/register", &address).await;
        last = told.status;
        if last == 429 {
            assert!(told.headers.iter().any(|(name, _)| *name == "retry-after"));
        }
    }
    assert_eq!(last, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_of_another_site_and_no_address_of_another_spelling_sends_a_letter() {
    let house = House::open().await;
    for path in ["/auth/register", "/auth/reset"] {
        let fields = [("form", "made up"), ("login", "ada@example.com")];
        assert_eq!(house.ask(&mut from("x"), path, Some(&fields)).await.status, 403);
        let mut browser = from("home");
        for address in [
            "",
            "ada",
            "ada@example.com, eve@example.com",
            "ada@example.com\r\nBcc: eve@example.com",
            // A capital letter of another script that is a small one of ours.
            "ada@example.com\u{212a}",
            "\u{212a}ate@example.com",
        ] {
            let told = house.ask_for(&mut browser, path, address).await;
            assert_eq!(told.status, 400, "{address:?}");
        }
    }
    assert!(house.world.letters.lock().is_empty());
}

/// What stands in a form of a page about the second factor.
fn secret_of(page: &Told) -> String {
    let (_, rest) = page.body.split_once("<code>").expect("a secret");
    rest.split_once("</code>").expect("it ends").0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_second_factor_a_password_alone_is_not_enough() {
    let house = House::open().await;
    let mut browser = from("home");
    assert_eq!(house.enter(&mut browser, "ada@example.com", "correct horse").await.status, 303);
    let page = house.ask(&mut browser, "/auth/factor", None).await;
    let form = hidden(&page, "form");
    let step = async |browser: &mut Browser, step: &str, name: &str, value: &str| {
        let fields = [("form", form.as_str()), ("step", step), (name, value)];
        house.ask(browser, "/auth/factor", Some(&fields)).await
    };
    assert_eq!(step(&mut browser, "begin", "password", "wrong one").await.status, 400);
    let begun = step(&mut browser, "begin", "password", "correct horse").await;
    let secret = secret_of(&begun);
    assert_eq!(secret.len(), 32, "160 bits");
    assert!(begun.body.contains("otpauth://totp/shop.example?secret="), "{}", begun.body);
    // Not confirmed yet: nobody is asked for it.
    let mut other = from("elsewhere");
    assert_eq!(house.enter(&mut other, "ada@example.com", "correct horse").await.status, 303);
    assert_eq!(step(&mut browser, "confirm", "code", "000000").await.status, 400);
    let code = |house: &House| {
        let factor = house.tables.factors.lock()[&house.user].clone();
        second::code_of(&house.sealer, &factor, house.now.load(Ordering::Relaxed))
    };
    let confirmed = step(&mut browser, "confirm", "code", &code(&house)).await;
    let spare: Vec<_> = confirmed.body.split("<li><code>").skip(1).collect();
    let spare: Vec<&str> = spare.iter().filter_map(|rest| rest.split('<').next()).collect();
    assert_eq!(spare.len(), second::SPARE);

    let asked = async |browser: &mut Browser| {
        let page = house.enter(browser, "ada@example.com", "correct horse").await;
        assert!(page.status == 200 && page.body.contains("One more code"), "{}", page.body);
        assert!(page.headers.iter().all(|(_, value)| !value.starts_with("emporium_session")));
        page
    };
    let show = async |browser: &mut Browser, page: &Told, code: &str| {
        let (proved, form) = (hidden(page, "proved"), hidden(page, "form"));
        let fields = [("proved", &*proved), ("form", &*form), ("request", ""), ("code", code)];
        house.ask(browser, "/auth/second", Some(&fields)).await
    };
    let mut third = from("elsewhere");
    let page = asked(&mut third).await;
    let used = code(&house);
    assert_eq!(show(&mut third, &page, &used).await.status, 400, "it was used to confirm");
    house.pass(30 * SECOND_US);
    assert_eq!(show(&mut third, &page, "123456").await.status, 400);
    let fresh = code(&house);
    assert_eq!(show(&mut third, &page, &fresh).await.status, 303);
    let page = asked(&mut third).await;
    assert_eq!(show(&mut third, &page, &fresh).await.status, 400, "a second time");
    assert_eq!(show(&mut third, &page, spare[2]).await.status, 303, "on paper");
    let page = asked(&mut third).await;
    assert_eq!(show(&mut third, &page, spare[2]).await.status, 400, "crossed out");
    house.pass(400 * SECOND_US);
    assert_eq!(show(&mut third, &page, &code(&house)).await.status, 403, "it took too long");
    // Whose password was right is nothing that a browser can say.
    let page = asked(&mut from("fourth")).await;
    assert_eq!(show(&mut from("fifth"), &page, &code(&house)).await.status, 403);

    assert_eq!(step(&mut browser, "remove", "code", "000000").await.status, 400);
    let removed = step(&mut browser, "remove", "code", spare[3]).await;
    assert_eq!(removed.status, 200, "{}", removed.body);
    assert_eq!(house.enter(&mut third, "ada@example.com", "correct horse").await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_not_guessed() {
    let house = House::open().await;
    let (factor, _) = {
        let begun = second::begun(&house.sealer, house.user);
        second::confirmed(&house.sealer, begun, 1)
    };
    house.tables.factors.lock().insert(house.user, factor);
    let mut thief = from("thief");
    let mut tried = 0;
    loop {
        // The right password does not wipe out what was tried of codes.
        let page = house.enter(&mut thief, "ada@example.com", "correct horse").await;
        let (proved, form) = (hidden(&page, "proved"), hidden(&page, "form"));
        let fields = [("proved", &*proved), ("form", &*form), ("request", ""), ("code", "000000")];
        let told = house.ask(&mut thief, "/auth/second", Some(&fields)).await;
        if told.status == 429 {
            break;
        }
        assert_eq!(told.status, 400);
        tried += 1;
        assert!(tried <= 5, "{tried}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_token_holds_for_months_limits_and_ends_at_once() {
    let house = House::open().await;
    let wanted = ApiToken {
        user: house.user,
        within: None,
        name: "nightly".to_owned(),
        scope: vec![Permission::OrdersRead, Permission::StockRead],
        seconds: 300 * 24 * 3_600,
    };
    let (seen, token) = house.issuer.api_token(wanted.clone()).await.expect("memory answers");
    let borne = house.verifier.verify(&token).await.expect("it holds");
    assert_eq!(borne.identity.to_string(), format!("user:{}", house.user));
    let scope = [Permission::OrdersRead, Permission::StockRead];
    assert_eq!(borne.limit, Some(Permissions::of(&scope)));
    let listed = house.issuer.sessions_of(house.user).await.expect("memory answers");
    assert_eq!(listed, std::slice::from_ref(&seen));
    assert_eq!((seen.client.as_str(), seen.device.as_str()), (API_TOKEN, "nightly"));
    assert_eq!(seen.scope, scope);
    // One makes no other.
    let within = ApiToken { within: Some(seen.id), ..wanted.clone() };
    assert_eq!(house.issuer.api_token(within).await.err(), Some(Undone::NotOpen));
    // Another's is not ended.
    let other = Uuid::from_u128(8);
    assert_eq!(house.issuer.end_session(other, seen.id).await, Ok(false));
    house.verifier.verify(&token).await.expect("it holds");
    assert_eq!(house.issuer.end_session(house.user, seen.id).await, Ok(true));
    assert_eq!(house.verifier.verify(&token).await, Err(Unverified::Invalid));
    // Its end is remembered for as long as it could hold.
    let until = house.tables.ended.lock()[0].until_us;
    assert_eq!(until, seen.ends_us + END_KEPT_US);
    let again = Ended::open(house.store()).await.expect("memory answers");
    assert!(tokens::Sessions::is_ended(&*again, &seen.id.to_string()), "after a restart");
    for _ in 0..desk::API_TOKENS_MAX {
        house.issuer.api_token(wanted.clone()).await.expect("there is room");
    }
    assert_eq!(house.issuer.api_token(wanted).await.err(), Some(Undone::TooMany));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_that_find_no_place_are_told_alike() {
    let house = House::open().await;
    let _all: Vec<_> = std::iter::from_fn(|| house.outgoing.place().ok()).collect();
    for address in ["ada@example.com", "nobody@example.com"] {
        let told = house.ask_for(&mut from("home"), "/auth/reset", address).await;
        assert_eq!(told.status, 503);
    }
    assert!(house.world.letters.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_get_in_is_witnessed() {
    let house = House::open().await;
    let mut browser = from("home");
    house.enter(&mut browser, "ada@example.com", "wrong horse").await;
    house.enter(&mut browser, "nobody@example.com", "wrong horse").await;
    house.enter(&mut browser, "ada@example.com", "correct horse").await;
    let back = house.sign_in(&mut from("elsewhere"), &request(&[])).await;
    let code = field(&back, "code");
    assert_eq!(house.redeem(&code, VERIFIER).await.0, 200);
    assert_eq!(house.redeem(&code, VERIFIER).await.0, 400);
    let ada = Some(house.user);
    let right = [
        (ada, NotLetIn::WrongPassword),
        (None, NotLetIn::WrongPassword),
        (ada, NotLetIn::UsedTwice),
    ];
    assert_eq!(*house.world.refused.lock(), right);
}
