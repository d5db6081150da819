//! Where the master key comes from: the file that the configuration names, or one in the data
//! directory, which is made at the first start. A key is never made for a database that has secrets
//! already: nothing would open them.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cli::Failure;
use config::Settings;
use persistence::cause::chain;
use persistence::clock::Clock;
use persistence::patience::patiently;
use persistence::secrets::rotation::{self, Rotated, RotationError};
use persistence::secrets::{
    KEY_BYTES, MasterKey, MasterKeys, SecretStore, SecretsError, Vault, master,
};

use super::private::make_private;

/// The master key within the data directory.
const KEY_FILE: &str = "master.key";

/// The most that stand in a file: while they are changed, the new one above the old one.
const KEYS_MAX: usize = 2;

/// The master keys of this node, which must be there.
pub fn known(settings: &Settings) -> Result<MasterKeys, Failure> {
    let (path, _) = file(settings);
    let missing = || Failure::Usage(format!("there is no master key in {}", path.display()));
    read(&path)?.map(|_| ()).ok_or_else(missing)?;
    reread(&path).ok_or_else(missing)
}

/// The keys of a file as it stands now, and later when it is looked at again.
fn reread(path: &Path) -> Option<MasterKeys> {
    let path = path.to_owned();
    MasterKeys::read_by(move || read(&path).unwrap_or_default())
}

/// Changes the master key of a database, beside whoever serves it.
pub async fn rotate(settings: &Settings, store: &dyn SecretStore) -> Result<Rotated, Failure> {
    let (path, is_named) = file(settings);
    let shown = path.display();
    let keys = known(settings)?.all();
    let [new, old] = match &*keys {
        [new, old] => [new.clone(), old.clone()],
        [_] if is_named || settings.general.database.is_some() => {
            return Err(Failure::Usage(format!(
                "{shown} holds one key: write a new one (openssl rand -hex {KEY_BYTES}) on a line above \
                 it, on every node of this database, and ask again; take the line below away afterwards"
            )));
        }
        [old] => {
            let new = master::draw();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            replace(&path, &format!("{}\n{}\n", digits(&new), text.trim()))
                .map_err(|error| Failure::failed(&format!("writing {shown}"), error))?;
            [MasterKey::new(&new), old.clone()]
        }
        _ => return Err(Failure::Usage(format!("{shown} holds more than {KEYS_MAX} keys"))),
    };
    let progress = |rotated: Rotated| {
        tracing::info!(persons = rotated.persons, "wrapped by the new master key");
    };
    let rotated = rotation::rotate(store, &old, &new, progress).await;
    let rotated = rotated.map_err(|error| match error {
        RotationError::WrongMasterKey => Failure::Usage(format!("{error}: look into {shown}")),
        error => Failure::failed("changing the master key", chain(&error)),
    })?;
    if !is_named && settings.general.database.is_none() {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let first = text.trim().lines().next().unwrap_or_default();
        replace(&path, &format!("{first}\n"))
            .map_err(|error| Failure::failed(&format!("writing {shown}"), error))?;
    }
    Ok(rotated)
}

/// Opens the secrets of a database that was served from, beside whoever serves it.
pub async fn open_known(
    settings: &Settings,
    store: Arc<dyn SecretStore>,
) -> Result<Vault, Failure> {
    known(settings)?;
    open(settings, store).await
}

/// Where the master key is, and whether the configuration names it.
fn file(settings: &Settings) -> (PathBuf, bool) {
    match &settings.security.key_file {
        Some(path) => (path.clone(), true),
        None => (settings.general.data.join(KEY_FILE), false),
    }
}

/// Opens the secrets of a database with the master key of this node.
pub async fn open(settings: &Settings, store: Arc<dyn SecretStore>) -> Result<Vault, Failure> {
    let (path, is_named) = file(settings);
    let is_new = read(&path)?.is_none();
    if is_new {
        first(&path, is_named, &*store).await?;
    }
    let unread = || Failure::Failed(format!("{} cannot be read any more", path.display()));
    let master = reread(&path).ok_or_else(unread)?;
    let opened = patiently("opening the secrets", || async {
        match Vault::open(Arc::clone(&store), master.clone(), Clock::system()).await {
            Err(SecretsError::Store(error)) => Err(error),
            opened => Ok(opened),
        }
    });
    let opened = opened.await.unwrap_or_else(|error| Err(SecretsError::Store(error)));
    opened.map_err(|error| match error {
        SecretsError::Store(error) => Failure::failed("opening the secrets", chain(&error)),
        wrong @ SecretsError::WrongMasterKey { .. } => {
            if is_new {
                // Another node made the secrets meanwhile: this key wraps nothing.
                _ = std::fs::remove_file(&path);
            }
            let path = path.display();
            Failure::Usage(format!(
                "{wrong}: {path} must hold the key that the other nodes have, or that was there \
                 when this database was first served from"
            ))
        }
    })
}

/// The keys in a file, the one that wraps first; nothing, if there is no file.
fn read(path: &Path) -> Result<Option<Vec<MasterKey>>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let problem = format!("the master key {} cannot be read: {error}", path.display());
            return Err(Failure::Usage(problem));
        }
    };
    let open_to_others =
        std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o77 != 0);
    if open_to_others {
        tracing::warn!(file = %path.display(), "others can read the master key; chmod 600 it");
    }
    let keys: Option<Vec<MasterKey>> =
        text.trim().lines().map(|line| Some(MasterKey::new(&parse(line.trim())?))).collect();
    match keys.filter(|keys| (1..=KEYS_MAX).contains(&keys.len())) {
        Some(keys) => Ok(Some(keys)),
        None => Err(Failure::Usage(format!(
            "{} does not hold a master key: expected {} hexadecimal digits on one line",
            path.display(),
            2 * KEY_BYTES
        ))),
    }
}

/// Makes the key of a database that has no secrets yet.
async fn first(path: &Path, is_named: bool, store: &dyn SecretStore) -> Result<(), Failure> {
    let has_secrets = patiently("looking for secrets", || store.has_secrets())
        .await
        .map_err(|error| Failure::failed("reading the secrets", chain(&error)))?;
    let shown = path.display();
    if has_secrets {
        return Err(Failure::Usage(format!(
            "there is no master key {shown}, and this database has secrets that another one wrapped: \
             put the key there, from a backup or from a node that serves this database, or say \
             where it is with key_file in [security] (EMPORIUM_SECURITY_KEY_FILE)"
        )));
    }
    if is_named {
        return Err(Failure::Usage(format!(
            "there is no master key {shown}, which the configuration names: make one \
             (openssl rand -hex {KEY_BYTES} > FILE; chmod 600 FILE), the same for all nodes of this \
             database"
        )));
    }
    let key = master::draw();
    path.parent().map_or(Ok(()), make_private)?;
    write(path, &key).map_err(|error| Failure::failed(&format!("making {shown}"), error))?;
    tracing::info!(
        file = %shown,
        "made the master key of this database: keep a copy of it, for without it what is sealed is lost"
    );
    Ok(())
}

/// The file stands whole, or the start fails: secrets are wrapped by it at once.
fn write(path: &Path, key: &[u8; KEY_BYTES]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", digits(key))?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn digits(key: &[u8; KEY_BYTES]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stood in a file stands there, or what is to stand there: at no time less.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn parse(text: &str) -> Option<[u8; KEY_BYTES]> {
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    for (place, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use persistence::secrets::Purpose;
    use persistence::secrets::memory::MemorySecrets;

    use super::*;

    fn settings(directory: &Path, key_file: Option<PathBuf>) -> Settings {
        let mut settings = Settings::default();
        settings.general.data = directory.join("data");
        settings.security.key_file = key_file;
        settings
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    async fn usage(settings: &Settings, store: &Arc<MemorySecrets>) -> String {
        match open(settings, Arc::clone(store) as Arc<dyn SecretStore>).await {
            Err(Failure::Usage(sentence)) => sentence,
            Err(other) => panic!("exit status 2 was expected, not {other}"),
            Ok(_) => panic!("the secrets were opened"),
        }
    }

    #[tokio::test]
    async fn a_first_start_makes_a_key_that_its_owner_alone_can_read_and_a_second_one_uses_it() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (settings, store) = (settings(place.path(), None), Arc::new(MemorySecrets::default()));
        let first = open(&settings, store.clone()).await.expect("it is made");
        let second = open(&settings, store).await.expect("it is read");
        let ids = |vault: &Vault| vault.installation.secret(Purpose::Ids);
        assert_eq!(ids(&first), ids(&second));
        assert_eq!(mode(&place.path().join("data")), 0o700);
        assert_eq!(mode(&place.path().join("data/master.key")), 0o600);
    }

    #[tokio::test]
    async fn a_key_is_never_made_for_secrets_that_are_there() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let store = Arc::new(MemorySecrets::default());
        let settings = settings(place.path(), None);
        open(&settings, store.clone()).await.expect("it is made");
        let file = place.path().join("data/master.key");
        let key = std::fs::read_to_string(&file).expect("it was made");
        std::fs::remove_file(&file).expect("it can be lost");
        let sentence = usage(&settings, &store).await;
        assert!(sentence.contains("from a backup") && sentence.contains("key_file"), "{sentence}");
        assert!(!file.exists());
        for (wrong, hint) in [("0".repeat(64), "must hold the key"), (key[1..].to_owned(), "64")] {
            std::fs::write(&file, wrong).expect("it can be written");
            let sentence = usage(&settings, &store).await;
            assert!(sentence.contains(hint), "{sentence}");
        }
        std::fs::write(&file, key).expect("it can be put back");
        open(&settings, store).await.expect("it is read");
    }

    #[tokio::test]
    async fn a_file_that_is_named_must_be_there() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (store, file) = (Arc::new(MemorySecrets::default()), place.path().join("key"));
        let settings = settings(place.path(), Some(file.clone()));
        assert!(usage(&settings, &store).await.contains("openssl rand -hex 32"));
        std::fs::write(&file, format!("{}\n", "aB".repeat(32))).expect("it can be made");
        open(&settings, store).await.expect("it is read");
    }
}
