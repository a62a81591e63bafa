//! Writes an answer directly as JSON or as VelocyPack, whichever the client wants, so that
//! documents are copied once and never become a tree.

use crate::reply::Format;
use base::{Error, Result};
use std::io::Write as _;
use velocypack::{Builder, Slice};

/// Writes one value in the format of the answer.
///
/// Invariant: `open_*`/`close_*` are balanced and `key` precedes every member of an object; only
/// code of this crate writes, so a slip is a bug that its tests show.
pub enum Emit {
    Json { out: Vec<u8>, needs_comma: bool },
    Vpack(Builder),
}

impl Emit {
    pub fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json { out: Vec::with_capacity(256), needs_comma: false },
            Format::Vpack => Self::Vpack(Builder::new()),
        }
    }

    pub fn open_object(&mut self) {
        match self {
            Self::Json { .. } => self.open(b'{'),
            Self::Vpack(builder) => {
                builder.open_object();
            }
        }
    }

    pub fn open_array(&mut self) {
        match self {
            Self::Json { .. } => self.open(b'['),
            Self::Vpack(builder) => {
                builder.open_array();
            }
        }
    }

    pub fn close_object(&mut self) {
        self.close(b'}');
    }

    pub fn close_array(&mut self) {
        self.close(b']');
    }

    pub fn key(&mut self, key: &str) {
        match self {
            Self::Json { out, needs_comma } => {
                if *needs_comma {
                    out.push(b',');
                }
                write_json_string(out, key);
                out.push(b':');
                *needs_comma = false;
            }
            Self::Vpack(builder) => {
                builder.key(key);
            }
        }
    }

    pub fn slice(&mut self, value: Slice<'_>) {
        match self {
            Self::Json { .. } => self.json(|out| value.write_json(out)),
            Self::Vpack(builder) => {
                builder.add(value);
            }
        }
    }

    pub fn string(&mut self, text: &str) {
        match self {
            Self::Json { .. } => self.json(|out| write_json_string(out, text)),
            Self::Vpack(builder) => {
                builder.string(text);
            }
        }
    }

    pub fn bool(&mut self, flag: bool) {
        match self {
            Self::Json { .. } => self.json(|out| out.extend_from_slice(if flag { b"true" } else { b"false" })),
            Self::Vpack(builder) => {
                builder.bool(flag);
            }
        }
    }

    pub fn uint(&mut self, number: u64) {
        match self {
            Self::Json { .. } => self.json(|out| {
                // Writing to a vector cannot fail.
                let _ = write!(out, "{number}");
            }),
            Self::Vpack(builder) => {
                builder.uint(number);
            }
        }
    }

    /// A value that exists as a JSON tree (small parts of an answer only).
    pub fn tree(&mut self, tree: &serde_json::Value) {
        match self {
            Self::Json { .. } => self.json(|out| {
                // Writing a tree to a vector cannot fail.
                let _ = serde_json::to_writer(out, tree);
            }),
            Self::Vpack(builder) => {
                builder.add(velocypack::Value::from_serde(tree).as_slice());
            }
        }
    }

    /// The bytes written.
    pub fn finish(self) -> Result<Vec<u8>> {
        match self {
            Self::Json { out, .. } => Ok(out),
            Self::Vpack(mut builder) => {
                let value = builder.finish().map_err(|error| Error::internal(format!("cannot build the answer: {error}")))?;
                Ok(value.as_bytes().to_vec())
            }
        }
    }

    fn json(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if let Self::Json { out, needs_comma } = self {
            if *needs_comma {
                out.push(b',');
            }
            write(out);
            *needs_comma = true;
        }
    }

    fn open(&mut self, bracket: u8) {
        self.json(|out| out.push(bracket));
        if let Self::Json { needs_comma, .. } = self {
            *needs_comma = false;
        }
    }

    fn close(&mut self, bracket: u8) {
        match self {
            Self::Json { out, needs_comma } => {
                out.push(bracket);
                *needs_comma = true;
            }
            Self::Vpack(builder) => {
                builder.close();
            }
        }
    }
}

fn write_json_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string to a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use velocypack::Value;

    fn write(format: Format) -> Vec<u8> {
        let mut emit = Emit::new(format);
        emit.open_object();
        emit.key("a\"");
        emit.open_array();
        emit.uint(1);
        emit.bool(true);
        emit.slice(Value::parse_json(b"{\"x\":null}").unwrap().as_slice());
        emit.close_array();
        emit.key("b");
        emit.open_object();
        emit.close_object();
        emit.key("c");
        emit.string("ü");
        emit.key("d");
        emit.tree(&serde_json::json!({"t": [1.5]}));
        emit.close_object();
        emit.finish().unwrap()
    }

    #[test]
    fn both_formats_say_the_same() {
        let expected = r#"{"a\"":[1,true,{"x":null}],"b":{},"c":"ü","d":{"t":[1.5]}}"#;
        assert_eq!(String::from_utf8(write(Format::Json)).unwrap(), expected);
        let packed = Value::from_bytes(&write(Format::Vpack)).unwrap();
        assert_eq!(packed.to_serde(), serde_json::from_str::<serde_json::Value>(expected).unwrap());
    }
}
