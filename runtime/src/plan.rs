//! What a call of one function needs, worked out once when the program is made.
//!
//! Every input and output has a place in the session's staging block, sized for the greatest batch:
//! outputs that nobody asked for and buffers that are not aligned go there.

use crate::error::{Result, RuntimeError};
use dlc_abi::{ALIGNMENT, ElementType, FunctionInterface, Interface, Port, PortRole};

/// One port of a function.
#[derive(Clone, Debug)]
pub(crate) struct PortPlan {
    pub(crate) element: ElementType,
    /// Bytes that do not depend on the batch, and bytes per `batch^power` where they do.
    unit: usize,
    power: u32,
    /// Its place in the staging block.
    pub(crate) staging: usize,
}

impl PortPlan {
    /// Elements for a batch of `n`, which is at most the greatest.
    pub(crate) fn elements(&self, n: usize) -> usize {
        self.bytes(n) / self.element.size()
    }

    /// Bytes for a batch of `n`, which is at most the greatest.
    pub(crate) fn bytes(&self, n: usize) -> usize {
        self.unit * n.pow(self.power)
    }

    fn new(port: &Port, batch_max: usize, staging: &mut usize) -> Result<PortPlan> {
        let overflow = || RuntimeError::Interface(format!("the port `{}` is too large", port.name));
        let mut unit = port.element.size();
        let mut power = 0;
        for dim in &port.dims {
            unit = unit.checked_mul(dim.scale).ok_or_else(overflow)?;
            power += u32::from(dim.batch);
        }
        let most = batch_max.checked_pow(power).and_then(|n| n.checked_mul(unit)).ok_or_else(overflow)?;
        let plan = PortPlan { element: port.element, unit, power, staging: *staging };
        *staging = staging
            .checked_add(most)
            .and_then(|end| end.checked_next_multiple_of(ALIGNMENT))
            .ok_or_else(overflow)?;
        Ok(plan)
    }
}

/// One function.
#[derive(Clone, Debug)]
pub(crate) struct FunctionPlan {
    pub(crate) inputs: Vec<PortPlan>,
    pub(crate) outputs: Vec<PortPlan>,
    /// Size of the staging block.
    pub(crate) staging_bytes: usize,
    /// Outputs to report: the loss, then the metrics.
    pub(crate) report: Vec<usize>,
    /// Outputs of role [`PortRole::Output`].
    pub(crate) results: Vec<usize>,
}

impl FunctionPlan {
    /// Values in a report for a batch of `n`.
    pub(crate) fn report_length(&self, n: usize) -> usize {
        self.report.iter().map(|&output| self.outputs[output].elements(n)).sum()
    }

    pub(crate) fn new(interface: &Interface, function: &FunctionInterface) -> Result<FunctionPlan> {
        let mut staging_bytes = 0;
        let mut plan = |port: &Port| PortPlan::new(port, interface.batch_max, &mut staging_bytes);
        let inputs = function.inputs.iter().map(&mut plan).collect::<Result<Vec<_>>>()?;
        let outputs = function.outputs.iter().map(&mut plan).collect::<Result<Vec<_>>>()?;
        let of_role = |role| {
            let ports = function.outputs.iter().enumerate();
            ports.filter(move |(_, port)| port.role == role).map(|(index, _)| index)
        };
        let report: Vec<usize> = of_role(PortRole::Loss).chain(of_role(PortRole::Metric)).collect();
        for &index in &report {
            let port = &function.outputs[index];
            let scalar = port.dims.is_empty() || port.role == PortRole::Metric;
            if !scalar || !matches!(port.element, ElementType::F32 | ElementType::F64) {
                return Err(RuntimeError::Interface(format!(
                    "`{}` of `{}` is not what a loss or metric can be",
                    port.name, function.name
                )));
            }
        }
        let results = of_role(PortRole::Output).collect();
        Ok(FunctionPlan { inputs, outputs, staging_bytes, report, results })
    }
}
