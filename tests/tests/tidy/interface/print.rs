//! Items as lines.

use quote::ToTokens;
use syn::{Attribute, Fields, Generics, Item, Visibility};

/// The name that an item has in its module.
pub(crate) fn name(item: &Item) -> Option<&syn::Ident> {
    Some(match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Mod(item) => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    })
}

pub(crate) fn attrs(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

pub(crate) fn is_public(item: &Item) -> bool {
    let visibility = match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Mod(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Union(item) => &item.vis,
        Item::Use(item) => &item.vis,
        _ => return false,
    };
    matches!(visibility, Visibility::Public(_))
}

/// An item, or the items inside of an invocation of `pin_project!`, which are written as they come out.
pub(crate) fn unwrapped(item: Item) -> Vec<Item> {
    let Item::Macro(invocation) = &item else {
        return vec![item];
    };
    let called = invocation.mac.path.segments.last();
    if called.is_none_or(|called| called.ident != "pin_project") {
        return vec![item];
    }
    match invocation.mac.parse_body::<syn::File>() {
        Ok(file) => file.items,
        Err(_) => vec![item],
    }
}

/// Whether an item is hidden, or is compiled for tests, documentation tests or loom alone.
pub(crate) fn left_out(attrs: &[Attribute]) -> bool {
    let hidden = lists(attrs, "doc").any(|list| list == "hidden");
    hidden
        || lists(attrs, "cfg").any(|condition| {
            ["test", "doctest", "loom", "fuzzing"].contains(&condition.as_str())
                || condition.contains("doctest")
        })
}

/// The conditions under which an item is there, as they stand in its attributes.
pub(crate) fn conditions(attrs: &[Attribute]) -> Vec<String> {
    lists(attrs, "cfg").collect()
}

pub(crate) fn derives(attrs: &[Attribute]) -> Vec<String> {
    let names = lists(attrs, "derive").flat_map(|list| {
        let names = list.split(',').map(|name| name.trim().to_owned());
        names.collect::<Vec<_>>()
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// The contents of the attributes of this name that have a list, which documentation has not.
fn lists<'a>(attrs: &'a [Attribute], name: &'a str) -> impl Iterator<Item = String> + 'a {
    attrs
        .iter()
        .filter(move |attr| attr.path().is_ident(name))
        .filter_map(|attr| Some(tokens(&attr.meta.require_list().ok()?.tokens)))
}

pub(crate) fn non_exhaustive(attrs: &[Attribute]) -> &'static str {
    if attrs
        .iter()
        .any(|attr| attr.path().is_ident("non_exhaustive"))
    {
        "#[non_exhaustive] "
    } else {
        ""
    }
}

/// The generic parameters with their bounds, and the conditions that follow the signature.
pub(crate) fn generics(generics: &Generics) -> (String, String) {
    let parameters = tokens(generics);
    let conditions = generics
        .where_clause
        .as_ref()
        .map(|clause| format!(" {}", tokens(clause).trim_end_matches(',')));
    (parameters, conditions.unwrap_or_default())
}

/// Everything of a signature after its name.
pub(crate) fn signature(sig: &syn::Signature) -> String {
    let (parameters, conditions) = generics(&sig.generics);
    let inputs: Vec<String> = sig.inputs.iter().map(tokens).collect();
    let output = tokens(&sig.output);
    let space = if output.is_empty() { "" } else { " " };
    format!(
        "{parameters}({}){space}{output}{conditions}",
        inputs.join(", ")
    )
}

pub(crate) fn prefix(sig: &syn::Signature) -> String {
    let mut words = String::new();
    if sig.constness.is_some() {
        words.push_str("const ");
    }
    if sig.asyncness.is_some() {
        words.push_str("async ");
    }
    words + "fn"
}

/// The shape of the fields of a struct or a variant; those of a struct that are private are dots.
pub(crate) fn fields(fields: &Fields, all_public: bool) -> String {
    let public = |field: &syn::Field| all_public || matches!(field.vis, Visibility::Public(_));
    match fields {
        Fields::Unit => String::new(),
        Fields::Unnamed(list) => {
            let types: Vec<String> = list
                .unnamed
                .iter()
                .map(|field| {
                    if public(field) {
                        tokens(&field.ty)
                    } else {
                        "_".to_owned()
                    }
                })
                .collect();
            format!("({})", types.join(", "))
        }
        Fields::Named(list) if all_public => {
            let fields = list.named.iter().map(|field| {
                let name = field.ident.as_ref().map(ToString::to_string);
                format!("{}: {}", name.unwrap_or_default(), tokens(&field.ty))
            });
            format!(" {{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Fields::Named(list) if list.named.iter().all(public) => " { }".to_owned(),
        Fields::Named(_) => " { .. }".to_owned(),
    }
}

/// Tokens on one line, spaced about as rustfmt does, without documentation.
pub(crate) fn tokens(of: &impl ToTokens) -> String {
    let mut text = of.to_token_stream().to_string();
    if !text.contains([' ', '\n']) {
        return text;
    }
    for (from, to) in [
        ("\n", " "),
        ("mut self", "self"),
        (" :: ", "::"),
        (":: ", "::"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("- >", " ->"),
        (" ,", ","),
        (" ;", ";"),
        ("& ", "&"),
        (" :", ":"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("[ ", "["),
        (" ]", "]"),
        ("? ", "?"),
        (" !", "!"),
        ("* ", "*"),
        (",)", ")"),
        (",>", ">"),
        ("->(", "-> ("),
        ("=(", "= ("),
        (":(", ": ("),
        (",(", ", ("),
        (">->", "> ->"),
        ("mut(", "mut ("),
        ("+<", "+ <"),
        (":<", ": <"),
        ("-><", "-> <"),
        ("=<", "= <"),
        (",<", ", <"),
        ("dyn<", "dyn <"),
        ("where<", "where <"),
        ("as<", "as <"),
        ("for <", "for<"),
    ] {
        text = text.replace(from, to);
    }
    text
}

/// Tokens without the documentation among them.
pub(crate) fn undocumented(tokens: &str) -> String {
    let mut parts = tokens.split("# [doc = \"");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once("\"] ").map_or("", |(_, rest)| rest));
    }
    text
}
