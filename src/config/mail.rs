//! `[mail]`: how letters to people leave.

use serde::{Deserialize, Serialize};

use super::secret::SmtpUrl;
use ::mail::{Smtp, Unusable};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailSection {
    /// The server that takes letters; without one they are printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp: Option<SmtpUrl>,
    /// Who letters are from.
    pub from: String,
}

impl Default for MailSection {
    fn default() -> Self {
        Self { smtp: None, from: "Emporium <no-reply@emporium.invalid>".to_owned() }
    }
}

impl MailSection {
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let url = self.smtp.as_ref().map_or("smtp://localhost", |smtp| smtp.0.reveal());
        match Smtp::new(url, &self.from) {
            Ok(_) => None,
            Err(error @ Unusable::Server) => Some(("mail.smtp", error.to_string())),
            Err(error @ Unusable::Sender) => Some(("mail.from", error.to_string())),
        }
    }
}
