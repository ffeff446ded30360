//! ONNX files that are trained by flags, and what a checkpoint of that is good for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../../frontends/onnx/tests/models/mod.rs"]
mod models;
mod workshop;

use models::*;
use onnx_protobuf::ModelProto;
use workshop::*;

#[test]
fn training_by_flags() {
    let shop = Workshop::new();
    shop.write("d.csv", b"a,b,c,t\n1,2,3,0\n4,5,6,1\n7,8,9,1\n2,1,0,0\n");
    const FLAGS: &str =
        "--loss cross_entropy --optimizer adam(lr=1e-3) --data d.csv --target t --epochs 1 --batch 2";
    for name in
        ["m", "model", "1x", "train", "data", "given", "adam", "accuracy", "cross_entropy", "input", "target"]
    {
        shop.model(&format!("{name}.onnx"), &classifier(0));
        shop.succeeds(&format!("train {name}.onnx {FLAGS}"));
    }
    shop.fails(
        &format!("train m.onnx {FLAGS} --dim N=2"),
        1,
        "m.onnx: `N` is the batch of its input `x`, which training needs to be free: leave `--dim N=…` out",
    );
    shop.model("m.onnx", &classifier(4));
    shop.fails(
        &format!("train m.onnx {FLAGS}"),
        1,
        "m.onnx: the batch of its input `x` is fixed to 4, and training needs one that is free: export the model with a \
         dynamic first axis (in PyTorch `torch.onnx.export(…, dynamic_axes={\"x\": {0: \"batch\"}, \"y\": {0: \"batch\"}})`)",
    );
    shop.model("m.onnx", &sum());
    shop.fails(
        &format!("train m.onnx {FLAGS}"),
        1,
        "m.onnx: it has 2 inputs (a, b), and flags can tell the training of one input and one output: write a model file \
         with `model m(…) -> (…) = onnx(\"…\")` and a `train` section",
    );
    let (code, text) = shop.dlc("train m.onnx");
    assert!(code == 1 && text.contains("give `--loss cross_entropy`"), "{text}");
}

/// Two dense layers on a free batch: 3 features, 4 hidden, 6 results.
fn two_layers() -> ModelProto {
    let ramp = |count: usize| -> Vec<f32> { (0..count).map(|place| 0.1 * (place as f32 - 3.5)).collect() };
    let nodes = vec![
        node("Gemm", &["x", "body.weight", "body.bias"], &["h"], Vec::new()),
        node("Tanh", &["h"], &["a"], Vec::new()),
        node("Gemm", &["a", "fc.weight", "fc.bias"], &["y"], Vec::new()),
    ];
    let mut graph = graph(vec![info("x", 1, &[-1, 3])], vec![info("y", 1, &[-1, 6])], nodes);
    graph.initializer = vec![
        floats("body.weight", &[3, 4], &ramp(12)),
        floats("body.bias", &[4], &ramp(4)),
        floats("fc.weight", &[4, 6], &ramp(24)),
        floats("fc.bias", &[6], &ramp(6)),
    ];
    model(20, graph)
}

/// A folder in which `net.onnx` was trained with a new head of two classes.
fn trained() -> Workshop {
    let shop = Workshop::new();
    shop.model("net.onnx", &two_layers());
    let rows: Vec<String> = (0..60)
        .map(|row| format!("{},{},{},{}", row % 7, row % 5, row % 3, ["no", "yes"][usize::from(row % 7 > 3)]))
        .collect();
    shop.write("rows.csv", format!("a,b,c,kind\n{}\n", rows.join("\n")).as_bytes());
    shop.succeeds(
        "train net.onnx --loss cross_entropy --optimizer adam(lr=0.05) --data rows.csv --target kind --epochs 30 \
         --replace-head fc=dense(2) --freeze body.* --out out --seed 1",
    );
    shop
}

#[test]
fn a_checkpoint_knows_how_it_was_trained() {
    let shop = trained();
    let test = shop.printed("eval net.onnx --checkpoint out/best.safetensors");
    assert!(test.starts_with("test (6 samples)  loss") && test.contains("accuracy"), "{test}");
    shop.write("new.csv", b"a,b,c\n6,1,1\n0,1,1\n");
    let rows = shop.printed("predict net.onnx --checkpoint out/best.safetensors new.csv");
    let classes: Vec<&str> =
        rows.lines().skip(1).filter_map(|row| row.split_whitespace().rev().nth(1)).collect();
    assert_eq!(classes, ["yes", "no"], "{rows}");
    // The data may have gone, and the files may be called otherwise: the checkpoint knows the names of classes.
    for (from, to) in
        [("rows.csv", "gone.csv"), ("net.onnx", "other.onnx"), ("out/best.safetensors", "c.safetensors")]
    {
        std::fs::rename(shop.path(from), shop.path(to)).unwrap();
    }
    assert_eq!(shop.printed("predict other.onnx --checkpoint c.safetensors new.csv"), rows);
    let again = shop.printed("eval other.onnx --checkpoint c.safetensors --data gone.csv");
    assert_eq!(again, test);
    let (code, text) = shop.dlc("eval other.onnx --checkpoint c.safetensors");
    assert!(code == 1 && text.contains("rows.csv"), "{text}");
}

#[test]
fn a_trained_head_is_exported_and_run() {
    let shop = trained();
    shop.succeeds("export net.onnx --checkpoint out/best.safetensors -o new.onnx");
    let exported = dlc_onnx::load(&shop.path("new.onnx")).unwrap();
    assert_eq!(exported.graph.outputs[0].ty.to_string(), "f32[N, 2]");
    shop.array("x.pb", &dlc_onnx::Array::of_floats(&[0.3, -0.2, 1.0]).reshaped(vec![1, 3]).unwrap());
    let values = |text: &str| -> Vec<f64> {
        let (_, list) = text.split_once(" [").unwrap_or_else(|| panic!("{text}"));
        list.trim_end().trim_end_matches(']').split(", ").map(|value| value.parse().unwrap()).collect()
    };
    let exported = values(&shop.printed("run new.onnx --input input=@x.pb"));
    let npy = [b"\x93NUMPY\x01\x00\x76\x00".as_slice(), &header(), &bytes_of(&[0.3, -0.2, 1.0])].concat();
    shop.write("x.npy", &npy);
    let own = values(&shop.printed("run net.onnx --checkpoint out/best.safetensors --input input=@x.npy"));
    assert_eq!(own.len(), 2);
    assert!(
        own.iter().zip(&exported).all(|(own, exported)| (own - exported).abs() < 1e-5),
        "{own:?} {exported:?}"
    );
}

#[test]
fn sizes_and_values_of_the_training_are_kept() {
    let shop = Workshop::new();
    let nodes =
        vec![node("Mul", &["x", "s"], &["m"], Vec::new()), node("MatMul", &["m", "w"], &["y"], Vec::new())];
    let inputs = vec![info("x", 1, &[-1, 3]), info("s", 1, &[3])];
    let mut graph = graph(inputs, vec![info("y", 1, &[-1, 2])], nodes);
    graph.initializer.push(floats("w", &[3, 2], &[0.5; 6]));
    shop.model("m.onnx", &model(18, graph));
    shop.array("s.pb", &dlc_onnx::Array::of_floats(&[1.0, 2.0, 3.0]));
    shop.write("d.csv", b"a,b,c,t\n1,2,3,0\n4,5,6,1\n7,8,9,1\n2,1,0,0\n");
    const FLAGS: &str =
        "--loss cross_entropy --optimizer sgd(lr=0.1) --data d.csv --target t --epochs 1 --batch 2";
    shop.succeeds(&format!("train m.onnx {FLAGS} --bind s=@s.pb --out out"));
    let told = shop.printed("eval m.onnx --checkpoint out/last.safetensors");
    shop.array("t.pb", &dlc_onnx::Array::of_floats(&[5.0, -2.0, 3.0]));
    let other = shop.printed("eval m.onnx --checkpoint out/last.safetensors --bind s=@t.pb");
    assert_ne!(told, other);
}

fn header() -> Vec<u8> {
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }";
    let mut header = text.as_bytes().to_vec();
    header.resize(117, b' ');
    header.push(b'\n');
    header
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn a_run_by_flags_is_resumed_without_them() {
    let shop = trained();
    const FLAGS: &str = "--loss cross_entropy --optimizer adam(lr=0.05) --data rows.csv --target kind --epochs 30 \
                         --replace-head fc=dense(2) --freeze body.* --seed 1";
    shop.succeeds(&format!("train net.onnx {FLAGS} --out half --stop-after 7"));
    shop.succeeds("train net.onnx --resume half/last.safetensors --out half");
    let last = |folder: &str| std::fs::read(shop.path(&format!("{folder}/last.safetensors"))).unwrap();
    assert!(last("half") == last("out"), "a resumed run differs from one in one go");
}

#[test]
fn a_checkpoint_of_another_kind_is_told() {
    let shop = trained();
    shop.write("t.dsl", b"dlc 1\nmodel net = onnx(\"net.onnx\")\n");
    shop.succeeds("export t.dsl -o plain.onnx");
    let bad = b"\x3e\0\0\0\0\0\0\0{\"__metadata__\":{\"dlc\":\"{\\\"model\\\":1}\"}}";
    let mut bad = bad.to_vec();
    let length = bad.len() - 8;
    bad[0] = u8::try_from(length).unwrap();
    shop.write("bad.safetensors", &bad);
    let (code, text) = shop.dlc("eval net.onnx --checkpoint bad.safetensors");
    assert!(
        code == 1 && text.contains("bad.safetensors: its note does not tell how it was trained"),
        "{text}"
    );
    shop.write("broken.safetensors", b"no");
    let (code, text) = shop.dlc("eval net.onnx --checkpoint broken.safetensors");
    assert!(code == 1 && text.starts_with("error: ") && !text.contains('\n'), "{text}");
}
