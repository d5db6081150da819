//! The servers that have the logs, where there are several: opened together, and each held to what it has noted of
//! itself. Whoever would look for a shard in another database than others do is refused.

use uuid::Uuid;

use super::storage::{connect, tell};
use cli::Failure;
use config::Settings;
use config::secret::DatabaseUrl;
use persistence::cause::chain;
use persistence::cluster_version::TooNew;
use persistence::journal::JournalError;
use persistence::patience::patiently;
use persistence::stores::Stores;
use persistence_sql::homes::{Noted, claim, noted};
use persistence_sql::mysql::Database;
use persistence_sql::{Migrations, stores};

/// Beside the first, which has its tables, opens the others to serve from, each as that was opened.
pub async fn open(settings: &Settings, first: Database) -> Result<Stores, Failure> {
    let url = settings.general.database.as_ref().expect("the first was opened by it");
    let homes = settings.homes();
    let drawn = Uuid::new_v4();
    let claimed = patiently("noting which logs it has", || claim(&first, 0, &homes, drawn)).await;
    let claimed = claimed.map_err(|error| failed(url, &error))?;
    hold(settings, url, (0, claimed.installation), &claimed)?;
    let mut all = vec![stores(first)];
    for (number, other) in (1..).zip(&settings.general.databases) {
        let failed = |error: JournalError| failed(&other.url, &error);
        let database = patiently("connecting", || connect(&other.url)).await.map_err(failed)?;
        let migrated = patiently("bringing its tables up to date", || database.migrate());
        tell(migrated.await.map_err(failed)?);
        let installation = claimed.installation;
        let noting = || claim(&database, number, &homes, installation);
        let noted = patiently("noting which logs it has", noting).await.map_err(failed)?;
        hold(settings, &other.url, (number, installation), &noted)?;
        all.push(stores(database));
    }
    Ok(together(settings, all))
}

/// The same beside servers that may be running. Makes nothing.
pub async fn open_to_read(settings: &Settings, first: Database) -> Result<Stores, Failure> {
    let url = settings.general.database.as_ref().expect("the first was opened by it");
    let of_first = what_is_noted(url, &first).await?;
    let installation = of_first.as_ref().map_or(Uuid::nil(), |noted| noted.installation);
    if let Some(noted) = &of_first {
        hold(settings, url, (0, installation), noted)?;
    }
    let mut all = vec![stores(first)];
    for (number, other) in (1..).zip(&settings.general.databases) {
        let failed = |error: JournalError| failed(&other.url, &error);
        let database = connect(&other.url).await.map_err(failed)?;
        database.admit().await.map_err(failed)?;
        if let Some(noted) = what_is_noted(&other.url, &database).await? {
            hold(settings, &other.url, (number, installation), &noted)?;
        }
        all.push(stores(database));
    }
    Ok(together(settings, all))
}

/// Nothing, where there are no tables yet: whoever reads others says so.
async fn what_is_noted(url: &DatabaseUrl, database: &Database) -> Result<Option<Noted>, Failure> {
    match noted(database).await {
        Err(error @ JournalError::Unreachable(_)) => Err(failed(url, &error)),
        noted => Ok(noted.unwrap_or_default()),
    }
}

fn together(settings: &Settings, mut all: Vec<Stores>) -> Stores {
    if all.len() == 1 {
        return all.remove(0);
    }
    Stores::spread(settings.homes(), all)
}

/// Refuses what is configured otherwise than it was made.
fn hold(
    settings: &Settings,
    url: &DatabaseUrl,
    (own, installation): (usize, Uuid),
    noted: &Noted,
) -> Result<(), Failure> {
    let place = &url.0;
    let problem = if noted.installation != installation {
        format!(
            "{place} has logs of another installation: name a database of this one, or an empty one"
        )
    } else if noted.own != own {
        format!(
            "{place} is database {} of this installation, and is named as {own} (0 is `database`): name each in its place",
            noted.own
        )
    } else if noted.homes != settings.homes().to_string() {
        format!(
            "{place} was made with the shards {}, and {} are configured: which database has which shards stays so",
            said(&noted.homes),
            said(&settings.homes().to_string())
        )
    } else {
        return Ok(());
    };
    Err(Failure::Usage(format!("databases: {problem}")))
}

fn said(homes: &str) -> String {
    if homes.is_empty() {
        "of one database".to_owned()
    } else {
        format!("{homes} (database:shards)")
    }
}

pub(super) fn failed(url: &DatabaseUrl, error: &JournalError) -> Failure {
    if let JournalError::Refused(cause) = error
        && cause.is::<TooNew>()
    {
        return Failure::Usage(format!("databases: {}: {cause}", url.0));
    }
    Failure::failed(&format!("the database {}", url.0), chain(error))
}
