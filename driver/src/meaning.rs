//! What a model's numbers mean: which outputs are class scores, and how many classes a label tells apart.
//!
//! The graph says it. A loss over class scores holds the logarithm of a softmax; one over logits of a
//! yes-or-no question holds `log(1 + exp(-|x|))`; labels by number are compared with the coordinates of
//! the class axis.

use dlc_ir::{Function, Model, NodeId, Op, Unary};
use dlc_trainer::{Decide, Decided, LabelMap};
use dlc_types::DType;
use std::sync::Arc;

/// What the first output of a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// One score per class, whose softmax is the probability.
    Scores,
    /// One probability per class.
    Probabilities,
    /// One number, whose sigmoid is the probability of yes.
    Logit,
    /// The probability of yes.
    Probability,
    /// Just values.
    Values,
}

fn holds(function: &Function, accept: impl Fn(&Op) -> bool) -> bool {
    function.nodes.values().any(|node| accept(&node.op))
}

impl Meaning {
    /// What the model's first output means to its loss.
    pub fn of(model: &Model) -> Meaning {
        let predict = &model.predict;
        let Some(output) = predict.outputs.first().map(|output| output.value) else { return Meaning::Values };
        let op = &predict.nodes[output].op;
        let dims = predict.tensor_type(output).shape.dims();
        let several = dims.len() == 2 && dims[1].fixed().is_some_and(|classes| classes > 1);
        let single = dims.iter().skip(1).all(|dim| dim.fixed() == Some(1));
        Meaning::told(model, op, several, single)
    }

    /// What the values for one pixel of the first output are, and how many there are, where the output is `[N, scores,
    /// height, width]` and an input is an image; with height and width.
    fn of_pixels(model: &Model) -> Option<(Meaning, usize, (usize, usize))> {
        let output = model.predict.outputs.first()?.value;
        let extents = |dims: &[dlc_types::Dim]| -> Option<Vec<usize>> {
            dims.iter().skip(1).map(|dim| dim.fixed()).collect()
        };
        let &[scores, height, width] = extents(model.predict.tensor_type(output).shape.dims())?.as_slice()
        else {
            return None;
        };
        let is_image = |dims: &[dlc_types::Dim]| dims.len() == 4;
        if height * width < 2
            || scores > 256
            || !model.inputs.iter().any(|input| is_image(input.ty.shape.dims()))
        {
            return None;
        }
        let op = &model.predict.nodes[output].op;
        match Meaning::told(model, op, scores > 1, scores == 1) {
            Meaning::Values => None,
            meaning => Some((meaning, scores, (height, width))),
        }
    }

    /// The same of an output whose decisions are between several scores, or by a single one.
    fn told(model: &Model, op: &Op, several: bool, single: bool) -> Meaning {
        if several && matches!(op, Op::Softmax { .. }) {
            return Meaning::Probabilities;
        }
        let Some(evaluate) = &model.evaluate else { return Meaning::Values };
        let scores = holds(evaluate, |op| matches!(op, Op::LogSoftmax { .. }));
        let logit = holds(evaluate, |op| *op == Op::Unary(Unary::LogOnePlus));
        let logarithm = holds(evaluate, |op| *op == Op::Unary(Unary::Log));
        match (several, single) {
            (true, _) if scores => Meaning::Scores,
            (true, _) if logarithm => Meaning::Probabilities,
            (_, true) if *op == Op::Unary(Unary::Sigmoid) && (logit || logarithm) => Meaning::Probability,
            (_, true) if logit => Meaning::Logit,
            (_, true) if logarithm => Meaning::Probability,
            _ => Meaning::Values,
        }
    }

    /// The probability of every class.
    pub fn probabilities(self, values: &[f64]) -> Option<Vec<f64>> {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match self {
            Meaning::Values => None,
            Meaning::Probabilities => Some(values.to_vec()),
            Meaning::Scores => {
                let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = values.iter().map(|value| (value - top).exp()).collect();
                let total: f64 = powers.iter().sum();
                Some(powers.into_iter().map(|power| power / total).collect())
            }
            Meaning::Logit => values.first().map(|&x| vec![sigmoid(-x), sigmoid(x)]),
            Meaning::Probability => values.first().map(|&p| vec![1.0 - p, p]),
        }
    }

    /// The class with the highest probability, and that probability. One value per class, or one value.
    pub fn decide(self, values: &[f64]) -> Option<(usize, f64)> {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let yes = |p: f64| if p >= 0.5 { (1, p) } else { (0, 1.0 - p) };
        let greatest = |values: &[f64]| {
            let place = values
                .iter()
                .enumerate()
                .fold(0, |best, (place, value)| if *value > values[best] { place } else { best });
            values.get(place).map(|&value| (place, value))
        };
        match self {
            Meaning::Values => None,
            Meaning::Probabilities => greatest(values),
            Meaning::Scores => {
                let (class, top) = greatest(values)?;
                let total: f64 = values.iter().map(|value| (value - top).exp()).sum();
                Some((class, 1.0 / total))
            }
            Meaning::Logit => values.first().map(|&x| yes(sigmoid(x))),
            Meaning::Probability => values.first().map(|&p| yes(p)),
        }
    }
}

/// How the first output of a model decides.
pub(crate) fn decide(model: &Model) -> Decide {
    if let Some((meaning, scores, size)) = Meaning::of_pixels(model) {
        return Decide(Arc::new(move |values| Decided::Map(label_map(meaning, values, scores, size))));
    }
    let meaning = Meaning::of(model);
    Decide(Arc::new(move |values| match (meaning.decide(values), meaning.probabilities(values)) {
        (Some((class, _)), Some(probabilities)) => Decided::Class { class, probabilities },
        _ => Decided::Values,
    }))
}

/// The class of every pixel of `[scores, height, width]` values.
fn label_map(meaning: Meaning, values: &[f64], scores: usize, size: (usize, usize)) -> LabelMap {
    let places = size.0 * size.1;
    let pixel = |place: usize| {
        let at = |score: usize| values.get(score * places + place).copied().unwrap_or(f64::NAN);
        let own: Vec<f64> = (0..scores).map(at).collect();
        // There are at most 256 classes.
        meaning.decide(&own).map_or(0, |(class, _)| class as u8)
    };
    LabelMap { size, classes: scores.max(2), pixels: (0..places).map(pixel).collect() }
}

/// The bound of a label's class numbers: labels lie in `0..bound`. `None` for a target that is no class
/// number, or where the model does not tell.
pub(crate) fn class_bound(model: &Model, target: &str) -> Option<usize> {
    let functions = [model.evaluate.as_ref(), model.forward.as_ref(), Some(&model.predict)];
    let ty = model.targets.iter().chain(&model.inputs).find(|declared| declared.name == target)?;
    if !ty.ty.dtype.is_integer() && ty.ty.dtype != DType::Bool {
        return None;
    }
    functions.into_iter().flatten().find_map(|function| bound_in(function, target))
}

/// Follows a label to what it is compared with, or what it selects from.
fn bound_in(function: &Function, target: &str) -> Option<usize> {
    let users = function.users();
    let label = |op: &Op| matches!(op, Op::Input { name } if name == target);
    let mut open: Vec<NodeId> =
        function.nodes.iter().filter(|(_, node)| label(&node.op)).map(|(id, _)| id).collect();
    while let Some(id) = open.pop() {
        for &user in &users[id] {
            let node = &function.nodes[user];
            match &node.op {
                Op::Cast(_) | Op::Broadcast { .. } | Op::Reshape | Op::Transpose { .. } => open.push(user),
                Op::Compare(_) => {
                    let classes = node.operands.iter().find_map(|&other| coordinates(function, other));
                    if classes.is_some() {
                        return classes;
                    }
                }
                Op::Gather { axis } if node.operands.get(1) == Some(&id) => {
                    return function.tensor_type(node.operands[0]).shape[*axis].fixed();
                }
                _ => {}
            }
        }
    }
    None
}

fn coordinates(function: &Function, id: NodeId) -> Option<usize> {
    match &function.nodes[id].op {
        Op::Iota { axis } => function.tensor_type(id).shape[*axis].fixed(),
        _ => None,
    }
}

/// The number of classes of the model's first integer target.
pub(crate) fn classes(model: &Model) -> Option<usize> {
    model.targets.iter().find_map(|target| class_bound(model, &target.name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::load_text;

    fn model(head: &str, loss: &str, label: &str) -> Model {
        let text = format!(
            "dlc 1\nmodel m(x: f32[N, 3]) -> (y) {{\n  y = x |> {head}\n}}\ndata d {{\n  source = csv(\"d.csv\", \
             target = \"t\") -> (x, t{label})\n}}\ntrain m on d {{\n  loss = {loss}(y, t)\n  optimizer = sgd(lr = 0.1)\n  \
             epochs = 1\n}}\n"
        );
        load_text("m.dsl", &text, &[]).unwrap().model
    }

    #[test]
    fn losses_tell_what_outputs_mean() {
        let cases = [
            ("dense(4) as head", "cross_entropy", Meaning::Scores, Some(4)),
            ("dense(4) as head |> softmax()", "cross_entropy_probabilities", Meaning::Probabilities, Some(4)),
            ("dense(1) as head", "binary_cross_entropy", Meaning::Logit, None),
            (
                "dense(1) as head |> sigmoid()",
                "binary_cross_entropy_probabilities",
                Meaning::Probability,
                None,
            ),
            ("dense(1) as head", "mse", Meaning::Values, None),
        ];
        for (head, loss, meaning, bound) in cases {
            let model = model(head, loss, "");
            assert_eq!(Meaning::of(&model), meaning, "{loss}");
            assert_eq!(classes(&model), bound, "{loss}");
        }
    }

    #[test]
    fn decisions_are_probabilities() {
        let (class, probability) = Meaning::Scores.decide(&[0.0, 3f64.ln()]).unwrap();
        assert_eq!(class, 1);
        assert!((probability - 0.75).abs() < 1e-12);
        assert_eq!(Meaning::Logit.decide(&[-800.0]), Some((0, 1.0)));
        assert_eq!(Meaning::Probability.decide(&[0.75]), Some((1, 0.75)));
        assert_eq!(Meaning::Values.decide(&[0.75]), None);
    }
}
