//! The header of a model: its documentation with a program to begin with, sizes, functions, the bare interface, tensors.

use super::example::example;
use super::gpu;
use super::macros::Macros;
use super::surface::{Offered, type_text};
use dlc_runtime::abi::{Description, PortRole};
use std::fmt::Write;

/// Functions that are those of every model.
const SHARED: &str = include_str!("text/shared.h");
/// How instances on this machine's processor are made.
const CREATE: &str = include_str!("text/create.h");
/// What holds for all functions, and what holds on either machine.
const RULES: &str = include_str!("text/rules.txt");
const RULES_HERE: &str = include_str!("text/rules_here.txt");
const RULES_GPU: &str = include_str!("text/rules_gpu.txt");
/// How to call the object alone.
const BARE: &str = include_str!("text/bare.h");

/// A model's header in the making.
pub(super) struct Header<'a> {
    pub(super) name: &'a str,
    pub(super) functions: &'a [Offered<'a>],
    pub(super) description: &'a Description,
    pub(super) runs: Runs,
}

/// What a header's functions run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// This machine's processor, with weights in the library or not, or a GPU where the program asks for one.
    Here { embedded: bool },
    /// A GPU alone.
    Gpu,
}

impl Header<'_> {
    /// The text of `NAME.h`.
    pub(super) fn text(&self) -> String {
        let upper = self.upper();
        let mut macros = Macros::new(&upper);
        let mut text = self.opening();
        match self.runs {
            Runs::Here { .. } => macros.sizes(&mut text, self.functions, self.description),
            Runs::Gpu => macros.limits(&mut text, self.description),
        }
        text.push_str(&self.filled(&SHARED.replace("@create@", &self.create())));
        for function in self.functions {
            self.declared(&mut text, &mut macros, function);
        }
        if self.runs != Runs::Gpu {
            self.bare(&mut text);
        }
        let _ = write!(text, "\n#if defined(__GNUC__)\n#pragma GCC visibility pop\n#endif\n\n");
        macros.tensors(&mut text, &self.description.interface, self.runs != Runs::Gpu);
        let _ = write!(text, "\n#ifdef __cplusplus\n}}\n#endif\n\n#endif\n");
        text
    }

    fn upper(&self) -> String {
        self.name.to_ascii_uppercase()
    }

    /// A text with the model's name.
    fn filled(&self, text: &str) -> String {
        text.replace("@name@", self.name).replace("@NAME@", &self.upper())
    }

    /// Whether it has a function.
    pub(super) fn has(&self, suffix: &str) -> bool {
        self.functions.iter().any(|function| function.suffix == suffix)
    }

    /// Whether it has a parameter or state.
    pub(super) fn has_tensor(&self, name: &str) -> bool {
        self.description.interface.tensors.iter().any(|tensor| tensor.name == name)
    }

    /// Whether the library holds weights.
    pub(super) fn embedded(&self) -> bool {
        self.runs == Runs::Here { embedded: true }
    }

    /// How instances are made.
    fn create(&self) -> String {
        let on_gpu = gpu::declaration(self.description);
        match self.runs {
            Runs::Here { .. } => format!("{CREATE}#if defined(DLC_GPU)\n{}\n#endif\n\n", on_gpu.trim_end()),
            Runs::Gpu => on_gpu,
        }
    }

    /// What holds for all functions.
    fn rules(&self) -> String {
        let (failure, machine) = match self.runs {
            Runs::Here { .. } => (" *   A call that fails has computed nothing.\n", RULES_HERE),
            Runs::Gpu => ("", RULES_GPU),
        };
        self.filled(&RULES.replace("@failure@", failure).replace("@machine@", machine))
    }

    /// How a program is built.
    fn built(&self) -> String {
        let name = self.name;
        match self.runs {
            Runs::Here { .. } => format!(
                "cc program.c {name}.c dlc_runtime.c {name}.o -pthread\n *\n * where lib{name}.a may stand for {name}.o, \
                 and lib{name}.so for all but the program:"
            ),
            Runs::Gpu => format!(
                "cc program.c {name}.c dlc_runtime.c dlc_image.c dlc_cuda.c -pthread -ldl\n *\n * which loads \
                 {name}.launches when it runs:"
            ),
        }
    }

    fn opening(&self) -> String {
        let (name, upper, description) = (self.name, self.upper(), self.description);
        let does = match (self.has("train_step"), self.embedded()) {
            (true, true) => "predicts and trains; its weights are inside",
            (true, false) => "predicts and trains",
            (false, true) => "predicts; its weights are inside",
            (false, false) => "predicts",
        };
        let (code, options) = match self.runs {
            Runs::Here { .. } => (
                "native code",
                format!(
                    "/* One thread, memory of the instance's own. */\n#define {upper}_OPTIONS {{DLC_ABI_VERSION, 1, \
                     {upper}_GRAPH, 0, 0, 0, 0}}\n"
                ),
            ),
            Runs::Gpu => ("code for NVIDIA's GPUs", String::new()),
        };
        format!(
            "/* {name}, a model compiled to {code} by {compiler}: it {does}.\n *\n * A program, built by\n *\n *     \
             {built}\n *\n{example} *\n{rules} */\n#ifndef DLC_MODEL_{upper}_H\n#define DLC_MODEL_{upper}_H\n\n#include \
             \"dlc_runtime.h\"\n\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n/* A hash of the model, which its \
             weights must be of. */\n#define {upper}_GRAPH UINT64_C(0x{graph:016x})\n{options}\n",
            compiler = description.compiler,
            built = self.built(),
            example = example(self),
            rules = self.rules().trim_end_matches(" *\n"),
            graph = description.graph,
        )
    }

    fn declared(&self, text: &mut String, macros: &mut Macros, function: &Offered<'_>) {
        let name = self.name;
        let meaning = match function.suffix {
            "init" => {
                let _ = write!(
                    text,
                    "/* Sets first values of all parameters and states, as `dlc train` begins with; the same seed gives \
                     the same bits. */\ndlc_status {name}_init({name} *model, uint64_t seed);\n\n"
                );
                return;
            }
            "train_step" => {
                "One step of training: loss and metrics of the batch, then new parameters and states."
            }
            "eval_step" => "Loss and metrics of a batch, as prediction sees it; changes nothing.",
            _ => "Outputs for a batch; changes nothing.",
        };
        let _ = writeln!(text, "/* {meaning} N is `batch`; an output may be NULL.\n *");
        for (port, parameter) in function.ports() {
            let role = match port.role {
                PortRole::Input => "input",
                PortRole::Output => "output",
                PortRole::Loss => "loss",
                PortRole::Metric => "metric",
                PortRole::Gradient => "gradient",
            };
            let _ =
                writeln!(text, " *   {parameter}: {role} {}, {}", in_comment(&port.name), type_text(port));
        }
        let _ = writeln!(text, " */\n{};", function.prototype(name));
        macros.ports(text, function);
        text.push('\n');
    }

    fn bare(&self, text: &mut String) {
        let name = self.name;
        let begin = match (self.has("init"), self.embedded()) {
            (true, _) => {
                format!(", or zero before\n *   {name}_bare_init, with the seed in the place of `train.seed`")
            }
            (false, true) => format!(", a copy of {name}_weights"),
            (false, false) => String::new(),
        };
        text.push_str(&self.filled(BARE).replace("@begin@", &begin));
        for (number, variant) in self.description.variants.iter().enumerate() {
            if self.description.variants.len() > 1 {
                let _ = writeln!(text, "/* Code for {}: */", variant.name);
            }
            for function in self.functions {
                let (function, end) = (function.suffix, self.description.suffix(number));
                let _ = writeln!(
                    text,
                    "void {name}_bare_{function}{end}(const dlc_context *context, int64_t thread);"
                );
            }
        }
        let _ = writeln!(text, "extern const unsigned char {name}_constants[];");
        let _ = writeln!(
            text,
            "/* All that this file says, for programs: dlc_runtime.c reads it, `dlc inspect` too. */"
        );
        let _ = writeln!(text, "extern const unsigned char {name}_description[];");
        if self.embedded() {
            let _ = writeln!(text, "/* The persistent block with the weights that the library came with. */");
            let _ = writeln!(text, "extern const unsigned char {name}_weights[];");
        }
    }
}

/// A name of the model in quotes; it may hold what would end a comment, or begin another.
pub(super) fn in_comment(name: &str) -> String {
    format!("`{}`", name.replace("*/", "* /").replace("/*", "/ *").replace(char::is_control, " "))
}
