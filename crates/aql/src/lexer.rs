//! Text to tokens. Every failure is 1501 with the place where it happened.

use crate::position::error_near;
use crate::token::{Spanned, Token};
use base::{Error, Result, code};

/// Most binary and hexadecimal digits of a literal.
const BINARY_DIGITS_MAX: usize = 32;
const HEX_DIGITS_MAX: usize = 8;

/// All tokens, [`Token::End`] last.
pub(crate) fn tokens(text: &str) -> Result<Vec<Spanned>> {
    if u32::try_from(text.len()).is_err() {
        return Err(Error::new(code::QUERY_PARSE, "query string too long"));
    }
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0, out: Vec::new() };
    while lexer.step()? {}
    Ok(lexer.out)
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    out: Vec<Spanned>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn fail<T>(&self, at: usize, message: &str) -> Result<T> {
        Err(error_near(self.text, u32::try_from(at).unwrap_or(u32::MAX), code::QUERY_PARSE, &format!("syntax error, {message}")))
    }

    fn push(&mut self, start: usize, token: Token) {
        self.out.push(Spanned { token, at: u32::try_from(start).unwrap_or(u32::MAX) });
    }

    /// Reads one token; `false` at the end.
    fn step(&mut self) -> Result<bool> {
        self.skip_blanks()?;
        let start = self.at;
        let Some(&first) = self.bytes.get(start) else {
            self.push(start, Token::End);
            return Ok(false);
        };
        let token = match first {
            b'0'..=b'9' => self.number()?,
            b'.' if self.peek(1).is_ascii_digit() => self.number()?,
            b'"' | b'\'' => self.string(first)?,
            b'`' => self.quoted_name("`")?,
            0xC2 if self.peek(1) == 0xB4 => self.quoted_name("\u{b4}")?,
            b'@' => self.parameter()?,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'$' => self.name()?,
            _ => self.operator()?,
        };
        self.push(start, token);
        Ok(true)
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\r' | b'\n', _) if self.at < self.bytes.len() => self.at += 1,
                (b'/', b'/') => {
                    let rest = self.bytes.get(self.at..).unwrap_or_default();
                    self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                }
                (b'/', b'*') => {
                    let rest = self.text.get(self.at + 2..).unwrap_or_default();
                    match rest.find("*/") {
                        Some(end) => self.at += end + 4,
                        None => return self.fail(self.at, "unexpected unterminated multi-line comment"),
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn digits(&mut self, is_digit: impl Fn(u8) -> bool) -> usize {
        let start = self.at;
        while self.at < self.bytes.len() && is_digit(self.peek(0)) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Token> {
        let start = self.at;
        match (self.peek(0), self.peek(1)) {
            (b'0', b'b' | b'B') => return self.radix(2, BINARY_DIGITS_MAX),
            (b'0', b'x' | b'X') => return self.radix(16, HEX_DIGITS_MAX),
            (b'0', _) => self.at += 1,
            _ => {
                self.digits(|byte| byte.is_ascii_digit());
            }
        }
        let mut is_double = false;
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            is_double = true;
            self.at += 1;
            self.digits(|byte| byte.is_ascii_digit());
        }
        let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
        if matches!(self.peek(0), b'e' | b'E') && self.peek(1 + sign).is_ascii_digit() {
            is_double = true;
            self.at += 1 + sign;
            self.digits(|byte| byte.is_ascii_digit());
        }
        let literal = self.text.get(start..self.at).unwrap_or_default();
        if !is_double && let Ok(number) = literal.parse::<i64>() {
            return Ok(Token::Int(number));
        }
        match literal.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Token::Double(number)),
            Ok(_) => Ok(Token::HugeNumber),
            Err(_) => self.fail(start, "unexpected number"),
        }
    }

    fn radix(&mut self, radix: u32, digits_max: usize) -> Result<Token> {
        let start = self.at;
        self.at += 2;
        let count = self.digits(|byte| char::from(byte).is_digit(radix));
        let literal = self.text.get(start + 2..self.at).unwrap_or_default();
        match i64::from_str_radix(literal, radix) {
            Ok(number) if count <= digits_max => Ok(Token::Int(number)),
            _ => self.fail(start, "unexpected number literal"),
        }
    }

    fn string(&mut self, quote: u8) -> Result<Token> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(end) = rest.bytes().position(|byte| byte == quote || byte == b'\\') else {
                return self.fail(start, "unexpected unterminated string literal");
            };
            text.push_str(rest.get(..end).unwrap_or_default());
            self.at += end + 1;
            if rest.as_bytes().get(end) == Some(&quote) {
                return Ok(Token::Text(text));
            }
            match self.escape() {
                Some(character) => text.push(character),
                None => return self.fail(start, "unexpected unterminated string literal"),
            }
        }
    }

    /// The character of an escape sequence, its backslash read already; `None` at the end of the text.
    fn escape(&mut self) -> Option<char> {
        let escaped = self.text.get(self.at..)?.chars().next()?;
        self.at += escaped.len_utf8();
        Some(match escaped {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => match self.hex4() {
                Some(unit) => self.code_point(unit),
                None => 'u',
            },
            other => other,
        })
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let unit = u32::from_str_radix(digits, 16).ok()?;
        self.at += 4;
        Some(unit)
    }

    /// Joins surrogate pairs; a lone half becomes the replacement character.
    fn code_point(&mut self, unit: u32) -> char {
        if (0xD800..0xDC00).contains(&unit) && self.peek(0) == b'\\' && self.peek(1) == b'u' {
            let before = self.at;
            self.at += 2;
            match self.hex4() {
                Some(low) if (0xDC00..0xE000).contains(&low) => {
                    return char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)).unwrap_or('\u{fffd}');
                }
                _ => self.at = before,
            }
        }
        char::from_u32(unit).unwrap_or('\u{fffd}')
    }

    fn quoted_name(&mut self, quote: &str) -> Result<Token> {
        let start = self.at;
        let mut name = String::new();
        let mut chars = self.text.get(start + quote.len()..).unwrap_or_default().char_indices();
        while let Some((offset, character)) = chars.next() {
            if quote.starts_with(character) {
                self.at = start + quote.len() + offset + quote.len();
                return Ok(Token::Name { text: name, quoted: true });
            }
            match character {
                '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
                other => name.push(other),
            }
        }
        self.fail(start, "unexpected unterminated identifier")
    }

    fn parameter(&mut self) -> Result<Token> {
        let start = self.at;
        let signs = if self.peek(1) == b'@' { 2 } else { 1 };
        self.at += signs;
        self.digits(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let name = self.text.get(start + signs..self.at).unwrap_or_default();
        if name.trim_start_matches('_').is_empty() {
            self.at = start;
            return self.unexpected_character();
        }
        let name = name.to_owned();
        Ok(if signs == 2 { Token::SourceParam(name) } else { Token::Param(name) })
    }

    fn name(&mut self) -> Result<Token> {
        let start = self.at;
        if self.peek(0) == b'$' {
            self.at += 1;
        } else {
            self.digits(|byte| byte == b'_');
        }
        if !self.peek(0).is_ascii_alphabetic() {
            self.at = start;
            return self.unexpected_character();
        }
        self.digits(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let word = self.text.get(start..self.at).unwrap_or_default();
        match Token::keyword(word) {
            Some(Token::Not) if self.second_word("IN") => Ok(Token::NotIn),
            Some(keyword) => Ok(keyword),
            None if word.eq_ignore_ascii_case("AT") && self.second_word("LEAST") => Ok(Token::AtLeast),
            None => Ok(Token::Name { text: word.to_owned(), quoted: false }),
        }
    }

    /// Reads `word` if blanks and then exactly it follow.
    fn second_word(&mut self, word: &str) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let follows = trimmed.get(..word.len()).is_some_and(|next| next.eq_ignore_ascii_case(word))
            && !trimmed.as_bytes().get(word.len()).is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && trimmed.len() < rest.len();
        if follows {
            self.at += rest.len() - trimmed.len() + word.len();
        }
        follows
    }

    fn operator(&mut self) -> Result<Token> {
        let (length, token) = match (self.peek(0), self.peek(1)) {
            (b'=', b'=') => (2, Token::Eq),
            (b'=', b'~') => (2, Token::Matches),
            (b'=', _) => (1, Token::Assign),
            (b'!', b'=') => (2, Token::Ne),
            (b'!', b'~') => (2, Token::NotMatches),
            (b'!', _) => (1, Token::Not),
            (b'<', b'=') => (2, Token::Le),
            (b'<', _) => (1, Token::Lt),
            (b'>', b'=') => (2, Token::Ge),
            (b'>', _) => (1, Token::Gt),
            (b'&', b'&') => (2, Token::And),
            (b'|', b'|') => (2, Token::Or),
            (b'+', _) => (1, Token::Plus),
            (b'-', _) => (1, Token::Minus),
            (b'*', _) => (1, Token::Times),
            (b'/', _) => (1, Token::Div),
            (b'%', _) => (1, Token::Mod),
            (b'?', _) => (1, Token::Question),
            (b':', b':') => (2, Token::Scope),
            (b':', _) => (1, Token::Colon),
            (b'.', b'.') => (2, Token::Range),
            (b'.', _) => (1, Token::Dot),
            (b',', _) => (1, Token::Comma),
            (b'(', _) => (1, Token::Open),
            (b')', _) => (1, Token::Close),
            (b'{', _) => (1, Token::ObjectOpen),
            (b'}', _) => (1, Token::ObjectClose),
            (b'[', _) => (1, Token::ArrayOpen),
            (b']', _) => (1, Token::ArrayClose),
            _ => return self.unexpected_character(),
        };
        self.at += length;
        Ok(token)
    }

    fn unexpected_character<T>(&self) -> Result<T> {
        let character = self.text.get(self.at..).and_then(|rest| rest.chars().next()).unwrap_or('\u{fffd}');
        self.fail(self.at, &format!("unexpected character '{character}'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|spanned| spanned.token).collect()
    }

    #[test]
    fn ranges_are_not_doubles() {
        assert_eq!(lex("1..3"), [Token::Int(1), Token::Range, Token::Int(3), Token::End]);
        assert_eq!(lex(".5 1.5e3 0x1F 0b11"), [Token::Double(0.5), Token::Double(1500.0), Token::Int(31), Token::Int(3), Token::End]);
        assert_eq!(lex("99999999999999999999 1e999"), [Token::Double(1e20), Token::HugeNumber, Token::End]);
    }

    #[test]
    fn strings_and_names() {
        assert_eq!(
            lex(r#""a\u00e4\ud83d\ude00\q" 'x"'"#),
            [Token::Text("a\u{e4}\u{1f600}q".into()), Token::Text("x\"".into()), Token::End]
        );
        let name = |text: &str, quoted| Token::Name { text: text.into(), quoted };
        assert_eq!(
            lex("`a\\`b` \u{b4}for\u{b4} $x __y"),
            [name("a`b", true), name("for", true), name("$x", false), name("__y", false), Token::End]
        );
        assert!(tokens("_1").is_err() && tokens("'abc").is_err() && tokens("`abc").is_err() && tokens("/* open").is_err());
    }

    #[test]
    fn two_word_tokens_and_comments() {
        assert_eq!(
            lex("not  in // x\nat\nleast notin"),
            [Token::NotIn, Token::AtLeast, Token::Name { text: "notin".into(), quoted: false }, Token::End]
        );
        assert_eq!(lex("NOT inner"), [Token::Not, Token::Name { text: "inner".into(), quoted: false }, Token::End]);
    }
}
