//! Layers as integers: which are found, what becomes of the scales and shifts behind them, and that the integers mean what
//! they were made of.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use dlc_compiler::quantize::{Plan, constants, encode, quantized, survey};
use dlc_interp::{Data, Tensor, evaluate};
use dlc_ir::{Declaration, Function, Initializer, Model, Op, Parameter, State};
use dlc_types::DType;
use std::collections::BTreeMap;

/// A model of one function, with the parameters and states that it reads.
fn model(text: &str) -> Model {
    let predict = dlc_ir::text::parse(text).unwrap();
    dlc_ir::verify::verify(&predict).unwrap();
    let (mut inputs, mut parameters, mut states) = (Vec::new(), Vec::new(), Vec::new());
    for (id, name) in predict.externals() {
        let (name, ty) = (name.to_owned(), predict.tensor_type(id).clone());
        let initializer = Initializer::Constant(0.0);
        match predict.nodes[id].op {
            Op::Parameter { .. } => {
                parameters.push(Parameter { name, ty, initializer, trainable: true, span: None });
            }
            Op::State { .. } => states.push(State { name, ty, initializer }),
            _ => inputs.push(Declaration { name, ty }),
        }
    }
    Model {
        name: "m".to_owned(),
        inputs,
        targets: Vec::new(),
        parameters,
        states,
        predict,
        evaluate: None,
        forward: None,
        training: None,
    }
}

/// A number between -1 and 1 for every element, another for every name; variances are above zero.
fn drawn(name: &str, dims: &[usize]) -> Tensor {
    let salt: u64 = name.bytes().fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let count: usize = dims.iter().product();
    let value = |place: usize| {
        let value = (((salt % 1000 + 1) * (place as u64 + 3)) as f64 * 0.618).sin();
        (if name.ends_with("variance") { value.abs() + 0.5 } else { value }) as f32
    };
    Tensor::from_f32(dims, &(0..count).map(value).collect::<Vec<_>>()).unwrap()
}

fn run(function: &Function, values: &BTreeMap<String, Tensor>) -> Vec<Tensor> {
    evaluate(function, 2, &|op| match op {
        Op::Input { name } | Op::Parameter { name } | Op::State { name } => values.get(name).cloned(),
        _ => None,
    })
    .unwrap()
}

/// The relative change of the first output when all layers hold integers, inputs within -1 and 1.
fn change(model: &Model, input_steps: f64, dtype: DType) -> f64 {
    let function = &model.predict;
    let mut values: BTreeMap<String, Tensor> = function
        .externals()
        .map(|(id, name)| (name.to_owned(), drawn(name, &function.tensor_type(id).shape.at(2))))
        .collect();
    let before = run(function, &values)[0].to_f64();
    let found = survey(model);
    let known = run(&constants(model, &found).unwrap(), &values);
    for (layer, tensors) in found.layers.iter().zip(known.chunks(3)) {
        let encoded = encode(&tensors[0].to_f32(), &layer.dims, &layer.axes);
        let integers = encoded.integers.iter().map(|&integer| i64::from(integer)).collect();
        let scale: Vec<f64> =
            encoded.steps.iter().zip(tensors[1].to_f64()).map(|(&step, t)| f64::from(step) * t).collect();
        let names = &layer.names;
        let weight = Tensor::new(DType::I8, &layer.dims, Data::Int(integers)).unwrap();
        values.insert(names.weight.clone(), weight);
        values.insert(names.scale.clone(), Tensor::from_f64(&tensors[1].dims, &scale).map(f32s).unwrap());
        values.insert(names.bias.clone(), tensors[2].clone());
        values.insert(names.input.clone(), Tensor::scalar(DType::F32, input_steps));
    }
    let plan = Plan(found.layers.iter().map(|layer| (layer.name.clone(), dtype)).collect());
    let integers = quantized(model, &plan).unwrap();
    dlc_ir::verify::verify_model(&integers).unwrap();
    assert!(integers.predict.nodes.values().any(|node| node.op == Op::Cast(dtype)));
    let after = run(&integers.predict, &values)[0].to_f64();
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut before.iter().zip(&after).map(|(a, b)| a - b)) / norm(&mut before.iter().copied())
}

fn f32s(tensor: Tensor) -> Tensor {
    Tensor::from_f32(&tensor.dims, &tensor.to_f32()).unwrap()
}

const NORMALISED: &str = "fn predict {
  %0: f32[N, 4, 5, 5] = input \"x\"
  %1: f32[6, 2, 3, 3] = parameter \"conv.weight\" @ \"conv\"
  %2: f32[N, 6, 5, 5] = convolve(%0, %1) strides=[1, 1] padding=[(1, 1), (1, 1)] input_dilation=[1, 1] kernel_dilation=[1, 1] groups=2 @ \"conv\"
  %3: f32[6] = state \"norm.mean\"
  %4: f32[6] = state \"norm.variance\"
  %5: f32[6] = rsqrt(%4)
  %6: f32[6] = parameter \"norm.shift\"
  %7: f32[6, 1, 1] = reshape(%5)
  %8: f32[N, 6, 5, 5] = broadcast(%3) axes=[1]
  %9: f32[N, 6, 5, 5] = broadcast(%7) axes=[1, 2, 3]
  %10: f32[N, 6, 5, 5] = broadcast(%6) axes=[1]
  %11: f32[N, 6, 5, 5] = sub(%8, %2)
  %12: f32[N, 6, 5, 5] = mul(%9, %11)
  %13: f32[N, 6, 5, 5] = add(%12, %10)
  output output \"y\" %13
}";

#[test]
fn scales_and_shifts_of_any_spelling_join_the_output() {
    let model = model(NORMALISED);
    let found = survey(&model);
    let [layer] = found.layers.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (layer.name.as_str(), layer.kind.as_str(), &layer.axes[..]),
        ("conv", "grouped conv2d", &[0][..])
    );
    let error = change(&model, 1.0 / 127.0, DType::I8);
    assert!(error > 1e-5 && error < 0.02, "{error}");
    let plan = Plan(BTreeMap::from([("conv".to_owned(), DType::I8)]));
    let integers = quantized(&model, &plan).unwrap();
    // All of the batch-norm is gone.
    let names: Vec<&str> = integers.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["conv.int8.bias", "conv.int8.input", "conv.int8.scale", "conv.int8.weight"]);
    assert!(integers.states.is_empty());
}

#[test]
fn weights_on_either_side_and_of_a_batch_have_their_channels() {
    let left = model(
        "fn predict {
          %0: f32[N, 7] = input \"x\"
          %1: f32[7, 3] = parameter \"w\"
          %2: f32[3, N] = contract(%1, %0) batch=[] contract=[(0, 1)]
          %3: f32[N, 3] = transpose(%2) permutation=[1, 0]
          output output \"y\" %3
        }",
    );
    assert_eq!(survey(&left).layers[0].axes, [1]);
    assert!(change(&left, 1.0 / 127.0, DType::I8) < 0.02);
    let batched = model(
        "fn predict {
          %0: f32[N, 2, 5] = input \"x\"
          %1: f32[2, 5, 3] = parameter \"w\"
          %2: f32[2, N, 3] = contract(%0, %1) batch=[(1, 0)] contract=[(2, 1)]
          output output \"y\" %2
        }",
    );
    let found = survey(&batched);
    assert_eq!((found.layers[0].kind.as_str(), &found.layers[0].axes[..]), ("batched dense", &[0, 2][..]));
    assert!(change(&batched, 1.0 / 127.0, DType::I8) < 0.02);
}

#[test]
fn shared_weights_are_one_tensor_and_shared_inputs_one_step() {
    let model = model(
        "fn predict {
          %0: f32[N, 4] = input \"x\"
          %1: f32[4, 4] = parameter \"enc.weight\"
          %2: f32[4, 4] = parameter \"other.weight\"
          %3: f32[N, 4] = contract(%0, %1) batch=[] contract=[(1, 0)] @ \"enc\"
          %4: f32[N, 4] = relu(%3)
          %5: f32[N, 4] = contract(%4, %1) batch=[] contract=[(1, 0)] @ \"enc\"
          %6: f32[N, 4] = contract(%0, %2) batch=[] contract=[(1, 0)] @ \"other\"
          %7: f32[N, 4] = add(%5, %6)
          output output \"y\" %7
        }",
    );
    let found = survey(&model);
    let names: Vec<(&str, &str, &str)> = found
        .layers
        .iter()
        .map(|layer| (layer.name.as_str(), layer.names.weight.as_str(), layer.names.input.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("enc", "enc.int8.weight", "enc.int8.input"),
            ("enc#2", "enc.int8.weight", "enc#2.int8.input"),
            ("other", "other.int8.weight", "enc.int8.input"),
        ]
    );
    let signs: Vec<bool> = found.layers.iter().map(|layer| layer.never_negative).collect();
    assert_eq!((signs, found.inputs), (vec![false, true, false], 2));
    // A layer that stays in f32 keeps its parameter beside the integers of the other.
    let plan = Plan(BTreeMap::from([("enc#2".to_owned(), DType::U8)]));
    let integers = quantized(&model, &plan).unwrap();
    let names: Vec<&str> = integers.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(
        names,
        ["enc.weight", "other.weight", "enc#2.int8.input", "enc#2.int8.scale", "enc.int8.weight"]
    );
    let unknown = Plan(BTreeMap::from([("dec".to_owned(), DType::U8)]));
    assert!(quantized(&model, &unknown).unwrap_err().to_string().contains("no layer `dec`"));
}

#[test]
fn what_integers_do_not_compute_is_told() {
    let model = model(
        "fn predict {
          %0: f32[N, 2, 4] = input \"x\"
          %1: f32[3, 2, 2] = parameter \"up.weight\"
          %2: f32[N, 3, 8] = convolve(%0, %1) strides=[1] padding=[(1, 1)] input_dilation=[2] kernel_dilation=[1] groups=1 @ \"up\"
          %3: f32[N, 24] = reshape(%2)
          %4: f32[N, 24, 24] = contract(%2, %2) batch=[(0, 0)] contract=[(1, 1)]
          output output \"y\" %3
        }"
        .replace("%4: f32[N, 24, 24]", "%4: f32[N, 8, 8]")
        .as_str(),
    );
    let found = survey(&model);
    assert!(found.layers.is_empty());
    let told: Vec<(&str, &str, &str)> =
        found.others.iter().map(|one| (one.name.as_str(), one.kind.as_str(), one.reason.as_str())).collect();
    assert_eq!(told, [("up", "transposed conv1d", "it is transposed")]);
}
