//! What a library offers, in the words of C: its functions with their parameters.

use super::names::parameters;
use dlc_runtime::abi::{ElementType, FunctionInterface, Interface, Port, PortRole};

/// A function as C sees it.
pub(super) struct Offered<'a> {
    pub(super) interface: &'a FunctionInterface,
    /// What follows the model's name in its symbol.
    pub(super) suffix: &'static str,
    /// Names of inputs, then of outputs.
    pub(super) names: Vec<String>,
}

/// What follows the model's name in the symbol of a function.
pub(super) fn suffix(function: &str) -> &'static str {
    match function {
        "initialize" => "init",
        "train" => "train_step",
        "evaluate" => "eval_step",
        _ => "predict",
    }
}

/// All functions, in the order of the interface.
pub(super) fn offered(interface: &Interface) -> Vec<Offered<'_>> {
    let functions = interface.functions.iter().map(|function| {
        let ports = function.inputs.iter().chain(&function.outputs).map(|port| port.name.as_str());
        let names = parameters(ports, &["model", "batch", "inputs", "outputs"]);
        Offered { interface: function, suffix: suffix(&function.name), names }
    });
    functions.collect()
}

/// The type of an element in C; 16-bit floats are their bits.
pub(super) fn c_type(element: ElementType) -> &'static str {
    match element {
        ElementType::F32 => "float",
        ElementType::F64 => "double",
        ElementType::I8 => "int8_t",
        ElementType::U8 | ElementType::Bool => "uint8_t",
        ElementType::I16 => "int16_t",
        ElementType::F16 | ElementType::BF16 | ElementType::U16 => "uint16_t",
        ElementType::I32 => "int32_t",
        ElementType::U32 => "uint32_t",
        ElementType::I64 => "int64_t",
        ElementType::U64 => "uint64_t",
    }
}

/// The type of an element as `dlc_runtime.h` calls it.
pub(super) fn dtype(element: ElementType) -> String {
    format!("DLC_{}", element.name().to_ascii_uppercase())
}

/// The extents for a batch of `n`, as an initialiser of C.
pub(super) fn shape(port: &Port) -> String {
    let dims = port.dims.iter().map(|dim| match (dim.batch, dim.scale) {
        (true, 1) => "(n)".to_owned(),
        (true, scale) => format!("{scale} * (n)"),
        (false, scale) => scale.to_string(),
    });
    dims.collect::<Vec<_>>().join(", ")
}

/// `f32[N, 1, 8, 8]`
pub(super) fn type_text(port: &Port) -> String {
    let dims = port.dims.iter().map(|dim| match (dim.batch, dim.scale) {
        (true, 1) => "N".to_owned(),
        (true, scale) => format!("{scale}*N"),
        (false, scale) => scale.to_string(),
    });
    format!("{}[{}]", port.element.name(), dims.collect::<Vec<_>>().join(", "))
}

/// The number of elements for a batch of `n`, as an expression of C.
pub(super) fn elements(port: &Port) -> String {
    let fixed: usize = port.dims.iter().map(|dim| dim.scale).product();
    let batches = port.dims.iter().filter(|dim| dim.batch).map(|_| " * (size_t)(n)");
    format!("((size_t){fixed}{})", batches.collect::<String>())
}

impl Offered<'_> {
    /// The ports with their names: inputs, then outputs.
    pub(super) fn ports(&self) -> impl Iterator<Item = (&Port, &String)> {
        self.interface.inputs.iter().chain(&self.interface.outputs).zip(&self.names)
    }

    /// The prototype without its end, in lines of at most 120 characters.
    pub(super) fn prototype(&self, name: &str) -> String {
        const WIDTH: usize = 118;
        let mut text = format!("dlc_status {name}_{}({name} *model, size_t batch", self.suffix);
        let mut used = text.len();
        for (port, parameter) in self.ports() {
            let read_only = if port.role == PortRole::Input { "const " } else { "" };
            let declared = format!("{read_only}{} *{parameter}", c_type(port.element));
            if used + declared.len() + 2 > WIDTH {
                text.push_str(",\n    ");
                used = 4 + declared.len();
            } else {
                text.push_str(", ");
                used += declared.len() + 2;
            }
            text.push_str(&declared);
        }
        text + ")"
    }
}
