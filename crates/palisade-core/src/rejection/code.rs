use http::StatusCode;

/// The kind of a rejection: a stable code for programs, with its HTTP and gRPC status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// `VALIDATION_ERROR`, 400: the request itself is wrong.
    Validation,
    /// `AUTHENTICATION_ERROR`, 401: no credential, or one that is not accepted.
    Authentication,
    /// `AUTHORIZATION_ERROR`, 403: known, but not allowed.
    Authorization,
    /// `NOT_FOUND`, 404.
    NotFound,
    /// `METHOD_NOT_ALLOWED`, 405; comes with `Allow`.
    MethodNotAllowed,
    /// `PAYLOAD_TOO_LARGE`, 413.
    PayloadTooLarge,
    /// `RATE_LIMIT_EXCEEDED`, 429.
    RateLimit,
    /// `INTERNAL_ERROR`, 500.
    Internal,
    /// `SERVICE_UNAVAILABLE`, 503: something that this service needs is not there.
    Unavailable,
}

impl Code {
    /// The code as it stands in the error envelope.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validation => "VALIDATION_ERROR",
            Self::Authentication => "AUTHENTICATION_ERROR",
            Self::Authorization => "AUTHORIZATION_ERROR",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::RateLimit => "RATE_LIMIT_EXCEEDED",
            Self::Internal => "INTERNAL_ERROR",
            Self::Unavailable => "SERVICE_UNAVAILABLE",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Validation => StatusCode::BAD_REQUEST,
            Self::Authentication => StatusCode::UNAUTHORIZED,
            Self::Authorization => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimit => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The gRPC status: 3 invalid argument, 5 not found, 7 permission denied, 8 resource exhausted, 12 unimplemented,
    /// 13 internal, 14 unavailable, 16 unauthenticated.
    #[must_use]
    pub const fn grpc_status(self) -> u8 {
        match self {
            Self::Validation => 3,
            Self::NotFound => 5,
            Self::Authorization => 7,
            Self::PayloadTooLarge | Self::RateLimit => 8,
            Self::MethodNotAllowed => 12,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::Authentication => 16,
        }
    }

    pub(super) const fn default_message(self) -> &'static str {
        match self {
            Self::Validation => "The request is not valid",
            Self::Authentication => "Authentication is required",
            Self::Authorization => "You are not allowed to do this",
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "This method is not allowed here",
            Self::PayloadTooLarge => "The request is too large",
            Self::RateLimit => "Rate limit exceeded",
            Self::Internal => "Something went wrong on our side",
            Self::Unavailable => "The service is not available right now",
        }
    }
}
