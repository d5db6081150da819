//! The index as it is written: opened, begun anew where it cannot be used, filled, and committed
//! together with its writer's place in the logs.
//!
//! One commit is one moment: after a crash at any point the index is as the last commit left it,
//! place included. What was applied behind it is gone, and comes again from the logs.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tantivy::directory::{MmapDirectory, RamDirectory};
use tantivy::indexer::IndexWriterOptions;
use tantivy::merge_policy::LogMergePolicy;
use tantivy::{Directory, IndexReader, IndexWriter, ReloadPolicy};

use crate::SearchError;
use crate::catalogue::Catalogue;
use crate::language::Language;
use crate::metrics::{COMMIT_SECONDS, WRITTEN};
use crate::row::Row;
use crate::schema::{FORM, Fields};
use domain::id::AggregateId;

/// The folder of the index in the data directory.
const FOLDER: &str = "search";
/// What a writer gathers in memory before it writes a segment, in bytes.
const WRITER_BYTES: usize = 32 << 20;
/// A segment of which so much was deleted is written anew.
const DELETED_RATIO_MAX: f32 = 0.3;
/// Blocks of stored rows that a reader keeps unpacked.
const CACHED_BLOCKS: usize = 64;

/// Where an index lives, and whose it is.
#[derive(Clone, Debug, Default)]
pub struct Home {
    /// The data directory; none: in memory, for as long as the process lives.
    pub data: Option<PathBuf>,
    /// Which installation it is of: a folder of another one is not read.
    pub installation: String,
    pub languages: Vec<Language>,
}

/// An index that is open for writing. Its calls block: they read and write files.
pub struct Index {
    fields: Fields,
    writer: Mutex<IndexWriter>,
    reader: IndexReader,
    mark: Mark,
}

/// What an index is of; one with another mark is of no use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Mark {
    form: u32,
    installation: String,
    languages: Vec<Language>,
}

/// What stands in a commit beside the documents.
#[derive(Serialize, Deserialize)]
struct Payload<P> {
    mark: Mark,
    place: P,
}

impl Home {
    fn folder(&self) -> Option<PathBuf> {
        self.data.as_ref().map(|data| data.join(FOLDER))
    }

    fn mark(&self) -> Mark {
        let (installation, languages) = (self.installation.clone(), self.languages.clone());
        Mark { form: FORM, installation, languages }
    }

    /// Opens what is there, with the place that its last commit names. What cannot be used is begun
    /// anew, without a place: it is missing or damaged, of another form, or not of this installation.
    pub fn open<P: DeserializeOwned>(&self) -> Result<(Index, Option<P>), SearchError> {
        let Some(folder) = self.folder() else { return Ok((self.begin()?, None)) };
        // A file that is not what it should be may well make its reader panic.
        match catch_unwind(AssertUnwindSafe(|| self.open_folder(&folder))) {
            Ok(Ok(Some((index, place)))) => return Ok((index, Some(place))),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the search index cannot be used and is built anew");
            }
            Err(_) => tracing::warn!("the search index cannot be read and is built anew"),
        }
        Ok((self.begin()?, None))
    }

    /// Begins anew, empty.
    pub fn begin(&self) -> Result<Index, SearchError> {
        let fields = Fields::new(&self.languages);
        let directory: Box<dyn Directory> = match self.folder() {
            None => Box::new(RamDirectory::create()),
            Some(folder) => {
                clear(&folder)?;
                fs::create_dir_all(&folder)?;
                Box::new(MmapDirectory::open(&folder).map_err(tantivy::TantivyError::from)?)
            }
        };
        let index = tantivy::Index::create(directory, fields.schema.clone(), <_>::default())?;
        Index::over(&index, fields, self.mark())
    }

    fn open_folder<P: DeserializeOwned>(
        &self,
        folder: &Path,
    ) -> Result<Option<(Index, P)>, SearchError> {
        if !folder.exists() {
            return Ok(None);
        }
        let directory = MmapDirectory::open(folder).map_err(tantivy::TantivyError::from)?;
        if !tantivy::Index::exists(&directory).map_err(tantivy::TantivyError::from)? {
            return Ok(None);
        }
        let index = tantivy::Index::open(directory)?;
        let Some(payload) = index.load_metas()?.payload else { return Ok(None) };
        let payload: Payload<&RawValue> = serde_json::from_str(&payload)?;
        let fields = Fields::new(&self.languages);
        if payload.mark != self.mark() || index.schema() != fields.schema {
            tracing::info!("the search index is of another form and is built anew");
            return Ok(None);
        }
        let damaged = index.validate_checksum()?;
        if !damaged.is_empty() {
            tracing::warn!(files = damaged.len(), "the search index is damaged and is built anew");
            return Ok(None);
        }
        let place = serde_json::from_str(payload.place.get())?;
        Ok(Some((Index::over(&index, fields, self.mark())?, place)))
    }
}

/// Takes a folder out of the way. What an earlier life was merging may still be written into it: so
/// it is moved first, and what then cannot be removed is left to the next time.
fn clear(folder: &Path) -> Result<(), SearchError> {
    let gone = folder.with_extension("gone");
    let _ = fs::remove_dir_all(&gone);
    if folder.exists() {
        fs::rename(folder, &gone)?;
    }
    let _ = fs::remove_dir_all(&gone);
    Ok(())
}

impl Index {
    fn over(index: &tantivy::Index, fields: Fields, mark: Mark) -> Result<Self, SearchError> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(WRITER_BYTES)
            .build();
        let writer: IndexWriter = index.writer_with_options(options)?;
        let mut merging = LogMergePolicy::default();
        merging.set_del_docs_ratio_before_merge(DELETED_RATIO_MAX);
        writer.set_merge_policy(Box::new(merging));
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(CACHED_BLOCKS)
            .try_into()?;
        Ok(Self { fields, writer: Mutex::new(writer), reader, mark })
    }

    /// Puts rows in the place of what stands there of their products. Nothing of it is found before
    /// the next commit. Those that cannot be indexed are named, with the reason, and left as they were.
    pub fn apply<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
    ) -> Result<Vec<(AggregateId, String)>, SearchError> {
        let writer = self.writer.lock();
        let mut unfit = Vec::new();
        for row in rows {
            let reason = match catch_unwind(AssertUnwindSafe(|| self.fields.document(row))) {
                Ok(Ok(document)) => {
                    writer.delete_term(self.fields.term_of(row.id));
                    writer.add_document(document)?;
                    WRITTEN.inc();
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it panicked".to_owned(),
            };
            unfit.push((row.id, reason));
        }
        Ok(unfit)
    }

    /// Makes what was applied durable and findable, with the writer's place in the logs.
    pub fn commit(&self, place: &impl Serialize) -> Result<Catalogue, SearchError> {
        let began = Instant::now();
        let payload = serde_json::to_string(&Payload { mark: self.mark.clone(), place })?;
        let mut writer = self.writer.lock();
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&payload);
        commit.commit()?;
        drop(writer);
        let catalogue = self.catalogue()?;
        COMMIT_SECONDS.observe(began.elapsed().as_secs_f64());
        Ok(catalogue)
    }

    /// What is found as of the last commit.
    pub fn catalogue(&self) -> Result<Catalogue, SearchError> {
        self.reader.reload()?;
        Ok(Catalogue::over(self.reader.searcher(), self.fields.clone()))
    }
}
