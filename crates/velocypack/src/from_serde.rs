//! Values as serde data: any format in, any format out. Used for requests and answers whose shape is
//! described by Rust types.

use crate::builder::Builder;
use crate::slice::{Kind, Slice};
use crate::value::Value;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

impl Value {
    /// A value from a tree of `serde_json`.
    #[must_use]
    pub fn from_serde(tree: &serde_json::Value) -> Self {
        let mut builder = Builder::new();
        add_tree(tree, &mut builder);
        builder.finish().unwrap_or_else(|_| Self::null())
    }

    /// The value as a tree of `serde_json`.
    #[must_use]
    pub fn to_serde(&self) -> serde_json::Value {
        self.as_slice().to_serde()
    }
}

impl Slice<'_> {
    /// The value as a tree of `serde_json`.
    #[must_use]
    pub fn to_serde(self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

fn add_tree(tree: &serde_json::Value, builder: &mut Builder) {
    match tree {
        serde_json::Value::Null => builder.null(),
        serde_json::Value::Bool(flag) => builder.bool(*flag),
        serde_json::Value::String(text) => builder.string(text),
        serde_json::Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => builder.uint(number),
            (None, Some(number)) => builder.int(number),
            (None, None) => builder.double(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::Array(members) => {
            builder.open_array();
            members.iter().for_each(|member| add_tree(member, builder));
            builder.close()
        }
        serde_json::Value::Object(attributes) => {
            builder.open_object();
            for (name, value) in attributes {
                builder.key(name);
                add_tree(value, builder);
            }
            builder.close()
        }
    };
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl Serialize for Slice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.kind() {
            Kind::Bool => serializer.serialize_bool(self.as_bool() == Some(true)),
            Kind::String => serializer.serialize_str(self.as_str().unwrap_or_default()),
            Kind::Int | Kind::UtcDate => match (self.as_i64(), self.as_u64()) {
                (Some(number), _) => serializer.serialize_i64(number),
                (None, number) => serializer.serialize_u64(number.unwrap_or_default()),
            },
            Kind::Double => match (self.as_i64(), self.as_f64()) {
                (Some(number), _) if number.unsigned_abs() < 1 << 53 => serializer.serialize_i64(number),
                (_, Some(number)) if number.is_finite() => serializer.serialize_f64(number),
                _ => serializer.serialize_unit(),
            },
            Kind::Array => {
                let mut sequence = serializer.serialize_seq(Some(self.len()))?;
                for member in self.elements() {
                    sequence.serialize_element(&member)?;
                }
                sequence.end()
            }
            Kind::Object => {
                let mut map = serializer.serialize_map(Some(self.len()))?;
                for (name, value) in self.entries() {
                    map.serialize_entry(name, &value)?;
                }
                map.end()
            }
            Kind::Binary => serializer.serialize_bytes(self.as_binary().unwrap_or_default()),
            Kind::None | Kind::Null | Kind::Illegal | Kind::Custom => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut builder = Builder::new();
        Member(&mut builder).deserialize(deserializer)?;
        builder.finish().map_err(de::Error::custom)
    }
}

/// Writes the next value of a format as the next value of a builder.
struct Member<'b>(&'b mut Builder);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.0.bool(flag);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.int(number);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.0.uint(number);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.0.double(number);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.string(text);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.null();
        Ok(())
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.open_array();
        while members.next_element_seed(Member(self.0))?.is_some() {}
        self.0.close();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut attributes: A) -> Result<(), A::Error> {
        self.0.open_object();
        while let Some(name) = attributes.next_key::<std::borrow::Cow<'de, str>>()? {
            self.0.key(&name);
            attributes.next_value_seed(Member(self.0))?;
        }
        self.0.close();
        Ok(())
    }
}
