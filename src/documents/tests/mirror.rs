//! A schema that has a case of everything: fields that fail, are null or late, lists, interfaces, a
//! union, inputs with defaults. `graphql_js/peer.mjs` has the same resolvers in JavaScript.

use std::future::poll_fn;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::Poll;

use async_graphql::{
    EmptySubscription, Enum, InputObject, Interface, MaybeUndefined, Object, OneofObject, Request,
    Response, Result, Schema, Union, ValidationMode, Variables,
};

use crate::{Api, DocumentLimits, Prepared};

pub type Mirror = Schema<Query, Mutation, EmptySubscription>;

pub static API: LazyLock<Api> = LazyLock::new(|| Api::new(&mirror().sdl(), &[]));

pub fn mirror() -> Mirror {
    Schema::build(Query, Mutation::default(), EmptySubscription)
        .validation_mode(ValidationMode::Fast)
        .finish()
}

/// Limits that are in nobody's way.
pub const WIDE: DocumentLimits = DocumentLimits {
    tokens_max: 100_000,
    depth_max: 40,
    introspection_depth_max: 40,
    fields_max: 100_000,
    aliases_max: 10_000,
    directives_max: 10_000,
    root_fields_max: 10_000,
    page_max: i64::MAX,
    complexity_max: usize::MAX,
    introspection_nodes_max: 1_000_000,
    remembered_bytes_max: 1 << 20,
};

/// What is answered; nothing ran where there is no data.
pub fn answer(query: &str, operation: Option<&str>, variables: serde_json::Value) -> Response {
    let refused = |error| Response::from_errors(vec![error]);
    let bound = || {
        let prepared = Prepared::read(query, &API, &WIDE)?;
        let operation = prepared.operation(operation)?;
        let variables = operation.coerce(Variables::from_json(variables), &API, &WIDE)?;
        let plan = operation.plan(&variables, &API)?;
        Ok((variables, plan))
    };
    let (variables, plan) = match bound() {
        Ok(bound) => bound,
        Err(error) => return refused(error),
    };
    let mut request = Request::new(query).variables(variables);
    request.set_parsed_query(plan.document.clone());
    let mut response = futures::executor::block_on(mirror().execute(request));
    plan.complete(&mut response);
    response
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Red,
    Green,
}

#[derive(InputObject)]
pub struct Filter {
    a: i32,
    #[graphql(default = "x")]
    b: String,
    kind: MaybeUndefined<Kind>,
    inner: MaybeUndefined<Box<Filter>>,
    list: MaybeUndefined<Vec<i32>>,
}

#[derive(OneofObject)]
pub enum One {
    A(i32),
    B(String),
}

fn told<T>(name: &str, value: &MaybeUndefined<T>, tell: impl Fn(&T) -> String) -> String {
    match value {
        MaybeUndefined::Undefined => String::new(),
        MaybeUndefined::Null => format!("{name}=null;"),
        MaybeUndefined::Value(value) => format!("{name}={};", tell(value)),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Red => "RED",
        Kind::Green => "GREEN",
    }
}

fn joined<T: ToString>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    format!("[{}]", items.join(","))
}

impl Filter {
    fn told(&self) -> String {
        format!(
            "{{a={};b={};{}{}{}}}",
            self.a,
            self.b,
            told("kind", &self.kind, |it| kind(*it).to_owned()),
            told("inner", &self.inner, |inner| inner.told()),
            told("list", &self.list, |list| joined(list)),
        )
    }
}

/// Becomes ready when it is asked a second time.
async fn later() {
    let mut asked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub struct Item(i32);
pub struct Owner(i32);

/// Where the tree of objects ends.
const LAST: i32 = 60;

#[Object]
impl Item {
    async fn id(&self) -> async_graphql::ID {
        format!("item{}", self.0).into()
    }
    async fn name(&self) -> Option<String> {
        (self.0 % 3 != 0).then(|| format!("name{}", self.0))
    }
    async fn ok(&self) -> i32 {
        self.0
    }
    async fn bad(&self) -> Result<String> {
        if self.0 % 4 == 1 { Err("bad".into()) } else { Ok("b".to_owned()) }
    }
    async fn soft(&self) -> Result<Option<String>> {
        match self.0 % 3 {
            1 => Err("soft".into()),
            2 => Ok(None),
            _ => Ok(Some("s".to_owned())),
        }
    }
    async fn child(&self) -> Result<Option<Item>> {
        if self.0 % 5 == 2 {
            return Err("child".into());
        }
        Ok((self.0 < LAST).then(|| Item(self.0 * 2 + 1)))
    }
    async fn strict_child(&self) -> Result<Item> {
        later().await;
        if self.0 % 7 == 3 || self.0 >= LAST {
            return Err("strict".into());
        }
        Ok(Item(self.0 * 2 + 2))
    }
    async fn tags(&self) -> Vec<String> {
        (0..self.0 % 3).map(|tag| format!("t{tag}")).collect()
    }
    async fn bad_tags(&self) -> Result<Option<Vec<String>>> {
        if self.0 % 2 == 0 { Err("tags".into()) } else { Ok(Some(vec!["x".to_owned()])) }
    }
    async fn loose_tags(&self) -> Option<Vec<Option<String>>> {
        Some(vec![Some("a".to_owned()), None])
    }
    async fn owner(&self) -> Owner {
        Owner(self.0 + 1)
    }
    async fn late(&self) -> i32 {
        later().await;
        self.0
    }
    async fn late_bad(&self) -> Result<i32> {
        later().await;
        if self.0 % 2 == 1 { Err("late".into()) } else { Ok(1) }
    }
    async fn echo(&self, #[graphql(default = 7)] n: i32, text: MaybeUndefined<String>) -> String {
        format!("n={n};{}", told("text", &text, Clone::clone))
    }
}

#[Object]
impl Owner {
    async fn id(&self) -> async_graphql::ID {
        format!("owner{}", self.0).into()
    }
    async fn name(&self) -> Result<String> {
        if self.0 % 4 == 3 { Err("name".into()) } else { Ok(format!("owner{}", self.0)) }
    }
    async fn items(&self, #[graphql(default = 2)] first: i32) -> Vec<Item> {
        if self.0 >= LAST {
            return Vec::new();
        }
        (0..first.clamp(0, 3)).map(|number| Item(self.0 * 3 + number)).collect()
    }
    async fn loose(&self) -> Option<Vec<Option<Item>>> {
        Some(vec![Some(Item(self.0 + 1)), None, Some(Item(self.0 + 2))])
    }
    async fn bad(&self) -> Result<String> {
        if self.0 % 2 == 1 { Err("bad".into()) } else { Ok("b".to_owned()) }
    }
}

#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "async_graphql::ID"),
    field(name = "name", ty = "Option<String>"),
    field(name = "bad", ty = "String")
)]
pub enum Node {
    Item(Item),
    Owner(Owner),
}

#[derive(Union)]
pub enum Any {
    Item(Item),
    Owner(Owner),
}

pub struct Query;

#[Object]
impl Query {
    #[expect(clippy::too_many_arguments, reason = "a case of everything")]
    async fn echo(
        &self,
        #[graphql(default = 20)] n: i32,
        #[graphql(default_with = "Some(\"d\".to_owned())")] text: Option<String>,
        flag: MaybeUndefined<bool>,
        #[graphql(name = "kind")] asked: MaybeUndefined<Kind>,
        list: MaybeUndefined<Vec<i32>>,
        matrix: MaybeUndefined<Vec<Option<Vec<Option<i32>>>>>,
        filter: MaybeUndefined<Filter>,
        one: MaybeUndefined<One>,
        id: MaybeUndefined<async_graphql::ID>,
    ) -> Result<Option<String>> {
        if text.as_deref() == Some("fail") {
            return Err("told to".into());
        }
        let row = |row: &Option<Vec<Option<i32>>>| {
            let cell = |cell: &Option<i32>| cell.map_or("null".to_owned(), |it| it.to_string());
            row.as_ref()
                .map_or("null".to_owned(), |it| joined(&it.iter().map(cell).collect::<Vec<_>>()))
        };
        Ok(Some(format!(
            "n={n};text={};{}{}{}{}{}{}{}",
            text.as_deref().unwrap_or("null"),
            told("flag", &flag, ToString::to_string),
            told("kind", &asked, |it| kind(*it).to_owned()),
            told("list", &list, |list| joined(list)),
            told("matrix", &matrix, |it| joined(&it.iter().map(row).collect::<Vec<_>>())),
            told("filter", &filter, Filter::told),
            told("one", &one, |one| match one {
                One::A(a) => format!("{{a={a}}}"),
                One::B(b) => format!("{{b={b}}}"),
            }),
            told("id", &id, |id| id.to_string()),
        )))
    }
    async fn must(&self, n: i32, filter: Filter) -> Result<String> {
        if n == 5 { Err("five".into()) } else { Ok(format!("n={n};filter={}", filter.told())) }
    }
    async fn item(&self, #[graphql(default = 1)] n: i32) -> Item {
        Item(n.clamp(0, 9))
    }
    async fn maybe(&self, #[graphql(default = 1)] n: i32) -> Option<Item> {
        (n > 0).then(|| Item(n.clamp(0, 9)))
    }
    async fn node(&self, #[graphql(default = 2)] n: i32) -> Option<Node> {
        let n = n.clamp(0, 9);
        Some(if n % 2 == 0 { Node::Item(Item(n)) } else { Node::Owner(Owner(n)) })
    }
    async fn nodes(&self) -> Vec<Node> {
        vec![Node::Item(Item(3)), Node::Owner(Owner(4)), Node::Item(Item(6))]
    }
    async fn any(&self) -> Vec<Any> {
        vec![Any::Owner(Owner(2)), Any::Item(Item(5))]
    }
}

/// Each mutation says how many ran before it in its request.
#[derive(Default)]
pub struct Mutation(AtomicI32);

pub struct Count(i32);

#[Object]
impl Count {
    async fn before(&self) -> i32 {
        self.0
    }
    async fn bad(&self) -> Result<i32> {
        if self.0 == 1 { Err("second".into()) } else { Ok(self.0) }
    }
    async fn item(&self) -> Item {
        Item(self.0)
    }
}

#[Object]
impl Mutation {
    async fn count(&self, #[graphql(default = 1)] by: i32) -> Count {
        Count(self.0.fetch_add(by, Ordering::Relaxed))
    }
    async fn fail(&self, #[graphql(default = true)] really: bool) -> Result<Option<Count>> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        if really { Err("really".into()) } else { Ok(Some(Count(before))) }
    }
    async fn must(&self, #[graphql(default = true)] really: bool) -> Result<Count> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        if really { Err("must".into()) } else { Ok(Count(before)) }
    }
}
