use std::sync::Arc;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::Request;

use super::respond::Deferred;
use super::{Rejection, RejectionContext};

impl IntoResponse for Rejection {
    /// Answers in the one format. A [`ScopeLayer`](crate::ScopeLayer) around the handler adds the request's id, and
    /// turns the answer into what a gRPC or `HEAD` caller reads.
    fn into_response(self) -> Response {
        let context = RejectionContext::of(&Request::new(()));
        let mut response = self.clone().into_response::<Body>(&context).map(Body::new);
        response.extensions_mut().insert(Deferred(Arc::new(self)));
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tower::{Layer, ServiceExt};

    use super::*;
    use crate::{Code, RequestId, RequestScope, ScopeLayer};

    async fn refused(request: Request<()>) -> (http::response::Parts, String) {
        let handler = tower::service_fn(|mut request: Request<()>| async move {
            RequestScope::enter(request.extensions_mut())
                .set_request_id(RequestId::new("id-1").unwrap());
            let refusal =
                Rejection::new(Code::NotFound).header(http::header::ALLOW, "GET".parse().unwrap());
            let mut response = IntoResponse::into_response(refusal);
            response
                .headers_mut()
                .insert("x-handler", "kept".parse().unwrap());
            Ok::<_, std::convert::Infallible>(response)
        });
        let response = ScopeLayer::default()
            .layer(handler)
            .oneshot(request)
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_handlers_rejection_gets_the_request_id() {
        let (head, body) = refused(Request::new(())).await;
        assert_eq!(head.status, 404);
        assert_eq!(head.headers["x-handler"], "kept");
        assert_eq!(head.headers.get_all("allow").iter().count(), 1);
        assert!(body.contains(r#""correlation_id":"id-1""#), "{body}");
        assert_eq!(head.headers["content-length"], body.len().to_string());
    }

    #[tokio::test]
    async fn a_handlers_rejection_speaks_grpc() {
        let request = Request::post("/a.B/C")
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let (head, body) = refused(request).await;
        assert_eq!(
            (
                head.status.as_u16(),
                head.headers["grpc-status"].to_str().unwrap()
            ),
            (200, "5")
        );
        assert_eq!(head.headers["content-type"], "application/grpc");
        assert!(body.is_empty());
        assert!(!head.headers.contains_key("content-length"));
    }
}
