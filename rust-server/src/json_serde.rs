//! JSON for a server that has serde: the same orders that `json` decodes.
//!
//! A derived `Deserialize` takes an array of the fields for a struct, too. The contract does not,
//! so structs are read through `Object`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::answer::BadRequest;
use crate::orders::Order;

/// Decodes the body of `POST /orders`.
pub fn orders(body: &[u8]) -> Result<Vec<Order<'_>>, BadRequest> {
    // Not `from_slice`: it does not look at the bytes of the strings it skips.
    let text = str::from_utf8(body).map_err(|_| BadRequest)?;
    let orders: Vec<Object<Order<'_>>> = serde_json::from_str(text).map_err(|_| BadRequest)?;
    Ok(orders.into_iter().map(|Object(order)| order).collect())
}

/// For a field that is a struct.
pub(crate) fn object<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// For a field that is a list of structs.
pub(crate) fn objects<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let objects: Vec<Object<T>> = Vec::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

/// A struct that was an object.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OnlyMap(PhantomData)).map(Object)
    }
}

struct OnlyMap<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
