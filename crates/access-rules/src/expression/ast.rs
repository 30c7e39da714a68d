//! The tree of an expression, and how it prints itself back. Chains of `&&` and `||` are flat lists, so that
//! depth means nesting and a long list of alternatives stays shallow.

use std::fmt;

/// The two sets of names that describe a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UserSet {
    Groups,
    Permissions,
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    /// Always finite.
    Number(f64),
    Text(Box<str>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Literal(Literal),
    Array(Vec<Literal>),
    ClientType,
    IsBackoffice,
    /// `groups` by itself.
    Set(UserSet),
    /// `groups.name`, `groups["name"]`.
    Member(UserSet, Box<str>),
    Not(Box<Node>),
    /// Two operands or more.
    And(Vec<Node>),
    /// Two operands or more.
    Or(Vec<Node>),
    Compare {
        equal: bool,
        left: Box<Node>,
        right: Box<Node>,
    },
    In {
        needle: Box<Node>,
        haystack: Box<Node>,
    },
}

/// What kind of value a node has. Known without facts: the language has no dynamic types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    Set,
    Array,
}

impl Node {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Literal(literal) => literal.kind(),
            Self::Array(_) => Kind::Array,
            Self::ClientType => Kind::Text,
            Self::Set(_) => Kind::Set,
            Self::IsBackoffice
            | Self::Member(..)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Compare { .. }
            | Self::In { .. } => Kind::Bool,
        }
    }

    /// Whether any node below, or this one, satisfies the condition.
    pub(super) fn any(&self, condition: &impl Fn(&Self) -> bool) -> bool {
        condition(self)
            || match self {
                Self::Literal(_)
                | Self::Array(_)
                | Self::ClientType
                | Self::IsBackoffice
                | Self::Set(_)
                | Self::Member(..) => false,
                Self::Not(inner) => inner.any(condition),
                Self::And(operands) | Self::Or(operands) => operands.iter().any(|node| node.any(condition)),
                Self::Compare { left, right, .. } => left.any(condition) || right.any(condition),
                Self::In { needle, haystack } => needle.any(condition) || haystack.any(condition),
            }
    }

    /// Shows this node and then all below it, in the order of the text.
    pub(super) fn visit<'a>(&'a self, show: &mut impl FnMut(&'a Self)) {
        show(self);
        match self {
            Self::Not(inner) => inner.visit(show),
            Self::And(operands) | Self::Or(operands) => {
                operands.iter().for_each(|operand| operand.visit(show))
            }
            Self::Compare { left, right, .. } | Self::In { needle: left, haystack: right } => {
                left.visit(show);
                right.visit(show);
            }
            Self::Literal(_)
            | Self::Array(_)
            | Self::ClientType
            | Self::IsBackoffice
            | Self::Set(_)
            | Self::Member(..) => {}
        }
    }

    /// A constant, a list or a fact: what the grammar calls an operand.
    pub(super) fn is_leaf(&self) -> bool {
        !matches!(self, Self::Not(_) | Self::And(_) | Self::Or(_) | Self::Compare { .. } | Self::In { .. })
    }

    /// Whether the value is the same for every request.
    pub(super) fn is_constant(&self) -> bool {
        !self.any(&|node| {
            matches!(node, Self::ClientType | Self::IsBackoffice | Self::Set(_) | Self::Member(..))
        })
    }

    /// Binds as tightly as an operand of `!`, `==` and `in`.
    fn is_operand(&self) -> bool {
        !matches!(self, Self::And(_) | Self::Or(_) | Self::Compare { .. } | Self::In { .. })
    }
}

impl Literal {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Number(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Set => "a set of names",
            Self::Array => "an array",
        })
    }
}

impl fmt::Display for UserSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Groups => "groups",
            Self::Permissions => "permissions",
        })
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => write_quoted(f, value),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => literal.fmt(f),
            Self::Array(elements) => write_array(f, elements),
            Self::ClientType => f.write_str("clientType"),
            Self::IsBackoffice => f.write_str("isBackoffice"),
            Self::Set(set) => set.fmt(f),
            Self::Member(set, name) if is_plain_name(name) => write!(f, "{set}.{name}"),
            Self::Member(set, name) => {
                write!(f, "{set}[")?;
                write_quoted(f, name)?;
                f.write_str("]")
            }
            Self::Not(inner) => {
                f.write_str("!")?;
                write_grouped(f, inner, inner.is_operand())
            }
            Self::And(operands) => {
                write_chain(f, operands, " && ", |node| !matches!(node, Self::And(_) | Self::Or(_)))
            }
            Self::Or(operands) => write_chain(f, operands, " || ", |node| !matches!(node, Self::Or(_))),
            Self::Compare { equal, left, right } => {
                write_grouped(f, left, left.is_operand())?;
                f.write_str(if *equal { " == " } else { " != " })?;
                write_grouped(f, right, right.is_operand())
            }
            Self::In { needle, haystack } => {
                write_grouped(f, needle, needle.is_operand())?;
                f.write_str(" in ")?;
                write_grouped(f, haystack, haystack.is_operand())
            }
        }
    }
}

/// The names that `groups.name` can spell; the grammar has no arithmetic, so `-` is safe in them.
pub(super) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '$' | '-')
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_name_character)
}

fn write_grouped(f: &mut fmt::Formatter<'_>, node: &Node, bare: bool) -> fmt::Result {
    if bare { write!(f, "{node}") } else { write!(f, "({node})") }
}

fn write_chain(
    f: &mut fmt::Formatter<'_>,
    operands: &[Node],
    operator: &str,
    bare: impl Fn(&Node) -> bool,
) -> fmt::Result {
    for (index, operand) in operands.iter().enumerate() {
        if index > 0 {
            f.write_str(operator)?;
        }
        write_grouped(f, operand, bare(operand))?;
    }
    Ok(())
}

fn write_array(f: &mut fmt::Formatter<'_>, elements: &[Literal]) -> fmt::Result {
    f.write_str("[")?;
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{element}")?;
    }
    f.write_str("]")
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("\"")
}
