//! Brings a database to the form of this program, unless it is too far ahead; see
//! [`ClusterVersion`].

use crate::snapshots::{Columns, Statement, Tables, Value};
use persistence::cause::Cause;
use persistence::cluster_version::{ClusterVersion, FORM};
use persistence::journal::JournalError;

const READ: &str = "SELECT tables_form, written_form FROM cluster_version WHERE id = 1";
const BRING_TABLES: &str =
    "UPDATE cluster_version SET tables_form = ? WHERE id = 1 AND tables_form < ?";
const RAISE_WRITTEN: &str =
    "UPDATE cluster_version SET written_form = ? WHERE id = 1 AND written_form < ?";

/// The tables of a database as a whole, and their form.
pub trait Migrations: Tables + Sized {
    /// How many tables are called `cluster_version`.
    const FIND: &'static str;

    /// Makes those tables of this program that are not there.
    fn make_tables(&self) -> impl Future<Output = Result<(), JournalError>>;

    /// Makes those tables that lists are answered from, where they stand apart from the log.
    fn make_read_tables(&self) -> impl Future<Output = Result<(), JournalError>>;

    /// Brings the tables to the form that this program knows; several nodes may do so at once. A
    /// database that is one form ahead is left as it is and served; one that is further ahead is
    /// refused.
    fn migrate(&self) -> impl Future<Output = Result<ClusterVersion, JournalError>> {
        migrate(self, FORM)
    }

    /// The same, and from now on this form may be written: no older program can start any more.
    fn raise(&self) -> impl Future<Output = Result<ClusterVersion, JournalError>> {
        raise(self, FORM)
    }

    /// Refuses a database that this program cannot read. Changes nothing.
    fn admit(&self) -> impl Future<Output = Result<(), JournalError>> + Send {
        async {
            match read(self).await? {
                Some(version) => admit(version, FORM),
                None => Ok(()),
            }
        }
    }
}

/// What the database says; nothing where no program has made its tables, or one is about to.
async fn read<D: Migrations>(database: &D) -> Result<Option<ClusterVersion>, JournalError> {
    let found = database.rows(Statement { sql: D::FIND.into(), values: Vec::new() }).await?;
    let found = found.first().map(|row| row.number(0)).transpose().map_err(D::error)?;
    if found.is_none_or(|tables| tables == 0) {
        return Ok(None);
    }
    let rows = database.rows(Statement { sql: READ.into(), values: Vec::new() }).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let form = |column| {
        let number = row.number(column).map_err(D::error)?;
        u32::try_from(number).map_err(|_| corrupt("a form beyond any"))
    };
    Ok(Some(ClusterVersion { tables: form(0)?, written: form(1)? }))
}

/// Makes the tables of a program that knows `form`. Those of the next one are served as they are.
async fn migrate<D: Migrations>(database: &D, form: u32) -> Result<ClusterVersion, JournalError> {
    let found = read(database).await?;
    if let Some(version) = found {
        admit(version, form)?;
        if version.tables > form {
            return Ok(version);
        }
    }
    database.make_tables().await?;
    set(database, BRING_TABLES, form).await?;
    if found.is_none() {
        // Nobody has written anything yet.
        set(database, RAISE_WRITTEN, form).await?;
    }
    let version = read(database).await?.ok_or_else(|| corrupt("cluster_version is gone"))?;
    admit(version, form)?;
    Ok(version)
}

/// From now on this form may be written, and no program that cannot read it may start.
async fn raise<D: Migrations>(database: &D, form: u32) -> Result<ClusterVersion, JournalError> {
    let version = migrate(database, form).await?;
    set(database, RAISE_WRITTEN, form).await?;
    Ok(ClusterVersion { written: version.written.max(form), ..version })
}

fn admit(version: ClusterVersion, form: u32) -> Result<(), JournalError> {
    version.admits(form).map_err(|error| JournalError::Refused(Cause::of(error)))
}

async fn set<D: Migrations>(
    database: &D,
    sql: &'static str,
    form: u32,
) -> Result<(), JournalError> {
    let values = vec![Value::Number(form.into()), Value::Number(form.into())];
    database.write(&[Statement { sql: sql.into(), values }]).await?;
    Ok(())
}

fn corrupt(problem: &'static str) -> JournalError {
    JournalError::Corrupt(Cause::from(problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::{Database, Options};

    /// Programs of two forms on one file; what the newer one adds is not missed by the older one.
    #[tokio::test]
    async fn an_older_program_may_come_back_until_the_newer_form_is_written() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("emporium.db");
        let database = Database::open(&file, Options::default()).await.expect("a new file");
        let version = |tables, written| ClusterVersion { tables, written };
        let migrated = async |form| migrate(&database, form).await.expect("it is served");
        assert_eq!(migrated(1).await, version(1, 1));
        let newer = migrated(2).await;
        assert_eq!(newer, version(2, 1));
        assert!(!newer.may_write(2), "the older program could not read it");
        assert_eq!(migrated(1).await, version(2, 1), "and is served");
        assert_eq!(raise(&database, 2).await.expect("an operator says so"), version(2, 2));
        assert_eq!(migrated(2).await, version(2, 2));
        let refused = migrate(&database, 1).await;
        assert!(matches!(refused, Err(JournalError::Refused(_))), "{refused:?}");
        assert_eq!(migrated(3).await, version(3, 2));
        assert_eq!(migrated(2).await, version(3, 2));
    }
}
