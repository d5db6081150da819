//! Locations in the API: places that keep stock, with names.

use async_graphql::{Context, Enum, InputObject, Object, Result};

use super::query::NameFilter;
use crate::context::{AsOf, Loaded, load, past};
use crate::errors::{UserError, fault};
use crate::ids::PublicLocationId;
use crate::lists::{Asked, Known, Listed, UP_TO_DATE, connection};
use crate::mutation::{Answer, Payload, change, inputs, mutations, payload, request, send};
use crate::rows::{Compared, DateTimeFilter, Direction, OneOf, Window, filters, list, rows};
use crate::scalars::{GivenPosition, Long, TimeZone};
use crate::texts::Text;
use application::locations::set_closed;
use domain::aggregate::{Aggregate as _, Refusal as _};
use domain::products::location::{self, Command, Details, Location, Refusal};
use projections::plan::{Filter, Ordering};
use projections::table::{Stored, Value};
use projections::tables::locations as table;

payload! {
    LocationPayload { location: LocationNode = Location }
}

connection!(LocationConnection, LocationEdge, LocationNode);

/// What kind of place a location is. Nothing rests on it but how people find their way.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "location::Kind")]
pub enum LocationKind {
    /// Goods are kept and sent from there.
    Warehouse,
    /// People buy there.
    Shop,
    /// Goods lie ready for whoever ordered them.
    PickupPoint,
    /// Somebody else's place, who sends for us.
    Supplier,
    Other,
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "location::Status")]
pub enum LocationStatus {
    Active,
    /// Nothing new comes in and nothing new is promised; what is there goes out.
    Closed,
}

impl Compared for LocationKind {
    fn value(&self) -> Value {
        table::kind_value((*self).into())
    }
}

impl Compared for LocationStatus {
    fn value(&self) -> Value {
        table::status_value((*self).into())
    }
}

pub struct LocationNode(pub Known<Location, table::Row>);

/// What a row says of a location beside what it says of every aggregate: all that there is.
const HELD: &[&str] = &["name", "kind", "timeZone", "address", "status"];

impl Listed for LocationNode {
    type Of = Location;

    fn whole(loaded: Loaded<Location>) -> Self {
        Self(loaded.into())
    }

    fn of_row(row: &Stored, asked: &Asked<'_>) -> Option<Self> {
        Known::of_row(row, asked, &[UP_TO_DATE, HELD]).map(|(known, _)| Self(known))
    }
}

/// A place that keeps stock.
#[Object(name = "Location")]
impl LocationNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Known<Location, table::Row> {
        &self.0
    }

    async fn name(&self) -> Option<&str> {
        match &self.0 {
            Known::Whole(location) => details(location).map(|details| details.name.as_str()),
            Known::Row(_, _, row) => Some(&row.name),
        }
    }

    async fn kind(&self) -> Option<LocationKind> {
        match &self.0 {
            Known::Whole(location) => details(location).map(|details| details.kind.into()),
            Known::Row(_, _, row) => Some(row.kind.into()),
        }
    }

    async fn time_zone(&self) -> Option<TimeZone> {
        let zone = match &self.0 {
            Known::Whole(location) => &details(location)?.zone,
            Known::Row(_, _, row) => &row.zone,
        };
        Some(TimeZone(zone.clone()))
    }

    /// As it stands on a parcel; may have several lines, or none.
    async fn address(&self) -> Option<Text<'_>> {
        match &self.0 {
            Known::Whole(location) => {
                details(location).map(|details| details.address.as_str().into())
            }
            Known::Row(_, _, row) => Some(row.address.as_str().into()),
        }
    }

    async fn status(&self) -> LocationStatus {
        match &self.0 {
            Known::Whole(location) => location.state().status.into(),
            Known::Row(_, _, row) => row.status.into(),
        }
    }
}

fn details(location: &Loaded<Location>) -> Option<&Details> {
    location.state().details.as_ref()
}

#[derive(InputObject)]
pub struct CreateLocationInput {
    pub name: String,
    #[graphql(default_with = "LocationKind::Warehouse")]
    pub kind: LocationKind,
    pub time_zone: TimeZone,
    /// As it stands on a parcel; may have several lines.
    #[graphql(default)]
    pub address: String,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

inputs! {
    Location { location_id: PublicLocationId } |input| input.location_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    ReviseLocationInput {
        /// Unchanged if it is not given, like the others.
        name: Option<String>,
        kind: Option<LocationKind>,
        time_zone: Option<TimeZone>,
        address: Option<String>
    }
    LocationInput {}
}

mutations! { LocationCommands {
    /// Renames a location, or changes what else of it is given; a closed one too.
    fn revise_location(input: ReviseLocationInput) -> LocationPayload = Command::Revise {
        name: input.name,
        kind: input.kind.map(Into::into),
        zone: input.time_zone.map(|zone| zone.0.name().to_owned()),
        address: input.address,
    };
} }

#[derive(Default)]
pub struct LocationUseCases;

#[Object]
impl LocationUseCases {
    /// Makes a location. Its id follows from the idempotency key, if there is one.
    async fn create_location(
        &self,
        context: &Context<'_>,
        input: CreateLocationInput,
    ) -> Answer<LocationPayload> {
        let request = request(context, input.idempotency_key, None)?.rehearsed(input.dry_run);
        let id = request.new_id::<Location>("createLocation").await;
        let id = id.map_err(|error| fault(&error))?;
        let zone = input.time_zone.0.name().to_owned();
        let (name, kind, address) = (input.name, input.kind.into(), input.address);
        let command = Command::Create { name, kind, zone, address };
        Ok(Some(LocationPayload::new(id, send::<Location>(&request, id, command).await?)))
    }

    /// Closes a location: no stock item is opened there, nothing is received, held, sold or ordered from
    /// there any more, and no transfer sets out for it. What is held is committed, shipped or given back
    /// as ever, and what is on hand leaves by transfer or correction.
    async fn close_location(
        &self,
        context: &Context<'_>,
        input: LocationInput,
    ) -> Answer<LocationPayload> {
        told(context, input, true).await
    }

    /// Opens a closed location again.
    async fn reopen_location(
        &self,
        context: &Context<'_>,
        input: LocationInput,
    ) -> Answer<LocationPayload> {
        told(context, input, false).await
    }
}

async fn told(
    context: &Context<'_>,
    mut input: LocationInput,
    closed: bool,
) -> Answer<LocationPayload> {
    let target = input.target(context).await?;
    let id = target.id;
    let done = set_closed(&target.request(context)?, id, closed).await;
    Ok(Some(LocationPayload::new(id, change(done)?)))
}

filters! {
    /// Which locations.
    LocationWhere {
        name: NameFilter = "name",
        kind: OneOf<LocationKind> = "kind",
        status: OneOf<LocationStatus> = "status",
        created_at: DateTimeFilter = "created_us",
    }
}

/// What locations are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocationOrderField {
    Name,
    CreatedAt,
}

#[derive(InputObject, Clone, Copy)]
pub struct LocationOrder {
    field: LocationOrderField,
    #[graphql(default_with = "Direction::Ascending")]
    direction: Direction,
}

impl LocationOrder {
    const BY_NAME: Ordering = Ordering { column: "name", descending: false };

    fn ordering(self) -> Ordering {
        let column = match self.field {
            LocationOrderField::Name => "name",
            LocationOrderField::CreatedAt => "created_us",
        };
        Ordering { column, descending: self.direction == Direction::Descending }
    }
}

/// What columns of locations are called here.
const WORDS: &[(&str, &str)] = &[("created_us", "createdAt")];

list! {
    LocationConnection of locations: table::Locations, where LocationWhere, by LocationOrder;
    KINDS = [Location::TYPE], WORDS = WORDS;
    asked = |filter, order_by| {
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        (filter, order_by.map_or(LocationOrder::BY_NAME, LocationOrder::ordering))
    };
    shown = LocationConnection;
}

#[derive(Default)]
pub struct LocationQuery;

#[Object]
impl LocationQuery {
    /// A location, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn location(
        &self,
        context: &Context<'_>,
        id: PublicLocationId,
        as_of: Option<AsOf>,
    ) -> Result<Option<LocationNode>> {
        Ok(load::<Location>(context, id.into(), as_of).await?.map(LocationNode::whole))
    }

    /// Locations, by name where nothing else is said.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn locations(
        &self,
        context: &Context<'_>,
        r#where: Option<LocationWhere>,
        order_by: Option<LocationOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<LocationConnection> {
        let window = Window { first, after, last, before, at_least };
        window.list(context, r#where, order_by).await
    }
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        let path = match &refusal {
            Refusal::InvalidText(text) => return Self::text(text),
            Refusal::NotFound | Refusal::Closed => "locationId",
            Refusal::InvalidTimeZone => "timeZone",
            Refusal::AlreadyExists => return Self::plain(refusal.code(), &refusal, &[]),
        };
        Self::plain(refusal.code(), &refusal, &[path])
    }
}
