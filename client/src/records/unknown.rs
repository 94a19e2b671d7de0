//! Fields that this program does not know, kept for who does. Not `serde_json::Value`, which takes
//! an object with one certain key for JSON in a text: what it holds would be kept as something
//! else, and could nest deeper than any reader goes.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Number;

/// Unknown fields of an object.
pub(super) type Unknown = BTreeMap<String, Json>;

/// Any JSON. A newer program may keep secrets in it, so it doesn't print itself.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Json {
    Null,
    Truth(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(..)")
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Truth(truth))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Json, E> {
        let number = Number::from_f64(number);
        number.map(Json::Number).ok_or_else(|| E::custom("JSON has finite numbers"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((field, value)) = fields.next_entry()? {
            object.insert(field, value);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 34.
    #[test]
    fn what_is_unknown_is_not_printed() {
        let read: Unknown = serde_json::from_str(r#"{"a":{"b":["secret"]}}"#).expect("JSON");
        assert_eq!(format!("{read:?}"), r#"{"a": Json(..)}"#);
    }

    #[test]
    fn any_json_comes_back_as_it_was() {
        for json in [
            r#"{"a":null,"b":[true,false],"c":{"d":"e\"\u0001"},"f":""}"#,
            r#"{"a":[0,-1,18446744073709551615,-9223372036854775808,1.5,-0.0,1e+300]}"#,
            // A parser that is a digit off makes it grow with every rewrite.
            r#"{"a":1.79769313486239}"#,
            // serde_json's own name for JSON in a text.
            r#"{"a":{"$serde_json::private::RawValue":"[1]"}}"#,
        ] {
            let read: Unknown = serde_json::from_str(json).expect("JSON");
            assert_eq!(serde_json::to_string(&read).expect("JSON"), json);
        }
    }
}
