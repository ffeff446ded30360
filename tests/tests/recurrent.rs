//! The language's recurrent layers give what PyTorch's do (`recurrent/make.py` wrote the numbers).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_interp::{Data, Tensor, evaluate};
use dlc_ir::{Model, Op};
use dlc_types::DType;

const REFERENCE: &str = include_str!("../recurrent/reference.txt");

/// Numbers that follow from their places, as in `make.py`.
fn numbered(dims: &[usize], function: impl Fn(f64) -> f64) -> Tensor {
    let count = dims.iter().product::<usize>();
    let values = (0..count).map(|place| function(place as f64)).collect();
    Tensor::new(DType::F64, dims, Data::Float(values)).unwrap()
}

/// The results of a layer by the oracle, in `f64`.
fn results(call: &str, places: usize, states: usize) -> Vec<Vec<f64>> {
    let kinds = if states == 2 { "y, h, c" } else { "y, h" };
    let initial = if places == 1 { "f64[N, 3]".to_owned() } else { format!("f64[N, {places}, 3]") };
    let given = call.contains("initial");
    let inputs = match (given, states) {
        (false, _) => String::new(),
        (true, 1) => format!(", h0: {initial}"),
        (true, _) => format!(", h0: {initial}, c0: {initial}"),
    };
    let text =
        format!("dlc 1\nmodel m(x: f64[N, 3, 2]{inputs}) -> ({kinds}) {{\n  {kinds} = {call} as net\n}}\n");
    let (loaded, _, diagnostics) = dlc_dsl::load_text("m.dsl", &text, &dlc_dsl::LoadOptions::default());
    let model: Model = loaded.unwrap_or_else(|| panic!("{text}{:?}", diagnostics.all)).model;
    let names: Vec<&str> = model.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let externals = |op: &Op| match op {
        Op::Parameter { name } => {
            let number = names.iter().position(|known| known == name)?;
            let dims = model.parameters[number].ty.shape.as_fixed()?;
            Some(numbered(&dims, |i| 0.5 * (1.0 + 0.37 * i + 1.3 * number as f64).sin()))
        }
        Op::Input { name } if name == "x" => Some(numbered(&[2, 3, 2], |i| (0.2 + 0.9 * i).sin())),
        Op::Input { name } => {
            let dims: &[usize] = if places == 1 { &[2, 3] } else { &[2, places, 3] };
            let number = if name == "h0" { 0.0 } else { 1.0 };
            Some(numbered(dims, |i| (0.5 * i + number).cos()))
        }
        _ => None,
    };
    evaluate(&model.predict, 2, &externals).unwrap().iter().map(Tensor::to_f64).collect()
}

fn reference(name: &str) -> Vec<Vec<f64>> {
    let lines = REFERENCE.lines().skip_while(|line| *line != name).skip(1);
    let rows = lines.take_while(|line| !line.starts_with(char::is_alphabetic));
    rows.map(|row| row.split(' ').map(|number| number.parse().unwrap()).collect()).collect()
}

#[test]
fn layers_are_those_of_pytorch() {
    let deep = "layers = 2, bidirectional = true";
    for (name, call, places, states) in [
        ("lstm", "lstm(x, 3)".to_owned(), 1, 2),
        ("lstm_deep", format!("lstm(x, 3, {deep}, initial = [h0, c0])"), 4, 2),
        ("gru", "gru(x, 3)".to_owned(), 1, 1),
        ("gru_deep", format!("gru(x, 3, {deep}, initial = h0)"), 4, 1),
        ("gru_without_bias", "gru(x, 3, bias = false)".to_owned(), 1, 1),
        ("rnn", "rnn(x, 3, initial = h0)".to_owned(), 1, 1),
        ("rnn_relu", "rnn(x, 3, bidirectional = true, nonlinearity = \"relu\")".to_owned(), 2, 1),
    ] {
        let (found, wanted) = (results(&call, places, states), reference(name));
        assert_eq!(found.len(), wanted.len(), "{name}");
        for (kind, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert_eq!(found.len(), wanted.len(), "{name}, result {kind}");
            for (place, (a, b)) in found.iter().zip(wanted).enumerate() {
                assert!((a - b).abs() < 1e-8, "{name}, result {kind}, element {place}: {a}, PyTorch {b}");
            }
        }
    }
}

/// Layers over, behind and beside one another, trained for a step, compiled against the oracle.
const STACK: &str = r#"dlc 1
model stack(x: f32[N, 5, 6]) -> (logits) {
  y, h, c = lstm(x, 7, layers = 2, bidirectional = true) as lstm
  z, _h, _c = lstm(y, 7, layers = 2, bidirectional = true, initial = [h, c]) as second
  g = z |> gru(8, output = all) as gru
  r = g |> rnn(9, bidirectional = true, output = last, nonlinearity = "relu") as rnn
  s, after = gru(g, 4, bias = false) as gru2
  t = s |> rnn(4, initial = after, output = last) as rnn2
  logits = concat(r, t) |> dense(3) as head
}
data random {
  source = synthetic(samples = 64, classes = 3) -> (x, label)
  batch  = 16
}
train stack on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}
"#;

#[test]
fn a_compiled_training_step_agrees_with_the_oracle() {
    let loaded = dlc_driver::load_text("stack.dsl", STACK, &[]).unwrap();
    let names: Vec<&str> = loaded.model.parameters.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names[..4],
        ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(|it| format!("lstm.{it}_l0"))
    );
    assert_eq!(names[4], "lstm.weight_ih_l0_reverse");
    let report = dlc_driver::compare_loaded(&loaded, &dlc_driver::CompareOptions::default()).unwrap();
    assert!(report.agrees, "{:?}", report.mismatches);
    let gradients = report.gradients.unwrap();
    assert_eq!((gradients.parameters, names.len()), (52, 52));
    assert!(gradients.worst_error < 1e-5, "{gradients:?}");
}
