//! Sizes, types, shapes and layouts as macros of C.

use super::header::in_comment;
use super::surface::{Offered, dtype, elements, shape};
use dlc_runtime::abi::{Description, Interface, PersistentRole};
use std::collections::BTreeSet;
use std::fmt::Write;

const BATCH_MAX: &str = "Greatest batch; every smaller one may be given, too.";

/// Bytes of all tensors of a role.
fn of_role(interface: &Interface, role: PersistentRole) -> usize {
    interface.tensors.iter().filter(|tensor| tensor.role == role).map(|tensor| tensor.bytes).sum()
}

/// Names that macros have; no two of them are equal, whatever ports and tensors are called.
pub(super) struct Macros<'a> {
    upper: &'a str,
    taken: BTreeSet<String>,
}

impl<'a> Macros<'a> {
    /// For a model of that name in capitals.
    pub(super) fn new(upper: &'a str) -> Macros<'a> {
        Macros { upper, taken: BTreeSet::new() }
    }

    /// A beginning for the macros of a port or tensor.
    fn beginning(&mut self, name: &str) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let mut name = format!("{}_{}", self.upper, name.chars().map(letter).collect::<String>());
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    /// What does not depend on where functions run.
    pub(super) fn limits(&self, text: &mut String, description: &Description) {
        let interface = &description.interface;
        let bytes = |role| of_role(interface, role);
        let (parameters, states) = (bytes(PersistentRole::Parameter), bytes(PersistentRole::State));
        self.define(text, "BATCH_MAX", interface.batch_max, BATCH_MAX);
        self.define(text, "PARAMETER_BYTES", parameters, "Bytes by category: trained tensors,");
        self.define(text, "STATE_BYTES", states, "and other tensors that live between calls.");
        text.push('\n');
    }

    fn define(&self, text: &mut String, what: &str, value: usize, meaning: &str) {
        let _ = writeln!(text, "/* {meaning} */\n#define {}_{what} {value}", self.upper);
    }

    /// Sizes of everything.
    pub(super) fn sizes(&self, text: &mut String, functions: &[Offered<'_>], description: &Description) {
        let interface = &description.interface;
        let bytes = |role| of_role(interface, role);
        let (parameters, states) = (bytes(PersistentRole::Parameter), bytes(PersistentRole::State));
        let most = |size: fn(&Offered<'_>) -> usize| functions.iter().map(size).max().unwrap_or(0);
        let mut define = |what: &str, value: usize, meaning: &str| self.define(text, what, value, meaning);
        define("BATCH_MAX", interface.batch_max, BATCH_MAX);
        define("ALIGNMENT", dlc_runtime::abi::ALIGNMENT, "Alignment of every block of memory.");
        define("PARAMETER_BYTES", parameters, "Bytes by category: trained tensors,");
        define("STATE_BYTES", states, "other tensors that live between calls,");
        define("PERSISTENT_BYTES", interface.persistent_bytes, "both in one block,");
        define("CONSTANT_BYTES", description.constant_bytes, "constants, which are part of the library,");
        define(
            "ARENA_BYTES",
            most(|one| one.interface.arena_bytes),
            "scratch for the function that needs most,",
        );
        define("THREAD_BYTES", most(|one| one.interface.thread_bytes), "and scratch for each thread.");
        for Offered { interface, suffix, .. } in functions {
            let function = suffix.to_ascii_uppercase();
            define(
                &format!("{function}_ARENA_BYTES"),
                interface.arena_bytes,
                &format!("Scratch for {suffix} alone,"),
            );
            define(
                &format!("{function}_THREAD_BYTES"),
                interface.thread_bytes,
                "and for each of its threads.",
            );
        }
        text.push('\n');
    }

    /// Types and shapes of a function's inputs and outputs, for a batch of `n`.
    pub(super) fn ports(&mut self, text: &mut String, function: &Offered<'_>) {
        for (port, parameter) in function.ports() {
            let name = self.beginning(&format!("{}_{parameter}", function.suffix));
            let _ = writeln!(text, "#define {name}_ELEMENTS(n) {}", elements(port));
            let _ = writeln!(text, "#define {name}_DTYPE {}", dtype(port.element));
            let _ = writeln!(text, "#define {name}_RANK {}", port.dims.len());
            if !port.dims.is_empty() {
                let _ = writeln!(text, "#define {name}_SHAPE(n) {{{}}}", shape(port));
            }
        }
    }

    /// Names, types and shapes of parameters and states, and places where a program may look for them itself.
    pub(super) fn tensors(&mut self, text: &mut String, interface: &Interface, placed: bool) {
        text.push_str(match placed {
            true => {
                "/* Parameters and states: what get and set call them, and where they lie in the persistent block. The \
                 element [i, j]\n * is that at byte OFFSET + (i * STRIDES[0] + j * STRIDES[1]) * its size; a scalar has \
                 no shape. */\n"
            }
            false => "/* Parameters and states: what get and set call them; a scalar has no shape. */\n",
        });
        for tensor in &interface.tensors {
            let role = match tensor.role {
                PersistentRole::Parameter => "parameter",
                PersistentRole::State => "state",
            };
            let list = |values: &[usize]| values.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
            let dims = list(&tensor.dims);
            let name = self.beginning(&tensor.name);
            let (shown, element) = (in_comment(&tensor.name), tensor.element);
            let _ = writeln!(text, "/* {role} {shown}, {}[{dims}] */", element.name());
            if placed {
                let _ = writeln!(text, "#define {name}_OFFSET {}", tensor.offset);
            }
            let _ = writeln!(text, "#define {name}_DTYPE {}", dtype(element));
            if !tensor.dims.is_empty() {
                let _ = writeln!(text, "#define {name}_SHAPE {{{dims}}}");
            }
            if placed && !tensor.dims.is_empty() {
                let _ = writeln!(text, "#define {name}_STRIDES {{{}}}", list(&tensor.strides));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Macros;

    #[test]
    fn no_two_macros_are_equal() {
        let mut macros = Macros::new("M");
        let names = ["a.b", "a_b", "A-b", "c"].map(|name| macros.beginning(name));
        assert_eq!(names, ["M_A_B", "M_A_B_", "M_A_B__", "M_C"]);
    }
}
