//! The API: one schema over the aggregates and views, a folder per context. Turns requests into use
//! cases and commands, and what came of them into data; holds no rules and knows no table.

pub mod context;
pub mod mutation;
pub mod dry_run;
pub mod errors;
pub mod guard;
pub mod gate;
pub mod edges;
pub mod ids;
pub mod cursors;
pub mod lists;
pub mod gathering;
pub mod node;
pub mod history;
pub mod live;
mod live_lists;
pub mod metrics;
pub mod scalars;
pub mod positions;
mod places;
mod rows;
pub mod texts;
#[cfg(test)]
mod weights;

pub mod access;
pub mod products;
pub mod commerce;
pub mod scheduling;
pub mod operations;

mod parts;

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use async_graphql::parser::types::OperationType;
use async_graphql::{
    MergedObject, MergedSubscription, Request, Response, SDLExportOptions, Schema, ServerError,
    ValidationMode, Variables,
};

use futures::StreamExt as _;
use futures::stream::BoxStream;

use actors::aggregate_ref::Engine;
pub use actors::request::{self, Place, RequestScope};
use actors::shard::NodeServices;
use application::Application;
use application::access::Known;
use application::caller::Caller;
use application::denials::Attempt;
pub use application::denials::Denials;
pub use application::impersonation::NotInPlace;
use application::nodes::Desk;
pub use application::views::Views;
use auth::sessions::Sessions;
use auth::{Access, Identity, Principal};
use context::SignIns;
pub use documents::DocumentLimits;
use documents::{Api, Documents, Operation, Plan, Prepared};
use domain::access::user::User;
use domain::aggregate::Aggregate as _;
use domain::id::AggregateId;
use gathering::Gatherings;
use live::AggregateSubscription;
use live_lists::ListSubscription;
use metrics::{Counted, count_operation};
pub use parts::{Part, sdl_of};
use projections::position_token;
use telemetry::trace::sampled_trace_id;

#[derive(MergedObject, Default)]
pub struct Query(
    operations::OperationsQuery,
    node::NodeQuery,
    history::HistoryQuery,
    access::AccessQuery,
    products::ProductsQuery,
    commerce::CommerceQuery,
    scheduling::SchedulingQuery,
);

#[derive(MergedObject, Default)]
pub struct Mutation(
    operations::OperationsMutation,
    access::AccessMutation,
    products::ProductsMutation,
    commerce::CommerceMutation,
    scheduling::SchedulingMutation,
);

/// What comes of one or of several aggregates, and of lists.
#[derive(MergedSubscription, Default)]
pub struct Subscription(AggregateSubscription, ListSubscription);

type Inner = Schema<Query, Mutation, Subscription>;

/// The schema with what stands before it: limits, remembered documents, the guard.
pub struct GraphqlSchema {
    schema: Inner,
    documents: Documents,
    limits: DocumentLimits,
    access: Known,
    denials: Denials,
    services: Arc<NodeServices>,
}

/// One request, whatever it came by.
pub struct Call {
    pub query: String,
    pub operation_name: Option<String>,
    pub variables: Variables,
    /// Nobody: refused.
    pub principal: Option<Principal>,
    pub correlation_id: uuid::Uuid,
    /// The W3C `traceparent`, checked.
    pub trace: Option<std::sync::Arc<str>>,
    /// A mutation is refused: it came by a way that must not change anything.
    pub read_only: bool,
    /// Until when, and from which place; nothing, if the node asks itself.
    pub scope: Option<RequestScope>,
    /// Who is charged for what it costs; nobody, if the node asks itself.
    pub payer: Option<Arc<dyn Payer>>,
}

/// Has somebody pay for what he asks for.
pub trait Payer: Send + Sync + 'static {
    /// Counts what an operation costs as asked for by its caller; how long to wait, where that is too much.
    fn charge(&self, caller: &Identity, cost: u64) -> Result<(), Duration>;
}

impl Call {
    /// What stands in the metadata of events for a client's name of a request: a UUID stands for
    /// itself, any other text for a UUID that is derived from it.
    pub fn correlation_of(text: &str) -> uuid::Uuid {
        let derived = |_| AggregateId::derived(&[b"request", text.as_bytes()]).0;
        uuid::Uuid::try_parse(text).unwrap_or_else(derived)
    }
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran; there is data, if only null.
    Executed,
    /// It was refused before anything ran.
    Refused,
    Unauthenticated,
    Forbidden,
    /// Nobody knows yet whether it is forbidden: the node has begun, and reads who may do what.
    Pending,
    /// Its caller asks for too much: he may come back after this time.
    Limited(Duration),
    /// A mutation that must not come by this way.
    ReadOnly,
}

/// A response and how far the request came.
pub struct Reply {
    /// Something may have been changed: the outcome is told, however long it is.
    pub is_mutation: bool,
    /// What it is called in metrics and traces.
    pub operation: Counted,
    pub outcome: Outcome,
    /// What it costs, where that is known.
    pub cost: Option<u64>,
    pub response: Response,
}

impl GraphqlSchema {
    /// `denials`: those of the node, whichever entrance refuses something. `sign_ins`: by what people sign
    /// in, where that is kept here.
    pub fn new(
        engine: Engine,
        views: Views,
        desk: Desk,
        limits: DocumentLimits,
        denials: Denials,
        sign_ins: Option<Arc<dyn Sessions>>,
    ) -> Self {
        let access = Known::new(&engine, &views);
        let (sign_ins, services) = (SignIns(sign_ins), Arc::clone(&engine.services));
        let schema = builder(&limits)
            .data(Application { engine, views })
            .data(desk)
            .data(denials.clone())
            .data(sign_ins)
            .finish();
        Self { schema, documents: Documents::default(), limits, access, denials, services }
    }

    /// Who may do what here.
    pub fn access(&self) -> Arc<dyn Access> {
        Arc::new(self.access.clone())
    }

    /// Notes what was refused by another way than a field of the API.
    pub fn note_refused(&self, by: &Identity, action: &str, code: &str) {
        self.denials.note(by, Attempt { action, thing: None, code });
    }

    /// Somebody in the place of the user of an id, as it was given out; that he was not let in is noted.
    pub fn in_place_of(&self, principal: &Principal, user: &str) -> Result<Principal, NotInPlace> {
        let user = ids::PublicUserId::read(user);
        let found = user.map(|user| self.access.in_place_of(principal, user.0));
        let found = found.unwrap_or(Err(NotInPlace::Refused));
        if matches!(found, Err(NotInPlace::Refused)) {
            let thing = user.map(|user| (User::TYPE, AggregateId::from(user)));
            let attempt = Attempt { action: "onBehalfOf", thing, code: errors::NOT_IN_PLACE };
            self.denials.note(&principal.identity, attempt);
        }
        found
    }

    /// What was not permitted here.
    pub fn denials(&self) -> &Denials {
        &self.denials
    }

    /// Checks a request against limits and guard, and runs it.
    ///
    /// Boxed here: what callers poll is compiled where it is polled, and the whole of the API would
    /// be compiled again in each of their rooms.
    pub fn execute(&self, call: Call) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        match call.scope.clone() {
            Some(scope) => Box::pin(request::within(scope, self.answer(call))),
            None => Box::pin(self.answer(call)),
        }
    }

    async fn answer(&self, call: Call) -> Reply {
        let began = Instant::now();
        let trace_id = sampled_trace_id(call.trace.as_deref());
        let reply = self.check_and_run(call).await;
        count_operation(&reply, began.elapsed(), trace_id);
        reply
    }

    async fn check_and_run(&self, call: Call) -> Reply {
        let Ready { kind, operation, request, plan, cost, correlation_id } =
            match self.check(call, false) {
                Ok(ready) => ready,
                Err(refused) => return *refused,
            };
        let variables = request.variables.clone();
        let mut response = self.schema.execute(request).await;
        let executed = finish(&mut response, &plan, &variables);
        if kind == OperationType::Mutation {
            errors::tell_reads_from_mutations(&mut response.errors);
        }
        tell_faults(&mut response, &self.services, correlation_id);
        let outcome = if executed { Outcome::Executed } else { Outcome::Refused };
        let is_mutation = kind == OperationType::Mutation;
        Reply { is_mutation, operation, outcome, cost: Some(cost), response }
    }

    /// Checks a request as [`execute`](Self::execute) does and, where it is a subscription, answers as
    /// often as there is something to tell. Each answer is of its own moment; what its caller may do is
    /// that of the first. A reply, where it was refused.
    pub fn subscribe(&self, call: Call) -> Result<BoxStream<'static, Response>, Box<Reply>> {
        let Ready { request, plan, correlation_id, .. } = self.check(call, true)?;
        let variables = request.variables.clone();
        let services = Arc::clone(&self.services);
        let answers = self.schema.execute_stream(request).map(move |mut response| {
            finish(&mut response, &plan, &variables);
            tell_faults(&mut response, &services, correlation_id);
            response
        });
        Ok(answers.boxed())
    }

    /// What is run of a request, if it may be.
    fn check(&self, call: Call, is_live: bool) -> Result<Ready, Box<Reply>> {
        let refused = |outcome, error| {
            let response = Response::from_errors(vec![error]);
            let operation = Counted::Other;
            Box::new(Reply { is_mutation: false, operation, outcome, cost: None, response })
        };
        let Some(principal) = call.principal else {
            return Err(refused(Outcome::Unauthenticated, errors::unauthenticated()));
        };
        let refuse = |error| refused(Outcome::Refused, error);
        let prepared = self.documents.prepare(&call.query, &API, &self.limits).map_err(refuse)?;
        let operation = prepared.operation(call.operation_name.as_deref()).map_err(refuse)?;
        if call.read_only && operation.kind == OperationType::Mutation {
            let error =
                errors::refused_request("MUTATION_NOT_ALLOWED", "no mutation comes by this way");
            return Err(refused(Outcome::ReadOnly, error));
        }
        if is_live != (operation.kind == OperationType::Subscription) {
            return Err(refuse(wrong_way(is_live)));
        }
        if let Err(at) = guard::admit(&principal, operation) {
            let (field, why) = *at;
            let (outcome, code, error) = match why {
                guard::Refused::Unauthenticated(error) => {
                    (Outcome::Unauthenticated, errors::UNAUTHENTICATED, error)
                }
                guard::Refused::Forbidden(error) => (Outcome::Forbidden, errors::FORBIDDEN, error),
                guard::Refused::Pending(error) => return Err(refused(Outcome::Pending, error)),
            };
            let attempt = Attempt { action: field, thing: None, code };
            self.denials.note(&principal.identity, attempt);
            return Err(refused(outcome, error));
        }
        let (variables, plan) = self.bind(operation, call.variables).map_err(refuse)?;
        let cost = plan.cost(&variables);
        if let Some(payer) = &call.payer
            && let Err(wait) = payer.charge(&principal.identity, cost)
        {
            let mut reply = refused(Outcome::Limited(wait), errors::rate_limited(wait));
            reply.cost = Some(cost);
            return Err(reply);
        }
        let caller = Caller { principal, correlation_id: call.correlation_id, trace: call.trace };
        let request = Request::new(call.query).variables(variables);
        let mut request = request.data(caller).data(Gatherings::default());
        request.set_parsed_query(plan.document.clone());
        let (kind, operation) = (operation.kind, Counted::of(operation));
        let correlation_id = call.correlation_id;
        Ok(Ready { kind, operation, request, plan, cost, correlation_id })
    }

    /// The values of an operation's variables, and what is run with them.
    fn bind(
        &self,
        operation: &Operation,
        given: Variables,
    ) -> Result<(Variables, Arc<Plan>), ServerError> {
        let variables = operation.coerce(given, &API, &self.limits)?;
        let plan = operation.plan(&variables, &API)?;
        Ok((variables, plan))
    }
}

/// A request that was checked.
struct Ready {
    kind: OperationType,
    operation: Counted,
    request: Request,
    plan: Arc<Plan>,
    cost: u64,
    correlation_id: uuid::Uuid,
}

/// Tells the client how far a list has come that lacks what was asked for, and operators what went wrong.
fn tell_faults(response: &mut Response, services: &NodeServices, correlation_id: uuid::Uuid) {
    let written = |position: &_| position_token::write(position, services.keyed.tokens());
    errors::tell_how_far(&mut response.errors, written);
    errors::log_faults(&response.errors, correlation_id);
}

/// Brings an answer into the form that the request asked for, each error with its code and place. Whether
/// anything was executed.
fn finish(response: &mut Response, plan: &Plan, variables: &Variables) -> bool {
    let executed = response.data != async_graphql::Value::Null
        || response.errors.iter().any(|error| !error.path.is_empty());
    if executed {
        plan.complete(response);
    }
    places::name(&mut response.errors, &plan.document, variables);
    give_codes(&mut response.errors, executed);
    executed
}

fn wrong_way(is_live: bool) -> ServerError {
    if is_live {
        errors::refused_request("SUBSCRIPTION_REQUIRED", "only subscriptions come by this way")
    } else {
        let message =
            "subscriptions come by WebSocket (graphql-transport-ws) or as text/event-stream";
        errors::refused_request("SUBSCRIPTION_NOT_ALLOWED", message)
    }
}

/// What documents are held to.
static API: LazyLock<Api> = LazyLock::new(|| Api::new(&sdl(), &scalars::RULES));

/// Reads a document as one of a request is read, and runs nothing.
pub fn read_document(text: &str, limits: &DocumentLimits) -> Result<Prepared, ServerError> {
    Prepared::read(text, &API, limits)
}

/// The schema as text.
pub fn sdl() -> String {
    builder(&DocumentLimits::default()).finish().sdl_with_options(sdl_options())
}

fn sdl_options() -> SDLExportOptions {
    SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items()
}

/// The limit that only the schema can count stands here, all others in [`documents`].
fn builder(limits: &DocumentLimits) -> async_graphql::SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .limit_complexity(limits.complexity_max)
        // `documents` has validated what is run.
        .validation_mode(ValidationMode::Fast)
        .disable_suggestions()
}

/// Every error has a code: those that the library raises get theirs here.
fn give_codes(all: &mut [ServerError], executed: bool) {
    for error in all {
        if errors::code_of(error).is_some() {
            continue;
        }
        let code = match error.message.as_str() {
            "Query is too complex." => "DOCUMENT_TOO_COMPLEX",
            // Inputs that have the right shape for the schema and no meaning for their type: met when
            // the field runs, or before, where what it costs depends on them.
            _ if executed => errors::INVALID_VALUE,
            message if message.starts_with("Failed to parse \"") => errors::INVALID_VALUE,
            _ => errors::VALIDATION_FAILED,
        };
        error.extensions.get_or_insert_default().set("code", code);
    }
}
