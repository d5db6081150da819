//! Positions on their way out and in: sealed when they leave, and refused at once when what comes
//! was not given out here.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    Context, ContextSelectionSet, OutputType, Positioned, Result, ServerResult, Value,
};

use super::context::engine;
use super::errors::{INVALID_POSITION, coded};
use super::scalars::GivenPosition;
use actors::aggregate_ref::Engine;
use application::Application;
use projections::position::Position;
use projections::position_token;

/// How far in the logs something was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionToken(pub Position);

impl OutputType for PositionToken {
    fn type_name() -> Cow<'static, str> {
        <GivenPosition as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <GivenPosition as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        Ok(Value::String(self.written(&context.data_unchecked::<Application>().engine)))
    }
}

impl PositionToken {
    fn written(&self, engine: &Engine) -> String {
        position_token::write(&self.0, engine.services.keyed.tokens())
    }

    /// As a client would give it back.
    pub fn given(&self, context: &Context<'_>) -> GivenPosition {
        GivenPosition(self.written(engine(context)))
    }
}

impl GivenPosition {
    pub fn read(&self, context: &Context<'_>) -> Result<Position> {
        let services = &engine(context).services;
        position_token::read(&self.0, services.keyed.tokens(), services.shards)
            .map_err(|error| coded(INVALID_POSITION, error.to_string()))
    }
}
