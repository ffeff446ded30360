//! `dlc inspect`: the layers of a model, with what they cost and how far they see.
//!
//! A layer is what one path of the model's text made. The receptive field is the number of input
//! elements, along the axis where it is largest, that one element of the layer's result depends on
//! through windows (convolutions and pooling); a layer that joins everything sees everything.

use crate::compile::{fixed_elements, parameter_count};
use crate::flops::node_flops;
use crate::{Loaded, Result};
use dlc_ir::{Function, Model, Node, NodeId, Op};
use dlc_types::IndexVec;
use serde::Serialize;

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerRow {
    /// Its path; empty for what has none.
    pub path: String,
    /// The op that weighs most in it.
    pub op: String,
    /// Type of its result.
    pub output: String,
    /// Trainable and frozen numbers.
    pub parameters: u64,
    /// Operations per sample.
    pub flops: u64,
    /// Numbers of the layer as the file says it, where a checkpoint has fewer channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters_before: Option<u64>,
    /// Operations of the layer as the file says it, where a checkpoint has fewer channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flops_before: Option<u64>,
    /// Elements seen along the widest axis; `None` for all.
    pub receptive_field: Option<usize>,
}

/// All layers in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InspectReport {
    /// Name of the model.
    pub model: String,
    /// The inputs with their types.
    pub inputs: Vec<(String, String)>,
    /// The layers.
    pub layers: Vec<LayerRow>,
    /// All parameters.
    pub parameters: u64,
    /// Those that are trained.
    pub trainable: u64,
    /// Operations per sample.
    pub flops: u64,
    /// All parameters of the model as the file says it, where a checkpoint has fewer channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters_before: Option<u64>,
    /// Operations of the model as the file says it, where a checkpoint has fewer channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flops_before: Option<u64>,
}

/// How far an element sees, and how far apart neighbours' views are.
#[derive(Clone, Debug, PartialEq)]
struct View {
    /// Per spatial axis (counted from the last): (size, jump); `None` for everything.
    axes: Option<Vec<(usize, usize)>>,
}

impl View {
    fn point() -> View {
        View { axes: Some(Vec::new()) }
    }

    fn all() -> View {
        View { axes: None }
    }

    fn join(self, other: &View) -> View {
        let (Some(mut mine), Some(theirs)) = (self.axes, &other.axes) else { return View::all() };
        for (place, &(size, jump)) in theirs.iter().enumerate() {
            match mine.get_mut(place) {
                Some(own) => *own = (own.0.max(size), own.1.max(jump)),
                None => mine.push((size, jump)),
            }
        }
        View { axes: Some(mine) }
    }

    /// Slides windows of (taps, stride, dilation) per axis, the last axis last.
    fn slide(self, windows: &[(usize, usize, usize)]) -> View {
        let Some(mut axes) = self.axes else { return View::all() };
        for (place, &(taps, stride, dilation)) in windows.iter().rev().enumerate() {
            if axes.len() <= place {
                axes.push((1, 1));
            }
            let (size, jump) = axes[place];
            let span = taps.saturating_sub(1).saturating_mul(dilation).saturating_mul(jump);
            axes[place] = (size.saturating_add(span), jump.saturating_mul(stride));
        }
        View { axes: Some(axes) }
    }

    fn widest(&self) -> Option<usize> {
        self.axes.as_ref().map(|axes| axes.iter().map(|&(size, _)| size).max().unwrap_or(1))
    }
}

fn view(function: &Function, node: &Node, views: &IndexVec<NodeId, View>) -> View {
    let joined = node.operands.iter().fold(View::point(), |view, &operand| view.join(&views[operand]));
    match &node.op {
        Op::Convolve(convolution) => {
            let kernel = &function.tensor_type(node.operands[1]).shape;
            let windows: Vec<_> = (0..convolution.strides.len())
                .map(|axis| {
                    let taps = kernel.dims().get(axis + 2).and_then(|dim| dim.fixed()).unwrap_or(1);
                    (taps, convolution.strides[axis], convolution.kernel_dilation[axis])
                })
                .collect();
            views[node.operands[0]].clone().slide(&windows)
        }
        Op::ReduceWindow { window, .. } | Op::WindowArgMax { window } => {
            let windows: Vec<_> = (0..window.sizes.len())
                .map(|axis| (window.sizes[axis], window.strides[axis], window.dilations[axis]))
                .collect();
            joined.slide(&windows)
        }
        Op::Reduce { axes, .. } if axes.iter().any(|&axis| axis >= 2) => View::all(),
        Op::Reshape if joined.axes.as_ref().is_some_and(|axes| !axes.is_empty()) => View::all(),
        _ => joined,
    }
}

/// Looks at a model's inference function. Of a model with fewer channels than its file says, what it had before is told
/// beside it.
pub fn inspect(loaded: &Loaded) -> Result<InspectReport> {
    let mut report = of_model(&loaded.model);
    if let Some(wide) = &loaded.wide {
        let before = of_model(wide);
        // The narrow function has the same nodes.
        for (layer, before) in report.layers.iter_mut().zip(&before.layers) {
            layer.parameters_before = Some(before.parameters);
            layer.flops_before = Some(before.flops);
        }
        report.parameters_before = Some(before.parameters);
        report.flops_before = Some(before.flops);
    }
    Ok(report)
}

fn of_model(model: &Model) -> InspectReport {
    let layers = layers(model);
    let trainable = model.parameters.iter().filter(|parameter| parameter.trainable);
    InspectReport {
        model: model.name.clone(),
        inputs: model.inputs.iter().map(|input| (input.name.clone(), input.ty.to_string())).collect(),
        flops: layers.iter().map(|layer| layer.flops).fold(0, u64::saturating_add),
        layers,
        parameters: parameter_count(model),
        trainable: trainable.map(|parameter| fixed_elements(&parameter.ty)).fold(0, u64::saturating_add),
        parameters_before: None,
        flops_before: None,
    }
}

fn layers(model: &Model) -> Vec<LayerRow> {
    let function = &model.predict;
    let mut views: IndexVec<NodeId, View> = IndexVec::new();
    let mut layers: Vec<LayerRow> = Vec::new();
    for (id, node) in function.nodes.iter() {
        let seen = view(function, node, &views);
        let receptive_field = seen.widest();
        views.push(seen);
        if node.op.is_external() || node.ty.tensor().is_none() || matches!(node.op, Op::Constant(_)) {
            continue;
        }
        let flops = node_flops(function, id, 1);
        let row = LayerRow {
            path: node.origin.path.clone(),
            op: node.op.name().to_owned(),
            output: function.tensor_type(id).to_string(),
            parameters: 0,
            flops,
            parameters_before: None,
            flops_before: None,
            receptive_field,
        };
        match layers.last_mut().filter(|layer| layer.path == row.path) {
            Some(layer) => {
                // The op that costs most stands for the layer, else the last one.
                if row.flops >= layer.flops.max(1) || layer.flops == 0 {
                    layer.op = row.op;
                }
                layer.flops = layer.flops.saturating_add(row.flops);
                layer.output = row.output;
                layer.receptive_field = row.receptive_field;
            }
            None => layers.push(row),
        }
    }
    for layer in &mut layers {
        // In inference, batch-norm is arithmetic on its running statistics.
        if model.states.iter().any(|state| state.name.strip_suffix(".mean") == Some(layer.path.as_str())) {
            layer.op = "batch_norm".to_owned();
        }
    }
    for parameter in &model.parameters {
        let owner = parameter.name.rsplit_once('.').map_or(parameter.name.as_str(), |(owner, _)| owner);
        let owner = owner.strip_suffix(".int8").unwrap_or(owner);
        let layer = layers.iter_mut().find(|layer| layer.path == owner || layer.path == parameter.name);
        if let Some(layer) = layer {
            layer.parameters = layer.parameters.saturating_add(fixed_elements(&parameter.ty));
        }
    }
    layers
}
