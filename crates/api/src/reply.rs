//! Answers before they are bytes: status, headers, and a body in whichever form the route has it.

use crate::emit::Emit;
use base::{Error, Result};
use rt::http::{Bytes, HeaderMap, HeaderName, HeaderValue, Response, header};
use serde_json::{Map, Value as Json, json};
use velocypack::Value;

const JSON_TYPE: &str = "application/json; charset=utf-8";
const VPACK_TYPE: &str = "application/x-velocypack";

/// Format of values in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Vpack,
}

impl Format {
    /// What the client accepts: JSON unless it names VelocyPack.
    pub fn accepted(headers: &HeaderMap) -> Self {
        let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accepts.contains(VPACK_TYPE) { Self::Vpack } else { Self::Json }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => JSON_TYPE,
            Self::Vpack => VPACK_TYPE,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Empty,
    Tree(Json),
    Value(Value),
    /// Already in the format of the answer.
    Written(Vec<u8>),
    /// A whole answer made before.
    Repeated(Box<Response>),
    Other(&'static str, Bytes),
}

impl Reply {
    /// Without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    /// A JSON tree as it is.
    pub fn tree(status: u16, tree: Json) -> Self {
        Self { body: Body::Tree(tree), ..Self::empty(status) }
    }

    /// The members of `tree` between `error: false, code: status` and the end.
    pub fn object(status: u16, tree: Json) -> Self {
        let mut out = Map::new();
        out.insert("error".into(), false.into());
        out.insert("code".into(), status.into());
        if let Json::Object(members) = tree {
            out.extend(members);
        }
        Self::tree(status, Json::Object(out))
    }

    /// `{error: false, code, result}`.
    pub fn result(status: u16, result: impl Into<Json>) -> Self {
        Self::object(status, json!({"result": result.into()}))
    }

    /// A VelocyPack value as it is.
    pub fn value(status: u16, value: Value) -> Self {
        Self { body: Body::Value(value), ..Self::empty(status) }
    }

    /// What an [`Emit`] of the answer's format wrote.
    pub fn emitted(status: u16, emit: Emit) -> Result<Self> {
        Ok(Self { body: Body::Written(emit.finish()?), ..Self::empty(status) })
    }

    /// A body of another type.
    pub fn other(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { body: Body::Other(content_type, body.into()), ..Self::empty(status) }
    }

    /// An answer made before, as it is.
    pub fn repeated(response: Response) -> Self {
        Self { body: Body::Repeated(Box::new(response)), ..Self::empty(200) }
    }

    /// ArangoDB's error body.
    pub fn error(error: &Error) -> Self {
        let status = error.http_status();
        let mut body = json!({"code": status, "error": true, "errorMessage": error.message(), "errorNum": error.code().0});
        let Some(stored) = &error.stored else { return Self::tree(status, body) };
        body["_id"] = stored.id.as_str().into();
        body["_key"] = stored.key.as_str().into();
        body["_rev"] = stored.rev.as_str().into();
        Self::tree(status, body).header(header::ETAG, &format!("\"{}\"", stored.rev))
    }

    /// Adds a header; a value that is not legal is left out.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// The answer as bytes.
    pub fn into_response(self, format: Format) -> Response {
        let mut response = Response::new(self.status);
        response.headers.extend(self.headers);
        let (content_type, body): (&'static str, Bytes) = match self.body {
            // Compat: ArangoDB calls empty bodies plain text.
            Body::Empty => ("text/plain; charset=utf-8", Bytes::new()),
            Body::Tree(tree) => (format.content_type(), tree_bytes(&tree, format)),
            Body::Value(value) => (format.content_type(), value_bytes(&value, format)),
            Body::Written(bytes) => (format.content_type(), bytes.into()),
            Body::Other(content_type, bytes) => (content_type, bytes),
            Body::Repeated(mut before) => {
                before.headers.extend(response.headers);
                return *before;
            }
        };
        response.with_body(content_type, body)
    }
}

fn tree_bytes(tree: &Json, format: Format) -> Bytes {
    match format {
        Format::Json => tree.to_string().into(),
        Format::Vpack => Value::from_serde(tree).as_bytes().to_vec().into(),
    }
}

fn value_bytes(value: &Value, format: Format) -> Bytes {
    match format {
        Format::Json => value.to_json().into(),
        Format::Vpack => value.as_bytes().to_vec().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::code;
    use base::error::StoredIdentity;

    #[test]
    fn an_error_with_a_stored_document_names_it() {
        let stored = StoredIdentity { id: "c/k".into(), key: "k".into(), rev: "_abc---".into() };
        let error = Error::new(code::ARANGO_CONFLICT, "conflict, _rev values do not match").status(412).stored(stored);
        let response = Reply::error(&error).into_response(Format::Json);
        assert_eq!((response.status, response.header("etag")), (412, Some("\"_abc---\"")));
        let body: Json = serde_json::from_slice(&response.body).unwrap();
        let expected = json!({"error": true, "code": 412, "errorNum": 1200, "errorMessage": "conflict, _rev values do not match",
            "_id": "c/k", "_key": "k", "_rev": "_abc---"});
        assert_eq!(body, expected);
    }

    #[test]
    fn velocypack_is_sent_to_those_who_ask_for_it() {
        let mut headers = HeaderMap::new();
        assert_eq!(Format::accepted(&headers), Format::Json);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/x-velocypack"));
        assert_eq!(Format::accepted(&headers), Format::Vpack);
        let response = Reply::result(200, true).into_response(Format::Vpack);
        assert_eq!(response.header("content-type"), Some(VPACK_TYPE));
        let value = Value::from_bytes(&response.body).unwrap();
        assert_eq!(value.to_serde(), json!({"error": false, "code": 200, "result": true}));
    }
}
