//! The program that a header begins with: all calls of a life with the model, on zeros.

use super::header::{Header, Runs};
use super::names::parameters;
use super::surface::{Offered, c_type};
use dlc_runtime::abi::Port;
use std::fmt::Write;

/// What the program calls things that are not the model's.
const OWN: [&str; 14] = [
    "main", "model", "options", "status", "step", "seed", "batch", "printf", "fprintf", "stderr", "steps",
    "total", "stdout", "message",
];

/// A buffer of the program.
struct Buffer<'a> {
    port: &'a Port,
    /// The beginning of its macros.
    size: String,
}

/// The program as lines of a comment.
pub(super) fn example(header: &Header<'_>) -> String {
    let (name, upper) = (header.name, header.name.to_ascii_uppercase());
    let called: Vec<&Offered<'_>> = ["predict", "train_step"]
        .iter()
        .filter_map(|suffix| header.functions.iter().find(|function| function.suffix == *suffix))
        .collect();
    let mut buffers: Vec<Buffer<'_>> = Vec::new();
    for function in &called {
        for (port, parameter) in function.ports() {
            if !buffers.iter().any(|buffer| buffer.port == port) {
                let size = format!("{upper}_{}_{parameter}", function.suffix).to_ascii_uppercase();
                buffers.push(Buffer { port, size });
            }
        }
    }
    let names = parameters(buffers.iter().map(|buffer| buffer.port.name.as_str()), &OWN);
    let of = |wanted: &Port| {
        let found = buffers.iter().zip(&names).find(|(buffer, _)| buffer.port == wanted);
        found.map_or("", |(_, name)| name)
    };
    let call = |function: &Offered<'_>| {
        let arguments: String = function.ports().map(|(port, _)| format!(", {}", of(port))).collect();
        format!("status = {name}_{}(model, 1{arguments});", function.suffix)
    };
    let mut text = format!("#include \"{name}.h\"\n#include <stdio.h>\n\n");
    for (buffer, variable) in buffers.iter().zip(&names) {
        let Buffer { port, size } = buffer;
        let _ = writeln!(text, "static {} {variable}[{size}_ELEMENTS(1)];", c_type(port.element));
    }
    let (declared, created, told) = match header.runs {
        Runs::Here { .. } => (
            format!("{name}_options options = {upper}_OPTIONS;"),
            format!("{name}_create(&model, &options);"),
            format!("{name}_message(model)"),
        ),
        Runs::Gpu => (
            "char message[DLC_MESSAGE_BYTES];".to_owned(),
            format!("{name}_create_on_gpu(&model, \"{name}.launches\", 0, message, sizeof message);"),
            format!("model == NULL ? message : {name}_message(model)"),
        ),
    };
    let _ = write!(
        text,
        "\nint main(void)\n{{\n    {declared}\n    {name} *model;\n    dlc_status status = {created}\n"
    );
    let mut then = |what: String| {
        let _ = writeln!(text, "    if (status == DLC_OK) {what}");
    };
    if header.has("train_step") {
        then(format!("status = {name}_init(model, 7);"));
    } else if !header.embedded() {
        then(format!("status = {name}_load(model, \"{name}.safetensors\", DLC_LOAD_ALL);"));
    }
    called.iter().rev().for_each(|function| then(call(function)));
    if header.has("train_step") {
        then(format!("status = {name}_save(model, \"{name}.safetensors\");"));
    }
    let shown = called.first().and_then(|function| function.interface.outputs.first()).map_or("", of);
    let _ = write!(
        text,
        "    if (status == DLC_OK) printf(\"%g\\n\", (double){shown}[0]);\n    else fprintf(stderr, \"%s: %s\\n\", \
         {name}_status_text(status), {told});\n    {name}_destroy(model);\n    return status;\n}}\n"
    );
    let mut comment = String::new();
    for line in text.lines() {
        let _ = writeln!(comment, "{}", format!(" *     {line}").trim_end());
    }
    if header.has_tensor("train.total_steps") {
        let _ = writeln!(
            comment,
            " *\n * The learning rate follows a plan: {name}_set(model, \"train.total_steps\", &steps, 4) tells, as an \
             int32_t, how many\n * steps there will be; set it before the first one."
        );
    }
    comment
}
