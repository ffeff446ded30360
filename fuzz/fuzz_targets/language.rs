//! Any text is a model, or diagnostics say what is wrong with it; formatting keeps its meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (loaded, _, diagnostics) = dlc_dsl::load_text("fuzz.dsl", text, &Default::default());
    assert_eq!(loaded.is_none(), diagnostics.has_errors(), "a model is refused with an error, and only so");
    if let Some(loaded) = &loaded {
        if let Err(error) = dlc_ir::verify::verify(&loaded.model.predict) {
            panic!("invalid graph: {error}");
        }
    }
    if let Ok(once) = dlc_dsl::format(text, "fuzz.dsl") {
        let twice = dlc_dsl::format(&once, "fuzz.dsl").expect("what the formatter writes can be read");
        assert_eq!(once, twice, "formatting twice changes nothing more");
        let (again, ..) = dlc_dsl::load_text("fuzz.dsl", &once, &Default::default());
        assert_eq!(loaded.is_some(), again.is_some(), "formatting keeps a model a model");
    }
});
