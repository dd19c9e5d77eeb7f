//! Puts all mutants of a file into it, each behind a question that a running test binary answers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::mutant::{Change, Mutant};

/// A file with its mutants in it.
#[derive(Debug)]
pub(super) struct Woven {
    pub(super) text: String,
    /// The mutants that are in it.
    pub(super) mutants: BTreeSet<usize>,
    regions: Vec<Region>,
}

#[derive(Debug)]
struct Region {
    range: Range<usize>,
    of: Of,
}

#[derive(Debug)]
enum Of {
    /// The code of one mutant.
    Mutant(usize),
    /// The expression that these change.
    Choice(BTreeSet<usize>),
    Function,
}

/// Those that an error of the compiler speaks of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Culprits {
    /// The error is in the code of this mutant: it would not compile alone either.
    Mutant(usize),
    /// The error is around these: they cannot all be in one build.
    Around(BTreeSet<usize>),
    Unknown,
}

impl Woven {
    /// Weaves those of `mutants` that are of this file and that this can express.
    ///
    /// The keys are the numbers by which a test binary asks for one. A `const fn` cannot ask, and is an ordinary one
    /// here unless its name is among `constant`, whose mutants are left out.
    pub(super) fn new(
        source: &str,
        mutants: &BTreeMap<usize, &Mutant>,
        constant: &BTreeSet<String>,
    ) -> syn::Result<Self> {
        let file = syn::parse_file(source)?;
        let mut finder = Finder {
            source,
            constant,
            places: BTreeMap::new(),
            nodes: Vec::new(),
        };
        for (id, mutant) in mutants {
            let place = (mutant.line, mutant.column);
            finder.places.entry(place).or_default().push((*id, mutant));
        }
        finder.visit_file(&file);
        let mut nodes = finder.nodes;
        // The outer ones first; of equal ones the one that was met first is the outer.
        nodes.sort_by_key(|node| (node.range.start, usize::MAX - node.range.end));
        let mut weaver = Weaver {
            source,
            woven: Self {
                text: String::with_capacity(source.len() * 2),
                mutants: BTreeSet::new(),
                regions: Vec::new(),
            },
        };
        weaver.write(0..source.len(), &nodes);
        Ok(weaver.woven)
    }

    /// The mutant to blame for an error at this position, both counted from 1.
    pub(super) fn culprits(&self, line: usize, column: usize) -> Culprits {
        let Some(at) = offset(&self.text, line, column) else {
            return Culprits::Unknown;
        };
        let here = self
            .regions
            .iter()
            .filter(|region| region.range.contains(&at));
        let Some(region) = here.min_by_key(|region| region.range.len()) else {
            return Culprits::Unknown;
        };
        match &region.of {
            Of::Mutant(mutant) => Culprits::Mutant(*mutant),
            Of::Choice(mutants) => Culprits::Around(mutants.clone()),
            Of::Function => Culprits::Around(self.inside(&region.range)),
        }
    }

    fn inside(&self, outer: &Range<usize>) -> BTreeSet<usize> {
        let inside = self
            .regions
            .iter()
            .filter(|region| outer.start <= region.range.start && region.range.end <= outer.end);
        let mutants = inside.filter_map(|region| match region.of {
            Of::Mutant(mutant) => Some(mutant),
            Of::Choice(_) | Of::Function => None,
        });
        mutants.collect()
    }
}

fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let start: usize = text
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let rest = text.get(start..)?;
    let within = rest.char_indices().nth(column - 1);
    Some(start + within.map_or(rest.len(), |(at, _)| at))
}

/// A place of the file at which something is written.
#[derive(Debug)]
struct Node {
    range: Range<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A function.
    Scope,
    /// An expression, and what each mutant has in its place.
    Choice(Vec<(usize, String)>),
    /// The first place in the body of a function, and what it returns instead.
    Body(Vec<(usize, String)>),
    /// Behind the pattern of an arm.
    Arm(usize),
    /// The `const` of a function, which is left out.
    Const,
}

struct Finder<'a> {
    source: &'a str,
    constant: &'a BTreeSet<String>,
    places: BTreeMap<(usize, usize), Vec<(usize, &'a Mutant)>>,
    nodes: Vec<Node>,
}

impl Finder<'_> {
    /// Takes what is made of the mutants at this place whose change is of the right kind.
    fn take<T>(&self, at: LineColumn, make: impl Fn(&Change) -> Option<T>) -> Vec<(usize, T)> {
        let Some(here) = self.places.get(&(at.line, at.column + 1)) else {
            return Vec::new();
        };
        here.iter()
            .filter_map(|(id, mutant)| Some((*id, make(&mutant.change)?)))
            .collect()
    }

    fn choice(&mut self, range: Range<usize>, choices: Vec<(usize, String)>) {
        if !choices.is_empty() {
            let kind = Kind::Choice(choices);
            self.nodes.push(Node { range, kind });
        }
    }

    /// Returns whether there may be mutants within.
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) -> bool {
        if let Some(constness) = &signature.constness {
            if self.constant.contains(&signature.ident.to_string()) {
                return false;
            }
            self.nodes.push(Node {
                range: constness.span.byte_range(),
                kind: Kind::Const,
            });
        }
        self.nodes.push(Node {
            range: block.span().byte_range(),
            kind: Kind::Scope,
        });
        let Some(first) = block.stmts.first() else {
            return false;
        };
        let bodies = self.take(first.span().start(), |change| match change {
            Change::Body(value) => Some(value.clone()),
            _ => None,
        });
        if !bodies.is_empty() {
            let start = block.brace_token.span.open().byte_range().end;
            self.nodes.push(Node {
                range: start..start,
                kind: Kind::Body(bodies),
            });
        }
        true
    }
}

/// Whether a part of a condition binds names, which no other operator than `&&` may do.
fn binds(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => binds(&binary.left) || binds(&binary.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if self.function(&item.sig, &item.block) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if self.function(&item.sig, &item.block) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default
            && self.function(&item.sig, block)
        {
            visit::visit_trait_item_fn(self, item);
        }
    }

    fn visit_expr_binary(&mut self, expr: &'ast syn::ExprBinary) {
        if !binds(&expr.left) && !binds(&expr.right) {
            let operator = expr.op.span();
            let choices = self.take(operator.start(), |change| match change {
                Change::Operator(new) => Some(new.clone()),
                _ => None,
            });
            let (whole, operator) = (expr.span().byte_range(), operator.byte_range());
            let left = &self.source[whole.start..operator.start];
            let right = &self.source[operator.end..whole.end];
            let choices = choices
                .into_iter()
                .map(|(id, new)| (id, format!("{left}{new}{right}")));
            self.choice(whole, choices.collect());
        }
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_unary(&mut self, expr: &'ast syn::ExprUnary) {
        let choices = self.take(expr.op.span().start(), |change| {
            matches!(change, Change::Unary)
                .then(|| self.source[expr.expr.span().byte_range()].to_owned())
        });
        self.choice(expr.span().byte_range(), choices);
        visit::visit_expr_unary(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let deleted = self.take(arm.span().start(), |change| {
            matches!(change, Change::Arm).then_some(())
        });
        let end = arm.pat.span().byte_range().end;
        if let (Some((id, ())), None) = (deleted.first(), &arm.guard) {
            self.nodes.push(Node {
                range: end..end,
                kind: Kind::Arm(*id),
            });
        }
        if let Some((_, guard)) = &arm.guard {
            let choices = self.take(guard.span().start(), |change| match change {
                Change::Guard(always) => Some(always.to_string()),
                _ => None,
            });
            self.choice(guard.span().byte_range(), choices);
        }
        visit::visit_arm(self, arm);
    }
}

struct Weaver<'a> {
    source: &'a str,
    woven: Woven,
}

impl Weaver<'_> {
    /// Writes a part of the source with the nodes that lie in it.
    fn write(&mut self, part: Range<usize>, mut nodes: &[Node]) {
        let mut at = part.start;
        while let Some((node, rest)) = nodes.split_first() {
            let inside = rest.partition_point(|other| other.range.start < node.range.end);
            let (inner, rest) = rest.split_at(if node.range.is_empty() { 0 } else { inside });
            self.copy(at..node.range.start);
            self.node(node, inner);
            at = node.range.end;
            nodes = rest;
        }
        self.copy(at..part.end);
    }

    fn node(&mut self, node: &Node, inner: &[Node]) {
        let from = self.woven.text.len();
        let of = match &node.kind {
            Kind::Scope => {
                self.write(node.range.clone(), inner);
                Of::Function
            }
            Kind::Choice(choices) => {
                self.woven.text.push('(');
                for (id, code) in choices {
                    self.mutant(*id, &format!("if {} {{ {code} }} else ", question(*id)));
                }
                self.woven.text.push_str("{ ");
                self.write(node.range.clone(), inner);
                self.woven.text.push_str(" })");
                Of::Choice(choices.iter().map(|(id, _)| *id).collect())
            }
            Kind::Body(bodies) => {
                for (id, value) in bodies {
                    self.mutant(*id, &format!(" if {} {{ return {value}; }}", question(*id)));
                }
                return;
            }
            Kind::Const => return,
            Kind::Arm(id) => {
                self.mutant(*id, &format!(" if !{}", question(*id)));
                return;
            }
        };
        let range = from..self.woven.text.len();
        self.woven.regions.push(Region { range, of });
    }

    fn mutant(&mut self, id: usize, code: &str) {
        let from = self.woven.text.len();
        self.woven.text.push_str(code);
        self.woven.mutants.insert(id);
        self.woven.regions.push(Region {
            range: from..self.woven.text.len(),
            of: Of::Mutant(id),
        });
    }

    fn copy(&mut self, range: Range<usize>) {
        self.woven.text.push_str(&self.source[range]);
    }
}

fn question(id: usize) -> String {
    format!("crate::mutant_switch::on({id})")
}

#[cfg(test)]
mod tests;
