//! Files and their sections.

use super::{Parsed, Parser};
use crate::ast::{Block, BlockParameter, Entry, File, Ident, Import, ModelSection, Section, TrainSection};
use crate::codes;
use crate::lexer::TokenKind;
use dlc_types::{Diagnostic, diagnostic::nearest};

const ITEMS: [&str; 5] = ["block", "model", "data", "train", "import"];

impl Parser<'_> {
    pub(super) fn file(mut self) -> File {
        let mut file = File::default();
        self.skip_newlines();
        self.version();
        loop {
            self.skip_newlines();
            if *self.kind() == TokenKind::End {
                return file;
            }
            if self.item(&mut file).is_err() {
                self.recover_item();
            }
        }
    }

    fn version(&mut self) {
        let start = self.span();
        if !self.eat_word("dlc") {
            let message = "the file does not start with its version line";
            self.diagnostics.push(
                Diagnostic::error(codes::VERSION, message)
                    .at(start, "expected `dlc 1`")
                    .help("write `dlc 1` as the first line"),
            );
            return;
        }
        if *self.kind() != TokenKind::Int(1) {
            let message = format!("version {} of the language is not known", self.found());
            self.diagnostics.push(
                Diagnostic::error(codes::VERSION, message)
                    .at(start.to(self.span()), "this compiler reads version 1")
                    .help("write `dlc 1`"),
            );
        }
        while !matches!(self.kind(), TokenKind::Newline | TokenKind::End) {
            self.advance();
        }
    }

    /// Skips to the next line that starts a section.
    fn recover_item(&mut self) {
        let mut open = 0usize;
        loop {
            match self.kind() {
                TokenKind::End => return,
                TokenKind::Symbol("{") => open += 1,
                TokenKind::Symbol("}") => open = open.saturating_sub(1),
                TokenKind::Newline if open == 0 => {
                    if matches!(self.ahead(1), TokenKind::Name(word) if ITEMS.contains(&word.as_str())) {
                        return;
                    }
                }
                _ => {}
            }
            self.advance();
        }
    }

    fn item(&mut self, file: &mut File) -> Parsed<()> {
        let TokenKind::Name(word) = self.kind().clone() else {
            return self.expected("a section: `block`, `model`, `data`, `train` or `import`");
        };
        let start = self.span();
        match word.as_str() {
            "import" => {
                self.advance();
                let path = self.plain_text("the file's path in quotes")?;
                let span = start.to(self.previous());
                file.imports.push(Import { path, span });
                self.end_of_statement()
            }
            "block" => {
                self.advance();
                let block = self.block()?;
                file.blocks.push(block);
                Ok(())
            }
            "model" => {
                self.advance();
                let model = self.model()?;
                file.models.push(model);
                Ok(())
            }
            "data" => {
                self.advance();
                let name = self.ident("the section's name")?;
                let entries = self.entries()?;
                file.data.push(Section { name, entries });
                Ok(())
            }
            "train" => {
                self.advance();
                let model = self.ident("the model's name")?;
                self.expect_word("on")?;
                let data = self.ident("the data section's name")?;
                let entries = self.entries()?;
                file.train.push(TrainSection { model, data, entries });
                Ok(())
            }
            _ => {
                let help = nearest(&word, ITEMS).map(|near| format!("did you mean `{near}`?"));
                self.expected_with(
                    "a section: `block`, `model`, `data`, `train` or `import`",
                    help.as_deref(),
                )
            }
        }
    }

    fn block(&mut self) -> Parsed<Block> {
        let name = self.ident("the block's name")?;
        self.expect("(")?;
        let mut parameters = Vec::new();
        while !self.is(")") {
            let name = self.ident("a parameter's name")?;
            let default = if self.eat("=") { Some(self.expression()?) } else { None };
            parameters.push(BlockParameter { name, default });
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")")?;
        let body = self.body()?;
        Ok(Block { name, parameters, body })
    }

    fn model(&mut self) -> Parsed<ModelSection> {
        let name = self.ident("the model's name")?;
        self.expect("(")?;
        let mut inputs = Vec::new();
        let mut options = Vec::new();
        while !self.is(")") {
            if self.is_word("option") && matches!(self.ahead(1), TokenKind::Name(_)) {
                self.advance();
                let name = self.ident("the option's name")?;
                self.expect("=")?;
                options.push((name, self.expression()?));
            } else {
                let name = self.ident("an input's name")?;
                if !self.eat(":") {
                    let help = "inputs have a type, as in `image: f32[N, 3, 32, 32]`; options are written \
                                `option width = 16`";
                    return self.expected_with("`:` and the input's type", Some(help));
                }
                inputs.push((name, self.expression()?));
            }
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")")?;
        self.expect("->")?;
        let parenthesised = self.eat("(");
        let mut outputs = Vec::new();
        while !(parenthesised && self.is(")")) {
            outputs.push(self.ident("an output's name")?);
            if !parenthesised || !self.eat(",") {
                break;
            }
        }
        if parenthesised {
            self.expect(")")?;
        }
        let body = self.body()?;
        Ok(ModelSection { name, inputs, options, outputs, body })
    }

    fn entries(&mut self) -> Parsed<Vec<Entry>> {
        self.expect("{")?;
        let mut entries = Vec::new();
        loop {
            self.skip_newlines();
            if self.eat("}") {
                return Ok(entries);
            }
            if *self.kind() == TokenKind::End {
                return self.expected("`}` at the end of the section");
            }
            match self.entry() {
                Ok(entry) => entries.push(entry),
                Err(_) => self.recover(),
            }
        }
    }

    fn entry(&mut self) -> Parsed<Entry> {
        let key = self.ident("a key")?;
        self.expect("=")?;
        let entry = self.entry_value(key)?;
        self.end_of_statement()?;
        Ok(entry)
    }

    /// What stands right of `key =`.
    pub(super) fn entry_value(&mut self, key: Ident) -> Parsed<Entry> {
        let mut values = vec![self.expression()?];
        while self.eat(",") {
            self.skip_newlines();
            values.push(self.expression()?);
        }
        let mut fields = Vec::new();
        if self.eat("->") {
            self.expect("(")?;
            while !self.is(")") {
                let name = self.ident("a field's name")?;
                let ty = if self.eat(":") { Some(self.expression()?) } else { None };
                fields.push((name, ty));
                if !self.eat(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        Ok(Entry { key, values, fields })
    }
}
