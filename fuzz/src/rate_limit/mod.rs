mod config;
mod fields;
mod requests;

pub(crate) use config::check as config;
pub(crate) use requests::check as requests;
