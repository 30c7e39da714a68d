//! Text to tokens. Knows how things are spelled, not what they mean.

use super::ast::is_name_character;
use super::parser::ParseError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A word: keyword, fact, or the name after a dot.
    Word(Box<str>),
    Text(Box<str>),
    Number(f64),
    And,
    Or,
    Not,
    Equal,
    NotEqual,
    OpenParenthesis,
    CloseParenthesis,
    OpenBracket,
    CloseBracket,
    Comma,
    Dot,
    /// No operator: people write it in names.
    Colon,
    Semicolon,
    End,
}

impl Token {
    /// How a message names the token.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Text(_) => "a string".to_owned(),
            Self::Number(_) => "a number".to_owned(),
            Self::And => "`&&`".to_owned(),
            Self::Or => "`||`".to_owned(),
            Self::Not => "`!`".to_owned(),
            Self::Equal => "`==`".to_owned(),
            Self::NotEqual => "`!=`".to_owned(),
            Self::OpenParenthesis => "`(`".to_owned(),
            Self::CloseParenthesis => "`)`".to_owned(),
            Self::OpenBracket => "`[`".to_owned(),
            Self::CloseBracket => "`]`".to_owned(),
            Self::Comma => "`,`".to_owned(),
            Self::Dot => "`.`".to_owned(),
            Self::Colon => "`:`".to_owned(),
            Self::Semicolon => "`;`".to_owned(),
            Self::End => "the end of the expression".to_owned(),
        }
    }
}

/// A token and the column of its first character, counted in characters from 1.
#[derive(Debug)]
pub(super) struct Positioned {
    pub(super) token: Token,
    pub(super) column: usize,
}

/// All tokens of the text, closed by [`Token::End`].
pub(super) fn tokenize(text: &str) -> Result<Vec<Positioned>, ParseError> {
    let mut lexer = Lexer { rest: text, column: 1, after_dot: false };
    let mut tokens = Vec::new();
    loop {
        let positioned = lexer.next_token()?;
        let end = positioned.token == Token::End;
        tokens.push(positioned);
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    column: usize,
    /// After a dot any name may follow, also one that starts with a digit or spells a keyword; after a colon the rest of one.
    after_dot: bool,
}

impl Lexer<'_> {
    fn next_token(&mut self) -> Result<Positioned, ParseError> {
        // Only the four blanks of JSON: a no-break space inside a rule is a mistake, not a blank (G-EXP-10).
        while self.peek().is_some_and(|character| matches!(character, ' ' | '\t' | '\r' | '\n')) {
            self.bump();
        }
        let column = self.column;
        let token = match self.peek() {
            None => Token::End,
            Some(character) if self.after_dot && is_name_character(character) => self.word(),
            Some(character) if character.is_ascii_alphabetic() || character == '_' => self.word(),
            Some(character) if character.is_ascii_digit() || character == '-' => self.number()?,
            Some(quote @ ('"' | '\'')) => self.text(quote)?,
            Some(_) => self.operator()?,
        };
        self.after_dot = matches!(token, Token::Dot | Token::Colon);
        Ok(Positioned { token, column })
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        self.column = self.column.saturating_add(1);
        Some(character)
    }

    fn take(&mut self, expected: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(expected) else { return false };
        self.rest = rest;
        self.column = self.column.saturating_add(expected.chars().count());
        true
    }

    fn take_while(&mut self, condition: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(character) = self.peek().filter(|character| condition(*character)) {
            taken.push(character);
            self.bump();
        }
        taken
    }

    fn word(&mut self) -> Token {
        Token::Word(self.take_while(is_name_character).into_boxed_str())
    }

    fn number(&mut self) -> Result<Token, ParseError> {
        let column = self.column;
        let mut digits = String::new();
        if self.take("-") {
            digits.push('-');
        }
        digits.push_str(&self.take_while(|character| character.is_ascii_digit()));
        if self.take(".") {
            digits.push('.');
            digits.push_str(&self.take_while(|character| character.is_ascii_digit()));
        }
        let complete = digits.ends_with(|character: char| character.is_ascii_digit())
            && !self.peek().is_some_and(|character| is_name_character(character) || character == '.');
        match digits.parse::<f64>() {
            Ok(value) if complete && value.is_finite() => Ok(Token::Number(value)),
            _ => Err(ParseError::new(column, "expected a plain number such as 12 or 1.5")),
        }
    }

    fn operator(&mut self) -> Result<Token, ParseError> {
        // Longest spelling first.
        const OPERATORS: [(&str, Token); 15] = [
            ("===", Token::Equal),
            ("!==", Token::NotEqual),
            ("==", Token::Equal),
            ("!=", Token::NotEqual),
            ("&&", Token::And),
            ("||", Token::Or),
            ("!", Token::Not),
            ("(", Token::OpenParenthesis),
            (")", Token::CloseParenthesis),
            ("[", Token::OpenBracket),
            ("]", Token::CloseBracket),
            (",", Token::Comma),
            (".", Token::Dot),
            (":", Token::Colon),
            (";", Token::Semicolon),
        ];
        for (spelling, token) in OPERATORS {
            if self.take(spelling) {
                return Ok(token);
            }
        }
        Err(self.unexpected_character())
    }

    fn unexpected_character(&self) -> ParseError {
        let message = match self.peek() {
            Some('&') => "expected `&&`: a single `&` is not an operator".to_owned(),
            Some('|') => "expected `||`: a single `|` is not an operator".to_owned(),
            Some('=') => "expected `==`: a single `=` is not an operator".to_owned(),
            Some(character) if character.is_ascii_graphic() => {
                format!("expected an operand or an operator, found `{character}`")
            }
            // A look-alike or an invisible character is named by its number, or nobody would see it.
            other => format!(
                "expected an operand or an operator, found the character U+{:04X}",
                other.map_or(0, u32::from)
            ),
        };
        ParseError::new(self.column, message)
    }

    fn text(&mut self, quote: char) -> Result<Token, ParseError> {
        let start = self.column;
        self.bump();
        let mut value = String::new();
        loop {
            let column = self.column;
            match self.bump() {
                None => {
                    return Err(ParseError::new(
                        start,
                        format!("expected a closing {quote} for the string that opens here"),
                    ));
                }
                Some(character) if character == quote => return Ok(Token::Text(value.into_boxed_str())),
                Some('\\') => value.push(self.escape(column)?),
                Some(character) if character.is_control() => {
                    return Err(ParseError::new(
                        column,
                        "expected no control character inside a string; write it as \\uXXXX",
                    ));
                }
                Some(character) => value.push(character),
            }
        }
    }

    fn escape(&mut self, column: usize) -> Result<char, ParseError> {
        match self.bump() {
            Some(character @ ('"' | '\'' | '\\' | '/')) => Ok(character),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => self.unicode_escape(column),
            _ => Err(ParseError::new(
                column,
                "expected one of the escapes \\\" \\' \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX",
            )),
        }
    }

    /// `\uXXXX`, or two of them for a character beyond the basic plane, as in JSON (RFC 8259 §7).
    fn unicode_escape(&mut self, column: usize) -> Result<char, ParseError> {
        let incomplete =
            || ParseError::new(column, "expected \\u and four hexadecimal digits that name a character");
        let first = self.code_unit().ok_or_else(incomplete)?;
        let mut units = vec![first];
        if (0xD800..0xDC00).contains(&first) && self.take("\\u") {
            units.push(self.code_unit().ok_or_else(incomplete)?);
        }
        let mut decoded = char::decode_utf16(units);
        match (decoded.next(), decoded.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(incomplete()),
        }
    }

    fn code_unit(&mut self) -> Option<u16> {
        let mut value: u16 = 0;
        for _ in 0..4 {
            let digit = u16::try_from(self.bump()?.to_digit(16)?).ok()?;
            value = value.checked_mul(16)?.checked_add(digit)?;
        }
        Some(value)
    }
}
