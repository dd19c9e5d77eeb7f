//! A gRPC service and its client, written by hand so that no compiler for protocol buffers is needed.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};
use tower::Service;

/// Messages as the bytes that they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let len = src.remaining();
        Ok(Some(src.copy_to_bytes(len)))
    }
}

/// Answers every call with the message that it got.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

/// The path of the one method.
pub const ECHO_PATH: &str = "/palisade.test.Echo/Echo";

impl NamedService for Echo {
    const NAME: &'static str = "palisade.test.Echo";
}

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(Echo, request).await) })
    }
}

/// Calls [`Echo`] on a server, with this metadata.
///
/// # Errors
///
/// The status with which the server refused.
///
/// # Panics
///
/// When the server cannot be reached at all.
pub async fn echo(
    server: SocketAddr,
    metadata: MetadataMap,
    message: &'static [u8],
) -> Result<Bytes, Status> {
    let channel = Endpoint::try_from(format!("http://{server}"))
        .expect("an address is a URI")
        .connect()
        .await
        .expect("the server accepts connections");
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.expect("the channel is ready");
    let mut request = Request::new(Bytes::from_static(message));
    *request.metadata_mut() = metadata;
    let path = PathAndQuery::from_static(ECHO_PATH);
    client
        .unary(request, path, Raw)
        .await
        .map(Response::into_inner)
}
