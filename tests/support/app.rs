//! A whole server for one test: random port, its own SQLite database, everything in this process.

use std::net::TcpListener;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use emporium::actors::checkout::CheckoutOptions;
use emporium::actors::retention::RetentionOptions;
use emporium::actors::shard::Limits;
use emporium::bootstrap::node::{NodeBuilder, Program};
use emporium::config::Settings;
use emporium::config::sections::NodeSection;
use emporium::graphql::GraphqlSchema;
use emporium::http::{self, Health, HttpLimits, HttpOptions, HttpPolicy};
use emporium::messaging::WebhookOptions;
use emporium::persistence::clock::Clock;
use emporium::persistence::intercept::Intercepted;
use emporium::persistence::journal::{Journal, PageLimit};
use emporium::persistence::stores::Stores;
use emporium::persistence_sql::{Migrations, sqlite, stores};
use emporium::projections::position::Position;
use emporium::projections::position_token;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::PATIENCE;
use super::database::{TestDatabase, vault};
use super::faults::Faults;
use super::gate::Gate;
use super::signed::{BEARER, client, signed};

/// Few, so that a test starts quickly, and more than one, so that aggregates spread.
const SHARDS: u16 = 8;

pub struct TestApp {
    pub client: Client,
    pub url: String,
    pub program: Program,
    pub payments: Arc<Gate>,
    /// What the server asks of its log.
    pub asked: Arc<Faults>,
    /// The API without an entrance, for those who ask for it.
    schema: OnceLock<GraphqlSchema>,
    journal: Arc<dyn Journal>,
    server: actix_web::dev::ServerHandle,
    _directory: tempfile::TempDir,
}

struct AlwaysWell;

impl Health for AlwaysWell {
    fn is_live(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        false
    }
}

/// A client that says nothing of who he is.
fn nobody() -> Client {
    Client::builder().no_proxy().build().expect("a client")
}

/// The type of what a mutation takes, as the schema has it.
fn input_type(mutation: &str) -> &'static str {
    static SCHEMA: LazyLock<String> = LazyLock::new(emporium::graphql::sdl);
    let before = format!("\t{mutation}(input: ");
    let known = SCHEMA.split_once(&before).and_then(|(_, rest)| rest.split_once(')'));
    known.unwrap_or_else(|| panic!("the schema has no mutation {mutation}")).0
}

impl TestApp {
    /// After which time closed users and guests are erased by themselves.
    pub const ERASED_AFTER_DAYS: u32 = 400;

    /// A server whose client may do everything.
    pub async fn start() -> Self {
        Self::start_with(true).await
    }

    /// The same, or one whose client does not say who he is.
    pub async fn start_with(is_signed_in: bool) -> Self {
        Self::start_within(is_signed_in, HttpLimits::default(), CheckoutOptions::default()).await
    }

    pub async fn start_within(
        is_signed_in: bool,
        limits: HttpLimits,
        checkout: CheckoutOptions,
    ) -> Self {
        Self::begin(is_signed_in, limits, checkout, Clock::system()).await
    }

    /// A server with a clock that the test sets.
    pub async fn start_by(clock: Clock) -> Self {
        Self::begin(true, HttpLimits::default(), CheckoutOptions::default(), clock).await
    }

    /// A server on somebody's database, which has as many shards as it was made with; its directory is empty.
    pub async fn start_on(database: &TestDatabase) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (limits, checkout) = (HttpLimits::default(), CheckoutOptions::default());
        let stores = database.stores.clone();
        Self::begin_on(directory, stores, None, true, limits, checkout, Clock::system()).await
    }

    async fn begin(
        is_signed_in: bool,
        limits: HttpLimits,
        checkout: CheckoutOptions,
        clock: Clock,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("emporium.db");
        let opened = sqlite::Database::open(&path, sqlite::Options::default()).await;
        let database = opened.expect("a new database opens");
        database.migrate().await.expect("a new database migrates");
        let stores = stores(database);
        Self::begin_on(directory, stores, Some(SHARDS), is_signed_in, limits, checkout, clock).await
    }

    async fn begin_on(
        directory: tempfile::TempDir,
        stores: Stores,
        shards: Option<u16>,
        is_signed_in: bool,
        limits: HttpLimits,
        checkout: CheckoutOptions,
        clock: Clock,
    ) -> Self {
        let node = NodeSection { name: Some("test".to_owned()), shards, lanes: Some(1) };
        // Nothing is written to the log that a test did not ask for.
        let quiet = Limits { denials_after_ms: 3_600_000, ..Limits::default() };
        // Receivers of tests are on this machine, and nobody waits for long.
        let webhooks = WebhookOptions {
            allowed_networks: vec!["127.0.0.1".to_owned()],
            retry_first_ms: 20,
            retry_max_ms: 40,
            attempts_max: 3,
            timeout_ms: 600_000,
            ..WebhookOptions::default()
        };
        // Who sets the clock ahead so far.
        let days = Some(Self::ERASED_AFTER_DAYS);
        let retention = RetentionOptions { closed_users_days: days, guests_days: days };
        let settings =
            Settings { node, checkout, limits: quiet, webhooks, retention, ..Settings::default() };
        let journal = Arc::clone(&stores.journal);
        let asked = Arc::new(Faults::default());
        let hooked = Arc::new(Intercepted::new(Arc::clone(&journal), Arc::clone(&asked)));
        let stores = Stores { journal: hooked, ..stores };
        let vault = vault(Arc::clone(&stores.secrets)).await;
        let payments = Arc::new(Gate::default());
        let builder = NodeBuilder::new(&settings, stores, vault)
            .alone()
            .payments(payments.clone())
            .clock(clock);
        let node = builder.start().await.expect("a node starts");
        assert!(node.all_served(PATIENCE).await, "shards are taken");
        let program = builder.complete(node).await.expect("the followers start");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let metrics = Some(emporium::bootstrap::metrics::page());
        let policy = HttpPolicy::default();
        let book = None;
        let options =
            HttpOptions { listener, workers: 1, demo: true, limits, policy, metrics, book };
        let server = http::serve(options, signed(program.behind()), Arc::new(AlwaysWell))
            .expect("it listens");
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            client: if is_signed_in { client(BEARER) } else { nobody() },
            url,
            program,
            payments,
            journal,
            asked,
            schema: OnceLock::new(),
            server: handle,
            _directory: directory,
        }
    }

    /// Where all of its files are.
    pub fn directory(&self) -> &std::path::Path {
        self._directory.path()
    }

    pub async fn stop(self) {
        self.server.stop(true).await;
        self.program.stop(Duration::from_secs(10)).await;
    }

    /// The API as the node itself asks it.
    pub fn schema(&self) -> &GraphqlSchema {
        self.schema.get_or_init(|| self.program.schema())
    }

    pub fn post(&self) -> RequestBuilder {
        self.client.post(format!("{}/graphql", self.url))
    }

    /// Asks and gives the whole reply.
    pub async fn reply(&self, query: &str, variables: Value) -> Value {
        let request = self.post().json(&json!({"query": query, "variables": variables}));
        request.send().await.expect("a reply").json().await.expect("a reply in JSON")
    }

    /// Asks what must not fail and gives the data.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let mut reply = self.reply(query, variables).await;
        assert_eq!(reply["errors"], Value::Null, "{query}");
        reply["data"].take()
    }

    /// Sends a mutation that takes `input` and gives its payload: `selection` and the errors.
    pub async fn mutate(&self, mutation: &str, input: Value, selection: &str) -> Value {
        let input_type = input_type(mutation);
        let query = format!(
            "mutation M($input: {input_type}) {{ {mutation}(input: $input) {{ {selection} userErrors {{
                __typename code message path
                ... on InsufficientStock {{ available requested }}
                ... on QuantityOutOfRange {{ minimum maximum }}
                ... on VersionConflict {{ expected actual }}
                ... on StaleCount {{ expected actual }}
                ... on SlotTaken {{ by }}
                ... on HoldOfOrder {{ orderId }}
            }} }} }}"
        );
        self.data(&query, json!({"input": input})).await[mutation].take()
    }

    /// The same for one that must be done.
    pub async fn done(&self, mutation: &str, input: Value, selection: &str) -> Value {
        let payload = self.mutate(mutation, input, selection).await;
        assert_eq!(payload["userErrors"], json!([]), "{mutation}");
        payload
    }

    /// The same for one that must be refused; gives the error.
    pub async fn refused(&self, mutation: &str, input: Value) -> Value {
        let before = self.heads().await;
        let mut payload = self.mutate(mutation, input, "").await;
        let errors = payload["userErrors"].as_array().map_or(0, Vec::len);
        assert_eq!(errors, 1, "{mutation}: {payload}");
        assert_eq!(self.heads().await, before, "{mutation} changed the log");
        payload["userErrors"][0].take()
    }

    /// The code and the status of a request that is refused whole; the log stays as it is.
    pub async fn refusal(&self, request: RequestBuilder) -> (StatusCode, String) {
        let before = self.heads().await;
        let response = request.send().await.expect("a reply");
        let status = response.status();
        let reply: Value = response.json().await.expect("a reply in JSON");
        assert_eq!(self.heads().await, before, "the log changed: {reply}");
        let code = reply["errors"][0]["extensions"]["code"].as_str();
        (status, code.unwrap_or_else(|| panic!("no code: {reply}")).to_owned())
    }

    /// How clients are told of a position.
    pub fn token(&self, position: &Position) -> String {
        position_token::write(position, self.program.node.engine.services.keyed.tokens())
    }

    /// What a client was told of a position.
    pub fn position(&self, token: &str) -> Position {
        let services = &self.program.node.engine.services;
        let position = position_token::read(token, services.keyed.tokens(), services.shards);
        position.expect("a position of this server")
    }

    /// The text of all events in the log.
    pub async fn events(&self) -> String {
        let mut text = String::new();
        for (shard, head) in self.heads().await {
            let read = self.journal.read_shard(shard, 0, head, PageLimit::default()).await;
            for entry in read.expect("a page of the log") {
                text.push_str(&entry.events);
            }
        }
        text
    }

    /// The number of the last entry of each shard, as the database has it, when what happened has had
    /// its consequences: what follows the logs writes too, and is no doing of what is sent next.
    pub async fn heads(&self) -> Vec<(u16, u64)> {
        loop {
            let heads = self.heads_now().await;
            let all = self.program.followers.registry();
            all.reached(&heads.iter().copied().collect()).await;
            if self.heads_now().await == heads {
                return heads;
            }
        }
    }

    /// Has nothing in memory but what is in use, once what happened has had its consequences.
    pub async fn cool(&self) {
        self.heads().await;
        for shard in self.program.node.engine.shards() {
            for activation in shard.activations() {
                shard.passivate(&activation.key());
            }
        }
    }

    async fn heads_now(&self) -> Vec<(u16, u64)> {
        let shards: Vec<u16> = (0..self.program.node.engine.services.shards).collect();
        let mut heads = self.journal.heads(&shards).await.expect("heads");
        heads.sort_unstable();
        heads
    }
}
