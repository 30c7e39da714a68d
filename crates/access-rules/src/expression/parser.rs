//! Tokens to tree, by operator precedence with a stack of its own. Type mistakes that involve a constant are refused
//! here, where the column is known; nothing else is decided.

use std::borrow::Cow;

use super::ast::{Kind, Literal, Node, UserSet};
use super::lexer::{Positioned, Token, tokenize};
use super::{MAX_DEPTH, MAX_LENGTH, MAX_NODES};

/// Why a text is not an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct ParseError {
    /// Where, counted in characters from 1.
    pub column: usize,
    /// What was expected, as a sentence without the column.
    pub message: Cow<'static, str>,
}

impl ParseError {
    pub(super) fn new(column: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self { column, message: message.into() }
    }
}

/// ```text
/// expression := or [";"]
/// or         := and { "||" and }
/// and        := comparison { "&&" comparison }
/// comparison := unary [ ("==" | "!=" | "===" | "!==" | "in") unary ]
/// unary      := "!" unary | operand
/// operand    := literal | array | fact { "." name | "[" string "]" } | "(" or ")"
/// ```
pub(super) fn parse(text: &str) -> Result<Parsed, ParseError> {
    if text.len() > MAX_LENGTH {
        return Err(ParseError::new(1, format!("expected at most {MAX_LENGTH} bytes, found {}", text.len())));
    }
    let mut parser = Parser {
        tokens: tokenize(text)?.into_iter().peekable(),
        nesting: 0,
        nodes: 0,
        operand_columns: Vec::new(),
    };
    if parser.next_is(&Token::End) {
        return Err(ParseError::new(1, "expected an expression; write `true` to allow, `false` to deny"));
    }
    let root = parser.expression()?;
    Ok(Parsed { root, operand_columns: parser.operand_columns })
}

/// A tree, and where the constants, lists and facts in it stand, in the order of the text.
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) operand_columns: Vec<usize>,
}

/// A parsed part of the tree, with what later checks of it need.
struct Part {
    node: Node,
    /// Levels of the tree, at least 1.
    depth: usize,
    /// Where it starts.
    column: usize,
}

/// What stands to the left of the current operand, up to the last open parenthesis.
#[derive(Default)]
struct Level {
    /// Finished operands of `||`.
    or: Vec<Part>,
    /// Finished operands of `&&`.
    and: Vec<Part>,
    /// The left side of a comparison, its operator and the column of that.
    comparison: Option<(Part, Comparison, usize)>,
    /// Whether the last operand was the right side of a comparison.
    compared: bool,
    /// How many `!` stand directly before the operand.
    negations: usize,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Equal(bool),
    In,
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    And,
    Or,
    Compare(Comparison),
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Positioned>>,
    /// Open parentheses and pending negations.
    nesting: usize,
    nodes: usize,
    operand_columns: Vec<usize>,
}

impl Parser {
    fn peek(&mut self) -> &Token {
        self.tokens.peek().map_or(&Token::End, |positioned| &positioned.token)
    }

    fn column(&mut self) -> usize {
        self.tokens.peek().map_or(1, |positioned| positioned.column)
    }

    fn next_is(&mut self, token: &Token) -> bool {
        self.peek() == token
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.next_is(token);
        if found {
            self.tokens.next();
        }
        found
    }

    fn expected(&mut self, what: &str) -> ParseError {
        let found = self.peek();
        let operator = match found {
            Token::Word(word) => in_symbols(word),
            _ => None,
        };
        let hint = operator.map_or_else(String::new, |operator| format!(": write `{operator}`"));
        let message = format!("expected {what}, found {}{hint}", found.describe());
        ParseError::new(self.column(), message)
    }

    fn count_node(&mut self, column: usize) -> Result<(), ParseError> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MAX_NODES {
            return Err(ParseError::new(
                column,
                format!("expected at most {MAX_NODES} operands and operators"),
            ));
        }
        Ok(())
    }

    /// A loop with a stack of its own: however deep a text nests, the machine's stack does not grow.
    fn expression(&mut self) -> Result<Node, ParseError> {
        let mut outer: Vec<Level> = Vec::new();
        let mut level = Level::default();
        loop {
            self.open(&mut outer, &mut level)?;
            let operand = self.operand()?;
            let operand = self.finish_operand(&mut level, operand)?;
            let operand = self.close(&mut outer, &mut level, operand)?;
            let column = self.column();
            match self.operator(&level)? {
                Some(Operator::Compare(comparison)) => level.comparison = Some((operand, comparison, column)),
                Some(Operator::And) => level.and.push(condition(operand)?),
                Some(Operator::Or) => {
                    let alternative =
                        self.finish_chain(std::mem::take(&mut level.and), operand, Node::And)?;
                    level.or.push(condition(alternative)?);
                }
                None if outer.is_empty() => return self.end(level, operand),
                None => return Err(self.expected("an operator or `)`")),
            }
            level.compared = false;
        }
    }

    /// Takes the `!` and `(` before an operand.
    fn open(&mut self, outer: &mut Vec<Level>, level: &mut Level) -> Result<(), ParseError> {
        loop {
            let column = self.column();
            if self.take(&Token::Not) {
                level.negations = level.negations.saturating_add(1);
            } else if self.take(&Token::OpenParenthesis) {
                outer.push(std::mem::take(level));
            } else {
                return Ok(());
            }
            self.nesting = self.nesting.saturating_add(1);
            check_depth(self.nesting, column)?;
        }
    }

    /// Takes the `)` after an operand; what they enclose becomes the operand.
    fn close(
        &mut self,
        outer: &mut Vec<Level>,
        level: &mut Level,
        operand: Part,
    ) -> Result<Part, ParseError> {
        let mut operand = operand;
        while self.next_is(&Token::CloseParenthesis) {
            let Some(enclosing) = outer.pop() else {
                return Err(self.expected("an operator or the end of the expression"));
            };
            self.tokens.next();
            self.nesting = self.nesting.saturating_sub(1);
            let inner = self.finish_level(std::mem::replace(level, enclosing), operand)?;
            operand = self.finish_operand(level, inner)?;
        }
        Ok(operand)
    }

    fn end(&mut self, level: Level, operand: Part) -> Result<Node, ParseError> {
        self.take(&Token::Semicolon);
        if !self.next_is(&Token::End) {
            return Err(self.expected("an operator or the end of the expression"));
        }
        let root = self.finish_level(level, operand)?;
        Ok(condition(root)?.node)
    }

    fn operator(&mut self, level: &Level) -> Result<Option<Operator>, ParseError> {
        let operator = match self.peek() {
            Token::And => Operator::And,
            Token::Or => Operator::Or,
            Token::Equal => Operator::Compare(Comparison::Equal(true)),
            Token::NotEqual => Operator::Compare(Comparison::Equal(false)),
            Token::Word(word) if **word == *"in" => Operator::Compare(Comparison::In),
            _ => return Ok(None),
        };
        // `a == b == c` and `a in b in c` have no obvious meaning (G-EXP-18).
        if level.compared && matches!(operator, Operator::Compare(_)) {
            return Err(self.expected("`&&`, `||` or the end: comparisons do not chain, use parentheses"));
        }
        self.tokens.next();
        Ok(Some(operator))
    }

    /// Applies the `!` before an operand, and the comparison that it is the right side of.
    fn finish_operand(&mut self, level: &mut Level, operand: Part) -> Result<Part, ParseError> {
        let mut operand = operand;
        for _ in 0..std::mem::take(&mut level.negations) {
            self.nesting = self.nesting.saturating_sub(1);
            let Part { node, depth, column } = condition(operand)?;
            operand = self.part(Node::Not(Box::new(node)), depth, column)?;
        }
        let Some((left, comparison, column)) = level.comparison.take() else { return Ok(operand) };
        level.compared = true;
        let depth = left.depth.max(operand.depth);
        let (start, left, right) = (left.column, Box::new(left.node), Box::new(operand.node));
        let node = match comparison {
            Comparison::Equal(equal) => {
                check_comparison(&left, &right, column)?;
                Node::Compare { equal, left, right }
            }
            Comparison::In => {
                check_membership(&left, &right, column)?;
                Node::In { needle: left, haystack: right }
            }
        };
        self.part(node, depth, start)
    }

    /// Everything between two parentheses, or the whole text, is read: `last` is its last operand.
    fn finish_level(&mut self, level: Level, last: Part) -> Result<Part, ParseError> {
        let last = self.finish_chain(level.and, last, Node::And)?;
        self.finish_chain(level.or, last, Node::Or)
    }

    fn finish_chain(
        &mut self,
        operands: Vec<Part>,
        last: Part,
        build: fn(Vec<Node>) -> Node,
    ) -> Result<Part, ParseError> {
        let Some(column) = operands.first().map(|part| part.column) else { return Ok(last) };
        let last = condition(last)?;
        let depth = operands.iter().map(|part| part.depth).fold(last.depth, usize::max);
        let nodes = operands.into_iter().chain([last]).map(|part| part.node).collect();
        self.part(build(nodes), depth, column)
    }

    fn part(&mut self, node: Node, depth_below: usize, column: usize) -> Result<Part, ParseError> {
        self.count_node(column)?;
        let depth = depth_below.saturating_add(1);
        check_depth(depth, column)?;
        Ok(Part { node, depth, column })
    }

    fn operand(&mut self) -> Result<Part, ParseError> {
        let column = self.column();
        self.operand_columns.push(column);
        let node = if self.next_is(&Token::OpenBracket) { self.array()? } else { self.fact_or_literal()? };
        self.part(node, 0, column)
    }

    fn array(&mut self) -> Result<Node, ParseError> {
        self.tokens.next();
        let mut elements = Vec::new();
        if self.take(&Token::CloseBracket) {
            return Ok(Node::Array(elements));
        }
        loop {
            let column = self.column();
            self.count_node(column)?;
            match self.literal() {
                Some(element) => elements.push(element),
                None => {
                    return Err(self.expected("a constant: arrays hold strings, numbers, booleans or null"));
                }
            }
            if self.take(&Token::CloseBracket) {
                return Ok(Node::Array(elements));
            }
            if !self.take(&Token::Comma) {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    /// Takes the next token if it is a constant.
    fn literal(&mut self) -> Option<Literal> {
        let literal = match self.peek() {
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Number(number) => Literal::Number(*number),
            Token::Word(word) => match &**word {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                "null" => Literal::Null,
                _ => return None,
            },
            _ => return None,
        };
        self.tokens.next();
        Some(literal)
    }

    fn fact_or_literal(&mut self) -> Result<Node, ParseError> {
        if let Some(literal) = self.literal() {
            return Ok(Node::Literal(literal));
        }
        let node = match self.peek() {
            Token::Word(word) => match &**word {
                "groups" => Node::Set(UserSet::Groups),
                "permissions" => Node::Set(UserSet::Permissions),
                "clientType" => Node::ClientType,
                "isBackoffice" | "isBackOffice" => Node::IsBackoffice,
                _ => {
                    return Err(self.expected(
                        "one of groups, permissions, clientType, isBackoffice, true, false, null",
                    ));
                }
            },
            _ => return Err(self.expected("an operand, such as groups.admin, clientType, a string or `(`")),
        };
        self.tokens.next();
        self.member(node)
    }

    fn member(&mut self, fact: Node) -> Result<Node, ParseError> {
        let column = self.column();
        let Some(name) = self.member_name()? else { return Ok(fact) };
        let Node::Set(set) = fact else {
            return Err(ParseError::new(column, format!("expected an operator: {fact} has no members")));
        };
        if self.next_is(&Token::Dot) || self.next_is(&Token::OpenBracket) {
            return Err(self.expected(&format!(
                "an operator: a member of {set} has no members; write a name that holds a dot as {set}[\"a.b\"]"
            )));
        }
        if self.next_is(&Token::Colon) {
            let column = self.column();
            let whole = self.rest_of_name(&name);
            let message = format!(
                "expected an operator, found `:`: write a name that holds a colon as {set}[\"{whole}\"]"
            );
            return Err(ParseError::new(column, message));
        }
        Ok(Node::Member(set, name))
    }

    /// The name as its author meant it, with the colons that need quotes.
    fn rest_of_name(&mut self, beginning: &str) -> String {
        let mut whole = beginning.to_owned();
        while self.take(&Token::Colon) {
            whole.push(':');
            if let Some(Positioned { token: Token::Word(part), .. }) =
                self.tokens.next_if(|positioned| matches!(positioned.token, Token::Word(_)))
            {
                whole.push_str(&part);
            }
        }
        whole
    }

    fn member_name(&mut self) -> Result<Option<Box<str>>, ParseError> {
        if self.take(&Token::Dot) {
            return match self.tokens.next_if(|positioned| matches!(positioned.token, Token::Word(_))) {
                Some(Positioned { token: Token::Word(name), .. }) => Ok(Some(name)),
                _ => Err(self.expected("a name of letters, digits, `_`, `$` or `-` after the dot")),
            };
        }
        if self.take(&Token::OpenBracket) {
            return match self.tokens.next_if(|positioned| matches!(positioned.token, Token::Text(_))) {
                Some(Positioned { token: Token::Text(name), .. }) if self.take(&Token::CloseBracket) => {
                    Ok(Some(name))
                }
                Some(_) => Err(self.expected("`]`")),
                _ => Err(self.expected("a quoted name after `[`")),
            };
        }
        Ok(None)
    }
}

/// The operator that other languages spell as this word.
fn in_symbols(word: &str) -> Option<&'static str> {
    match word {
        "and" | "AND" => Some("&&"),
        "or" | "OR" => Some("||"),
        "not" | "NOT" => Some("!"),
        _ => None,
    }
}

fn check_depth(depth: usize, column: usize) -> Result<(), ParseError> {
    if depth > MAX_DEPTH {
        return Err(ParseError::new(column, format!("expected at most {MAX_DEPTH} levels of nesting")));
    }
    Ok(())
}

/// The part, if it can be true or false.
fn condition(part: Part) -> Result<Part, ParseError> {
    if part.node.kind() == Kind::Array {
        let message = "expected a condition: an array is neither true nor false, use it with `in`";
        return Err(ParseError::new(part.column, message));
    }
    Ok(part)
}

/// `clientType == null` can never be what its author meant; two facts of different kinds deny at evaluation.
fn check_comparison(left: &Node, right: &Node, column: usize) -> Result<(), ParseError> {
    let comparable = left.kind() == right.kind() && !matches!(left.kind(), Kind::Set | Kind::Array);
    if comparable || !(left.is_constant() || right.is_constant()) {
        return Ok(());
    }
    let hint = if matches!((left, right), (Node::ClientType, _) | (_, Node::ClientType)) {
        " (an absent client type is the empty string \"\")"
    } else {
        ""
    };
    Err(ParseError::new(
        column,
        format!("expected two values of one type, found {} and {}{hint}", left.kind(), right.kind()),
    ))
}

fn check_membership(needle: &Node, haystack: &Node, column: usize) -> Result<(), ParseError> {
    if haystack.is_constant() && haystack.kind() != Kind::Array {
        return Err(ParseError::new(
            column,
            format!("expected groups, permissions or an array after `in`, found {}", haystack.kind()),
        ));
    }
    let needle_fits = match (needle, haystack.kind()) {
        (Node::Array(elements), Kind::Set) => elements.iter().all(|element| element.kind() == Kind::Text),
        (Node::Array(_), _) => false,
        (_, Kind::Set) => needle.kind() == Kind::Text,
        _ => true,
    };
    if needle.is_constant() && !needle_fits {
        return Err(ParseError::new(column, "expected a string, or an array of strings, before `in`"));
    }
    Ok(())
}
