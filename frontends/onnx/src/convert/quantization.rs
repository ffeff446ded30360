pub(super) const OPERATORS: &[super::Operator] = &[];
