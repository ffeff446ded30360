//! placeholder
use crate::{ast::File, program::Program, report::Reporter};
pub(crate) fn check(_: &File, _: &Program, _: &mut Reporter) {}
