//! `emporium serve`: starts everything in order, says when it is ready, and takes it down in the
//! opposite order when it is told to stop, within a bounded time. Where something ends without which
//! the node must not go on, the process ends at once, and another takes over.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::cluster::{Door, Joined};
use super::demo;
use super::entrance::Entrance;
use super::heads::Heads;
use super::identity::Identity;
use super::inbox_stream;
use super::keys;
use super::lists;
use super::metrics;
use super::node::{NodeBuilder, Program};
use super::proof;
use super::rates;
use super::readiness::Running;
use super::signals::Signals;
use super::storage;
use super::users::{self, Made};
use cli::Failure;
use cli::output::Output;
use config::Settings;
use persistence::cause::chain;
use persistence::patience::patiently;
use persistence::stores::Stores;
use supervisors::node::Node;

/// How often a node that still waits for shards says so.
const SETTLING_LOGGED_EVERY: Duration = Duration::from_secs(5);

/// How long is waited for what was written of roles until now.
const ROLES_KNOWN_WITHIN: Duration = Duration::from_secs(30);

/// What is left to end by itself when a node should have stopped.
const GRACE: Duration = Duration::from_secs(1);

/// Serves until a signal says stop.
pub async fn serve(settings: Settings, identity: &Identity) -> Result<(), Failure> {
    let signals = Signals::listen(drain_time(&settings) + GRACE)?;
    let listener = bind(settings.general.listen)?;
    warn_of(&settings, &listener);
    // What is said of issuers is wrong before anything is opened.
    proof::fetcher(&settings)?;
    let entrance = Entrance::open(&settings, listener)?;
    let door = Door::open(&settings, identity)?;
    let opening = async {
        let stores = storage::open(&settings).await?;
        let vault = keys::open(&settings, Arc::clone(&stores.secrets)).await?;
        let lists = lists::open_to_serve(&settings, &vault.installation.name()).await?;
        Ok::<_, Failure>((stores, vault, lists))
    };
    let (stores, vault, lists) = tokio::select! {
        opened = opening => opened?,
        () = signals.stop() => return Ok(()),
    };
    tracing::info!(node = identity.name, incarnation = %identity.incarnation, "this node");
    let heads = Heads::read(&settings.general.data, &vault.installation);
    // What rows show was durable: a log that ends before it has lost what was acknowledged.
    let mut acknowledged = heads.acknowledged().clone();
    for (shard, seq) in lists.followed {
        let known = acknowledged.entry(shard).or_default();
        *known = seq.max(*known);
    }
    let identity = Identity { acknowledged, ..identity.clone() };
    let stores = Stores { read: lists.store, ..stores };
    let builder = NodeBuilder::new(&settings, stores, vault)
        .looking_for_lists(lists.search)
        .identity(identity)
        .listens(entrance.address)
        .keeping_in(settings.general.data.clone())
        .remembered(heads.keep());
    serve_with(&settings, (entrance, door), &builder, &signals).await
}

/// The same for what has its database and its entrance already.
pub async fn serve_with(
    settings: &Settings,
    (entrance, door): (Entrance, Option<Door>),
    builder: &NodeBuilder,
    signals: &Signals,
) -> Result<(), Failure> {
    let node = tokio::select! {
        node = builder.start() => node?,
        () = signals.stop() => return Ok(()),
    };
    let joined = door.map(|door| builder.join(door, &node)).transpose()?;
    tokio::select! {
        () = settled(&node) => {}
        reason = node.ended() => return Err(died(&node, &reason)),
        () = signals.stop() => {
            node.drain(drain_time(settings)).await;
            if let Some(joined) = joined {
                joined.gone().await;
            }
            return Ok(());
        }
    }
    if let Some(book) = &entrance.book {
        rates::share(settings, &node, Arc::clone(book))?;
    }
    let program = Arc::new(builder.complete(node).await?);
    run(settings, entrance, (&program, joined), builder, signals).await
}

/// The node must end, and does so without another word: whatever it holds is free for another as
/// soon as its leases have run out.
fn died(node: &Node, reason: &str) -> Failure {
    tracing::error!(reason, "this node ends, so that another takes over");
    if node.is_misled() {
        return Failure::Usage(reason.to_owned());
    }
    Failure::failed("this node cannot go on", reason)
}

async fn run(
    settings: &Settings,
    mut entrance: Entrance,
    (program, joined): (&Arc<Program>, Option<Joined>),
    builder: &NodeBuilder,
    signals: &Signals,
) -> Result<(), Failure> {
    let address = entrance.address;
    let running = entrance.lead_to(program);
    serve_metrics(settings)?;
    let telling = tokio::spawn(Arc::clone(&running).tell());
    let engine = program.node.engine.clone();
    let inbox = inbox_stream::of(settings, &engine.services.name)?;
    let taking_in = inbox.map(|stream| tokio::spawn(inbox_stream::take_in(stream, engine)));
    let working = async {
        become_ready(settings, address, (program, builder), &running).await?;
        std::future::pending().await
    };
    let ended = tokio::select! {
        reason = entrance.ended() => Some(reason),
        failed = working => return failed,
        reason = program.node.ended() => return Err(died(&program.node, &reason)),
        () = signals.stop() => None,
    };
    if let Some(reason) = ended {
        program.node.drain(drain_time(settings)).await;
        return Err(Failure::failed("serving HTTP", reason));
    }
    telling.abort();
    if let Some(taking_in) = taking_in {
        taking_in.abort();
    }
    tracing::info!("stopping: finishing what is in flight");
    running.stopping.store(true, Ordering::Release);
    let until = Instant::now() + drain_time(settings);
    if let Some(joined) = &joined {
        // Requests are still answered meanwhile, wherever what they ask for is by then.
        joined.hand_over(drain_time(settings) / 4).await;
    }
    match timeout(drain_time(settings), entrance.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "closing the entrance"),
        Err(_) => tracing::warn!("requests were still in flight when the time was over"),
    }
    program.stop(until.saturating_duration_since(Instant::now())).await;
    if let Some(joined) = joined {
        joined.gone().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Serves `/metrics` on an address of its own, if it has one, until the process ends: a node that
/// stops is looked at too.
fn serve_metrics(settings: &Settings) -> Result<(), Failure> {
    let Some(address) = settings.telemetry.metrics_listen else { return Ok(()) };
    let listener = bind(address)?;
    let address = local_address(&listener)?;
    let server = http::serve_metrics(listener, metrics::page(), settings.general.demo)
        .map_err(|error| Failure::failed("serving metrics", error))?;
    tokio::spawn(server);
    tracing::info!("metrics on http://{address}/metrics");
    Ok(())
}

/// Waits for the views, makes the demo data if wanted, and says that all is ready.
async fn become_ready(
    settings: &Settings,
    address: SocketAddr,
    (program, builder): (&Program, &NodeBuilder),
    running: &Running,
) -> Result<(), Failure> {
    if !program.followers.caught_up_but_for_stuck_tables().await {
        tracing::warn!("lists are not there; this node serves everything else");
    }
    let (mut first, mut people) = (None, Vec::new());
    if settings.general.demo {
        people = prepare_demo(program, builder).await;
    } else {
        first = users::first(builder, &program.schema()).await?;
    }
    roles_known(program).await;
    running.caught_up.store(true, Ordering::Release);
    let mut output = Output::default();
    output.line(&format!("listening on http://{address}/graphql"))?;
    if let Some(Made { login, password, .. }) = first {
        let where_to = format!("http://{address}/auth/");
        output.line(&format!(
            "sign in at {where_to} as {login} with {password}; this is shown once"
        ))?;
    }
    output.flush()?;
    if settings.general.demo {
        demo::people::welcome(address, &people);
    }
    Ok(())
}

/// Makes the demo data and who signs in to them. What is there to be tried out is no reason to serve nothing:
/// a shard may be stopped.
async fn prepare_demo(program: &Program, builder: &NodeBuilder) -> Vec<Made> {
    let schema = program.schema();
    let made = demo::prepare(&schema, &program.node.engine, &program.followers).await;
    if let Err(error) = made {
        tracing::error!(error = %chain(&error), "the demo data could not be made whole");
    }
    let (store, vault) = builder.sign_ins();
    let people = demo::people::let_in(&demo::client(&schema), &*store, vault).await;
    people.unwrap_or_else(|error| {
        tracing::error!(error = %chain(&error), "nobody signs in to the demo");
        Vec::new()
    })
}

/// Waits until this node knows who was given which role so far, whichever node wrote it: whoever is shown how to
/// sign in may do so at once.
async fn roles_known(program: &Program) {
    let services = &program.node.engine.services;
    if let Err(error) = services.look_at_heads().await {
        tracing::warn!(error = %chain(&error), "the logs of others cannot be looked at");
    }
    let heads = services.feed.heads();
    let known = program.followers.views().assignments.reached(&heads);
    if timeout(ROLES_KNOWN_WITHIN, known).await.is_err() {
        tracing::warn!("not all is known yet of who has which role");
    }
}

async fn settled(node: &Node) {
    while !node.all_served(SETTLING_LOGGED_EVERY).await {
        tracing::info!("waiting for shards that another node holds");
    }
    // What follows the logs begins with all that was there now, whoever wrote it.
    let heads = patiently("looking at the logs", || node.engine.services.look_at_heads());
    if let Err(error) = heads.await {
        tracing::warn!(error = %chain(&error), "the logs of others cannot be looked at");
    }
}

fn warn_of(settings: &Settings, listener: &TcpListener) {
    let open = listener.local_addr().is_ok_and(|address| !address.ip().is_loopback());
    if settings.general.demo && open {
        tracing::warn!(
            "--demo on an address that others can reach: its passwords are printed, the administrator's too"
        );
    }
    tracing::info!("requests need a token: `emporium user token` makes one");
    if settings.payments.providers.iter().any(|name| name == "test") {
        tracing::info!(
            "payments go to the built-in test provider: no money moves, and what it knows is gone \
             when this process ends; an open checkout then asks it anew, after pauses"
        );
    }
    if settings.general.redis.is_some() && settings.cluster.address.is_none() {
        tracing::info!("redis is configured; one node alone does not use it");
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .map_err(|error| Failure::failed(&format!("listening on {address}"), error))
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::failed("reading the address", error))
}

fn drain_time(settings: &Settings) -> Duration {
    Duration::from_secs(settings.http.drain_seconds)
}
