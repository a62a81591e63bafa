//! Expressions, by precedence climbing (`language.md` §2.6 and §2.7).

use super::Parser;
use crate::ast::{Expansion, Expr, ExprKind, Key, Quantifier};
use crate::expr::{BinaryOp, UnaryOp};
use crate::token::Token;
use base::{Result, code};
use velocypack::Value;

/// Binding powers; a higher one binds tighter.
mod power {
    pub const TERNARY: u8 = 1;
    pub const OR: u8 = 2;
    pub const AND: u8 = 3;
    pub const QUANTIFIER: u8 = 4;
    pub const EQUALITY: u8 = 5;
    pub const IN: u8 = 6;
    pub const RELATION: u8 = 7;
    pub const RANGE: u8 = 8;
    pub const SUM: u8 = 9;
    pub const PRODUCT: u8 = 10;
    pub const UNARY: u8 = 11;
}

/// One access of a postfix chain.
enum Access {
    Attribute(String),
    Bound(String),
    Index(Expr),
    Expansion(Box<ExpansionParts>),
}

struct ExpansionParts {
    levels: u32,
    filter: Option<Expr>,
    limit: Option<(Option<Expr>, Expr)>,
    projection: Option<Expr>,
    question: Option<Option<Quantifier>>,
}

enum Operator {
    Binary(BinaryOp),
    Range,
    And,
    Or,
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.climb(power::TERNARY)
    }

    /// An expression inside brackets of any kind.
    pub(super) fn inner_expression(&mut self) -> Result<Expr> {
        self.bracketed(Self::expression)
    }

    fn climb(&mut self, power_min: u8) -> Result<Expr> {
        self.nested(|parser| {
            let mut left = parser.unary()?;
            loop {
                left = match parser.operator_at(power_min) {
                    Some((operator, power, tokens)) => parser.binary(left, &operator, power, tokens)?,
                    None if power_min <= power::QUANTIFIER && parser.is_quantifier() => parser.quantified(left)?,
                    None if power_min <= power::TERNARY && parser.eat(&Token::Question) => parser.ternary(left)?,
                    None => return Ok(left),
                };
            }
        })
    }

    /// The operator that comes next, if it binds at least that tightly, its power and its tokens.
    fn operator_at(&self, power_min: u8) -> Option<(Operator, u8, usize)> {
        let binary = |op, power| Some((Operator::Binary(op), power, 1));
        let found = match self.peek() {
            Token::Or => Some((Operator::Or, power::OR, 1)),
            Token::And => Some((Operator::And, power::AND, 1)),
            Token::Eq => binary(BinaryOp::Eq, power::EQUALITY),
            Token::Ne => binary(BinaryOp::Ne, power::EQUALITY),
            Token::Like => binary(BinaryOp::Like, power::EQUALITY),
            Token::Matches => binary(BinaryOp::Matches, power::EQUALITY),
            Token::NotMatches => binary(BinaryOp::NotMatches, power::EQUALITY),
            Token::Not => {
                let op = match self.peek_at(1) {
                    Token::Like => BinaryOp::NotLike,
                    Token::Matches => BinaryOp::NotMatches,
                    Token::NotMatches => BinaryOp::Matches,
                    _ => return None,
                };
                Some((Operator::Binary(op), power::EQUALITY, 2))
            }
            Token::In if self.before_target && self.is_target() => None,
            Token::In => binary(BinaryOp::In, power::IN),
            Token::NotIn => binary(BinaryOp::NotIn, power::IN),
            Token::Lt => binary(BinaryOp::Lt, power::RELATION),
            Token::Le => binary(BinaryOp::Le, power::RELATION),
            Token::Gt => binary(BinaryOp::Gt, power::RELATION),
            Token::Ge => binary(BinaryOp::Ge, power::RELATION),
            Token::Range => Some((Operator::Range, power::RANGE, 1)),
            Token::Plus => binary(BinaryOp::Plus, power::SUM),
            Token::Minus => binary(BinaryOp::Minus, power::SUM),
            Token::Times => binary(BinaryOp::Times, power::PRODUCT),
            Token::Div => binary(BinaryOp::Div, power::PRODUCT),
            Token::Mod => binary(BinaryOp::Mod, power::PRODUCT),
            _ => None,
        };
        found.filter(|(_, power, _)| *power >= power_min)
    }

    /// Is the `IN` that comes next followed by a modification's target and the statement's end?
    fn is_target(&self) -> bool {
        let names_source = matches!(self.peek_at(1), Token::Name { .. } | Token::Text(_) | Token::SourceParam(_));
        let after = self.peek_at(2);
        let ends = matches!(after, Token::End | Token::Close) || after.begins_statement();
        names_source && (ends || matches!(after, Token::Name { text, quoted: false } if text.eq_ignore_ascii_case("OPTIONS")))
    }

    fn binary(&mut self, left: Expr, operator: &Operator, power: u8, tokens: usize) -> Result<Expr> {
        let at = left.at;
        self.next += tokens;
        let right = self.climb(power + 1)?;
        let below = left.height.max(right.height);
        match operator {
            Operator::Binary(op) => self.make(at, below, ExprKind::Binary(*op, Box::new(left), Box::new(right))),
            Operator::Range => self.make(at, below, ExprKind::Range(Box::new(left), Box::new(right))),
            Operator::And => self.flat(left, right, |kind| matches!(kind, ExprKind::And(_)), ExprKind::And),
            Operator::Or => self.flat(left, right, |kind| matches!(kind, ExprKind::Or(_)), ExprKind::Or),
        }
    }

    /// Joins operands of `&&` or `||` into one node, so that long conditions stay flat.
    fn flat(&mut self, left: Expr, right: Expr, same: fn(&ExprKind) -> bool, wrap: fn(Vec<Expr>) -> ExprKind) -> Result<Expr> {
        let at = left.at;
        let (below, mut operands) = match left {
            Expr { kind: ExprKind::And(operands), height, .. } if same(&ExprKind::And(Vec::new())) => (height - 1, operands),
            Expr { kind: ExprKind::Or(operands), height, .. } if same(&ExprKind::Or(Vec::new())) => (height - 1, operands),
            other => (other.height, vec![other]),
        };
        let below = below.max(right.height);
        operands.push(right);
        self.make(at, below, wrap(operands))
    }

    fn is_comparison(token: &Token) -> Option<BinaryOp> {
        Some(match token {
            Token::Eq => BinaryOp::Eq,
            Token::Ne => BinaryOp::Ne,
            Token::Lt => BinaryOp::Lt,
            Token::Le => BinaryOp::Le,
            Token::Gt => BinaryOp::Gt,
            Token::Ge => BinaryOp::Ge,
            Token::In => BinaryOp::In,
            Token::NotIn => BinaryOp::NotIn,
            _ => return None,
        })
    }

    /// `ANY`, `ALL`, `NONE` before a comparison (`ANY` may also be a direction), or `AT LEAST`.
    fn is_quantifier(&self) -> bool {
        match self.peek() {
            Token::Any | Token::All | Token::None => Self::is_comparison(self.peek_at(1)).is_some(),
            Token::AtLeast => true,
            _ => false,
        }
    }

    fn quantified(&mut self, left: Expr) -> Result<Expr> {
        let (quantifier, height) = match self.advance() {
            Token::Any => (Quantifier::Any, 0),
            Token::All => (Quantifier::All, 0),
            Token::None => (Quantifier::None, 0),
            _ => {
                let count = self.at_least_count()?;
                let height = count.height;
                (Quantifier::AtLeast(Box::new(count)), height)
            }
        };
        let Some(op) = Self::is_comparison(self.peek()) else { return self.unexpected(&[]) };
        self.next += 1;
        let power = match op {
            BinaryOp::Eq | BinaryOp::Ne => power::EQUALITY,
            BinaryOp::In | BinaryOp::NotIn => power::IN,
            _ => power::RELATION,
        };
        let right = self.climb(power + 1)?;
        let below = left.height.max(right.height).max(height);
        self.make(left.at, below, ExprKind::ArrayCompare(quantifier, op, Box::new(left), Box::new(right)))
    }

    fn at_least_count(&mut self) -> Result<Expr> {
        self.expect(&Token::Open)?;
        let count = self.inner_expression()?;
        self.expect(&Token::Close)?;
        Ok(count)
    }

    fn ternary(&mut self, condition: Expr) -> Result<Expr> {
        let then = if self.peek() == &Token::Colon { None } else { Some(Box::new(self.expression()?)) };
        self.expect(&Token::Colon)?;
        let otherwise = self.climb(power::TERNARY)?;
        let below = condition.height.max(otherwise.height).max(then.as_ref().map_or(0, |then| then.height));
        self.make(condition.at, below, ExprKind::Ternary(Box::new(condition), then, Box::new(otherwise)))
    }

    fn unary(&mut self) -> Result<Expr> {
        let at = self.at();
        let op = match self.peek() {
            Token::Minus => UnaryOp::Minus,
            Token::Plus => UnaryOp::Plus,
            Token::Not => UnaryOp::Not,
            _ => return self.postfix(),
        };
        self.next += 1;
        let operand = self.climb(power::UNARY)?;
        self.make(at, operand.height, ExprKind::Unary(op, Box::new(operand)))
    }

    /// A primary expression with everything that is accessed in it.
    fn postfix(&mut self) -> Result<Expr> {
        let (base, is_base) = self.primary()?;
        if !is_base {
            return Ok(base);
        }
        let mut chain = Vec::new();
        loop {
            match self.peek() {
                Token::Dot => {
                    self.next += 1;
                    chain.push(self.attribute()?);
                }
                Token::ArrayOpen => {
                    self.next += 1;
                    chain.push(self.bracketed(Self::indexed_or_expansion)?);
                }
                _ => break,
            }
            if chain.len() > crate::ast::NESTING_MAX as usize {
                return Err(code::QUERY_TOO_MUCH_NESTING.into());
            }
        }
        self.build_chain(base, chain)
    }

    fn attribute(&mut self) -> Result<Access> {
        match self.peek() {
            Token::Param(name) => {
                let name = name.clone();
                self.next += 1;
                Ok(Access::Bound(name))
            }
            _ => Ok(Access::Attribute(self.ident()?.name)),
        }
    }

    fn indexed_or_expansion(&mut self) -> Result<Access> {
        match self.peek() {
            Token::Times => self.expansion(),
            Token::Question => self.question(),
            _ => {
                let index = self.expression()?;
                self.expect(&Token::ArrayClose)?;
                Ok(Access::Index(index))
            }
        }
    }

    fn expansion(&mut self) -> Result<Access> {
        let mut levels = 0;
        while self.eat(&Token::Times) {
            levels += 1;
        }
        if matches!(self.peek(), Token::All | Token::Any | Token::None | Token::AtLeast) {
            return self.fail_here(code::QUERY_PARSE, "unexpected quantifier value found for array expansion operation.");
        }
        let filter = if self.eat(&Token::Filter) { Some(self.expression()?) } else { None };
        let limit = if self.eat(&Token::Limit) { Some(self.offset_and_count()?) } else { None };
        let projection = if self.eat(&Token::Return) { Some(self.expression()?) } else { None };
        self.expect(&Token::ArrayClose)?;
        Ok(Access::Expansion(Box::new(ExpansionParts { levels, filter, limit, projection, question: None })))
    }

    pub(super) fn offset_and_count(&mut self) -> Result<(Option<Expr>, Expr)> {
        let first = self.expression()?;
        if self.eat(&Token::Comma) { Ok((Some(first), self.expression()?)) } else { Ok((None, first)) }
    }

    fn question(&mut self) -> Result<Access> {
        self.next += 1;
        let quantifier = match self.peek() {
            Token::ArrayClose | Token::Filter => None,
            _ => Some(self.question_quantifier()?),
        };
        let filter = if self.eat(&Token::Filter) { Some(self.expression()?) } else { None };
        self.expect(&Token::ArrayClose)?;
        Ok(Access::Expansion(Box::new(ExpansionParts { levels: 1, filter, limit: None, projection: None, question: Some(quantifier) })))
    }

    fn question_quantifier(&mut self) -> Result<Quantifier> {
        let simple = match self.peek() {
            Token::Any => Some(Quantifier::Any),
            Token::All => Some(Quantifier::All),
            Token::None => Some(Quantifier::None),
            Token::AtLeast => {
                self.next += 1;
                return Ok(Quantifier::AtLeast(Box::new(self.at_least_count()?)));
            }
            _ => None,
        };
        if let Some(quantifier) = simple {
            self.next += 1;
            return Ok(quantifier);
        }
        let count = self.expression()?;
        Ok(match count.kind {
            ExprKind::Range(low, high) => Quantifier::Between(low, high),
            kind => Quantifier::Exactly(Box::new(Expr { kind, at: count.at, height: count.height })),
        })
    }

    /// Applies a chain; everything after an expansion belongs to its elements.
    fn build_chain(&mut self, base: Expr, chain: Vec<Access>) -> Result<Expr> {
        let mut expr = base;
        let mut accesses = chain.into_iter();
        while let Some(access) = accesses.next() {
            let (at, height) = (expr.at, expr.height);
            expr = match access {
                Access::Attribute(name) => self.make(at, height, ExprKind::Attribute(Box::new(expr), name))?,
                Access::Bound(name) => self.make(at, height, ExprKind::BoundAttribute(Box::new(expr), name))?,
                Access::Index(index) => self.make(at, height.max(index.height), ExprKind::Indexed(Box::new(expr), Box::new(index)))?,
                Access::Expansion(parts) if parts.question.is_some() => self.build_expansion(expr, *parts, None)?,
                Access::Expansion(parts) => {
                    let rest: Vec<Access> = accesses.by_ref().collect();
                    let tail = if rest.is_empty() {
                        None
                    } else {
                        let element = self.make(at, 0, ExprKind::Element)?;
                        Some(self.nested(|parser| parser.build_chain(element, rest))?)
                    };
                    self.build_expansion(expr, *parts, tail)?
                }
            };
        }
        Ok(expr)
    }

    fn build_expansion(&mut self, input: Expr, parts: ExpansionParts, tail: Option<Expr>) -> Result<Expr> {
        let at = input.at;
        let limits = parts.limit.iter().flat_map(|(offset, count)| offset.iter().chain(Some(count)));
        let inner = parts.filter.iter().chain(&parts.projection).chain(&tail).chain(limits).map(|expr| expr.height);
        let below = inner.max().unwrap_or(0).max(input.height) + 1;
        let ExpansionParts { levels, filter, limit, projection, question } = parts;
        self.make(at, below, ExprKind::Expansion(Box::new(Expansion { input, levels, filter, limit, projection, tail, question })))
    }

    /// A primary expression, and whether `.` and `[` may follow it.
    fn primary(&mut self) -> Result<(Expr, bool)> {
        let at = self.at();
        let literal = |value| ExprKind::Literal(value);
        let (kind, is_base) = match self.peek().clone() {
            Token::Null => (literal(Value::null()), false),
            Token::True => (literal(Value::bool(true)), false),
            Token::False => (literal(Value::bool(false)), false),
            Token::Int(number) => (literal(Value::int(number)), false),
            Token::Double(number) => (literal(Value::double(number)), false),
            Token::HugeNumber => (ExprKind::HugeNumber, false),
            Token::Text(text) => (literal(Value::string(&text)), false),
            Token::Param(name) => (ExprKind::Param(name), true),
            Token::SourceParam(name) => (ExprKind::SourceParam(name), true),
            Token::Open => return Ok((self.parenthesised()?, true)),
            Token::ArrayOpen => return Ok((self.array()?, true)),
            Token::ObjectOpen => return Ok((self.object()?, true)),
            Token::Like if self.peek_at(1) == &Token::Open => {
                self.next += 1;
                return Ok((self.call(at, "LIKE".into())?, true));
            }
            Token::Name { text, quoted } => {
                self.next += 1;
                if !quoted && matches!(self.peek(), Token::Open | Token::Scope) {
                    return Ok((self.call(at, text)?, true));
                }
                return Ok((self.make(at, 0, ExprKind::Name(text))?, true));
            }
            _ => return self.unexpected(&[]),
        };
        self.next += 1;
        Ok((self.make(at, 0, kind)?, is_base))
    }

    fn parenthesised(&mut self) -> Result<Expr> {
        self.next += 1;
        let inner = if self.peek().begins_statement() { self.subquery()? } else { self.inner_expression()? };
        self.expect(&Token::Close)?;
        Ok(inner)
    }

    fn call(&mut self, at: u32, first: String) -> Result<Expr> {
        let mut name = first;
        while self.eat(&Token::Scope) {
            name.push_str("::");
            name.push_str(&self.ident()?.name);
        }
        self.expect(&Token::Open)?;
        let mut args = Vec::new();
        while self.peek() != &Token::Close {
            let arg = if self.peek().begins_statement() { self.subquery()? } else { self.inner_expression()? };
            args.push(arg);
            if !self.eat(&Token::Comma) {
                break;
            }
            if self.peek() == &Token::Close {
                return self.unexpected(&[]);
            }
        }
        self.expect(&Token::Close)?;
        let below = args.iter().map(|arg| arg.height).max().unwrap_or(0);
        self.make(at, below, ExprKind::Call(name, args))
    }

    fn array(&mut self) -> Result<Expr> {
        let at = self.at();
        self.next += 1;
        let mut items = Vec::new();
        while self.peek() != &Token::ArrayClose {
            items.push(self.inner_expression()?);
            if !self.eat(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::ArrayClose)?;
        let below = items.iter().map(|item| item.height).max().unwrap_or(0);
        self.make(at, below, ExprKind::Array(items))
    }

    pub(super) fn object(&mut self) -> Result<Expr> {
        let at = self.at();
        self.expect(&Token::ObjectOpen)?;
        let mut entries = Vec::new();
        while self.peek() != &Token::ObjectClose {
            entries.push(self.bracketed(Self::object_entry)?);
            if !self.eat(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::ObjectClose)?;
        let heights = entries.iter().map(|(key, value)| match key {
            Key::Computed(key) => key.height.max(value.height),
            _ => value.height,
        });
        let below = heights.max().unwrap_or(0);
        self.make(at, below, ExprKind::Object(entries))
    }

    fn object_entry(&mut self) -> Result<(Key, Expr)> {
        let at = self.at();
        let key = match self.advance() {
            Token::Name { text, .. } => {
                if self.peek() != &Token::Colon {
                    let value = self.make(at, 0, ExprKind::Name(text.clone()))?;
                    return Ok((Key::Name(text), value));
                }
                Key::Name(text)
            }
            Token::Text(text) => Key::Name(text),
            Token::Param(name) => Key::Param(name),
            Token::SourceParam(name) => Key::SourceParam(name),
            Token::ArrayOpen => {
                let key = self.expression()?;
                self.expect(&Token::ArrayClose)?;
                Key::Computed(key)
            }
            _ => {
                self.next -= 1;
                return self.unexpected(&[]);
            }
        };
        self.expect(&Token::Colon)?;
        Ok((key, self.expression()?))
    }
}
