//! The key `start` of the `train` section: weights that a run begins with.

use super::configuration::{find, form, single, texts};
use crate::ast::Entry;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::patterns::{fits, unmatched};
use crate::report::{Eval, Reporter};
use dlc_ir::Model;
use dlc_recipe::{Renaming, Start, WeightLayout};
use dlc_types::{Diagnostic, diagnostic::nearest};

/// Reads the key, if it is there.
pub(super) fn read(el: &mut Elaborator<'_>, entries: &[Entry]) -> Eval<Option<Start>> {
    let Some(entry) = find(entries, "start") else { return Ok(None) };
    let expr = single(el, entry)?;
    let parameters: &[_] = &[("path", true), ("names", false), ("skip", false), ("layout", false)];
    let (_, arguments) = form(el, "a start", expr, &[("checkpoint", parameters)])?;
    let path = arguments.text(el, "path");
    let names = names(el, &arguments);
    let skip = listed(el, &arguments, "skip");
    let layout = layout(el, &arguments);
    Ok(Some(Start { path: path?, names: names?, skip: skip?, layout: layout?, span: Some(expr.span) }))
}

/// The strings of an argument; none where it is absent.
fn listed(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str) -> Eval<Vec<String>> {
    match arguments.get(key) {
        None => Ok(Vec::new()),
        Some((value, span)) => texts(el, &format!("`{key}`"), value, *span),
    }
}

fn names(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<Vec<Renaming>> {
    let mut rules = Vec::new();
    let mut fault = Ok(());
    for text in listed(el, arguments, "names")? {
        match Renaming::parse(&text) {
            Ok(rule) => rules.push(rule),
            Err(reason) => {
                fault = el.fail(
                    Diagnostic::error(codes::RANGE, format!("the renaming \"{text}\" {reason}"))
                        .at(arguments.span_of("names"), "cannot be followed")
                        .help("write `\"layer1.*.conv1.* -> stage0.block*.conv1.*\"`"),
                );
            }
        }
    }
    fault.map(|()| rules)
}

fn layout(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<Option<WeightLayout>> {
    if arguments.get("layout").is_none() {
        return Ok(None);
    }
    let name = arguments.text(el, "layout")?;
    let layout = WeightLayout::from_name(&name);
    if layout.is_some() {
        return Ok(layout);
    }
    let known = WeightLayout::NAMES.map(|(name, _)| name);
    let help = match nearest(&name, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "a dense layer's matrix is [inputs, units] for \"dlc\", [units, inputs] for \"pytorch\""
            .to_owned(),
    };
    let message = format!("there is no layout \"{name}\"");
    let span = arguments.span_of("layout");
    el.fail(Diagnostic::error(codes::RANGE, message).at(span, "unknown layout").help(help))
}

/// That every pattern of `skip` fits something of the model.
pub(super) fn check_patterns(start: Option<&Start>, model: &Model, reporter: &mut Reporter) {
    let Some((start, span)) = start.and_then(|start| Some((start, start.span?))) else { return };
    for pattern in &start.skip {
        let names =
            model.parameters.iter().map(|one| &one.name).chain(model.states.iter().map(|one| &one.name));
        if !names.into_iter().any(|name| fits(pattern, name)) {
            reporter.push(unmatched(pattern, span, "skips nothing", &model.parameters));
        }
    }
}
