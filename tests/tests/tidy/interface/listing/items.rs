//! The lines of one item.

use syn::{ImplItem, Item, TraitItem, Visibility};

use super::{Walk, join};
use crate::interface::print;
use crate::interface::tree::Place;

impl Walk<'_> {
    /// Lists an item under its public name.
    pub(super) fn item(&mut self, item: &Item, place: &Place, public: &str, conditions: &[String]) {
        let open = print::non_exhaustive(print::attrs(item));
        match item {
            Item::Const(item) => self.signed(
                place,
                &*item.ty,
                format!("pub const {public}: {}", print::tokens(&item.ty)),
                conditions,
            ),
            Item::Static(item) => self.signed(
                place,
                &*item.ty,
                format!("pub static {public}: {}", print::tokens(&item.ty)),
                conditions,
            ),
            Item::Fn(item) => {
                let line = format!(
                    "pub {} {public}{}",
                    print::prefix(&item.sig),
                    print::signature(&item.sig)
                );
                self.signed(place, &item.sig, line, conditions);
            }
            Item::Type(item) => {
                let (parameters, rest) = print::generics(&item.generics);
                let line = format!(
                    "pub type {public}{parameters}{rest} = {}",
                    print::tokens(&item.ty)
                );
                self.signed(place, &*item.ty, line, conditions);
            }
            Item::Struct(item) => {
                let (parameters, rest) = print::generics(&item.generics);
                let fields = print::fields(&item.fields, false);
                self.line(
                    format!("{open}pub struct {public}{parameters}{fields}{rest}"),
                    conditions,
                );
                for field in item
                    .fields
                    .iter()
                    .filter(|field| matches!(field.vis, Visibility::Public(_)))
                {
                    let Some(name) = &field.ident else { continue };
                    let line = format!("pub field {public}::{name}: {}", print::tokens(&field.ty));
                    self.signed(place, &field.ty, line, conditions);
                }
                self.derived(&item.attrs, public, conditions);
            }
            Item::Enum(item) => {
                let (parameters, rest) = print::generics(&item.generics);
                self.line(
                    format!("{open}pub enum {public}{parameters}{rest}"),
                    conditions,
                );
                for variant in &item.variants {
                    let fields = print::fields(&variant.fields, true);
                    let open = print::non_exhaustive(&variant.attrs);
                    let conditions = join(conditions, print::conditions(&variant.attrs));
                    self.signed(
                        place,
                        &variant.fields,
                        format!("{open}variant {public}::{}{fields}", variant.ident),
                        &conditions,
                    );
                }
                self.derived(&item.attrs, public, conditions);
            }
            Item::Trait(item) => self.definition(item, place, public, conditions),
            _ => {}
        }
    }

    fn definition(
        &mut self,
        item: &syn::ItemTrait,
        place: &Place,
        public: &str,
        conditions: &[String],
    ) {
        let (parameters, rest) = print::generics(&item.generics);
        let supertraits: Vec<String> = item.supertraits.iter().map(print::tokens).collect();
        let colon = if supertraits.is_empty() { "" } else { ": " };
        self.line(
            format!(
                "pub trait {public}{parameters}{colon}{}{rest}",
                supertraits.join(" + ")
            ),
            conditions,
        );
        for inner in &item.items {
            match inner {
                TraitItem::Fn(inner) => {
                    let provided = if inner.default.is_some() {
                        " provided"
                    } else {
                        ""
                    };
                    let line = format!(
                        "trait {} {public}::{}{}{provided}",
                        print::prefix(&inner.sig),
                        inner.sig.ident,
                        print::signature(&inner.sig)
                    );
                    self.signed(place, &inner.sig, line, conditions);
                }
                TraitItem::Type(inner) => {
                    let bounds: Vec<String> = inner.bounds.iter().map(print::tokens).collect();
                    self.line(
                        format!(
                            "trait type {public}::{}: {}",
                            inner.ident,
                            bounds.join(" + ")
                        ),
                        conditions,
                    );
                }
                TraitItem::Const(inner) => {
                    self.line(
                        format!(
                            "trait const {public}::{}: {}",
                            inner.ident,
                            print::tokens(&inner.ty)
                        ),
                        conditions,
                    );
                }
                _ => {}
            }
        }
    }

    /// Lists an implementation for a type under its public name.
    pub(super) fn implementation(
        &mut self,
        item: &syn::ItemImpl,
        place: &Place,
        public: &str,
        conditions: &[String],
    ) {
        let (parameters, rest) = print::generics(&item.generics);
        let own = print::tokens(&item.self_ty);
        let arguments = own.find('<').map_or("", |at| &own[at..]);
        if let Some((not, implemented, _)) = &item.trait_ {
            let not = if not.is_some() { "!" } else { "" };
            let line = format!(
                "impl{parameters} {not}{} for {public}{arguments}{rest}",
                print::tokens(implemented)
            );
            self.signed(place, implemented, line, conditions);
            return;
        }
        for inner in &item.items {
            match inner {
                ImplItem::Fn(inner) if is_listed(&inner.vis, &inner.attrs) => {
                    let conditions = join(conditions, print::conditions(&inner.attrs));
                    let bounds = if item.generics.where_clause.is_some() {
                        format!(" impl{rest}")
                    } else {
                        String::new()
                    };
                    let line = format!(
                        "pub {} {public}{arguments}::{}{}{bounds}",
                        print::prefix(&inner.sig),
                        inner.sig.ident,
                        print::signature(&inner.sig)
                    );
                    self.signed(place, &inner.sig, line, &conditions);
                }
                ImplItem::Const(inner) if is_listed(&inner.vis, &inner.attrs) => {
                    self.line(
                        format!(
                            "pub const {public}::{}: {}",
                            inner.ident,
                            print::tokens(&inner.ty)
                        ),
                        conditions,
                    );
                }
                _ => {}
            }
        }
    }

    fn derived(&mut self, attrs: &[syn::Attribute], public: &str, conditions: &[String]) {
        for name in print::derives(attrs) {
            self.line(format!("impl {name} for {public}"), conditions);
        }
    }
}

fn is_listed(visibility: &Visibility, attrs: &[syn::Attribute]) -> bool {
    matches!(visibility, Visibility::Public(_)) && !print::left_out(attrs)
}
