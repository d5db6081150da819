//! Each way to forge a token, by its name, and an issuer that is down, slow, lies or says too much.
//! Whatever is wrong, the answer is one and the same.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use ring::{hmac, signature};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::fetch::Fetcher;
use super::signing::{ACCESS_TOKEN, SigningKey, set_of};
use super::*;

const NOW: i64 = 1_800_000_000;
const OWN: &str = "https://shop.example";
/// Made for these tests, and known to everybody.
const RSA_KEY: &[u8] = include_bytes!("testing/rsa.pk8");

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs by RS256 or ES256, as issuers elsewhere do.
enum Elsewhere {
    Rsa(RsaKeyPair),
    Ec(signature::EcdsaKeyPair),
}

impl Elsewhere {
    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::from_pkcs8(RSA_KEY).expect("it was made for this"))
    }

    fn ec() -> Self {
        let (kind, random) = (&signature::ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let made = signature::EcdsaKeyPair::generate_pkcs8(kind, &random).expect("it is made");
        let pair = signature::EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random);
        Self::Ec(pair.expect("it was just made"))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
        }
    }

    fn described(&self, name: &str) -> Value {
        match self {
            Self::Rsa(pair) => {
                let public = pair.public();
                let of = signature::RsaPublicKeyComponents::<Vec<u8>>::from(public);
                json!({"kty": "RSA", "kid": name, "use": "sig", "n": encoded(of.n), "e": encoded(of.e)})
            }
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "kid": name, "crv": "P-256",
                    "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
            }
        }
    }

    fn sign(&self, head: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(head.to_string()), encoded(claims.to_string()));
        let random = SystemRandom::new();
        let signed = match self {
            Self::Rsa(pair) => {
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signed)
                    .expect("it signs");
                signed
            }
            Self::Ec(pair) => {
                pair.sign(&random, message.as_bytes()).expect("it signs").as_ref().to_vec()
            }
        };
        format!("{message}.{}", encoded(signed))
    }

    fn token(&self, issuer: &str, name: &str) -> String {
        let head = json!({"typ": "at+jwt", "alg": self.algorithm(), "kid": name});
        self.sign(&head, &claims(issuer))
    }
}

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "sub": "client:till", "aud": "emporium", "iat": NOW, "exp": NOW + 300,
        "sid": "stay"})
}

#[derive(Default)]
struct Ended(Mutex<Vec<String>>);

impl Sessions for Ended {
    fn is_ended(&self, session: &str) -> bool {
        self.0.lock().iter().any(|ended| ended == session)
    }
}

/// Users by what is said of them.
struct Described;

#[async_trait::async_trait]
impl Subjects for Described {
    async fn user(&self, subject: Subject<'_>) -> Option<String> {
        let Subject { issuer, subject, email, .. } = subject;
        let known = format!("{issuer}/{subject}{}", email.unwrap_or_default());
        (subject != "nobody knows").then_some(known)
    }
}

/// A verifier at a time that the test says.
struct House {
    key: SigningKey,
    own: Arc<Issuer>,
    ended: Arc<Ended>,
    now: Arc<AtomicI64>,
    verifier: Verifier,
}

impl House {
    fn new(others: Vec<Arc<Issuer>>) -> Self {
        let key = SigningKey::new(&[7; 32]);
        let (own, ended) = (Arc::new(Issuer::own(OWN)), Arc::<Ended>::default());
        own.give(set_of(std::slice::from_ref(&key)));
        let names = Names::Own { ended: Arc::clone(&ended) as Arc<dyn Sessions> };
        let mut trusted = vec![Trusted { issuer: Arc::clone(&own), names }];
        for issuer in others {
            let names = Names::Foreign { subjects: Arc::new(Described) };
            trusted.push(Trusted { issuer, names });
        }
        let options = TokenOptions {
            audience: "emporium".to_owned(),
            leeway_seconds: 60,
            remembered_bytes_max: 1 << 20,
        };
        let now = Arc::new(AtomicI64::new(NOW));
        let shown = Arc::clone(&now);
        let clock = Box::new(move || shown.load(Ordering::Relaxed));
        Self { key, own, ended, now, verifier: Verifier::by(options, trusted, clock) }
    }

    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = claims(OWN);
        change(&mut claims);
        self.key.sign(ACCESS_TOKEN, &claims)
    }

    /// With a head of its own, signed as it should be.
    fn headed(&self, head: &Value) -> String {
        let message = format!("{}.{}", encoded(head.to_string()), encoded(claims(OWN).to_string()));
        let pair = signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
        format!("{message}.{}", encoded(pair.sign(message.as_bytes())))
    }

    async fn why_not(&self, token: &str) -> Reason {
        let told = self.verifier.verify(token).await;
        assert_eq!(told, Err(Unverified::Invalid), "{token}");
        assert_eq!(self.verifier.remembered(token), None, "{token}");
        match self.verifier.look_at(token).await {
            Err(Failure::Refused(reason)) => reason,
            other => panic!("{token}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_token_of_the_house_names_whom_it_says_and_is_remembered_until_it_ends() {
    let house = House::new(Vec::new());
    let token = house.token(|_| ());
    assert_eq!(house.verifier.remembered(&token), None);
    let identity = house.verifier.verify(&token).await.expect("it holds").identity;
    assert_eq!(
        (identity.to_string().as_str(), identity.session.as_deref()),
        ("client:till", Some("stay"))
    );
    assert_eq!(house.verifier.remembered(&token), Some(Borne::by(identity)));
    house.now.store(NOW + 359, Ordering::Relaxed);
    assert!(house.verifier.remembered(&token).is_some());
    house.now.store(NOW + 360, Ordering::Relaxed);
    assert!(house.verifier.remembered(&token).is_none());
    assert_eq!(house.why_not(&token).await, Reason::Expired);
}

#[tokio::test]
async fn a_session_that_was_ended_ends_its_tokens_at_once() {
    let house = House::new(Vec::new());
    let (token, other) = (house.token(|_| ()), house.token(|it| it["sid"] = json!("another")));
    house.verifier.verify(&token).await.expect("it holds");
    house.ended.0.lock().push("stay".to_owned());
    assert!(house.verifier.remembered(&token).is_none());
    assert_eq!(house.why_not(&token).await, Reason::Revoked);
    house.verifier.verify(&other).await.expect("it is another's");
}

#[tokio::test]
async fn a_key_that_was_taken_back_ends_what_it_signed() {
    let house = House::new(Vec::new());
    let token = house.token(|_| ());
    house.verifier.verify(&token).await.expect("it holds");
    let next = SigningKey::new(&[8; 32]);
    house.own.give(set_of(&[house.key.clone(), next.clone()]));
    house.verifier.verify(&token).await.expect("both hold");
    house.own.give(set_of(&[next]));
    assert!(house.verifier.remembered(&token).is_none());
    assert_eq!(house.why_not(&token).await, Reason::Key);
}

#[tokio::test]
async fn alg_none() {
    let house = House::new(Vec::new());
    for (algorithm, signature) in [("none", ""), ("none", "AAAA"), ("NONE", ""), ("", "")] {
        let head = json!({"typ": "at+jwt", "alg": algorithm, "kid": house.key.name});
        let text = format!(
            "{}.{}.{signature}",
            encoded(head.to_string()),
            encoded(claims(OWN).to_string())
        );
        assert_eq!(house.why_not(&text).await, Reason::Algorithm, "{algorithm}");
    }
    let good = house.token(|_| ());
    let (unsigned, _) = good.rsplit_once('.').expect("three parts");
    assert_eq!(house.why_not(&format!("{unsigned}.")).await, Reason::Signature);
    assert_eq!(house.why_not(unsigned).await, Reason::Malformed);
}

/// The public key, which everybody has, as if it were a secret that only issuer and server share.
#[tokio::test]
async fn rs_to_hs_confusion() {
    let rsa = Elsewhere::rsa();
    let issuer = Arc::new(Issuer::own("https://login.example"));
    let set = json!({"keys": [rsa.described("r")]}).to_string();
    issuer.give(keys::KeySet::read(set.as_bytes()).expect("a key"));
    let house = House::new(vec![issuer]);
    let Elsewhere::Rsa(pair) = &rsa else { unreachable!("it is one") };
    for secret in [pair.public().as_ref(), set.as_bytes(), b"", &[7; 32]] {
        for algorithm in ["HS256", "hs256", "HS512"] {
            let head = json!({"typ": "at+jwt", "alg": algorithm, "kid": "r"});
            let claims = claims("https://login.example").to_string();
            let message = format!("{}.{}", encoded(head.to_string()), encoded(claims));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
            let token = format!("{message}.{}", encoded(tag));
            assert_eq!(house.why_not(&token).await, Reason::Algorithm);
        }
    }
    // And a key is of one algorithm, whatever a token says.
    let head = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": "r"});
    let token = rsa.sign(&head, &claims("https://login.example"));
    assert_eq!(house.why_not(&token).await, Reason::Key);
    let token = rsa.token("https://login.example", "r");
    house.verifier.verify(&token).await.expect("this is how it should be");
}

#[tokio::test]
async fn kid_traversal() {
    let house = House::new(Vec::new());
    for name in ["../../../../dev/null", "' OR 1=1 --", "", "\u{0}", &"k".repeat(5_000)] {
        let token = house.headed(&json!({"typ": "at+jwt", "alg": "EdDSA", "kid": name}));
        assert_eq!(house.why_not(&token).await, Reason::Key, "{name:?}");
    }
    for kid in [json!(7), json!(["a"]), json!({"a": 1})] {
        let token = house.headed(&json!({"typ": "at+jwt", "alg": "EdDSA", "kid": kid}));
        assert_eq!(house.why_not(&token).await, Reason::Malformed, "{kid}");
    }
}

#[tokio::test]
async fn jku_and_jwk_headers() {
    let house = House::new(Vec::new());
    for (part, value) in [
        ("jku", json!("https://thief.example/keys")),
        ("jwk", house.key.described()),
        ("x5u", json!("https://thief.example/chain")),
        ("x5c", json!(["MII"])),
    ] {
        let mut head = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": house.key.name});
        head[part] = value;
        assert_eq!(house.why_not(&house.headed(&head)).await, Reason::BringsKey, "{part}");
    }
    let mut head = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": house.key.name});
    house.verifier.verify(&house.headed(&head)).await.expect("this is how it should be");
    head["crit"] = json!(["exp"]);
    assert_eq!(house.why_not(&house.headed(&head)).await, Reason::Critical);
}

#[tokio::test]
async fn wrong_iss() {
    let house = House::new(Vec::new());
    for issuer in ["https://thief.example", "https://shop.example/", "HTTPS://SHOP.EXAMPLE", ""] {
        let token = house.token(|it| it["iss"] = json!(issuer));
        assert_eq!(house.why_not(&token).await, Reason::Issuer, "{issuer}");
    }
}

/// One trusted issuer speaks in the name of another.
#[tokio::test]
async fn another_issuers_key() {
    let rsa = Elsewhere::rsa();
    let issuer = Arc::new(Issuer::own("https://login.example"));
    let set = json!({"keys": [rsa.described("r")]}).to_string();
    issuer.give(keys::KeySet::read(set.as_bytes()).expect("a key"));
    let house = House::new(vec![issuer]);
    assert_eq!(house.why_not(&rsa.token(OWN, "r")).await, Reason::Key);
    // What it says of a user is never of one of this house's.
    let token = rsa.token("https://login.example", "r");
    let identity = house.verifier.verify(&token).await.expect("it holds").identity;
    assert_eq!(identity.to_string(), "user:https://login.example/client:till");
}

#[tokio::test]
async fn wrong_aud() {
    let house = House::new(Vec::new());
    for audience in [json!("other"), json!(["a", "b"]), json!([]), json!("")] {
        let token = house.token(|it| it["aud"] = audience.clone());
        assert_eq!(house.why_not(&token).await, Reason::Audience, "{audience}");
    }
    // A realm without audience mapper.
    let token = house.token(|it| drop(it.as_object_mut().and_then(|it| it.remove("aud"))));
    assert_eq!(house.why_not(&token).await, Reason::Audience);
}

#[tokio::test]
async fn wrong_typ_and_id_token_as_access_token() {
    let house = House::new(Vec::new());
    for kind in ["JWT", "jwt", "", "at+jwt ", "logout+jwt", "secevent+jwt"] {
        let token = house.key.sign(kind, &claims(OWN));
        assert_eq!(house.why_not(&token).await, Reason::Type, "{kind}");
    }
    let untyped = house.headed(&json!({"alg": "EdDSA", "kid": house.key.name}));
    assert_eq!(house.why_not(&untyped).await, Reason::Type);
    let id_token = house.key.sign(signing::ID_TOKEN, &claims(OWN));
    assert_eq!(house.why_not(&id_token).await, Reason::Type);
    for kind in ["AT+JWT", "application/at+jwt"] {
        house.verifier.verify(&house.key.sign(kind, &claims(OWN))).await.expect(kind);
    }
}

#[tokio::test]
async fn exp_as_string_and_other_claims_of_the_wrong_type() {
    let house = House::new(Vec::new());
    for (claim, value) in [
        ("exp", json!((NOW + 300).to_string())),
        ("exp", json!(null)),
        ("exp", json!(-1)),
        ("iat", json!("now")),
        ("nbf", json!("0")),
        ("sub", json!(7)),
        ("aud", json!({"emporium": true})),
        ("sid", json!("")),
        ("sid", json!("s".repeat(129))),
    ] {
        let token = house.token(|it| it[claim] = value.clone());
        assert_eq!(house.why_not(&token).await, Reason::Claims, "{claim}: {value}");
    }
    for claim in ["exp", "iat", "sub"] {
        let token = house.token(|it| drop(it.as_object_mut().and_then(|it| it.remove(claim))));
        assert_eq!(house.why_not(&token).await, Reason::Claims, "{claim}");
    }
    for subject in ["", "till", "robot:7", "system:sagas", "user:"] {
        let token = house.token(|it| it["sub"] = json!(subject));
        assert_eq!(house.why_not(&token).await, Reason::Subject, "{subject}");
    }
}

#[tokio::test]
async fn clocks_five_minutes_apart() {
    let house = House::new(Vec::new());
    let early = house.token(|it| {
        it["iat"] = json!(NOW + 300);
        it["exp"] = json!(NOW + 600);
    });
    assert_eq!(house.why_not(&early).await, Reason::NotYet);
    let late = house.token(|it| it["exp"] = json!(NOW - 300));
    assert_eq!(house.why_not(&late).await, Reason::Expired);
}

#[tokio::test]
async fn whatever_is_changed_in_a_token_it_holds_no_more() {
    let house = House::new(Vec::new());
    let good = house.token(|_| ());
    house.verifier.verify(&good).await.expect("it holds");
    for place in 0..good.len() {
        let mut changed = good.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        house.why_not(&changed).await;
        house.why_not(&good[..place]).await;
    }
    for wrong in ["", ".", "..", "...", "a.b.c.d", "é.é.é", &"a".repeat(TOKEN_BYTES_MAX + 1)] {
        house.why_not(wrong).await;
    }
    house.why_not(&format!("{good}=")).await;
    house.why_not(&format!(" {good}")).await;
}

/// An issuer over HTTP on this machine, which says what a test has it say.
struct Site {
    address: String,
    documents: Arc<Documents>,
}

#[derive(Default)]
struct Documents {
    discovery: Mutex<Option<Vec<u8>>>,
    keys: Mutex<Option<Vec<u8>>>,
    asked: AtomicUsize,
    /// Bytes of nothing that are sent first.
    padding: AtomicU64,
    /// It takes what is asked, and never answers.
    is_silent: AtomicBool,
}

impl Site {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let documents = Arc::<Documents>::default();
        let discovery = json!({"issuer": address, "jwks_uri": format!("{address}/keys")});
        *documents.discovery.lock() = Some(discovery.to_string().into_bytes());
        let served = Arc::clone(&documents);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let served = Arc::clone(&served);
                tokio::spawn(async move {
                    let mut head = vec![0; 4_096];
                    let read = stream.read(&mut head).await.unwrap_or(0);
                    let is_keys = head[..read].starts_with(b"GET /keys ");
                    let document = if is_keys { &served.keys } else { &served.discovery };
                    if !is_keys {
                        served.asked.fetch_add(1, Ordering::Relaxed);
                    }
                    if served.is_silent.load(Ordering::Relaxed) {
                        std::future::pending::<()>().await;
                    }
                    let body = document.lock().clone();
                    let Some(body) = body else {
                        _ = stream.write_all(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").await;
                        return;
                    };
                    let padding = served.padding.load(Ordering::Relaxed);
                    let length = body.len() as u64 + padding;
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                    if stream.write_all(head.as_bytes()).await.is_err() {
                        return;
                    }
                    for _ in 0..padding / 1_000 {
                        if stream.write_all(&[b' '; 1_000]).await.is_err() {
                            return;
                        }
                    }
                    _ = stream.write_all(&body).await;
                });
            }
        });
        Self { address, documents }
    }

    fn has(&self, keys: &[Value]) {
        *self.documents.keys.lock() = Some(json!({"keys": keys}).to_string().into_bytes());
    }

    fn asked(&self) -> usize {
        self.documents.asked.load(Ordering::Relaxed)
    }

    fn issuer(&self) -> Arc<Issuer> {
        let fetcher = Fetcher::new(None).expect("nothing is given");
        Arc::new(Issuer::elsewhere(&self.address, fetcher))
    }
}

#[tokio::test]
async fn keys_of_an_issuer_elsewhere_are_found_by_discovery() {
    let (rsa, ec, site) = (Elsewhere::rsa(), Elsewhere::ec(), Site::open().await);
    site.has(&[rsa.described("r"), ec.described("e")]);
    let house = House::new(vec![site.issuer()]);
    for token in [rsa.token(&site.address, "r"), ec.token(&site.address, "e")] {
        let identity = house.verifier.verify(&token).await.expect("it holds").identity;
        assert_eq!(identity.to_string(), format!("user:{}/client:till", site.address));
        assert!(house.verifier.remembered(&token).is_some());
    }
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn unknown_kid_flood() {
    let (rsa, site) = (Elsewhere::rsa(), Site::open().await);
    site.has(&[rsa.described("r")]);
    let house = House::new(vec![site.issuer()]);
    house.verifier.verify(&rsa.token(&site.address, "r")).await.expect("it holds");
    for number in 0..500 {
        let told = house.verifier.verify(&rsa.token(&site.address, &format!("k{number}"))).await;
        assert_eq!(told, Err(Unverified::Invalid));
    }
    // Once for the first token; within the pause nothing that comes has it asked again.
    assert_eq!(site.asked(), 1);
    house.verifier.verify(&rsa.token(&site.address, "r")).await.expect("it goes on");
}

#[tokio::test]
async fn requests_that_come_together_ask_an_issuer_once() {
    let (rsa, site) = (Elsewhere::rsa(), Site::open().await);
    site.has(&[rsa.described("r")]);
    let house = House::new(vec![site.issuer()]);
    let token = rsa.token(&site.address, "r");
    let mut together = Vec::new();
    for _ in 0..50 {
        together.push(house.verifier.verify(&token));
    }
    for told in join(together).await {
        told.expect("it holds");
    }
    assert_eq!(site.asked(), 1);
}

/// Runs futures on one task until all have ended.
async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.into_iter().map(|it| (Box::pin(it), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in &mut pending {
            if output.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(cx)
            {
                *output = Some(done);
            }
        }
        if pending.iter().all(|(_, output)| output.is_some()) {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    })
    .await;
    pending.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn an_issuer_that_is_down_is_no_reason_to_call_a_token_wrong() {
    let (rsa, site) = (Elsewhere::rsa(), Site::open().await);
    let house = House::new(vec![site.issuer()]);
    for _ in 0..20 {
        let told = house.verifier.verify(&rsa.token(&site.address, "r")).await;
        assert_eq!(told, Err(Unverified::Unavailable));
    }
    assert_eq!(site.asked(), 1);
}

/// Whoever waits for it is answered when its time is over, and those behind him at once.
#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_slow_holds_up_nobody_for_longer_than_its_time() {
    let (rsa, site) = (Elsewhere::rsa(), Site::open().await);
    site.documents.is_silent.store(true, Ordering::Relaxed);
    let house = House::new(vec![site.issuer()]);
    let token = rsa.token(&site.address, "r");
    let began = tokio::time::Instant::now();
    assert_eq!(house.verifier.verify(&token).await, Err(Unverified::Unavailable));
    assert_eq!(house.verifier.verify(&token).await, Err(Unverified::Unavailable));
    assert!(began.elapsed() < std::time::Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(house.verifier.verify(&house.token(|_| ())).await.is_ok(), "others go on");
}

/// An address is believed where the issuer says `true`, and of nobody else.
#[tokio::test]
async fn an_address_is_told_where_its_issuer_calls_it_verified() {
    let rsa = Elsewhere::rsa();
    let issuer = Arc::new(Issuer::own("https://login.example"));
    let set = json!({"keys": [rsa.described("r")]}).to_string();
    issuer.give(keys::KeySet::read(set.as_bytes()).expect("a key"));
    let house = House::new(vec![issuer]);
    let head = json!({"typ": "at+jwt", "alg": "RS256", "kid": "r"});
    let user = async |verified: Value| {
        let mut claims = claims("https://login.example");
        claims["email"] = json!("+ada@example.com");
        claims["email_verified"] = verified;
        let borne = house.verifier.verify(&rsa.sign(&head, &claims)).await;
        borne.map(|borne| borne.identity.subject.to_string())
    };
    let plain = Ok("https://login.example/client:till".to_owned());
    for verified in [json!(null), json!(false), json!("true"), json!(1), json!("yes")] {
        assert_eq!(user(verified.clone()).await, plain, "{verified}");
    }
    let told = Ok("https://login.example/client:till+ada@example.com".to_owned());
    assert_eq!(user(json!(true)).await, told);
    let mut claims = claims("https://login.example");
    claims["sub"] = json!("nobody knows");
    let told = house.verifier.verify(&rsa.sign(&head, &claims)).await;
    assert_eq!(told, Err(Unverified::Unavailable), "and it is not remembered");
}

#[tokio::test]
async fn an_issuer_that_lies_or_says_too_much_has_no_keys() {
    let rsa = Elsewhere::rsa();
    let keys = json!({"keys": [rsa.described("r")]}).to_string().into_bytes();
    type Change = Box<dyn Fn(&Site)>;
    let says = |document: Value| -> Change {
        Box::new(move |site| {
            let text = document.to_string().replace("HERE", &site.address);
            *site.documents.discovery.lock() = Some(text.into_bytes());
        })
    };
    let changes: [(&str, Change); 7] = [
        (
            "another issuer",
            says(json!({"issuer": "https://shop.example", "jwks_uri": "HERE/keys"})),
        ),
        ("no keys", says(json!({"issuer": "HERE"}))),
        ("a file", says(json!({"issuer": "HERE", "jwks_uri": "file:///etc/passwd"}))),
        ("in the clear", says(json!({"issuer": "HERE", "jwks_uri": "http://login.example/keys"}))),
        ("no JSON", Box::new(|site| *site.documents.keys.lock() = Some(b"<html>".to_vec()))),
        (
            "keys of 10 MB",
            Box::new(|site| site.documents.padding.store(10 << 20, Ordering::Relaxed)),
        ),
        ("no keys that sign", Box::new(|site| site.has(&[json!({"kty": "oct", "k": "c2Vj"})]))),
    ];
    for (what, change) in changes {
        let site = Site::open().await;
        *site.documents.keys.lock() = Some(keys.clone());
        change(&site);
        let house = House::new(vec![site.issuer()]);
        let told = house.verifier.verify(&rsa.token(&site.address, "r")).await;
        assert_eq!(told, Err(Unverified::Unavailable), "{what}");
    }
}

/// A scope takes away and gives nothing; what cannot be told limits, but for what other issuers say of their own.
#[tokio::test]
async fn a_scope_that_names_permissions_is_the_limit() {
    let rsa = Elsewhere::rsa();
    let issuer = Arc::new(Issuer::own("https://login.example"));
    let set = json!({"keys": [rsa.described("r")]}).to_string();
    issuer.give(keys::KeySet::read(set.as_bytes()).expect("a key"));
    let house = House::new(vec![issuer]);
    let orders = Permissions::of(&[Permission::OrdersRead]);
    let nothing = Permissions::of(&[]);
    for (scope, own, foreign) in [
        (json!(null), None, None),
        (json!(""), None, None),
        (json!("openid offline_access"), None, None),
        (json!("orders.read"), Some(orders), Some(orders)),
        (json!("openid orders.read"), Some(orders), Some(orders)),
        (json!("orders.read orders.fly"), Some(orders), Some(orders)),
        (json!("orders.fly"), Some(nothing), None),
        (json!("profile email"), Some(nothing), None),
    ] {
        let token = house.token(|it| it["scope"] = scope.clone());
        let borne = house.verifier.verify(&token).await.expect("it holds");
        assert_eq!(borne.limit, own, "{scope}");
        assert_eq!(house.verifier.remembered(&token), Some(borne), "{scope}");
        let head = json!({"typ": "at+jwt", "alg": "RS256", "kid": "r"});
        let mut claims = claims("https://login.example");
        claims["scope"] = scope.clone();
        claims["emporium_guest"] = json!("0192f3c1-0000-7000-8000-00000000000a");
        let borne = house.verifier.verify(&rsa.sign(&head, &claims)).await.expect("it holds");
        assert_eq!((borne.limit, borne.guest), (foreign, None), "{scope}");
    }
    let token = house.token(|it| it["scope"] = json!(["orders.read"]));
    assert_eq!(house.why_not(&token).await, Reason::Claims);
}
