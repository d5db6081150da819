//! A node with all that stands on it, made of parts: the settings, a database, and what else a caller
//! has of its own (payment providers, clocks). The server, the tests and the benches start the same
//! program here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::cluster::{Door, Joined};
use super::identity::Identity;
use super::inbox::Inbox;
use super::lists::Search;
use super::proof::{self, Proof};
use super::registrar::Registered;
use super::retention::Eraser;
use ::cluster::desk::Desk;
use ::cluster::ownership::LeaseTerms;
use actors::checkout::CheckoutOptions;
use actors::retention::Retention;
use actors::shard::{NodeParts, NodeServices};
use application::Application;
use auth::Forgets;
use auth::sessions::Sessions;
use auth::sign_in::SignIn;
use auth::tokens::Tokens;
use cli::Failure;
use config::Settings;
use graphql::{Denials, DocumentLimits, GraphqlSchema, Views};
use http::Behind;
use payments::PaymentProvider;
use persistence::cause::chain;
use persistence::clock::Clock;
use persistence::journal::{JournalError, Seq, ShardId};
use persistence::patience::patiently;
use persistence::secrets::Vault;
use persistence::sign_ins::SignInStore;
use persistence::slots::Slots;
use persistence::spread::Part;
use persistence::stores::Stores;
use search::Home;
use supervisors::node::{HEADS_LOOKED_EVERY, Node, NodeOptions};
use supervisors::services::Followers;

/// What a node is made of. Whatever is not said is as the settings have it.
#[derive(Clone)]
pub struct NodeBuilder {
    settings: Settings,
    stores: Stores,
    vault: Vault,
    terms: LeaseTerms,
    identity: Identity,
    remembered: Option<watch::Sender<BTreeMap<ShardId, Seq>>>,
    payments: Option<Arc<dyn PaymentProvider>>,
    clock: Option<Clock>,
    /// Where the search index is kept; in memory unless it is said.
    data: Option<PathBuf>,
    heads_looked_every: Duration,
    /// Who looks for the tables of lists.
    lists: Option<Search>,
    /// Other nodes tell what they commit.
    is_told: bool,
    /// Where it listens, if that is not what the settings say.
    listens: Option<SocketAddr>,
}

impl NodeBuilder {
    pub fn new(settings: &Settings, stores: Stores, vault: Vault) -> Self {
        Self {
            settings: settings.clone(),
            stores,
            vault,
            terms: settings.lease.terms(),
            identity: Identity::named(settings.node.name.as_deref().unwrap_or("node")),
            remembered: None,
            payments: None,
            clock: None,
            data: None,
            heads_looked_every: HEADS_LOOKED_EVERY,
            lists: None,
            is_told: true,
            listens: None,
        }
    }

    /// Who this node is, and what is known of its former lives.
    #[must_use]
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity, ..self }
    }

    /// Keeps what is acknowledged beside the database, too.
    #[must_use]
    pub fn remembered(self, heads: watch::Sender<BTreeMap<ShardId, Seq>>) -> Self {
        Self { remembered: Some(heads), ..self }
    }

    /// No other process can serve this database: nobody is waited for.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.identity.alone = true;
        self
    }

    /// Leases that the settings cannot say.
    #[must_use]
    pub fn terms(self, terms: LeaseTerms) -> Self {
        Self { terms, ..self }
    }

    /// A payment provider in place of those that are configured.
    #[must_use]
    pub fn payments(self, payments: Arc<dyn PaymentProvider>) -> Self {
        Self { payments: Some(payments), ..self }
    }

    /// Keeps in this directory what may be built anew from the logs.
    #[must_use]
    pub fn keeping_in(self, data: PathBuf) -> Self {
        Self { data: Some(data), ..self }
    }

    /// How often a node among others looks how far their logs go.
    #[must_use]
    pub fn heads_looked_every(self, heads_looked_every: Duration) -> Self {
        Self { heads_looked_every, ..self }
    }

    /// The tables of lists are away, and are looked for from its start on.
    #[must_use]
    pub fn looking_for_lists(self, lists: Option<Search>) -> Self {
        Self { lists, ..self }
    }

    /// Asks no other node what it commits, and looks for itself.
    #[must_use]
    pub fn untold(self) -> Self {
        Self { is_told: false, ..self }
    }

    /// Where it listens: a free port was taken.
    #[must_use]
    pub fn listens(self, address: SocketAddr) -> Self {
        Self { listens: Some(address), ..self }
    }

    /// What people sign in by.
    pub fn sign_ins(&self) -> (Arc<dyn SignInStore>, &Vault) {
        (Arc::clone(&self.stores.sign_ins), &self.vault)
    }

    /// Where browsers and apps reach it.
    fn address(&self) -> String {
        let listens = self.listens.unwrap_or(self.settings.general.listen);
        self.settings.auth.url.clone().unwrap_or_else(|| format!("http://{listens}"))
    }

    /// Times in place of the system's.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Starts the node alone, on the current runtime. It begins to take shards and does not wait
    /// for them.
    pub async fn start(&self) -> Result<Node, Failure> {
        let settings = &self.settings;
        let (shards, slots) = self.prepare().await?;
        let services = Arc::new(NodeServices::new(NodeParts {
            name: self.identity.name.clone(),
            journal: self.stores.journal.clone(),
            snapshots: Arc::clone(&self.stores.snapshots),
            read: Arc::clone(&self.stores.read),
            acting: Arc::clone(&self.stores.acting),
            quarantines: Arc::clone(&self.stores.quarantines),
            limits: settings.limits.clone(),
            shards,
            slots,
            runtime: tokio::runtime::Handle::current(),
            clock: self.clock.clone().unwrap_or_else(Clock::system),
            vault: self.vault.clone(),
        }));
        let standing = self.identity.standing();
        let options = NodeOptions {
            lanes: settings.lanes(),
            terms: self.terms,
            standing,
            is_member: settings.cluster.address.is_some(),
            heads_looked_every: self.heads_looked_every,
            remembered: self.remembered.clone().unwrap_or_default(),
        };
        let node = Node::start(services, self.logs(shards), options)
            .await
            .map_err(|error| Failure::failed("starting the node", chain(&error)))?;
        if let Some(lists) = self.lists.clone() {
            tokio::spawn(lists.run(node.leases.clone()));
        }
        Ok(node)
    }

    /// Lets a node that was started find others and be found.
    pub fn join(&self, door: Door, node: &Node) -> Result<Joined, Failure> {
        let joined = door.join(&self.settings, node, Arc::clone(&self.stores.members))?;
        if self.is_told {
            joined.follow(node);
        }
        Ok(joined)
    }

    /// The databases that have the logs of so many shards.
    fn logs(&self, shards: u16) -> Vec<Part> {
        match &self.stores.spread {
            Some(spread) => spread.parts(shards),
            None => {
                let journal = Arc::clone(&self.stores.journal);
                vec![Part { journal, shards: (0..shards).collect() }]
            }
        }
    }

    /// Makes the shards and the map of their slots in a new database; in another it finds both.
    async fn prepare(&self) -> Result<(u16, Slots), Failure> {
        let failed = |error: JournalError| Failure::failed("preparing the shards", chain(&error));
        let Stores { journal, slots, .. } = &self.stores;
        let found = patiently("counting the shards", || journal.shard_count()).await;
        let found = found.map_err(failed)?;
        let shards = match (found, self.settings.node.shards) {
            (0, _) => self.settings.shards_of_new(),
            (found, Some(wanted)) if wanted != found => {
                return Err(Failure::Usage(format!(
                    "node.shards: {wanted}, and this database was made with {found} shards, which stays so: \
                     leave node.shards out, or name another database"
                )));
            }
            (found, _) => found,
        };
        patiently("making the shards", || journal.prepare(shards)).await.map_err(failed)?;
        let slots = patiently("mapping the slots", || slots.prepare_slots(shards)).await;
        Ok((shards, slots.map_err(failed)?))
    }

    /// Starts what stands on a node, which serves its shards already.
    pub async fn complete(&self, node: Node) -> Result<Program, Failure> {
        let settings = &self.settings;
        let payments = self.payments.clone().unwrap_or_else(|| settings.payments.open());
        let search = Home {
            data: self.data.clone(),
            installation: self.vault.installation.name(),
            languages: settings.search.languages.clone(),
        };
        let eraser = Eraser::default();
        let erases = Some(Arc::new(eraser.clone()) as Arc<_>);
        let retention = Retention { options: settings.retention, erases };
        let (checkout, outbox) = (settings.checkout.clone(), settings.outbox());
        let followers = Followers::start(&node, payments, checkout, search, outbox, retention)
            .await
            .map_err(|error| Failure::failed("starting the views", error))?;
        let (checkout, documents) = (settings.checkout.clone(), settings.graphql);
        let desk = Desk::of_node(
            self.stores.journal.clone(),
            Arc::clone(&self.stores.members),
            node.engine.services.shards,
            Arc::clone(&node.members),
        );
        let views = Views::new(followers.registry(), checkout.clone());
        let (engine, its_desk) = (node.engine.clone(), desk.clone());
        let denials = Denials::new(&node.engine);
        let noted = denials.clone();
        let people = Arc::new(Registered::by(move || {
            let (engine, desk) = (engine.clone(), its_desk.clone());
            GraphqlSchema::new(engine, views.clone(), desk, documents, noted.clone(), None)
        }));
        let store = Arc::clone(&self.stores.sign_ins);
        let proof = proof::open(settings, &self.vault, store, people, &self.address()).await?;
        let views = Views::new(followers.registry(), checkout.clone());
        let application = Application { engine: node.engine.clone(), views };
        eraser.begin(application, Arc::clone(&proof.sign_in) as Arc<dyn Forgets>);
        let secrets = settings.payments.webhook_secrets.clone();
        let engine = node.engine.clone();
        let inbox = (!secrets.is_empty()).then(|| Arc::new(Inbox { engine, secrets }));
        Ok(Program { node, followers, checkout, documents, proof, desk, denials, inbox })
    }
}

/// A node with its followers and its API; nothing listens yet.
pub struct Program {
    pub node: Node,
    pub followers: Followers,
    checkout: CheckoutOptions,
    documents: DocumentLimits,
    proof: Proof,
    desk: Desk,
    /// What is refused here, by whichever entrance.
    denials: Denials,
    inbox: Option<Arc<Inbox>>,
}

impl Program {
    /// What an entrance leads to.
    pub fn behind(&self) -> Behind {
        let schema = self.schema();
        Behind {
            access: schema.access(),
            schema,
            tokens: Some(Arc::clone(&self.proof.tokens) as Arc<dyn Tokens>),
            sign_in: Some(Arc::clone(&self.proof.sign_in) as Arc<dyn SignIn>),
            inbox: self.inbox.clone().map(|inbox| inbox as Arc<dyn http::webhooks::Inbox>),
        }
    }

    /// The API, for one who asks it. Each remembers the documents that it was sent.
    pub fn schema(&self) -> GraphqlSchema {
        let views = Views::new(self.followers.registry(), self.checkout.clone());
        let sign_ins = Arc::clone(&self.proof.sign_in) as Arc<dyn Sessions>;
        let (engine, desk) = (self.node.engine.clone(), self.desk.clone());
        let denials = self.denials.clone();
        GraphqlSchema::new(engine, views, desk, self.documents, denials, Some(sign_ins))
    }

    /// Stops it in good order; what takes longer than `within` is left to the next start.
    pub async fn stop(&self, within: Duration) {
        let until = tokio::time::Instant::now() + within;
        if tokio::time::timeout(within, self.followers.stop()).await.is_err() {
            tracing::warn!(
                "the views did not stop in time; the next start reads what they had read"
            );
        }
        self.node.drain(until.saturating_duration_since(tokio::time::Instant::now())).await;
    }
}
