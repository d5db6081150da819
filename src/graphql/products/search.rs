//! Products by what they are called: ranked, by parts of words and with typing errors, with facets.

use std::collections::BTreeSet;

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use chrono::DateTime;
use uuid::Uuid;

use super::ProductNode;
use super::types::ProductStatus;
use crate::context::{Loaded, application, engine, take_values};
use crate::cursors::Cursors;
use crate::errors::{FORBIDDEN, INVALID_VALUE, coded, fault};
use crate::ids::PublicPriceListId;
use crate::lists::{Listed as _, lacks};
use crate::positions::PositionToken;
use crate::scalars::{GivenPosition, Long};
use crate::texts::Text;
use actors::reading::Reading;
use actors::search::Searched;
use application::caller::Caller;
use domain::access::permission::Permission;
use domain::id::AggregateId;
use domain::money::{Currency, Money, MoneyError};
use domain::products::price_list::default_list;
use domain::products::product::Status;
use projections::position::Position;
use projections::table::{self, Value};
use search::query::{FACET_VALUES_MAX, PriceRange};
use search::{
    FacetField, Highlighter, Hit, InvalidQuery, Key, Language, Matched, Order, Piece, Query, Wanted,
};

#[derive(Default)]
pub struct SearchQuery;

/// What products must have beside the words.
#[derive(InputObject, Default)]
pub struct ProductSearchFilter {
    /// Of one of these families; 50 at most.
    #[graphql(default)]
    pub families: Vec<String>,
    /// With a variant of one of these names; 50 at most.
    #[graphql(default)]
    pub variants: Vec<String>,
    pub price: Option<PriceRangeInput>,
    /// In one of these states; only who may change products may ask for other than `PUBLISHED`.
    pub statuses: Option<Vec<ProductStatus>>,
    /// With a variant that can be had at some place, or with none. Of the stock of about a second ago.
    pub in_stock: Option<bool>,
}

/// What the cheapest variant costs in a price list, as it stands there; both ends are within.
#[derive(InputObject)]
pub struct PriceRangeInput {
    /// The currency's default list, if none is named.
    pub price_list_id: Option<PublicPriceListId>,
    /// ISO 4217, upper case.
    pub currency: String,
    /// In major units with all decimals of the currency.
    pub from: Option<String>,
    pub to: Option<String>,
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductSearchOrder {
    /// What fits best first; of two that fit alike, the one with the shorter name.
    Relevance,
    Newest,
    /// By the cheapest variant, in the price list of `where.price`.
    Cheapest,
    /// The same the other way round.
    Dearest,
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchMatch {
    /// What was found has every word.
    AllWords,
    /// Nothing has every word: what was found has some, most first.
    SomeWords,
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductFacetField {
    Family,
    /// The names of variants: sizes, colours.
    Variant,
}

#[Object]
impl SearchQuery {
    /// Products by the words of a text (200 characters and 8 words at most), or all with an empty
    /// one. A word is met by itself, by its other forms in the language, or with one letter wrong, two
    /// in a long word; the last one by its beginning too. Names count for more than families, variants
    /// and SKUs, and those for more than descriptions; a whole SKU is first of all. A `language` that
    /// products are not searched in is taken for none: then the forms of words in all languages are.
    #[graphql(complexity = "first as usize * child_complexity + 20")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn search_products(
        &self,
        context: &Context<'_>,
        #[graphql(default)] query: String,
        #[graphql(name = "where", default)] filter: ProductSearchFilter,
        language: Option<String>,
        #[graphql(default_with = "ProductSearchOrder::Relevance")] order_by: ProductSearchOrder,
        #[graphql(default = 20)] first: i32,
        after: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<ProductSearchConnection> {
        let order = match order_by {
            ProductSearchOrder::Relevance => Order::Relevance,
            ProductSearchOrder::Newest => Order::Newest,
            ProductSearchOrder::Cheapest => Order::Cheapest,
            ProductSearchOrder::Dearest => Order::Dearest,
        };
        let wanted = wanted(context, filter)?;
        let mut asked = Query::new(&query, wanted, order).map_err(|error| invalid(&error))?;
        asked.first = usize::try_from(first).unwrap_or(0);
        let indexed = application(context).views.registry().searches.languages();
        let language = language.as_deref().and_then(Language::of_tag);
        // One that is not known here is no reason to find nothing: then it is any of them.
        asked.languages = language.filter(|one| indexed.contains(one)).into_iter().collect();
        let selected = |name| context.field().selection_set().any(|field| field.name() == name);
        if selected("facets") {
            asked.facets = vec![FacetField::Family, FacetField::Variant];
            asked.facet_values = FACET_VALUES_MAX;
        }
        asked.counts_stock = selected("inStockCount");
        let list = List::of(&asked, context);
        asked.after = after.map(|after| list.key(&after)).transpose()?;
        let at_least = at_least.map(|position| position.read(context)).transpose()?;
        let has_previous_page = asked.after.is_some();
        let highlighter = Highlighter::new(&asked, indexed);
        let languages =
            if asked.languages.is_empty() { indexed.to_vec() } else { asked.languages.clone() };
        let searched = find(context, at_least, asked).await?;
        Ok(ProductSearchConnection { searched, list, has_previous_page, languages, highlighter })
    }
}

async fn find(context: &Context<'_>, at_least: Option<Position>, query: Query) -> Result<Searched> {
    lacks(context, at_least.as_ref())?;
    let registry = application(context).views.registry();
    let runtime = &engine(context).services.runtime;
    let found = registry.searches.find(runtime, at_least.as_ref(), &registry.stocked, query);
    found.await.map_err(|error| fault(&error))
}

fn wanted(context: &Context<'_>, filter: ProductSearchFilter) -> Result<Wanted> {
    let ProductSearchFilter { families, variants, price, statuses, in_stock } = filter;
    let statuses: Vec<Status> = match statuses {
        None => vec![Status::Published],
        Some(statuses) => statuses.into_iter().map(Status::from).collect(),
    };
    let principal = &context.data_unchecked::<Caller>().principal;
    let is_open = statuses.iter().all(|status| *status == Status::Published);
    if !is_open && !principal.grants.may_everywhere(Permission::CatalogueWrite) {
        return Err(coded(FORBIDDEN, "only published products are open to you"));
    }
    let price = price
        .map(range)
        .transpose()
        .map_err(|error| coded(error.code(), format!("where.price: {error}")))?;
    Ok(Wanted { families, variants, price, statuses, in_stock })
}

fn range(price: PriceRangeInput) -> Result<PriceRange, MoneyError> {
    let currency = Currency::from_code(&price.currency)?;
    let end = |amount: Option<String>| {
        amount.map(|amount| Ok(Money::parse(&amount, currency)?.minor)).transpose()
    };
    let list = price.price_list_id.map_or_else(|| default_list(currency), Into::into);
    Ok(PriceRange { list, from: end(price.from)?, to: end(price.to)? })
}

fn invalid(error: &InvalidQuery) -> async_graphql::Error {
    let code = match error {
        InvalidQuery::TextTooLong | InvalidQuery::TooManyValues { .. } => "SEARCH_TOO_LONG",
        InvalidQuery::PriceListMissing | InvalidQuery::EmptyRange => INVALID_VALUE,
    };
    let field = match error {
        InvalidQuery::TextTooLong => "query",
        InvalidQuery::TooManyValues { field, .. } => field,
        InvalidQuery::PriceListMissing | InvalidQuery::EmptyRange => "where.price",
    };
    coded(code, format!("{field}: {error}"))
}

/// The list of a query, whose cursors only it takes.
struct List(Cursors);

impl List {
    fn of(query: &Query, context: &Context<'_>) -> Self {
        Self(Cursors::of(context, format!("search {:016x}", query.fingerprint())))
    }

    fn cursor(&self, Hit { key, .. }: &Hit) -> String {
        let id = AggregateId(Uuid::from_u128(key.id));
        self.0.write(vec![Value::Int(key.rank.cast_signed())], table::Key::of(id))
    }

    fn key(&self, cursor: &str) -> Result<Key> {
        let (rank, row) = self.0.read_number(cursor)?;
        Ok(Key { rank, id: row.id.0.as_u128() })
    }
}

pub struct ProductSearchConnection {
    searched: Searched,
    list: List,
    has_previous_page: bool,
    languages: Vec<Language>,
    highlighter: Highlighter,
}

/// One page of what was found.
#[Object]
impl ProductSearchConnection {
    async fn edges(&self) -> Vec<ProductSearchEdge<'_>> {
        let edge = |hit| ProductSearchEdge { connection: self, hit };
        self.searched.found.hits.iter().map(edge).collect()
    }

    async fn page_info(&self) -> PageInfo {
        let cursor = |hit: &Hit| self.list.cursor(hit);
        let hits = &self.searched.found.hits;
        PageInfo {
            has_previous_page: self.has_previous_page,
            has_next_page: self.searched.found.further,
            start_cursor: hits.first().map(cursor),
            end_cursor: hits.last().map(cursor),
        }
    }

    /// How many there are on all pages.
    async fn total_count(&self) -> Long {
        self.searched.found.total.into()
    }

    /// How many of all can be had, counted as if `where.inStock` were not there. Of the stock of about a
    /// second ago.
    #[graphql(complexity = 20)]
    async fn in_stock_count(&self) -> Long {
        self.searched.found.in_stock.into()
    }

    async fn matched(&self) -> SearchMatch {
        match self.searched.found.matched {
            Matched::All => SearchMatch::AllWords,
            Matched::Some => SearchMatch::SomeWords,
        }
    }

    /// The values of family and variants, those of most products first, at most `first` of each. Each
    /// is counted as if its own filter were not there.
    #[graphql(complexity = "20 + 2 * first as usize * child_complexity")]
    async fn facets(&self, #[graphql(default = 20)] first: i32) -> Vec<ProductFacet> {
        let shown = usize::try_from(first).unwrap_or(0);
        let facets = self.searched.found.facets.iter();
        facets.map(|facet| ProductFacet::of(facet, shown)).collect()
    }

    /// The languages whose forms of words were looked for: the one that was named, or all that there are.
    #[graphql(complexity = 6)]
    async fn languages(&self) -> Vec<&'static str> {
        self.languages.iter().map(|language| language.tag()).collect()
    }

    /// The index is still being built on this node: there may be more than was found.
    async fn catching_up(&self) -> bool {
        self.searched.is_catching_up
    }

    /// How far in the logs the index was read.
    async fn position(&self) -> PositionToken {
        PositionToken(self.searched.position.clone())
    }
}

pub struct ProductSearchEdge<'a> {
    connection: &'a ProductSearchConnection,
    hit: &'a Hit,
}

/// The part of a description around what was met, in bytes, about.
const FRAGMENT_BYTES: usize = 200;
/// Names of variants, and stock keeping units, in which something was met.
const VARIANTS_TOLD_MAX: usize = 5;
/// Texts in other languages in which something was met.
const TRANSLATIONS_TOLD_MAX: usize = 5;

/// One product that was found.
#[Object]
impl ProductSearchEdge<'_> {
    async fn cursor(&self) -> String {
        self.connection.list.cursor(self.hit)
    }

    /// Where in its texts the words were met, or words that are nearly those: name, family, at most 5 names
    /// of variants and 5 SKUs, a part of the description, and 5 texts in other languages.
    #[graphql(complexity = "10 * child_complexity + 10")]
    async fn highlights(&self, context: &Context<'_>) -> Result<Vec<SearchHighlight>> {
        use SearchedField::{Description, Family, Name, Sku, Variant};
        let (by, product) = (&self.connection.highlighter, &self.hit.row.product);
        let told = |field| {
            move |pieces: Vec<Piece>| SearchHighlight {
                field,
                language: None,
                pieces: pieces.into_iter().map(SearchPiece::from).collect(),
            }
        };
        let mut all = Vec::new();
        all.extend(by.pieces(&product.name).map(told(Name)));
        all.extend(by.pieces(&product.family).map(told(Family)));
        let names = product.variants.values().map(|variant| &variant.name);
        let skus = product.variants.values().map(|variant| &variant.sku);
        let names = names.collect::<BTreeSet<_>>().into_iter().filter_map(|name| by.pieces(name));
        all.extend(names.take(VARIANTS_TOLD_MAX).map(told(Variant)));
        let skus = skus.collect::<BTreeSet<_>>().into_iter().filter_map(|sku| by.pieces(sku));
        all.extend(skus.take(VARIANTS_TOLD_MAX).map(told(Sku)));
        all.extend(by.fragment(&product.description, FRAGMENT_BYTES).map(told(Description)));
        let mut translated = Vec::new();
        for (language, text) in &*product.translations {
            let description = by.fragment(&text.description, FRAGMENT_BYTES);
            let described = description.map(told(Description));
            for one in by.pieces(&text.name).map(told(Name)).into_iter().chain(described) {
                translated.push(SearchHighlight { language: Some(language.clone()), ..one });
            }
        }
        all.extend(translated.into_iter().take(TRANSLATIONS_TOLD_MAX));
        take_values(context, all.iter().map(|one| one.pieces.len()).sum())?;
        Ok(all)
    }

    /// The product as of the position of the index.
    async fn node(&self) -> ProductNode {
        let row = &self.hit.row;
        ProductNode::whole(Loaded {
            id: row.id,
            reading: Reading {
                answer: row.product.clone(),
                version: row.version,
                shard: row.shard,
                seq: row.seq,
                at: DateTime::from_timestamp_micros(row.changed_us).unwrap_or_default(),
            },
        })
    }
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchedField {
    Name,
    Family,
    Variant,
    Sku,
    Description,
}

/// A text of a product in which something was met.
#[derive(SimpleObject)]
pub struct SearchHighlight {
    field: SearchedField,
    /// That of the text, where it is a translation.
    language: Option<String>,
    /// In a row they are the text, or the part of it that is told.
    #[graphql(complexity = "10 * child_complexity")]
    pieces: Vec<SearchPiece>,
}

/// A piece of a text, as it is: whoever shows it escapes it.
#[derive(SimpleObject)]
pub struct SearchPiece {
    text: Text<'static>,
    /// Whether this is what was met.
    is_match: bool,
}

impl From<Piece> for SearchPiece {
    fn from(Piece { text, is_met }: Piece) -> Self {
        Self { text: text.into(), is_match: is_met }
    }
}

/// How many products have which value of a field.
#[derive(SimpleObject)]
pub struct ProductFacet {
    field: ProductFacetField,
    values: Vec<ProductFacetValue>,
    /// There are more values than these.
    has_more: bool,
}

#[derive(SimpleObject)]
pub struct ProductFacetValue {
    value: String,
    count: Long,
}

impl ProductFacet {
    fn of(facet: &search::Facet, shown: usize) -> Self {
        let value = |value: &search::FacetValue| ProductFacetValue {
            value: value.value.clone(),
            count: value.count.into(),
        };
        Self {
            field: match facet.field {
                FacetField::Family => ProductFacetField::Family,
                FacetField::Variant => ProductFacetField::Variant,
            },
            values: facet.values.iter().take(shown).map(value).collect(),
            has_more: facet.further || facet.values.len() > shown,
        }
    }
}
