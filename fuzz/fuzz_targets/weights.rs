//! Any bytes are weights to begin with whose every value has the model's shape, or an error.
//!
//! A first byte says how many lines of rules stand before the file: renamings, one of a pattern to skip, one of a layout.
#![no_main]

use dlc_driver::{Loaded, Renaming, Start, WeightLayout, fit_weights, load_text};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

/// What the reading of names knows conventions of: norms, matrices, kernels, recurrent layers, attention, slopes.
const MODEL: &str = "dlc 1
model m(x: f32[N, 3, 4, 4], words: i32[N, 5]) -> (y) {
  h    = x |> conv2d(2, kernel = 3, padding = same, bias = false) as stem |> batch_norm() as norm |> global_avg_pool()
  w    = words |> embedding(7, 4) as embedding |> lstm(3, output = all) as lstm |> dense(4) as between
  seen = w |> attention(2) as attention |> layer_norm() as after |> prelu() as bend
  y    = concat(h, mean(seen, axis = 1)) |> dense(6) as square |> dense(3) as head
}
";

fn model() -> &'static Loaded {
    static MODEL_ONCE: OnceLock<Loaded> = OnceLock::new();
    MODEL_ONCE.get_or_init(|| load_text("m.dsl", MODEL, &[]).expect("the model is sound"))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&lines, mut rest)) = bytes.split_first() else { return };
    let mut start = Start { path: "weights".to_owned(), ..Start::default() };
    for number in 0..lines % 8 {
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else { return };
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        match number {
            0 => start.layout = WeightLayout::from_name(&line),
            1 => start.skip.push(line),
            _ => start.names.extend(Renaming::parse(&line).ok()),
        }
    }
    let model = &model().model;
    let Ok(report) = fit_weights(model, &start, rest) else { return };
    assert_eq!(report.taken, report.values.len());
    assert_eq!(report.taken + report.fresh.len(), model.parameters.len() + model.states.len());
});
