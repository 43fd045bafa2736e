//! JSON objects in which no name may come twice: a reader that keeps the last, and another that keeps
//! the first, would see two documents.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// An object with any names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object<T>(pub(super) BTreeMap<String, T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` comes twice")));
            }
            let value = members.next_value()?;
            object.insert(name, value);
        }
        Ok(Object(object))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_once() {
        let object: Object<u8> = serde_json::from_str(r#"{"b":1,"a":2}"#).unwrap();
        assert_eq!(object.0.into_iter().collect::<Vec<_>>(), [("a".into(), 2), ("b".into(), 1)]);
        let twice = serde_json::from_str::<Object<u8>>(r#"{"a":1,"a":1}"#).unwrap_err();
        assert!(twice.to_string().contains("`a` comes twice"), "{twice}");
        assert!(serde_json::from_str::<Object<u8>>("[]").is_err());
    }
}
