//! The table of operators, and the one way into them.

use crate::attribute::Attributes;
use crate::call::{Call, Outcome};
use crate::error::{HostError, invalid, unsupported};
use crate::operators::FAMILIES;
use crate::value::Value;
use std::fmt;

/// Which operator a node asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorName {
    /// Empty or `ai.onnx` for the operators of ONNX itself.
    pub domain: String,
    /// As in the node: `Gather`.
    pub op_type: String,
    /// The version of the domain that the model imports.
    pub version: i64,
}

impl fmt::Display for OperatorName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.domain.is_empty() {
            write!(formatter, "{}.", self.domain)?;
        }
        formatter.write_str(&self.op_type)
    }
}

/// A row of the table.
pub struct Operator {
    /// Empty for the operators of ONNX itself.
    pub domain: &'static str,
    /// As in nodes.
    pub name: &'static str,
    /// The first version of the domain whose form of the operator is computed.
    pub since: i64,
    pub(crate) function: fn(&Call<'_>) -> Outcome,
}

/// A row of ONNX's own domain.
pub(crate) const fn onnx(name: &'static str, since: i64, function: fn(&Call<'_>) -> Outcome) -> Operator {
    Operator { domain: "", name, since, function }
}

/// A row of the domain of classical machine learning.
pub(crate) const fn ml(name: &'static str, since: i64, function: fn(&Call<'_>) -> Outcome) -> Operator {
    Operator { domain: "ai.onnx.ml", name, since, function }
}

/// All operators of the host, by family.
pub fn operators() -> impl Iterator<Item = &'static Operator> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The row of an operator, whatever the version.
pub fn find(domain: &str, op_type: &str) -> Option<&'static Operator> {
    let domain = if domain == "ai.onnx" { "" } else { domain };
    operators().find(|row| row.domain == domain && row.name == op_type)
}

/// Computes one node. `inputs` has an entry per input of the node, none for those left out; `outputs` is the number of outputs
/// that the node names. The result has exactly so many entries.
///
/// Nothing here keeps state: random operators draw from their `seed` attribute alone, which is 0 where it is absent, so an
/// executor that wants nodes to differ writes one into the attributes.
///
/// # Errors
///
/// [`HostError::UnknownOperator`] if the table has no such row; all others come as [`HostError::In`] with the operator's name.
/// [`HostError::is_unsupported`] tells cases that are right but not implemented from wrong ones.
pub fn evaluate(
    operator: &OperatorName,
    attributes: &Attributes,
    inputs: &[Option<&Value>],
    outputs: usize,
) -> Result<Vec<Option<Value>>, HostError> {
    let unknown = || HostError::UnknownOperator { operator: operator.to_string() };
    let row = find(&operator.domain, &operator.op_type).ok_or_else(unknown)?;
    let inside = |cause| HostError::In { operator: operator.to_string(), cause: Box::new(cause) };
    if operator.version < row.since {
        let what = format!("version {} (the oldest is {})", operator.version, row.since);
        return Err(inside(unsupported(what)));
    }
    let call = Call { op_type: row.name, version: operator.version, attributes, inputs, outputs };
    let values = (row.function)(&call).map_err(inside)?;
    if values.len() < outputs {
        return Err(inside(invalid(format!("{outputs} outputs are asked for, it has {}", values.len()))));
    }
    Ok(values.into_iter().take(outputs).map(Some).collect())
}
