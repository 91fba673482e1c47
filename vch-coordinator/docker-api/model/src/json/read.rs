//! Converts parsed JSON to a handler's type by Go's rules, on which clients of dockerd rely:
//!
//! - a key matches a field regardless of case, an exact match first;
//! - `null` is the same as a missing key;
//! - an empty text is the same as a missing one if the field is optional (`"DetachKeys":""` of the docker CLI).
//!
//! An error names the path of the field.

use crate::DockerError;
use serde::{
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
        SeqAccess, Unexpected, Visitor, value::StringDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};
use std::{fmt, vec};

/// Converts the JSON value of a request's body to a type by Go's rules, on which dockerd's clients rely: a key matches
/// a field regardless of case, null is the same as a missing key, and so is an empty text for an `Option`.
///
/// # Errors
/// Returns 400 with the path of the field if a value does not fit its field.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T, DockerError> {
    T::deserialize(Read(value))
        .map_err(|error| DockerError::invalid(format!("invalid JSON: {error}")))
}

/// The reason why a value does not fit, and the path to it, innermost part last.
#[derive(Debug)]
struct Misfit {
    path: Vec<String>,
    message: String,
}

impl Misfit {
    fn within(mut self, key: &str) -> Self {
        self.path.insert(0, key.chars().take(80).collect());
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path.join("."))?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Misfit {}

impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            path: Vec::new(),
            message: message.to_string(),
        }
    }
}

struct Read(Value);

/// Deserializes `null` as the type's zero value, as Go does.
macro_rules! null_is_zero {
    ($($method:ident: $visit:ident($zero:expr)),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            match self.0 {
                Value::Null => visitor.$visit($zero),
                value => Read(value).deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Read {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                // The parser has stored the number as one of the three.
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(list) => visitor.visit_seq(List {
                rest: list.into_iter(),
                read: 0,
            }),
            Value::Object(map) => visitor.visit_map(KeyedFields::new(map, &[])),
        }
    }

    null_is_zero! {
        deserialize_bool: visit_bool(false),
        deserialize_i8: visit_i8(0),
        deserialize_i16: visit_i16(0),
        deserialize_i32: visit_i32(0),
        deserialize_i64: visit_i64(0),
        deserialize_u8: visit_u8(0),
        deserialize_u16: visit_u16(0),
        deserialize_u32: visit_u32(0),
        deserialize_u64: visit_u64(0),
        deserialize_f64: visit_f64(0.0),
        deserialize_str: visit_str(""),
        deserialize_string: visit_str(""),
        deserialize_seq: visit_seq(List { rest: Vec::new().into_iter(), read: 0 }),
        deserialize_map: visit_map(KeyedFields::new(Map::new(), &[])),
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            Value::String(text) if text.is_empty() => visitor.visit_none(),
            value => visitor.visit_some(Self(value)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_map(KeyedFields::new(Map::new(), fields)),
            Value::Object(map) => visitor.visit_map(KeyedFields::new(map, fields)),
            // serde accepts a list for a struct, but Go does not.
            Value::Array(_) => Err(Misfit::invalid_type(Unexpected::Seq, &visitor)),
            value => Self(value).deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.0
            .deserialize_enum(name, variants, visitor)
            .map_err(Misfit::custom)
    }

    forward_to_deserialize_any! {
        i128 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct List {
    rest: vec::IntoIter<Value>,
    read: usize,
}

impl<'de> SeqAccess<'de> for List {
    type Error = Misfit;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Misfit> {
        let Some(value) = self.rest.next() else {
            return Ok(None);
        };
        let key = format!("[{}]", self.read);
        self.read += 1;
        seed.deserialize(Read(value))
            .map(Some)
            .map_err(|error| error.within(&key))
    }
}

/// The keys of an object, spelled as the fields that they match.
struct KeyedFields {
    rest: vec::IntoIter<(String, Value)>,
    value: Option<(String, Value)>,
}

impl KeyedFields {
    /// Matches an object's keys to fields. Without fields, the object is a map whose keys are kept
    /// as they are.
    fn new(map: Map<String, Value>, fields: &'static [&'static str]) -> Self {
        if fields.is_empty() {
            let rest: Vec<_> = map.into_iter().collect();
            return Self {
                rest: rest.into_iter(),
                value: None,
            };
        }
        let mut kept = Map::new();
        for (key, value) in map {
            if value.is_null() {
                continue;
            }
            let mut alike = fields
                .iter()
                .filter(|field| field.eq_ignore_ascii_case(&key));
            let exact = fields.contains(&key.as_str());
            let spelled = match (exact, alike.next()) {
                (false, Some(field)) => (*field).to_owned(),
                _ => key,
            };
            // As in Go, the last one counts.
            kept.insert(spelled, value);
        }
        let rest: Vec<_> = kept.into_iter().collect();
        Self {
            rest: rest.into_iter(),
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for KeyedFields {
    type Error = Misfit;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Misfit> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some((key.clone(), value));
        let key: StringDeserializer<Misfit> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Misfit> {
        let Some((key, value)) = self.value.take() else {
            return Err(Misfit::custom("a value without a key"));
        };
        seed.deserialize(Read(value))
            .map_err(|error| error.within(&key))
    }
}

#[cfg(test)]
mod tests;
