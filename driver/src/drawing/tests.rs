//! Drawings of a small model.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::load_text;
use dlc_compiler::{Compilation, CompileOptions, FunctionKind, compile};
use expect_test::expect;

fn compiled(kind: FunctionKind) -> Compilation {
    let text = "dlc 1\nmodel m(x: f32[N, 4]) -> (y) {\n  y = x |> dense(3) as a |> relu()\n}\n\
                data d {\n  source = synthetic(samples = 64, classes = 3) -> (x, t)\n  batch = 2\n}\n\
                train m on d {\n  loss = cross_entropy(y, t)\n  optimizer = sgd(lr = 0.1)\n  epochs = 1\n}\n";
    let options = CompileOptions { functions: vec![kind], ..CompileOptions::new(2) };
    compile(&load_text("m.dsl", text, &[]).unwrap().model, &options).unwrap()
}

#[test]
fn launches_are_clusters_of_ops() {
    let compilation = compiled(FunctionKind::Predict);
    expect![[r#"
        digraph "predict" {
            node [shape=ellipse]
            e0 [label="x\nf32[N, 4]" shape=box]
            e1 [label="a.weight\nf32[4, 3]" shape=box]
            e3 [label="a.bias\nf32[3]" shape=box]
            subgraph cluster_0 {
                label="a.contract" style=filled color=lightgrey
                l0_2 [label="%2 contract: f32[N, 3]"]
                l0_4 [label="%4 broadcast: f32[N, 3]"]
                l0_5 [label="%5 add: f32[N, 3]"]
                l0_6 [label="%6 relu: f32[N, 3]" penwidth=2]
            }
            o0 [label="output y" shape=doubleoctagon]
            e0 -> l0_2
            e1 -> l0_2
            e3 -> l0_4
            l0_2 -> l0_5
            l0_4 -> l0_5
            l0_5 -> l0_6
            l0_6 -> o0
        }
    "#]]
    .assert_eq(&lowered_dot(&compilation.functions[0].lowered));
}

#[test]
fn boxes_do_not_overlap_and_stand_below_what_they_read() {
    let compilation = compiled(FunctionKind::Train);
    let function = &compilation.functions[0];
    for drawing in [written(&function.graph), launches(&function.lowered)] {
        assert!(drawing.arrows.len() > 10);
        let places = layout::layout(&drawing);
        for &(from, to) in &drawing.arrows {
            assert!(places[from].y + places[from].height < places[to].y, "{from} {to}");
        }
        for (number, one) in places.iter().enumerate() {
            assert!(one.x >= 0.0 && one.y >= 0.0);
            for other in &places[number + 1..] {
                let apart = one.x + one.width <= other.x
                    || other.x + other.width <= one.x
                    || one.y + one.height <= other.y
                    || other.y + other.height <= one.y;
                assert!(apart, "{one:?} {other:?}");
            }
        }
    }
}

#[test]
fn pictures_name_all_kernels_and_are_well_formed() {
    let compilation = compiled(FunctionKind::Train);
    let function = &compilation.functions[0];
    let (before, after) = (written_svg(&function.graph), lowered_svg(&function.lowered));
    for kernel in function.lowered.program.kernels.values() {
        assert!(after.contains(&svg_text(&kernel.name)), "{}", kernel.name);
    }
    assert!(before.contains("softmax") && before.contains("a.weight"));
    for text in [&before, &after] {
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        for tag in ["text", "g", "svg"] {
            let opened =
                text.matches(&format!("<{tag} ")).count() + text.matches(&format!("<{tag}>")).count();
            assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
    assert_eq!(after, lowered_svg(&compiled(FunctionKind::Train).functions[0].lowered));
}

/// A name as it stands in XML.
fn svg_text(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
