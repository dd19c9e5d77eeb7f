#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod attempt;
mod builder;
mod client;
mod connector;
mod error;
mod guard;
mod origin;
mod proxy;
mod roots;

pub use builder::HttpClientBuilder;
pub use client::HttpClient;
pub use error::HttpClientError;
#[doc(no_inline)]
pub use palisade_breaker::{BreakerConfig, RetryConfig};
