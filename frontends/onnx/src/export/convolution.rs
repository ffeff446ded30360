//! Convolutions: Conv, or ConvTranspose where the input is dilated.
//!
//! A convolution over an input with `s - 1` zeros between neighbours and `p` at its ends is the transposed one of
//! stride `s` by the kernel turned about and with its channels exchanged, which cuts off `(k - 1) · d - p`. What
//! neither can say is spelled out: zeros put in, ends cut off, then Conv.

use super::scope::{Scope, Value, Written, int, ints, long};
use crate::Attribute;
use dlc_ir::{Convolution, NodeId, Op};
use dlc_types::{Dim, Shape};

/// What of a transposed convolution's result is cut off and added, per spatial axis.
struct Cuts {
    low: Vec<usize>,
    high: Vec<usize>,
    added: Vec<usize>,
}

/// `None` where ConvTranspose cannot say it.
fn cuts(convolution: &Convolution, kernel: &[usize]) -> Option<Cuts> {
    let Convolution { strides, padding, input_dilation, kernel_dilation, .. } = convolution;
    if strides.iter().any(|&stride| stride != 1) || input_dilation.iter().all(|&factor| factor == 1) {
        return None;
    }
    let mut cuts = Cuts { low: Vec::new(), high: Vec::new(), added: Vec::new() };
    for (axis, &(low, high)) in padding.iter().enumerate() {
        let reach = i64::try_from(kernel[axis].checked_sub(1)?.checked_mul(kernel_dilation[axis])?).ok()?;
        cuts.low.push(usize::try_from(reach.checked_sub(low)?).ok()?);
        let end = reach.checked_sub(high)?;
        cuts.high.push(usize::try_from(end.max(0)).ok()?);
        let added = usize::try_from(end.min(0).checked_neg()?).ok()?;
        if added > 0 && added >= input_dilation[axis] {
            return None;
        }
        cuts.added.push(added);
    }
    Some(cuts)
}

fn pads(low: &[usize], high: &[usize]) -> Attribute {
    ints(&[low, high].concat())
}

impl Scope<'_> {
    pub(super) fn convolve(
        &mut self,
        [x, kernel]: [NodeId; 2],
        bias: Option<NodeId>,
        convolution: &Convolution,
        shape: &Shape,
    ) -> Written<Value> {
        let ty = self.ty(x)?;
        if !ty.dtype.is_float() {
            return Err(format!("a convolution of {}", ty.dtype));
        }
        if convolution.strides.is_empty() {
            return Err("a convolution without spatial axes".to_owned());
        }
        let taps = self.shape(kernel)?.as_fixed().ok_or("a kernel of the batch's size")?;
        let bias = bias.map(|bias| self.full(bias)).transpose()?;
        let name = match cuts(convolution, &taps[2..]) {
            Some(cuts) => self.transposed([x, kernel], bias, convolution, &taps, &cuts)?,
            None => self.plain("Conv", [x, kernel], bias, convolution, &taps)?,
        };
        Ok(Value { name, dims: shape.dims().to_vec() })
    }

    /// A convolution of integers of 8 bits.
    pub(super) fn convolve_integers(
        &mut self,
        operands: [NodeId; 2],
        convolution: &Convolution,
        shape: &Shape,
    ) -> Written<Value> {
        let taps = self.shape(operands[1])?.as_fixed().ok_or("a kernel of the batch's size")?;
        let name = self.plain("ConvInteger", operands, None, convolution, &taps)?;
        Ok(Value { name, dims: shape.dims().to_vec() })
    }

    fn plain(
        &mut self,
        operator: &str,
        [x, kernel]: [NodeId; 2],
        bias: Option<String>,
        convolution: &Convolution,
        taps: &[usize],
    ) -> Written<String> {
        let (name, padding) = self.conv_input(x, convolution)?;
        let kernel = self.full(kernel)?;
        let low: Vec<usize> = padding.iter().map(|pair| pair.0).collect();
        let high: Vec<usize> = padding.iter().map(|pair| pair.1).collect();
        let mut inputs = vec![name.as_str(), &kernel];
        inputs.extend(bias.as_deref());
        let attributes = [
            ("kernel_shape", ints(&taps[2..])),
            ("strides", ints(&convolution.strides)),
            ("pads", pads(&low, &high)),
            ("dilations", ints(&convolution.kernel_dilation)),
            ("group", int(long(convolution.groups))),
        ];
        Ok(self.apply(operator, &inputs, &attributes))
    }

    /// The input with its zeros between neighbours and without what negative padding cuts off; and the padding
    /// that is left.
    fn conv_input(&mut self, x: NodeId, convolution: &Convolution) -> Written<(String, Vec<(usize, usize)>)> {
        let ty = self.ty(x)?;
        let mut name = self.full(x)?;
        if convolution.input_dilation.iter().any(|&factor| factor > 1) {
            let zero = self.scalar(ty.dtype, 0.0)?;
            let factors = [&[1, 1], convolution.input_dilation.as_slice()].concat();
            name = self.dilate(&name, ty.shape.dims(), &factors, &zero)?;
        }
        let cut = convolution.padding.iter().enumerate().filter(|(_, (low, high))| *low < 0 || *high < 0);
        let ranges: Vec<_> = cut
            .map(|(axis, &(low, high))| (axis + 2, -low.min(0), if high < 0 { high } else { i64::MAX }, 1))
            .collect();
        name = self.slice(&name, &ranges);
        let size = |count: i64| usize::try_from(count.max(0)).unwrap_or(0);
        let left = convolution.padding.iter().map(|&(low, high)| (size(low), size(high)));
        Ok((name, left.collect()))
    }

    fn transposed(
        &mut self,
        [x, kernel]: [NodeId; 2],
        bias: Option<String>,
        convolution: &Convolution,
        taps: &[usize],
        cuts: &Cuts,
    ) -> Written<String> {
        let name = self.full(x)?;
        let kernel = self.turned(kernel, convolution.groups, taps)?;
        let mut inputs = vec![name.as_str(), &kernel];
        inputs.extend(bias.as_deref());
        let mut attributes = vec![
            ("kernel_shape", ints(&taps[2..])),
            ("strides", ints(&convolution.input_dilation)),
            ("pads", pads(&cuts.low, &cuts.high)),
            ("dilations", ints(&convolution.kernel_dilation)),
            ("group", int(long(convolution.groups))),
        ];
        if cuts.added.iter().any(|&count| count > 0) {
            attributes.push(("output_padding", ints(&cuts.added)));
        }
        Ok(self.apply("ConvTranspose", &inputs, &attributes))
    }

    /// The kernel of the transposed convolution: taps in reverse, channels exchanged within each group. A kernel
    /// that was made so from another is that other one.
    fn turned(&mut self, kernel: NodeId, groups: usize, taps: &[usize]) -> Written<String> {
        let spatial: Vec<usize> = (2..taps.len()).collect();
        let exchange = [&[1, 0], spatial.as_slice()].concat();
        let node = &self.function.nodes[kernel];
        let mut exchanged = groups == 1;
        let mut name = match (&node.op, node.operands.first()) {
            (Op::Reverse { axes }, Some(&inner)) if *axes == spatial => {
                let below = &self.function.nodes[inner];
                match (&below.op, below.operands.first()) {
                    (Op::Transpose { permutation }, Some(&plain))
                        if exchanged && *permutation == exchange =>
                    {
                        exchanged = false;
                        self.full(plain)?
                    }
                    _ => self.full(inner)?,
                }
            }
            _ => {
                let name = self.full(kernel)?;
                self.reverse(&name, &spatial)
            }
        };
        if exchanged {
            name = self.transpose(&name, &exchange);
        }
        if groups > 1 {
            let (outputs, inputs) = (taps[0] / groups, taps[1]);
            let fixed = |sizes: &[usize]| -> Vec<Dim> {
                sizes.iter().chain(&taps[2..]).map(|&size| Dim::Fixed(size)).collect()
            };
            name = self.reshape(&name, &fixed(&[groups, outputs, inputs]))?;
            let behind: Vec<usize> = (3..=taps.len()).collect();
            name = self.transpose(&name, &[&[0, 2, 1], behind.as_slice()].concat());
            name = self.reshape(&name, &fixed(&[groups * inputs, outputs]))?;
        }
        Ok(name)
    }
}
