//! A function under test as a model, with values for its parameters and states, and the same without some channels.

use dlc_compiler::narrow::{Channels, ClassId, Extents, Group};
use dlc_interp::{Data, Tensor, evaluate};
use dlc_ir::text::parse;
use dlc_ir::verify::verify;
use dlc_ir::{Function, Initializer, Model, Op, Parameter, State};
use dlc_types::TensorType;
use dlc_types::random::Stream;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Values = BTreeMap<String, Tensor>;

/// The batch of every test.
pub(crate) const BATCH: usize = 2;

/// A model that predicts by this function.
pub(crate) fn model(text: &str) -> Model {
    let predict = parse(text).unwrap();
    verify(&predict).unwrap();
    of_function(predict)
}

pub(crate) fn of_function(predict: Function) -> Model {
    let (mut parameters, mut states) = (Vec::new(), Vec::new());
    for (_, node) in predict.nodes.iter() {
        let ty = node.ty.tensor().cloned();
        let initializer = Initializer::Constant(0.0);
        match (&node.op, ty) {
            (Op::Parameter { name }, Some(ty)) => {
                parameters.push(Parameter {
                    name: name.clone(),
                    ty,
                    initializer,
                    trainable: true,
                    span: None,
                });
            }
            (Op::State { name }, Some(ty)) => states.push(State { name: name.clone(), ty, initializer }),
            _ => {}
        }
    }
    let name = "subject".to_owned();
    let (inputs, targets, evaluate, forward, training) = (Vec::new(), Vec::new(), None, None, None);
    Model { name, inputs, targets, parameters, states, predict, evaluate, forward, training }
}

/// Numbers between 0.1 and 1.1 for everything that a function reads; integers are places below 3.
pub(crate) fn values(function: &Function) -> Values {
    let mut all = Values::new();
    for (number, (id, name)) in function.externals().enumerate() {
        let ty: &TensorType = function.tensor_type(id);
        let mut stream = Stream::new(7, 3, number as u32);
        let dims = ty.shape.at(BATCH);
        let count = dims.iter().product();
        let mut unit = || f64::from(stream.unit());
        let data = if ty.dtype.is_float() {
            Data::Float((0..count).map(|_| unit() + 0.1).collect())
        } else {
            Data::Int((0..count).map(|_| (unit() * 3.0) as i64).collect())
        };
        all.insert(name.to_owned(), Tensor { dtype: ty.dtype, dims, data });
    }
    all
}

/// Every other channel of some groups.
pub(crate) fn halves(groups: &[Group]) -> BTreeMap<ClassId, BTreeSet<usize>> {
    groups.iter().map(|group| (group.class, (0..group.size).step_by(2).collect())).collect()
}

/// How many those are.
pub(crate) fn extents_of(kept: &BTreeMap<ClassId, BTreeSet<usize>>) -> Extents {
    let mut extents = Extents::new();
    kept.iter().for_each(|(&class, channels)| extents.set(class, channels.len()));
    extents
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    match &tensor.data {
        Data::Float(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

/// For each element, row by row, whether it is kept along all axes.
fn masks(axes: &[Vec<bool>]) -> Vec<bool> {
    axes.iter().fold(vec![true], |all, axis| {
        all.iter().flat_map(|&one| axis.iter().map(move |&other| one && other)).collect()
    })
}

/// Values with zeros in place of what is not kept, and values without it.
pub(crate) fn zeroed_and_narrow(
    channels: &Channels,
    values: &Values,
    kept: &BTreeMap<ClassId, BTreeSet<usize>>,
) -> (Values, Values) {
    let (mut zeroed, mut narrow) = (values.clone(), values.clone());
    for (name, tensor) in values {
        let Some(axes) = channels.kept_elements(name, kept) else { continue };
        let (mask, elements) = (masks(&axes), floats(tensor));
        let zeros =
            elements.iter().zip(&mask).map(|(&value, &kept)| if kept { value } else { 0.0 }).collect();
        zeroed.insert(name.clone(), Tensor { data: Data::Float(zeros), ..tensor.clone() });
        let left = elements.iter().zip(&mask).filter(|(_, kept)| **kept).map(|(&value, _)| value).collect();
        let dims = axes.iter().map(|axis| axis.iter().filter(|&&kept| kept).count()).collect();
        narrow.insert(name.clone(), Tensor { dtype: tensor.dtype, dims, data: Data::Float(left) });
    }
    (zeroed, narrow)
}

pub(crate) fn run(function: &Function, values: &Values) -> Vec<Tensor> {
    verify(function).unwrap();
    let externals = |op: &Op| match op {
        Op::Input { name } | Op::Parameter { name } | Op::State { name } => values.get(name).cloned(),
        _ => None,
    };
    evaluate(function, BATCH, &externals).unwrap()
}

/// That a function whose dropped channels are zero computes what the function without them does; gives the narrow
/// model.
pub(crate) fn check(text: &str) -> Model {
    let model = model(text);
    let channels = Channels::of(&model);
    let groups = channels.groups();
    assert!(!groups.is_empty(), "nothing can be narrowed in {}", channels.text());
    let kept = halves(&groups);
    let extents = extents_of(&kept);
    let narrow = channels.narrow(&model, &extents).unwrap();
    let (zeroed, values) = zeroed_and_narrow(&channels, &values(&model.predict), &kept);
    assert_eq!(run(&model.predict, &zeroed), run(&narrow.predict, &values));
    // The shapes alone tell the same narrow model.
    let shapes = |model: &Model| {
        let parameters = model.parameters.iter().map(|one| (one.name.clone(), &one.ty));
        let states = model.states.iter().map(|one| (one.name.clone(), &one.ty));
        let all = parameters.chain(states);
        all.map(|(name, ty): (String, &TensorType)| (name, ty.shape.at(1))).collect::<BTreeMap<_, _>>()
    };
    let told = channels.extents(&shapes(&narrow)).unwrap();
    assert_eq!(channels.narrow(&model, &told).unwrap(), narrow);
    assert_eq!(channels.narrow(&model, &channels.extents(&shapes(&model)).unwrap()).unwrap(), model);
    narrow
}
