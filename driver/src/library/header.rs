//! The header of a model.

use super::surface::{Offered, elements, type_text};
use dlc_runtime::abi::{Description, PersistentRole, PortRole};
use std::fmt::Write;

/// The text of `NAME.h`.
pub(super) fn header(
    name: &str,
    functions: &[Offered<'_>],
    description: &Description,
    embedded: bool,
) -> String {
    let upper = name.to_ascii_uppercase();
    let mut text = opening(name, &upper, description, embedded);
    sizes(&mut text, &upper, functions, description);
    text.push_str(&whole_model(name));
    for function in functions {
        declared(&mut text, name, &upper, function);
    }
    bare(&mut text, name, &upper, functions, description, embedded);
    let _ = write!(text, "\n#ifdef __cplusplus\n}}\n#endif\n\n#endif\n");
    text
}

fn opening(name: &str, upper: &str, description: &Description, embedded: bool) -> String {
    let has = |wanted: &str| description.interface.functions.iter().any(|function| function.name == wanted);
    let weights = if embedded {
        format!(
            " *       (the library holds weights; others: {name}_load(model, \"{name}.safetensors\", DLC_LOAD_ALL);)\n"
        )
    } else {
        format!(" *     {name}_load(model, \"{name}.safetensors\", DLC_LOAD_ALL);\n")
    };
    let train = if has("train") {
        format!(" *\n * {name}_init(model, seed) begins anew, for training by {name}_train_step.\n")
    } else {
        String::new()
    };
    format!(
        "/* The model {name}, compiled by {compiler}.\n *\n *     {name}_options options = {upper}_OPTIONS;\n \
         *     {name} *model;\n *     if ({name}_create(&model, &options) != DLC_OK) …\n{weights} \
         *     {name}_predict(model, batch, …);\n *     {name}_destroy(model);\n{train} *\n \
         * Every function gives DLC_OK or a status: {name}_status_text tells what it means, {name}_message what was \
         wrong in the\n * last call with a handle. A handle is used by one thread at a time; another one gets DLC_BUSY. \
         Tensors are\n * plain: row-major, without gaps, aligned to their elements. Nothing in a step allocates.\n *\n \
         * To build: {name}.c, dlc_runtime.c and {name}.o (or lib{name}.a), with -pthread. lib{name}.so holds all of \
         them.\n */\n#ifndef DLC_MODEL_{upper}_H\n#define DLC_MODEL_{upper}_H\n\n#include \"dlc_runtime.h\"\n\n#ifdef \
         __cplusplus\nextern \"C\" {{\n#endif\n\n/* What weights and library must have in common. */\n#define \
         {upper}_GRAPH UINT64_C(0x{graph:016x})\n\n",
        compiler = description.compiler,
        graph = description.graph,
    )
}

fn sizes(text: &mut String, upper: &str, functions: &[Offered<'_>], description: &Description) {
    let interface = &description.interface;
    let of_role =
        |role| interface.tensors.iter().filter(move |tensor| tensor.role == role).map(|one| one.bytes).sum();
    let (parameters, states): (usize, usize) =
        (of_role(PersistentRole::Parameter), of_role(PersistentRole::State));
    let most = |size: fn(&Offered<'_>) -> usize| functions.iter().map(size).max().unwrap_or(0);
    let mut define = |what: &str, value: usize, meaning: &str| {
        let _ = writeln!(text, "/* {meaning} */\n#define {upper}_{what} {value}");
    };
    define("BATCH_MAX", interface.batch_max, "Greatest batch; every smaller one may be given, too.");
    define("PARAMETER_BYTES", parameters, "Bytes by category: trained tensors,");
    define("STATE_BYTES", states, "other tensors that live between calls,");
    define("PERSISTENT_BYTES", interface.persistent_bytes, "both in one block,");
    define("CONSTANT_BYTES", description.constant_bytes, "constants, which are part of the library,");
    define("ARENA_BYTES", most(|one| one.interface.arena_bytes), "scratch for the function that needs most,");
    define("THREAD_BYTES", most(|one| one.interface.thread_bytes), "and scratch for each thread.");
    for Offered { interface, suffix, .. } in functions {
        let function = suffix.to_ascii_uppercase();
        define(&format!("{function}_ARENA_BYTES"), interface.arena_bytes, "Scratch for this function alone.");
        define(
            &format!("{function}_THREAD_BYTES"),
            interface.thread_bytes,
            "The same for each of its threads.",
        );
    }
    for tensor in interface.tensors.iter().filter(|tensor| tensor.dims.is_empty()) {
        let name: String = tensor
            .name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        let meaning =
            format!("Place of the {} `{}` in the persistent block.", tensor.element.name(), tensor.name);
        define(&format!("{name}_OFFSET"), tensor.offset, &meaning);
    }
    let _ = writeln!(text, "#define {upper}_OPTIONS {{DLC_ABI_VERSION, 1, {upper}_GRAPH, 0, 0, 0, 0}}\n");
}

fn whole_model(name: &str) -> String {
    format!(
        "#if defined(__GNUC__)\n#pragma GCC visibility push(default)\n#endif\n\n/* An instance of the model. */\ntypedef \
         struct {name} {name};\n/* Threads, memory and the version that the program was compiled with: see \
         dlc_options. */\ntypedef dlc_options {name}_options;\n\n/* Makes an instance; `options` may be NULL, which checks \
         no version and uses all of the machine's threads. */\ndlc_status {name}_create({name} **model, const \
         {name}_options *options);\n/* Ends it; NULL does nothing. */\ndlc_status {name}_destroy({name} *model);\n\
         /* Memory that an instance with so many threads takes; 0 if there cannot be so many. */\nsize_t \
         {name}_memory_bytes(uint32_t threads);\n/* Writes all parameters and states to a safetensors file. */\n\
         dlc_status {name}_save({name} *model, const char *path);\n/* Reads them; a file of `dlc train` will do. Another \
         model's file changes nothing. */\ndlc_status {name}_load({name} *model, const char *path, dlc_policy \
         policy);\n/* The same from memory. */\ndlc_status {name}_load_bytes({name} *model, const void *bytes, size_t \
         length, dlc_policy policy);\n/* One parameter or state by its name, in the plain order. */\ndlc_status \
         {name}_get({name} *model, const char *tensor, void *values, size_t bytes);\ndlc_status {name}_set({name} *model, \
         const char *tensor, const void *values, size_t bytes);\n/* The instructions that its code was compiled for: `--cpu`, or the one of \
         `--cpu multi` in use. */\nconst char *{name}_cpu(const {name} *model);\n/* What was wrong in the last call with this handle; \
         empty if nothing was. */\nconst char *{name}_message(const {name} *model);\n/* What a status means. */\nconst \
         char *{name}_status_text(int status);\n\n"
    )
}

fn declared(text: &mut String, name: &str, upper: &str, function: &Offered<'_>) {
    if function.suffix == "init" {
        let _ = writeln!(text, "/* First values of all parameters and states, by seed. */");
        let _ = writeln!(text, "dlc_status {name}_init({name} *model, uint64_t seed);\n");
        return;
    }
    let _ = writeln!(text, "/* For `batch` = N samples, 1 to {upper}_BATCH_MAX; an output may be NULL.");
    for (port, parameter) in function.ports() {
        let role = match port.role {
            PortRole::Input => "input",
            PortRole::Output => "output",
            PortRole::Loss => "loss",
            PortRole::Metric => "metric",
            PortRole::Gradient => "gradient",
        };
        // A name of the model may hold what ends a comment.
        let shown = port.name.replace("*/", "* /");
        let _ = writeln!(text, " *   {parameter}: {role} `{shown}`, {}", type_text(port));
    }
    let _ = writeln!(text, " */\n{};", function.prototype(name));
    for (port, parameter) in function.ports() {
        let (function, port_name) = (function.suffix.to_ascii_uppercase(), parameter.to_ascii_uppercase());
        let _ = writeln!(text, "#define {upper}_{function}_{port_name}_ELEMENTS(n) {}", elements(port));
    }
    text.push('\n');
}

fn bare(
    text: &mut String,
    name: &str,
    upper: &str,
    functions: &[Offered<'_>],
    description: &Description,
    embedded: bool,
) {
    let _ = write!(
        text,
        "/* Bare: the object file alone, without threads, files or heap. Fill a dlc_context: an arena of \
         {upper}_ARENA_BYTES and\n * scratch of {upper}_THREAD_BYTES for each thread, both zero at first; the persistent \
         block, zero before\n * {name}_bare_init, with the seed at its place; {name}_constants; inputs and outputs in the \
         order above, all\n * of them. Then every thread calls the function with the context and its number. */\n"
    );
    for (number, variant) in description.variants.iter().enumerate() {
        if description.variants.len() > 1 {
            let _ = writeln!(text, "/* Code for {}: */", variant.name);
        }
        for function in functions {
            let (function, end) = (function.suffix, description.suffix(number));
            let _ = writeln!(
                text,
                "void {name}_bare_{function}{end}(const dlc_context *context, int64_t thread);"
            );
        }
    }
    let _ = writeln!(text, "extern const unsigned char {name}_constants[];");
    let _ = writeln!(text, "/* Sizes, names and places of everything, as runtime/abi describes them. */");
    let _ = writeln!(text, "extern const unsigned char {name}_description[];");
    if embedded {
        let _ = writeln!(text, "/* The persistent block with the weights that the library came with. */");
        let _ = writeln!(text, "extern const unsigned char {name}_weights[];");
    }
    let _ = writeln!(text, "\n#if defined(__GNUC__)\n#pragma GCC visibility pop\n#endif");
}
