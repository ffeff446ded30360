//! Why channels cannot be taken away.

use std::fmt;

/// Why an extent must stay as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is the batch.
    Batch,
    /// It is an extent of an input of the model.
    Input(String),
    /// It is an extent of a result of the model.
    Output(String),
    /// Taps of a kernel, or places that a window slides over.
    Window,
    /// Steps of a scan.
    Steps,
    /// Zeros that a padding puts beside channels.
    Padding,
    /// A constant at this path differs from channel to channel.
    Constant(String),
    /// The op at this path depends on all channels, or on their order or number.
    Op {
        /// Name of the op.
        op: &'static str,
        /// Origin of the node.
        path: String,
    },
    /// It is a factor of axes alone whose other factor can lose channels: shapes would not tell one from the other.
    Factor,
    /// Axes are put together in two ways that do not go together.
    Tangled,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Batch => f.write_str("it is the batch"),
            Reason::Input(name) => write!(f, "it reaches the input `{name}`"),
            Reason::Output(name) => write!(f, "it reaches the output `{name}`"),
            Reason::Window => f.write_str("a window slides over it"),
            Reason::Steps => f.write_str("it counts the steps of a scan"),
            Reason::Padding => f.write_str("it is joined with padding"),
            Reason::Constant(path) if path.is_empty() => {
                f.write_str("a constant has a value for each channel")
            }
            Reason::Constant(path) => write!(f, "a constant in `{path}` has a value for each channel"),
            Reason::Op { op, path } if path.is_empty() => write!(f, "`{op}` needs all of its channels"),
            Reason::Op { op, path } => write!(f, "`{op}` in `{path}` needs all of its channels"),
            Reason::Factor => f.write_str("it stands beside other channels in every axis"),
            Reason::Tangled => f.write_str("its channels are regrouped in two ways"),
        }
    }
}
