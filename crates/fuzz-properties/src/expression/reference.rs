//! The expression language once more, as plainly as it can be said: text to value in one go, without a tree, by other code
//! than the evaluator that decides (G-EXP-13). Reads canonical text only, and trusts it.

use std::iter::Peekable;
use std::str::Chars;

use access_rules::Facts;
use common::{NameSet, Principal};

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Names(NameSet),
    List(Vec<Self>),
}

/// Whether the expression holds; `None` if it has no value.
pub(super) fn holds(text: &str, facts: &Facts<'_>, principal: Option<&Principal>) -> Option<bool> {
    let mut reader = Reader { rest: text.chars().peekable(), facts, principal };
    let value = reader.any_of();
    assert!(reader.rest.next().is_none(), "the reference reads less than all of {text}");
    truth(value)
}

fn truth(value: Option<Value>) -> Option<bool> {
    match value? {
        Value::Null => Some(false),
        Value::Bool(value) => Some(value),
        Value::Number(value) => Some(value != 0.0),
        Value::Text(text) => Some(!text.is_empty()),
        Value::Names(names) => Some(!names.is_empty()),
        Value::List(_) => None,
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    facts: &'a Facts<'a>,
    principal: Option<&'a Principal>,
}

impl Reader<'_> {
    fn take(&mut self, text: &str) -> bool {
        let mut ahead = self.rest.clone();
        let there = text.chars().all(|expected| ahead.next() == Some(expected));
        if there {
            self.rest = ahead;
        }
        there
    }

    fn any_of(&mut self) -> Option<Value> {
        let first = self.all_of();
        if !self.take(" || ") {
            return first;
        }
        let mut truths = vec![truth(first), truth(self.all_of())];
        while self.take(" || ") {
            truths.push(truth(self.all_of()));
        }
        let truths: Option<Vec<bool>> = truths.into_iter().collect();
        truths.map(|truths| Value::Bool(truths.contains(&true)))
    }

    fn all_of(&mut self) -> Option<Value> {
        let first = self.comparison();
        if !self.take(" && ") {
            return first;
        }
        let mut truths = vec![truth(first), truth(self.comparison())];
        while self.take(" && ") {
            truths.push(truth(self.comparison()));
        }
        let truths: Option<Vec<bool>> = truths.into_iter().collect();
        truths.map(|truths| Value::Bool(!truths.contains(&false)))
    }

    fn comparison(&mut self) -> Option<Value> {
        let left = self.unary();
        if self.take(" == ") {
            let right = self.unary();
            return equal(left?, right?).map(Value::Bool);
        }
        if self.take(" != ") {
            let right = self.unary();
            return equal(left?, right?).map(|equal| Value::Bool(!equal));
        }
        if self.take(" in ") {
            let right = self.unary();
            return is_in(left?, right?).map(Value::Bool);
        }
        left
    }

    fn unary(&mut self) -> Option<Value> {
        if self.take("!") {
            return truth(self.unary()).map(|value| Value::Bool(!value));
        }
        if self.take("(") {
            let value = self.any_of();
            assert!(self.take(")"), "a parenthesis is closed");
            return value;
        }
        if self.take("[") {
            let mut elements = Vec::new();
            while !self.take("]") {
                elements.extend(self.unary());
                self.take(", ");
            }
            return Some(Value::List(elements));
        }
        if self.rest.peek() == Some(&'"') {
            return Some(Value::Text(self.string()));
        }
        let word = self.word();
        Some(match word.as_str() {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "clientType" => Value::Text(self.facts.client_type.to_owned()),
            "isBackoffice" => Value::Bool(self.facts.is_backoffice),
            "groups" => self.set(|principal| &principal.groups),
            "permissions" => self.set(|principal| &principal.permissions),
            number => Value::Number(self.number(number)),
        })
    }

    fn set(&mut self, of: impl Fn(&Principal) -> &NameSet) -> Value {
        let names = self.principal.map(of).cloned().unwrap_or_default();
        if self.take(".") {
            return Value::Bool(names.contains(&self.word()));
        }
        if self.take("[") {
            let name = self.string();
            assert!(self.take("]"), "a bracket is closed");
            return Value::Bool(names.contains(&name));
        }
        Value::Names(names)
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(character) =
            self.rest.next_if(|character| character.is_ascii_alphanumeric() || "_$-".contains(*character))
        {
            word.push(character);
        }
        word
    }

    fn number(&mut self, whole: &str) -> f64 {
        let text = if self.take(".") { format!("{whole}.{}", self.word()) } else { whole.to_owned() };
        text.parse().expect("a number")
    }

    fn string(&mut self) -> String {
        assert!(self.take("\""), "a string begins");
        let mut text = String::new();
        loop {
            match self.rest.next().expect("a string ends") {
                '"' => return text,
                '\\' => match self.rest.next().expect("an escape") {
                    'u' => {
                        let digits: String = self.rest.by_ref().take(4).collect();
                        let code = u32::from_str_radix(&digits, 16).expect("four digits");
                        text.push(char::from_u32(code).expect("a control character"));
                    }
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
    }
}

fn equal(left: Value, right: Value) -> Option<bool> {
    match (&left, &right) {
        (Value::Names(_) | Value::List(_), _) | (_, Value::Names(_) | Value::List(_)) => None,
        _ if std::mem::discriminant(&left) != std::mem::discriminant(&right) => None,
        _ => Some(left == right),
    }
}

fn is_in(needle: Value, haystack: Value) -> Option<bool> {
    match (needle, haystack) {
        (Value::Text(name), Value::Names(names)) => Some(names.contains(&name)),
        (Value::List(wanted), Value::Names(names)) => {
            let found: Option<Vec<bool>> =
                wanted.into_iter().map(|name| is_in(name, Value::Names(names.clone()))).collect();
            found.map(|found| found.contains(&true))
        }
        (Value::Names(_) | Value::List(_), Value::List(_)) => None,
        (value, Value::List(values)) => Some(values.contains(&value)),
        _ => None,
    }
}
