//! Every request that an expression can tell apart: which of the names it mentions the caller has, the client types it
//! mentions and one more, backoffice or not. Over these worlds the value of an expression is a column of bits, and two
//! expressions are equal if their columns are. A second evaluator, for questions about rules; decisions never come here.

use std::collections::BTreeSet;

#[cfg(test)]
use common::Principal;

use super::Expression;
use super::ast::{Kind, Literal, Node, UserSet};
#[cfg(test)]
use super::evaluator::Facts;

/// Most worlds that are looked at: sixteen names, or fewer names and some client types.
pub(crate) const MAX_WORLDS: usize = 1 << 16;
const BITS: usize = u64::BITS as usize;
/// In which of the worlds of one word the first names are there. Any other name is there in all of them or in none.
const NAMES_IN_A_WORD: [u64; 6] = [
    0xAAAA_AAAA_AAAA_AAAA,
    0xCCCC_CCCC_CCCC_CCCC,
    0xF0F0_F0F0_F0F0_F0F0,
    0xFF00_FF00_FF00_FF00,
    0xFFFF_0000_FFFF_0000,
    0xFFFF_FFFF_0000_0000,
];

/// The worlds of one or more expressions. World `i` has the name number `n` if bit `n` of `i` is set; what is left of
/// `i` counts client types, then backoffice or not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Worlds {
    names: Vec<(UserSet, String)>,
    client_types: Vec<String>,
    backoffice: Vec<bool>,
    /// The names and the client type that are not mentioned and stand for all others.
    other_names: Vec<usize>,
    other_client_type: Option<usize>,
}

/// What a caller and a request are like in one world.
#[cfg(test)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    pub(crate) principal: Principal,
    pub(crate) client_type: String,
    pub(crate) is_backoffice: bool,
}

#[cfg(test)]
impl World {
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts { client_type: &self.client_type, is_backoffice: self.is_backoffice }
    }
}

/// The value of a condition in each world. Bits beyond the last world are not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Truth {
    words: Vec<u64>,
    worlds: usize,
}

impl Worlds {
    /// The worlds that these expressions can tell apart; `None` if they are too many, or if one of the expressions has
    /// no value. `backoffice` lists what of it can happen where they are used.
    pub(crate) fn of(expressions: &[&Expression], backoffice: &[bool]) -> Option<Self> {
        if expressions.iter().any(|expression| expression.always_fails()) {
            return None;
        }
        let mut mentioned = Mentioned::default();
        expressions.iter().for_each(|expression| mentioned.visit(&expression.root));
        let mentioned = mentioned.with_others();
        let names: Vec<_> = mentioned.names.into_iter().collect();
        let client_types: Vec<_> = mentioned.client_types.into_iter().collect();
        let is_other = |name: &(UserSet, String)| mentioned.other_names.contains(name);
        let worlds = Self {
            other_names: (0..names.len()).filter(|number| names.get(*number).is_some_and(is_other)).collect(),
            other_client_type: client_types
                .iter()
                .position(|name| mentioned.other_client_type.as_ref() == Some(name)),
            names,
            client_types,
            backoffice: backoffice.to_vec(),
        };
        (worlds.count()? <= MAX_WORLDS).then_some(worlds)
    }

    /// How many there are, if that is a number.
    fn count(&self) -> Option<usize> {
        let callers = 1_usize.checked_shl(u32::try_from(self.names.len()).ok()?)?;
        callers.checked_mul(self.client_types.len())?.checked_mul(self.backoffice.len())
    }

    fn len(&self) -> usize {
        self.count().unwrap_or(0)
    }

    /// What it takes to find in which worlds these expressions hold.
    pub(crate) fn cost(&self, expressions: &[&Expression]) -> usize {
        let mut nodes: usize = 0;
        for expression in expressions {
            expression.root.visit(&mut |_| nodes = nodes.saturating_add(1));
        }
        nodes.saturating_mul(self.len().div_ceil(BITS))
    }

    pub(super) fn names(&self) -> &[(UserSet, String)] {
        &self.names
    }

    pub(super) fn client_types(&self) -> &[String] {
        &self.client_types
    }

    /// Whether this name stands for all that are not mentioned.
    pub(super) fn is_other(&self, name: usize) -> bool {
        self.other_names.contains(&name)
    }

    /// See [`Self::is_other`].
    pub(super) fn is_other_client_type(&self, client_type: usize) -> bool {
        self.other_client_type == Some(client_type)
    }

    /// How many sets of names there are.
    pub(super) fn callers(&self) -> usize {
        1 << self.names.len()
    }

    /// The first world with this set of names and this client type.
    pub(super) fn number(&self, caller: usize, client_type: usize) -> usize {
        caller | client_type << self.names.len()
    }

    /// Which client type, and whether backoffice: in the order of the worlds, each for as many as there are callers.
    fn requests(&self) -> impl Iterator<Item = (&str, bool)> {
        let with_each_type = |is_backoffice: &bool| {
            let is_backoffice = *is_backoffice;
            self.client_types.iter().map(move |client_type| (client_type.as_str(), is_backoffice))
        };
        self.backoffice.iter().flat_map(with_each_type)
    }

    #[cfg(test)]
    pub(crate) fn world(&self, world: usize) -> World {
        let (client_type, is_backoffice) = self.requests().nth(world >> self.names.len()).unwrap();
        let mut principal = Principal { id: "somebody".to_owned(), ..Principal::default() };
        for (number, (set, name)) in self.names.iter().enumerate() {
            if world >> number & 1 == 1 {
                match set {
                    UserSet::Groups => principal.groups.insert(name.clone()),
                    UserSet::Permissions => principal.permissions.insert(name.clone()),
                };
            }
        }
        World { principal, client_type: client_type.to_owned(), is_backoffice }
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = World> {
        (0..self.len()).map(|world| self.world(world))
    }

    /// In which worlds an expression holds.
    pub(crate) fn truth(&self, expression: &Expression) -> Truth {
        self.truth_without(&expression.root, &[])
    }

    /// The worlds in which the caller has nothing, as nobody has.
    pub(crate) fn nobody(&self) -> Truth {
        self.any_name(|_, _| true).not()
    }

    /// The same, as if some operands of `&&` and `||` were not there.
    pub(super) fn truth_without(&self, node: &Node, without: &[&Node]) -> Truth {
        let left = |operands: &[Node]| -> Vec<Truth> {
            let left = operands.iter().filter(|node| !without.iter().any(|gone| std::ptr::eq(*gone, *node)));
            left.map(|node| self.truth_without(node, without)).collect()
        };
        match node {
            Node::Literal(literal) => self.all(match literal {
                Literal::Null => false,
                Literal::Bool(value) => *value,
                Literal::Number(value) => *value != 0.0,
                Literal::Text(text) => !text.is_empty(),
            }),
            Node::ClientType => self.any_request(|client_type, _| !client_type.is_empty()),
            Node::IsBackoffice => self.any_request(|_, is_backoffice| is_backoffice),
            Node::Set(set) => self.any_name(|own, _| own == *set),
            Node::Member(set, name) => self.any_name(|own, text| own == *set && *text == **name),
            Node::Not(inner) => self.truth_without(inner, without).not(),
            Node::And(operands) => left(operands).iter().fold(self.all(true), |all, one| all.and(one)),
            Node::Or(operands) => left(operands).iter().fold(self.all(false), |any, one| any.or(one)),
            Node::Compare { equal, left, right } => {
                let same = self.equal(left, right, without);
                if *equal { same } else { same.not() }
            }
            Node::In { needle, haystack } => match &**haystack {
                Node::Set(set) => self.member(needle, *set),
                Node::Array(elements) => self.element(needle, elements, without),
                _ => self.all(false),
            },
            // No condition: such an expression is refused when it is parsed.
            Node::Array(_) => self.all(false),
        }
    }

    /// Where two operands of one kind have the same value.
    fn equal(&self, left: &Node, right: &Node, without: &[&Node]) -> Truth {
        match (left, right) {
            (Node::Literal(left), Node::Literal(right)) => self.all(left == right),
            _ if left.kind() == Kind::Text => {
                self.any_request(|client_type, _| text_of(left, client_type) == text_of(right, client_type))
            }
            _ => {
                let (left, right) = (self.truth_without(left, without), self.truth_without(right, without));
                left.zip(&right, |a, b| a ^ b).not()
            }
        }
    }

    fn member(&self, needle: &Node, set: UserSet) -> Truth {
        match needle {
            Node::Literal(Literal::Text(name)) => self.any_name(|own, text| own == set && *text == **name),
            Node::Array(wanted) => self.any_name(|own, text| {
                own == set && wanted.iter().any(|name| matches!(name, Literal::Text(name) if **name == *text))
            }),
            Node::ClientType => {
                let of_this_type = |name: &String| {
                    let type_is = self.any_request(|client_type, _| client_type == name);
                    self.any_name(|own, text| own == set && text == name).and(&type_is)
                };
                self.client_types.iter().map(of_this_type).fold(self.all(false), |any, one| any.or(&one))
            }
            _ => self.all(false),
        }
    }

    /// Where a value is one of a list.
    fn element(&self, needle: &Node, elements: &[Literal], without: &[&Node]) -> Truth {
        match needle {
            Node::ClientType => {
                let listed: BTreeSet<String> = texts(elements).collect();
                self.any_request(|client_type, _| listed.contains(client_type))
            }
            Node::Literal(literal) => self.all(elements.contains(literal)),
            _ if needle.kind() == Kind::Bool => {
                let holds = self.truth_without(needle, without);
                let listed = |value| self.all(elements.contains(&Literal::Bool(value)));
                holds.clone().and(&listed(true)).or(&holds.not().and(&listed(false)))
            }
            _ => self.all(false),
        }
    }

    /// Where the caller has one of the chosen names.
    fn any_name(&self, chosen: impl Fn(UserSet, &str) -> bool) -> Truth {
        let chosen = self.names.iter().enumerate().filter(|(_, (set, name))| chosen(*set, name));
        let mask = chosen.fold(0_usize, |mask, (number, _)| mask | 1 << number);
        let in_a_word = NAMES_IN_A_WORD.iter().enumerate().filter(|(number, _)| mask >> number & 1 == 1);
        let in_a_word = in_a_word.fold(0, |any, (_, worlds)| any | worlds);
        let rest = mask >> NAMES_IN_A_WORD.len();
        self.words(|number| if number & rest == 0 { in_a_word } else { u64::MAX })
    }

    /// In the worlds of the requests that are chosen by client type and whether backoffice.
    fn any_request(&self, chosen: impl Fn(&str, bool) -> bool) -> Truth {
        let chosen: Vec<bool> =
            self.requests().map(|(client_type, is_backoffice)| chosen(client_type, is_backoffice)).collect();
        let callers = self.callers();
        let of_one = if callers < BITS { (1_u64 << callers).wrapping_sub(1) } else { u64::MAX };
        self.words(|number| {
            let first = number.saturating_mul(BITS);
            let starts = (0..BITS).step_by(callers);
            let starts =
                starts.filter(|start| chosen.get((first | start) >> self.names.len()) == Some(&true));
            starts.fold(0, |word, start| word | of_one << start)
        })
    }

    pub(super) fn all(&self, value: bool) -> Truth {
        self.words(|_| if value { u64::MAX } else { 0 })
    }

    fn words(&self, word: impl Fn(usize) -> u64) -> Truth {
        let worlds = self.len();
        Truth { words: (0..worlds.div_ceil(BITS)).map(word).collect(), worlds }.cut()
    }
}

impl Truth {
    pub(crate) fn holds_in(&self, world: usize) -> bool {
        let word = self.words.get(world / BITS).copied().unwrap_or_default();
        word >> (world % BITS) & 1 == 1
    }

    /// In how many worlds it holds.
    fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn always(&self) -> bool {
        self.count() == self.worlds
    }

    pub(crate) fn never(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub(crate) fn and(self, other: &Self) -> Self {
        self.zip(other, |one, other| one & other)
    }

    fn or(self, other: &Self) -> Self {
        self.zip(other, |one, other| one | other)
    }

    fn zip(mut self, other: &Self, both: impl Fn(u64, u64) -> u64) -> Self {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word = both(*word, *other);
        }
        self
    }

    pub(super) fn not(mut self) -> Self {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.cut()
    }

    /// Without the bits beyond the last world.
    fn cut(mut self) -> Self {
        let used = self.worlds % BITS;
        if let Some(last) = self.words.last_mut().filter(|_| used > 0) {
            *last &= (1_u64 << used).wrapping_sub(1);
        }
        self
    }
}

/// What expressions mention.
#[derive(Debug, Default)]
struct Mentioned {
    /// None if the client type makes no difference.
    client_types: BTreeSet<String>,
    /// The sets that the client type is looked for in: `clientType in groups`.
    named_by_client_type: BTreeSet<UserSet>,
    names: BTreeSet<(UserSet, String)>,
    /// The sets that are asked whether they hold anything.
    whole: BTreeSet<UserSet>,
    other_names: BTreeSet<(UserSet, String)>,
    other_client_type: Option<String>,
}

impl Mentioned {
    fn visit(&mut self, node: &Node) {
        match node {
            Node::ClientType => {
                self.client_types.insert(String::new());
            }
            Node::Set(set) => {
                self.whole.insert(*set);
            }
            Node::Member(set, name) => {
                self.names.insert((*set, name.to_string()));
            }
            Node::In { needle, haystack } if let Node::Set(set) = **haystack => {
                self.visit(needle);
                match &**needle {
                    Node::Literal(name) => {
                        self.names.extend(texts(std::slice::from_ref(name)).map(|name| (set, name)))
                    }
                    Node::Array(names) => self.names.extend(texts(names).map(|name| (set, name))),
                    _ => {
                        self.named_by_client_type.insert(set);
                    }
                }
            }
            Node::Compare { left, right, .. } | Node::In { needle: left, haystack: right } => {
                self.visit(left);
                self.visit(right);
                match (&**left, &**right) {
                    (Node::ClientType, Node::Literal(text)) | (Node::Literal(text), Node::ClientType) => {
                        self.client_types.extend(texts(std::slice::from_ref(text)));
                    }
                    (Node::ClientType, Node::Array(elements)) => self.client_types.extend(texts(elements)),
                    _ => {}
                }
            }
            Node::Not(inner) => self.visit(inner),
            Node::And(operands) | Node::Or(operands) => {
                operands.iter().for_each(|operand| self.visit(operand))
            }
            Node::Literal(_) | Node::Array(_) | Node::IsBackoffice => {}
        }
    }

    /// What is not mentioned is one more client type, and one more name where a whole set is asked.
    fn with_others(mut self) -> Self {
        if self.client_types.is_empty() {
            self.client_types.insert(String::new());
        } else {
            let other = another(&self.client_types);
            self.client_types.insert(other.clone());
            self.other_client_type = Some(other);
        }
        for set in &self.named_by_client_type {
            self.names.extend(self.client_types.iter().map(|name| (*set, name.clone())));
        }
        for set in &self.whole {
            let known =
                self.names.iter().filter(|(own, _)| own == set).map(|(_, name)| name.clone()).collect();
            self.other_names.insert((*set, another(&known)));
        }
        self.names.extend(self.other_names.iter().cloned());
        self
    }
}

fn texts(literals: &[Literal]) -> impl Iterator<Item = String> {
    literals.iter().filter_map(|literal| match literal {
        Literal::Text(text) => Some(text.to_string()),
        _ => None,
    })
}

/// A name that is none of these.
fn another(known: &BTreeSet<String>) -> String {
    let mut name = "another".to_owned();
    while known.contains(&name) {
        name.push('x');
    }
    name
}

fn text_of<'a>(node: &'a Node, client_type: &'a str) -> &'a str {
    match node {
        Node::Literal(Literal::Text(text)) => text,
        _ => client_type,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::properties::{caller, expression};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn g_exp_13_worlds_agree_with_the_evaluator(expression in expression()) {
            let Some(worlds) = Worlds::of(&[&expression], &[false, true]) else { return Ok(()) };
            let truth = worlds.truth(&expression);
            for (number, world) in worlds.iter().enumerate().take(512) {
                let value = expression.evaluate(&world.facts(), Some(&world.principal));
                prop_assert_eq!(Ok(truth.holds_in(number)), value, "{} in {:?}", expression, world);
            }
        }

        #[test]
        fn what_always_or_never_holds_in_the_worlds_does_so_for_any_caller(expression in expression(), caller in caller()) {
            let Some(worlds) = Worlds::of(&[&expression], &[false, true]) else { return Ok(()) };
            let truth = worlds.truth(&expression);
            let value = expression.evaluate(&caller.facts(), caller.principal.as_ref());
            if truth.always() {
                prop_assert_eq!(value, Ok(true), "{}", expression);
            }
            if truth.never() {
                prop_assert_eq!(value, Ok(false), "{}", expression);
            }
        }
    }

    #[test]
    fn too_many_names_are_no_worlds() {
        let names = |count: usize| {
            let names: Vec<String> = (0..count).map(|name| format!("groups.g{name}")).collect();
            Expression::parse(&names.join(" || ")).unwrap()
        };
        assert!(Worlds::of(&[&names(16)], &[false]).is_some());
        assert!(Worlds::of(&[&names(16)], &[false, true]).is_none());
        assert!(Worlds::of(&[&names(200)], &[false]).is_none());
    }
}
