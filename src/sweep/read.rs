//! TOML values read into the types of their settings, with the place and the reason of whatever does not fit.
//!
//! A setting is read alone, into its section with all others at their defaults, and handed on as the JSON that the
//! section makes of it: `1` for a number such as a learning rate has become `1.0`, a path its plain form.

use std::fmt;
use std::ops::Range;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeFloat, DeInteger, DeValue};

use super::error::Fault;
use super::settings::{Data, FineTune, Measure, Model, Run, Section, Setting, Train};

/// A value with its place in the file.
pub(super) type TomlValue<'a> = Spanned<DeValue<'a>>;

/// Reads the value of one setting, named `key` in messages.
pub(super) fn setting(setting: Setting, value: &TomlValue<'_>, key: &str) -> Result<Json, Fault> {
    let read = match setting.section {
        Data::NAME => of_section::<Data>,
        Model::NAME => of_section::<Model>,
        Train::NAME => of_section::<Train>,
        FineTune::NAME => of_section::<FineTune>,
        Measure::NAME => of_section::<Measure>,
        Run::NAME => of_section::<Run>,
        _ => unreachable!("a setting belongs to one of five sections"),
    };
    read(setting.key, value, key)
}

/// Reads the setting `name` of a section.
fn of_section<S: Section>(name: &'static str, value: &TomlValue<'_>, key: &str) -> Result<Json, Fault> {
    let allowed =
        S::default().limits().into_iter().find(|limit| limit.key == name).map(|limit| limit.allowed);
    let at = |fault: Fault| fault.at(&value.span(), key);
    let section =
        section_with::<S>(name, value).map_err(|misfit| misfit.into_fault(value, name, key, allowed))?;
    let tree = serde_json::to_value(&section).map_err(|error| at(Fault::new(error.to_string())))?;
    let found = tree.get(name).cloned().unwrap_or_default();
    match section.limits().into_iter().find(|limit| limit.key == name && !limit.holds) {
        Some(limit) => Err(at(Fault::new(format!("`{name}` cannot be `{found}`")).allowed(limit.allowed))),
        None => Ok(found),
    }
}

fn section_with<S: Section>(name: &'static str, value: &TomlValue<'_>) -> Result<S, Misfit> {
    S::deserialize(MapDeserializer::new(std::iter::once((name, Spot(value)))))
}

/// Reads any value, called `name` and placed at `key` in messages.
pub(super) fn value<T: de::DeserializeOwned>(
    value: &TomlValue<'_>,
    name: &str,
    key: &str,
) -> Result<T, Fault> {
    T::deserialize(Spot(value)).map_err(|misfit| misfit.into_fault(value, name, key, None))
}

/// Why a value does not fit, and where, if that is deeper than the value as a whole.
#[derive(Debug)]
struct Misfit {
    reason: Reason,
    span: Option<Range<usize>>,
}

#[derive(Debug)]
enum Reason {
    /// A name that is not in the list.
    UnknownName { found: String, names: &'static [&'static str] },
    /// A key that is not in the list.
    UnknownKey { found: String, names: &'static [&'static str] },
    /// Something of another type or form.
    WrongForm { found: String, expected: String },
    /// Said in full.
    Other(String),
}

impl Misfit {
    fn into_fault(self, value: &TomlValue<'_>, name: &str, key: &str, allowed: Option<&str>) -> Fault {
        let span = self.span.unwrap_or(value.span());
        match self.reason {
            Reason::UnknownName { found, names } => Fault::new(format!("unknown {name} `{found}`"))
                .allowed(names.join(", "))
                .did_you_mean(&found, names.iter().copied()),
            Reason::UnknownKey { found, names } => Fault::new(format!("unknown key `{found}` in `{name}`"))
                .allowed(names.join(", "))
                .did_you_mean(&found, names.iter().copied()),
            Reason::WrongForm { found, expected } => {
                let range = match (expected.as_str(), allowed) {
                    (WHOLE_NUMBER, None) => ", at least 0".to_owned(),
                    (_, Some(allowed)) if !expected.contains(" or ") => format!(", {allowed}"),
                    _ => String::new(),
                };
                Fault::new(format!("`{name}` cannot be {found}")).allowed(expected + &range)
            }
            Reason::Other(message) => Fault::new(message),
        }
        .at(&span, key)
    }

    fn or_at(mut self, span: Range<usize>) -> Self {
        self.span.get_or_insert(span);
        self
    }
}

impl From<Reason> for Misfit {
    fn from(reason: Reason) -> Self {
        Self { reason, span: None }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.reason)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Reason::Other(message.to_string()).into()
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Reason::WrongForm { found: in_words(&found), expected: plain(&expected.to_string()) }.into()
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let found = format!("a list of {length}");
        Reason::WrongForm { found, expected: plain(&expected.to_string()) }.into()
    }

    fn unknown_variant(found: &str, names: &'static [&'static str]) -> Self {
        Reason::UnknownName { found: found.to_owned(), names }.into()
    }

    fn unknown_field(found: &str, names: &'static [&'static str]) -> Self {
        Reason::UnknownKey { found: found.to_owned(), names }.into()
    }
}

/// What serde expected where it expected an unsigned integer.
const WHOLE_NUMBER: &str = "a whole number";

/// What was found, in the words of a sweep file.
fn in_words(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) => format!("`{text:?}`"),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value:?}`"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// What serde expected, in the same words.
fn plain(expected: &str) -> String {
    match expected {
        "usize" | "u64" | "u32" => WHOLE_NUMBER.to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "a text".to_owned(),
        "path string" => "a path".to_owned(),
        "a sequence" => "a list".to_owned(),
        other => other.replace("an array of length", "a list of"),
    }
}

/// A value to deserialize from; an error learns the place of the innermost value that it arose in.
#[derive(Clone, Copy)]
struct Spot<'a>(&'a TomlValue<'a>);

impl<'de> Deserializer<'de> for Spot<'_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0.get_ref() {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(number) => visit_integer(number, visitor),
            DeValue::Float(number) => visit_float(number, visitor),
            DeValue::Boolean(value) => visitor.visit_bool(*value),
            DeValue::Datetime(_) => Err(de::Error::invalid_type(Unexpected::Other("a date"), &visitor)),
            DeValue::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Spot))),
            DeValue::Table(table) => {
                let entries = table.iter().map(|(key, value)| (&**key.get_ref(), Spot(value)));
                visitor.visit_map(MapDeserializer::new(entries))
            }
        }
        .map_err(|misfit: Misfit| misfit.or_at(self.0.span()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.0.get_ref() {
            DeValue::String(name) => visitor.visit_enum((&**name).into_deserializer()),
            // Refused, as an enum has no other form; with the names that are allowed in place of the type's.
            _ => self.deserialize_any(visitor).map_err(|misfit| match misfit.reason {
                Reason::WrongForm { found, .. } => {
                    Reason::WrongForm { found, expected: names.join(", ") }.into()
                }
                _ => misfit,
            }),
        }
        .map_err(|misfit: Misfit| misfit.or_at(self.0.span()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Misfit> for Spot<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn visit_integer<'de, V: Visitor<'de>>(number: &DeInteger<'_>, visitor: V) -> Result<V::Value, Misfit> {
    match i64::from_str_radix(number.as_str(), number.radix()) {
        Ok(number) => match u64::try_from(number) {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => visitor.visit_i64(number),
        },
        Err(_) => Err(Reason::Other(format!("{number} is too large a number")).into()),
    }
}

fn visit_float<'de, V: Visitor<'de>>(number: &DeFloat<'_>, visitor: V) -> Result<V::Value, Misfit> {
    match number.as_str().parse::<f64>() {
        // The sum makes -0.0 the 0.0 that it equals.
        Ok(number) if number.is_finite() => visitor.visit_f64(number + 0.0),
        _ => Err(Reason::Other(format!("{number} is no finite number")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: Setting, text: &str) -> Result<Json, String> {
        let toml = DeValue::parse(text).unwrap();
        setting(name, &toml, "key").map_err(|fault| format!("{fault:?}"))
    }

    const RATE: Setting = Setting::new("train", "lr");

    #[test]
    fn a_whole_number_is_a_number() {
        assert_eq!(read(RATE, "1"), read(RATE, "1.0"));
        assert_eq!(read(Setting::new("train", "mixup"), "-0.0").unwrap().to_string(), "0.0");
    }

    #[test]
    fn two_spellings_of_a_path_are_one() {
        let path = |text| read(Setting::PATH, text).unwrap();
        assert_eq!(path("'./data/x/'"), path("'data/x'"));
        assert_ne!(path("'../data'"), path("'data'"));
    }

    #[test]
    fn two_spellings_of_a_norm_are_one() {
        assert_eq!(read(Setting::NORM, "{ kind = 'gn', groups = 4 }"), read(Setting::NORM, "'gn'"));
        assert_ne!(read(Setting::NORM, "{ kind = 'gn', groups = 8 }"), read(Setting::NORM, "'gn'"));
    }

    #[test]
    fn what_does_not_fit_is_said_in_the_words_of_the_file() {
        for (setting, text, words) in [
            (RATE, "nan", "no finite number"),
            (RATE, "0", "cannot be `0.0`"),
            (RATE, "'fast'", "a number, above 0"),
            (RATE, "99999999999999999999", "too large"),
            (Setting::BATCH_SIZE, "1.5", "cannot be `1.5`"),
            (Setting::BATCH_SIZE, "-3", "cannot be `-3`"),
            (Setting::NORM, "'lnpn'", "did you mean `ln+pn`?"),
            (Setting::NORM, "{ kind = 'gn', group = 8 }", "did you mean `groups`?"),
            (Setting::NORM, "{ kind = 'bn', groups = 8 }", "not to bn"),
            (Setting::NORM, "{ kind = 'gn', groups = 0 }", "1 to 4096 groups"),
            (Setting::NORM, "{ kind = 'gn', groups = 9223372036854775807 }", "1 to 4096 groups"),
            (Setting::IMAGE_SET, "3", "shapes, cifar10"),
            (Setting::new("model", "stage_strides"), "[1, 2]", "a list of 2"),
        ] {
            let fault = read(setting, text).unwrap_err();
            assert!(fault.contains(words), "{setting} = {text}: {fault}");
        }
    }
}
