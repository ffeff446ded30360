//! What a caller sees of a compiled model.

#![allow(clippy::unwrap_used, reason = "tests")]

use dlc_compiler::{CompileOptions, compile};
use dlc_tests::models::{all_files, from_file};

/// Rewriting may reorder nodes; a caller who feeds inputs by position must not notice.
#[test]
fn inputs_stand_in_the_order_of_the_model() {
    for path in all_files() {
        let model = from_file(&path).model;
        let declared: Vec<&str> =
            model.inputs.iter().chain(&model.targets).map(|input| input.name.as_str()).collect();
        let interface = compile(&model, &CompileOptions::new(2)).unwrap().interface;
        for function in &interface.functions {
            let fed: Vec<&str> = function.inputs.iter().map(|port| port.name.as_str()).collect();
            let expected: Vec<&str> = declared.iter().copied().filter(|name| fed.contains(name)).collect();
            assert_eq!(fed, expected, "{} of {}", function.name, path.display());
        }
    }
}
