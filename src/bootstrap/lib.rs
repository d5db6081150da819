//! The composition root: turns the command line into work, and is, with what lies below it, the
//! one place that names databases, the payment provider and the entrance.

mod client;
pub mod cluster;
mod demo;
pub mod entrance;
mod heads;
pub mod identity;
mod inbox;
mod inbox_stream;
mod keys;
mod lists;
pub mod metrics;
pub mod node;
mod private;
pub mod proof;
pub mod rates;
mod readiness;
mod registrar;
mod retention;
pub mod server;
pub mod signals;
mod databases;
mod storage;
mod subjects;
mod users;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ::cluster::desk::{Desk, Wish};
use cli::{
    ActorCommand, Arguments, AuditCommand, ClusterCommand, Command, Failure, JournalCommand,
    KeysCommand, ProjectionCommand, SagaCommand, SchemaContext, SecretCommand, ShardCommand,
    StorageArguments, actor, audit, check, job, journal_read, journal_verify, outbox,
    output::Output, projection, projection::Sight, saga, secret, shard, timer,
};
use config::Settings;
use graphql::Part;
use identity::DataDirectory;
#[cfg(feature = "load")]
use load::options::LoadArguments;
use peers::certificates::NotMade;
use persistence::cause::chain;
use persistence::journal::{Acceptance, JournalError};
use persistence::stores::Stores;
use persistence_sql::sqlite::FileLock;

/// How long the last traces may take to be sent.
const TRACES_WITHIN: Duration = Duration::from_secs(5);

/// Does what the command line says. Blocks until it is done.
pub fn run(arguments: Arguments) -> ExitCode {
    #[cfg(feature = "shortcuts")]
    persistence::shortcut::plant_from("CHAOS_PLANTED");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed("starting the runtime", error).report(),
    };
    let status = match runtime.block_on(perform(arguments.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    };
    // What still runs was given its time; a blocked thread must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    status
}

async fn perform(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => {
            let settings = config::load(&arguments.sources())?.settings;
            telemetry::start(&settings.log);
            let home = DataDirectory::open(&settings)?;
            telemetry::trace::start(&settings.telemetry, &home.identity.name)
                .map_err(|error| Failure::failed("sending traces", error))?;
            let served = server::serve(settings, &home.identity).await;
            let traces = telemetry::trace::stop();
            if tokio::time::timeout(TRACES_WITHIN, traces).await.is_err() {
                tracing::warn!("not every trace was sent in time");
            }
            served
        }
        Command::Migrate { storage, raise } => {
            let settings = settings(&storage)?;
            let _lock = lock_embedded(&settings)?;
            if raise {
                return storage::raise(&settings).await;
            }
            storage::open(&settings).await?;
            Ok(())
        }
        Command::Schema { context } => {
            let text = context.map_or_else(graphql::sdl, |context| graphql::sdl_of(part(context)));
            let mut output = Output::default();
            output.line(text.trim_end())?;
            output.flush()
        }
        Command::Journal(JournalCommand::Read(arguments)) => {
            let (stores, shards) = written(&settings(&arguments.storage)?).await?;
            journal_read::print(&*stores.journal, shards, &arguments).await
        }
        Command::Journal(JournalCommand::Verify { storage, json }) => {
            let (stores, shards) = written(&settings(&storage)?).await?;
            let slots = stores.slots.slots().await.map_err(unread)?;
            let slots = slots.ok_or_else(never_served)?;
            let (journal, snapshots) = (&*stores.journal, &*stores.snapshots);
            journal_verify::print(journal, snapshots, shards, &slots, json).await
        }
        Command::Cluster(command) => look_after_nodes(command).await,
        Command::Shard(ShardCommand::List { storage, stopped, json }) => {
            let (stores, shards) = written(&settings(&storage)?).await?;
            shard::list(&*stores.journal, shards, stopped, json).await
        }
        Command::Shard(ShardCommand::AcceptLoss { storage, shard, through, reason, json }) => {
            let settings = settings(&storage)?;
            let _lock = lock_embedded(&settings)?;
            let (stores, shards) = written(&settings).await?;
            if shard >= shards {
                return Err(Failure::Usage(format!(
                    "there are {shards} shards, 0 to {}",
                    shards - 1
                )));
            }
            let acceptance = Acceptance { shard, through, reason };
            if shard::is_stopped(&*stores.journal, shard).await? {
                // Before the loss is accepted: rows that rest on it must not outlive that.
                let read = lists::open(&settings).await?;
                read.begin_anew().await.map_err(unread)?;
                stores.acting.begin_anew().await.map_err(unread)?;
            }
            let accepted = shard::accept_loss(&*stores.journal, &acceptance, json).await;
            if stores.spread.is_some() {
                // They stand in another database than what was lost, and may rest on it.
                stores.snapshots.forget_checkpoints().await.map_err(unread)?;
            }
            accepted
        }
        Command::Projection(command) => look_at_followers(command).await,
        Command::Audit(command) => look_at_the_audit(command).await,
        Command::Secret(SecretCommand::Rotate { storage, purpose, holders_died, json }) => {
            let purpose = secret::purpose(&purpose)?;
            let settings = settings(&storage)?;
            let _lock = lock_embedded(&settings)?;
            let (stores, shards) = written(&settings).await?;
            if !holders_died {
                secret::require_nobody(&*stores.journal, shards).await?;
            }
            secret::rotate(&*stores.secrets, &keys::known(&settings)?, purpose, json).await
        }
        Command::Keys(KeysCommand::Rotate { storage, json }) => {
            let settings = settings(&storage)?;
            let (stores, _) = written(&settings).await?;
            secret::print_rotated(keys::rotate(&settings, &*stores.secrets).await?, json)
        }
        Command::User(command) => users::perform(command).await,
        Command::Actor(command) => look_after(command).await,
        Command::Saga(command) => look_after_sagas(command).await,
        Command::Job(command) => job::look_after(command).await,
        Command::Timer(command) => timer::look_after(command).await,
        Command::Outbox(command) => outbox::look_after(command).await,
        #[cfg(feature = "load")]
        Command::Load(arguments) => run_load(&arguments).await,
        #[cfg(not(feature = "load"))]
        Command::Load { .. } => Err(Failure::Usage(
            "this build has no load generator; `make release` builds one that has".to_owned(),
        )),
        Command::Check { settings, json } => {
            check::print(&config::load(&settings.sources())?, json)
        }
    }
}

/// Keeps servers off an embedded database while it is changed; one on a server looks after itself.
fn lock_embedded(settings: &Settings) -> Result<Option<FileLock>, Failure> {
    let embedded = settings.general.database.is_none();
    embedded.then(|| DataDirectory::lock(&settings.general.data)).transpose()
}

fn settings(arguments: &StorageArguments) -> Result<Settings, Failure> {
    let settings = config::load(&arguments.sources())?.settings;
    telemetry::start(&settings.log);
    Ok(settings)
}

/// A database that is there, for reading, and the number of its shards.
async fn written(settings: &Settings) -> Result<(Stores, u16), Failure> {
    let stores = storage::open_to_read(settings).await?;
    match stores.journal.shard_count().await {
        Ok(0) => Err(never_served()),
        Ok(shards) => Ok((stores, shards)),
        Err(error) => Err(unread(error)),
    }
}

fn never_served() -> Failure {
    Failure::Failed("nothing was ever served from this database".to_owned())
}

fn unread(error: JournalError) -> Failure {
    let hint = "reading the database (`emporium migrate` makes its tables)";
    Failure::failed(hint, chain(&error))
}

/// Where operators stand beside all nodes.
async fn desk(storage: &StorageArguments) -> Result<Desk, Failure> {
    let settings = settings(storage)?;
    let (stores, shards) = written(&settings).await?;
    Ok(Desk::beside(stores.journal, stores.members, shards, settings.lease.terms().lease))
}

async fn look_after_nodes(command: ClusterCommand) -> Result<(), Failure> {
    match command {
        ClusterCommand::Status { storage, json } => {
            let (stores, shards) = written(&settings(&storage)?).await?;
            cli::cluster::status(&stores, shards, json).await
        }
        ClusterCommand::Drain { storage, node, dry_run, json } => {
            cli::cluster::wish(&desk(&storage).await?, &Wish::Drain(node), dry_run, json).await
        }
        ClusterCommand::Undrain { storage, node, dry_run, json } => {
            cli::cluster::wish(&desk(&storage).await?, &Wish::Undrain(node), dry_run, json).await
        }
        ClusterCommand::Move { storage, shard, node, dry_run, json } => {
            cli::cluster::wish(&desk(&storage).await?, &Wish::Move(shard, node), dry_run, json)
                .await
        }
        ClusterCommand::Rebalance { storage, dry_run, json } => {
            cli::cluster::rebalance(&desk(&storage).await?, dry_run, json).await
        }
        ClusterCommand::Certs { out, nodes, json } => {
            let made = peers::certificates::make(std::path::Path::new(&out), &nodes);
            let made = made.map_err(|error| match error {
                NotMade::Name(_) => Failure::Usage(error.to_string()),
                error => Failure::failed("making certificates", chain(&error)),
            })?;
            cli::cluster::certificates(&out, &made, json)
        }
    }
}

async fn look_at_the_audit(command: AuditCommand) -> Result<(), Failure> {
    let (AuditCommand::Verify { storage, .. } | AuditCommand::Export { storage, .. }) = &command;
    let settings = settings(storage)?;
    let (stores, shards) = written(&settings).await?;
    let vault = keys::open_known(&settings, Arc::clone(&stores.secrets)).await?;
    let read = lists::open_to_look(&settings).await?;
    let installation = &vault.installation;
    let sight = audit::Sight { journal: &*stores.journal, read: &*read, installation, shards };
    match command {
        AuditCommand::Verify { json, .. } => audit::print(sight, json).await,
        AuditCommand::Export { format, from, before, .. } => {
            audit::export(sight, format, from, before).await
        }
    }
}

async fn look_at_followers(command: ProjectionCommand) -> Result<(), Failure> {
    let (ProjectionCommand::Status { storage, .. }
    | ProjectionCommand::Parked { storage, .. }
    | ProjectionCommand::Replay { storage, .. }
    | ProjectionCommand::Rebuild { storage, .. }) = &command;
    let settings = settings(storage)?;
    let (stores, shards) = written(&settings).await?;
    let read = lists::open_to_look(&settings).await?;
    let sight = Sight { journal: &*stores.journal, board: read.board(), shards };
    match command {
        ProjectionCommand::Status { json, .. } => projection::status(sight, json).await,
        ProjectionCommand::Parked { name, json, .. } => {
            projection::parked(sight, name.as_deref(), json).await
        }
        ProjectionCommand::Replay { name, aggregate, json, .. } => {
            projection::replay(sight, &name, aggregate.as_ref(), json).await
        }
        ProjectionCommand::Rebuild { name, no_wait, json, .. } => {
            projection::rebuild(sight, &name, !no_wait, json).await
        }
    }
}

async fn look_after(command: ActorCommand) -> Result<(), Failure> {
    match command {
        ActorCommand::Inspect { server, aggregate, json } => {
            actor::inspect(&server, aggregate.as_ref(), json).await
        }
        ActorCommand::Quarantine { server, aggregate, reason, json } => {
            actor::quarantine(&server, &aggregate, &reason, json).await
        }
        ActorCommand::Release { server, aggregate, json } => {
            actor::release(&server, &aggregate, json).await
        }
    }
}

async fn look_after_sagas(command: SagaCommand) -> Result<(), Failure> {
    match command {
        SagaCommand::List { server, kind, state, limit, json } => {
            saga::list(&server, saga::Wanted { kind, state, limit }, json).await
        }
        SagaCommand::Retry { server, saga, json } => saga::retry(&server, &saga, json).await,
        SagaCommand::Compensate { server, saga, reason, json } => {
            saga::compensate(&server, &saga, &reason, json).await
        }
    }
}

#[cfg(feature = "load")]
async fn run_load(arguments: &LoadArguments) -> Result<(), Failure> {
    telemetry::start(&telemetry::LogOptions::default());
    if load::run(arguments).await? { Ok(()) } else { Err(Failure::Found) }
}

fn part(context: SchemaContext) -> Part {
    match context {
        SchemaContext::Access => Part::Access,
        SchemaContext::Products => Part::Products,
        SchemaContext::Commerce => Part::Commerce,
        SchemaContext::Scheduling => Part::Scheduling,
        SchemaContext::Operations => Part::Operations,
    }
}
