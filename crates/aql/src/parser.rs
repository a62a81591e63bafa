//! Tokens to the syntax tree: recursive descent for statements (`statements`), precedence climbing
//! for expressions (`expressions`).
//!
//! Invariant: the parser never recurses deeper than [`NESTING_MAX`] expressions, and never builds a
//! tree higher than that (1524).

mod expressions;
mod statements;

use crate::ast::{Expr, ExprKind, Ident, NESTING_MAX, Query};
use crate::lexer;
use crate::position::error_near;
use crate::token::{Spanned, Token};
use base::{Code, Error, Result, code};

/// Parses a whole query.
pub(crate) fn parse(text: &str) -> Result<Query> {
    let tokens = lexer::tokens(text)?;
    if tokens.len() <= 1 {
        return Err(Error::from(code::QUERY_EMPTY));
    }
    let mut parser = Parser { text, tokens, next: 0, depth: 0, highest: 0, before_target: false };
    let query = parser.query()?;
    match parser.peek() {
        Token::End => Ok(query),
        _ => parser.unexpected(&[]),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Spanned>,
    next: usize,
    /// Nesting of the recursion.
    depth: u32,
    /// Greatest height of an expression since the innermost subquery began.
    highest: u32,
    /// The expression being read is followed by `IN target`, so the last `IN` is not its operator.
    before_target: bool,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.next + ahead).map_or(&Token::End, |spanned| &spanned.token)
    }

    fn at(&self) -> u32 {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |spanned| spanned.at)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token) -> Result<()> {
        if self.eat(token) { Ok(()) } else { self.unexpected(&[token.alias()]) }
    }

    /// Is the next token this bare contextual word (`OPTIONS`, `KEEP` …)?
    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Name { text, quoted: false } if text.eq_ignore_ascii_case(word))
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.eat_word(word) {
            return Ok(());
        }
        self.fail_here(code::QUERY_PARSE, &format!("unexpected qualifier, expecting '{word}'"))
    }

    fn ident(&mut self) -> Result<Ident> {
        let at = self.at();
        match self.peek() {
            Token::Name { text, .. } => {
                let name = text.clone();
                self.next += 1;
                Ok(Ident { name, at })
            }
            _ => self.unexpected(&["identifier"]),
        }
    }

    fn fail_here<T>(&self, code: Code, message: &str) -> Result<T> {
        Err(error_near(self.text, self.at(), code, message))
    }

    fn unexpected<T>(&self, expecting: &[&str]) -> Result<T> {
        let mut message = format!("syntax error, unexpected {}", self.peek().alias());
        if !expecting.is_empty() {
            message.push_str(", expecting ");
            message.push_str(&expecting.join(" or "));
        }
        self.fail_here(code::QUERY_PARSE, &message)
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= NESTING_MAX {
            return Err(Error::from(code::QUERY_TOO_MUCH_NESTING));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Reads something inside brackets, where `IN` is an operator again.
    fn bracketed<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before_target = std::mem::replace(&mut self.before_target, false);
        let parsed = parse(self);
        self.before_target = before_target;
        parsed
    }

    /// An expression over others of at most height `below`.
    fn make(&mut self, at: u32, below: u32, kind: ExprKind) -> Result<Expr> {
        let height = below + 1;
        if height > NESTING_MAX {
            return Err(Error::from(code::QUERY_TOO_MUCH_NESTING));
        }
        self.highest = self.highest.max(height);
        Ok(Expr { kind, at, height })
    }

    /// A subquery as an expression; the next token begins its first statement.
    fn subquery(&mut self) -> Result<Expr> {
        let at = self.at();
        let outer = std::mem::replace(&mut self.highest, 0);
        let query = self.bracketed(|parser| parser.nested(Self::query))?;
        let below = std::mem::replace(&mut self.highest, outer) + 1;
        self.make(at, below, ExprKind::Subquery(Box::new(query)))
    }
}
