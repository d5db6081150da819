//! Texts that may be long, on their way out. What an operation costs counts its fields, and ten
//! thousand short ones fit into any reply; long texts are counted as the reply is made, so that one of
//! few fields ends where it would become too long, and not when it is there.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};

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
        if request::take_bytes(self.0.len()) {
            return Ok(Value::String(self.0.clone().into_owned()));
        }
        let error = coded("REPLY_TOO_LARGE", "the reply would be too long; ask for less");
        Err(context.set_error_path(error.into_server_error(field.pos)))
    }
}
