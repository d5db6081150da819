//! The tables of both databases, made file by file: one for each subject, in this order. What a
//! number made once stands as it is; a change of tables is a file with a number of its own.

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use persistence::cause::Cause;
use persistence::journal::JournalError;

/// The files of one database's folder.
macro_rules! migrations {
    ($folder:literal $($more:expr)*) => {
        [
            (2, "shards", include_str!(concat!(migrations!(@), $folder, "/0002_shards.sql"))),
            (3, "journal", include_str!(concat!(migrations!(@), $folder, "/0003_journal.sql"))),
            (4, "snapshots", include_str!(concat!(migrations!(@), $folder, "/0004_snapshots.sql"))),
            (5, "secrets", include_str!(concat!(migrations!(@), $folder, "/0005_secrets.sql"))),
            (6, "slots", include_str!(concat!(migrations!(@), $folder, "/0006_slots.sql"))),
            (
                7,
                "cluster version",
                include_str!(concat!(migrations!(@), $folder, "/0007_cluster_version.sql")),
            ),
            (
                9,
                "quarantines",
                include_str!(concat!(migrations!(@), $folder, "/0009_quarantines.sql")),
            ),
            migrations!(read $folder),
            (14, "nodes", include_str!(concat!(migrations!(@), $folder, "/0014_nodes.sql"))),
            (
                16,
                "sign-ins",
                include_str!(concat!(migrations!(@), $folder, "/0016_sign_ins.sql")),
            ),
            $($more,)*
            (23, "passkeys", include_str!(concat!(migrations!(@), $folder, "/0023_passkeys.sql"))),
            (24, "told_roles", include_str!(concat!(migrations!(@), $folder, "/0024_told_roles.sql"))),
            migrations!(parts $folder),
            migrations!(events $folder),
        ]
    };
    (read $folder:literal) => {
        (
            10,
            "read tables",
            include_str!(concat!(migrations!(@), $folder, "/0010_read_tables.sql")),
        )
    };
    (parts $folder:literal) => {
        (25, "job parts", include_str!(concat!(migrations!(@), $folder, "/0025_job_parts.sql")))
    };
    (events $folder:literal) => {
        (
            26,
            "parked events",
            include_str!(concat!(migrations!(@), $folder, "/0026_parked_events.sql")),
        )
    };
    (@) => { "../../../migrations/" };
}

pub(super) type File = (i64, &'static str, &'static str);

/// Logs stand in several databases on servers alone.
const LOG_HOMES: File =
    (20, "log homes", include_str!("../../../migrations/mysql/0020_log_homes.sql"));

pub(super) const MYSQL: [File; 15] = migrations!("mysql" LOG_HOMES);
pub(super) const SQLITE: [File; 14] = migrations!("sqlite");

/// What is made where those tables stand apart from the log.
pub(super) const READ_OF_MYSQL: [File; 3] =
    [migrations!(read "mysql"), migrations!(parts "mysql"), migrations!(events "mysql")];
pub(super) const READ_OF_SQLITE: [File; 3] =
    [migrations!(read "sqlite"), migrations!(parts "sqlite"), migrations!(events "sqlite")];

/// The number under which all tables were made once, before ids had slots.
const BEFORE_THESE_FORMS: i64 = 1;

pub(super) fn migrator(files: &[File]) -> Migrator {
    let migration = |(number, subject, text): &File| {
        let (subject, text) = ((*subject).into(), (*text).into_sql_str());
        Migration::new(*number, subject, MigrationType::Simple, text, false)
    };
    Migrator::with_migrations(files.iter().map(migration).collect())
}

/// `statement` makes the answer of a statement that failed.
pub(super) fn failed(
    error: MigrateError,
    statement: impl FnOnce(sqlx::Error) -> JournalError,
) -> JournalError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => statement(error),
        MigrateError::VersionMissing(BEFORE_THESE_FORMS) => JournalError::Refused(Cause::from(
            "this database was made by a version of before ids had slots, and none reads both: \
             begin with an empty database, or go on with the version that made this one",
        )),
        other => JournalError::Refused(Cause::of(other)),
    }
}
