//! Stacks that are replaced while requests are under way.

mod across;
mod load;
mod stacks;
