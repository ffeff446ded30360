//! The Rust module of a model: its functions with the types of their inputs and outputs, over `dlc-runtime`.
//!
//! It is taken in by `include!`, so it has no inner attributes, and it needs the object file to be linked and nothing
//! but `dlc-runtime`.

mod ports;

use super::surface::{Offered, type_text};
use dlc_runtime::abi::{Description, Port, PortRole};
use ports::{Form, Passed, Types, identifier, passed, shown, type_name};
use std::fmt::Write;

/// Names of types that a module has for itself or uses.
const OWN: [&str; 9] =
    ["Report", "TrainReport", "EvaluateReport", "Result", "Ok", "Vec", "Clone", "Copy", "PartialEq"];

/// An instance with what every model offers.
const INSTANCE: &str = include_str!("text/instance.txt");
/// What the object file holds.
const COMPILED: &str = include_str!("text/compiled.txt");
/// Of a model that trains.
const INITIALIZE: &str = include_str!("text/initialize.txt");
/// Of a model whose rates follow a plan.
const TOTAL_STEPS: &str = include_str!("text/total_steps.txt");

/// Most bytes of results that a function gives back by value.
const BY_VALUE: usize = 16 << 10;

/// The text of `NAME.rs`.
pub(super) fn module(
    name: &str,
    functions: &[Offered<'_>],
    description: &Description,
    embedded: bool,
) -> String {
    let model = type_name(name);
    let model = if OWN.contains(&model.as_str()) { format!("{model}Model") } else { model };
    let mut types = Types::new();
    let called: Vec<(&Offered<'_>, Vec<Passed<'_>>)> = functions
        .iter()
        .filter(|function| function.suffix != "init")
        .map(|function| (function, passed(function, &model, &OWN, &mut types)))
        .collect();
    let interface = &description.interface;
    let mut text = format!(
        "// The model {name}, compiled by {compiler}. Made anew when the model changes.\n\n/// Greatest batch of a call; \
         every smaller one may be given, too.\n#[allow(dead_code)]\npub const BATCH_MAX: usize = {batch};\n\n/// What \
         weights and model must have in common: a hash of the graph.\n#[allow(dead_code)]\npub const GRAPH: u64 = \
         0x{graph:016x};\n\n",
        compiler = description.compiler,
        batch = interface.batch_max,
        graph = description.graph,
    );
    for (named, (spelled, port)) in &types {
        let what = if port.dims.iter().any(|dim| dim.batch) { "One sample of" } else { "The tensor" };
        let _ = write!(
            text,
            "/// {what} `{}`, which is `{}`.\n#[allow(dead_code)]\npub type {named} = {spelled};\n\n",
            shown(&port.name),
            type_text(port),
        );
    }
    let shared = shared_report(&called);
    for (function, _) in &called {
        let report = report_name(function, shared);
        if (!shared || function.suffix == "train_step") && !reported(function).is_empty() {
            report_type(&mut text, report, function);
        }
    }
    text.push_str(&instance(name, &model, functions, description, embedded));
    for (function, ports) in &called {
        match function.suffix {
            "predict" => predict(&mut text, ports),
            _ => step(&mut text, function, ports, report_name(function, shared)),
        }
    }
    text.push_str("}\n\n");
    text.push_str(&compiled(name, functions, description, embedded));
    text
}

/// The loss and the metrics of a function, in the order of a report.
fn reported<'a>(function: &Offered<'a>) -> Vec<(&'a Port, String)> {
    let of_role = |role| function.interface.outputs.iter().filter(move |port: &&Port| port.role == role);
    let mut names = Vec::new();
    let ports = of_role(PortRole::Loss).chain(of_role(PortRole::Metric));
    let named = ports.map(|port| {
        let name = identifier(&port.name, &names);
        names.push(name.clone());
        (port, name)
    });
    named.collect()
}

/// Whether training and evaluation report the same.
fn shared_report(called: &[(&Offered<'_>, Vec<Passed<'_>>)]) -> bool {
    let of =
        |suffix| called.iter().find(|(function, _)| function.suffix == suffix).map(|(one, _)| reported(one));
    let (train, evaluate) = (of("train_step"), of("eval_step"));
    train.is_some() && train == evaluate
}

fn report_name(function: &Offered<'_>, shared: bool) -> &'static str {
    match (shared, function.suffix) {
        (true, _) => "Report",
        (false, "train_step") => "TrainReport",
        (false, _) => "EvaluateReport",
    }
}

/// The number of elements of a metric: fixed, and the power of the batch that multiplies it.
fn extent(port: &Port) -> (usize, usize) {
    (port.dims.iter().map(|dim| dim.scale).product(), port.dims.iter().filter(|dim| dim.batch).count())
}

fn report_type(text: &mut String, name: &str, function: &Offered<'_>) {
    let ports = reported(function);
    let copy = if ports.iter().all(|(port, _)| extent(port).1 == 0) { "Copy, " } else { "" };
    let what = match name {
        "Report" => "a step of training, or an evaluation,",
        "TrainReport" => "a step of training",
        _ => "an evaluation",
    };
    let _ = write!(
        text,
        "/// What {what} tells of its batch.\n#[allow(dead_code)]\n#[derive(Clone, {copy}Debug, PartialEq)]\npub struct \
         {name} {{\n"
    );
    for (port, field) in ports {
        let role = if port.role == PortRole::Loss { "The loss" } else { "The metric" };
        let ty = match extent(port) {
            (_, 0) if port.dims.is_empty() => "f32".to_owned(),
            (number, 0) => format!("[f32; {number}]"),
            _ => "Vec<f32>".to_owned(),
        };
        let shown = shown(&port.name);
        let _ = write!(text, "    /// {role} `{shown}`.\n    pub {field}: {ty},\n");
    }
    text.push_str("}\n\n");
}

/// The type of an instance, up to its functions.
fn instance(
    name: &str,
    model: &str,
    functions: &[Offered<'_>],
    description: &Description,
    embedded: bool,
) -> String {
    let weights = if embedded {
        "with the weights that the program was built with"
    } else {
        "which has no weights until [`Self::load`] or a seed gives it some"
    };
    let mut text = filled(INSTANCE, &[("name", name), ("Model", model), ("weights", weights)]);
    if functions.iter().any(|function| function.suffix == "init") {
        text.push_str(INITIALIZE);
    }
    if description.interface.tensors.iter().any(|tensor| tensor.name == "train.total_steps") {
        text.push_str(TOTAL_STEPS);
    }
    text
}

/// A text with values for `@places@`.
fn filled(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (place, value)| text.replace(&format!("@{place}@"), value))
}

/// The batch as an expression, and as a parameter where no slice tells it.
fn batch(ports: &[Passed<'_>]) -> (String, Option<&'static str>) {
    match ports.iter().find(|one| one.form == Form::Batch) {
        Some(one) => (format!("{}.len()", one.name), None),
        None if ports.iter().all(|one| one.form == Form::Whole) => ("1".to_owned(), None),
        None => ("batch".to_owned(), Some("batch: usize")),
    }
}

fn parameters<'a>(batch: Option<&str>, ports: impl Iterator<Item = &'a Passed<'a>>) -> String {
    let own = batch.map(str::to_owned).into_iter();
    own.chain(ports.map(Passed::parameter)).map(|one| format!(", {one}")).collect()
}

fn documented(text: &mut String, what: &str, ports: &[Passed<'_>]) {
    let _ = write!(
        text,
        "\n    /// {what} All slices are of the same batch, 1 to [`BATCH_MAX`] samples.\n    ///\n"
    );
    for port in ports {
        let _ = writeln!(text, "    /// - {}", port.told());
    }
    text.push_str("    ///\n    /// # Errors\n    /// A batch of a wrong size, or no weights yet.\n");
}

fn list(ports: &[&Passed<'_>]) -> String {
    ports.iter().map(|one| one.bytes()).collect::<Vec<_>>().join(", ")
}

fn predict(text: &mut String, ports: &[Passed<'_>]) {
    let (inputs, outputs): (Vec<&Passed<'_>>, Vec<&Passed<'_>>) =
        ports.iter().partition(|one| one.is_input());
    let (batch, own) = batch(ports);
    documented(text, "The model's outputs for a batch.", ports);
    let _ = write!(
        text,
        "    pub fn predict(&mut self{}) -> Result<(), dlc_runtime::RuntimeError> {{\n        \
         self.session.predict({batch}, &[{}], &mut [{}])\n    }}\n",
        parameters(own, ports.iter()),
        list(&inputs),
        list(&outputs),
    );
    let size = |one: &&Passed<'_>| {
        one.port.dims.iter().fold(one.port.element.size(), |product, dim| product.saturating_mul(dim.scale))
    };
    let small = outputs.iter().map(size).fold(0, usize::saturating_add) <= BY_VALUE;
    if small && !outputs.is_empty() && ports.iter().all(|one| one.form == Form::Batch) {
        predict_one(text, &inputs, &outputs);
    }
}

fn predict_one(text: &mut String, inputs: &[&Passed<'_>], outputs: &[&Passed<'_>]) {
    let joined = |part: &dyn Fn(&Passed<'_>) -> String, ports: &[&Passed<'_>]| {
        ports.iter().map(|one| part(one)).collect::<Vec<_>>().join(", ")
    };
    let tuple = |part: String| if outputs.len() == 1 { part } else { format!("({part})") };
    let given: String = inputs.iter().map(|one| format!(", {}: &{}", one.name, one.named)).collect();
    let made: String = outputs
        .iter()
        .map(|one| format!("        let mut {} = dlc_runtime::typed::zeroed::<{}>();\n", one.name, one.named))
        .collect();
    let slices = |one: &Passed<'_>| match one.is_input() {
        true => format!("std::slice::from_ref({})", one.name),
        false => format!("std::slice::from_mut(&mut {})", one.name),
    };
    let all: Vec<&Passed<'_>> = inputs.iter().chain(outputs).copied().collect();
    let _ = write!(
        text,
        "\n    /// The model's outputs for one sample.\n    ///\n    /// # Errors\n    /// No weights yet.\n    pub fn \
         predict_one(&mut self{given}) -> Result<{}, dlc_runtime::RuntimeError> {{\n{made}        self.predict({})?;\n        \
         Ok({})\n    }}\n",
        tuple(joined(&|one| one.named.clone(), outputs)),
        joined(&slices, &all),
        tuple(joined(&|one| one.name.clone(), outputs)),
    );
}

fn step(text: &mut String, function: &Offered<'_>, ports: &[Passed<'_>], report: &str) {
    let inputs: Vec<&Passed<'_>> = ports.iter().filter(|one| one.is_input()).collect();
    let all: Vec<Passed<'_>> = inputs.iter().map(|&one| one.clone()).collect();
    let (batch, own) = batch(&all);
    let (method, what) = match function.suffix {
        "train_step" => ("train_step", "One step of training: forward, backward and the optimiser."),
        _ => ("evaluate", "Loss and metrics of a batch, computed as in prediction."),
    };
    documented(text, what, &all);
    let fields = reported(function);
    let fixed = fields.iter().all(|(port, _)| extent(port).1 == 0);
    let values = if fixed {
        format!("[0.0; {}]", fields.iter().map(|(port, _)| extent(port).0).sum::<usize>())
    } else {
        format!("vec![0.0; self.session.report_length(\"{}\", {batch})?]", function.interface.name)
    };
    let taken: String = fields
        .iter()
        .map(|(port, field)| {
            let take = match extent(port) {
                (_, 0) if port.dims.is_empty() => "one()".to_owned(),
                (_, 0) => "array()".to_owned(),
                (number, power) => format!("list({number} * ({batch}).pow({power}))"),
            };
            format!("            {field}: report.{take},\n")
        })
        .collect();
    let _ = write!(
        text,
        "    pub fn {method}(&mut self{}) -> Result<{report}, dlc_runtime::RuntimeError> {{\n        let mut values = \
         {values};\n        self.session.{method}({batch}, &[{}], &mut values)?;\n        let mut report = \
         dlc_runtime::typed::Reported::new(&values);\n        Ok({report} {{\n{taken}        }})\n    }}\n",
        parameters(own, all.iter()),
        list(&inputs),
    );
}

/// What the object file holds, under names of its own.
fn compiled(name: &str, functions: &[Offered<'_>], description: &Description, embedded: bool) -> String {
    let variants = (0..description.variants.len()).map(|number| description.suffix(number));
    let entries: Vec<String> = variants
        .flat_map(|end| functions.iter().map(move |one| format!("{name}_bare_{}{end}", one.suffix)))
        .collect();
    let declared: String = entries
        .iter()
        .map(|entry| format!("        fn {entry}(context: *const dlc_runtime::abi::Context, thread: i64);\n"))
        .collect();
    let (weights, place) = if embedded {
        (format!("        static {name}_weights: u8;\n"), format!("&raw const {name}_weights"))
    } else {
        (String::new(), "std::ptr::null()".to_owned())
    };
    let (declared, count, entries) = (weights + &declared, entries.len().to_string(), entries.join(", "));
    filled(
        COMPILED,
        &[
            ("name", name),
            ("declared", &declared),
            ("count", &count),
            ("entries", &entries),
            ("weights", &place),
        ],
    )
}
