//! Where the logs are: the embedded database in the data directory, or a server. Knows what each
//! needs before it may be used, and hides which of them it is.

use std::path::Path;

use super::databases;
use cli::Failure;
use config::Settings;
use config::secret::DatabaseUrl;
use persistence::cause::chain;
use persistence::cluster_version::{ClusterVersion, FORM, TooNew};
use persistence::journal::JournalError;
use persistence::patience::patiently;
use persistence::stores::Stores;
use persistence_sql::{Migrations, mysql, sqlite, stores};

/// The embedded database within the data directory.
const SQLITE_FILE: &str = "emporium.db";

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
