//! What it takes to know who asks: the verification of tokens that nobody has seen before, on one core; and people who
//! sign in, with what others wait for meanwhile.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emporium::auth::tokens::Tokens;
use emporium::tokens::issuer::Issuer;
use emporium::tokens::keys::KeySet;
use emporium::tokens::signing::{ACCESS_TOKEN, SigningKey, set_of};
use emporium::tokens::{Names, Sessions, TokenOptions, Trusted, Verifier, wall_seconds};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, redirect};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};

use crate::graphql::{Server, constant};
use crate::http::load;
use crate::place::{Kind, Places};
use crate::samples::{Samples, Tally, Window};
use crate::settings::Settings;

pub const RSA: &str = "tokens verified, RS256";
pub const EDDSA: &str = "tokens verified, EdDSA";
pub const SIGN_INS: &str = "sign-ins by Argon2id at 19 MiB";
pub const QUIET: &str = "serverInfo, 8 callers, p99";
pub const MEANWHILE: &str = "the same while people sign in, p99";

/// Made for tests, and known to everybody.
const RSA_KEY: &[u8] = include_bytes!("../../src/tokens/testing/rsa.pk8");
const ISSUER: &str = "https://shop.example";
const NOBODY: &str = "user:0192f3c1-0000-7000-8000-000000000001";
/// Different ones: none is remembered.
const TOKENS: usize = 5_000;
/// People who sign in at once, and others.
const PEOPLE: usize = 8;
const OTHERS: usize = 8;

struct Nobody;

impl Sessions for Nobody {
    fn is_ended(&self, _: &str) -> bool {
        false
    }
}

/// No database has a part in it.
pub async fn verification(places: &Places, samples: &mut Samples) {
    let own = SigningKey::new(&[7; 32]);
    let eddsa = (0..TOKENS).map(|number| own.sign(ACCESS_TOKEN, &claims(NOBODY, number))).collect();
    let eddsa = rate(set_of(std::slice::from_ref(&own)), eddsa).await;
    let pair = RsaKeyPair::from_pkcs8(RSA_KEY).expect("it was made for this");
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
    let [n, e] = [public.n, public.e].map(|part| URL_SAFE_NO_PAD.encode(part));
    let set = json!({"keys": [{"kty": "RSA", "kid": "r", "use": "sig", "n": n, "e": e}]});
    let set = KeySet::read(set.to_string().as_bytes()).expect("a key");
    let rsa = rate(set, (0..TOKENS).map(|number| signed(&pair, number)).collect()).await;
    for kind in places.kinds() {
        samples.push(kind, EDDSA, eddsa);
        samples.push(kind, RSA, rsa);
    }
}

async fn rate(set: KeySet, tokens: Vec<String>) -> f64 {
    let verifier = verifier(set);
    let began = Instant::now();
    for token in &tokens {
        verifier.verify(token).await.expect("it holds");
    }
    tokens.len() as f64 / began.elapsed().as_secs_f64()
}

/// The program's own, for tokens that these keys signed.
pub fn verifier(set: KeySet) -> Verifier {
    let issuer = Arc::new(Issuer::own(ISSUER));
    issuer.give(set);
    let names = Names::Own { ended: Arc::new(Nobody) };
    let options = TokenOptions {
        audience: "emporium".to_owned(),
        leeway_seconds: 60,
        remembered_bytes_max: 16 << 20,
    };
    Verifier::new(options, vec![Trusted { issuer, names }])
}

/// What a token of this subject says for the next hour.
pub fn claims(subject: &str, number: usize) -> Value {
    let now = wall_seconds();
    json!({"iss": ISSUER, "sub": subject, "aud": "emporium", "client_id": "figures", "iat": now,
        "exp": now + 3_600, "jti": number.to_string()})
}

fn signed(pair: &RsaKeyPair, number: usize) -> String {
    let head = json!({"typ": "at+jwt", "alg": "RS256", "kid": "r"}).to_string();
    let parts = [head, claims(NOBODY, number).to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = parts.join(".");
    let mut tag = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut tag)
        .expect("it signs");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

pub async fn sign_ins(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let server = Server::of_program(&place).await;
    // Each is somebody else: of one name and address five tries at once are too many.
    let people: Vec<_> = (0..PEOPLE).map(|number| format!("figures{number}@example.com")).collect();
    let passwords: Vec<_> = people.iter().map(|login| server.somebody(login)).collect();
    for _ in 0..settings.rounds() {
        let window = Window::after(settings.warm_up(), settings.window());
        let alone = load(&server.site, &constant(), OTHERS, window).await;
        samples.push(kind, QUIET, alone.quantile_ms(0.99));
        let window = Window::after(settings.warm_up(), settings.window());
        let signing: Vec<_> = people
            .iter()
            .zip(&passwords)
            .map(|(login, password)| {
                let address = server.site.address.clone();
                let (login, password) = (login.clone(), password.clone());
                tokio::spawn(async move { signs_in(&address, &login, &password, window).await })
            })
            .collect();
        let others = load(&server.site, &constant(), OTHERS, window).await;
        samples.push(kind, MEANWHILE, others.quantile_ms(0.99));
        let mut tally = Tally::default();
        for one in signing {
            tally.merge(one.await.expect("it ends by itself"));
        }
        samples.push(kind, SIGN_INS, tally.rate(&window));
    }
    drop(server);
    place.remove().await;
}

/// One person, who signs in again and again.
async fn signs_in(address: &str, login: &str, password: &str, window: Window) -> Tally {
    let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().build();
    let client = client.expect("a client");
    let page = client.get(format!("http://{address}/auth/")).send().await.expect("a page");
    let cookie = page.headers()[SET_COOKIE].to_str().expect("it is text");
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let (_, form) = cookie.split_once('=').expect("a cookie");
    let fields = [("form", form), ("login", login), ("password", password)];
    let body = reqwest::Url::parse_with_params("http://x/", fields).expect("fields");
    let body = body.query().unwrap_or_default().to_owned();
    let mut tally = Tally::default();
    loop {
        let sent = Instant::now();
        let request = client.post(format!("http://{address}/auth/sign-in"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let told = request.header(COOKIE, &cookie).body(body.clone()).send().await;
        assert_eq!(told.expect("an answer").status(), 303);
        if !tally.add(&window, sent, 1) {
            return tally;
        }
    }
}
