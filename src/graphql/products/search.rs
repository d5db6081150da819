//! Products by what they are called: ranked, by parts of words and with typing errors, with facets.

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use chrono::DateTime;
use uuid::Uuid;

use super::ProductNode;
use super::types::ProductStatus;
use crate::context::{Loaded, application, engine};
use crate::cursors::Cursors;
use crate::errors::{FORBIDDEN, INVALID_VALUE, coded, fault};
use crate::ids::PublicPriceListId;
use crate::lists::Listed as _;
use crate::positions::PositionToken;
use crate::scalars::{GivenPosition, Long};
use actors::aggregate_ref::Fault;
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
use search::{FacetField, Hit, InvalidQuery, Key, Language, Matched, Order, Query, Wanted};

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
    /// and SKUs, and those for more than descriptions; a whole SKU is first of all.
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
        asked.languages =
            language.map(|tag| searched(context, &tag)).transpose()?.into_iter().collect();
        let selected = |name| context.field().selection_set().any(|field| field.name() == name);
        if selected("facets") {
            asked.facets = vec![FacetField::Family, FacetField::Variant];
            asked.facet_values = FACET_VALUES_MAX;
        }
        let list = List::of(&asked, context);
        asked.after = after.map(|after| list.key(&after)).transpose()?;
        let at_least = at_least.map(|position| position.read(context)).transpose()?;
        let has_previous_page = asked.after.is_some();
        let searched = find(context, at_least, asked).await?;
        Ok(ProductSearchConnection { searched, list, has_previous_page })
    }
}

async fn find(context: &Context<'_>, at_least: Option<Position>, query: Query) -> Result<Searched> {
    if let Some(behind) = at_least.as_ref().and_then(|wanted| engine(context).lacks(wanted)) {
        // What no log has, no index will have: there is nothing to wait for.
        return Err(fault(&Fault::Stale { behind }));
    }
    let searches = &application(context).views.registry().searches;
    let runtime = &engine(context).services.runtime;
    searches.find(runtime, at_least.as_ref(), query).await.map_err(|error| fault(&error))
}

fn wanted(context: &Context<'_>, filter: ProductSearchFilter) -> Result<Wanted> {
    let ProductSearchFilter { families, variants, price, statuses } = filter;
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
    Ok(Wanted { families, variants, price, statuses })
}

fn range(price: PriceRangeInput) -> Result<PriceRange, MoneyError> {
    let currency = Currency::from_code(&price.currency)?;
    let end = |amount: Option<String>| {
        amount.map(|amount| Ok(Money::parse(&amount, currency)?.minor)).transpose()
    };
    let list = price.price_list_id.map_or_else(|| default_list(currency), Into::into);
    Ok(PriceRange { list, from: end(price.from)?, to: end(price.to)? })
}

fn searched(context: &Context<'_>, tag: &str) -> Result<Language> {
    let languages = application(context).views.registry().searches.languages();
    let language = Language::of_tag(tag).filter(|language| languages.contains(language));
    language.ok_or_else(|| {
        let known: Vec<_> = languages.iter().map(|language| language.tag()).collect();
        let message = format!("language: products are searched in {}", known.join(", "));
        coded("LANGUAGE_UNSUPPORTED", message)
    })
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
}

/// One page of what was found.
#[Object]
impl ProductSearchConnection {
    async fn edges(&self) -> Vec<ProductSearchEdge<'_>> {
        let edge = |hit| ProductSearchEdge { list: &self.list, hit };
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
    list: &'a List,
    hit: &'a Hit,
}

/// One product that was found.
#[Object]
impl ProductSearchEdge<'_> {
    async fn cursor(&self) -> String {
        self.list.cursor(self.hit)
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
