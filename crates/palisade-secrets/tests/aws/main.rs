//! AWS Secrets Manager, through the official SDK.
#![cfg(feature = "aws")]

#[path = "../moto/mod.rs"]
mod moto;
mod moto_server;
mod throttling;
