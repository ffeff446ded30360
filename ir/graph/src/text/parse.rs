//! Parsing functions.

use super::ParseError;
use super::attributes::{Attributes, Item, Value, number};
use super::lexer::{Token, tokens};
use super::op::{Subject, dim, op, scan};
use crate::{Function, Node, NodeId, Origin, Output, OutputRole, Scan, Type};
use dlc_types::index::EntityIndex;
use dlc_types::{DType, Shape, TensorType};

/// Failures before their line is known.
type Result<T> = std::result::Result<T, String>;

pub(super) fn parse(text: &str) -> std::result::Result<Function, ParseError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, position: 0, depth: 0 };
    parser.function().map_err(|message| {
        // The token that was taken last is the one that does not fit.
        let last = tokens.len().saturating_sub(1).min(parser.position.saturating_sub(1));
        ParseError { line: tokens.get(last).map_or(1, |&(line, _)| line), message }
    })
}

struct Parser<'t, 'a> {
    tokens: &'t [(usize, Token<'a>)],
    position: usize,
    /// How many blocks are open.
    depth: usize,
}

/// Blocks that may be open at once.
const DEEPEST: usize = 16;

impl<'t, 'a> Parser<'t, 'a> {
    fn peek(&self) -> Option<&'t Token<'a>> {
        self.tokens.get(self.position).map(|(_, token)| token)
    }

    fn next(&mut self) -> Result<&'t Token<'a>> {
        let token = self.peek().ok_or("the text ends too early")?;
        self.position += 1;
        Ok(token)
    }

    fn accept(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char) -> Result<()> {
        match self.next()? {
            Token::Mark(found) if *found == mark => Ok(()),
            other => Err(format!("expected '{mark}', found {}", describe(other))),
        }
    }

    fn word(&mut self) -> Result<&'a str> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            other => Err(format!("expected a word, found {}", describe(other))),
        }
    }

    fn string(&mut self) -> Result<String> {
        match self.next()? {
            Token::Text(text) => Ok(text.clone()),
            other => Err(format!("expected a quoted name, found {}", describe(other))),
        }
    }

    /// Items up to the closing mark, with commas between them.
    fn list<T>(&mut self, close: char, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = Vec::new();
        if self.accept(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.accept(close) {
                return Ok(items);
            }
            self.expect(',')?;
        }
    }

    fn function(&mut self) -> Result<Function> {
        match self.word()? {
            "fn" => {}
            other => return Err(format!("expected fn, found {other}")),
        }
        let name = match self.next()? {
            Token::Word(word) => (*word).to_owned(),
            Token::Text(text) => text.clone(),
            other => return Err(format!("expected a name, found {}", describe(other))),
        };
        let function = self.block(name)?;
        match self.next() {
            Err(_) => Ok(function),
            Ok(token) => Err(format!("expected the end, found {}", describe(token))),
        }
    }

    /// Nodes and outputs in braces, of a function or of a scan's body.
    fn block(&mut self, name: String) -> Result<Function> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("scans stand in one another more than {DEEPEST} deep"));
        }
        let mut function = Function { name, ..Function::default() };
        self.expect('{')?;
        while !self.accept('}') {
            if self.accept('%') {
                let node = self.node(function.nodes.len())?;
                function.nodes.push(node);
            } else {
                let output = self.output(function.nodes.len())?;
                function.outputs.push(output);
            }
        }
        self.depth -= 1;
        Ok(function)
    }

    fn output(&mut self, nodes: usize) -> Result<Output> {
        match self.word()? {
            "output" => {}
            other => return Err(format!("expected a node or an output, found {other}")),
        }
        let role = self.word()?;
        let role = output_role(role).ok_or_else(|| format!("there is no role {role}"))?;
        let name = self.string()?;
        self.expect('%')?;
        Ok(Output { role, name, value: self.node_id(nodes)? })
    }

    /// A node after its `%`.
    fn node(&mut self, expected: usize) -> Result<Node> {
        if number::<usize>(self.word()?)? != expected {
            return Err(format!("expected node %{expected}; nodes are numbered in order"));
        }
        self.expect(':')?;
        let ty = self.ty()?;
        self.expect('=')?;
        let name = self.word()?;
        let subject = match self.peek() {
            Some(Token::Text(_)) => Subject::Name(self.string()?),
            Some(Token::Mark('[')) => {
                self.position += 1;
                Subject::Elements(self.list(']', Parser::word)?)
            }
            _ => Subject::None,
        };
        let operands = if self.accept('(') {
            self.list(')', |parser| {
                parser.expect('%')?;
                parser.node_id(expected)
            })?
        } else {
            Vec::new()
        };
        let mut attributes = self.attributes()?;
        let op = match self.peek() {
            Some(Token::Mark('{')) if name == "scan" => {
                let body = self.block(Scan::BODY.to_owned())?;
                scan(body, &mut attributes)?
            }
            _ => op(name, subject, &ty, &mut attributes)?,
        };
        attributes.finish(name)?;
        let path = if self.accept('@') { self.string()? } else { String::new() };
        Ok(Node { op, operands, ty, origin: Origin { path, span: None } })
    }

    /// A node's number after its `%`, below `limit`.
    fn node_id(&mut self, limit: usize) -> Result<NodeId> {
        let position: usize = number(self.word()?)?;
        if position >= limit {
            return Err(format!("%{position} does not stand before its use"));
        }
        Ok(NodeId::from_usize(position))
    }

    fn ty(&mut self) -> Result<Type> {
        if self.accept('(') {
            return Ok(Type::Tuple(self.list(')', Parser::tensor_type)?));
        }
        Ok(Type::Tensor(self.tensor_type()?))
    }

    fn tensor_type(&mut self) -> Result<TensorType> {
        let name = self.word()?;
        let dtype: DType = name.parse().map_err(|()| format!("there is no element type {name}"))?;
        self.expect('[')?;
        let dims = self.list(']', |parser| dim(parser.word()?))?;
        Ok(TensorType::new(dtype, Shape(dims)))
    }

    fn attributes(&mut self) -> Result<Attributes<'a>> {
        let mut attributes = Attributes::default();
        // A word that no `=` follows belongs to the next line.
        while let Some(Token::Word(key)) = self.peek()
            && matches!(self.tokens.get(self.position + 1), Some((_, Token::Mark('='))))
        {
            self.position += 2;
            let value = if self.accept('[') {
                Value::List(self.list(']', Parser::item)?)
            } else {
                Value::Word(self.word()?)
            };
            attributes.insert(key, value)?;
        }
        Ok(attributes)
    }

    fn item(&mut self) -> Result<Item<'a>> {
        if !self.accept('(') {
            return Ok(Item::Word(self.word()?));
        }
        let first = self.word()?;
        self.expect(',')?;
        let second = self.word()?;
        self.expect(')')?;
        Ok(Item::Pair(first, second))
    }
}

fn describe(token: &Token<'_>) -> String {
    match token {
        Token::Word(word) => (*word).to_owned(),
        Token::Text(text) => format!("{text:?}"),
        Token::Mark(mark) => format!("'{mark}'"),
    }
}

fn output_role(name: &str) -> Option<OutputRole> {
    use OutputRole::{Gradient, Loss, Metric, Output, Parameter, State};
    [Output, Loss, Metric, Parameter, State, Gradient].into_iter().find(|role| role.name() == name)
}
