//! What it costs to be known: one program behind two entrances. At the one, each request's token is looked up
//! and what its bearer may do is gathered anew, as everywhere; at the other, whoever asks is taken for one who may
//! do everything. Both look a root field up in the same table: that is part of every program.

use std::net::TcpListener;
use std::sync::Arc;

use async_trait::async_trait;
use emporium::auth::tokens::{Borne, Tokens, Unverified};
use emporium::auth::{Access, Grants, Identity, Principal, PrincipalKind};
use emporium::config::Settings as Configuration;
use emporium::http::{self, Behind, Health, HttpOptions};
use emporium::persistence::clock::Clock;
use emporium::tokens::signing::{ACCESS_TOKEN, SigningKey, set_of};

use crate::children::{self, Child};
use crate::graphql::{constant, prepare, sell, stock};
use crate::http::{Ask, Connection, Site, load};
use crate::lists::begin;
use crate::place::{Kind, Place, Places};
use crate::proof::{claims, verifier};
use crate::samples::{Samples, Window};
use crate::settings::Settings;

pub const SELL: [&str; 2] = ["sellStock, token and policy", "sellStock, neither"];
pub const READ: [&str; 2] = ["stockItem, token and policy", "stockItem, neither"];
pub const CONSTANT: [&str; 2] = ["serverInfo, token and policy", "serverInfo, neither"];

/// Connections at once.
const CALLERS: usize = 256;
/// Turns of each side: what is looked for is smaller than what one turn differs from the next.
const TURNS: usize = 9;

pub async fn measure(settings: &Settings, places: &Places, kind: Kind, samples: &mut Samples) {
    let place = places.fresh(kind).await;
    let said = children::spawn(Child::Gate, &place, settings).await;
    for name in [SELL, READ, CONSTANT].concat() {
        let values = said.get(name).expect("a child says what it measured");
        for value in values.split(' ') {
            samples.push(kind, name, value.parse().expect("a number"));
        }
    }
    place.remove().await;
}

/// The child: the program, both of its entrances, and who asks at them in turns.
pub async fn compare(place: &Place, settings: &Settings) -> Vec<(&'static str, String)> {
    let program = begin(place, Clock::system()).await;
    let open = Behind { tokens: Some(Arc::new(Open)), access: Arc::new(Open), ..program.behind() };
    let open = serve(open, "anything".to_owned());
    let user = administrator(&open).await;
    let heads = program.node.engine.services.feed.heads();
    program.followers.registry().reached(&heads).await;
    let key = SigningKey::new(&[7; 32]);
    let tokens = Arc::new(verifier(set_of(std::slice::from_ref(&key))));
    let token = key.sign(ACCESS_TOKEN, &claims(&format!("user:{user}"), 0));
    let gated = serve(Behind { tokens: Some(tokens), ..program.behind() }, token);
    let item = prepare(&gated, 1).await.remove(0);
    let (question, sold) = (stock(&item), item);
    let read = Ask { body: Box::new(move |_, _| question.clone()), expected: b"\"onHand\":" };
    let sale = Ask {
        body: Box::new(move |_, _| sell(&sold, &uuid::Uuid::now_v7().to_string())),
        expected: b"\"userErrors\":[]",
    };
    let asks = [(SELL, Arc::new(sale)), (READ, Arc::new(read)), (CONSTANT, constant())];
    let mut said = Vec::new();
    for (names, ask) in &asks {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..if settings.quick { 1 } else { TURNS } {
            for (site, rates) in [&gated, &open].into_iter().zip(&mut rates) {
                let window = Window::after(settings.warm_up(), settings.short_window());
                let tally = load(site, ask, CALLERS, window).await;
                rates.push(tally.rate(&window).to_string());
            }
        }
        said.extend(names.iter().zip(rates).map(|(name, rates)| (*name, rates.join(" "))));
    }
    said
}

/// Whoever asks may do everything; nothing is verified, looked up or gathered.
struct Open;

#[async_trait]
impl Tokens for Open {
    fn remembered(&self, _: &str) -> Option<Borne> {
        static SOMEBODY: std::sync::LazyLock<Arc<Identity>> =
            std::sync::LazyLock::new(|| Arc::new(Identity::new(PrincipalKind::Client, "figures")));
        Some(Borne::by(Arc::clone(&SOMEBODY)))
    }

    async fn verify(&self, _: &str) -> Result<Borne, Unverified> {
        unreachable!("every token is remembered")
    }
}

impl Access for Open {
    fn principal(&self, identity: Arc<Identity>) -> Principal {
        static ALL: std::sync::LazyLock<Arc<Grants>> =
            std::sync::LazyLock::new(|| Arc::new(Grants::everything()));
        Principal { identity, grants: Arc::clone(&ALL) }
    }
}

impl Health for Open {
    fn is_live(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        true
    }
}

/// Serves it on a port of its own until the process ends.
fn serve(behind: Behind, token: String) -> Site {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("a bound port").to_string();
    let configuration = Configuration::default();
    let options = HttpOptions {
        listener,
        workers: configuration.http.threads(),
        demo: false,
        limits: configuration.http.limits(),
        policy: configuration.http.policy(0.0),
        metrics: None,
        book: None,
    };
    let server = http::serve(options, behind, Arc::new(Open)).expect("it listens");
    tokio::spawn(server);
    Site { address, token }
}

/// Makes a user who is an administrator; his id, without what says that it is a user's.
async fn administrator(site: &Site) -> String {
    let mut connection = Connection::open(site).await;
    let input = "email: \\\"figures@example.com\\\", displayName: \\\"Figures\\\"";
    let made = post(&mut connection, "registerUser", input).await;
    let id = made.split('"').find_map(|word| word.strip_prefix("user_"));
    let id = id.unwrap_or_else(|| panic!("registerUser was answered {made}")).to_owned();
    let input = format!("userId: \\\"user_{id}\\\", role: \\\"administrator\\\"");
    post(&mut connection, "assignRole", &input).await;
    id
}

async fn post(connection: &mut Connection, field: &str, input: &str) -> String {
    let body = format!(
        "{{\"query\":\"mutation {{ {field}(input: {{{input}, idempotencyKey: \\\"{field}\\\"}}) {{ id \
         userErrors {{ code }} }} }}\"}}"
    );
    connection.done(&body).await
}
