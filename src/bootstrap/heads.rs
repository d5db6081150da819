//! What this node has acknowledged, kept in its data directory: a database that lost its tail, such as
//! a replica that was promoted, does not know what it lost. Written with each renewal and not
//! flushed, so that it may lag behind, and is there after a crash of the process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::private::replace;
use persistence::journal::{Seq, ShardId};
use persistence::secrets::Installation;

/// The file in the data directory.
const HEADS_FILE: &str = "heads.json";

/// See the module.
pub struct Heads {
    file: PathBuf,
    kept: Kept,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Whose heads these are: the directory may have served another database.
    installation: String,
    acknowledged: BTreeMap<ShardId, Seq>,
}

impl Heads {
    /// What former lives here have acknowledged in the database of this installation.
    pub fn read(directory: &Path, installation: &Installation) -> Self {
        let file = directory.join(HEADS_FILE);
        let installation = installation.name();
        let found = std::fs::read(&file).ok();
        let found = found.and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let kept = found.filter(|kept| kept.installation == installation);
        let nothing = || Kept { installation, acknowledged: BTreeMap::new() };
        Self { file, kept: kept.unwrap_or_else(nothing) }
    }

    pub fn acknowledged(&self) -> &BTreeMap<ShardId, Seq> {
        &self.kept.acknowledged
    }

    /// Keeps what is sent here from now on, on the current runtime, until the sender is gone.
    pub fn keep(mut self) -> watch::Sender<BTreeMap<ShardId, Seq>> {
        let (sender, mut heads) = watch::channel(self.kept.acknowledged.clone());
        tokio::spawn(async move {
            while heads.changed().await.is_ok() {
                self.kept.acknowledged = heads.borrow_and_update().clone();
                let written = tokio::task::spawn_blocking(move || {
                    let result = self.write();
                    (self, result)
                });
                let Ok((heads, result)) = written.await else { return };
                self = heads;
                if let Err(error) = result {
                    tracing::warn!(%error, file = %self.file.display(), "heads not kept");
                }
            }
        });
        sender
    }

    /// Replaces the file whole.
    fn write(&self) -> std::io::Result<()> {
        replace(&self.file, &serde_json::to_vec(&self.kept)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn heads_outlive_the_process_and_are_of_one_database() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let installation = Installation::fixed();
        let heads = Heads::read(directory.path(), &installation);
        assert!(heads.acknowledged().is_empty());
        let acknowledged = BTreeMap::from([(0, 7), (3, 9)]);
        heads.keep().send_replace(acknowledged.clone());
        let file = directory.path().join(HEADS_FILE);
        while !file.exists() {
            tokio::task::yield_now().await;
        }
        let heads = Heads::read(directory.path(), &installation);
        assert_eq!(*heads.acknowledged(), acknowledged);

        let mut other = heads.kept;
        other.installation = "another".to_owned();
        std::fs::write(&file, serde_json::to_vec(&other).expect("JSON")).expect("it is written");
        assert!(Heads::read(directory.path(), &installation).acknowledged().is_empty());
    }
}
