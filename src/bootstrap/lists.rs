//! Where the tables are that lists are answered from: in the database of the logs, in another, or in a file, with
//! a replica perhaps. Another database may be away when a node starts: then the node goes on without lists, and
//! looks for it until it is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::metrics::LISTS_AWAY;
use super::storage::connect;
use ::cluster::lease_manager::LeaseHandle;
use cli::Failure;
use config::Settings;
use config::secret::DatabaseUrl;
use persistence::cause::{Cause, chain};
use persistence::journal::{JournalError, Seq, ShardId};
use persistence::patience::patiently;
use persistence::read_late::Late;
use persistence::read_replica::Replicated;
use persistence::read_store::ReadStore;
use persistence_sql::{Migrations, ReadTablesOf, mysql, sqlite};

/// The embedded tables that lists are answered from.
const READ_FILE: &str = "read.db";

/// How long a call of the database of read tables may take: a turn of a follower is the longest.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// How long a start waits for a database that has read tables and no logs, before it goes on without lists.
const AWAITED: Duration = Duration::from_secs(10);
/// When it is looked for again; the pause doubles up to the second.
const LOOK_FIRST: Duration = Duration::from_millis(250);
const LOOK_MAX: Duration = Duration::from_secs(5);
/// How long a look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(60);
/// How often it is said that it is not there, where the reason is the same.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What lists are answered from.
pub struct Lists {
    pub store: Arc<dyn ReadStore>,
    /// How far its rows have come in each shard: so far the log has reached, whatever it says now.
    pub followed: BTreeMap<ShardId, Seq>,
    /// It was away.
    pub search: Option<Search>,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the tables of lists follow the logs of another installation: name a database of its own in read.database, \
     or remove the file read.db, which is filled from the logs again"
)]
struct Foreign;

/// Opens them for a node of this installation.
pub async fn open_to_serve(settings: &Settings, installation: &str) -> Result<Lists, Failure> {
    let Some(url) = &settings.read.database else {
        let store = open(settings).await?;
        let asking = || followed(&*store, installation);
        let followed = patiently("asking how far lists have come", asking).await;
        let followed = followed.map_err(|error| unopened(&error))?;
        return Ok(Lists { store, followed, search: None });
    };
    let place = Place { url: url.clone(), installation: installation.to_owned() };
    let looking = patiently("looking for the tables of lists", || place.look());
    match timeout(AWAITED, looking).await.unwrap_or_else(|_| Err(slow())) {
        Ok((store, followed)) => {
            let store = with_replica(settings, store).await;
            Ok(Lists { store, followed, search: None })
        }
        Err(error) if is_foreign(&error) => Err(unopened(&error)),
        Err(error) => {
            tracing::error!(
                error = %chain(&error),
                database = %url.0,
                "the database of lists is away; this node starts without, and looks for it"
            );
            let late = Late::missed(error);
            LISTS_AWAY.observe(&late, |late| f64::from(u8::from(late.away().is_some())));
            let store = with_replica(settings, Arc::clone(&late) as Arc<dyn ReadStore>).await;
            let search = Some(Search { place, late });
            Ok(Lists { store, followed: BTreeMap::new(), search })
        }
    }
}

/// Read tables in another database than the logs.
#[derive(Clone)]
struct Place {
    url: DatabaseUrl,
    installation: String,
}

type Found = (Arc<dyn ReadStore>, BTreeMap<ShardId, Seq>);

impl Place {
    /// The tables, made where they are missing, and how far their rows have come.
    async fn look(&self) -> Result<Found, JournalError> {
        let database = connect_read(&self.url).await?;
        database.make_read_tables().await?;
        let store = Arc::new(ReadTablesOf::of(Arc::new(database)));
        let followed = followed(&*store, &self.installation).await?;
        Ok((store, followed))
    }

    /// The same on a thread of its own: making tables is no work that goes from one to another.
    async fn look_aside(&self) -> Result<Found, JournalError> {
        let (place, here) = (self.clone(), Handle::current());
        let looked = tokio::task::spawn_blocking(move || {
            here.block_on(async { timeout(LOOK_WITHIN, place.look()).await })
        });
        let Ok(Ok(looked)) = looked.await else { return Err(slow()) };
        looked
    }
}

/// Looks for read tables that were away when a node began.
#[derive(Clone)]
pub struct Search {
    place: Place,
    late: Arc<Late>,
}

impl Search {
    /// Looks until they are there. What their rows show was durable, and is held against the logs that were taken
    /// without knowing that, before any list is answered.
    pub async fn run(self, leases: LeaseHandle) {
        let found = |followed| async move { leases.knows(&followed).await };
        look_for("the database of lists", &self.late, || self.place.look_aside(), found).await;
    }
}

async fn look_for<L, K>(
    what: &'static str,
    late: &Late,
    mut look: impl FnMut() -> L,
    known: impl FnOnce(BTreeMap<ShardId, Seq>) -> K,
) where
    L: Future<Output = Result<Found, JournalError>>,
    K: Future<Output = ()>,
{
    let mut pause = LOOK_FIRST;
    let mut told = (String::new(), Instant::now());
    let (store, followed) = loop {
        tokio::time::sleep(pause).await;
        let error = match look().await {
            Ok(found) => break found,
            Err(error) => error,
        };
        let why = chain(&error).to_string();
        if told.0 != why || told.1.elapsed() >= TOLD_EVERY {
            tracing::error!(error = why, "{what} is still of no use");
            told = (why, Instant::now());
        }
        late.still_missed(error);
        pause = (pause * 2).min(LOOK_MAX);
    };
    known(followed).await;
    late.found(store);
    tracing::info!("{what} is there");
}

/// Opens the tables that lists are answered from, and makes what is missing.
pub async fn open(settings: &Settings) -> Result<Arc<dyn ReadStore>, Failure> {
    let server = settings.read.database.as_ref().or(settings.general.database.as_ref());
    if let Some(url) = server {
        let failed = |error: JournalError| {
            Failure::failed(&format!("the database {} of lists", url.0), chain(&error))
        };
        let database = patiently("connecting", || connect_read(url)).await.map_err(failed)?;
        if settings.read.database.is_some() {
            let made = patiently("making its tables", || database.make_read_tables());
            made.await.map_err(failed)?;
        }
        let primary = Arc::new(ReadTablesOf::of(Arc::new(database)));
        return Ok(with_replica(settings, primary).await);
    }
    if settings.read.replica.is_some() {
        let problem =
            "read.replica: these tables stand in a file, which has none; name read.database";
        return Err(Failure::Usage(problem.to_owned()));
    }
    let file = settings.general.data.join(READ_FILE);
    let failed = |error: JournalError| {
        Failure::failed(&format!("the file {} of lists", file.display()), chain(&error))
    };
    let database = match open_file(&file).await {
        Ok(database) => database,
        // Waiting may cure what does not answer; what is damaged is made anew from the logs.
        Err(error @ JournalError::Unreachable(_)) => return Err(failed(error)),
        Err(error) => {
            let error = chain(&error);
            tracing::error!(%error, file = %file.display(), "the file of lists is of no use; it is made anew");
            put_aside(&file)
                .map_err(|error| Failure::failed("putting the file of lists aside", error))?;
            open_file(&file).await.map_err(failed)?
        }
    };
    Ok(Arc::new(ReadTablesOf::of(Arc::new(database))))
}

async fn open_file(file: &Path) -> Result<sqlite::Database, JournalError> {
    // What a crash of the machine takes from its end is read from the log again.
    let options = sqlite::Options { flush: sqlite::Flush::Sometimes, ..sqlite::Options::default() };
    let database = sqlite::Database::open(file, options).await?;
    database.make_read_tables().await?;
    Ok(database)
}

/// Keeps a file of lists that is of no use for whoever wants to look at it, in place of the last such one.
fn put_aside(file: &Path) -> std::io::Result<()> {
    for beside in ["-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(beside);
        match std::fs::remove_file(name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(file, file.with_extension("damaged"))
}

/// The same with the replica of them that is configured; while it is away they are read themselves.
async fn with_replica(settings: &Settings, primary: Arc<dyn ReadStore>) -> Arc<dyn ReadStore> {
    let Some(url) = settings.read.replica.clone() else { return primary };
    // Nothing is made there.
    let look = move || {
        let url = url.clone();
        async move { Ok((open_read(&url).await?, BTreeMap::new())) }
    };
    let replica = match timeout(AWAITED, look()).await {
        Ok(Ok((replica, _))) => replica,
        Ok(Err(error)) => looked_for(error, look),
        Err(_) => looked_for(slow(), look),
    };
    Arc::new(Replicated::new(primary, replica))
}

/// A replica that is away, and is looked for.
fn looked_for<L>(why: JournalError, look: impl FnMut() -> L + Send + 'static) -> Arc<dyn ReadStore>
where
    L: Future<Output = Result<Found, JournalError>> + Send,
{
    let late = Late::missed(why);
    let replica = Arc::clone(&late);
    tokio::spawn(async move {
        look_for("the replica of lists", &late, look, |_| std::future::ready(())).await;
    });
    replica
}

/// Sees that the tables follow the logs of this installation, and says how far they have come in each shard.
async fn followed(
    read: &dyn ReadStore,
    installation: &str,
) -> Result<BTreeMap<ShardId, Seq>, JournalError> {
    let board = read.board();
    if board.claim(installation).await? != installation {
        return Err(JournalError::Refused(Cause::of(Foreign)));
    }
    Ok(board.furthest().await?.into_iter().filter(|(_, seq)| *seq > 0).collect())
}

/// Opens the tables that lists are answered from beside a server that may be running on them. Makes
/// nothing.
pub async fn open_to_look(settings: &Settings) -> Result<Arc<dyn ReadStore>, Failure> {
    if let Some(url) = settings.read.database.as_ref().or(settings.general.database.as_ref()) {
        let failed = |error: JournalError| {
            Failure::failed(&format!("the database {} of lists", url.0), chain(&error))
        };
        let database = connect(url).await.map_err(failed)?;
        return Ok(Arc::new(ReadTablesOf::of(Arc::new(database))));
    }
    let file = settings.general.data.join(READ_FILE);
    if !file.is_file() {
        return Err(Failure::Failed(format!("there is no file {} of lists", file.display())));
    }
    let failed = |error: JournalError| {
        Failure::failed(&format!("the file {} of lists", file.display()), chain(&error))
    };
    let options = sqlite::Options { flush: sqlite::Flush::Sometimes, ..sqlite::Options::default() };
    let database = sqlite::Database::open(&file, options).await.map_err(failed)?;
    Ok(Arc::new(ReadTablesOf::of(Arc::new(database))))
}

async fn open_read(url: &DatabaseUrl) -> Result<Arc<dyn ReadStore>, JournalError> {
    Ok(Arc::new(ReadTablesOf::of(Arc::new(connect_read(url).await?))))
}

/// For read tables: whoever waits for a list is told soon that it cannot be read.
async fn connect_read(url: &DatabaseUrl) -> Result<mysql::Database, JournalError> {
    let options = mysql::Options { call_timeout: READ_WITHIN, ..mysql::Options::default() };
    mysql::Database::connect(url.0.reveal(), options).await
}

fn slow() -> JournalError {
    JournalError::Unreachable("it did not answer in time".into())
}

fn is_foreign(error: &JournalError) -> bool {
    matches!(error, JournalError::Refused(cause) if cause.is::<Foreign>())
}

fn unopened(error: &JournalError) -> Failure {
    if is_foreign(error) {
        return Failure::Failed(Foreign.to_string());
    }
    Failure::failed("the tables of lists", chain(error))
}
