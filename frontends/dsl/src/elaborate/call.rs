//! Calls: of layers, blocks, named instances, losses.

use super::arguments::Given;
use super::{Elaborator, Frame};
use crate::ast::{Block, Call, Ident};
use crate::codes;
use crate::layers::{self, LayerSpec};
use crate::report::{Eval, Poison};
use crate::value::{LayerInstance, Value};
use dlc_ir::Origin;
use dlc_types::{Diagnostic, Span, diagnostic::nearest};
use std::collections::BTreeMap;
use std::rc::Rc;

impl Elaborator<'_> {
    /// A call, with the value that a pipeline hands to it.
    pub(super) fn call(&mut self, call: &Call, input: Option<(Eval<Value>, Span)>) -> Eval<Value> {
        self.spend(call.span)?;
        let mut given = Vec::new();
        if let Some((value, span)) = input {
            given.push(Given { name: None, value: value.unwrap_or(Value::Poison), span });
        }
        given.extend(self.given(call));
        let callee = &call.callee;
        match self.lookup(&callee.text).cloned() {
            Some(Value::Layer(instance)) => return self.use_instance(&instance, given, call),
            Some(Value::Poison) => return Err(Poison),
            _ => {}
        }
        let program = self.program;
        if let Some(block) = program.blocks.get(&callee.text) {
            let path = self.call_path(call)?;
            return self.call_block(block, given, path, call.span);
        }
        if let Some(spec) = self.spec(&callee.text) {
            let path = self.call_path(call)?;
            return self.call_layer(spec, given, path, call.span);
        }
        self.unknown_callee(callee)
    }

    /// A call on a value, with a path of its own.
    pub(crate) fn call_as(&mut self, call: &Call, input: Value, path: &str) -> Eval<Value> {
        let outer = self.frame().binding.replace(path.to_owned());
        let result = self.call(call, Some((Ok(input), call.span)));
        self.frame().binding = outer;
        result
    }

    pub(crate) fn given(&mut self, call: &Call) -> Vec<Given> {
        let evaluate = |argument: &crate::ast::Argument| Given {
            name: argument.name.clone(),
            value: self.expr(&argument.value).unwrap_or(Value::Poison),
            span: argument.value.span,
        };
        call.arguments.iter().map(evaluate).collect()
    }

    fn spec(&self, name: &str) -> Option<&'static LayerSpec> {
        let losses = crate::losses::all().filter(|_| self.in_train_section);
        layers::all().chain(losses).find(|spec| spec.name == name)
    }

    fn unknown_callee<T>(&mut self, callee: &Ident) -> Eval<T> {
        let name = callee.text.as_str();
        if crate::losses::all().any(|spec| spec.name == name) {
            let message = format!("the loss or metric `{name}` stands in a model");
            return self.fail(
                Diagnostic::error(codes::CALLEE, message)
                    .at(callee.span, "not a layer")
                    .help("losses and metrics belong into the `train` section"),
            );
        }
        if self.lookup(name).is_some() {
            let message = format!("`{name}` is not a layer, block or function");
            return self.fail(
                Diagnostic::error(codes::CALLEE, message)
                    .at(callee.span, "cannot be called")
                    .help(format!("to use a layer several times write `{name} = layer …`")),
            );
        }
        let blocks = self.program.blocks.keys().map(String::as_str);
        let losses = crate::losses::all().filter(|_| self.in_train_section);
        let known = layers::all().chain(losses).map(|spec| spec.name).chain(blocks);
        let near = nearest(name, known).map(str::to_owned);
        let mut diagnostic =
            Diagnostic::error(codes::CALLEE, format!("no layer, block or function is called `{name}`"))
                .at(callee.span, "unknown layer");
        diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
        self.fail(diagnostic)
    }

    /// `layer dense(64)`
    pub(super) fn layer_instance(&mut self, call: &Call) -> Eval<Value> {
        let known =
            self.program.blocks.contains_key(&call.callee.text) || self.spec(&call.callee.text).is_some();
        if !known {
            return self.unknown_callee(&call.callee);
        }
        let path = self.call_path(call)?;
        let given = self.given(call);
        let callee = call.callee.text.clone();
        Ok(Value::Layer(Rc::new(LayerInstance { callee, given, path, span: call.span })))
    }

    fn use_instance(
        &mut self,
        instance: &Rc<LayerInstance>,
        mut given: Vec<Given>,
        call: &Call,
    ) -> Eval<Value> {
        if call.alias.is_some() {
            let message = "a shared layer has the path of its making";
            return self.fail(
                Diagnostic::error(codes::EQUAL_PATHS, message)
                    .at(call.span, "this use cannot have a path of its own")
                    .at(instance.span, "made here")
                    .help("write `as NAME` where the layer is made"),
            );
        }
        given.extend(instance.given.iter().cloned());
        let repeated = self.ownership.used_instances.iter().any(|(used, _)| Rc::ptr_eq(used, instance));
        if !repeated {
            let path = instance.path.clone().unwrap_or_default();
            self.ownership.used_instances.push((Rc::clone(instance), path));
        }
        self.ownership.repeated += usize::from(repeated);
        let program = self.program;
        let result = match (program.blocks.get(&instance.callee), self.spec(&instance.callee)) {
            (Some(block), _) => self.call_block(block, given, instance.path.clone(), call.span),
            (None, Some(spec)) => self.call_layer(spec, given, instance.path.clone(), call.span),
            (None, None) => Err(Poison),
        };
        self.ownership.repeated -= usize::from(repeated);
        result
    }

    fn call_layer(
        &mut self,
        spec: &LayerSpec,
        given: Vec<Given>,
        path: Option<String>,
        span: Span,
    ) -> Eval<Value> {
        let arguments = self.match_arguments(spec.name, spec.parameters, spec.rest, given, span)?;
        let own_path = if spec.owns {
            self.claim(path, spec.name, span)
        } else {
            path.unwrap_or_else(|| spec.name.to_owned())
        };
        let origin = Origin { path: own_path.clone(), span: Some(span) };
        let outer = self.builder.set_origin(origin);
        let result = (spec.apply)(self, &arguments, &own_path);
        self.builder.set_origin(outer);
        result
    }

    fn call_block(
        &mut self,
        block: &Block,
        given: Vec<Given>,
        mut path: Option<String>,
        span: Span,
    ) -> Eval<Value> {
        let name = &block.name.text;
        if self.active.contains(name) {
            let message = format!("the block `{name}` uses itself");
            return self.fail(
                Diagnostic::error(codes::RECURSION, message)
                    .at(span, "a use inside of itself")
                    .help("there is no recursion; write a `for` loop"),
            );
        }
        let parameters: Vec<(&str, bool)> = block
            .parameters
            .iter()
            .map(|parameter| (parameter.name.text.as_str(), parameter.default.is_none()))
            .collect();
        let arguments = self.match_arguments(name, &parameters, false, given, span)?;
        if self.program.owning_blocks.contains(name) {
            path = Some(self.claim(path, name, span));
        }
        self.active.push(name.clone());
        self.frames.push(Frame { scopes: vec![BTreeMap::new()], prefix: path, binding: None });
        let result = self.deeper(span, |this| this.block_body(block, arguments.values));
        self.frames.pop();
        self.active.pop();
        match result? {
            Some(Value::Poison) => Err(Poison),
            Some(value) => Ok(value),
            None => {
                let message = format!("the block `{name}` returns nothing");
                self.fail(
                    Diagnostic::error(codes::RESULTS, message)
                        .at(block.name.span, "has no `return`")
                        .help("end it with `return y`"),
                )
            }
        }
    }

    fn block_body(
        &mut self,
        block: &Block,
        mut values: BTreeMap<String, (Value, Span)>,
    ) -> Eval<Option<Value>> {
        for parameter in &block.parameters {
            let name = &parameter.name.text;
            let value = match (values.remove(name), &parameter.default) {
                (Some((value, _)), _) => value,
                (None, Some(default)) => self.expr(default)?,
                (None, None) => Value::Poison,
            };
            self.bind(name, value);
        }
        self.body(&block.body)
    }
}
