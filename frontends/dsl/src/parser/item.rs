//! Files and their sections.

use super::{Parsed, Parser};
use crate::ast::{
    Block, BlockParameter, Entry, File, Ident, Import, ModelSection, NetworkSource, Section, TrainSection,
};
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
        let (mut inputs, mut options, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
        let mut untyped = Vec::new();
        if !self.is("=") {
            self.expect("(")?;
            while !self.is(")") {
                if self.is_word("option") && matches!(self.ahead(1), TokenKind::Name(_)) {
                    self.advance();
                    let name = self.ident("the option's name")?;
                    self.expect("=")?;
                    options.push((name, self.expression()?));
                } else {
                    let name = self.ident("an input's name")?;
                    if self.eat(":") {
                        inputs.push((name, self.expression()?));
                    } else if inputs.is_empty() && options.is_empty() && (self.is(",") || self.is(")")) {
                        untyped.push(name);
                    } else {
                        return self.untyped_input();
                    }
                }
                if !self.eat(",") {
                    break;
                }
            }
            self.expect(")")?;
            outputs = self.model_outputs()?;
        }
        if self.is("=") && inputs.is_empty() && options.is_empty() {
            let network = Some(self.network(untyped)?);
            return Ok(ModelSection { name, inputs, options, outputs, body: Vec::new(), network });
        }
        if !untyped.is_empty() {
            return self.untyped_input();
        }
        let body = self.body()?;
        Ok(ModelSection { name, inputs, options, outputs, body, network: None })
    }

    fn untyped_input<T>(&mut self) -> Parsed<T> {
        let help =
            "inputs have a type, as in `image: f32[N, 3, 32, 32]`; options are written `option width = 16`";
        self.expected_with("`:` and the input's type", Some(help))
    }

    fn model_outputs(&mut self) -> Parsed<Vec<Ident>> {
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
        Ok(outputs)
    }

    /// `= onnx("file.onnx")`, with layers in braces that are replaced.
    fn network(&mut self, inputs: Vec<Ident>) -> Parsed<NetworkSource> {
        self.expect("=")?;
        let start = self.span();
        self.expect_word("onnx")?;
        self.expect("(")?;
        let path = self.plain_text("the file's path in quotes")?;
        self.expect(")")?;
        let span = start.to(self.previous());
        let mut replaced = Vec::new();
        if self.eat("{") {
            self.skip_newlines();
            while !self.eat("}") {
                let at = self.span();
                let layer = match self.kind() {
                    TokenKind::Text => Ident { text: self.plain_text("a layer's path")?, span: at },
                    _ => self.ident("a layer's path")?,
                };
                self.expect("=")?;
                replaced.push((layer, self.expression()?));
                if !self.is("}") {
                    self.end_of_statement()?;
                    self.skip_newlines();
                }
            }
        }
        self.end_of_statement()?;
        Ok(NetworkSource { path, span, inputs, replaced })
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
