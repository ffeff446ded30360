//! `check`, `fmt`, `compile` and `targets`.

use super::{Outcome, loaded_with_weights, ptx};
use crate::arguments::{CheckArguments, CompileArguments, FormatArguments, Instructions, TargetArguments};
use crate::console::{self, Console};
use crate::table::{bytes, count, seconds, table};
use dlc_driver::{
    Architecture, CodeTarget, CompileReport, CompileSettings, Cpu, DriverError, Movement, Platform,
    check as check_file, diagnostic_json,
};
use dlc_types::Severity;

pub(super) fn check(console: &Console, flags: &CheckArguments) -> Outcome {
    let report = check_file(&flags.model.file, &flags.model.all_settings())?;
    let (sources, diagnostics) = (&report.sources, &report.diagnostics);
    if flags.json {
        for diagnostic in &diagnostics.all {
            console::data(&diagnostic_json(sources, diagnostic).to_string());
        }
    } else {
        console.diagnostics(sources, diagnostics);
        let number = |severity| diagnostics.all.iter().filter(|one| one.severity == severity).count();
        let (errors, warnings) = (number(Severity::Error), number(Severity::Warning));
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let name = flags.model.file.display();
        match (errors, warnings) {
            (0, 0) => eprintln!("{name}: ok"),
            (0, _) => eprintln!("{name}: ok, {warnings} warning{}", plural(warnings)),
            _ => {
                eprintln!("{name}: {errors} error{}, {warnings} warning{}", plural(errors), plural(warnings))
            }
        }
    }
    Ok(u8::from(diagnostics.has_errors()))
}

pub(super) fn format(console: &Console, flags: &FormatArguments) -> Outcome {
    let mut code = 0;
    for file in &flags.files {
        let (text, formatted) = match dlc_driver::format_file(file) {
            Ok(pair) => pair,
            // One bad file does not keep the others from being laid out.
            Err(error) => {
                code = code.max(console.failure(&error));
                continue;
            }
        };
        if flags.stdout {
            console::data(formatted.trim_end_matches('\n'));
        } else if text != formatted && flags.check {
            eprintln!("{}: the layout differs; `dlc fmt` changes it", file.display());
            code = code.max(1);
        } else if text != formatted {
            std::fs::write(file, formatted)
                .map_err(|cause| DriverError::File { path: file.clone(), cause })?;
        }
    }
    Ok(code)
}

pub(super) fn compile(console: &Console, flags: &CompileArguments) -> Outcome {
    let loaded = loaded_with_weights(console, &flags.model, flags.checkpoint.as_deref())?;
    let (platform, gpu) = machine(flags)?;
    let settings = CompileSettings {
        train: flags.train,
        name: flags.name.clone(),
        checkpoint: flags.checkpoint.clone(),
        embed_weights: flags.embed_weights,
        cpu: match (flags.cpu, flags.target) {
            (Some(Instructions::Of(cpu)), _) => cpu,
            (None, Some(_)) => Cpu::Portable,
            (None | Some(Instructions::Multi), _) => Cpu::Native,
        },
        multi: flags.cpu == Some(Instructions::Multi),
        platform,
        gpu,
        batch: flags.batch,
        output_dir: flags.output.clone(),
        emit: flags.emit.iter().map(|&emit| emit.into()).collect(),
        dump_phases: flags.dump_phases.clone(),
        max_arena: flags.max_arena,
        choices: flags.choices.choices(console)?,
    };
    let report = dlc_driver::compile(&loaded, &settings)?;
    if flags.json {
        console::json(&report);
    } else {
        console::data(&match &report.device {
            Some(code) => ptx::summary(&report, code),
            None => summary(&report),
        });
        if flags.memory_report {
            console::data(&format!("\n{}", memory(&report)));
        }
    }
    Ok(0)
}

/// What the code is for: a processor other than this machine's, or a GPU.
fn machine(flags: &CompileArguments) -> Result<(Option<Platform>, Option<Architecture>), DriverError> {
    let refused = |fault: &str| Err(DriverError::User(fault.to_owned()));
    match flags.target {
        Some(CodeTarget::Gpu) if flags.cpu.is_some() => {
            refused("`--cpu` is about processors; the GPU of `--target nvptx64` is chosen by `--sm`")
        }
        Some(CodeTarget::Gpu) => Ok((None, Some(flags.sm.unwrap_or(Architecture::Sm80)))),
        _ if flags.sm.is_some() => refused("`--sm` is about GPUs, which `--target nvptx64` asks for"),
        Some(CodeTarget::Processor(platform)) => Ok((Some(platform), None)),
        None => Ok((None, None)),
    }
}

/// Values that are listed of an arena.
const LISTED: usize = 12;

/// What lies in the arenas where most does.
fn memory(report: &CompileReport) -> String {
    let header = ["arena", "bytes", "value", "from", "to"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for function in &report.functions {
        let arena = &function.arena;
        let most = format!("{} alive in", bytes(arena.live_bytes));
        let first =
            [function.name.clone(), bytes(function.arena_bytes), most, arena.kernel.clone(), String::new()];
        rows.push(first.to_vec());
        rows.extend(arena.values.iter().take(LISTED).map(|value| {
            let to = value.to.clone().unwrap_or_else(|| "the next call".to_owned());
            vec![String::new(), bytes(value.bytes), value.name.clone(), value.from.clone(), to]
        }));
        if arena.values.len() > LISTED {
            let rest = &arena.values[LISTED..];
            let others = format!("{} others", rest.len());
            let size = bytes(rest.iter().map(|value| value.bytes).sum());
            rows.push(vec![String::new(), size, others, String::new(), String::new()]);
        }
    }
    table(&rows)
}

pub(super) fn targets(flags: &TargetArguments) -> Outcome {
    let all = dlc_driver::target_table();
    if flags.json {
        console::json(&all);
        return Ok(0);
    }
    let header = ["target", "object", "vectors", "--cpu or --sm", "forms", "C compiler", "tested"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|row| {
        let vectors = match (row.wide_bits, row.vector_bits) {
            (Some(wide), Some(bits)) => format!("{bits} to {wide} bits"),
            (None, Some(bits)) => format!("{bits} bits"),
            (_, None) if !row.architectures.is_empty() => "threads".to_owned(),
            (_, None) => "none, scalars".to_owned(),
        };
        let compiler = match row.c_compiler {
            Some(compiler) => compiler.to_owned(),
            None if row.forms.contains(&"so") => format!("CC_{}", row.triple.replace('-', "_")),
            None => String::new(),
        };
        vec![
            if row.is_host { format!("{} (this one)", row.triple) } else { row.triple.to_owned() },
            row.object.to_owned(),
            vectors,
            [row.cpus.join(", "), row.architectures.join(", ")].concat(),
            row.forms.join(", "),
            compiler,
            row.tested.to_owned(),
        ]
    }));
    console::data(&format!(
        "{}\nA C compiler is looked for where `so` is asked for alone; a name in capitals is the variable that has to name it.",
        table(&rows)
    ));
    Ok(0)
}

/// How many times fewer bytes a compilation moves outside contractions than its baseline.
fn fewer(compiled: Movement, baseline: Movement) -> String {
    if compiled == baseline || compiled.other_bytes == 0 {
        return String::new();
    }
    format!("{:.2} x", baseline.other_bytes as f64 / compiled.other_bytes as f64)
}

/// Kernels and bytes of every function as compiled and without the optimiser.
fn moved(report: &CompileReport) -> String {
    let header = [
        "bytes moved per call",
        "",
        "kernels",
        "launches",
        "in contractions",
        "outside",
        "together",
        "fewer",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for function in &report.functions {
        let both =
            [(function.name.as_str(), "compiled", function.moved), ("", "baseline", function.baseline)];
        rows.extend(both.map(|(name, form, movement)| {
            vec![
                name.to_owned(),
                form.to_owned(),
                movement.kernels.to_string(),
                movement.launches.to_string(),
                bytes(movement.contraction_bytes as usize),
                bytes(movement.other_bytes as usize),
                bytes(movement.bytes() as usize),
                fewer(movement, function.baseline),
            ]
        }));
    }
    format!(
        "{}\nestimated for a batch of {}; the baseline fuses elementwise chains and does nothing else; \
         fewer: its bytes outside contractions over those compiled",
        table(&rows),
        report.batch
    )
}

fn summary(report: &CompileReport) -> String {
    let header = ["function", "ops", "kernels", "launches", "barriers", "FLOPs", "arena"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.functions.iter().map(|function| {
        vec![
            function.name.clone(),
            function.ops.to_string(),
            function.kernels.to_string(),
            function.launches.to_string(),
            function.barriers.to_string(),
            count(function.flops),
            bytes(function.arena_bytes),
        ]
    }));
    let stages: Vec<String> =
        report.stages.iter().map(|(name, time)| format!("{name} {}", seconds(*time))).collect();
    let mut text = format!(
        "{}: {} parameters, batch up to {}\n\n{}\n\n{}\n\nparameters and states {}, constants {}, code {}\nstages: {}",
        report.model,
        report.parameters,
        report.batch,
        table(&rows),
        moved(report),
        bytes(report.persistent_bytes),
        bytes(report.constant_bytes),
        bytes(report.code_bytes),
        stages.join(", "),
    );
    for file in &report.files {
        text.push_str(&format!("\nwrote {}", file.display()));
    }
    text
}
