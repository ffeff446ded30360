//! Scans as ONNX's Scan.
//!
//! The body is a graph that sees the values around it, so invariants and known tensors stay outside. A scan along
//! nothing walks along a vector of its steps, which the body takes and does not read: ONNX has no other number for them.

use super::model::{declared, live_nodes, write_node};
use super::recognise::{Composite, Finder};
use super::scope::{Scope, Value, Written, int, long};
use crate::{Array, Attribute, Element, Graph};
use dlc_ir::{NodeId, Scan};
use dlc_types::{DType, Shape, TensorType};
use std::collections::BTreeMap;

impl Scope<'_> {
    /// All results of a scan.
    pub(super) fn scan(&mut self, id: NodeId, scan: &Scan, operands: &[NodeId]) -> Written<Vec<Value>> {
        let mut outer = Vec::with_capacity(operands.len());
        for &operand in operands {
            outer.push(self.full(operand)?);
        }
        let (path, fed) = (self.path.clone(), scan.carries + scan.slices);
        let mut walked = outer[..fed].to_vec();
        if scan.slices == 0 {
            let steps = Array::new(Element::Bool, vec![scan.steps], vec![0; scan.steps])?;
            walked.push(self.constant(steps));
        }
        let mut graph = Graph { name: Scan::BODY.to_owned(), ..Graph::default() };
        let mut inner = self.within(&scan.body);
        for (number, name) in outer.iter().enumerate() {
            let ty = self.ty(operands[number])?;
            let read = scan.read_type(number, ty).ok_or("a slice of something else")?;
            let name = match number < fed {
                true => inner.fresh(&format!("{path}/{}", scan.input(number))),
                false => name.clone(),
            };
            if number < fed {
                graph.inputs.push(declared(&name, &read));
            }
            if let Some(reader) = scan.reader(number) {
                inner.set(reader, vec![Value { name, dims: read.shape.dims().to_vec() }]);
            }
        }
        if scan.slices == 0 {
            let name = inner.fresh(&format!("{path}/step"));
            graph.inputs.push(declared(&name, &TensorType::new(DType::Bool, Shape(Vec::new()))));
        }
        write_body(&mut inner, scan)?;
        let nexts = (0..scan.carries).filter_map(|carry| scan.next(carry));
        for value in nexts.chain(scan.results()) {
            inner.path.clone_from(&path);
            let value_name = inner.full(value)?;
            // Outputs of a graph have names of their own.
            let name = inner.apply("Identity", &[&value_name], &[]);
            graph.outputs.push(declared(&name, scan.body.tensor_type(value)));
        }
        graph.nodes = self.after(inner);
        let types = match &self.function.nodes[id].ty {
            dlc_ir::Type::Tuple(types) => types.clone(),
            dlc_ir::Type::Tensor(ty) => vec![ty.clone()],
        };
        let backwards = i64::from(scan.reverse);
        let slices = scan.slices.max(1);
        let attributes = [
            ("body", Attribute::Graph(Box::new(graph))),
            ("num_scan_inputs", int(long(slices))),
            ("scan_input_directions", Attribute::Ints(vec![backwards; slices])),
            ("scan_output_directions", Attribute::Ints(vec![backwards; types.len() - scan.carries])),
        ];
        let inputs: Vec<&str> = walked.iter().map(String::as_str).collect();
        let names = self.apply_many("Scan", &inputs, &attributes, types.len());
        let values = names.into_iter().zip(&types);
        Ok(values.map(|(name, ty)| Value { name, dims: ty.shape.dims().to_vec() }).collect())
    }
}

/// Writes the body's nodes.
fn write_body(inner: &mut Scope<'_>, scan: &Scan) -> Written<()> {
    let function = &scan.body;
    let finder = Finder::new(function);
    let composites: BTreeMap<NodeId, Composite> =
        function.nodes.indices().filter_map(|id| Some((id, finder.find(id)?))).collect();
    let live = live_nodes(function, &composites);
    for (id, node) in function.nodes.iter().filter(|&(id, _)| live[id]) {
        if inner.results(id).is_err() {
            inner.path.clone_from(&node.origin.path);
            let values = write_node(inner, id, node, composites.get(&id));
            let values = values.map_err(|what| format!("{}: {what}", node.op.name()))?;
            inner.set(id, values);
        }
    }
    Ok(())
}
