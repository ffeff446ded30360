//! The syntax tree: what is written, before anything is known about it.
//!
//! Every node has its span. Depth is bounded by the parser, so walks over the tree may recurse.

use dlc_types::{DType, Span};

/// A name and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ident {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// One file.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) imports: Vec<Import>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) models: Vec<ModelSection>,
    pub(crate) data: Vec<Section>,
    pub(crate) train: Vec<TrainSection>,
}

/// `import "file.dsl"`
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) path: String,
    pub(crate) span: Span,
}

/// `block name(parameters) { … }`
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) name: Ident,
    pub(crate) parameters: Vec<BlockParameter>,
    pub(crate) body: Vec<Statement>,
}

/// One parameter of a block, with its default.
#[derive(Clone, Debug)]
pub(crate) struct BlockParameter {
    pub(crate) name: Ident,
    pub(crate) default: Option<Expr>,
}

/// `model name(inputs and options) -> (outputs) { … }`
#[derive(Clone, Debug)]
pub(crate) struct ModelSection {
    pub(crate) name: Ident,
    pub(crate) inputs: Vec<(Ident, Expr)>,
    pub(crate) options: Vec<(Ident, Expr)>,
    pub(crate) outputs: Vec<Ident>,
    pub(crate) body: Vec<Statement>,
    /// Where the model comes from, in place of a body.
    pub(crate) network: Option<NetworkSource>,
}

/// `= onnx("file.onnx") { layer = dense(5) }` behind a model's name, or behind new names for its inputs and
/// outputs.
#[derive(Clone, Debug)]
pub(crate) struct NetworkSource {
    pub(crate) path: String,
    pub(crate) span: Span,
    /// Names in place of the file's, in order; empty for those of the file.
    pub(crate) inputs: Vec<Ident>,
    /// Layers that are replaced, by path.
    pub(crate) replaced: Vec<(Ident, Expr)>,
}

/// `data name { key = value … }`
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: Ident,
    pub(crate) entries: Vec<Entry>,
}

/// `train model on data { … }`
#[derive(Clone, Debug)]
pub(crate) struct TrainSection {
    pub(crate) model: Ident,
    pub(crate) data: Ident,
    pub(crate) entries: Vec<Entry>,
}

/// `key = values -> (fields)`
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Ident,
    pub(crate) values: Vec<Expr>,
    /// Names with their types, where types are written.
    pub(crate) fields: Vec<(Ident, Option<Expr>)>,
}

/// One statement of a body.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    /// `a, b = value`
    Bind { names: Vec<Ident>, value: Expr },
    /// `for a, b in items { … }`
    For { names: Vec<Ident>, items: Expr, body: Vec<Statement>, span: Span },
    /// `return a, b`
    Return { values: Vec<Expr>, span: Span },
    /// An `if`, or the value of a body.
    Expr(Expr),
}

/// An expression and its place.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Int(i64),
    Float(f64),
    Bool(bool),
    None,
    Text(Vec<Piece>),
    Name(String),
    List(Vec<Expr>),
    /// `f32[N, 64]`
    Type(DType, Vec<Expr>),
    Unary(UnaryOperator, Box<Expr>),
    Binary(BinaryOperator, Box<Expr>, Box<Expr>),
    Range(Box<Expr>, Box<Expr>),
    Call(Call),
    Pipe(Box<Expr>, Vec<Call>),
    /// `layer dense(64)`
    Layer(Call),
    Attribute(Box<Expr>, Ident),
    Index(Box<Expr>, Vec<Subscript>),
    If(Box<If>),
}

/// `if condition { … } else { … }`
#[derive(Clone, Debug)]
pub(crate) struct If {
    pub(crate) condition: Expr,
    pub(crate) then: Vec<Statement>,
    pub(crate) otherwise: Option<Vec<Statement>>,
}

/// A piece of a string.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Literal(String),
    Value(Expr),
}

/// `callee(arguments) as alias`
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) callee: Ident,
    /// The bracket before the arguments.
    pub(crate) opening: Span,
    pub(crate) arguments: Vec<Argument>,
    /// A string expression.
    pub(crate) alias: Option<Box<Expr>>,
    pub(crate) span: Span,
}

/// `value` or `name = value`
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) name: Option<Ident>,
    pub(crate) value: Expr,
}

/// One axis of `x[…]`.
#[derive(Clone, Debug)]
pub(crate) enum Subscript {
    At(Expr),
    Slice(Box<Slice>),
}

/// `start:limit:step`
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) start: Option<Expr>,
    pub(crate) limit: Option<Expr>,
    pub(crate) step: Option<Expr>,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOperator {
    Negate,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOperator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    MatMul,
    Power,
}

impl BinaryOperator {
    /// The operator of that symbol or word, with its binding strength.
    pub(crate) fn from_text(text: &str) -> Option<(BinaryOperator, u8)> {
        use BinaryOperator::*;
        Some(match text {
            "or" => (Or, 1),
            "and" => (And, 2),
            "==" => (Equal, 4),
            "!=" => (NotEqual, 4),
            "<" => (Less, 4),
            "<=" => (LessEqual, 4),
            ">" => (Greater, 4),
            ">=" => (GreaterEqual, 4),
            "+" => (Add, 6),
            "-" => (Subtract, 6),
            "*" => (Multiply, 7),
            "/" => (Divide, 7),
            "%" => (Remainder, 7),
            "@" => (MatMul, 7),
            "^" => (Power, 9),
            _ => return None,
        })
    }

    /// As it is written.
    pub(crate) fn symbol(self) -> &'static str {
        use BinaryOperator::*;
        match self {
            Or => "or",
            And => "and",
            Equal => "==",
            NotEqual => "!=",
            Less => "<",
            LessEqual => "<=",
            Greater => ">",
            GreaterEqual => ">=",
            Add => "+",
            Subtract => "-",
            Multiply => "*",
            Divide => "/",
            Remainder => "%",
            MatMul => "@",
            Power => "^",
        }
    }
}
