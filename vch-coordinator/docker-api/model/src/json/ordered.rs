//! A JSON object that keeps the order of its keys, unlike a sorted or hashed map.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use std::{collections::BTreeMap, fmt, marker::PhantomData};

/// A JSON object: values by key, in the order in which the keys were first inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered<T> {
    entries: Vec<(String, T)>,
    index: BTreeMap<String, usize>,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            index: BTreeMap::new(),
        }
    }
}

impl<T> Ordered<T> {
    /// Inserts a value at the end. If the key exists, its value is replaced and keeps its position.
    pub fn insert(&mut self, key: String, value: T) {
        let entry = self
            .index
            .get(&key)
            .and_then(|at| self.entries.get_mut(*at));
        if let Some((_, old)) = entry {
            *old = value;
            return;
        }
        self.index.insert(key.clone(), self.entries.len());
        self.entries.push((key, value));
    }

    /// Returns the value of a key; `None` if the object does not have the key.
    pub fn get(&self, key: &str) -> Option<&T> {
        let at = self.index.get(key)?;
        self.entries.get(*at).map(|(_, value)| value)
    }

    /// Returns a mutable reference to the value of a key; `None` if the object does not have the key.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut T> {
        let at = self.index.get(key)?;
        self.entries.get_mut(*at).map(|(_, value)| value)
    }

    /// Returns whether the object has no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> FromIterator<(String, T)> for Ordered<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(entries: I) -> Self {
        let mut all = Self::default();
        for (key, value) in entries {
            all.insert(key, value);
        }
        all
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Entries(PhantomData))
    }
}

/// Deserializes the entries of an object.
struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Ordered<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
        let mut all = Ordered::default();
        while let Some((key, value)) = map.next_entry()? {
            all.insert(key, value);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
