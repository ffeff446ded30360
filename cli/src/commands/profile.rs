//! `profile`, and the table of kernels that `bench --per-kernel` shares with it.

use super::{Outcome, weighted};
use crate::arguments::ProfileArguments;
use crate::console::{self, Console};
use crate::table::table;
use dlc_driver::{KernelRow, Profile};

/// Kernels that are listed unless all are asked for.
const LONGEST: usize = 25;
/// Letters of a kernel's name that are shown.
const NAME: usize = 44;

const HEADER: [&str; 11] = [
    "kernel",
    "runs",
    "ms",
    "share %",
    "GFLOP/s",
    "% of peak",
    "effective",
    "GB/s",
    "% of memory",
    "limit",
    "kind",
];

pub(super) fn profile(console: &Console, flags: &ProfileArguments) -> Outcome {
    let loaded = weighted(console, &flags.timed.weighted)?;
    let profile = dlc_driver::profile(&loaded, &flags.timed.options(console)?)?;
    if flags.json {
        console::json(&profile);
    } else {
        console::data(&text(&profile, flags.all));
    }
    if let Some(path) = &flags.svg {
        dlc_driver::write_roofline(&profile, path)?;
        eprintln!("wrote {}", path.display());
    }
    Ok(0)
}

fn text(profile: &Profile, all: bool) -> String {
    let gflops = profile.gflops();
    let mut lines = vec![
        format!(
            "{}, fn {}, batch {}, {}: {:.3} ms, {:.1} samples/s",
            profile.model,
            profile.function,
            profile.batch,
            profile.place(),
            profile.whole_ms,
            profile.batch as f64 / profile.whole_ms * 1e3
        ),
        format!(
            "{gflops:.1} effective GFLOP/s, {:.1} % of the peak of multiply-adds",
            gflops / profile.roofs.peak_gflops * 100.0
        ),
        String::new(),
    ];
    lines.push(kinds(profile));
    lines.push(String::new());
    lines.push(roofline(profile, all));
    lines.join("\n")
}

/// Time by kind, and the sum of all.
fn kinds(profile: &Profile) -> String {
    let mut rows = vec![["kind", "runs", "ms", "share %"].map(str::to_owned).to_vec()];
    rows.extend(profile.categories.iter().map(|time| {
        vec![
            time.category.name().to_owned(),
            time.launches.to_string(),
            format!("{:.3}", time.ms),
            format!("{:.1}", time.share * 100.0),
        ]
    }));
    table(&rows)
}

/// The machine's roofs, the kernels against them, and the sum against the whole.
pub(super) fn roofline(profile: &Profile, all: bool) -> String {
    let shown = if all { profile.kernels.len() } else { LONGEST };
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    rows.extend(profile.kernels.iter().take(shown).map(row));
    let mut lines = vec![table(&rows)];
    let hidden = profile.kernels.get(shown..).unwrap_or_default();
    if !hidden.is_empty() {
        let ms: f64 = hidden.iter().map(|row| row.ms).sum();
        lines.push(format!("and {} more kernels, {ms:.3} ms; `dlc profile --all` lists them", hidden.len()));
    }
    lines.push(String::new());
    lines.extend(totals(profile));
    lines.join("\n")
}

fn totals(profile: &Profile) -> Vec<String> {
    let (launches, roofs) = (profile.counted_launches(), &profile.roofs);
    let transfers = profile.transfers_ms.map(|ms| format!("; inputs to the GPU and outputs back {ms:.3} ms"));
    let caches = roofs.caches.map(|caches| {
        format!(
            ", {:.1} GB/s last-level cache, {:.1} GB/s second-level cache",
            caches.last_level_gbps, caches.second_level_gbps
        )
    });
    let mut lines = vec![
        format!(
            "kernels: {} in {launches} runs; one by one {:.3} ms, {:.3} ms of it for {}; \
             the whole at once {:.3} ms{}",
            profile.kernels.len(),
            profile.sum_ms,
            profile.timing_ms(),
            profile.device.as_ref().map_or("calling them", |_| "marks between them"),
            profile.whole_ms,
            transfers.unwrap_or_default()
        ),
        format!(
            "roofs:   {:.1} GFLOP/s multiply-adds; {:.1} GB/s memory{}",
            roofs.peak_gflops,
            roofs.memory_gbps,
            caches.unwrap_or_else(|| ", by the GPU's clocks and widths, not measured".to_owned())
        ),
        "GFLOP/s: operations that the kernel does; effective: those of the layer as it is written, more where \
         minimal filtering saves multiplications"
            .to_owned(),
        "limit:   the roof that the kernel reaches to half or more (of memory and caches the farthest that can give \
         bytes so fast); overhead: a run takes less than twice what timing it costs"
            .to_owned(),
    ];
    if profile.disturbed {
        lines.push(
            "these figures contradict one another, as where other work keeps the machine busy: run it again when it is idle"
                .to_owned(),
        );
    }
    let seldom = profile.launches.len() - launches;
    if seldom > 0 {
        lines
            .push(format!("left out: {seldom} more runs, which are done once after parameters have changed"));
    }
    lines
}

fn row(row: &KernelRow) -> Vec<String> {
    let figure = |value: f64| if value > 0.0 { format!("{value:.1}") } else { String::new() };
    let name = match row.kernel.chars().count() {
        long if long > NAME => row.kernel.chars().take(NAME - 1).chain(['…']).collect(),
        _ => row.kernel.clone(),
    };
    vec![
        name,
        row.runs.to_string(),
        format!("{:.3}", row.ms),
        format!("{:.1}", row.share * 100.0),
        figure(row.gflops),
        figure(row.peak_share * 100.0),
        figure(row.effective_gflops),
        figure(row.gbps),
        figure(row.memory_share * 100.0),
        row.limit.name().to_owned(),
        row.category.name().to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser;
    use dlc_driver::{BenchTarget, TimedOptions};
    use expect_test::expect;

    fn parsed(flags: &[&str]) -> ProfileArguments {
        let arguments = ["dlc", "profile"].iter().chain(flags);
        match Arguments::try_parse_from(arguments).unwrap().command {
            Command::Profile(flags) => flags,
            other => panic!("{other:?}"),
        }
    }

    const PLAIN: &str =
        "dlc 1\nmodel plain(x: f32[N, 8]) -> (y) {\n  y = x |> dense(4) as head |> relu()\n}\n";

    const CONSOLE: Console = Console { colour: false, json: false };

    #[test]
    fn flags_become_options() {
        let flags = parsed(&["run", "m.dsl"]);
        assert!(!flags.all && !flags.json && flags.svg.is_none());
        let found = flags.timed.options(&CONSOLE).unwrap();
        assert_eq!((found.target, found.batch, found.threads), (BenchTarget::Run, None, None));
        let flags = parsed(&[
            "train",
            "m.dsl",
            "--batch=8",
            "--threads=3",
            "--cpu=portable",
            "--seed=4",
            "--rewrite=off",
            "--all",
            "--svg=a.svg",
        ]);
        assert!(flags.all && flags.svg.is_some());
        let found = flags.timed.options(&CONSOLE).unwrap();
        assert_eq!((found.target, found.batch, found.threads), (BenchTarget::Train, Some(8), Some(3)));
        assert_eq!((found.machine, found.seed), (dlc_driver::Cpu::Portable.into(), 4));
        assert_eq!(found.choices.rewrite.rules, dlc_driver::RuleSelection::Off);
        for wrong in [&["m.dsl"][..], &["learn", "m.dsl"], &["run", "m.dsl", "--batch=0"]] {
            assert!(Arguments::try_parse_from(["dlc", "profile"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_model_without_training_has_no_step_to_profile() {
        let loaded = dlc_driver::load_text("plain.dsl", PLAIN, &[]).unwrap();
        let error = dlc_driver::profile(&loaded, &parsed(&["train", "m"]).timed.options(&CONSOLE).unwrap())
            .unwrap_err();
        assert_eq!(error.exit_code(), 1);
        expect![
            "`dlc profile train` needs a `data` and a `train` section, which the model `plain` does not have"
        ]
        .assert_eq(&error.to_string());
        let empty = TimedOptions { batch: Some(0), ..parsed(&["run", "m"]).timed.options(&CONSOLE).unwrap() };
        assert_eq!(dlc_driver::profile(&loaded, &empty).unwrap_err().exit_code(), 1);
    }

    #[test]
    fn the_text_tells_kernels_kinds_and_roofs() {
        let loaded = dlc_driver::load_text("plain.dsl", PLAIN, &[]).unwrap();
        let flags = parsed(&["run", "m", "--batch=4", "--threads=1"]);
        let mut profile = dlc_driver::profile(&loaded, &flags.timed.options(&CONSOLE).unwrap()).unwrap();
        assert_eq!((profile.kernels.len(), profile.launches.len(), profile.flops), (1, 1, 2 * 4 * 8 * 4));
        assert!(profile.call_ms > 0.0 && profile.whole_ms > 0.0);
        // Measured figures in round numbers.
        profile.disturbed = false;
        (profile.whole_ms, profile.sum_ms, profile.call_ms) = (0.5, 0.25, 0.001);
        profile.roofs.peak_gflops = 200.0;
        profile.roofs.memory_gbps = 25.0;
        profile.roofs.caches =
            Some(dlc_driver::CacheRoofs { last_level_gbps: 90.0, second_level_gbps: 400.0 });
        (profile.categories[0].ms, profile.categories[0].share) = (0.25, 1.0);
        let kernel = &mut profile.kernels[0];
        (kernel.ms, kernel.gflops, kernel.effective_gflops, kernel.peak_share) = (0.25, 50.0, 60.0, 0.25);
        (kernel.gbps, kernel.memory_share, kernel.limit) = (5.0, 0.2, dlc_driver::Limit::Neither);
        expect![[r#"
            plain, fn predict, batch 4, threads 1: 0.500 ms, 8000.0 samples/s
            0.0 effective GFLOP/s, 0.0 % of the peak of multiply-adds

            kind         runs     ms  share %
            contraction     1  0.250    100.0

            kernel         runs     ms  share %  GFLOP/s  % of peak  effective  GB/s  % of memory  limit    kind
            head.contract     1  0.250    100.0     50.0       25.0       60.0   5.0         20.0  neither  contraction

            kernels: 1 in 1 runs; one by one 0.250 ms, 0.001 ms of it for calling them; the whole at once 0.500 ms
            roofs:   200.0 GFLOP/s multiply-adds; 25.0 GB/s memory, 90.0 GB/s last-level cache, 400.0 GB/s second-level cache
            GFLOP/s: operations that the kernel does; effective: those of the layer as it is written, more where minimal filtering saves multiplications
            limit:   the roof that the kernel reaches to half or more (of memory and caches the farthest that can give bytes so fast); overhead: a run takes less than twice what timing it costs"#]].assert_eq(&text(&profile, false));
        let mut many = profile.clone();
        many.kernels = vec![profile.kernels[0].clone(); LONGEST + 2];
        assert!(text(&many, false).contains("and 2 more kernels, 0.500 ms"));
        assert!(!text(&many, true).contains("more kernels") && !text(&many, true).contains("contradict"));
        many.disturbed = true;
        assert!(text(&many, true).contains("contradict"));
    }
}
