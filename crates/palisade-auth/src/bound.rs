//! The decision about tokens that are bound to a key of their holder.

use http::{HeaderMap, Request};
use palisade_core::filter::Exchange;
use palisade_core::{ClientCertificate, Rejection, sent_path};

use crate::decide::Config;
use crate::dpop::{self, Sent};
use crate::jwt::confirmation::Possession;
use crate::outcome::Outcome;
use crate::{Dpop, Refusal, credential};

impl Config {
    /// The keys that the sender of a request has proved to have by its connection.
    #[inline]
    pub(crate) fn possession<B>(&self, request: &Request<B>) -> Possession {
        let certificate = match self.mutual_tls {
            true => request.extensions().get::<ClientCertificate>(),
            false => None,
        };
        Possession {
            key: None,
            certificate: certificate.map(ClientCertificate::thumbprint),
        }
    }

    /// Checks the proof and then the token. Only of a token that holds the proof is remembered, so that nobody else can fill
    /// the memory of them.
    #[cold]
    pub(crate) fn check_dpop<B>(
        &self,
        token: &[u8],
        exchange: &mut Exchange,
        request: &Request<B>,
    ) -> Outcome {
        let Some(dpop) = &self.dpop else {
            return Outcome::Now(Err(Refusal::UnknownToken));
        };
        let sent = Sent {
            method: request.method(),
            path: sent_path(request.extensions(), request.uri()),
            headers: request.headers(),
        };
        let proof = match dpop.check(&sent, Some(token)) {
            Ok(proof) => proof,
            Err(refusal) => return Outcome::Now(Err(refusal)),
        };
        let shown = Possession {
            key: Some(proof.thumbprint),
            ..self.possession(request)
        };
        let dpop = dpop.clone();
        self.check_bearer(token, exchange, &shown)
            .then(move |principal| dpop.remember(&proof, principal))
    }

    /// The answer to a refused request.
    #[cold]
    pub(crate) fn rejection(&self, refusal: Refusal, headers: &HeaderMap) -> Rejection {
        let with_dpop = self.dpop.is_some() && credential::says_dpop(headers);
        let rejection = self.challenges.rejection(refusal, with_dpop);
        let nonce = self.dpop.as_ref().and_then(Dpop::nonce);
        match (refusal, nonce) {
            (Refusal::DpopNonceRequired, Some(nonce)) => rejection.header(dpop::NONCE, nonce),
            _ => rejection,
        }
    }
}
