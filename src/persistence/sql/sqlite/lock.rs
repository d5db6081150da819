//! Keeps a second process off the data directory of an embedded database.
//!
//! The lock is the operating system's on an open file: it ends with the process, however that
//! ends, so that nobody ever has to remove a stale file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

/// The name of the lock file in the data directory.
pub const LOCK_FILE: &str = "emporium.lock";

/// Held for as long as this value lives.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "the data directory {directory} is in use by another emporium process{holder}: stop that \
         process, or give this one a directory of its own with --data"
    )]
    Held { directory: PathBuf, holder: String },
    #[error(
        "{file} is no file of its own but a link: what it leads to would be overwritten; look who \
         laid it there, and remove it"
    )]
    Link { file: PathBuf },
    #[error("the data directory {directory} cannot be locked: {source}")]
    Unusable { directory: PathBuf, source: std::io::Error },
}

impl FileLock {
    /// Locks `directory`, which must exist, or says who holds it. Never waits.
    pub fn acquire(directory: &Path) -> Result<Self, LockError> {
        let unusable = |source| LockError::Unusable { directory: directory.to_owned(), source };
        let path = directory.join(LOCK_FILE);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(LockError::Link { file: path });
            }
            Err(error) => return Err(unusable(error)),
        };
        if file.metadata().map_err(unusable)?.nlink() > 1 {
            return Err(LockError::Link { file: path });
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    directory: directory.to_owned(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        file.set_len(0).map_err(unusable)?;
        file.rewind().map_err(unusable)?;
        writeln!(file, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

/// ` (process 123)` where the holder has written its id; it may just be starting.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(process) => format!(" (process {process})"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let first = FileLock::acquire(directory.path()).expect("nobody holds it");

        let refusal = FileLock::acquire(directory.path()).expect_err("the first one holds it");
        let text = refusal.to_string();
        assert!(text.contains(&directory.path().display().to_string()), "{text}");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(text.contains("--data"), "{text}");

        drop(first);
        FileLock::acquire(directory.path()).expect("it was given up");
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_refused_and_what_it_leads_to_stays() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (other, lock) = (directory.path().join("other"), directory.path().join(LOCK_FILE));
        std::fs::write(&other, "precious").expect("it is made");
        let refused = || {
            let refusal = FileLock::acquire(directory.path()).expect_err("there is a link");
            assert!(matches!(refusal, LockError::Link { .. }), "{refusal}");
            assert_eq!(std::fs::read_to_string(&other).expect("it is there"), "precious");
        };
        std::os::unix::fs::symlink(&other, &lock).expect("a link");
        refused();
        std::fs::remove_file(&lock).expect("it is ours");
        std::fs::hard_link(&other, &lock).expect("another name");
        refused();
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let missing = directory.path().join("missing");
        let error = FileLock::acquire(&missing).expect_err("there is nothing to lock");
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
