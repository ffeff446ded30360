//! Bodies of contraction kernels.

use super::cursor::{Cursor, Parsed};
use crate::{Contraction, ContractionDim, Epilogue, EpilogueSum, Role, Split, Tap, Tile};

impl Cursor<'_> {
    /// The body between the braces, and the closing one.
    pub(super) fn contraction(&mut self) -> Parsed<Contraction> {
        let mut dims = Vec::new();
        while self.eat_word("dim") {
            dims.push(self.contraction_dim()?);
        }
        self.keyword("offsets")?;
        let offsets = self.triple()?;
        self.keyword("taps")?;
        let taps = self.list("[", "]", Self::tap)?;
        self.keyword("tile")?;
        let vectors = self.number()?;
        self.keyword("x")?;
        let tile = Tile { vectors, rows: self.number()? };
        let accumulate = self.eat_word("accumulate");
        let turns_rows = self.eat_word("turns_rows");
        let epilogue = if self.eat_word("epilogue") { Some(self.epilogue()?) } else { None };
        self.symbol("}")?;
        Ok(Contraction { dims, offsets, taps, accumulate, turns_rows, tile, epilogue })
    }

    fn contraction_dim(&mut self) -> Parsed<ContractionDim> {
        let name = self.name()?;
        let extent = self.dim()?;
        let role = self.word("a role", |word| Role::ALL.into_iter().find(|role| role.name() == word))?;
        self.keyword("strides")?;
        let strides = self.triple()?;
        let split = if self.eat_word("split") {
            let chunks = self.number()?;
            self.keyword("align")?;
            let align = self.number()?;
            self.keyword("result")?;
            Some(Split { chunks, align, result_stride: self.integer()? })
        } else {
            None
        };
        Ok(ContractionDim { name, extent, role, strides, split })
    }

    fn tap(&mut self) -> Parsed<Tap> {
        self.symbol("(")?;
        let lanes = self.integer()?;
        self.symbol(",")?;
        let rows = self.integer()?;
        self.symbol(")")?;
        Ok(Tap { lanes, rows })
    }

    fn epilogue(&mut self) -> Parsed<Epilogue> {
        let coordinates = self.list("(", ")", Self::index_var)?;
        let value = self.var()?;
        self.symbol("{")?;
        let statements = self.block()?;
        let mut sums = Vec::new();
        while self.eat_word("sum") {
            let (operand, index) = self.element()?;
            self.symbol("=")?;
            sums.push(EpilogueSum { operand, index, value: self.var()? });
        }
        Ok(Epilogue { coordinates, value, statements, sums })
    }
}
