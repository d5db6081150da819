//! Refusals of a document: what is said to a client, with its code and its place. What a client
//! wrote is repeated only so far.

use apollo_compiler::parser::SourceMap;
use apollo_compiler::validation::DiagnosticList;
use async_graphql::{ErrorExtensionValues, Pos, ServerError};

pub const PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
pub const VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";
pub const OPERATION_NOT_FOUND: &str = "OPERATION_NOT_FOUND";
pub const INVALID_VALUE: &str = "INVALID_VALUE";

/// The most characters of a message: it may repeat names that a client made up.
const MESSAGE_CHARACTERS_MAX: usize = 200;

/// The refusal of a request before anything runs.
pub fn refused(code: &str, message: impl Into<String>) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    let error = ServerError::new(shortened(message.into()), None);
    ServerError { extensions: Some(extensions), ..error }
}

/// The same, with its place in the document.
pub(crate) fn refused_at(code: &str, message: impl Into<String>, at: Option<Pos>) -> ServerError {
    ServerError { locations: at.into_iter().collect(), ..refused(code, message) }
}

/// The first of what is wrong with a document.
pub(crate) fn first_of(code: &str, wrong: &DiagnosticList) -> ServerError {
    let Some(first) = wrong.iter().next() else {
        return refused(code, "the document is not valid");
    };
    let at = first.line_column_range().map(|range| position(range.start));
    refused_at(code, first.error.to_string(), at)
}

fn position(at: apollo_compiler::parser::LineColumn) -> Pos {
    Pos { line: at.line, column: at.column }
}

/// Where something stands in the document.
pub(crate) fn place<T>(node: &apollo_compiler::Node<T>, sources: &SourceMap) -> Pos {
    node.line_column_range(sources).map_or_else(Pos::default, |range| position(range.start))
}

fn shortened(message: String) -> String {
    match message.char_indices().nth(MESSAGE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}
