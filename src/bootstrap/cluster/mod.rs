//! A node among others: joins it to those that share its database, and takes it out again. Puts
//! together what the rooms have (members, links, the node's shards) and decides nothing.

mod bell;
mod links;
mod tails;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::identity::Identity;
use ::cluster::lease_manager::LeaseHandle;
use ::cluster::members::{Members, MembersOptions};
use actors::aggregate_ref::Engine;
use actors::elsewhere::{self, Peers};
use bell::Listener;
use cli::Failure;
use config::Settings;
use links::Links;
use peers::bell::message::What;
use peers::bell::{self as doorbell, Bell, Ringer};
use peers::identity::Credentials;
use peers::link::Own;
use peers::server::{Answer, Answerer, serve};
use peers::wire::{News, Wish};
use persistence::cause::chain;
use persistence::members::{Member, MemberStore};
use supervisors::node::Node;
use supervisors::whereabouts::Whereabouts;

/// How long the last row may take to be removed.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// What a node needs to be one of several, before it has started.
pub struct Door {
    listener: TcpListener,
    credentials: Credentials,
    own: Member,
    /// Former lives under its name that have ended.
    ended: Vec<Uuid>,
}

impl Door {
    /// Opens it, where this node is to be one of several.
    pub fn open(settings: &Settings, identity: &Identity) -> Result<Option<Self>, Failure> {
        let Some(address) = settings.cluster.address else { return Ok(None) };
        let credentials = Credentials::read(&settings.cluster.certificates, &identity.name)
            .map_err(|error| {
                Failure::Usage(format!(
                    "cluster.certificates: {}; `emporium cluster certs` makes them",
                    chain(&error)
                ))
            })?;
        let failed =
            |error| Failure::failed(&format!("listening to other nodes on {address}"), error);
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let own = Member {
            node: identity.name.clone(),
            incarnation: identity.incarnation,
            address: advertised(settings, address),
            weight: settings.cluster.weight,
            is_leaving: false,
            beat: 0,
            is_drained: false,
        };
        let ended = identity.standing().ended;
        Ok(Some(Self { listener, credentials, own, ended }))
    }

    /// Lets the node find the others and be found.
    pub fn join(
        self,
        settings: &Settings,
        node: &Node,
        store: Arc<dyn MemberStore>,
    ) -> Result<Joined, Failure> {
        let Self { listener, credentials, own, ended } = self;
        let on_twin = node.on_twin();
        let (engine, whereabouts) = (node.engine.clone(), node.whereabouts.clone());
        let services = Arc::clone(&engine.services);
        let options = MembersOptions {
            own: own.clone(),
            ended,
            terms: settings.lease.terms(),
            shards: services.shards,
            on_twin: Box::new(move |twin| on_twin(&twin.node, twin.incarnation)),
        };
        let clock = Arc::clone(&services);
        let clock = move || clock.monotonic_us();
        let (members, running) =
            Members::start(options, Arc::clone(&store), node.leases.clone(), clock);
        let installation = services.vault.installation.name();
        let own_end = Own { credentials: credentials.clone(), installation: installation.clone() };
        let _ = node.members.set(members.clone());
        let links = Arc::new(Links::new(members.clone(), whereabouts.clone(), own_end));
        let _ = services.peers.set(Arc::clone(&links) as Arc<dyn Peers>);
        tokio::spawn(Arc::clone(&links).keep());
        let hung = Hung::by(settings, node, &own, &members)?;
        let answerer = Arc::new(Host {
            engine,
            whereabouts,
            members: members.clone(),
            leases: node.leases.clone(),
        });
        let (stop, mut stopped) = watch::channel(false);
        let serving = tokio::spawn(async move {
            let until = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
            let served = serve(listener, &credentials, installation, answerer, until).await;
            if let Err(error) = served {
                tracing::error!(%error, "other nodes are not answered any more");
            }
        });
        node.watch("what answers other nodes", serving);
        tracing::info!(address = own.address, "this node is one of several");
        Ok(Joined { own, members, running, links, hung, leases: node.leases.clone(), store, stop })
    }
}

/// The bell in Redis, where there is one.
struct Hung {
    bell: Bell,
    looking: JoinHandle<()>,
}

impl Hung {
    fn by(
        settings: &Settings,
        node: &Node,
        own: &Member,
        members: &Members,
    ) -> Result<Option<Self>, Failure> {
        let Some(redis) = &settings.general.redis else { return Ok(None) };
        let services = Arc::clone(&node.engine.services);
        let (moved, taken) = (services.feed.notifier(), services.tenures.subscribe());
        let ringer = Ringer {
            installation: services.vault.installation.name(),
            node: own.node.clone(),
            life: own.incarnation.to_string(),
        };
        let listener = Listener::new(services, members.clone(), node.leases.clone());
        let host = Arc::clone(&listener);
        let bell = doorbell::start(redis.0.reveal(), ringer, moved, host)
            .map_err(|error| Failure::Usage(format!("redis: {}", chain(&error))))?;
        let (roll, given) = (members.changes(), node.whereabouts.releases());
        tokio::spawn(bell::ring(bell.clone(), own.node.clone(), roll, taken, given));
        Ok(Some(Self { bell, looking: listener.look() }))
    }
}

fn advertised(settings: &Settings, address: SocketAddr) -> String {
    settings.cluster.advertise.clone().unwrap_or_else(|| address.to_string())
}

/// A node that is one of several.
pub struct Joined {
    own: Member,
    members: Members,
    running: JoinHandle<()>,
    links: Arc<Links>,
    hung: Option<Hung>,
    leases: LeaseHandle,
    store: Arc<dyn MemberStore>,
    stop: watch::Sender<bool>,
}

impl Joined {
    /// Has the others tell what they commit, for as long as the node lives.
    pub fn follow(&self, node: &Node) {
        let (engine, whereabouts) = (node.engine.clone(), node.whereabouts.clone());
        let (links, roll) = (Arc::clone(&self.links), self.members.changes());
        tokio::spawn(tails::follow(links, engine, whereabouts, roll));
    }

    /// Gives every shard to the others, while requests are still answered.
    pub async fn hand_over(&self, within: Duration) {
        let are_others =
            self.members.roll().members.values().any(|member| {
                member.node != self.own.node && !member.is_leaving && !member.is_drained
            });
        self.members.leave().await;
        self.links.tell_all(News::Members);
        if !are_others {
            return;
        }
        if self.leases.none_held(within).await {
            tracing::info!("every shard is handed over");
        } else {
            tracing::warn!("not every shard was handed over in time; the others take the rest");
        }
    }

    /// The node has stopped: nobody need wait for it.
    pub async fn gone(self) {
        self.running.abort();
        let Member { node, incarnation, .. } = &self.own;
        let forgotten = self.store.forget(node, *incarnation, u64::MAX);
        if !matches!(tokio::time::timeout(GONE_WITHIN, forgotten).await, Ok(Ok(_))) {
            tracing::warn!("this node's row is left to be forgotten by the others");
        }
        self.links.tell_all(News::Members);
        if let Some(Hung { bell, looking }) = self.hung {
            bell.ring(What::Members);
            looking.abort();
        }
        let _ = self.stop.send(true);
    }
}

/// Answers the others.
struct Host {
    engine: Engine,
    whereabouts: Whereabouts,
    members: Members,
    leases: LeaseHandle,
}

#[async_trait]
impl Answerer for Host {
    fn knows(&self, node: &str) -> bool {
        self.members.roll().members.contains_key(node)
    }

    async fn answer(&self, wish: Wish, payload: Vec<u8>, left: Duration) -> Answer {
        let wish = match wish {
            Wish::Command => elsewhere::Wish::Command,
            Wish::Question => elsewhere::Wish::Question,
            Wish::Questions => elsewhere::Wish::Questions,
            Wish::Tail => elsewhere::Wish::Tail,
            Wish::Errand => elsewhere::Wish::Errand,
            Wish::Rehearsal => elsewhere::Wish::Rehearsal,
            Wish::Unspecified => return Answer::Unreadable,
        };
        match self.engine.answer_for_another(wish, &payload, left).await {
            elsewhere::Answer::Answered(answer) => Answer::Answered(answer),
            elsewhere::Answer::NotHere(shard) => Answer::NotHere(self.whereabouts.owner(shard)),
            elsewhere::Answer::Unreadable => Answer::Unreadable,
        }
    }

    fn heard(&self, news: News) {
        match news {
            News::Released => self.leases.look_soon(),
            News::Members | News::Unspecified => self.members.look_soon(),
        }
    }
}
