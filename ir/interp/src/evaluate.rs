//! Walking a function: which nodes are needed, in what order, and when their values may go.

use crate::{
    InterpError, Result, Tensor, arrange, contraction, convolution, elementwise, indexing, normalization,
    reduction, source, window,
};
use dlc_ir::{Function, NodeId, Op, Type};
use dlc_types::{DType, TensorType};
use std::collections::BTreeMap;

/// Values of nodes; a tuple node has several tensors, every other node one.
pub type Values = BTreeMap<NodeId, Vec<Tensor>>;

/// The function's outputs, in order, for a batch of that size. `externals` feeds inputs, parameters and
/// states; those that no output needs are not asked for.
///
/// # Errors
/// An external that is missing or of another type, or a value that cannot be held.
pub fn evaluate(
    function: &Function,
    batch: usize,
    externals: &dyn Fn(&Op) -> Option<Tensor>,
) -> Result<Vec<Tensor>> {
    let wanted: Vec<NodeId> = function.outputs.iter().map(|output| output.value).collect();
    let values = Walk { function, batch, known: &Values::new(), externals }.run(&wanted)?;
    wanted
        .iter()
        .map(|id| match values.get(id).map(Vec::as_slice) {
            Some([tensor]) => Ok(tensor.clone()),
            _ => Err(InterpError::Unverified { op: format!("output {id}"), rule: "outputs are tensors" }),
        })
        .collect()
}

/// The values of some nodes. Nodes in `known`, externals among them, are taken as given, and nothing
/// that only they depend on is computed; so a part of a function can be checked with another engine's
/// own intermediate values as its inputs.
///
/// # Errors
/// As [`evaluate`]; an external that is needed and not known is missing.
pub fn evaluate_nodes(
    function: &Function,
    batch: usize,
    known: &Values,
    wanted: &[NodeId],
) -> Result<Values> {
    Walk { function, batch, known, externals: &|_| None }.run(wanted)
}

struct Walk<'a> {
    function: &'a Function,
    batch: usize,
    known: &'a Values,
    externals: &'a dyn Fn(&Op) -> Option<Tensor>,
}

impl Walk<'_> {
    fn run(&self, wanted: &[NodeId]) -> Result<Values> {
        for (&id, tensors) in self.known {
            self.check_known(id, tensors)?;
        }
        let mut uses = self.uses(wanted)?;
        let mut values = Values::new();
        for (id, node) in self.function.nodes.iter() {
            if uses.get(&id).is_none_or(|&count| count == 0) {
                continue;
            }
            if let Some(tensors) = self.known.get(&id) {
                if wanted.contains(&id) {
                    values.insert(id, tensors.clone());
                }
                continue;
            }
            let result = self.compute(id, &values)?;
            values.insert(id, result);
            for &operand in &node.operands {
                if let Some(left) = uses.get_mut(&operand) {
                    *left -= 1;
                    if *left == 0 {
                        values.remove(&operand);
                    }
                }
            }
        }
        Ok(values)
    }

    /// How often each needed node is read, being wanted counting as one more.
    fn uses(&self, wanted: &[NodeId]) -> Result<BTreeMap<NodeId, usize>> {
        let mut uses: BTreeMap<NodeId, usize> = BTreeMap::new();
        for &id in wanted {
            if self.function.nodes.get(id).is_none() {
                return Err(InterpError::Unverified { op: id.to_string(), rule: "wanted nodes exist" });
            }
            *uses.entry(id).or_default() += 1;
        }
        for (id, node) in self.function.nodes.iter().rev() {
            if !uses.contains_key(&id) || self.known.contains_key(&id) {
                continue;
            }
            for &operand in &node.operands {
                if operand >= id {
                    return Err(InterpError::Unverified {
                        op: node.op.name().to_owned(),
                        rule: "operands precede their users",
                    });
                }
                *uses.entry(operand).or_default() += 1;
            }
        }
        Ok(uses)
    }

    fn compute(&self, id: NodeId, values: &Values) -> Result<Vec<Tensor>> {
        let node = &self.function.nodes[id];
        let mut operands: Vec<&Tensor> = Vec::with_capacity(node.operands.len());
        for operand in &node.operands {
            let tensors = self.known.get(operand).or_else(|| values.get(operand));
            match (tensors.map(Vec::as_slice), &node.op) {
                (Some(tuple), Op::Project(index)) => operands.extend(tuple.get(*index)),
                (Some([tensor]), _) => operands.push(tensor),
                _ => {
                    let rule = "operands are tensors that are computed before";
                    return Err(InterpError::Unverified { op: node.op.name().to_owned(), rule });
                }
            }
        }
        let types = match &node.ty {
            Type::Tensor(ty) => std::slice::from_ref(ty),
            Type::Tuple(types) => types.as_slice(),
        };
        let mut shapes = Vec::with_capacity(types.len());
        for ty in types {
            shapes.push(self.shape(id, ty)?);
        }
        let Some((dtype, dims)) = shapes.first() else {
            return Err(InterpError::Unverified { op: node.op.name().to_owned(), rule: "no tuple is empty" });
        };
        if node.op.is_external() {
            return Ok(vec![self.external(&node.op, *dtype, dims)?]);
        }
        apply(&node.op, &operands, *dtype, dims, self.batch)
    }

    /// Element type and extents at this batch, if they can be held.
    fn shape(&self, id: NodeId, ty: &TensorType) -> Result<(DType, Vec<usize>)> {
        let too_large = InterpError::TooLarge { node: id, batch: self.batch };
        // Elements take up to eight bytes, and offsets must fit `isize`.
        let limit = isize::MAX as usize / 8;
        let mut dims = Vec::with_capacity(ty.shape.rank());
        for dim in ty.shape.dims() {
            let size = match *dim {
                dlc_types::Dim::Fixed(size) => Some(size),
                dlc_types::Dim::Batch(scale) => scale.checked_mul(self.batch),
            };
            dims.push(size.ok_or_else(|| too_large.clone())?);
        }
        // Zeros do not excuse the other extents: strides are products of them.
        let count = dims.iter().try_fold(1_usize, |product, &size| product.checked_mul(size.max(1)));
        match count {
            Some(count) if count <= limit => Ok((ty.dtype, dims)),
            _ => Err(too_large),
        }
    }

    fn external(&self, op: &Op, dtype: DType, dims: &[usize]) -> Result<Tensor> {
        let name = match op {
            Op::Input { name } | Op::Parameter { name } | Op::State { name } => name,
            _ => return Err(InterpError::Unverified { op: op.name().to_owned(), rule: "is no external" }),
        };
        let tensor = (self.externals)(op)
            .ok_or_else(|| InterpError::MissingExternal { kind: op.name(), name: name.clone() })?;
        check_fed(format!("{} \"{name}\"", op.name()), &tensor, dtype, dims)?;
        Ok(tensor)
    }

    fn check_known(&self, id: NodeId, tensors: &[Tensor]) -> Result<()> {
        let Some(node) = self.function.nodes.get(id) else {
            return Err(InterpError::Unverified { op: id.to_string(), rule: "known nodes exist" });
        };
        let types = match &node.ty {
            Type::Tensor(ty) => std::slice::from_ref(ty),
            Type::Tuple(types) => types.as_slice(),
        };
        if types.len() != tensors.len() {
            return Err(InterpError::FedMismatch {
                name: format!("node {id}"),
                expected: format!("{} tensors", types.len()),
                found: tensors.len().to_string(),
            });
        }
        for (ty, tensor) in types.iter().zip(tensors) {
            let (dtype, dims) = self.shape(id, ty)?;
            check_fed(format!("node {id}"), tensor, dtype, &dims)?;
        }
        Ok(())
    }
}

fn check_fed(name: String, tensor: &Tensor, dtype: DType, dims: &[usize]) -> Result<()> {
    if tensor.dtype != dtype || tensor.dims != dims {
        let expected = format!("{dtype}{dims:?}");
        return Err(InterpError::FedMismatch { name, expected, found: tensor.type_text() });
    }
    // The fields are public, so the elements may not be what the type says.
    Tensor::new(dtype, dims, tensor.data.clone()).map(|_| ())
}

/// One op on tensors. `dtype` and `dims` are those of the (first) result.
fn apply(op: &Op, operands: &[&Tensor], dtype: DType, dims: &[usize], batch: usize) -> Result<Vec<Tensor>> {
    let unverified = |rule| InterpError::Unverified { op: op.name().to_owned(), rule };
    let data = match (op, operands) {
        (Op::Constant(literal), []) => source::constant(literal),
        (Op::Iota { axis }, []) => source::iota(*axis, dtype, dims),
        (Op::Extent(dim), []) => source::extent(*dim, dtype, batch),
        (Op::Random { stream }, [seed, step]) => source::random(*stream, seed, step, dims)?,
        (Op::Unary(function), [x]) => elementwise::unary(*function, x)?,
        (Op::Binary(function), [a, b]) => elementwise::binary(*function, a, b)?,
        (Op::Compare(comparison), [a, b]) => elementwise::compare(*comparison, a, b)?,
        (Op::Select, [condition, a, b]) => elementwise::select(condition, a, b)?,
        (Op::Cast(to), [x]) => crate::tensor::convert(x.dtype, *to, &x.data),
        (Op::Bitcast(to), [x]) => crate::tensor::with_bits(x.dtype, *to, &x.data),
        (Op::Broadcast { axes }, [x]) => arrange::broadcast(x, axes, dims),
        (Op::Reshape, [x]) => x.data.clone(),
        (Op::Transpose { permutation }, [x]) => arrange::transpose(x, permutation, dims),
        (Op::Slice { starts, strides, .. }, [x]) => arrange::slice(x, starts, strides, dims),
        (Op::Pad { low, .. }, [x, value]) => arrange::pad(x, value, low, dims)?,
        (Op::Dilate { factors }, [x]) => arrange::dilate(x, factors, dims)?,
        (Op::Reverse { axes }, [x]) => arrange::reverse(x, axes),
        (Op::Concat { axis }, parts) => arrange::concat(parts, *axis, dtype, dims)?,
        (Op::Reduce { kind, axes }, [x]) => reduction::reduce(*kind, x, axes, dims)?,
        (Op::ArgReduce { kind, axis }, [x]) => reduction::arg_reduce(*kind, x, *axis)?,
        (Op::Cumulative { kind, axis, reverse }, [x]) => reduction::cumulative(*kind, x, *axis, *reverse)?,
        (Op::ArgSort { axis, descending }, [x]) => reduction::arg_sort(x, *axis, *descending)?,
        (Op::Contract(contraction), [a, b]) => contraction::contract(contraction, a, b)?,
        (Op::Convolve(convolution), [x, kernel]) => convolution::convolve(convolution, x, kernel, dims)?,
        (Op::ReduceWindow { kind, window }, [x]) => window::reduce(*kind, window, x, dims)?,
        (Op::WindowArgMax { window }, [x]) => window::arg_max(window, x, dims)?,
        (Op::WindowScatter { window }, [values]) => window::scatter(window, values, None, dims)?,
        (Op::WindowScatter { window }, [values, taps]) => window::scatter(window, values, Some(taps), dims)?,
        (Op::Gather { axis }, [data, indices]) => indexing::gather(data, indices, *axis)?,
        (Op::GatherAlong { axis }, [data, indices]) => indexing::gather_along(data, indices, *axis)?,
        (Op::Scatter { axis, kind }, [data, indices, updates]) => {
            indexing::scatter(*kind, data, indices, updates, *axis)?
        }
        (Op::BatchNorm { axis, epsilon }, [x, scale, shift]) => {
            return normalization::batch_norm(x, scale, shift, *axis, *epsilon);
        }
        (Op::Softmax { axis }, [x]) => normalization::softmax(x, *axis)?,
        (Op::LogSoftmax { axis }, [x]) => normalization::log_softmax(x, *axis)?,
        (Op::Project(_), [element]) => element.data.clone(),
        (Op::Scan(scan), operands) => return crate::scan::scan(scan, operands, batch),
        (
            Op::Input { .. }
            | Op::Parameter { .. }
            | Op::State { .. }
            | Op::Constant(_)
            | Op::Iota { .. }
            | Op::Extent(_)
            | Op::Random { .. }
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Compare(_)
            | Op::Select
            | Op::Cast(_)
            | Op::Bitcast(_)
            | Op::Broadcast { .. }
            | Op::Reshape
            | Op::Transpose { .. }
            | Op::Slice { .. }
            | Op::Pad { .. }
            | Op::Dilate { .. }
            | Op::Reverse { .. }
            | Op::Reduce { .. }
            | Op::ArgReduce { .. }
            | Op::Cumulative { .. }
            | Op::ArgSort { .. }
            | Op::Contract(_)
            | Op::Convolve(_)
            | Op::ReduceWindow { .. }
            | Op::WindowArgMax { .. }
            | Op::WindowScatter { .. }
            | Op::Gather { .. }
            | Op::GatherAlong { .. }
            | Op::Scatter { .. }
            | Op::BatchNorm { .. }
            | Op::Softmax { .. }
            | Op::LogSoftmax { .. }
            | Op::Project(_),
            _,
        ) => return Err(unverified("has as many operands as the op takes")),
    };
    Ok(vec![Tensor::new(dtype, dims, data)?])
}
