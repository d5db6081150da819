//! Where the logs are: the embedded database in the data directory, or a server. Knows what each
//! needs before it may be used, and hides which of them it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::databases;
use cli::Failure;
use config::Settings;
use config::secret::DatabaseUrl;
use persistence::cause::chain;
use persistence::cluster_version::{ClusterVersion, FORM, TooNew};
use persistence::journal::{JournalError, Seq, ShardId};
use persistence::patience::patiently;
use persistence::read_replica::Replicated;
use persistence::read_store::ReadStore;
use persistence::stores::Stores;
use persistence_sql::{Migrations, ReadTablesOf, mysql, sqlite, stores};

/// The embedded database within the data directory.
const SQLITE_FILE: &str = "emporium.db";
/// The embedded tables that lists are answered from.
const READ_FILE: &str = "read.db";

/// How long a call of the database of read tables may take: a turn of a follower is the longest.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Opens it to serve from: makes what is missing and brings its tables up to date. Whoever
/// opens an embedded one has locked the data directory before; a server is waited for.
pub async fn open(settings: &Settings) -> Result<Stores, Failure> {
    let failed = |error: JournalError| failed(settings, &error);
    match &settings.general.database {
        Some(url) => {
            let database = patiently("connecting", || connect(url)).await.map_err(failed)?;
            let migrated = patiently("bringing its tables up to date", || database.migrate());
            tell(migrated.await.map_err(failed)?);
            databases::open(settings, database).await
        }
        None => {
            let file = settings.general.data.join(SQLITE_FILE);
            let database = open_file(&file).await.map_err(failed)?;
            tell(database.migrate().await.map_err(failed)?);
            Ok(stores(database))
        }
    }
}

/// Opens the tables that lists are answered from, and makes what is missing.
pub async fn open_read(settings: &Settings) -> Result<Arc<dyn ReadStore>, Failure> {
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
        return match &settings.read.replica {
            Some(replica) => Ok(Arc::new(Replicated::new(primary, open_replica(replica).await?))),
            None => Ok(primary),
        };
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
    let database = match open_read_file(&file).await {
        Ok(database) => database,
        // Waiting may cure what does not answer; what is damaged is made anew from the logs.
        Err(error @ JournalError::Unreachable(_)) => return Err(failed(error)),
        Err(error) => {
            let error = chain(&error);
            tracing::error!(%error, file = %file.display(), "the file of lists is of no use; it is made anew");
            put_aside(&file)
                .map_err(|error| Failure::failed("putting the file of lists aside", error))?;
            open_read_file(&file).await.map_err(failed)?
        }
    };
    Ok(Arc::new(ReadTablesOf::of(Arc::new(database))))
}

async fn open_read_file(file: &Path) -> Result<sqlite::Database, JournalError> {
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

/// Opens a replica of them, where nothing is made.
async fn open_replica(url: &DatabaseUrl) -> Result<Arc<dyn ReadStore>, Failure> {
    let failed = |error: JournalError| {
        Failure::failed(&format!("the replica {} of lists", url.0), chain(&error))
    };
    let database = patiently("connecting", || connect_read(url)).await.map_err(failed)?;
    Ok(Arc::new(ReadTablesOf::of(Arc::new(database))))
}

/// Sees that the tables follow the logs of this installation, and says how far they have come in each
/// shard: so far its log has reached, whatever it says now.
pub async fn followed(
    read: &dyn ReadStore,
    installation: &str,
) -> Result<BTreeMap<ShardId, Seq>, Failure> {
    let failed = |error: JournalError| Failure::failed("the tables of lists", chain(&error));
    let board = read.board();
    let claimed = patiently("asking whose lists these are", || board.claim(installation));
    if claimed.await.map_err(failed)? != installation {
        return Err(Failure::Failed(
            "the tables of lists follow the logs of another installation: name a database of its own \
             in read.database, or remove the file read.db, which is filled from the logs again"
                .to_owned(),
        ));
    }
    let furthest = patiently("asking how far lists have come", || board.furthest());
    Ok(furthest.await.map_err(failed)?.into_iter().filter(|(_, seq)| *seq > 0).collect())
}

/// Opens the tables that lists are answered from beside a server that may be running on them. Makes
/// nothing.
pub async fn open_read_to_look(settings: &Settings) -> Result<Arc<dyn ReadStore>, Failure> {
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

/// Opens what is there, beside a server that may be running on it. Changes nothing.
pub async fn open_to_read(settings: &Settings) -> Result<Stores, Failure> {
    let failed = |error: JournalError| failed(settings, &error);
    match &settings.general.database {
        Some(url) => {
            let database = connect(url).await.map_err(failed)?;
            database.admit().await.map_err(failed)?;
            databases::open_to_read(settings, database).await
        }
        None => {
            let file = settings.general.data.join(SQLITE_FILE);
            if !file.is_file() {
                let problem = format!("there is no database {}", file.display());
                return Err(Failure::Failed(problem));
            }
            let database = open_file(&file).await.map_err(failed)?;
            database.admit().await.map_err(failed)?;
            Ok(stores(database))
        }
    }
}

/// Brings the tables up to date, and has this version's form written from now on.
pub async fn raise(settings: &Settings) -> Result<(), Failure> {
    let failed = |error: JournalError| failed(settings, &error);
    match &settings.general.database {
        Some(url) => {
            for other in &settings.general.databases {
                let raised = async { connect(&other.url).await?.raise().await };
                raised.await.map_err(|error| databases::failed(&other.url, &error))?;
            }
            connect(url).await.map_err(failed)?.raise().await
        }
        None => {
            let file = settings.general.data.join(SQLITE_FILE);
            open_file(&file).await.map_err(failed)?.raise().await
        }
    }
    .map(|_| ())
    .map_err(failed)
}

/// Says where this program and what may be written are not of one form.
pub(super) fn tell(version: ClusterVersion) {
    let ClusterVersion { tables, written } = version;
    if tables > FORM {
        tracing::info!(
            tables,
            known = FORM,
            "a newer version has added its tables; this one serves beside it"
        );
    } else if !version.may_write(FORM) {
        tracing::info!(
            written,
            known = FORM,
            "older versions may still come: their form is written until `emporium migrate --raise`"
        );
    }
}

/// For read tables: whoever waits for a list is told soon that it cannot be read.
async fn connect_read(url: &DatabaseUrl) -> Result<mysql::Database, JournalError> {
    let options = mysql::Options { call_timeout: READ_WITHIN, ..mysql::Options::default() };
    mysql::Database::connect(url.0.reveal(), options).await
}

pub(super) async fn connect(url: &DatabaseUrl) -> Result<mysql::Database, JournalError> {
    mysql::Database::connect(url.0.reveal(), mysql::Options::default()).await
}

async fn open_file(file: &Path) -> Result<sqlite::Database, JournalError> {
    sqlite::Database::open(file, sqlite::Options::default()).await
}

fn failed(settings: &Settings, error: &JournalError) -> Failure {
    let place = match &settings.general.database {
        Some(url) => url.0.to_string(),
        None => settings.general.data.join(SQLITE_FILE).display().to_string(),
    };
    if let JournalError::Refused(cause) = error
        && cause.is::<TooNew>()
    {
        return Failure::Usage(format!("database: {place}: {cause}"));
    }
    Failure::failed(&format!("the database {place}"), chain(error))
}
