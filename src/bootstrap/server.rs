//! `emporium serve`: starts everything in order, says when it is ready, and takes it down in the
//! opposite order when it is told to stop, within a bounded time.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout};

use super::demo;
use super::keys;
use super::metrics;
use super::node::{NodeBuilder, Program};
use super::storage::Storage;
use cli::Failure;
use cli::output::Output;
use config::Settings;
use http::{self, Health, HttpOptions};
use supervisors::node::Node;

/// How often a node that still waits for shards says so.
const SETTLING_LOGGED_EVERY: Duration = Duration::from_secs(5);

/// Serves until a signal says stop.
pub async fn serve(settings: Settings) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let listener = bind(settings.general.listen)?;
    let storage = Storage::open(&settings).await?;
    warn_of(&settings, &listener);
    let vault = keys::open(&settings, Arc::clone(&storage.secrets)).await?;
    let (journal, snapshots) = (Arc::clone(&storage.journal), Arc::clone(&storage.snapshots));
    let builder =
        NodeBuilder::new(&settings, journal, snapshots, vault).exclusive(storage.is_exclusive());
    let node = builder.start().await?;
    tokio::select! {
        () = settled(&node) => {}
        () = signals.stop() => {
            node.drain(drain_time(&settings)).await;
            return Ok(());
        }
    }
    let program = builder.complete(node).await?;
    let (caught_up, stopping) = (AtomicBool::new(false), AtomicBool::new(false));
    let running = Arc::new(Running { program, caught_up, stopping });
    run(&settings, listener, &running, &mut signals).await
}

/// What runs behind the entrance.
struct Running {
    program: Program,
    caught_up: AtomicBool,
    stopping: AtomicBool,
}

impl Health for Running {
    fn is_live(&self) -> bool {
        true
    }

    fn readiness(&self) -> Result<(), String> {
        let reason = if self.stopping.load(Ordering::Acquire) {
            "this node is stopping"
        } else if !self.program.node.serves_all() {
            "not every shard is served"
        } else if !self.caught_up.load(Ordering::Acquire) {
            "the views are catching up"
        } else {
            return Ok(());
        };
        Err(reason.to_owned())
    }
}

async fn run(
    settings: &Settings,
    listener: TcpListener,
    running: &Arc<Running>,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let address = local_address(&listener)?;
    let options = HttpOptions {
        listener,
        workers: settings.http.threads(),
        demo: settings.general.demo,
        limits: settings.http.limits(),
        metrics: settings.telemetry.metrics_listen.is_none().then(metrics::page),
    };
    let health = Arc::clone(running) as Arc<dyn Health>;
    let server = http::serve(options, running.program.schema(), health)
        .map_err(|error| Failure::failed("serving HTTP", error))?;
    let handle = server.handle();
    serve_metrics(settings)?;
    let mut server = std::pin::pin!(server);
    let ended = tokio::select! {
        ended = &mut server => Some(ended),
        ready = become_ready(settings, address, running) => {
            ready?;
            tokio::select! {
                ended = &mut server => Some(ended),
                () = signals.stop() => None,
            }
        }
        () = signals.stop() => None,
    };
    if let Some(ended) = ended {
        running.program.node.drain(drain_time(settings)).await;
        let reason = ended.map_or_else(|error| error.to_string(), |()| "it ended".to_owned());
        return Err(Failure::failed("serving HTTP", reason));
    }
    tracing::info!("stopping: finishing what is in flight");
    signals.end_at_the_next();
    running.stopping.store(true, Ordering::Release);
    let until = Instant::now() + drain_time(settings);
    let closed = async {
        let (_, ended) = tokio::join!(handle.stop(true), server);
        ended
    };
    match timeout(drain_time(settings), closed).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "closing the entrance"),
        Err(_) => tracing::warn!("requests were still in flight when the time was over"),
    }
    running.program.stop(until.saturating_duration_since(Instant::now())).await;
    tracing::info!("stopped");
    Ok(())
}

/// Serves `/metrics` on an address of its own, if it has one, until the process ends: a node that
/// stops is looked at too.
fn serve_metrics(settings: &Settings) -> Result<(), Failure> {
    let Some(address) = settings.telemetry.metrics_listen else { return Ok(()) };
    let listener = bind(address)?;
    let address = local_address(&listener)?;
    let server = http::serve_metrics(listener, metrics::page())
        .map_err(|error| Failure::failed("serving metrics", error))?;
    tokio::spawn(server);
    tracing::info!("metrics on http://{address}/metrics");
    Ok(())
}

/// Waits for the views, makes the demo data if wanted, and says that all is ready.
async fn become_ready(
    settings: &Settings,
    address: SocketAddr,
    running: &Arc<Running>,
) -> Result<(), Failure> {
    let program = &running.program;
    program.followers.caught_up().await;
    if settings.general.demo {
        demo::prepare(&program.schema(), &program.node.engine, &program.followers)
            .await
            .map_err(|error| Failure::failed("making the demo data", error))?;
    }
    running.caught_up.store(true, Ordering::Release);
    let mut output = Output::default();
    output.line(&format!("listening on http://{address}/graphql"))?;
    output.flush()?;
    if settings.general.demo {
        demo::welcome(address);
    }
    Ok(())
}

async fn settled(node: &Node) {
    while !node.all_served(SETTLING_LOGGED_EVERY).await {
        tracing::info!("waiting for shards that another node holds");
    }
}

fn warn_of(settings: &Settings, listener: &TcpListener) {
    let open = listener.local_addr().is_ok_and(|address| !address.ip().is_loopback());
    if settings.general.demo && open {
        tracing::warn!(
            "--demo on an address that others can reach: whoever asks may do everything"
        );
    }
    if !settings.general.demo {
        tracing::warn!("without --demo every request is refused: this version signs nobody in");
    }
    if settings.general.redis.is_some() {
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

/// The signals that mean stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::failed("listening for signals", error));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// From here on whoever asks again is not kept waiting.
    fn end_at_the_next(&mut self) {
        let Ok(mut signals) = Self::listen() else { return };
        tokio::spawn(async move {
            signals.stop().await;
            eprintln!("emporium: told to stop again; ending at once");
            std::process::exit(1);
        });
    }
}
