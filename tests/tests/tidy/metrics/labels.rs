//! Every label is on the page, and its values are few whatever clients send.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::visit::Visit;
use syn::{Expr, ItemConst, Lit, LitStr, Macro, Token};

use super::{PAGE, names};
use crate::{crates, files, none_of, read, root, shown};

/// The values that a label may have, as code writes them, with the reason why they are few. A new one is added here once
/// it is known that no client can choose it.
const FEW: &[(&str, &str, &str)] = &[
    ("class", "class.as_str()", "an enum"),
    ("message", "name", "`request` or `response`"),
    ("name", "name.as_str()", "a `Name`, which an operator gives"),
    ("outcome", "outcome", "a `&'static str`"),
    (
        "policy",
        "name.as_str()",
        "a `Name`, which an operator gives",
    ),
    (
        "provider",
        "provider.as_str()",
        "a `Name`, which the provider has in code",
    ),
    (
        "reason",
        "REASONS[position]",
        "a list, whose last stands for all others",
    ),
    ("reason", "reason", "a `&'static str`"),
    ("reason", "reason.as_str()", "an enum"),
    ("reason", "refusal.as_str()", "an enum"),
    ("sink", "\"first\"", "a constant"),
    (
        "sink",
        "name.to_owned()",
        "the name that a sink is added under, in code",
    ),
    ("to", "to.as_str()", "an enum"),
];

/// The macros that make metrics.
const MACROS: [&str; 3] = ["counter", "gauge", "histogram"];

#[test]
fn no_label_has_values_that_a_client_chooses() {
    let mut unknown = Vec::new();
    let mut used = BTreeSet::new();
    for (file, metric) in recorded() {
        for (label, value) in &metric.labels {
            let known = FEW
                .iter()
                .position(|(name, text, _)| name == label && text == value);
            match known {
                Some(nth) => drop(used.insert(nth)),
                None => unknown.push(format!("{file}: {label} => {value}: are these few?")),
            }
        }
    }
    let unused = FEW
        .iter()
        .enumerate()
        .filter(|(nth, _)| !used.contains(nth));
    unknown
        .extend(unused.map(|(_, (label, value, _))| format!("no metric has {label} => {value}")));
    none_of(&unknown);
}

#[test]
fn the_page_lists_the_labels_of_each_metric() {
    let page = read(&root().join(PAGE));
    let listed: BTreeMap<&str, BTreeSet<String>> = page
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|');
            let name = *names(cells.next()?, '`').first()?;
            let labels = cells.nth(1)?.split('`').skip(1).step_by(2);
            Some((name, labels.map(str::to_owned).collect()))
        })
        .collect();
    let recorded = recorded();
    assert!(recorded.len() > 20, "the macros were not found at all");
    let mut problems = Vec::new();
    for (file, metric) in recorded {
        let labels: BTreeSet<String> = metric.labels.into_iter().map(|(label, _)| label).collect();
        if listed.get(metric.name.as_str()) != Some(&labels) {
            problems.push(format!("{file}: {} has {labels:?}", metric.name));
        }
    }
    none_of(&problems);
}

/// A use of `counter!`, `gauge!` or `histogram!`.
struct Metric {
    name: String,
    /// Each label, and the expression for its value.
    labels: Vec<(String, String)>,
}

/// Every metric that the crates record, with its file.
fn recorded() -> Vec<(String, Metric)> {
    let mut found = Vec::new();
    for package in crates() {
        let sources: Vec<_> = files(&package.dir.join("src"), ".rs")
            .into_iter()
            .map(|path| (read(&path), path))
            // The others have neither a metric nor the name of one.
            .filter(|(text, _)| {
                text.contains("palisade_")
                    || MACROS.iter().any(|name| text.contains(&format!("{name}!")))
            })
            .map(|(text, path)| (syn::parse_file(&text).expect("a file is Rust"), path))
            .collect();
        let mut constants = Constants::default();
        for (file, _) in &sources {
            constants.visit_file(file);
        }
        for (file, path) in &sources {
            let mut macros = Macros::default();
            macros.visit_file(file);
            found.extend(
                macros
                    .0
                    .into_iter()
                    .map(|call| named(call, &constants, path)),
            );
        }
    }
    found
}

fn named(call: Call, constants: &Constants, path: &Path) -> (String, Metric) {
    let written = &call.name;
    let name = match written {
        Expr::Lit(literal) => text(&literal.lit),
        Expr::Path(constant) => constant
            .path
            .segments
            .last()
            .and_then(|name| constants.0.get(&name.ident.to_string()).cloned()),
        _ => None,
    };
    let name = name.unwrap_or_else(|| written.to_token_stream().to_string());
    let labels = call.labels.into_iter().map(|(label, value)| {
        let value = value.to_token_stream().to_string();
        (label.value(), value.replace(' ', ""))
    });
    let labels = labels.collect();
    (shown(path), Metric { name, labels })
}

fn text(literal: &Lit) -> Option<String> {
    match literal {
        Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

/// The constants of a crate that are texts.
#[derive(Default)]
struct Constants(BTreeMap<String, String>);

impl<'ast> Visit<'ast> for Constants {
    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        if let Expr::Lit(literal) = &*item.expr
            && let Some(text) = text(&literal.lit)
        {
            self.0.insert(item.ident.to_string(), text);
        }
    }
}

/// The name and the labels as a macro has them.
struct Call {
    name: Expr,
    labels: Vec<(LitStr, Expr)>,
}

impl Parse for Call {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        let mut labels = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                let label = input.parse()?;
                input.parse::<Token![=>]>()?;
                labels.push((label, input.parse()?));
            }
        }
        Ok(Self { name, labels })
    }
}

#[derive(Default)]
struct Macros(Vec<Call>);

impl<'ast> Visit<'ast> for Macros {
    fn visit_macro(&mut self, found: &'ast Macro) {
        let name = found.path.segments.last();
        let name = name.map(|name| name.ident.to_string()).unwrap_or_default();
        if MACROS.contains(&name.as_str()) {
            self.0
                .push(found.parse_body().expect("a name, and labels with values"));
        }
    }
}

#[test]
fn a_macro_is_read_with_its_name_and_labels() {
    let file = "const N: &str = \"n_total\";\nfn f(a: A) { let m = || metrics::counter!(N, \"a\" => a.as_str(), \"b\" => \"x\",); gauge!(\"g\"); }";
    let file = syn::parse_file(file).unwrap();
    let (mut constants, mut macros) = (Constants::default(), Macros::default());
    constants.visit_file(&file);
    macros.visit_file(&file);
    let read: Vec<Metric> = macros
        .0
        .into_iter()
        .map(|call| named(call, &constants, root()).1)
        .collect();
    let pair = |label: &str, value: &str| (label.to_owned(), value.to_owned());
    assert_eq!(read[0].name, "n_total");
    assert_eq!(
        read[0].labels,
        [pair("a", "a.as_str()"), pair("b", "\"x\"")]
    );
    assert_eq!((read[1].name.as_str(), read[1].labels.len()), ("g", 0));
}
