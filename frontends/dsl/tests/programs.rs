//! Whole programs: what the language makes of them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use dlc_dsl::{LoadOptions, Loaded, load_text};
use support::render;

const DENSE: &str = include_str!("programs/dense.dsl");
const RESNET: &str = include_str!("programs/resnet.dsl");

fn loaded(text: &str, settings: &[(&str, &str)]) -> Loaded {
    let settings = settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let (loaded, sources, diagnostics) = load_text("test.dsl", text, &LoadOptions { settings });
    loaded.unwrap_or_else(|| panic!("refused:\n{}", render(&sources, &diagnostics)))
}

fn paths(loaded: &Loaded) -> Vec<String> {
    loaded.model.parameters.iter().map(|parameter| format!("{}: {}", parameter.name, parameter.ty)).collect()
}

#[test]
fn a_dense_net() {
    let loaded = loaded(DENSE, &[]);
    assert_eq!(
        paths(&loaded),
        [
            "hidden.weight: f32[64, 32]",
            "hidden.bias: f32[32]",
            "head.weight: f32[32, 10]",
            "head.bias: f32[10]"
        ]
    );
    let model = &loaded.model;
    assert_eq!(model.targets.iter().map(|target| target.ty.to_string()).collect::<Vec<_>>(), ["i32[N]"]);
    assert!(model.forward.is_some() && model.evaluate.is_some() && model.training.is_some());
    let recipe = loaded.recipe.unwrap();
    assert_eq!((recipe.epochs, recipe.data.batch), (10, 64));
    assert_eq!(recipe.data.fields[0].ty.to_string(), "f32[N, 64]");
}

#[test]
fn the_example_of_the_design() {
    let loaded = loaded(RESNET, &[]);
    let paths = paths(&loaded);
    assert_eq!(paths[0], "stem.weight: f32[16, 3, 3, 3]");
    assert!(paths.contains(&"stage1.block0.project.weight: f32[32, 16, 1, 1]".to_owned()));
    assert!(paths.contains(&"stage2.block2.bn2.scale: f32[64]".to_owned()));
    assert_eq!(loaded.model.predict.output(dlc_ir::OutputRole::Output, "logits").unwrap().name, "logits");
    let forward = loaded.model.forward.as_ref().unwrap();
    let updates = forward.outputs.iter().filter(|output| output.role == dlc_ir::OutputRole::State).count();
    assert_eq!(updates, loaded.model.states.len());
}
