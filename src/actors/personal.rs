//! What is personal, opened and sealed for whoever asks aggregates: with the keys of persons that the
//! node's vault has. An aggregate itself, and all that follows it, only ever has the sealed form.

use std::time::Duration;

use super::aggregate_ref::{Engine, Fault};
use domain::sealed::{
    BlindIndex, Indexed, Opened, PersonId, PersonKey, Personal, Sealed, SealedIndexed,
};
use persistence::cause::Cause;
use persistence::secrets::persons::NoKey;

const RETRY: Duration = Duration::from_millis(250);

impl Engine {
    /// The key to seal what is about a person, made if there is none. It is durable when this
    /// returns, and so before anything that is sealed under it; unless what it is for is not `kept`.
    pub async fn person_key(
        &self,
        person: PersonId,
        kept: bool,
    ) -> Result<impl PersonKey + use<>, Fault> {
        let persons = &self.services.vault.persons;
        self.in_time(async {
            if kept { persons.of(person).await } else { persons.of_passing(person).await }
        })
        .await
    }

    /// The key by which what is sealed of a person is opened; nothing, if it was destroyed or never was.
    pub async fn known_person_key(
        &self,
        person: PersonId,
    ) -> Result<Option<impl PersonKey + use<>>, Fault> {
        self.in_time(self.services.vault.persons.find(person)).await
    }

    /// Destroys a person's key: what is sealed under it is never read again. Another node that has it opened
    /// forgets it within a minute.
    pub async fn destroy_person_key(&self, person: PersonId) -> Result<(), Fault> {
        self.in_time(self.services.vault.persons.destroy(person)).await
    }

    /// Seals a text that is compared among all persons.
    pub fn seal_indexed<T: Indexed>(&self, text: &T, key: &impl PersonKey) -> SealedIndexed<T> {
        SealedIndexed::new(text, key, &self.services.vault.index)
    }

    /// By which a text is found.
    pub fn index_of<T: Indexed>(&self, text: &T) -> BlindIndex {
        BlindIndex::of(text, &self.services.vault.index)
    }

    /// What a sealed text says, or that its person was erased. A fault only where keys cannot be
    /// read now, or the text was changed since.
    pub async fn open<T: Personal>(&self, sealed: &Sealed<T>) -> Result<Opened<T>, Fault> {
        let person = sealed.person();
        let key = self.in_time(self.services.vault.persons.find(person)).await?;
        sealed.open(key.as_ref()).map_err(|error| {
            let place = format_args!("{} of person {}", T::KIND, person.0);
            Fault::Unreadable { source: Cause::of(error).at(place) }
        })
    }

    async fn in_time<K>(&self, key: impl Future<Output = Result<K, NoKey>>) -> Result<K, Fault> {
        match tokio::time::timeout(self.services.deadline(), key).await {
            Ok(key) => key.map_err(fault),
            Err(_) => Err(Fault::unavailable("the keys of persons were not read in time", RETRY)),
        }
    }
}

fn fault(error: NoKey) -> Fault {
    let reason = match error {
        NoKey::Overloaded => return Fault::Overloaded { retry_after: RETRY },
        NoKey::Unavailable(_) => "the keys of persons cannot be used now",
        NoKey::Damaged => "a key of a person cannot be opened",
    };
    let source = Some(Cause::of(error));
    Fault::Unavailable { reason: reason.into(), retry_after: RETRY, source }
}
