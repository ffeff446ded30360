//! Joining the sections: three elaborations of the model's body make the functions of a model.

use super::data::{DataSection, NamedField};
use super::train::{self, Plan};
use super::{data, fit, freeze, network, scaling, start, update, views};
use crate::ast::{File, Ident, ModelSection, Section, TrainSection};
use crate::codes;
use crate::elaborate::{Elaborator, Mode, Ownership, Target};
use crate::losses::class_weights;
use crate::program::Program;
use crate::report::{Eval, Poison, Reporter};
use crate::value::Value;
use dlc_ir::{Declaration, Function, Model, NodeId, OutputRole};
use dlc_recipe::{ClassWeights, Data, Field, Metric, Recipe};
use dlc_types::{Diagnostic, Span, TensorType, diagnostic::nearest};
use std::collections::BTreeMap;

/// What evaluation and training compute beside the model's outputs.
#[derive(Clone, Copy)]
struct Objective<'a> {
    train: &'a TrainSection,
    fields: &'a [NamedField],
    class_weights: Option<&'a ClassWeights>,
}

/// One elaboration's results.
struct Elaborated {
    function: Function,
    /// The values of the model's outputs, which are outputs of `predict` alone.
    outputs: Vec<(String, NodeId)>,
    ownership: Ownership,
    inputs: Vec<Declaration>,
    targets: BTreeMap<String, Target>,
    class_weights_used: bool,
    metrics: Vec<Metric>,
}

/// The model and recipe of a file; `None` after errors.
pub(crate) fn assemble(
    file: &File,
    program: &Program,
    start: Span,
    reporter: &mut Reporter,
) -> Option<(Model, Option<Recipe>)> {
    if let Some(second) = file.train.get(1) {
        let message = "a file has one `train` section";
        reporter.push(Diagnostic::error(codes::DUPLICATE, message).at(second.model.span, "the second one"));
    }
    let train = file.train.first();
    let model = choose_model(file, train, start, reporter).ok();
    let predict = model.map(|model| elaborate(program, model, "predict", Mode::Inference, None, reporter));
    let result = match (train, model, predict) {
        (Some(train), model, predict) => {
            let predict = predict.and_then(Eval::ok);
            supervised(file, program, train, model.zip(predict), reporter)
        }
        (None, Some(model), Some(predict)) => {
            predict.ok().map(|predict| (inference_model(model, predict), None))
        }
        _ => None,
    };
    result.filter(|_| !reporter.has_errors())
}

/// The model with its training; sections are checked even where the model failed.
fn supervised(
    file: &File,
    program: &Program,
    train: &TrainSection,
    model: Option<(&ModelSection, Elaborated)>,
    reporter: &mut Reporter,
) -> Option<(Model, Option<Recipe>)> {
    let section = find_data(file, &train.data, reporter).ok();
    let mut sections = Elaborator::new(program, "sections", Mode::Inference, reporter);
    let data = section.map(|section| data::read(&mut sections, section));
    let mut plan = train::read(&mut sections, train);
    let (model, predict) = model?;
    let section = section?;
    let fields = match &data {
        Some(Ok(data)) => data.fields.clone(),
        // The names alone let the loss be checked.
        _ => section
            .entries
            .iter()
            .flat_map(|entry| &entry.fields)
            .map(|(name, _)| (name.clone(), None))
            .collect(),
    };
    let weights =
        data.as_ref().and_then(|data| data.as_ref().ok()).and_then(|data| data.class_weights.clone());
    let objective = Some(Objective {
        train,
        fields: &fields,
        class_weights: weights.as_ref().map(|(weights, _)| weights),
    });
    let evaluate = elaborate(program, model, "evaluate", Mode::Inference, objective, reporter);
    let forward = elaborate(program, model, "forward", Mode::Training, objective, reporter);
    let mut result = inference_model(model, predict);
    if let Ok(plan) = &mut plan {
        freeze::freeze(&mut result.parameters, &plan.freeze, reporter);
        update::resolve(plan, &result.parameters, reporter);
        start::check_patterns(plan.start.as_ref(), &result, reporter);
        if let Some(monitor) = &plan.monitor {
            let mut sections = Elaborator::new(program, "sections", Mode::Inference, reporter);
            // A fault is told; the model stands without it.
            let _ = train::check_monitor(&mut sections, train, monitor);
        }
    }
    let (data, plan, evaluate, forward) = (data?.ok()?, plan.ok()?, evaluate.ok()?, forward.ok()?);
    check_agreement(model, &result, &[&evaluate, &forward], reporter);
    result.targets = targets(&forward, &data, reporter);
    if let Some((_, span)) = data.class_weights.as_ref().filter(|_| !forward.class_weights_used) {
        reporter.push(
            Diagnostic::error(codes::UNUSED, "nothing uses the class weights")
                .at(*span, "not part of the loss")
                .help("use `class_weights(classes)` in `loss`, or leave them out"),
        );
    }
    let (source_span, shown) = (data.source_span, data.views.clone());
    let mut recipe = recipe(train, section, data, &plan, &result, reporter);
    recipe.metrics = evaluate.metrics;
    result.evaluate = Some(evaluate.function);
    result.forward = Some(forward.function);
    result.training = Some(plan.training);
    class_weights::declare(&mut result);
    let mut evaluated = evaluate.outputs;
    if let Some(shown) = &shown {
        views::apply(&mut result, shown, &mut evaluated, reporter);
    }
    let values = [evaluated.as_slice(), forward.outputs.as_slice()];
    scaling::apply(&mut result, &recipe.data, values, source_span, reporter);
    Some((result, Some(recipe)))
}

/// All modes must own the same parameters and states.
fn check_agreement(model: &ModelSection, result: &Model, others: &[&Elaborated], reporter: &mut Reporter) {
    for other in others {
        let paths = |parameters: &[dlc_ir::Parameter]| -> Vec<String> {
            parameters.iter().map(|parameter| parameter.name.clone()).collect()
        };
        let same = paths(&other.ownership.parameters) == paths(&result.parameters);
        if !same || other.ownership.states != result.states {
            let message = "training and inference have different parameters; this is a bug in dlc";
            reporter.push(Diagnostic::error(codes::SHAPE, message).at(model.name.span, "in this model"));
        }
    }
}

fn choose_model<'a>(
    file: &'a File,
    train: Option<&TrainSection>,
    start: Span,
    reporter: &mut Reporter,
) -> Eval<&'a ModelSection> {
    match (train, file.models.as_slice()) {
        (_, []) => reporter.fail(
            Diagnostic::error(codes::MISSING, "the file has no model")
                .at(start, "in this file")
                .help("write `model name(x: f32[N, 4]) -> (y) { … }`"),
        ),
        (Some(train), models) => {
            let name = &train.model;
            match models.iter().find(|model| model.name.text == name.text) {
                Some(model) => Ok(model),
                None => {
                    let near = nearest(&name.text, models.iter().map(|model| model.name.text.as_str()));
                    let mut diagnostic =
                        Diagnostic::error(codes::NAME, format!("there is no model `{}`", name.text))
                            .at(name.span, "unknown model");
                    diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
                    reporter.fail(diagnostic)
                }
            }
        }
        (None, [model]) => Ok(model),
        (None, [_, second, ..]) => reporter.fail(
            Diagnostic::error(codes::DUPLICATE, "a file without `train` section has one model")
                .at(second.name.span, "the second one"),
        ),
    }
}

fn find_data<'a>(file: &'a File, name: &Ident, reporter: &mut Reporter) -> Eval<&'a Section> {
    if let Some(data) = file.data.iter().find(|data| data.name.text == name.text) {
        return Ok(data);
    }
    let near = nearest(&name.text, file.data.iter().map(|data| data.name.text.as_str()));
    let mut diagnostic = Diagnostic::error(codes::NAME, format!("there is no data section `{}`", name.text))
        .at(name.span, "unknown data section");
    diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
    reporter.fail(diagnostic)
}

fn inference_model(model: &ModelSection, predict: Elaborated) -> Model {
    Model {
        name: model.name.text.clone(),
        inputs: predict.inputs,
        targets: Vec::new(),
        parameters: predict.ownership.parameters,
        states: predict.ownership.states,
        predict: predict.function,
        evaluate: None,
        forward: None,
        training: None,
    }
}

/// Runs the body in one mode. With a train section the outputs are loss, metrics and new states, else the
/// model's own.
fn elaborate(
    program: &Program,
    model: &ModelSection,
    name: &str,
    mode: Mode,
    objective: Option<Objective<'_>>,
    reporter: &mut Reporter,
) -> Eval<Elaborated> {
    let mut el = Elaborator::new(program, name, mode, reporter);
    let mut inputs = Vec::new();
    let mut metrics = Vec::new();
    let mut fault = Ok(());
    for (name, default) in &model.options {
        let value = el.expr(default).unwrap_or(Value::Poison);
        el.bind(&name.text, value);
    }
    for (name, ty) in &model.inputs {
        match input(&mut el, name, ty) {
            Ok(ty) => inputs.push(Declaration { name: name.text.clone(), ty }),
            Err(poison) => {
                el.bind(&name.text, Value::Poison);
                fault = Err(poison);
            }
        }
    }
    let outputs = match &model.network {
        Some(source) => {
            let (declared, names) = network::copy(&mut el, model, source)?;
            inputs = declared;
            outputs(&mut el, &names)
        }
        None => {
            let body = el.body(&model.body);
            if let Ok(Some(_)) = body {
                let message = "a model has no `return`: its outputs are named in the header";
                fault = el.fail_at(codes::STATEMENT, message, model.name.span, "ends with a value");
            }
            let outputs = outputs(&mut el, &model.outputs);
            body?;
            outputs
        }
    };
    // What is wrong with an output is told by `predict`.
    let values = outputs.clone().unwrap_or_default();
    match objective {
        None => {
            for (name, node) in outputs? {
                el.builder.output(OutputRole::Output, name, node);
            }
        }
        Some(Objective { train, fields, class_weights }) => {
            el.class_weights = class_weights.cloned();
            for (field, ty) in fields {
                if !inputs.iter().any(|input| input.name == field.text) {
                    el.forget(&field.text);
                    el.targets.insert(field.text.clone(), Target { ty: ty.clone(), node: None });
                }
            }
            el.in_train_section = true;
            match train::outputs(&mut el, train) {
                Ok(made) => metrics = made,
                Err(poison) => fault = Err(poison),
            }
            let updates: Vec<_> = el.ownership.updates.clone().into_iter().collect();
            for (name, node) in updates {
                el.builder.output(OutputRole::State, name, node);
            }
        }
    }
    fault?;
    Ok(Elaborated {
        function: el.builder.finish(),
        outputs: values,
        ownership: el.ownership,
        inputs,
        targets: el.targets,
        class_weights_used: el.class_weights_used,
        metrics,
    })
}

/// The values of the outputs that the header names; all faults are told.
fn outputs(el: &mut Elaborator<'_>, names: &[Ident]) -> Eval<Vec<(String, NodeId)>> {
    let mut fault = Ok(());
    let mut outputs = Vec::new();
    for (position, output) in names.iter().enumerate() {
        if names[..position].iter().any(|other| other.text == output.text) {
            let message = format!("two outputs are called `{}`", output.text);
            fault = el.fail_at(codes::DUPLICATE, message, output.span, "again");
            continue;
        }
        match el.lookup(&output.text).cloned() {
            Some(Value::Tensor(node)) => outputs.push((output.text.clone(), node)),
            Some(Value::Poison) => fault = Err(Poison),
            Some(other) => {
                let message = format!("the output `{}` is {}", output.text, other.describe(&el.builder));
                fault = el.fail_at(codes::KIND, message, output.span, "not a tensor");
            }
            None => {
                let message = format!("the output `{}` is bound nowhere in the model", output.text);
                fault = el.fail(
                    Diagnostic::error(codes::NAME, message)
                        .at(output.span, "no value")
                        .help(format!("write `{} = …` in the body, outside of loops", output.text)),
                );
            }
        }
    }
    fault.map(|()| outputs)
}

fn input(el: &mut Elaborator<'_>, name: &Ident, ty: &crate::ast::Expr) -> Eval<TensorType> {
    let ty = match el.expr(ty)? {
        Value::Type(ty) => ty,
        other => {
            let message =
                format!("an input's type is such as `f32[N, 3]`, not {}", other.describe(&el.builder));
            return el.fail_at(codes::KIND, message, ty.span, "not a type");
        }
    };
    if el.lookup(&name.text).is_some() {
        let message = format!("two inputs or options are called `{}`", name.text);
        return el.fail_at(codes::DUPLICATE, message, name.span, "again");
    }
    let node = el.build(name.span, |builder| builder.input(&name.text, ty.clone()))?;
    el.bind(&name.text, Value::Tensor(node));
    Ok(ty)
}

fn targets(forward: &Elaborated, data: &DataSection, reporter: &mut Reporter) -> Vec<Declaration> {
    let mut declarations = Vec::new();
    for (field, _) in &data.fields {
        let Some(target) = forward.targets.get(&field.text) else { continue };
        match (&target.ty, target.node) {
            (Some(ty), Some(_)) => {
                declarations.push(Declaration { name: field.text.clone(), ty: ty.clone() });
            }
            _ => reporter.push(
                Diagnostic::error(codes::UNUSED, format!("nothing uses the field `{}`", field.text))
                    .at(field.span, "neither an input of the model nor part of the loss")
                    .help("give it the name of the model's input, or use it in `loss`"),
            ),
        }
    }
    declarations
}

fn recipe(
    train: &TrainSection,
    section: &Section,
    data: DataSection,
    plan: &Plan,
    model: &Model,
    reporter: &mut Reporter,
) -> Recipe {
    let declared =
        |name: &str| model.inputs.iter().chain(&model.targets).find(|declaration| declaration.name == name);
    let mut fields = Vec::new();
    for (name, ty) in &data.fields {
        let Some(declaration) = declared(&name.text) else { continue };
        if let Some(ty) = ty.as_ref().filter(|ty| **ty != declaration.ty) {
            let message =
                format!("the field `{}` is {ty}, but the model takes {}", name.text, declaration.ty);
            reporter.push(Diagnostic::error(codes::FIELD, message).at(name.span, "the types differ"));
        }
        fields.push(Field { name: name.text.clone(), ty: declaration.ty.clone() });
    }
    for input in &model.inputs {
        if !data.fields.iter().any(|(field, _)| field.text == input.name) {
            let message = format!("no field of `{}` feeds the input `{}`", section.name.text, input.name);
            let names: Vec<&str> = data.fields.iter().map(|(field, _)| field.text.as_str()).collect();
            reporter.push(
                Diagnostic::error(codes::FIELD, message)
                    .at(data.source_span, format!("yields {}", names.join(", ")))
                    .help(format!("name a field `{}` behind `->`", input.name)),
            );
        }
    }
    fit::check(&data, &fields, reporter);
    Recipe {
        model: train.model.text.clone(),
        data: Data {
            name: section.name.text.clone(),
            source: data.source,
            source_span: Some(data.source_span),
            fields,
            transform: data.transform,
            augment: data.augment,
            split: data.split,
            class_weights: data.class_weights.map(|(weights, _)| weights),
            batch: data.batch,
            shuffle: data.shuffle,
        },
        epochs: plan.epochs,
        seed: plan.seed,
        start: plan.start.clone(),
        plateau: plan.plateau,
        monitor: plan.monitor.as_ref().map(|monitor| monitor.text.clone()).filter(|name| name != "loss"),
        metrics: Vec::new(),
        early_stop: plan.early_stop,
    }
}
