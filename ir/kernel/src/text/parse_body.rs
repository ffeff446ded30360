//! Statements.

use super::cursor::{Cursor, Parsed, entity};
use crate::{Affine, Binary, Carry, Combine, Comparison, Guard, IndexExpr, IndexVar, Loop, ScalarOp};
use crate::{Statement, Unary, Var};
use dlc_types::DType;

/// More loops in one another than this are refused, so that reading never exhausts the stack.
const DEEPEST: usize = 64;

impl Cursor<'_> {
    /// Statements up to `}` or `yield`, which is left.
    fn statements(&mut self) -> Parsed<Vec<Statement>> {
        let mut statements = Vec::new();
        while let Some(word) = self.peek_word().filter(|&word| word != "yield") {
            statements.push(match word {
                "store" => self.store()?,
                "for" | "lanes" => Statement::For(self.for_loop()?),
                _ if word.starts_with('i') => self.index_statement()?,
                _ => self.value_statement()?,
            });
        }
        Ok(statements)
    }

    /// Statements and the closing brace of a block that yields nothing.
    pub(super) fn block(&mut self) -> Parsed<Vec<Statement>> {
        let statements = self.statements()?;
        self.symbol("}")?;
        Ok(statements)
    }

    fn store(&mut self) -> Parsed<Statement> {
        self.keyword("store")?;
        let (operand, index) = self.element()?;
        self.symbol("=")?;
        Ok(Statement::Store { operand, index, value: self.var()? })
    }

    /// An operand and an element index.
    pub(super) fn element(&mut self) -> Parsed<(usize, Affine)> {
        let operand = if self.eat("@") {
            self.number()?
        } else {
            let name = self.name()?;
            match self.operands.iter().position(|operand| operand.name == name) {
                Some(operand) => operand,
                None => return self.error(format_args!("`{name}` is no operand of the kernel")),
            }
        };
        self.symbol("[")?;
        let index = self.form()?;
        self.symbol("]")?;
        Ok((operand, index))
    }

    fn value_statement(&mut self) -> Parsed<Statement> {
        let result = self.var()?;
        if self.eat(":") {
            let dtype = self.dtype()?;
            self.symbol("=")?;
            let op = self.operation()?;
            let args = self.arguments()?;
            return Ok(Statement::Let { result, dtype, op, args });
        }
        self.symbol("=")?;
        self.keyword("load")?;
        let (operand, index) = self.element()?;
        let guard = if self.eat_word("where") { Some(self.guard()?) } else { None };
        Ok(Statement::Load { result, operand, index, guard })
    }

    fn operation(&mut self) -> Parsed<ScalarOp> {
        if self.eat_word("const") {
            return self.float().map(ScalarOp::Constant);
        }
        if self.eat_word("int") {
            return self.integer().map(ScalarOp::Integer);
        }
        if self.eat_word("extent") {
            return self.dim().map(ScalarOp::Extent);
        }
        if self.eat_word("index") {
            return self.index_var().map(ScalarOp::Index);
        }
        if self.eat_word("random") {
            self.symbol("(")?;
            let stream = self.number()?;
            self.symbol(")")?;
            return Ok(ScalarOp::Random { stream });
        }
        self.word("an operation", |word| match word {
            "fma" => Some(ScalarOp::FusedMultiplyAdd),
            "select" => Some(ScalarOp::Select),
            "cast" => Some(ScalarOp::Cast),
            "bitcast" => Some(ScalarOp::Bitcast),
            _ => Unary::from_name(word)
                .map(ScalarOp::Unary)
                .or_else(|| Binary::from_name(word).map(ScalarOp::Binary))
                .or_else(|| Comparison::from_name(word).map(ScalarOp::Compare)),
        })
    }

    /// Operands on the operation's line.
    fn arguments(&mut self) -> Parsed<Vec<Var>> {
        let mut args = Vec::new();
        if self.on_same_line() && self.peek_word().and_then(|word| entity::<Var>(word, "v")).is_some() {
            args.push(self.var()?);
            while self.eat(",") {
                args.push(self.var()?);
            }
        }
        Ok(args)
    }

    fn guard(&mut self) -> Parsed<Guard> {
        let mut ranges = Vec::new();
        while !self.eat_word("else") {
            if !ranges.is_empty() {
                self.symbol(",")?;
            }
            let low = self.integer()?;
            self.symbol("<=")?;
            let form = self.form()?;
            self.symbol("<")?;
            ranges.push((form, low, self.integer()?));
        }
        Ok(Guard { ranges, fill: self.float()? })
    }

    fn index_statement(&mut self) -> Parsed<Statement> {
        let result = self.index_var()?;
        self.symbol("=")?;
        let expr = if self.eat_word("chunk") {
            let chunk = self.form()?;
            self.keyword("of")?;
            let chunks = self.integer()?;
            self.keyword("over")?;
            IndexExpr::ChunkStart { form: self.form()?, chunk, chunks }
        } else if self.eat_word("clamp") {
            let value = self.var()?;
            self.keyword("below")?;
            IndexExpr::Clamped(value, self.form()?)
        } else if !self.eat("(") {
            IndexExpr::Form(self.form()?)
        } else {
            let form = self.form()?;
            self.symbol(")")?;
            if self.eat("%") {
                IndexExpr::Remainder(form, self.integer()?)
            } else {
                self.symbol("/")?;
                IndexExpr::Quotient(form, self.integer()?)
            }
        };
        Ok(Statement::Index { result, expr })
    }

    fn for_loop(&mut self) -> Parsed<Loop> {
        if self.depth == DEEPEST {
            return self.error(format_args!("more than {DEEPEST} loops in one another"));
        }
        self.depth += 1;
        let lanes = self.eat_word("lanes");
        self.keyword("for")?;
        let var: IndexVar = self.index_var()?;
        self.keyword("in")?;
        let start = self.form()?;
        self.symbol("..")?;
        let end = self.form()?;
        let carried = if self.eat_word("carry") { self.list("(", ")", Self::carried)? } else { Vec::new() };
        self.symbol("{")?;
        let body = self.statements()?;
        let yielded = if self.eat_word("yield") { self.yields()? } else { Vec::new() };
        self.symbol("}")?;
        self.depth -= 1;
        if carried.len() != yielded.len() {
            let (carried, yielded) = (carried.len(), yielded.len());
            return self.error(format_args!("the loop over {var} carries {carried} and yields {yielded}"));
        }
        let carries = carried
            .into_iter()
            .zip(yielded)
            .map(|((current, dtype, initial), (next, combine, result))| Carry {
                dtype,
                initial,
                current,
                next,
                result,
                combine,
            })
            .collect();
        Ok(Loop { var, start, end, lanes, carries, body })
    }

    fn carried(&mut self) -> Parsed<(Var, DType, Var)> {
        let current = self.var()?;
        self.symbol(":")?;
        let dtype = self.dtype()?;
        self.symbol("=")?;
        Ok((current, dtype, self.var()?))
    }

    fn yields(&mut self) -> Parsed<Vec<(Var, Option<Combine>, Var)>> {
        let mut yields = Vec::new();
        loop {
            let next = self.var()?;
            let combine = if self.eat("->") {
                None
            } else {
                let name = |word: &str| Combine::ALL.into_iter().find(|combine| combine.name() == word);
                let combine = self.word("`->` or a way to combine", name)?;
                self.symbol("->")?;
                Some(combine)
            };
            yields.push((next, combine, self.var()?));
            if !self.eat(",") {
                return Ok(yields);
            }
        }
    }
}
