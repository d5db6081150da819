//! The fields of the index, and which words of a product stand in which of them.
//!
//! Words stand without frequencies and positions: a product's name is a handful of words, and what
//! ranks it is in which of its texts a word stands and how well it fits, see [`plan`](crate::plan).

use std::collections::{BTreeMap, BTreeSet};

use tantivy::TantivyDocument;
use tantivy::Term;
use tantivy::schema::{FAST, INDEXED};
use tantivy::schema::{
    Field, IndexRecordOption, JsonObjectOptions, OwnedValue, STORED, Schema, SchemaBuilder,
    TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{PreTokenizedString, Token};

use crate::language::Language;
use crate::row::Row;
use crate::stock::variant_key;
use crate::words::{beginnings, words};
use domain::id::AggregateId;
use domain::products::product::{Status, Translation};

/// The form of the index. One of another form is begun anew: raise it with whatever changes what is
/// stored, the rules for words included.
pub const FORM: u32 = 2;

/// A name on which a test sees a document fail.
#[cfg(test)]
pub const PLANTED_PANIC: &str = "planted panic";

/// Takes words as they are.
const RAW: &str = "raw";

/// The fields of one language: the stems of each text.
#[derive(Clone, Debug)]
pub struct Stems {
    pub language: Language,
    pub title: Field,
    pub label: Field,
    pub body: Field,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Fields {
    pub schema: Schema,
    pub id: Field,
    /// Whole, in lower case.
    pub sku: Field,
    /// The words of the name.
    pub title: Field,
    /// The words of family, variants and stock keeping units.
    pub label: Field,
    /// The beginnings of all words of both.
    pub starts: Field,
    pub stems: Vec<Stems>,
    row: Field,
    id_high: Field,
    id_low: Field,
    status: Field,
    title_words: Field,
    created: Field,
    family: Field,
    variant: Field,
    variant_keys: Field,
    prices: Field,
}

/// The names of the columns that are read while searching.
pub mod column {
    pub const ID_HIGH: &str = "id_high";
    pub const ID_LOW: &str = "id_low";
    pub const STATUS: &str = "status";
    pub const TITLE_WORDS: &str = "title_words";
    pub const CREATED: &str = "created";
    pub const FAMILY: &str = "family";
    pub const VARIANT: &str = "variant";
    pub const VARIANT_KEYS: &str = "variant_keys";
    pub const PRICES: &str = "prices";

    /// The name of a price list within the column of prices.
    pub fn price_key(list: domain::id::PriceListId) -> String {
        list.0.simple().to_string()
    }
}

impl Fields {
    pub fn new(languages: &[Language]) -> Self {
        let mut builder = Schema::builder();
        let id = builder.add_bytes_field("id", INDEXED);
        let row = builder.add_text_field("row", STORED);
        let sku = word_field(&mut builder, "sku");
        let title = word_field(&mut builder, "title");
        let label = word_field(&mut builder, "label");
        let starts = word_field(&mut builder, "starts");
        let mut stems = |language: &Language| {
            let tag = language.tag();
            Stems {
                language: *language,
                title: word_field(&mut builder, &format!("title_{tag}")),
                label: word_field(&mut builder, &format!("label_{tag}")),
                body: word_field(&mut builder, &format!("body_{tag}")),
            }
        };
        let distinct: BTreeSet<_> = languages.iter().collect();
        let stems = distinct.into_iter().map(&mut stems).collect();
        let text = || TextOptions::default().set_fast(RAW);
        Self {
            id,
            sku,
            title,
            label,
            starts,
            stems,
            row,
            id_high: builder.add_u64_field(column::ID_HIGH, FAST),
            id_low: builder.add_u64_field(column::ID_LOW, FAST),
            status: builder.add_u64_field(column::STATUS, FAST),
            title_words: builder.add_u64_field(column::TITLE_WORDS, FAST),
            created: builder.add_i64_field(column::CREATED, FAST),
            family: builder.add_text_field(column::FAMILY, text()),
            variant: builder.add_text_field(column::VARIANT, text()),
            variant_keys: builder.add_u64_field(column::VARIANT_KEYS, FAST),
            prices: builder
                .add_json_field(column::PRICES, JsonObjectOptions::default().set_fast(RAW)),
            schema: builder.build(),
        }
    }

    /// What names a product among all.
    pub fn term_of(&self, id: AggregateId) -> Term {
        Term::from_field_bytes(self.id, id.0.as_bytes())
    }

    /// The row as it was stored.
    pub fn row_of(&self, document: &TantivyDocument) -> Result<Row, serde_json::Error> {
        use tantivy::schema::Value as _;
        let text = document.get_first(self.row).and_then(|value| value.as_str());
        serde_json::from_str(text.unwrap_or_default())
    }

    /// All that is stored of a product.
    pub fn document(&self, row: &Row) -> Result<TantivyDocument, serde_json::Error> {
        let product = &row.product;
        #[cfg(test)]
        assert_ne!(product.name, PLANTED_PANIC);
        let title = words(&product.name);
        let mut label = words(&product.family);
        for variant in product.variants.values() {
            label.extend(words(&variant.name));
            label.extend(words(&variant.sku));
        }
        let body = words(&product.description);
        // Words in other languages are found as they are written, and by the stems of their own language;
        // of one that is not known here, by those of any.
        let others: Vec<Described> = product.translations.iter().map(Described::of).collect();
        let label = distinct(label);

        let mut document = TantivyDocument::default();
        document.add_bytes(self.id, row.id.0.as_bytes());
        document.add_text(self.row, serde_json::to_string(row)?);
        let (high, low) = row.id.0.as_u64_pair();
        document.add_u64(self.id_high, high);
        document.add_u64(self.id_low, low);
        document.add_u64(self.status, status_number(product.status));
        document.add_u64(self.title_words, title.len() as u64);
        document.add_i64(self.created, row.created_us);
        document.add_text(self.family, &product.family);
        for name in distinct(product.variants.values().map(|variant| variant.name.clone())) {
            document.add_text(self.variant, name);
        }
        for variant in product.variants.keys() {
            document.add_u64(self.variant_keys, variant_key(*variant));
        }
        if let Some(prices) = lowest_prices(row) {
            document.add_object(self.prices, prices);
        }

        let skus = product.variants.values().map(|variant| variant.sku.to_lowercase());
        add_words(&mut document, self.sku, skus);
        let named = title.iter().chain(&label).chain(others.iter().flat_map(|other| &other.title));
        let starts = named.flat_map(|word| beginnings(word)).map(str::to_owned);
        add_words(&mut document, self.starts, distinct(starts));
        for stems in &self.stems {
            let stem = |word: &String| stems.language.stem(word);
            let says = |word: &&String| !stems.language.is_filler(word);
            let known = |language: Language| self.stems.iter().any(|all| all.language == language);
            let fits = |described: &&Described| match described.language.filter(|one| known(*one)) {
                Some(language) => language == stems.language,
                None => true,
            };
            let of_names = others.iter().filter(fits).flat_map(|other| &other.title);
            let of_bodies = others.iter().filter(fits).flat_map(|other| &other.body);
            let titles = title.iter().chain(of_names).map(stem);
            add_words(&mut document, stems.title, distinct(titles));
            add_words(&mut document, stems.label, distinct(label.iter().map(stem)));
            let bodies = body.iter().chain(of_bodies).filter(says).map(stem);
            add_words(&mut document, stems.body, distinct(bodies));
        }
        add_words(&mut document, self.label, label);
        let titles = title.into_iter().chain(others.into_iter().flat_map(|other| other.title));
        add_words(&mut document, self.title, distinct(titles));
        Ok(document)
    }
}

/// How a product is described in one more language.
struct Described {
    /// None where its stems are not known.
    language: Option<Language>,
    title: Vec<String>,
    body: Vec<String>,
}

impl Described {
    fn of((tag, text): (&String, &Translation)) -> Self {
        let (title, body) = (words(&text.name), words(&text.description));
        Self { language: Language::of_tag(tag), title, body }
    }
}

/// How a status stands in its column.
pub fn status_number(status: Status) -> u64 {
    match status {
        Status::Draft => 0,
        Status::Published => 1,
        Status::Archived => 2,
    }
}

/// The least that a variant costs, in each price list.
fn lowest_prices(row: &Row) -> Option<BTreeMap<String, OwnedValue>> {
    let mut lowest = BTreeMap::new();
    for (list, price) in row.product.variants.values().flat_map(|variant| &*variant.prices) {
        let minor = price.amount.minor;
        let least = lowest.entry(column::price_key(*list)).or_insert(minor);
        *least = minor.min(*least);
    }
    let prices = lowest.into_iter().map(|(list, minor)| (list, OwnedValue::I64(minor)));
    let prices: BTreeMap<_, _> = prices.collect();
    (!prices.is_empty()).then_some(prices)
}

fn word_field(builder: &mut SchemaBuilder, name: &str) -> Field {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(RAW)
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false);
    builder.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
}

fn distinct(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut words: Vec<_> = words.into_iter().collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn add_words(
    document: &mut TantivyDocument,
    field: Field,
    words: impl IntoIterator<Item = String>,
) {
    let token = |(position, text): (usize, String)| Token {
        position,
        offset_from: 0,
        offset_to: text.len(),
        position_length: 1,
        text,
    };
    let tokens: Vec<_> = words.into_iter().enumerate().map(token).collect();
    if !tokens.is_empty() {
        let text = PreTokenizedString { text: String::new(), tokens };
        document.add_pre_tokenized_text(field, text);
    }
}
