//! Reading attributes: of the right type, with their defaults.

use super::{Context, Stop};
use crate::{Array, Attribute, Element, Graph};

macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident: $variant:ident($value:ident) -> $ty:ty = $result:expr, $wanted:literal;)*) => {
        $($(#[$doc])*
        pub fn $name(&self, name: &str) -> Result<Option<$ty>, Stop> {
            match self.node.attributes.get(name) {
                None => Ok(None),
                Some(Attribute::$variant($value)) => Ok(Some($result)),
                Some(other) => Err(Stop::Invalid(format!(
                    "its attribute `{name}` is {}, and must be {}", other.kind(), $wanted
                ))),
            }
        })*
    };
}

impl<'c> Context<'c, '_> {
    accessors! {
        /// An integer.
        int: Int(value) -> i64 = *value, "an integer";
        /// A float.
        float: Float(value) -> f64 = f64::from(*value), "a float";
        /// The bytes of a string.
        bytes: Text(value) -> &'c [u8] = value.as_slice(), "a string";
        /// A list of integers.
        ints: Ints(value) -> Vec<i64> = value.clone(), "a list of integers";
        /// A list of floats.
        floats: Floats(value) -> Vec<f32> = value.clone(), "a list of floats";
        /// A list of strings.
        texts: Texts(value) -> &'c [Vec<u8>] = value.as_slice(), "a list of strings";
        /// A tensor.
        tensor: Tensor(value) -> &'c Array = value, "a tensor";
        /// A graph.
        graph: Graph(value) -> &'c Graph = value, "a graph";
    }

    /// An integer with its default.
    pub fn int_or(&self, name: &str, default: i64) -> Result<i64, Stop> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    /// A float with its default.
    pub fn float_or(&self, name: &str, default: f64) -> Result<f64, Stop> {
        Ok(self.float(name)?.unwrap_or(default))
    }

    /// A flag, 0 or 1, with its default.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Stop> {
        Ok(self.int_or(name, i64::from(default))? != 0)
    }

    /// A string with its default.
    pub fn text_or(&self, name: &str, default: &'c str) -> Result<&'c str, Stop> {
        match self.bytes(name)? {
            None => Ok(default),
            Some(bytes) => std::str::from_utf8(bytes)
                .map_err(|_| Stop::Invalid(format!("its attribute `{name}` is no UTF-8 text"))),
        }
    }

    /// An integer that must be there.
    pub fn required_int(&self, name: &str) -> Result<i64, Stop> {
        self.int(name)?.ok_or_else(|| Stop::Invalid(format!("its attribute `{name}` is missing")))
    }

    /// An element type that is told by number.
    pub fn element(&self, name: &str) -> Result<Option<Element>, Stop> {
        let Some(number) = self.int(name)? else { return Ok(None) };
        let element = i32::try_from(number).ok().and_then(Element::from_number);
        match element {
            Some(element) => Ok(Some(element)),
            None => Err(Stop::Invalid(format!(
                "its attribute `{name}` is {number}, the number of no element type"
            ))),
        }
    }

    /// A list of sizes: integers that are not negative.
    pub fn sizes(&self, name: &str) -> Result<Option<Vec<usize>>, Stop> {
        let Some(values) = self.ints(name)? else { return Ok(None) };
        let size = |&value: &i64| {
            usize::try_from(value).map_err(|_| {
                Stop::Invalid(format!("its attribute `{name}` holds {value}, which is negative"))
            })
        };
        values.iter().map(size).collect::<Result<Vec<usize>, Stop>>().map(Some)
    }
}
