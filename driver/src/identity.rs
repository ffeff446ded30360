//! What tells models apart whose weights are not each other's.

use dlc_ir::Model;
use dlc_runtime::Identity;

/// A model's name with a hash (FNV-1a, 64 bits) of its inference graph as text, without what layers are called there: names
/// that matter are those of inputs, outputs, parameters and states.
pub(crate) fn identity(model: &Model) -> Identity {
    let text = dlc_ir::text::print(&model.predict);
    let plain = text.lines().map(|line| line.rfind(" @ \"").map_or(line, |origin| &line[..origin]));
    let graph = plain
        .flat_map(|line| line.bytes().chain([b'\n']))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    Identity { model: model.name.clone(), graph }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::identity;
    use crate::load_text;

    #[test]
    fn names_of_values_do_not_matter_and_layers_do() {
        let model = |body: &str| {
            let text = format!("dlc 1\nmodel m(x: f32[N, 3]) -> (y) {{\n{body}\n}}\n");
            identity(&load_text("m.dsl", &text, &[]).unwrap().model).graph
        };
        let one = model("  h = x |> dense(4) as a |> relu()\n  y = h |> dense(2) as b");
        assert_eq!(one, model("  z = x |> dense(4) as a |> relu()\n  y = z |> dense(2) as b"));
        assert_ne!(one, model("  h = x |> dense(4) as a |> gelu()\n  y = h |> dense(2) as b"));
        assert_ne!(one, model("  h = x |> dense(4) as c |> relu()\n  y = h |> dense(2) as b"));
        assert_ne!(one, model("  h = x |> dense(5) as a |> relu()\n  y = h |> dense(2) as b"));
    }
}
