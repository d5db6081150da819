//! Where people sign in, as an entrance sees it: requests that are not GraphQL, and what is answered. Knows
//! neither pages nor tokens.

use async_trait::async_trait;

/// A request to one of the pages or services by which people sign in.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `POST`; all else reads.
    pub is_post: bool,
    /// From the root, `/auth/token`.
    pub path: String,
    pub query: String,
    /// The body of a form (`application/x-www-form-urlencoded`); empty for any other.
    pub form: String,
    pub cookies: String,
    pub authorization: String,
    /// Of the page that asks, where the browser says it.
    pub origin: Option<String>,
    /// From where, as clients are counted.
    pub address: String,
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// Whoever signs people in.
#[async_trait]
pub trait SignIn: Send + Sync + 'static {
    async fn answer(&self, asked: Asked) -> Told;
}
