//! `resolution`: train and test sizes that belong together.
//!
//! `40` trains at 40 pixels; `{ train = 24, test = [24, 32] }` also says where the trained network is tested. In
//! conditions either half may stand alone.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::settings::RESOLUTIONS;

/// A side at which trained networks are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TestResolution {
    /// Pixels.
    pub side: usize,
    /// Whether it breaks the alignment rule, which only a sweep with `allow_aliasing = true` may.
    pub aliased: bool,
}

/// What `resolution` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// Side of training images.
    pub train: Option<usize>,
    /// Sides of test images, in ascending order.
    pub test: Option<Vec<usize>>,
}

impl Pair {
    /// `40`, or `24→24,32`.
    pub(super) fn label(&self) -> String {
        let train = self.train.map(|side| side.to_string()).unwrap_or_default();
        match &self.test {
            None => train,
            Some(test) => {
                let test: Vec<String> = test.iter().map(usize::to_string).collect();
                format!("{train}→{}", test.join(","))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairVisitor;

        impl<'de> Visitor<'de> for PairVisitor {
            type Value = Pair;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a side such as 32, or { train = 24, test = [24, 32] }")
            }

            fn visit_u64<E: de::Error>(self, side: u64) -> Result<Pair, E> {
                Ok(Pair { train: Some(checked(side)?), test: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pair, A::Error> {
                let mut pair = Pair { train: None, test: None };
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "train" => pair.train = Some(map.next_value::<Side>()?.0),
                        "test" => pair.test = Some(map.next_value::<Sides>()?.0),
                        _ => return Err(de::Error::unknown_field(&key, &["train", "test"])),
                    }
                }
                if pair.train.is_none() && pair.test.is_none() {
                    return Err(de::Error::custom("an empty `resolution`"));
                }
                Ok(pair)
            }
        }

        deserializer.deserialize_any(PairVisitor)
    }
}

/// One side, in range.
struct Side(usize);

/// One side or a list of different ones.
struct Sides(Vec<usize>);

fn checked<E: de::Error>(side: u64) -> Result<usize, E> {
    usize::try_from(side)
        .ok()
        .filter(|side| RESOLUTIONS.contains(side))
        .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(side), &"8 to 4096 pixels"))
}

impl<'de> Deserialize<'de> for Side {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SideVisitor;

        impl Visitor<'_> for SideVisitor {
            type Value = Side;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("8 to 4096 pixels")
            }

            fn visit_u64<E: de::Error>(self, side: u64) -> Result<Side, E> {
                checked(side).map(Side)
            }
        }

        deserializer.deserialize_any(SideVisitor)
    }
}

impl<'de> Deserialize<'de> for Sides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SidesVisitor;

        impl<'de> Visitor<'de> for SidesVisitor {
            type Value = Sides;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a side such as 32, or a list of sides")
            }

            fn visit_u64<E: de::Error>(self, side: u64) -> Result<Sides, E> {
                Ok(Sides(vec![checked(side)?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Sides, A::Error> {
                let mut sides = Vec::new();
                while let Some(Side(side)) = seq.next_element()? {
                    if sides.contains(&side) {
                        return Err(de::Error::custom(format_args!(
                            "test resolution {side} stands here twice"
                        )));
                    }
                    sides.push(side);
                }
                if sides.is_empty() {
                    return Err(de::Error::custom("an empty list of test resolutions"));
                }
                sides.sort_unstable();
                Ok(Sides(sides))
            }
        }

        deserializer.deserialize_any(SidesVisitor)
    }
}
