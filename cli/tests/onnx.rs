//! ONNX files at the command line: what is wrong is told in one line that names file and node.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../../frontends/onnx/tests/models/mod.rs"]
mod models;
mod workshop;

use dlc_onnx::Array;
use models::*;
use onnx_protobuf::{GraphProto, ModelProto, StringStringEntryProto, tensor_proto::DataLocation};
use protobuf::EnumOrUnknown;
use workshop::*;

const RUN: &str = "run m.onnx --input a=@two.pb --input b=@two.pb";

fn changed(change: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = sum();
    change(model.graph.as_mut().unwrap());
    model
}

#[test]
fn files_that_are_no_models() {
    let shop = Workshop::new();
    shop.model("m.onnx", &sum());
    shop.succeeds(RUN);
    shop.fails("run none.onnx", 1, "none.onnx: No such file or directory (os error 2)");
    let whole = bytes(&sum());
    for (bytes, message) in [
        (
            &whole[..whole.len() - 9],
            "the file ends early, or is no ONNX file (a field at byte 6 is longer than it)",
        ),
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n0000", "it is no ONNX model: it holds no graph"),
        (b"some text\n", "it is no ONNX file (byte 0 begins no field)"),
    ] {
        shop.write("m.onnx", bytes);
        for command in [RUN, "check m.onnx", "compile m.onnx", "compare m.onnx", "inspect m.onnx"] {
            let (code, text) = shop.dlc(command);
            assert!(
                code == 1 && text.starts_with("error: m.onnx: ") && !text.contains('\n'),
                "{command}: {text}"
            );
        }
        shop.fails(RUN, 1, &format!("m.onnx: {message}"));
    }
    let mut future = sum();
    future.opset_import[0].version = 99;
    shop.model("m.onnx", &future);
    let message = "m.onnx: it needs opset 99 of ai.onnx, which is newer than 28, the newest that is known";
    shop.fails(RUN, 4, message);
    shop.fails("check m.onnx", 4, message);
}

#[test]
fn graphs_that_are_none() {
    let shop = Workshop::new();
    let relu = |from: &str, to: &str| node("Relu", &[from], &[to], Vec::new());
    for (nodes, message) in [
        (vec![relu("y", "s"), relu("s", "y")], "node Relu for `s`: it depends on itself through `y`"),
        (
            vec![relu("s", "y"), relu("a", "s")],
            "node Relu for `y`: its input `s` is computed later; nodes must stand in order",
        ),
        (vec![relu("q", "y")], "node Relu for `y`: its input `q` is computed by no node and is no input"),
        (
            vec![node("Softmax", &["a"], &["y"], vec![text("axis", "one")])],
            "node Softmax for `y`: its attribute `axis` is a string, and must be an integer",
        ),
        (
            vec![node("If", &["a"], &["y"], vec![int("then_branch", 3)])],
            "node If for `y`: its condition is f32[2], and must be one number",
        ),
    ] {
        shop.model("m.onnx", &changed(|graph| graph.node = nodes));
        shop.fails(RUN, 1, &format!("m.onnx: {message}"));
    }
}

#[test]
fn values_that_do_not_fit() {
    let shop = Workshop::new();
    shop.model("m.onnx", &sum());
    let fed = |b: &str| format!("run m.onnx --input a=@two.pb --input {b}");
    shop.fails(
        "run m.onnx --input a=@two.pb",
        1,
        "m.onnx: the input `b` (f32[2]) is missing: give it as `--input b=@FILE.pb`",
    );
    for (given, message) in [
        ("b=@three.pb", "m.onnx: the input `b` is f32[2] in the model, not f32[3]"),
        ("b=@whole.pb", "m.onnx: the input `b` is f32[2] in the model, not i64[2]"),
        ("c=@two.pb", "m.onnx has no input `c`; it has: a, b; did you mean `a`?"),
        ("a=@two.pb", "m.onnx: the input `a` is given twice"),
        ("b=@none.pb", "none.pb: No such file or directory (os error 2)"),
    ] {
        shop.fails(&fed(given), 1, message);
    }
    shop.write("junk.pb", b"hello");
    shop.fails(&fed("b=@junk.pb"), 1, "junk.pb: it is no ONNX file (byte 2 begins no field)");
    shop.fails(
        &format!("{RUN} --dim N=3"),
        1,
        "`--dim` is for models that are compiled ahead; the sizes of a run are those of its inputs",
    );
}

#[test]
fn sizes_that_no_memory_holds() {
    let shop = Workshop::new();
    let huge = |graph: &mut GraphProto| graph.input[0] = info("a", 1, &[1 << 20, 1 << 20, 1 << 20]);
    shop.model("m.onnx", &changed(huge));
    shop.fails("check m.onnx", 1, "m.onnx: the input `a` is f32[1048576, 1048576, 1048576], too large");
    shop.fails(RUN, 1, "m.onnx: the input `a` is f32[1048576, 1048576, 1048576] in the model, not f32[2]");
    let expand = |graph: &mut GraphProto| {
        graph.initializer.push(longs("s", &[3], &[1 << 20, 1 << 20, 2]));
        graph.node = vec![node("Expand", &["a", "s"], &["y"], Vec::new())];
        graph.output = vec![info("y", 1, &[1 << 20, 1 << 20, 2])];
    };
    shop.model("m.onnx", &changed(expand));
    shop.fails(
        "compile m.onnx",
        1,
        "m.onnx: node `Expand`: its value is f32[1048576, 1048576, 2], too large",
    );
    shop.fails(RUN, 1, "m.onnx: the value `y` takes 8796093022208 bytes, too many");
}

#[test]
fn external_data_stays_in_the_folder() {
    let shop = Workshop::new();
    std::fs::create_dir(shop.path("inner")).unwrap();
    shop.write("w.bin", &[0; 8]);
    shop.write("inner/w.bin", &[0; 8]);
    #[cfg(unix)]
    std::os::unix::fs::symlink(shop.path("inner/w.bin"), shop.path("inner/link.bin")).unwrap();
    let at = |location: &str| {
        let mut weight = tensor("b", 1, &[2], &[]);
        weight.data_location = EnumOrUnknown::new(DataLocation::EXTERNAL);
        weight.external_data.push(StringStringEntryProto {
            key: "location".to_owned(),
            value: location.to_owned(),
            ..StringStringEntryProto::default()
        });
        shop.model("inner/m.onnx", &changed(|graph| graph.initializer.push(weight)));
    };
    let command = "run inner/m.onnx --input a=@two.pb";
    at("w.bin");
    shop.succeeds(command);
    at("../w.bin");
    let prefix = "inner/m.onnx: tensor `b`: external data";
    shop.fails(command, 1, &format!("{prefix} `../w.bin` lies outside the model's folder, which is refused"));
    #[cfg(unix)]
    {
        at("link.bin");
        shop.fails(
            command,
            1,
            &format!("{prefix} `link.bin` leads through a symbolic link, which is refused"),
        );
    }
    at("none.bin");
    shop.fails(command, 1, &format!("{prefix} `none.bin`: No such file or directory (os error 2)"));
}

#[test]
fn what_is_missing_is_listed_at_once() {
    let shop = Workshop::new();
    let nodes = vec![
        node("Frobnicate", &["a"], &["s"], Vec::new()),
        node("NonZero", &["s"], &["t"], Vec::new()),
        node("Mystery", &["t"], &["y"], Vec::new()),
    ];
    shop.model("m.onnx", &changed(|graph| graph.node = nodes));
    shop.fails(
        RUN,
        4,
        "m.onnx needs what this version does not have:\n  unknown operator: Frobnicate (1 node)\n  unknown operator: \
         Mystery (1 node)\nnot supported: unknown operators: Frobnicate, Mystery",
    );
    for command in ["check", "compile", "compare", "inspect"] {
        shop.fails(
            &format!("{command} m.onnx"),
            4,
            "m.onnx cannot be compiled as a whole:\n  unknown operator: Frobnicate (1 node)\n  unknown operator: Mystery (1 \
             node)\n  not done: node NonZero for `t`: it is done by the host, in `dlc run` alone\nnot supported: unknown \
             operators: Frobnicate, Mystery; cases not done: NonZero (it is done by the host, in `dlc run` alone)",
        );
    }
    shop.model("m.onnx", &changed(|graph| graph.input[0] = info("a", 8, &[2])));
    shop.fails("check m.onnx", 4, "m.onnx: the input `a` is string[2], which `dlc run` alone can take");
}

#[test]
fn sizes_are_bound_by_name() {
    let shop = Workshop::new();
    let free = |graph: &mut GraphProto| {
        graph.input = vec![info("a", 1, &[0, 0]), info("b", 1, &[0, 0])];
        graph.input.iter_mut().for_each(|input| {
            free(input, 0, "N");
            free(input, 1, "L");
        });
        graph.output[0].type_ = protobuf::MessageField::none();
    };
    shop.model("m.onnx", &changed(free));
    shop.fails(
        "check m.onnx",
        1,
        "m.onnx: axis 1 of the input `a` has no size: give it as `--dim L=SIZE`\nm.onnx: axis 1 of the input `b` has no \
         size: give it as `--dim L=SIZE`",
    );
    shop.fails("check m.onnx --dim L=0", 1, "m.onnx: the size of `L` must be 1 or more");
    shop.fails("check m.onnx --dim L=5 --dim Q=3", 1, "m.onnx: no input has an extent `Q`");
    for command in ["check", "compile", "compare", "inspect"] {
        shop.succeeds(&format!("{command} m.onnx --dim L=5"));
    }
    shop.succeeds("compare m.onnx --dim L=5 --dim N=3");
}

/// `y = reshape(x, shape)`, and its sum over `axes`.
fn shaped() -> ModelProto {
    let nodes = vec![
        node("Reshape", &["x", "shape"], &["r"], Vec::new()),
        node("ReduceSum", &["r", "axes"], &["y"], Vec::new()),
    ];
    let inputs = vec![info("x", 1, &[2, 6]), info("shape", 7, &[3]), info("axes", 7, &[1])];
    let mut graph = graph(inputs, vec![info("y", 1, &[])], nodes);
    graph.output[0].type_ = protobuf::MessageField::none();
    model(18, graph)
}

#[test]
fn inputs_are_given_ahead() {
    let shop = Workshop::new();
    shop.model("m.onnx", &shaped());
    shop.array("shape.pb", &Array::of_ints(&[3, 2, 2]));
    shop.array("axes.pb", &Array::of_ints(&[1]));
    let (code, text) = shop.dlc("check m.onnx");
    assert_eq!(code, 4, "{text}");
    let told = "depends on the value of `shape`, which is known only in a run (give it ahead as `--bind shape=@FILE`, or see \
                `dlc run`)";
    assert!(text.contains(told), "{text}");
    let bound = "--bind shape=@shape.pb --bind axes=@axes.pb";
    for command in ["check", "compile", "inspect", "compare", "explain", "bench run"] {
        shop.succeeds(&format!("{command} m.onnx {bound}"));
    }
    let text = shop.printed(&format!("inspect m.onnx {bound}"));
    assert!(text.contains("m(x: f32[2, 6])") && text.contains("f32[3, 1, 2]"), "{text}");
    shop.succeeds(&format!("export m.onnx {bound} -o out.onnx"));
    let exported = dlc_onnx::load(&shop.path("out.onnx")).unwrap();
    assert_eq!(exported.graph.inputs.len(), 1);
    // A text that imports the file takes them, too.
    shop.write("t.dsl", b"dlc 1\nmodel m = onnx(\"m.onnx\")\n");
    shop.succeeds(&format!("compare t.dsl {bound}"));
    let (code, text) = shop.dlc(&format!("check t.dsl {bound} --bind shap=@shape.pb"));
    let told = "m.onnx has no input `shap`; it has: x, shape, axes; did you mean `shape`?";
    assert!(code == 1 && text.ends_with(told), "{text}");
}

#[test]
fn values_given_ahead_that_do_not_fit() {
    let shop = Workshop::new();
    shop.model("m.onnx", &shaped());
    shop.array("axes.pb", &Array::of_ints(&[1]));
    shop.array("far.pb", &Array::of_ints(&[7]));
    for (bind, message) in [
        ("--bind axis=@axes.pb", "m.onnx has no input `axis`; it has: x, shape, axes; did you mean `axes`?"),
        ("--bind shape=@axes.pb", "m.onnx: the input `shape` is i64[3] in the model, not i64[1]"),
        ("--bind axes=@two.pb", "m.onnx: the input `axes` is i64[1] in the model, not f32[2]"),
        ("--bind axes=@axes.pb --bind axes=@axes.pb", "m.onnx: the input `axes` is given twice"),
        ("--bind axes=@nowhere.pb", "nowhere.pb: No such file or directory (os error 2)"),
    ] {
        shop.fails(&format!("compile m.onnx {bind}"), 1, message);
    }
    let shape = Array::of_ints(&[3, 2, 2]);
    shop.array("shape.pb", &shape);
    shop.fails(
        "check m.onnx --bind shape=@shape.pb --bind axes=@far.pb",
        1,
        "m.onnx: node ReduceSum for `y`: there is no axis 7 among 3",
    );
    shop.fails(
        "run m.onnx --bind axes=@axes.pb",
        1,
        "`--bind` is for models that are compiled ahead; a run takes all its inputs as `--input`",
    );
    shop.write("plain.dsl", b"dlc 1\nmodel m(x: f32[N, 3]) -> (y) {\n  y = relu(x)\n}\n");
    shop.fails(
        "check plain.dsl --bind axes=@axes.pb",
        1,
        "`--bind axes` is for the inputs of ONNX files, and there is none here",
    );
}

#[test]
fn any_name_of_a_file_is_a_model() {
    let shop = Workshop::new();
    for name in
        ["model", "1x", "for", "if", "train", "data", "a-b", "größe", ".hidden", "v1.0", "dense", "input"]
    {
        shop.model(&format!("{name}.onnx"), &classifier(0));
        shop.succeeds(&format!("compare {name}.onnx"));
    }
}
