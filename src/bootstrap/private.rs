//! The data directory and its files are their owner's alone: 0700 and 0600. What the process makes
//! there is so from the beginning, what an earlier version left open is closed, and nothing is ever
//! written through a link that somebody else laid.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use cli::Failure;

/// By one of these a directory is known as one of ours.
const OURS: [&str; 3] = ["emporium.lock", "emporium.db", "node.json"];
/// What others may do, in the mode of a file.
const OTHERS: u32 = 0o077;

/// Makes the directory if need be, and closes it and what is in it to others. A directory that
/// holds what is not ours is left as it is: it may be a shared one, named by mistake.
pub fn make_private(directory: &Path) -> Result<(), Failure> {
    // The files of the database are made by a library: its modes follow from this.
    rustix::process::umask(Mode::from_raw_mode(OTHERS));
    let failed = |error| Failure::failed(&format!("making {} private", directory.display()), error);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let mode = std::fs::metadata(directory).map_err(failed)?.permissions().mode();
    if mode & OTHERS != 0 {
        if !is_ours_or_empty(directory).map_err(failed)? {
            tracing::warn!(
                directory = %directory.display(),
                "others can look into the data directory, and it holds more than this program's files"
            );
            return Ok(());
        }
        std::fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(failed)?;
        tracing::info!(directory = %directory.display(), "the data directory is closed to others now");
    }
    close_files(directory).map_err(failed)
}

fn is_ours_or_empty(directory: &Path) -> std::io::Result<bool> {
    let is_ours = OURS.iter().any(|name| directory.join(name).exists());
    Ok(is_ours || std::fs::read_dir(directory)?.next().is_none())
}

fn close_files(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let found = entry.metadata()?;
        if found.is_file() && found.permissions().mode() & OTHERS != 0 {
            std::fs::set_permissions(entry.path(), Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// Replaces a file whole, so that a reader sees the old text or the new one. Not flushed.
pub fn replace(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let new = file.with_added_extension("new");
    open_to_write(&new)?.write_all(text)?;
    std::fs::rename(new, file)
}

fn open_to_write(file: &Path) -> std::io::Result<File> {
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(no_link)
        .open(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn what_an_earlier_version_left_open_is_closed_and_a_shared_directory_is_left_alone() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
        };
        let ours = place.path().join("ours");
        make_private(&ours).expect("it is made");
        assert_eq!(mode(&ours), 0o700);
        let file = ours.join("emporium.db");
        std::fs::write(&file, "").expect("it is made");
        open(&file, 0o644);
        open(&ours, 0o755);
        make_private(&ours).expect("it is closed");
        assert_eq!((mode(&ours), mode(&file)), (0o700, 0o600));

        let shared = place.path().join("shared");
        make_private(&shared).expect("it is made");
        let letter = shared.join("letter");
        std::fs::write(&letter, "").expect("it is made");
        open(&letter, 0o644);
        open(&shared, 0o777);
        make_private(&shared).expect("it is left");
        assert_eq!((mode(&shared), mode(&letter)), (0o777, 0o644));
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (file, other) = (place.path().join("node.json"), place.path().join("other"));
        std::fs::write(&other, "precious").expect("it is made");
        std::os::unix::fs::symlink(&other, place.path().join("node.json.new")).expect("a link");
        replace(&file, b"{}").expect_err("there is a link");
        assert_eq!(std::fs::read_to_string(&other).expect("it is there"), "precious");
    }
}
