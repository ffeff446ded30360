//! Arguments of calls: matching them to a signature, and reading them as what a layer needs.

use super::Elaborator;
use crate::codes;
use crate::layers::initializer::InitializerRule;
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_ir::NodeId;
use dlc_types::{Diagnostic, Span, diagnostic::nearest};
use std::collections::BTreeMap;

/// An evaluated argument.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) name: Option<crate::ast::Ident>,
    pub(crate) value: Value,
    pub(crate) span: Span,
}

/// A parameter of a signature: its name and whether it must be given.
pub(crate) type Parameter<'a> = (&'a str, bool);

/// Arguments by the names of the parameters.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) callee: String,
    pub(crate) span: Span,
    pub(crate) values: BTreeMap<String, (Value, Span)>,
    /// Unnamed ones beyond the signature, where it admits them.
    pub(crate) rest: Vec<(Value, Span)>,
}

/// The largest kernel, stride, dilation or padding.
const MAX_WINDOW: i64 = 1 << 20;

impl Elaborator<'_> {
    /// Matches arguments to parameters; tells all unknown, repeated, surplus and missing ones.
    pub(crate) fn match_arguments(
        &mut self,
        callee: &str,
        parameters: &[Parameter<'_>],
        rest_allowed: bool,
        given: Vec<Given>,
        span: Span,
    ) -> Eval<Arguments> {
        let mut arguments =
            Arguments { callee: callee.to_owned(), span, values: BTreeMap::new(), rest: Vec::new() };
        let mut fault = Ok(());
        let mut next = 0;
        for argument in given {
            let name = match &argument.name {
                Some(name) if parameters.iter().any(|(known, _)| *known == name.text) => name.text.clone(),
                Some(name) => {
                    fault = self.unknown_key(callee, parameters, name);
                    continue;
                }
                // Where more are welcome, unnamed arguments fill what must be given and then the rest.
                None => match parameters.get(next).filter(|(_, required)| *required || !rest_allowed) {
                    Some((name, _)) => {
                        next += 1;
                        (*name).to_owned()
                    }
                    None if rest_allowed => {
                        arguments.rest.push((argument.value, argument.span));
                        continue;
                    }
                    None => {
                        let message = format!("`{callee}` takes {} arguments at most", parameters.len());
                        let help = format!("the arguments are {}", list(parameters));
                        fault = self.fail(
                            Diagnostic::error(codes::ARGUMENT, message)
                                .at(argument.span, "one too many")
                                .help(help),
                        );
                        continue;
                    }
                },
            };
            if arguments.values.contains_key(&name) {
                let message = format!("`{name}` is given twice to `{callee}`");
                fault = self.fail_at(codes::ARGUMENT, message, argument.span, "given before");
                continue;
            }
            arguments.values.insert(name, (argument.value, argument.span));
        }
        let fault = fault.and(self.missing_arguments(parameters, &arguments));
        fault?;
        let values = arguments.values.values().chain(&arguments.rest);
        if values.into_iter().any(|(value, _)| matches!(value, Value::Poison)) {
            return Err(Poison);
        }
        Ok(arguments)
    }

    fn missing_arguments(&mut self, parameters: &[Parameter<'_>], arguments: &Arguments) -> Eval<()> {
        let mut fault = Ok(());
        for (name, required) in parameters {
            if *required && !arguments.values.contains_key(*name) {
                let message = format!("`{}` needs `{name}`", arguments.callee);
                fault = self.fail(
                    Diagnostic::error(codes::ARGUMENT, message)
                        .at(arguments.span, format!("`{name}` is missing"))
                        .note(format!("the arguments are {}", list(parameters))),
                );
            }
        }
        fault
    }

    fn unknown_key(
        &mut self,
        callee: &str,
        parameters: &[Parameter<'_>],
        name: &crate::ast::Ident,
    ) -> Eval<()> {
        let help = match nearest(&name.text, parameters.iter().map(|(known, _)| *known)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys are {}", list(parameters)),
        };
        let message = format!("`{callee}` has no key `{}`", name.text);
        self.fail(Diagnostic::error(codes::KEY, message).at(name.span, "unknown key").help(help))
    }
}

/// The names of parameters, for messages.
fn list(parameters: &[Parameter<'_>]) -> String {
    parameters.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl Arguments {
    /// The argument of that name, unless it is absent or `none`.
    pub(crate) fn get(&self, key: &str) -> Option<&(Value, Span)> {
        self.values.get(key).filter(|(value, _)| !matches!(value, Value::None))
    }

    /// The place of an argument, or of the call.
    pub(crate) fn span_of(&self, key: &str) -> Span {
        self.values.get(key).map_or(self.span, |(_, span)| *span)
    }

    /// Fails because an argument is something else.
    pub(crate) fn mismatch<T>(&self, el: &mut Elaborator<'_>, key: &str, wanted: &str) -> Eval<T> {
        let found =
            self.values.get(key).map_or("nothing".to_owned(), |(value, _)| value.describe(&el.builder));
        let message = format!("`{key}` of `{}` is {wanted}, not {found}", self.callee);
        let span = self.span_of(key);
        el.fail_at(codes::KIND, message, span, format!("expected {wanted}"))
    }

    /// A tensor.
    pub(crate) fn tensor(&self, el: &mut Elaborator<'_>, key: &str) -> Eval<NodeId> {
        match self.get(key) {
            Some((Value::Tensor(node), _)) => Ok(*node),
            Some((Value::Layer(_), span)) => {
                let message = format!("`{key}` of `{}` is a tensor, not a layer", self.callee);
                let span = *span;
                el.fail(
                    Diagnostic::error(codes::KIND, message)
                        .at(span, "a layer")
                        .help("apply the layer first, as in `enc(x)`"),
                )
            }
            Some((Value::List(list), span)) => {
                let count = list.items().len();
                let message = format!("`{key}` of `{}` is a tensor, not a list of {count}", self.callee);
                let span = *span;
                el.fail(Diagnostic::error(codes::KIND, message).at(span, format!("{count} values")).help(
                    "bind its values to names first, as in `y, h = gru(x, 32)`; of a recurrent layer \
                     `output = all` or `output = last` gives one value",
                ))
            }
            _ => self.mismatch(el, key, "a tensor"),
        }
    }

    /// A tensor of a float type.
    pub(crate) fn float_tensor(&self, el: &mut Elaborator<'_>, key: &str) -> Eval<NodeId> {
        let node = self.tensor(el, key)?;
        if el.dtype(node).is_float() {
            return Ok(node);
        }
        let message = format!("`{}` takes floats, got {}", self.callee, el.builder.ty(node));
        el.fail(
            Diagnostic::error(codes::ELEMENT_TYPE, message)
                .at(self.span, "not a tensor of floats")
                .help("convert it: `cast(x, \"f32\")`"),
        )
    }

    /// A number of at least `least`.
    pub(crate) fn whole(&self, el: &mut Elaborator<'_>, key: &str, least: i64, most: i64) -> Eval<usize> {
        match self.get(key) {
            Some((Value::Int(value), _)) if (least..=most).contains(value) => {
                usize::try_from(*value).map_err(|_| Poison)
            }
            Some((Value::Int(value), span)) => {
                let message = format!("`{key}` of `{}` is {value}; it lies in {least}..={most}", self.callee);
                let span = *span;
                el.fail_at(codes::RANGE, message, span, "out of range")
            }
            _ => self.mismatch(el, key, "a whole number"),
        }
    }

    /// A number of units, channels, groups: at least 1.
    pub(crate) fn size(&self, el: &mut Elaborator<'_>, key: &str) -> Eval<usize> {
        self.whole(el, key, 1, super::tensors::MAX_EXTENT)
    }

    /// A number with a default.
    pub(crate) fn float_or(&self, el: &mut Elaborator<'_>, key: &str, default: f64) -> Eval<f64> {
        match self.get(key) {
            None => Ok(default),
            Some((value, _)) => match value.as_float() {
                Some(value) => Ok(value),
                None => self.mismatch(el, key, "a number"),
            },
        }
    }

    /// A number within bounds, both included, with a default.
    pub(crate) fn float_within(
        &self,
        el: &mut Elaborator<'_>,
        key: &str,
        default: f64,
        bounds: std::ops::RangeInclusive<f64>,
    ) -> Eval<f64> {
        let value = self.float_or(el, key, default)?;
        if bounds.contains(&value) {
            return Ok(value);
        }
        let message = format!(
            "`{key}` of `{}` is {value}; it lies between {} and {}",
            self.callee,
            bounds.start(),
            bounds.end()
        );
        el.fail_at(codes::RANGE, message, self.span_of(key), "out of range")
    }

    /// `true` or `false`, with a default.
    pub(crate) fn bool_or(&self, el: &mut Elaborator<'_>, key: &str, default: bool) -> Eval<bool> {
        match self.get(key) {
            None => Ok(default),
            Some((Value::Bool(value), _)) => Ok(*value),
            Some(_) => self.mismatch(el, key, "true or false"),
        }
    }

    /// A string.
    pub(crate) fn text(&self, el: &mut Elaborator<'_>, key: &str) -> Eval<String> {
        match self.get(key) {
            Some((Value::Text(text), _)) => Ok(text.to_string()),
            _ => self.mismatch(el, key, "a string"),
        }
    }

    /// An initialiser, with a default; a number means a constant.
    pub(crate) fn initializer(
        &self,
        el: &mut Elaborator<'_>,
        key: &str,
        default: InitializerRule,
    ) -> Eval<InitializerRule> {
        match self.get(key) {
            None => Ok(default),
            Some((Value::Initializer(rule), _)) => Ok(*rule),
            Some(_) => self.mismatch(el, key, "an initialiser such as `he`, `zeros` or `normal(0.02)`"),
        }
    }

    /// One number of at least 1 per axis; one number serves all axes.
    pub(crate) fn per_axis(
        &self,
        el: &mut Elaborator<'_>,
        key: &str,
        axes: usize,
        default: usize,
    ) -> Eval<Vec<usize>> {
        let Some((value, span)) = self.get(key) else { return Ok(vec![default; axes]) };
        let fits = |value: &Value| match value {
            Value::Int(value) if (1..=MAX_WINDOW).contains(value) => usize::try_from(*value).ok(),
            _ => None,
        };
        let sizes = match value {
            Value::List(list) if list.items().len() == axes => list.items().iter().map(fits).collect(),
            Value::List(_) => None,
            value => fits(value).map(|size| vec![size; axes]),
        };
        match sizes {
            Some(sizes) => Ok(sizes),
            None => {
                let message = format!(
                    "`{key}` of `{}` is one number of at least 1, or {axes} of them, not {}",
                    self.callee,
                    value.describe(&el.builder)
                );
                let span = *span;
                el.fail_at(codes::RANGE, message, span, format!("one value or one for each of {axes} axes"))
            }
        }
    }

    /// An axis; negative ones count from the end.
    pub(crate) fn axis(&self, el: &mut Elaborator<'_>, key: &str, default: i64, rank: usize) -> Eval<usize> {
        let value = match self.get(key) {
            None => default,
            Some((Value::Int(value), _)) => *value,
            Some(_) => return self.mismatch(el, key, "an axis"),
        };
        match resolve_axis(value, rank) {
            Some(axis) => Ok(axis),
            None => {
                let message = format!("a tensor of rank {rank} has no axis {value}");
                el.fail_at(codes::RANK, message, self.span_of(key), "no such axis")
            }
        }
    }
}

/// The axis that a number means.
pub(crate) fn resolve_axis(value: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if value < 0 { value.checked_add(rank)? } else { value };
    (0..rank).contains(&axis).then(|| usize::try_from(axis).ok()).flatten()
}
