//! Variables and the customer's own servers: `variable_set`, `fetch`, `webhook_send`.

use protocol::Result;
use serde::{Deserialize, Serialize};

use crate::flow::literal::{Url, Word};
use crate::flow::reader::Fields;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VariableSet {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl VariableSet {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(VariableSet { key: fields.need::<String>("key")?.trim().to_owned(), value: fields.get("value")? })
    }
}

/// Asks a server for the actions that come next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fetch {
    pub(crate) event_url: Url,
    pub(crate) event_method: HttpMethod,
}

impl Fetch {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Fetch { event_url: fields.need("event_url")?, event_method: fields.get("event_method")? })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WebhookSend {
    /// Wait until the request was taken over for delivery. Never until it was delivered.
    pub(crate) sync: bool,
    pub(crate) uri: Url,
    pub(crate) method: HttpMethod,
    /// The media type of `data`; empty: JSON.
    pub(crate) data_type: String,
    /// Sent as it is, whatever its type.
    pub(crate) data: String,
}

impl WebhookSend {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(WebhookSend {
            sync: fields.get("sync")?,
            uri: fields.need("uri")?,
            method: fields.get("method")?,
            data_type: fields.get("data_type")?,
            data: fields.get("data")?,
        })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum HttpMethod {
    #[default]
    #[serde(alias = "")]
    Post,
    Get,
    Put,
    Delete,
}

impl Word for HttpMethod {
    const WANTED: &'static str = "one of POST, GET, PUT, DELETE";
}
