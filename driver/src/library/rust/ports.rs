//! Inputs and outputs in the words of Rust: a sample is an array of arrays, a batch a slice of samples.

use super::super::surface::{Offered, type_text};
use dlc_runtime::abi::{ElementType, Port, PortRole};
use std::collections::BTreeMap;

/// Words that Rust does not take as names.
const RESERVED: &str = " as async await abstract become box break const continue crate do dyn else enum extern false final \
    fn for gen if impl in let loop macro match mod move mut override priv pub ref return self static struct super trait \
    true try type typeof unsafe unsized use virtual where while yield ";

/// A name as documentation shows it, whatever characters it has.
pub(super) fn shown(name: &str) -> String {
    name.chars().map(|c| if c == '`' || c.is_control() { '?' } else { c }).collect()
}

/// How a tensor is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A slice of samples.
    Batch,
    /// One array, whatever the batch.
    Whole,
    /// A slice of elements: the batch is not its outermost extent alone.
    Flat,
}

/// An input or output.
#[derive(Clone, Debug)]
pub(super) struct Passed<'a> {
    pub(super) port: &'a Port,
    /// Its name as a parameter.
    pub(super) name: String,
    pub(super) form: Form,
    /// The name of the type of a sample or of the whole.
    pub(super) named: String,
}

/// Names of types with what they stand for, and a port that is told of in their documentation.
pub(super) type Types<'a> = BTreeMap<String, (String, &'a Port)>;

/// `layer.0/out` as `Layer0Out`.
pub(super) fn type_name(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    let joined: String = words.map(capital).collect();
    if joined.starts_with(|c: char| c.is_ascii_alphabetic()) { joined } else { format!("Value{joined}") }
}

/// A name that is none of `taken` and no word of Rust.
pub(super) fn identifier(name: &str, taken: &[String]) -> String {
    let mut own: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    own.make_ascii_lowercase();
    if !own.starts_with(|c: char| c.is_ascii_alphabetic()) {
        own.insert_str(0, "value_");
    }
    while RESERVED.contains(&format!(" {own} ")) || taken.contains(&own) {
        own.push('_');
    }
    own
}

/// The type of an element. Results that are bool are bytes, since not every byte is a `bool`.
fn element_type(port: &Port) -> &'static str {
    match port.element {
        ElementType::F16 => "dlc_runtime::typed::F16",
        ElementType::BF16 => "dlc_runtime::typed::Bf16",
        ElementType::Bool if port.role != PortRole::Input => "u8",
        other => other.name(),
    }
}

fn form(port: &Port) -> Form {
    match port.dims.iter().position(|dim| dim.batch) {
        None => Form::Whole,
        Some(0) if port.dims.iter().filter(|dim| dim.batch).count() == 1 => Form::Batch,
        Some(_) => Form::Flat,
    }
}

/// What the type's name stands for: a sample, the whole, or an element.
fn spelled(port: &Port, form: Form) -> String {
    let element = element_type(port).to_owned();
    let array = |inner: String, &extent: &usize| format!("[{inner}; {extent}]");
    let scales: Vec<usize> = port.dims.iter().map(|dim| dim.scale).collect();
    match form {
        Form::Flat => element,
        Form::Whole => scales.iter().rev().fold(element, array),
        // The outermost extent is as many samples; a multiple of the batch is an array more.
        Form::Batch if scales[0] == 1 => scales[1..].iter().rev().fold(element, array),
        Form::Batch => scales.iter().rev().fold(element, array),
    }
}

/// The ports of a function, whose types are noted.
pub(super) fn passed<'a>(
    function: &Offered<'a>,
    model: &str,
    reserved: &[&str],
    types: &mut Types<'a>,
) -> Vec<Passed<'a>> {
    let mut taken: Vec<String> = ["batch", "values", "report"].map(str::to_owned).to_vec();
    let interface = function.interface;
    let outputs = interface.outputs.iter().filter(|port| port.role == PortRole::Output);
    let ports = interface.inputs.iter().chain(outputs);
    let ports = ports.map(|port| {
        let name = identifier(&port.name, &taken);
        taken.push(name.clone());
        let form = form(port);
        let spelled = spelled(port, form);
        let mut named = type_name(&port.name);
        let is_other = |named: &String, types: &Types<'_>| {
            *named == model
                || reserved.contains(&named.as_str())
                || types.get(named).is_some_and(|(other, _)| *other != spelled)
        };
        if is_other(&named, types) {
            named = type_name(&interface.name) + &named;
        }
        while is_other(&named, types) {
            named.push('_');
        }
        if form == Form::Flat {
            named = spelled;
        } else {
            types.entry(named.clone()).or_insert((spelled, port));
        }
        Passed { port, name, form, named }
    });
    ports.collect()
}

impl Passed<'_> {
    pub(super) fn is_input(&self) -> bool {
        self.port.role == PortRole::Input
    }

    /// `image: &[Image]`
    pub(super) fn parameter(&self) -> String {
        let reference = if self.is_input() { "&" } else { "&mut " };
        match self.form {
            Form::Whole => format!("{}: {reference}{}", self.name, self.named),
            Form::Batch | Form::Flat => format!("{}: {reference}[{}]", self.name, self.named),
        }
    }

    /// Its bytes, as an expression.
    pub(super) fn bytes(&self) -> String {
        let (bytes, one) = if self.is_input() { ("bytes", "from_ref") } else { ("bytes_mut", "from_mut") };
        match self.form {
            Form::Whole => format!("dlc_runtime::typed::{bytes}(std::slice::{one}({}))", self.name),
            Form::Batch | Form::Flat => format!("dlc_runtime::typed::{bytes}({})", self.name),
        }
    }

    /// A line of documentation.
    pub(super) fn told(&self) -> String {
        let what = if self.is_input() { "input" } else { "output" };
        format!("`{}`: {what} `{}`, `{}`", self.name, shown(&self.port.name), type_text(self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dlc_runtime::abi::Extent;

    fn port(element: ElementType, dims: &[(usize, bool)]) -> Port {
        let dims = dims.iter().map(|&(scale, batch)| Extent { scale, batch }).collect();
        Port { name: "x".to_owned(), role: PortRole::Output, element, dims }
    }

    #[test]
    fn every_shape_has_a_type() {
        for (dims, found, text) in [
            (&[(1, true), (3, false), (8, false)][..], Form::Batch, "[[f32; 8]; 3]"),
            (&[(1, true)], Form::Batch, "f32"),
            (&[(4, true), (2, false)], Form::Batch, "[[f32; 2]; 4]"),
            (&[(2, false), (3, false)], Form::Whole, "[[f32; 3]; 2]"),
            (&[], Form::Whole, "f32"),
            (&[(5, false), (1, true)], Form::Flat, "f32"),
            (&[(1, true), (1, true)], Form::Flat, "f32"),
        ] {
            let port = port(ElementType::F32, dims);
            assert_eq!((form(&port), spelled(&port, form(&port)).as_str()), (found, text));
        }
        assert_eq!(spelled(&port(ElementType::Bool, &[(1, true)]), Form::Batch), "u8");
        assert_eq!(spelled(&port(ElementType::BF16, &[]), Form::Whole), "dlc_runtime::typed::Bf16");
    }

    #[test]
    fn every_name_is_one_of_rust() {
        assert_eq!(identifier("type", &[]), "type_");
        assert_eq!(identifier("Layer.0/out", &["layer_0_out".to_owned()]), "layer_0_out_");
        assert_eq!(identifier("7", &[]), "value_7");
        assert_eq!(type_name("layer.0/out_put"), "Layer0OutPut");
        assert_eq!(type_name("7"), "Value7");
        assert_eq!(type_name("bildgröße"), "BildgrE");
        assert_eq!(shown("a`b\nc"), "a?b?c");
    }
}
