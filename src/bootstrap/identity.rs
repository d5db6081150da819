//! Who this node is: its name, this life of it, and what its data directory proves of former lives.
//!
//! The directory is locked for as long as the process lives, whatever database it serves. So
//! whoever holds the lock and finds in it that a former life was called so knows that this life is
//! over, and need not wait for its leases. A directory that was copied proves nothing: it is
//! another one, and begins anew.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::private::{make_private, replace};
use ::cluster::ownership::Standing;
use cli::Failure;
use config::Settings;
use persistence::journal::{Owner, Seq, ShardId};
use persistence_sql::sqlite::FileLock;

/// What is kept of the node in its data directory.
const NODE_FILE: &str = "node.json";

/// Former lives that are remembered: some may have ended before they took anything.
const LIVES_MAX: usize = 16;

/// The longest host name that becomes part of a node's name, in bytes.
const HOST_BYTES_MAX: usize = 40;

/// See the module.
#[derive(Clone, Debug)]
pub struct Identity {
    pub name: String,
    pub incarnation: Uuid,
    /// Former lives that have ended for certain.
    pub ended: Vec<Uuid>,
    /// No other process can serve this database.
    pub alone: bool,
    /// What former lives are known to have acknowledged.
    pub acknowledged: BTreeMap<ShardId, Seq>,
}

impl Identity {
    /// A node that knows nothing of former lives.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            incarnation: Uuid::new_v4(),
            ended: Vec::new(),
            alone: false,
            acknowledged: BTreeMap::new(),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        Standing {
            owner: Owner { node: self.name.clone(), incarnation: self.incarnation },
            alone: self.alone,
            ended: self.ended.clone(),
            acknowledged: self.acknowledged.clone(),
        }
    }
}

/// The data directory of this process, locked.
pub struct DataDirectory {
    pub identity: Identity,
    _lock: FileLock,
}

impl DataDirectory {
    /// Locks the directory, which is made if need be, and begins another life in it.
    pub fn open(settings: &Settings) -> Result<Self, Failure> {
        let path = &settings.general.data;
        let lock = Self::lock(path)?;
        let failed =
            |error| Failure::failed(&format!("keeping {NODE_FILE} in {}", path.display()), error);
        let mut kept = Kept::read(path).map_err(failed)?;
        let mut identity = Identity::named(&name(settings, &kept.suffix));
        identity.alone = settings.general.database.is_none();
        identity.ended.clone_from(&kept.lives);
        kept.begin(identity.incarnation);
        kept.write(path).map_err(failed)?;
        Ok(Self { identity, _lock: lock })
    }

    /// Keeps every other process off a directory, which is made if need be.
    pub fn lock(path: &Path) -> Result<FileLock, Failure> {
        make_private(path)?;
        FileLock::acquire(path).map_err(|error| Failure::Failed(error.to_string()))
    }
}

/// The configured name, or one that no other directory has.
fn name(settings: &Settings, suffix: &str) -> String {
    if let Some(name) = &settings.node.name {
        return name.clone();
    }
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let host: String = host.chars().filter(char::is_ascii_graphic).take(HOST_BYTES_MAX).collect();
    format!("{}-{suffix}", if host.is_empty() { "node" } else { &host })
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// What makes the name of this node unlike any other's.
    suffix: String,
    /// Which directory this is, by the number that the file system has for it.
    directory: u64,
    /// The lives that began here, the last one last.
    lives: Vec<Uuid>,
}

impl Kept {
    /// What is kept in the directory, or a new beginning where there is nothing, or where it was
    /// copied from elsewhere.
    fn read(directory: &Path) -> std::io::Result<Self> {
        let number = std::fs::metadata(directory)?.ino();
        let text = match std::fs::read_to_string(file(directory)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let found = serde_json::from_str::<Self>(&text).ok();
        if let Some(kept) = found.filter(|kept| kept.directory == number) {
            return Ok(kept);
        }
        if !text.is_empty() {
            tracing::warn!(
                "{NODE_FILE} is not of this data directory, or damaged: this node gets a new name \
                 and waits for the leases of its former life"
            );
        }
        let random = Uuid::new_v4().simple().to_string();
        Ok(Self { suffix: random[..8].to_owned(), directory: number, lives: Vec::new() })
    }

    fn begin(&mut self, life: Uuid) {
        self.lives.push(life);
        let excess = self.lives.len().saturating_sub(LIVES_MAX);
        self.lives.drain(..excess);
    }

    /// Replaces the file whole.
    fn write(&self, directory: &Path) -> std::io::Result<()> {
        replace(&file(directory), &serde_json::to_vec_pretty(self)?)
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join(NODE_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(directory: &Path) -> Settings {
        let mut settings = Settings::default();
        settings.general.data = directory.to_owned();
        settings
    }

    #[test]
    fn a_directory_keeps_its_name_and_knows_the_lives_that_ended() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let settings = settings(directory.path());
        let first = DataDirectory::open(&settings).expect("it can be opened").identity;
        let second = DataDirectory::open(&settings).expect("the first one is gone").identity;
        assert_eq!(second.name, first.name);
        assert_ne!(second.incarnation, first.incarnation);
        assert_eq!((first.ended, second.ended), (vec![], vec![first.incarnation]));
    }

    #[test]
    fn a_life_that_is_not_over_is_not_taken_for_one_that_is() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let settings = settings(directory.path());
        let living = DataDirectory::open(&settings).expect("it can be opened");
        let refusal = DataDirectory::open(&settings).err().expect("the first one lives");
        assert!(refusal.to_string().contains("--data"), "{refusal}");
        drop(living);
    }

    #[test]
    fn a_copied_directory_is_another_node_that_proves_nothing() {
        let (one, other) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
        let living = DataDirectory::open(&settings(one.path())).expect("it can be opened");
        std::fs::copy(file(one.path()), file(other.path())).expect("a file is copied");
        let copied = DataDirectory::open(&settings(other.path())).expect("nobody is there");
        assert_ne!(copied.identity.name, living.identity.name);
        assert!(copied.identity.ended.is_empty());
    }

    #[test]
    fn a_name_that_is_configured_is_the_name() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut settings = settings(directory.path());
        settings.node.name = Some("till-7".to_owned());
        let identity = DataDirectory::open(&settings).expect("it can be opened").identity;
        assert_eq!(identity.name, "till-7");
    }
}
