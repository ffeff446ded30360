//! Functions and kernels by the names that a user gives.

use super::KernelExplanation;
use crate::{DriverError, Result};
use dlc_compiler::CompiledFunction;
use dlc_types::diagnostic::nearest;

/// Names that an error lists at most.
const LISTED: usize = 12;

/// The function of that name; without one the training step, or else the inference.
pub(super) fn function<'a>(
    functions: &'a [CompiledFunction],
    name: Option<&str>,
) -> Result<&'a CompiledFunction> {
    let named = |name: &str| functions.iter().find(|function| function.name == name);
    let Some(name) = name else {
        let default = named("train").or_else(|| named("predict"));
        return default.ok_or_else(|| DriverError::Bug("there is no function to explain".to_owned()));
    };
    named(name).ok_or_else(|| {
        let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
        let meant = nearest(name, names.iter().copied());
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        DriverError::User(format!("the model has no function `{name}`; it has: {}{meant}", names.join(", ")))
    })
}

/// The place of the kernel that a name means: the kernel of that name, else the only one of the layer of
/// that path, else the only one whose name begins with it, else the only one whose name or layers contain it,
/// else the only one that computes an op of that name.
pub(super) fn kernel(kernels: &[KernelExplanation], wanted: &str, function: &str) -> Result<usize> {
    let places = |fits: &dyn Fn(&KernelExplanation) -> bool| -> Vec<usize> {
        (0..kernels.len()).filter(|&place| fits(&kernels[place])).collect()
    };
    let levels: [&dyn Fn(&KernelExplanation) -> bool; 5] = [
        &|kernel| kernel.name == wanted,
        &|kernel| kernel.layers.iter().any(|layer| layer == wanted),
        &|kernel| kernel.name.starts_with(wanted),
        &|kernel| kernel.name.contains(wanted) || kernel.layers.iter().any(|layer| layer.contains(wanted)),
        &|kernel| kernel.ops.iter().any(|(op, _)| op == wanted),
    ];
    for fits in levels {
        match places(fits).as_slice() {
            [] => {}
            [place] => return Ok(*place),
            several => return Err(DriverError::User(ambiguous(kernels, several, wanted, function))),
        }
    }
    let names = || kernels.iter().map(|kernel| kernel.name.as_str());
    let layers = kernels.iter().flat_map(|kernel| kernel.layers.iter().map(String::as_str));
    let help = match nearest(wanted, names().chain(layers)) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => "; `dlc explain` without a name lists all kernels".to_owned(),
    };
    Err(DriverError::User(format!("the function `{function}` has no kernel and no layer `{wanted}`{help}")))
}

fn ambiguous(kernels: &[KernelExplanation], places: &[usize], wanted: &str, function: &str) -> String {
    let mut names: Vec<&str> =
        places.iter().take(LISTED).map(|&place| kernels[place].name.as_str()).collect();
    let rest = format!("and {} more", places.len().saturating_sub(LISTED));
    if places.len() > LISTED {
        names.push(&rest);
    }
    format!(
        "`{wanted}` fits {} kernels of the function `{function}`; name one of them: {}",
        places.len(),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn kernels() -> Vec<KernelExplanation> {
        let all = [
            ("conv1.convolve", "conv1"),
            ("conv2.convolve", "conv2"),
            ("conv2.sum", "conv2"),
            ("x.relu", "x"),
        ];
        all.map(|(name, layer)| KernelExplanation {
            layers: vec![layer.to_owned()],
            ..KernelExplanation::named(name)
        })
        .to_vec()
    }

    #[test]
    fn names_layers_and_unique_parts_are_found() {
        for (wanted, place) in [("conv2.sum", 2), ("conv1", 0), ("x.re", 3), ("relu", 3), ("2.conv", 1)] {
            assert_eq!(kernel(&kernels(), wanted, "f").unwrap(), place, "{wanted}");
        }
    }

    #[test]
    fn other_names_are_errors_that_tell_the_way() {
        let error = |wanted| {
            let error = kernel(&kernels(), wanted, "train").unwrap_err();
            assert_eq!(error.exit_code(), 1);
            error.to_string()
        };
        assert_eq!(
            error("conv2"),
            "`conv2` fits 2 kernels of the function `train`; name one of them: conv2.convolve, conv2.sum"
        );
        assert_eq!(
            error("x.rleu"),
            "the function `train` has no kernel and no layer `x.rleu`; did you mean `x.relu`?"
        );
        assert_eq!(
            error("attention"),
            "the function `train` has no kernel and no layer `attention`; `dlc explain` without a name lists all kernels"
        );
    }
}
