//! Sizes, types, shapes and layouts as macros of C.

use super::header::in_comment;
use super::surface::{Offered, dtype, elements, shape};
use dlc_runtime::abi::{Description, Interface, PersistentRole};
use std::collections::BTreeSet;
use std::fmt::Write;

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

    /// Sizes of everything.
    pub(super) fn sizes(&self, text: &mut String, functions: &[Offered<'_>], description: &Description) {
        let interface = &description.interface;
        let of_role = |role| {
            interface.tensors.iter().filter(move |tensor| tensor.role == role).map(|one| one.bytes).sum()
        };
        let (parameters, states): (usize, usize) =
            (of_role(PersistentRole::Parameter), of_role(PersistentRole::State));
        let most = |size: fn(&Offered<'_>) -> usize| functions.iter().map(size).max().unwrap_or(0);
        let upper = self.upper;
        let mut define = |what: &str, value: usize, meaning: &str| {
            let _ = writeln!(text, "/* {meaning} */\n#define {upper}_{what} {value}");
        };
        define("BATCH_MAX", interface.batch_max, "Greatest batch; every smaller one may be given, too.");
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

    /// Names, types, shapes and places of parameters and states.
    pub(super) fn tensors(&mut self, text: &mut String, interface: &Interface) {
        text.push_str(
            "/* Parameters and states: what get and set call them, and where they lie in the persistent block. The element \
             [i, j]\n * is that at byte OFFSET + (i * STRIDES[0] + j * STRIDES[1]) * its size; a scalar has no shape. */\n",
        );
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
            let _ = writeln!(text, "#define {name}_OFFSET {}", tensor.offset);
            let _ = writeln!(text, "#define {name}_DTYPE {}", dtype(element));
            if !tensor.dims.is_empty() {
                let _ = writeln!(text, "#define {name}_SHAPE {{{dims}}}");
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
