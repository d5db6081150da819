//! Texts that may be long, on their way out. What an operation costs counts its fields, and ten
//! thousand short ones fit into any reply; long texts are counted as the reply is made, so that one of
//! few fields ends where it would become too long, and not when it is there.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, Json, OutputType, Positioned, ServerResult, Value};

use super::errors::coded;
use actors::request;

/// A field of more bytes than this is a [`Text`]: with the default bounds, as many as an operation may
/// ask for are no longer than a reply may be.
pub const SHORT_BYTES_MAX: usize = 1_600;

/// A text that may be longer than [`SHORT_BYTES_MAX`]; in the schema a string like any other.
pub struct Text<'a>(Cow<'a, str>);

impl<'a, T: Into<Cow<'a, str>>> From<T> for Text<'a> {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl OutputType for Text<'_> {
    fn type_name() -> Cow<'static, str> {
        <String as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <String as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        counted(self.0.len(), context, field)?;
        Ok(Value::String(self.0.clone().into_owned()))
    }
}

/// Counts so many more bytes of the reply; an error where it would become too long.
fn counted(
    bytes: usize,
    context: &ContextSelectionSet<'_>,
    field: &Positioned<Field>,
) -> ServerResult<()> {
    if request::take_bytes(bytes) {
        return Ok(());
    }
    let error = coded("REPLY_TOO_LARGE", "the reply would be too long; ask for less");
    Err(context.set_error_path(error.into_server_error(field.pos)))
}

/// Data whose form the schema does not say: a value of JSON, counted like a long text.
#[derive(Clone, Debug)]
pub struct Data(pub serde_json::Value);

impl OutputType for Data {
    fn type_name() -> Cow<'static, str> {
        <Json<serde_json::Value> as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Json<serde_json::Value> as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let text = serde_json::to_string(&self.0).unwrap_or_default();
        counted(text.len(), context, field)?;
        Ok(Value::from_json(self.0.clone()).unwrap_or_default())
    }
}
