//! The C file of a model: its functions as calls of the common runtime.

use super::gpu;
use super::surface::Offered;
use std::fmt::Write;

/// How a program that opens the shared library finds the model, whatever it is called: `dlc_abi::LIBRARY`.
const FOUND: &str = "\
#if defined(DLC_SHARED)
/* By this a program that opens the library finds its model. */
#if defined(__GNUC__)
__attribute__((visibility(\"default\")))
#endif
const dlc_model *dlc_library(void);
const dlc_model *dlc_library(void)
{
    return &compiled;
}
#endif

";

/// The text of `NAME.c`; variants are named by what their symbols end with.
pub(super) fn glue(name: &str, functions: &[Offered<'_>], variants: &[String], embedded: bool) -> String {
    let mut text = format!(
        "/* The functions of {name}.h, which dlc_runtime.c carries out with the code in {name}.o. */\n#include \
         \"{name}.h\"\n\nstatic const dlc_entry entries[] = {{\n"
    );
    for variant in variants {
        for function in functions {
            let _ = writeln!(text, "    {name}_bare_{}{variant},", function.suffix);
        }
    }
    let weights = if embedded { format!("{name}_weights") } else { "0".to_owned() };
    let _ = write!(
        text,
        "}};\nstatic const dlc_model compiled = {{{name}_description, {name}_constants, {weights}, entries}};\n\n"
    );
    text.push_str(FOUND);
    text.push_str(&created(name));
    let _ = write!(text, "\n#if defined(DLC_GPU)\n{}#endif\n", gpu::definition(name));
    text.push_str(&whole_model(name));
    typed(&mut text, name, functions);
    text
}

/// The text of `NAME.c` for GPUs alone.
pub(super) fn gpu_glue(name: &str, functions: &[Offered<'_>]) -> String {
    let mut text = format!(
        "/* The functions of {name}.h, which dlc_runtime.c and dlc_cuda.c carry out with the code in {name}.launches. \
         */\n#include \"{name}.h\"\n\n/* All that is known of the model is in that file; here it has a name alone. \
         */\nstatic const dlc_model compiled = {{0, 0, 0, 0}};\n\n{}",
        gpu::definition(name)
    );
    text.push_str(&whole_model(name));
    typed(&mut text, name, functions);
    text
}

/// The functions with types of their own.
fn typed(text: &mut String, name: &str, functions: &[Offered<'_>]) {
    for (number, function) in functions.iter().enumerate() {
        match function.suffix {
            "init" => text.push_str(&format!(
                "\ndlc_status {name}_init({name} *model, uint64_t seed)\n{{\n    return dlc_initialize((dlc_session \
                 *)model, &compiled, seed);\n}}\n"
            )),
            _ => called(text, name, number, function),
        }
    }
}

fn called(text: &mut String, name: &str, number: usize, function: &Offered<'_>) {
    let inputs = function.interface.inputs.len();
    let (given, asked) = function.names.split_at(inputs);
    let or_null = |names: &[String]| if names.is_empty() { "0".to_owned() } else { names.join(", ") };
    let _ = write!(
        text,
        "\n{}\n{{\n    const void *const inputs[] = {{{}}};\n    void *const outputs[] = {{{}}};\n    return \
         dlc_call((dlc_session *)model, &compiled, {number}, batch, inputs, outputs);\n}}\n",
        function.prototype(name),
        or_null(given),
        or_null(asked),
    );
}

/// How instances on this machine's processor are made.
fn created(name: &str) -> String {
    format!(
        "dlc_status {name}_create({name} **model, const {name}_options *options)\n{{\n    dlc_session *made = 0;\n    \
         dlc_status status;\n    if (model == 0) return DLC_NULL_POINTER;\n    status = dlc_create(&made, &compiled, \
         options);\n    *model = ({name} *)made;\n    return status;\n}}\n\nsize_t {name}_memory_bytes(uint32_t \
         threads)\n{{\n    return dlc_memory_bytes(&compiled, threads);\n}}\n"
    )
}

fn whole_model(name: &str) -> String {
    // (result, name, parameters in front of the model's, the model, parameters behind it)
    let session = "(dlc_session *)model, &compiled";
    let mut text = format!(
        "\nconst char *{name}_cpu(const {name} \
         *model)\n{{\n    return dlc_cpu((const dlc_session *)model, &compiled);\n}}\n\nconst char *{name}_message(const {name} \
         *model)\n{{\n    return dlc_message((const dlc_session *)model, &compiled);\n}}\n\nconst char \
         *{name}_status_text(int status)\n{{\n    return dlc_status_text(status);\n}}\n"
    );
    for (call, declared, passed) in [
        ("destroy", "", ""),
        ("save", ", const char *path", ", path"),
        ("load", ", const char *path, dlc_policy policy", ", path, policy"),
        ("load_bytes", ", const void *bytes, size_t length, dlc_policy policy", ", bytes, length, policy"),
        ("get", ", const char *tensor, void *values, size_t bytes", ", tensor, values, bytes"),
        ("set", ", const char *tensor, const void *values, size_t bytes", ", tensor, values, bytes"),
    ] {
        let _ = write!(
            text,
            "\ndlc_status {name}_{call}({name} *model{declared})\n{{\n    return dlc_{call}({session}{passed});\n}}\n"
        );
    }
    text
}
