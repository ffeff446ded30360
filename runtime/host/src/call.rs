//! One use of an operator: its inputs and attributes, and how operators ask for them.

use crate::attribute::{Attribute, Attributes, Given};
use crate::element::Element;
use crate::error::{Result, invalid};
use crate::tensor::Tensor;
use crate::value::Value;

/// Inputs, attributes, the version of the operator's domain, and the number of outputs asked for.
pub(crate) struct Call<'a> {
    pub(crate) op_type: &'a str,
    pub(crate) version: i64,
    pub(crate) attributes: &'a Attributes,
    pub(crate) inputs: &'a [Option<&'a Value>],
    pub(crate) outputs: usize,
}

impl Given for Call<'_> {
    fn given(&self, name: &str) -> Option<&Attribute> {
        self.attributes.get(name)
    }
}

/// What operators give: a value per output, in order.
pub(crate) type Outcome = Result<Vec<Value>>;

impl<'a> Call<'a> {
    /// An input, if it is there.
    pub(crate) fn optional(&self, index: usize) -> Option<&'a Value> {
        self.inputs.get(index).copied().flatten()
    }

    /// An input that must be there.
    pub(crate) fn value(&self, index: usize) -> Result<&'a Value> {
        self.optional(index).ok_or_else(|| invalid(format!("input {index} is missing")))
    }

    /// A tensor that must be there.
    pub(crate) fn input(&self, index: usize) -> Result<&'a Tensor> {
        self.value(index)?.tensor()
    }

    /// A tensor that may be there.
    pub(crate) fn optional_input(&self, index: usize) -> Result<Option<&'a Tensor>> {
        self.optional(index).map(Value::tensor).transpose()
    }

    /// All inputs, as tensors.
    pub(crate) fn all_inputs(&self) -> Result<Vec<&'a Tensor>> {
        (0..self.inputs.len()).map(|index| self.input(index)).collect()
    }

    /// An integer attribute or its default.
    pub(crate) fn int_or(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.int(name)?.copied().unwrap_or(default))
    }

    /// A flag or its default.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        Ok(self.int_or(name, i64::from(default))? != 0)
    }

    /// A float attribute or its default.
    pub(crate) fn float_or(&self, name: &str, default: f32) -> Result<f64> {
        Ok(f64::from(self.float(name)?.copied().unwrap_or(default)))
    }

    /// A string attribute or its default.
    pub(crate) fn string_or(&self, name: &str, default: &'a str) -> Result<&str> {
        Ok(self.string(name)?.map_or(default, String::as_str))
    }

    /// An integer attribute that must be there.
    pub(crate) fn required_int(&self, name: &str) -> Result<i64> {
        self.int(name)?.copied().ok_or_else(|| invalid(format!("attribute {name} is missing")))
    }

    /// An element type that an attribute names; none where it is absent or 0.
    pub(crate) fn element(&self, name: &str) -> Result<Option<Element>> {
        match self.int_or(name, 0)? {
            0 => Ok(None),
            code => match Element::of_code(code) {
                Some(element) => Ok(Some(element)),
                None => {
                    Err(invalid(format!("attribute {name} names the element type {code}, which is none")))
                }
            },
        }
    }

    /// Integers of an input, or else of an attribute of an older form, if there are any.
    pub(crate) fn integers(&self, index: usize, name: &str) -> Result<Option<Vec<i64>>> {
        match self.optional_input(index)? {
            Some(tensor) => tensor.integers().map(Some),
            None => Ok(self.ints(name)?.cloned()),
        }
    }
}

/// The outcome of an operator of one tensor.
pub(crate) fn one(tensor: Tensor) -> Outcome {
    Ok(vec![Value::Tensor(tensor)])
}

/// An error where a string attribute has none of the values it may have.
pub(crate) fn unknown_choice(name: &str, value: &str) -> crate::error::HostError {
    invalid(format!("attribute {name} is {value:?}, which is none of its values"))
}

/// Whether both tensors have the same type.
pub(crate) fn same_element(one: &Tensor, other: &Tensor) -> Result<()> {
    if one.element() == other.element() {
        return Ok(());
    }
    Err(invalid(format!("{} and {} do not go together", one.element(), other.element())))
}
