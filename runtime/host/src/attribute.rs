//! Attributes of a node, and how operators ask for them.

use crate::error::{Result, invalid};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// The value of an attribute. Graphs are the executor's, not of this crate.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the ONNX attribute type of its name")]
pub enum Attribute {
    Int(i64),
    Float(f32),
    String(String),
    Tensor(Tensor),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Strings(Vec<String>),
    Tensors(Vec<Tensor>),
}

/// The attributes of a node by name.
pub type Attributes = BTreeMap<String, Attribute>;

macro_rules! getters {
    ($($name:ident $variant:ident $type:ty;)*) => {
        /// Attributes by name and type.
        pub(crate) trait Given {
            /// The attribute, if there is one.
            fn given(&self, name: &str) -> Option<&Attribute>;

            $(
                /// The attribute of this type, if there is one; an error if it has another type.
                fn $name(&self, name: &str) -> Result<Option<&$type>> {
                    match self.given(name) {
                        None => Ok(None),
                        Some(Attribute::$variant(value)) => Ok(Some(value)),
                        Some(_) => Err(invalid(format!(concat!("attribute {} is no ", stringify!($variant)), name))),
                    }
                }
            )*
        }
    };
}

getters! {
    int Int i64;
    float Float f32;
    string String String;
    tensor Tensor Tensor;
    ints Ints Vec<i64>;
    floats Floats Vec<f32>;
    strings Strings Vec<String>;
}

impl Given for Attributes {
    fn given(&self, name: &str) -> Option<&Attribute> {
        self.get(name)
    }
}
